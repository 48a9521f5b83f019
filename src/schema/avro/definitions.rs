//! The definitions of all `.avsc` files, and the meaning of a name in each file.

use std::collections::BTreeMap;

use crate::schema::{
    Problem, Source, Sources,
    tree::{Node, Value},
};

/// One file that is JSON.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    root: Node,
    /// The full names of the records that it defines, in their order.
    pub(super) records: Vec<String>,
    /// The full names of its enums and fixeds.
    pub(super) others: Vec<String>,
}

/// One named definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition<'a> {
    pub(super) file: &'a str,
    /// The object that defines it.
    pub(super) node: &'a Node,
    /// The namespace around it.
    pub(super) namespace: &'a str,
}

/// The position of a definition.
#[derive(Debug)]
struct Place {
    /// The file's index.
    file: usize,
    /// Offset of its object.
    at: usize,
    namespace: String,
}

/// Every named definition of every file, nested ones included, by full name.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    files: Vec<File>,
    by_name: BTreeMap<String, Vec<Place>>,
    /// The errors of files that are not JSON, by path.
    pub(super) broken: BTreeMap<String, Problem>,
}

/// How these files end.
pub(super) const ENDING: &str = ".avsc";

/// The types that a definition may have.
pub(super) fn defines(kind: &str) -> bool {
    matches!(kind, "record" | "error" | "enum" | "fixed")
}

/// The full name of a definition.
pub(super) fn full_name_of(object: &Node, around: &str) -> Option<String> {
    let name = object.get("name")?.text()?;
    let namespace = object.get("namespace").and_then(Node::text).unwrap_or(around);
    Some(full_name(name, namespace))
}

/// A name in a namespace; one with a dot is full already.
pub(super) fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        return name.to_owned();
    }
    format!("{namespace}.{name}")
}

/// The namespace of a full name.
pub(super) fn namespace_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

impl Definitions {
    /// Reads every file.
    pub(super) fn of(sources: &Sources) -> Self {
        let mut all = Self::default();
        for source in sources.with_ending(ENDING) {
            match read(source) {
                Ok(root) => all.add(&source.path, root),
                Err(problem) => {
                    all.broken.insert(source.path.clone(), problem);
                }
            }
        }
        all
    }

    /// Adds what a file defines.
    fn add(&mut self, path: &str, root: Node) {
        let mut walk = Collect {
            file: self.files.len(),
            by_name: &mut self.by_name,
            names: (Vec::new(), Vec::new()),
        };
        walk.schema(&root, "");
        let (records, others) = walk.names;
        self.files.push(File { path: path.to_owned(), root, records, others });
    }

    /// A file by its path.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(at)
    }

    /// Every name that is defined.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The definition of a name as used in a file: the file's own, or the only one.
    ///
    /// # Errors
    /// The files that define it differently.
    pub(super) fn find(
        &self,
        file: &str,
        name: &str,
    ) -> Result<Option<Definition<'_>>, Vec<String>> {
        let Some(places) = self.by_name.get(name) else { return Ok(None) };
        let mut all = places.iter().filter_map(|place| self.at(place));
        if let Some(own) = all.clone().find(|definition| definition.file == file) {
            return Ok(Some(own));
        }
        let first = all.next();
        if all.all(|other| first.is_some_and(|first| is_equal(first.node, other.node))) {
            return Ok(first);
        }
        Err(places.iter().map(|place| self.files[place.file].path.clone()).collect())
    }

    /// The definition at a place.
    fn at<'a>(&'a self, place: &'a Place) -> Option<Definition<'a>> {
        let file = &self.files[place.file];
        let node = file.root.find(place.at)?;
        Some(Definition { file: &file.path, node, namespace: &place.namespace })
    }
}

/// The tree of a file.
fn read(source: &Source) -> Result<Node, Problem> {
    match source.fault() {
        Some(problem) => Err(problem),
        None => Node::parse(source),
    }
}

/// The walk that finds definitions. Trees are bounded in depth.
struct Collect<'a> {
    file: usize,
    by_name: &'a mut BTreeMap<String, Vec<Place>>,
    /// Records, and others.
    names: (Vec<String>, Vec<String>),
}

impl Collect<'_> {
    fn schema(&mut self, schema: &Node, around: &str) {
        schema.items().iter().for_each(|branch| self.schema(branch, around));
        if schema.members().is_empty() {
            return;
        }
        let kind = schema.get("type").and_then(Node::text).unwrap_or_default();
        let mut inside = around.to_owned();
        if let Some(name) = full_name_of(schema, around).filter(|_| defines(kind)) {
            namespace_of(&name).clone_into(&mut inside);
            match kind {
                "record" | "error" => self.names.0.push(name.clone()),
                _ => self.names.1.push(name.clone()),
            }
            let place = Place { file: self.file, at: schema.at, namespace: around.to_owned() };
            self.by_name.entry(name).or_default().push(place);
        }
        for inner in ["type", "items", "values"].into_iter().filter_map(|key| schema.get(key)) {
            self.schema(inner, &inside);
        }
        let fields = schema.get("fields").into_iter().flat_map(Node::items);
        for inner in fields.filter_map(|field| field.get("type")) {
            self.schema(inner, &inside);
        }
    }
}

/// Whether two trees are equal, regardless of their positions.
fn is_equal(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Null, Value::Null) => true,
        (Value::Boolean(one), Value::Boolean(other)) => one == other,
        (Value::Number(one), Value::Number(other)) | (Value::String(one), Value::String(other)) => {
            one == other
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_equal(one, other))
        }
        (Value::Object(_), Value::Object(_)) => {
            one.members().len() == other.members().len()
                && one.members().iter().all(|member| {
                    other.get(&member.name).is_some_and(|other| is_equal(&member.node, other))
                })
        }
        _ => false,
    }
}
