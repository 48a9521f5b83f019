//! The paths that a mapping includes, excludes, renames and converts; and which of these patterns
//! match nothing, which is most likely a mistake.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    paths::{self, Path, Side},
    points::PointsLevel,
};
use crate::{
    mapping::{file::MappingText, wildcard},
    schema::nearest,
};

/// How many paths a hint names.
const HINTS_MAX: usize = 4;

/// The patterns of one mapping, and which of them have matched.
#[derive(Debug)]
pub(super) struct Patterns<'a> {
    text: &'a MappingText,
    /// The lists that `points` leads through.
    levels: &'a [PointsLevel],
    /// By their indexes in the file: the first path that each has matched.
    include: BTreeMap<usize, Path>,
    exclude: BTreeMap<usize, Path>,
    rename: BTreeMap<usize, Path>,
    convert: BTreeMap<usize, Path>,
    /// Patterns without a star that have matched two paths: the line, the key, and all three.
    doubtful: BTreeSet<(u32, &'static str, String, String, String)>,
}

impl<'a> Patterns<'a> {
    pub(super) fn new(text: &'a MappingText, levels: &'a [PointsLevel]) -> Self {
        Self {
            text,
            levels,
            include: BTreeMap::new(),
            exclude: BTreeMap::new(),
            rename: BTreeMap::new(),
            convert: BTreeMap::new(),
            doubtful: BTreeSet::new(),
        }
    }

    /// Whether everything is included.
    pub(super) fn include_all(&self) -> bool {
        self.text.fields.include.is_empty()
    }

    /// Whether a pattern includes a path and everything below it.
    pub(super) fn includes(&mut self, path: &Path) -> bool {
        let spellings = self.spellings(path);
        let mut is_included = false;
        for (index, pattern) in self.text.fields.include.iter().enumerate() {
            if covers(&pattern.value, &spellings) {
                is_included = true;
                let seen = self.include.entry(index).or_insert_with(|| path.clone());
                let found = doubt(seen, path, pattern.line, "fields.include", &pattern.value);
                self.doubtful.extend(found);
            }
        }
        is_included
    }

    /// Whether a pattern excludes a path and everything below it.
    pub(super) fn excludes(&mut self, path: &Path) -> bool {
        let spellings = self.spellings(path);
        let mut is_excluded = false;
        for (index, pattern) in self.text.fields.exclude.iter().enumerate() {
            if covers(&pattern.value, &spellings) {
                is_excluded = true;
                let seen = self.exclude.entry(index).or_insert_with(|| path.clone());
                let found = doubt(seen, path, pattern.line, "fields.exclude", &pattern.value);
                self.doubtful.extend(found);
            }
        }
        is_excluded
    }

    /// Whether something below a record could be included. If the record contains itself
    /// (`is_inside`), a `*` does not match inside it again.
    pub(super) fn may_include_below(&self, path: &Path, is_inside: bool) -> bool {
        let spellings = self.spellings(path);
        self.text.fields.include.iter().any(|pattern| {
            let (start, has_star) = match pattern.value.split_once('*') {
                Some((start, _)) => (start, true),
                None => (pattern.value.as_str(), false),
            };
            if has_star && is_inside {
                return false;
            }
            spellings.iter().map(|path| format!("{path}.")).any(|path| {
                start.starts_with(path.as_str()) || (has_star && path.starts_with(start))
            })
        })
    }

