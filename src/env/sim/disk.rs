//! A disk in memory that forgets, fills up and fails.
//!
//! - What was not synced may be lost at a [`crash`](SimDisk::crash): names of files and folders
//!   that were created, renamed or removed without [`Disk::sync_dir`], each independently, a folder
//!   with everything in it; bytes and lengths without [`DiskFile::sync_data`], each write
//!   completely, not at all, or sector by sector.
//! - A [`Fault`] makes calls fail: the n-th of a kind, once or from then on. A failed write leaves
//!   half of its bytes. A failed sync forgets what it should have made durable while reads still
//!   show it, as kernels do.
//! - A capacity makes it full; a limit on the number of files is not modelled.
//! - A test can flip bytes at rest, and write, read and remove files directly.
//! - A handle from before a crash fails every call.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::env::disk::{Access, Disk, DiskFile, DiskLock};

use super::{
    content::{Change, Node, write},
    random::Random,
};

/// The kinds of calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the calls of Disk and DiskFile")]
pub enum Call {
    CreateDir,
    Files,
    Create,
    Open,
    Rename,
    Remove,
    SyncDir,
    Lock,
    ReadAt,
    WriteAllAt,
    SyncData,
    SetLen,
    Allocate,
    Len,
}

/// A failure to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which kind of call counts; `None`: all.
    pub call: Option<Call>,
    /// Which of them fails, counted from 0 and from now.
    pub nth: u64,
    /// The error that it returns.
    pub error: io::ErrorKind,
    /// Whether all later ones fail as well.
    pub is_permanent: bool,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

#[derive(Default)]
struct State {
    /// Folders as reads see them; the root always exists.
    dirs: BTreeSet<PathBuf>,
    /// Folders whose names certainly survive a crash.
    durable_dirs: BTreeSet<PathBuf>,
    /// File names as reads see them.
    names: BTreeMap<PathBuf, u64>,
    /// File names that certainly survive a crash.
    durable_names: BTreeMap<PathBuf, u64>,
    nodes: BTreeMap<u64, Node>,
    next_node: u64,
    locks: BTreeSet<PathBuf>,
    capacity: Option<u64>,
    cannot_allocate: bool,
    fault: Option<Fault>,
    /// Whether the fault has been injected.
    injected: bool,
    /// Calls since the last fault was set.
    calls: u64,
    /// Counts crashes: handles from before a crash fail.
    life: u64,
}

