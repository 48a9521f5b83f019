//! White-box tests: pushes that stand, on a clock that is set by hand.

mod rig;
mod standing;
