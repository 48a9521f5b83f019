//! A JSON Schema → its shape.
//!
//! The schema of a property is read where the property is declared. Objects are queued and read one
//! after the other, so that neither a recursive schema nor a long chain of references causes deep
//! recursion. A member that no field can hold is noted with its line, and is an error only for a
//! mapping that needs it.

use std::collections::HashMap;

use super::{
    references::References,
    says::{is_null, is_unsigned, says_something},
    schemas::{JsonSchema, Rules},
};
use crate::schema::{
    Form, Kind, Member, Presence, Problem, Record, RecordIdx, Scalar, Shape, Source, Top,
    Unsupported, nearest, tree::Node,
};

/// How many schemas one `allOf` may join.
const PARTS_MAX: usize = 64;

/// How many properties all objects may have in total: `allOf` can give the same ones to many
/// objects.
const MEMBERS_MAX: usize = 100_000;

/// How many schemas may be read: references can lead to the same ones by very many paths.
const VALUES_MAX: usize = 200_000;

/// The types that a value may have.
const TYPES: [&str; 7] = ["integer", "number", "string", "boolean", "object", "array", "null"];

/// Compiles one file.
pub(super) fn compile(source: &Source, root: &Node) -> Result<JsonSchema, Problem> {
    let mut shaper = Shaper {
        source,
        references: References::new(root),
        records: Vec::new(),
        rules: Vec::new(),
        made: HashMap::new(),
        waiting: Vec::new(),
        inside: Vec::new(),
        members_count: 0,
        values_count: 0,
    };
    let at = root.at;
    let (root, top) = match shaper.value(root).kind {
        Kind::Record(root) if shaper.records[root.0].form == Form::Branches => {
            let what =
                "the payload is of one of several types; write a schema and a mapping for each";
            return Err(source.problem(at, what));
        }
        Kind::Record(root) => (root, Top::Record),
        Kind::Records(root) => (root, Top::Records),
        Kind::RecordMap { record, .. } => (record, Top::RecordMap),
        Kind::Unsupported(Unsupported { what, line, .. }) => {
            let what = format!("the payload {what}");
            return Err(Problem { file: source.path.clone(), line, what });
        }
        _ => {
            let what = "it must be an object with `properties`, or a list or a map of such objects: \
                        a payload is one";
            return Err(source.problem(at, what));
        }
    };
    "the payload".clone_into(&mut shaper.records[root.0].name);
    while let Some((record, parts)) = shaper.waiting.pop() {
        shaper.members(record, &parts);
        if shaper.members_count > MEMBERS_MAX {
            let what = format!("its objects have more than {MEMBERS_MAX} properties in all");
            return Err(Problem::of_file(&source.path, what));
        }
    }
    if shaper.values_count > VALUES_MAX {
        let what = format!("its references lead to more than {VALUES_MAX} schemas");
        return Err(Problem::of_file(&source.path, what));
    }
    Ok(JsonSchema { shape: Shape { records: shaper.records, root, top }, rules: shaper.rules })
}

/// The shape under construction.
pub(super) struct Shaper<'a> {
    pub(super) source: &'a Source,
    pub(super) references: References<'a>,
    pub(super) records: Vec<Record>,
    pub(super) rules: Vec<Rules>,
    /// Objects that have a record already, because they are referred to.
    pub(super) made: HashMap<Vec<*const Node>, RecordIdx>,
    /// Records whose members are not read yet, with the schemas that declare them.
    pub(super) waiting: Vec<(RecordIdx, Vec<&'a Node>)>,
    /// Arrays and maps that contain the current position.
    pub(super) inside: Vec<*const Node>,
    pub(super) members_count: usize,
    /// How many schemas were read.
    values_count: usize,
}

/// What a schema declares about a value.
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

impl<'a> Shaper<'a> {
    /// Something that no field can hold, with its line in the schema.
    pub(super) fn unsupported(&self, node: &Node, what: impl Into<String>) -> Kind {
        let line = Some(self.source.line(node.at));
        Kind::Unsupported(Unsupported { is_always_null: false, what: what.into(), line })
    }

    /// A value that is never present: schema generators declare this for a property that was null
    /// in all samples.
    fn always_null(&self, node: &Node) -> Kind {
        let line = Some(self.source.line(node.at));
        let what = "is always null".to_owned();
        Kind::Unsupported(Unsupported { is_always_null: true, what, line })
    }

    /// What a schema says.
    pub(super) fn value(&mut self, node: &'a Node) -> Value {
        let mut nullable = false;
        self.values_count += 1;
        if self.values_count > VALUES_MAX {
            // Reported for the file as a whole.
            return Value { kind: Kind::unsupported("is not looked at"), nullable };
        }
        let kind = match self.resolved(node, &mut nullable) {
            Ok(parts) => self.kind(&parts, &mut nullable),
            Err(kind) => kind,
        };
        Value { kind, nullable }
    }

