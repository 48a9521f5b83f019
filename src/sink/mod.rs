//! Spool → store: batches, retries, the cursor.

mod lag;
mod options;
mod retry;
mod rewrite;
mod split;

pub use options::Options;
pub use retry::RetryOptions;
