//! The files below the schemas directory; no other module reads them.
//!
//! Whatever the directory contains, the read ends, is bounded, and does not affect the plans in
//! force:
//!
//! - Names that begin with a dot (`.git`, Kubernetes' `..data`, macOS's `._x`) and editors'
//!   leftovers (`x~`, `#x#`, `x.swp`, `x.bak`, `x.orig`…) are skipped, folders too.
//! - Only regular files are read: no FIFO, socket or device.
//! - A folder or file that is reached by several paths is read once, under the path without links
//!   if there is one; its other paths are [aliases](Sources::find). So links that lead upward cause
//!   no loop.
//! - Every bound is an option of [`Bounds`].
//!
//! Skipped files are kept with the reason, for the error if a mapping names one
//! ([`Sources::passed_over`]). Mapping files are the exception: one that cannot be read is a
//! problem, because without it vehicles' messages would count as unmapped.
//!
//! They are read through `std::fs` and not through `env::Disk`: nothing here must survive a crash,
//! and a broken schema file only fails a load, which keeps the old set.

mod names;
mod sources;
mod text;
mod walk;

pub use sources::{Bounds, Source, Sources};
