//! `/api/v1/commands` and related paths: send, follow, cancel; the feed; the audit.

mod error;
mod feed;
mod list;
mod send;

pub use error::CommandError;
pub(super) use feed::{FEED_MAX, audit, feed};
#[cfg(test)]
pub(super) use feed::{KNOWN_OF_AUDIT, KNOWN_OF_FEED};
#[cfg(test)]
pub(super) use list::KNOWN_OF_LIST;
pub(super) use list::{LIMIT, LIMIT_MAX, Paging, cancel, list, one, page_of};
#[cfg(test)]
pub(super) use send::KNOWN_OF_SEND;
pub(super) use send::{VEHICLES_MAX, WAIT_MAX, send, send_many, who};
