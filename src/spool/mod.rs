//! The durable log of one shard; knows nothing of points.

mod budget;
mod chunk;
pub mod commit;
mod cursor;
mod entry;
mod fault;
mod format;
mod inspect;
mod outcome;
mod quarantine;
mod reader;
mod recovery;
mod scan;
mod shared;
mod survey;
mod view;
mod writer;

pub use budget::Budget;
pub use commit::{
    CommitCounters, CommitHandle, CommitOptions, CommitState, Committer, Reply, Settled, Submission,
};
pub use cursor::CursorError;
pub use entry::EntryBuffer;
pub use fault::DiskFault;
pub use inspect::{
    DamagedStretch, Entries, Progress, Status, Stored, Verification, entries, status, verify,
};
pub use outcome::{Append, AppendError, SyncError, Synced};
pub use reader::{Batch, BatchLimits, Damage, ReadError, Reader};
pub use recovery::{OpenError, Opened, Options, Recovery, open};
pub use shared::Released;
pub use survey::{CursorState, SurveyError};
pub use view::{Backlog, View};
pub use writer::Writer;

#[cfg(test)]
mod tests;
