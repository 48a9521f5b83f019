//! Reads messages from the journal's files.

use std::{collections::VecDeque, io, path::Path, sync::Arc};

use super::table::Block;
use crate::{
    env::disk::{Access, Disk, DiskFile},
    model::Position,
    spool::segment_name,
};

/// The maximum number of open files.
const FILES_MAX: usize = 16;

/// Reads blocks of messages; keeps the most recently read files open.
#[derive(Debug)]
pub(super) struct Blocks {
    disk: Arc<dyn Disk>,
    dir: std::path::PathBuf,
    /// By segment; the newest last.
    files: VecDeque<(u64, Box<dyn DiskFile>)>,
}

impl Blocks {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_owned(), files: VecDeque::new() }
    }

    /// Reads one block. The caller checks its checksum.
    pub(super) fn read(&mut self, block: Block) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; block.len as usize];
        let file = self.file(block.segment)?;
        let mut done = 0;
        while done < bytes.len() {
            let n = file.read_at(&mut bytes[done..], u64::from(block.offset) + done as u64)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            done += n;
        }
        Ok(bytes)
    }

    fn file(&mut self, segment: u64) -> io::Result<&dyn DiskFile> {
        if let Some(place) = self.files.iter().position(|(known, _)| *known == segment) {
            return Ok(self.files[place].1.as_ref());
        }
        let path = self.dir.join(segment_name(Position(segment)));
        let file = self.disk.open(&path, Access::Read)?;
        if self.files.len() == FILES_MAX {
            self.files.pop_front();
        }
        self.files.push_back((segment, file));
        Ok(self.files.back().expect("it was just put there").1.as_ref())
    }
}
