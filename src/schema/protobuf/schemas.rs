//! All `.proto` files.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::closure::Closure;
use crate::schema::{Missing, Problem, Sources};

/// All message types of the `.proto` files.
#[derive(Debug)]
pub struct ProtobufSchemas {
    sources: Arc<Sources>,
    import_roots: Vec<String>,
    /// Requested files. A lock, because the registry is shared; only loads take it.
    compiled: Mutex<Compiled>,
}

/// The files that have been requested so far.
#[derive(Debug, Default)]
struct Compiled {
    /// By the requested file.
    pools: BTreeMap<String, Result<DescriptorPool, Vec<Problem>>>,
    /// Every file that one of them needed.
    reached: BTreeSet<String>,
}

/// How these files end.
const ENDING: &str = ".proto";

impl ProtobufSchemas {
    /// The files of the sources; none is read yet.
    pub(crate) fn new(sources: Arc<Sources>, import_roots: &[String]) -> Self {
        Self { sources, import_roots: import_roots.to_vec(), compiled: Mutex::default() }
    }

    /// A message type by the file that declares it and its full name.
    ///
    /// # Errors
    /// The errors of the file, of its imports, or of a name.
    pub fn message(&self, file: &str, name: &str) -> Result<MessageDescriptor, Missing> {
        let source = self.sources.find(file).filter(|source| source.path.ends_with(ENDING));
        let source = source.ok_or_else(|| Missing::file(&self.sources, file, ENDING))?;
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = compiled.pool(&source.path, &self.sources, &self.import_roots);
        let pool = pool.clone().map_err(Missing::Broken)?;
        let found = pool.get_message_by_name(name);
        found.filter(|message| message.parent_file().name() == source.path).ok_or_else(|| {
            let all = pool.all_messages().filter(|message| {
                message.parent_file().name() == source.path && !message.is_map_entry()
            });
            let known = all.map(|message| message.full_name().to_owned()).collect();
            Missing::message(file, "message", name, known)
        })
    }

    /// The errors of files that have neither been requested nor imported so far.
    pub(crate) fn problems_of_unreached(&self) -> Vec<Problem> {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looked_at = Compiled { reached: compiled.reached.clone(), ..Compiled::default() };
        let mut problems = BTreeSet::new();
        for source in self.sources.with_ending(ENDING) {
            if !looked_at.reached.contains(&source.path) {
                let pool = looked_at.pool(&source.path, &self.sources, &self.import_roots);
                problems.extend(pool.as_ref().err().into_iter().flatten().cloned());
                looked_at.pools.clear();
            }
        }
        problems.into_iter().collect()
    }
}

impl Compiled {
    /// The pool of a file.
    fn pool(
        &mut self,
        path: &str,
        sources: &Sources,
        import_roots: &[String],
    ) -> &Result<DescriptorPool, Vec<Problem>> {
        self.pools.entry(path.to_owned()).or_insert_with_key(|path| {
            let source = sources.find(path).expect("the path of a source");
            let closure = Closure::of(source, sources, import_roots);
            self.reached.extend(closure.files().map(str::to_owned));
            closure.compile()
        })
    }
}
