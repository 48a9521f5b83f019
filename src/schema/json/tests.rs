//! Shows that JSON Schemas become shapes, and what is refused in them.