    /// Follows references, unions with null and `allOf` to the schemas that decide the type: all of
    /// them apply; usually there is one.
    fn resolved(&mut self, node: &'a Node, nullable: &mut bool) -> Result<Vec<&'a Node>, Kind> {
        let mut parts: Vec<&'a Node> = Vec::new();
        let mut ahead = vec![node];
        let mut seen = Vec::new();
        let mut is_circular = false;
        while let Some(node) = ahead.pop() {
            let key = std::ptr::from_ref(node);
            if seen.contains(&key) {
                is_circular = true;
                continue;
            }
            if seen.len() == PARTS_MAX {
                let what = format!("is put together from more than {PARTS_MAX} schemas");
                return Err(self.unsupported(node, what));
            }
            seen.push(key);
            if let Some(reference) = node.get("$ref") {
                let found = self.references.find(reference);
                ahead.push(found.map_err(|what| self.unsupported(reference, what))?);
                continue;
            }
            let branches = node.get("anyOf").or_else(|| node.get("oneOf"));
            if let Some(branches) = branches.filter(|_| !says_something(node)) {
                let (nulls, others): (Vec<_>, Vec<_>) =
                    branches.items().iter().partition(|branch| is_null(branch));
                *nullable |= !nulls.is_empty();
                let [only] = others.as_slice() else {
                    return Err(self.union_of(node, &others));
                };
                ahead.push(only);
                continue;
            }
            if says_something(node) || node.get("allOf").is_none() {
                parts.push(node);
            }
            ahead.extend(node.get("allOf").into_iter().flat_map(Node::items).rev());
        }
        if parts.is_empty() && is_circular {
            return Err(self.unsupported(node, "refers to itself"));
        }
        if parts.is_empty() {
            parts.push(node);
        }
        // A schema that only describes (a default, a title) is ignored if another one has a type.
        if parts.iter().any(|part| says_something(part)) {
            parts.retain(|part| says_something(part));
        }
        Ok(parts)
    }

    /// The combined meaning of schemas that all apply.
    fn kind(&mut self, parts: &[&'a Node], nullable: &mut bool) -> Kind {
        let first = parts[0];
        let mut types: Vec<&str> = Vec::new();
        for part in parts {
            let (listed, single) =
                part.get("type").map_or((&[][..], None), |node| (node.items(), node.text()));
            for word in listed.iter().filter_map(Node::text).chain(single) {
                if !TYPES.contains(&word) {
                    let hint = nearest(word, TYPES).unwrap_or("integer, number, string or boolean");
                    let what =
                        format!("has the type `{word}`, which is unknown; did you mean {hint}?");
                    return self.unsupported(part, what);
                }
                if !types.contains(&word) {
                    types.push(word);
                }
            }
        }
        if types.is_empty() {
            let has = |key| parts.iter().any(|part| part.get(key).is_some());
            types.extend(has("properties").then_some("object"));
            types.extend((has("items") || has("prefixItems")).then_some("array"));
        }
        *nullable |= types.contains(&"null");
        types.retain(|word| *word != "null");
        if types.contains(&"number") {
            types.retain(|word| *word != "integer");
        }
        match types.as_slice() {
            [] if *nullable => self.always_null(first),
            [] => self.unsupported(first, "has no `type`; say which"),
            [only] => self.of_type(only, parts),
            many => {
                let kinds = many.iter().map(|word| self.of_type(word, parts)).collect();
                self.union(first, kinds)
            }
        }
    }

    /// The combined meaning of schemas that all apply, for values of one type.
    fn of_type(&mut self, word: &str, parts: &[&'a Node]) -> Kind {
        match word {
            "integer" if is_unsigned(parts) => Kind::Scalar(Scalar::Unsigned),
            "integer" => Kind::Scalar(Scalar::Integer),
            "number" => Kind::Scalar(Scalar::Float64),
            "string" => Kind::Scalar(Scalar::String),
            "boolean" => Kind::Scalar(Scalar::Boolean),
            "array" => self.array(parts),
            _ => self.object(parts),
        }
    }

    /// One of several schemas, each of another type.
    fn union_of(&mut self, node: &'a Node, branches: &[&'a Node]) -> Kind {
        let mut kinds = Vec::with_capacity(branches.len());
        for branch in branches {
            match self.nested(node, branch) {
                Ok(value) => kinds.push(value.kind),
                Err(kind) => return kind,
            }
        }
        self.union(node, kinds)
    }

    /// A value of one of several types: a record with one member per type, as for Avro.
    fn union(&mut self, node: &'a Node, kinds: Vec<Kind>) -> Kind {
        let mut members: Vec<Member> = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let name = match &kind {
                Kind::Scalar(Scalar::Integer | Scalar::Unsigned) => "integer",
                Kind::Scalar(Scalar::Float64) => "number",
                Kind::Scalar(Scalar::Boolean) => "boolean",
                Kind::Scalar(_) => "string",
                Kind::List(_) | Kind::Records(_) => "array",
                Kind::Record(record) if self.records[record.0].form == Form::Branches => {
                    return self.unsupported(node, "is a union of unions");
                }
                Kind::Record(record) if self.records[record.0].form == Form::Places => "array",
                Kind::Record(_) | Kind::Map { .. } | Kind::RecordMap { .. } => "object",
                Kind::Unsupported(_) => return kind,
            };
            let is_number = |name: &str| matches!(name, "integer" | "number");
            let is_alike = |member: &Member| {
                member.name == name || (is_number(&member.name) && is_number(name))
            };
            match members.iter_mut().find(|member| is_alike(member)) {
                Some(known) if is_number(name) => {
                    // A number may be whole, so it holds integers too.
                    if known.name != name {
                        "number".clone_into(&mut known.name);
                        known.kind = Kind::Scalar(Scalar::Float64);
                    }
                }
                Some(known) if matches!(known.kind, Kind::Scalar(_)) => {}
                Some(_) => return self.unsupported(node, format!("is a union of two {name}s")),
                None => {
                    let (name, presence) = (name.to_owned(), Presence::Explicit);
                    members.push(Member { name, kind, presence });
                }
            }
        }
        if members.len() == 1 {
            return members.remove(0).kind;
        }
        let nullable = vec![true; members.len()];
        Kind::Record(self.add(members, nullable, Form::Branches))
    }
}
