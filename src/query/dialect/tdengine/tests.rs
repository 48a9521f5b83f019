//! The text of each kind of question, and names that would be more than names.
