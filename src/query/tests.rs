//! White-box tests of the room.