impl SimDisk {
    /// An empty disk without capacity limit and faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the bytes of all files together, or removes the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_state().capacity = bytes;
    }

    /// Makes `allocate` unsupported, as on some file systems.
    pub fn disable_allocate(&self) {
        self.lock_state().cannot_allocate = true;
    }

    /// Sets or clears the fault, and counts calls from 0 again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.lock_state();
        state.fault = fault;
        state.injected = false;
        state.calls = 0;
    }

    /// Whether the fault has been injected.
    #[must_use]
    pub fn is_fault_injected(&self) -> bool {
        self.lock_state().injected
    }

    /// A copy of the disk, to try several continuations from one state. Its locks are free.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.lock_state();
        let copy = State {
            dirs: state.dirs.clone(),
            durable_dirs: state.durable_dirs.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            nodes: state.nodes.clone(),
            next_node: state.next_node,
            capacity: state.capacity,
            cannot_allocate: state.cannot_allocate,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(copy)))
    }

    /// Cuts the power: `seed` decides what of the unsynced changes is kept. Afterwards all locks
    /// are free and no fault is set.
    pub fn crash(&self, seed: u64) {
        let mut state = self.lock_state();
        let mut random = Random(seed);
        state.life += 1;
        state.locks.clear();
        state.fault = None;
        state.lose_dirs(&mut random);
        let State { names, durable_names, nodes, .. } = &mut *state;
        let mut kept = durable_names.clone();
        let changed: BTreeSet<PathBuf> = names
            .iter()
            .filter(|(path, node)| durable_names.get(*path) != Some(*node))
            .map(|(path, _)| path.clone())
            .chain(durable_names.keys().filter(|path| !names.contains_key(*path)).cloned())
            .collect();
        for path in changed {
            if random.coin() {
                match names.get(&path) {
                    Some(node) => kept.insert(path, *node),
                    None => kept.remove(&path),
                };
            }
        }
        for node in nodes.values_mut() {
            for change in std::mem::take(&mut node.unsynced) {
                let how = random.next() % 3;
                change.apply(&mut node.durable, || match how {
                    0 => true,
                    1 => false,
                    _ => random.coin(),
                });
            }
            node.seen.clone_from(&node.durable);
        }
        nodes.retain(|node, _| kept.values().any(|kept| kept == node));
        names.clone_from(&kept);
        *durable_names = kept;
    }

    /// The bytes of a file as reads see them; `None` if there is no such file.
    #[must_use]
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock_state();
        state.names.get(path).map(|node| state.nodes[node].seen.clone())
    }

    /// Writes a file and its folder, durable at once, replacing an existing file.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.lock_state();
        let State { dirs, durable_dirs, .. } = &mut *state;
        for known in [dirs, durable_dirs] {
            known.extend(path.ancestors().skip(1).map(Path::to_owned));
        }
        let node = match state.names.get(path) {
            Some(node) => *node,
            None => state.add_node(),
        };
        let content = Node { durable: bytes.clone(), seen: bytes, unsynced: Vec::new() };
        state.nodes.insert(node, content);
        state.names.insert(path.to_owned(), node);
        state.durable_names.insert(path.to_owned(), node);
    }

    /// Removes a file, durable at once, and returns its bytes.
    pub fn take(&self, path: &Path) -> Option<Vec<u8>> {
        let mut state = self.lock_state();
        state.durable_names.remove(path);
        let node = state.names.remove(path)?;
        state.nodes.get(&node).map(|node| node.seen.clone())
    }

    /// Flips bits of one byte at rest.
    pub fn flip(&self, path: &Path, offset: usize, bits: u8) {
        let mut state = self.lock_state();
        let Some(node) = state.names.get(path).copied() else {
            return;
        };
        let node = state.nodes.get_mut(&node).expect("every name has a node");
        for bytes in [&mut node.durable, &mut node.seen] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= bits;
            }
        }
    }

    /// Bytes of all files.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock_state().used()
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock_state();
        state.count_call(call)?;
        Ok(state)
    }

    fn handle(&self, node: u64, life: u64) -> Box<dyn DiskFile> {
        Box::new(SimFile { disk: self.clone(), node, life })
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().map(|node| self.nodes[node].seen.len() as u64).sum()
    }

    fn add_node(&mut self) -> u64 {
        self.next_node += 1;
        self.nodes.insert(self.next_node, Node::default());
        self.next_node
    }

    /// Whether a folder exists.
    fn has_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || self.dirs.contains(path)
    }

    /// Loses folders that were not synced, each with what is in it.
    fn lose_dirs(&mut self, random: &mut Random) {
        let mut kept: BTreeSet<PathBuf> = BTreeSet::new();
        fn is_in(path: &Path, kept: &BTreeSet<PathBuf>) -> bool {
            path.parent().is_none_or(|dir| dir.parent().is_none() || kept.contains(dir))
        }
        // Sorted, so that each comes after its parent.
        for dir in &self.dirs {
            if (self.durable_dirs.contains(dir) || random.coin()) && is_in(dir, &kept) {
                kept.insert(dir.clone());
            }
        }
        self.names.retain(|path, _| is_in(path, &kept));
        self.durable_names.retain(|path, _| is_in(path, &kept));
        (self.durable_dirs, self.dirs) = (kept.clone(), kept);
    }

    /// Counts a call, and fails it if the fault is due.
    fn count_call(&mut self, call: Call) -> io::Result<()> {
        let Some(fault) = self.fault.filter(|fault| fault.call.is_none_or(|kind| kind == call))
        else {
            return Ok(());
        };
        let nth = self.calls;
        self.calls += 1;
        if nth == fault.nth || (fault.is_permanent && nth > fault.nth) {
            self.injected = true;
            return Err(fault.error.into());
        }
        Ok(())
    }

    /// Whether a file may grow to a length.
    fn grow(&self, node: u64, len: u64) -> io::Result<()> {
        let now = self.nodes[&node].seen.len() as u64;
        let after = self.used() + len.saturating_sub(now);
        match self.capacity {
            Some(capacity) if len > now && after > capacity => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn resize(&mut self, node: u64, len: u64) {
        let len = usize::try_from(len).expect("simulated files fit in memory");
        let node = self.nodes.get_mut(&node).expect("an open file has a node");
        node.seen.resize(len, 0);
        node.unsynced.push(Change::Len(len));
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.call(Call::CreateDir)?;
        if state.has_dir(path) {
            return Ok(false);
        }
        if !path.parent().is_some_and(|parent| state.has_dir(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.dirs.insert(path.to_owned());
        Ok(true)
    }

    fn files(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.call(Call::Files)?;
        if !state.has_dir(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.keys().filter(|name| name.parent() == Some(path));
        Ok(inside.filter_map(|name| name.file_name()?.to_str().map(ToOwned::to_owned)).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.call(Call::Create)?;
        if !path.parent().is_some_and(|parent| state.has_dir(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = state.add_node();
        state.names.insert(path.to_owned(), node);
        Ok(self.handle(node, state.life))
    }

    fn open(&self, path: &Path, _access: Access) -> io::Result<Box<dyn DiskFile>> {
        let state = self.call(Call::Open)?;
        let node = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(*node, state.life))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call(Call::Rename)?;
        let node = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Call::Remove)?;
        state.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Call::SyncDir)?;
        let State { names, durable_names, dirs, durable_dirs, .. } = &mut *state;
        durable_dirs.extend(dirs.iter().filter(|dir| dir.parent() == Some(path)).cloned());
        durable_names.retain(|name, _| name.parent() != Some(path));
        let inside = names.iter().filter(|(name, _)| name.parent() == Some(path));
        durable_names.extend(inside.map(|(name, node)| (name.clone(), *node)));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let mut state = self.call(Call::Lock)?;
        if !state.locks.insert(path.to_owned()) {
            return Ok(None);
        }
        let life = state.life;
        Ok(Some(Box::new(SimLock { disk: self.clone(), path: path.to_owned(), life })))
    }
}

/// An open file.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    node: u64,
    life: u64,
}

impl SimFile {
    /// Counts a call; an error if the power was cut since the file was opened.
    fn call(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.call(call)?;
        if state.life == self.life { Ok(state) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn write(state: &mut State, node: u64, bytes: &[u8], offset: u64) {
        let offset = usize::try_from(offset).expect("simulated files fit in memory");
        let node = state.nodes.get_mut(&node).expect("an open file has a node");
        write(&mut node.seen, offset, bytes);
        node.unsynced.push(Change::Write { offset, bytes: bytes.to_vec() });
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.call(Call::ReadAt)?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let from = state.nodes[&self.node].seen.get(offset..).unwrap_or(&[]);
        let n = from.len().min(into.len());
        into[..n].copy_from_slice(&from[..n]);
        Ok(n)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = match self.call(Call::WriteAllAt) {
            Ok(state) => state,
            Err(error) => {
                let mut state = self.disk.lock_state();
                if state.life == self.life {
                    Self::write(&mut state, self.node, &bytes[..bytes.len() / 2], offset);
                }
                return Err(error);
            }
        };
        state.grow(self.node, offset + bytes.len() as u64)?;
        Self::write(&mut state, self.node, bytes, offset);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.call(Call::SyncData).map(drop);
        let mut state = self.disk.lock_state();
        if state.life == self.life {
            let node = state.nodes.get_mut(&self.node).expect("an open file has a node");
            node.unsynced.clear();
            if synced.is_ok() {
                node.durable.clone_from(&node.seen);
            }
        }
        synced
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.call(Call::SetLen)?;
        state.resize(self.node, len);
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.call(Call::Allocate)?;
        if state.cannot_allocate {
            return Err(io::ErrorKind::Unsupported.into());
        }
        state.grow(self.node, len)?;
        if (state.nodes[&self.node].seen.len() as u64) < len {
            state.resize(self.node, len);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.call(Call::Len)?;
        Ok(state.nodes[&self.node].seen.len() as u64)
    }
}

/// A held lock of a [`SimDisk`].
#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    life: u64,
}

impl DiskLock for SimLock {
    fn write(&self, _content: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.lock_state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}
