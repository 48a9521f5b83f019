//! The durable log of one shard. Knows nothing of points: an entry is bytes and a count.
//!
//! What was appended and synced comes back after any crash, in order, until the reader confirms it.
//! Uplink writes lines here before the message of a vehicle is acknowledged; the sink reads them,
//! ships them, and moves the cursor when the store has confirmed. The two meet only in these files.
//! The dead-letter log is a spool as well.
//!
//! # The life of an entry
//! Lines gather in an [`EntryBuffer`], which keeps room for the header in front.
//! [`Writer::append_unsynced`] gives it the next position, fills the header in, and writes header
//! and payload with one call. [`Writer::sync`] makes it durable, together with everything else that
//! was appended. [`Reader::read_batch`] verifies its payload and appends it to the batch.
//! [`Reader::confirm`] moves the cursor past it, [`Reader::flush_cursor`] makes that durable and
//! deletes its segment when everything else in it is confirmed too. A [`Committer`] is the thread
//! that does the writing half for many owners.
//!
//! # Files
//! ```text
//! DIR/lock                        held as long as the spool is open (SP-8)
//! DIR/cursor                      two slots of 32 bytes, 4096 apart, written in turn
//! DIR/00000000000000000001.seg    a segment, named by the position of its first entry
//! DIR/00000000000000004711.seg    the next one: the last is being written, all others are sealed
//! DIR/00000000000000000001.held.1795382379000000000
//!                                 a segment that was confirmed then and is held (`store.hold`)
//! DIR/quarantine/                 damaged bytes, set aside; for a human to look at and delete
//!
//! segment = header entry* [footer]       all integers little-endian, CRC-32 (IEEE) throughout
//!
//! header   0  8  "FLSEGMT\n"
//!          8  2  version, 1; any other is refused, never guessed
//!         10  1  line dialect: 0 without `u`, 1 with it
//!         11  5  zero
//!         16  8  position of the first entry
//!         24  4  zero
//!         28  4  CRC of bytes 0..28
//!
//! entry    0  4  ff f6 'E' fe: never occurs in UTF-8, so a search for it skips payloads of text
//!          4  4  bytes of payload
//!          8  8  position
//!         16  4  items
//!         20  4  CRC of the payload
//!         24  4  CRC of bytes 0..24: a length, position or count is only taken from whole headers
//!         28     payload
//!
//! footer   0  4  ff f6 'Z' fe
//!          4  4  zero
//!          8  8  position of the first entry
//!         16  8  position of the last entry
//!         24  8  items of all entries
//!         32  4  CRC of bytes 0..32
//!
//! slot     0  8  "FLCURSR\n"
//!          8  2  version, 1
//!         10  2  zero
//!         12  8  sequence: of two whole slots the higher is the newer
//!         20  8  confirmed position
//!         28  4  CRC of bytes 0..28
//! ```
//! A segment is reserved whole (`fallocate`) before its first entry, reads as zeros behind its last
//! one, and is cut to its length when it is sealed. Where the file system cannot reserve, it grows.
//! `format.rs` alone knows these offsets, and a test holds a whole segment byte by byte.
//!
//! # What each return means
//! | call | says | then is true |
//! |---|---|---|
//! | `append_unsynced` | `Done` | nothing is durable; a crash keeps or loses it |
//! | | `Full` | nothing of it was written; the same call may succeed later |
//! | `sync` | `Ok` | every entry before it survives any crash (SP-2), and the reader sees it |
//! | either | error to `Halt` | the writer is poisoned: it never touches the disk again |
//! | `read_batch` | `Some` | every checksum held; what failed is in `damaged`, and set aside |
//! | `confirm` | | the cursor has moved in memory; a crash moves it back to the last flush |
//! | `flush_cursor` | `Ok` | the cursor is durable, what it covers is deleted and given back |
//!
//! # Crash model
//! A killed process loses what was never written. A power cut may also lose, whole or sector by
//! sector and in any order, every byte that was not synced, and every name whose folder was not.
//! Hence the order of things:
//! - a new segment: reserve, header, sync, folder sync, then its first entry (I5);
//! - rotation: the fresh segment is ready before the full one is sealed; the seal is synced before
//!   the fresh one is written to. No room for a fresh one is `Full`, and no failure (I8);
//! - release: durable cursor, then unlink, then folder sync, oldest first, one at a time, so that
//!   what remains always reaches up to the cursor (I6).
//!
//! A failed write or sync is final (I2): kernels mark the pages clean, so a second sync that
//! succeeds would prove nothing. This includes a write for which there is no room *inside* a
//! reserved segment: then the disk has promised room that it does not have (thin provisioning), and
//! nobody knows what else it will fail to write back. `Full` is only returned before room was
//! reserved.
//!
//! # Recovery
//! [`open`] takes the lock, reads the cursor and each segment's header and footer, and scans whole
//! only what has no footer (the last segment) and the segment in which the cursor stands. So 1 GiB
//! of sealed segments costs about thirty small reads. Then, each step repeatable:
//! 1. An unknown version, in a segment or the cursor: refused before anything is changed.
//! 2. A file that is named like a segment but is none, or a second copy of one: moved to
//!    `quarantine/`.
//! 3. Files without an entry, as a crash during a rotation leaves them: removed.
//! 4. Behind the last whole entry of the last segment: zeros are the end; anything else is a torn
//!    tail, cut and synced (SP-3, I3). The intact entries there are synced too, because a killed
//!    process may not have done so.
//! 5. Damage before an intact entry, or before an end that is known from the footer or the next
//!    segment, stays where it is and is counted; the reader skips it (SP-7, I4). After a power cut
//!    this may be an entry of the last, unacknowledged group, with a sector missing while the next
//!    entry is intact: that looks like damage and is reported. So there may be a false alarm, but
//!    never a missing one.
//! 6. The cursor: the newer of two intact slots. No intact slot: everything there is sent again.
//!    Past the data: it is not believed, because that would skip entries; everything there is sent
//!    again, and the slot is replaced durably before anything is appended (SP-4).
//! 7. Segments that the cursor covers are deleted: the crash came between the two steps. Before
//!    that the cursor is written once more, because what was read may not be durable.
//! 8. A last segment of another dialect is sealed; new entries go to a new one.
//!
//! # Damage at rest
//! Sealed segments are verified as they are read. Where a checksum fails, the reader scans the
//! segment: an entry with an intact header is skipped by its length, otherwise the scan searches
//! the next magic that begins an intact header. Exactly the bytes between intact entries are copied
//! to `quarantine/`, and the positions and items are in [`Batch::damaged`]. A segment whose own
//! header is damaged is still read: its position is taken from its name, and its dialect as the one
//! with `u`, because such lines can be shipped to any store (rewritten if necessary). A disk that
//! *fails* reads is not damage: that is a [`ReadError`], and the read is tried again.
//!
//! # Holding
//! If the [`Budget`] is configured so, a confirmed segment is renamed instead of deleted, and kept
//! for a time (`hold.rs`). It counts in the budget and is evicted first. [`replay`] puts it back.
//!
//! # Taking things out of the middle
//! [`Writer::rewrite`] and [`Writer::remove_segment`] are for a log whose items are removed one by
//! one, in any order: the dead-letter log. The new version of a sealed segment is written beside
//! it, synced, and renamed over it; positions stay. Such a log is read with [`entries`], not with a
//! [`Reader`].
//!
//! # A file of its own
//! [`write_file`] and [`read_file`] keep a table in the same record format, in one file beside the
//! segments that is always replaced as a whole. The session journal uses it.
//!
//! # Accounting
//! `recovered + spooled = stored + dead_lettered + damaged + in_spool` must hold. `recovered` is
//! [`Recovery::items`]: the items of everything past the cursor, from footers where there are any,
//! including damaged entries. A batch's `items` are those of its intact entries, `damaged.items`
//! those of the others. They come from the entries' own headers if these are intact; the rest, up
//! to the segment's total, is assigned to the first hole that has lost a header. Without a footer
//! (the last segment after a crash) the items of such an entry are unknown and count as 0 on both
//! sides. The commit thread counts `spooled` after the sync and before the reader can see the
//! group.
//!
//! # Limits
//! - SP-6 bounds segments by the [`Budget`], shared by all spools, plus one segment per spool; an
//!   entry that is larger than a segment gets one of its own. `quarantine/` is not in the budget:
//!   it grows with damage only.
//! - A payload is at most 1 GiB. The reader holds one chunk of 1 MiB, or one entry if that is more.
//! - Budget of one shard at 100,000 points of 400 B a second: 40 MB/s appended, 1,000 syncs a
//!   second at most (`interval`), one segment of 64 MiB each 1.6 s, so 1 file made and 1 deleted in
//!   that time; memory is the groups in flight and one chunk. Checksums run at several GB/s, once
//!   when an entry is written and once when it is read.
//!
//! # Invariants
//! - **SP-1** positions are assigned strictly increasing, without gaps, also when every segment was
//!   deleted: the cursor and the last segment's name keep the number.
//! - **SP-2** after `sync` returns, a crash at any later instant keeps every entry before it.
//! - **SP-3** recovery yields everything that was synced and, of the rest, only intact entries; a
//!   torn tail is cut, never guessed.
//! - **SP-4** the cursor never moves backward (except by [`replay`], while the spool is closed),
//!   and never passes the last durable entry.
//! - **SP-5** a segment is deleted only when every entry in it is durably confirmed.
//! - **SP-6** bytes on disk, held segments included, ≤ budget + one segment a spool.
//! - **SP-7** bytes damaged at rest lose only the entries they hold, and those are reported; no
//!   other segment becomes unreadable.
//! - **SP-8** one writer and one reader, across processes too; [`status`], [`verify`] and
//!   [`entries`] read without the lock and change nothing.
//!
//! And the invariants of the whole appliance that concern the spool: **I1** no acknowledgement
//! before the sync; **I2** a failed sync poisons; **I3** torn tails; **I4** damage in the middle;
//! **I5** folders are synced; **I6** cursor before unlink; **I7** what is sent again is
//! byte-identical; **I8** a full disk is back-pressure.
//!
//! # Why not a library
//! Measured at 150 B records in groups of 512 with a sync each: this layout costs 0.45 µs of CPU a
//! record at a write amplification of 1.08. okaywal costs a little more, at 1.56, and reads only at
//! recovery. mrecordlog takes 1.7 µs, and keeps everything retained in memory. fjall and redb take
//! 2 µs and more, at 2.1 and 1.6, because a tree is more than a log needs. None of them has a
//! budget, skips damage entry by entry, or defines what a full disk means.

