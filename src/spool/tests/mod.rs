//! White-box tests of the spool, by purpose, and the rig that they share.

mod basic;
mod commit;
mod damage;
mod hold;
mod invariants;
mod model;
mod rig;
mod split;

use std::{path::PathBuf, sync::Arc};

use crate::model::Position;

use super::{Append, Batch, BatchLimits, EntryBuffer, OpenError, Opened, Reader};
use rig::{ALL, ONE, Rig, append, drain, lost, payload, positions};