    /// The name that the mapping gives a path.
    pub(super) fn name_of(&mut self, path: &Path) -> Option<&'a str> {
        let spellings = self.spellings(path);
        let mut all = self.text.fields.rename.iter().enumerate();
        let (index, rename) = all.find(|(_, rename)| spellings.contains(&rename.path.value))?;
        let seen = self.rename.entry(index).or_insert_with(|| path.clone());
        let found = doubt(seen, path, rename.path.line, rename.key, &rename.path.value);
        self.doubtful.extend(found);
        Some(&rename.name)
    }

    /// The conversion of a field, by its index in the file.
    pub(super) fn conversion_of(&mut self, path: &Path) -> Option<usize> {
        let spellings = self.spellings(path);
        let mut all = self.text.convert.iter();
        let index = all.position(|convert| spellings.contains(&convert.path.value))?;
        let text = &self.text.convert[index].path;
        let seen = self.convert.entry(index).or_insert_with(|| path.clone());
        self.doubtful.extend(doubt(seen, path, text.line, "convert", &text.value));
        Some(index)
    }

    /// Indexes in a list that a pattern or a name refers to.
    pub(super) fn places(&self, list: &Path) -> BTreeSet<u32> {
        let fields = &self.text.fields;
        let patterns = fields.include.iter().chain(&fields.exclude);
        let renames = fields.rename.iter().map(|rename| &rename.path);
        let all = patterns.chain(renames).chain(self.text.convert.iter().map(|one| &one.path));
        let spellings = self.spellings(list);
        let place = |text: &str| {
            let in_list = |list: &String| text.strip_prefix(list.as_str())?.strip_prefix('.');
            paths::place_of(spellings.iter().find_map(in_list)?)
        };
        all.filter_map(|pattern| place(&pattern.value)).collect()
    }

    /// A path as the mapping may write it: from the element on or through `points`, with or without
    /// the quotes around names that hold a dot, or with quotes around every name.
    fn spellings(&self, path: &Path) -> Vec<String> {
        let (side, path) = path;
        let level = match side {
            Side::Message => None,
            Side::Element(level) => self.levels.get(usize::from(*level)),
        };
        let level = level.filter(|level| !level.full.is_empty());
        let through = level.map(|level| format!("{}.{path}", level.full));
        let mut spellings: Vec<String> = [path.clone()].into_iter().chain(through).collect();
        let plain: Vec<String> =
            spellings.iter().filter_map(|path| paths::unquoted(path)).collect();
        let quoted: Vec<String> = spellings.iter().map(|path| paths::all_quoted(path)).collect();
        spellings.extend(plain.into_iter().chain(quoted));
        spellings
    }

    /// Patterns that match nothing, or two paths; `known` are all paths.
    pub(super) fn problems(&self, known: &BTreeMap<Path, String>) -> Vec<(u32, String)> {
        let mut told = Vec::new();
        let mut tell = |line: u32, key: &str, path: &str| {
            let all = known.keys().map(|(_, known)| known.as_str());
            let hint = match nearest(path, all) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            told.push((line, format!("`{key}`: no field is named `{path}`{hint}")));
        };
        let fields = &self.text.fields;
        for (index, pattern) in fields.include.iter().enumerate() {
            if !self.include.contains_key(&index) {
                tell(pattern.line, "fields.include", &pattern.value);
            }
        }
        for (index, pattern) in fields.exclude.iter().enumerate() {
            if !self.exclude.contains_key(&index) && !self.is_below_excluded(&pattern.value) {
                tell(pattern.line, "fields.exclude", &pattern.value);
            }
        }
        for (index, rename) in fields.rename.iter().enumerate() {
            // A path that is converted too is reported below.
            if !self.rename.contains_key(&index) && rename.key == "fields.rename" {
                tell(rename.path.line, rename.key, &rename.path.value);
            }
        }
        let converts = self.text.convert.iter().enumerate();
        let mut unwritten = Vec::new();
        for (_, convert) in converts.filter(|(index, _)| !self.convert.contains_key(index)) {
            let path = &convert.path;
            let is_there =
                known.keys().any(|path| self.spellings(path).contains(&convert.path.value));
            let below = known.keys().filter(|known| {
                let is_below = |one: &String| one.starts_with(&format!("{}.", path.value));
                self.spellings(known).iter().any(is_below)
            });
            let below: Vec<String> =
                below.take(HINTS_MAX).map(|(_, path)| format!("`{path}`")).collect();
            match is_there {
                true if !below.is_empty() => {
                    let what = "holds several values, and each is converted by itself";
                    let (path, all) = (&convert.path, below.join(", "));
                    unwritten
                        .push((path.line, format!("`convert`: `{}` {what}: {all}", path.value)));
                }
                true => {
                    let what = "is no field that is written, so there is nothing to convert";
                    unwritten.push((path.line, format!("`convert`: `{}` {what}", path.value)));
                }
                false => tell(path.line, "convert", &path.value),
            }
        }
        told.extend(unwritten);
        told.extend(self.doubtful.iter().map(|(line, key, pattern, one, other)| {
            let what = format!(
                "`{key}`: `{pattern}` names both `{one}` and `{other}`; put the name that holds a \
                 dot in double quotes, and each name of the other one"
            );
            (*line, what)
        }));
        told
    }

    /// Whether a pattern names something below a record that another pattern excludes.
    fn is_below_excluded(&self, pattern: &str) -> bool {
        self.exclude.keys().any(|index| {
            let other = &self.text.fields.exclude[*index].value;
            let whole = other.strip_suffix(".*").unwrap_or(other);
            pattern.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

/// Notes a pattern that has matched `seen` first and `path` now, if that is ambiguous.
fn doubt(
    seen: &Path,
    path: &Path,
    line: u32,
    key: &'static str,
    pattern: &str,
) -> Option<(u32, &'static str, String, String, String)> {
    let is_meant = pattern.contains('*') || seen.0 != path.0 || seen.1 == path.1;
    // Paths below an excluded record are not a second match.
    let is_below = path.1.starts_with(&format!("{}.", seen.1));
    (!is_meant && !is_below)
        .then(|| (line, key, pattern.to_owned(), seen.1.clone(), path.1.clone()))
}

/// Whether a pattern covers a path by one of its spellings, or covers a record that contains it.
fn covers(pattern: &str, spellings: &[String]) -> bool {
    let whole = pattern.strip_suffix(".*").unwrap_or(pattern);
    spellings.iter().any(|path| wildcard::matches(pattern, path) || wildcard::matches(whole, path))
}
