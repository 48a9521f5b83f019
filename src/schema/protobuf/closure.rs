//! One `.proto` file with everything that it imports → a descriptor pool of its own.
//!
//! Each named file gets its own pool, so that two versions of a package, or two vendors' copies of
//! a common file, never conflict. Files are walked without recursion, imported ones first, and
//! every file is named by its path below the schemas directory.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::DescriptorPool;
use protox::file::{File, FileResolver, GoogleFileResolver};

use super::scan::{self, Import};
use crate::schema::{Problem, Source, Sources};

/// The files that one file needs, and which file each import names.
pub(super) struct Closure<'a> {
    sources: &'a Sources,
    roots: &'a [String],
    /// By path: for each import the path of the file that it means.
    imports: BTreeMap<&'a str, BTreeMap<String, &'a str>>,
    /// The files, each after those that it imports.
    order: Vec<&'a Source>,
    /// The paths of these files.
    done: BTreeSet<&'a str>,
    /// Well-known files that are imported.
    well_known: BTreeSet<String>,
    problems: BTreeSet<Problem>,
}

/// A file whose imports are being walked.
struct Step<'a> {
    source: &'a Source,
    may_be_parsed: bool,
    /// Its imports that are not walked yet.
    ahead: Vec<(Import, &'a Source)>,
}

impl<'a> Closure<'a> {
    /// Finds all files that a file needs.
    pub(super) fn of(source: &'a Source, sources: &'a Sources, roots: &'a [String]) -> Self {
        let mut closure = Self {
            sources,
            roots,
            imports: BTreeMap::new(),
            order: Vec::new(),
            done: BTreeSet::new(),
            well_known: BTreeSet::new(),
            problems: BTreeSet::new(),
        };
        let mut way = vec![closure.step(source)];
        while let Some(step) = way.last_mut() {
            let Some((import, next)) = step.ahead.pop() else {
                closure.done.insert(&step.source.path);
                if step.may_be_parsed {
                    closure.order.push(step.source);
                }
                way.pop();
                continue;
            };
            if closure.done.contains(next.path.as_str()) {
                continue;
            }
            if closure.imports.contains_key(next.path.as_str()) {
                let file = step.source.path.clone();
                let what = format!("import '{}' leads back to this file", import.name);
                closure.problems.insert(Problem { file, line: Some(import.line), what });
                continue;
            }
            let step = closure.step(next);
            way.push(step);
        }
        closure
    }

    /// All files of the closure.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.imports.keys().copied()
    }

    /// Resolves the imports of a file.
    fn step(&mut self, source: &'a Source) -> Step<'a> {
        let found = scan::imports(source);
        let mut meant = BTreeMap::new();
        let mut ahead = Vec::new();
        for import in found.as_deref().unwrap_or_default() {
            if is_well_known(&import.name) {
                self.well_known.insert(import.name.clone());
            } else if let Some(next) = self.resolve(source, &import.name) {
                meant.insert(import.name.clone(), next.path.as_str());
                ahead.push((import.clone(), next));
            } else {
                let (file, line) = (source.path.clone(), Some(import.line));
                let what = self.not_found(&import.name);
                self.problems.insert(Problem { file, line, what });
            }
        }
        let may_be_parsed = found.is_ok();
        self.problems.extend(found.err());
        self.imports.insert(&source.path, meant);
        ahead.reverse();
        Step { source, may_be_parsed, ahead }
    }

    /// The file that an import means: below the schemas directory, below an import root, or below
    /// the nearest folder above the importing file where it is found.
    fn resolve(&self, from: &Source, import: &str) -> Option<&'a Source> {
        let roots = self.roots.iter().map(|root| format!("{}/", root.trim_matches('/')));
        let folders = from.path.rmatch_indices('/').map(|(at, _)| from.path[..=at].to_owned());
        [String::new()]
            .into_iter()
            .chain(roots)
            .chain(folders)
            .find_map(|folder| self.sources.find(&format!("{folder}{import}")))
            .filter(|source| source.path.ends_with(".proto"))
    }

    /// The error for an import that was not found.
    fn not_found(&self, import: &str) -> String {
        if let Some(why) = self.sources.passed_over(import) {
            return format!("import '{import}' not found: {why}");
        }
        let below = format!("/{import}");
        let mut elsewhere = self.sources.with_ending(".proto");
        match elsewhere.find(|source| source.path.ends_with(&below)) {
            Some(source) => format!(
                "import '{import}' not found; it is in `{0}`: name that folder in \
                 `schemas.import-roots`",
                &source.path[..source.path.len() - below.len()]
            ),
            None => format!(
                "import '{import}' not found; imports are looked up below the schemas directory, \
                 below `schemas.import-roots` and in the folders above the importing file"
            ),
        }
    }

    /// Compiles it.
    ///
    /// # Errors
    /// All errors in its files.
    pub(super) fn compile(self) -> Result<DescriptorPool, Vec<Problem>> {
        let mut problems = self.problems;
        let mut pool = DescriptorPool::new();
        for name in &self.well_known {
            if let Err(problem) = add_well_known(&mut pool, name) {
                problems.insert(problem);
            }
        }
        let mut parsed = Vec::new();
        for source in self.order {
            match File::from_source(&source.path, &source.text) {
                Ok(file) => parsed.push((source, file.file_descriptor_proto().clone())),
                Err(error) => {
                    problems.insert(parse_problem(&source.path, &error));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems.into_iter().collect());
        }
        for (source, mut descriptor) in parsed {
            for name in &mut descriptor.dependency {
                if let Some(path) = self.imports[source.path.as_str()].get(name) {
                    (*path).clone_into(name);
                }
            }
            if let Err(error) = pool.add_file_descriptor_proto(descriptor) {
                let line = error.line().and_then(|line| u32::try_from(line + 1).ok());
                let file = error.file().unwrap_or(&source.path).to_owned();
                return Err(vec![Problem { file, line, what: error.to_string() }]);
            }
        }
        Ok(pool)
    }
}

/// Whether a file is built in.
fn is_well_known(name: &str) -> bool {
    name.starts_with("google/protobuf/") && GoogleFileResolver::new().open_file(name).is_ok()
}

/// Adds a file that is built in, and what it imports. They belong to protox: what they import is
/// built in too, at most two levels deep.
fn add_well_known(pool: &mut DescriptorPool, name: &str) -> Result<(), Problem> {
    let told = |what: String| Problem::of_file(name, what);
    if pool.get_file_by_name(name).is_some() {
        return Ok(());
    }
    let file =
        GoogleFileResolver::new().open_file(name).map_err(|error| told(error.to_string()))?;
    let descriptor = file.file_descriptor_proto();
    for import in &descriptor.dependency {
        add_well_known(pool, import)?;
    }
    let added = pool.add_file_descriptor_proto(descriptor.clone());
    added.map_err(|error| told(error.to_string()))
}

/// Reads the position from an error: its `Debug` text is `file:line:column: what`.
fn parse_problem(file: &str, error: &protox::Error) -> Problem {
    let text = format!("{error:?}");
    let rest = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let line = rest.and_then(|rest| rest.split(':').next()?.parse().ok());
    Problem { file: file.to_owned(), line, what: error.to_string() }
}
