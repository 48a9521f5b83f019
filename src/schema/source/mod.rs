//! The files below the schemas directory: the one place that touches them.
//!
//! Whatever lies in the folder, reading it ends, is bounded, and harms nothing that runs:
//!
//! - Names that begin with a dot (`.git`, Kubernetes' `..data`, macOS's `._x`) and editors'
//!   leftovers (`x~`, `#x#`, `x.swp`, `x.bak`, `x.orig`…) are passed over, folders too.
//! - Only regular files are read: no FIFO, socket or device.
//! - A folder or file that is reached by several ways is read once, under the path without links if
//!   there is one; its other paths are [aliases](Sources::find). So links that lead upward end.
//! - Every bound is an option of [`Bounds`].
//!
//! What was passed over is remembered with the reason, for whoever names it
//! ([`Sources::passed_over`]). Mapping files are the exception: one that cannot be read is a
//! problem, because without it vehicles' messages would be taken for unmapped.
//!
//! They are read through `std::fs` and not through `env::Disk`: nothing here must survive a crash,
//! and whoever breaks a schema file breaks a load, which keeps the old set.

mod names;
mod sources;
mod text;
mod walk;

pub use sources::{Bounds, Source, Sources};
