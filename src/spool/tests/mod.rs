//! White-box tests of the spool, by purpose.

mod basic;