mod budget;
mod chunk;
pub mod commit;
mod cursor;
mod entry;
mod entry_file;
mod fault;
mod format;
mod hold;
mod inspect;
mod outcome;
mod quarantine;
mod reader;
mod reading;
mod recovery;
mod rewrite;
mod scan;
mod shared;
mod survey;
mod view;
mod writer;

pub use budget::Budget;
pub use commit::{
    CommitCounters, CommitHandle, CommitOptions, CommitState, Committer, Feed, Maintenance,
    Submission,
};
pub use cursor::{Cursor, CursorError};
pub use entry::EntryBuffer;
pub use entry_file::{read_file, write_file};
pub use fault::DiskFault;
pub use format::segment_name;
pub use hold::{HeldStatus, ReplayError, Replayed, replay};
pub use inspect::{
    DamagedStretch, Entries, Progress, Status, Stored, Verification, entries, status, verify,
};
pub use outcome::{Append, AppendError, Place, SyncError, Synced};
pub use reader::Reader;
pub use reading::{Batch, BatchLimits, Damage, ReadError, Reading};
pub use recovery::{OpenError, Opened, Options, Recovery, open};
pub use rewrite::{Remainder, SegmentFacts};
pub use shared::Released;
pub use survey::{CursorState, SurveyError};
pub use view::{Backlog, View};
pub use writer::Writer;

#[cfg(test)]
mod tests;
