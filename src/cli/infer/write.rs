//! The schema and the mapping as text, with a comment beside each guess.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    guess::{self, Time, is_plain, joined},
    learned::{Kind, Node},
};
use crate::model::{Named, StoreNames};

/// The user's choices.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) name: &'a str,
    pub(super) topic: Option<&'a str>,
    /// Whether a time may be guessed.
    pub(super) with_time: bool,
    /// The tag that distinguishes the elements of `points`, if their times do not.
    pub(super) element_tag: Option<&'a str>,
    /// The configured store's rules for names.
    pub(super) store: StoreNames,
    /// Whether the store has unsigned integers.
    pub(super) has_unsigned: bool,
}

/// The result for the samples.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) schema: String,
    pub(super) mapping: String,
    /// The topic pattern.
    pub(super) topic: String,
    pub(super) time: Option<Time>,
    /// What the samples do not decide.
    pub(super) doubts: Vec<String>,
}

/// The error if no vehicle is known.
pub(super) const NO_VEHICLE: &str = "neither the topic nor the samples name the vehicle; write the \
                                     topic with {vin} in the place of its level";

/// How many other names are tried for a field whose name is taken.
const NAMES_TRIED_MAX: usize = 32;

/// Makes both texts.
///
/// # Errors
/// [`NO_VEHICLE`], or no value is left.
pub(super) fn draft(root: &Node, wish: &Wish<'_>) -> Result<Draft, &'static str> {
    match (root.kind(), guess::object(root).kind()) {
        (Kind::Object, _) | (Kind::List, Kind::Object) => {}
        (Kind::List, _) => return Err("the samples are lists of something else than objects"),
        _ => return Err("some samples are objects and some are lists; give one kind at a time"),
    }
    let points = guess::points(root);
    let mut writer = Writer {
        root,
        store: wish.store,
        has_unsigned: wish.has_unsigned,
        starts: Vec::new(),
        names: BTreeSet::new(),
        renamed: Vec::new(),
        points: points.as_ref().map(|(path, item)| (path.as_str(), *item)),
        doubts: Vec::new(),
        excluded: Vec::new(),
        fields: 0,
    };
    let schema = match root.kind() {
        Kind::List => writer.list(root, "", 0),
        _ => writer.object(root, "", 0),
    };
    let schema = schema.ok_or("the samples hold no value")? + "\n";
    if writer.fields == 0 {
        return Err("the samples hold no value that a field can have");
    }
    let time = wish.with_time.then(|| writer.time()).flatten();
    // Members of a list's elements belong to a point, not to the message.
    let identity = guess::identity(root);
    let known = identity.and_then(|name| guess::at(root, name)).map(|node| node.texts.clone());
    let guessed = format!("vehicles/{{vin}}/{}", wish.name);
    let asked = wish.topic.unwrap_or(&guessed);
    let (topic, has_capture) = guess::pattern(asked, &known.unwrap_or_default());
    let vehicle = if has_capture {
        let name = topic.split('/').find_map(|level| level.strip_prefix('{')?.strip_suffix('}'));
        Vehicle::Capture(name.unwrap_or("vin").to_owned())
    } else {
        Vehicle::Field(identity.ok_or(NO_VEHICLE)?.to_owned())
    };
    let mapping = writer.mapping(wish, &topic, &vehicle, identity, time.as_ref());
    Ok(Draft { schema, mapping, topic, time, doubts: writer.doubts })
}

/// What names the vehicle.
enum Vehicle {
    Capture(String),
    Field(String),
}

struct Writer<'n> {
    root: &'n Node,
    store: StoreNames,
    has_unsigned: bool,
    /// The prefixes of names that the payload completes: those of lists and maps.
    starts: Vec<String>,
    /// The known names of fields, in the store's form.
    names: BTreeSet<String>,
    /// Paths whose name is taken or reserved by the store, with the new name.
    renamed: Vec<(String, String)>,
    points: Option<(&'n str, &'n Node)>,
    doubts: Vec<String>,
    /// Paths that are in the schema and cannot be fields, with the reason.
    excluded: Vec<(String, &'static str)>,
    fields: usize,
}

impl<'n> Writer<'n> {
    fn doubt(&mut self, path: &str, what: &str) {
        self.doubts.push(format!("`{path}` {what}"));
    }

    /// The schema of a place; `None` if it is left out, which is a doubt.
    fn value(&mut self, node: &'n Node, path: &str, depth: usize) -> Option<String> {
        let word = match node.kind() {
            Kind::Boolean => "boolean",
            Kind::Integer
                if node.most > i128::from(i64::MAX) && (node.least < 0 || !self.has_unsigned) =>
            {
                self.doubt(path, "holds integers of more than 64 bits; it is a number here");
                "number"
            }
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Text => {
                if node.quoted == node.strings {
                    self.doubt(path, "is text in every sample, and nothing but numbers");
                }
                "string"
            }
            Kind::Object => return self.object(node, path, depth),
            Kind::List => return self.list(node, path, depth),
            Kind::Nothing => {
                self.doubt(path, "is null or empty in every sample; it is left out");
                return None;
            }
            Kind::Mixed => return self.mixed(node, path),
        };
        self.fields += 1;
        self.name(path, false);
        let bounds = match node.kind() {
            Kind::Integer if word == "integer" && node.most > i128::from(i64::MAX) => {
                r#", "minimum": 0, "maximum": 18446744073709551615"#
            }
            _ => "",
        };
        Some(match node.nulls {
            0 => format!(r#"{{ "type": "{word}"{bounds} }}"#),
            _ => format!(r#"{{ "type": ["{word}", "null"]{bounds} }}"#),
        })
    }

    /// The schema of a place with values of several types: each type becomes a field.
    fn mixed(&mut self, node: &Node, path: &str) -> Option<String> {
        if node.objects > 0 || node.lists > 0 {
            self.doubt(
                path,
                "has values of several types, of which lines hold one; it is left out",
            );
            return None;
        }
        let is_whole = node.floats == 0 && node.most <= i128::from(i64::MAX);
        let number = if is_whole { "integer" } else { "number" };
        let counts = [
            (node.integers + node.floats, number),
            (node.strings, "string"),
            (node.booleans, "boolean"),
        ];
        let words = counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, word)| word);
        let words: Vec<&str> = words.collect();
        for word in &words {
            self.fields += 1;
            self.name(&format!("{path}.{word}"), false);
        }
        self.doubt(path, "has values of several types; each becomes a field of its own");
        let null = if node.nulls > 0 { r#", "null""# } else { "" };
        Some(format!(r#"{{ "type": ["{}"{null}] }}"#, words.join("\", \"")))
    }

    /// Whether a name, or one that begins with it, is already used by another field.
    fn is_taken(&self, name: &str, is_many: bool) -> bool {
        let key = self.store.column_key(name);
        let start = format!("{key}_");
        let meets =
            |other: &String| other == key.as_ref() || (is_many && other.starts_with(&start));
        self.names.iter().any(meets) || self.starts.iter().any(|start| key.starts_with(start))
    }

    /// Renames a field if its name is taken, or reserved by the store.
    fn name(&mut self, path: &str, is_many: bool) {
        let own = match self.points {
            Some((points, _)) if !points.is_empty() => {
                path.strip_prefix(points).and_then(|rest| rest.strip_prefix('.')).unwrap_or(path)
            }
            _ => path,
        };
        let name = flat(own);
        let mut free = match name.as_str() {
            "time" => "sent_time".to_owned(),
            _ if self.store.refuses(Named::Field, &name).is_some() => format!("value_of_{name}"),
            _ => name.clone(),
        };
        let mut count = 1;
        // A name that begins like a list's elements needs another prefix.
        while self.is_taken(&free, is_many) && count < NAMES_TRIED_MAX {
            count += 1;
            free = match count % 2 {
                0 => format!("{name}_no_{count}"),
                _ => format!("no_{count}_{name}"),
            };
        }
        let key = self.store.column_key(&free).into_owned();
        if is_many {
            self.starts.push(format!("{key}_"));
        }
        self.names.insert(key);
        if free != name {
            self.renamed.push((path.to_owned(), free));
        }
    }

    fn object(&mut self, node: &'n Node, path: &str, depth: usize) -> Option<String> {
        let word = if node.nulls > 0 { r#"["object", "null"]"# } else { r#""object""# };
        if guess::is_map(node) {
            let (_, first) = node.members.first()?;
            self.doubt(path, "has so many names that they are taken for data: a map");
            let values = self.many(first, path, depth + 1)?;
            return Some(format!(r#"{{ "type": {word}, "additionalProperties": {values} }}"#));
        }
        if !path.is_empty() && guess::are_alike(node) {
            self.doubt(
                path,
                "holds objects of one shape; if their names are data, its schema is a map of them \
                 (`additionalProperties`), and `points` with `point-key` makes each a point",
            );
        }
        let pad = "  ".repeat(depth + 2);
        let mut properties = Vec::new();
        for (name, member) in &node.members {
            let inner = joined(path, name);
            if !is_plain(name) {
                self.doubt(&inner, "has a name that no path can say; it is left out");
                continue;
            }
            // A field of the message is written on every point, where the element's field has its
            // name.
            let is_hidden = depth == 0
                && self.points.is_some_and(|(_, item)| item.members.iter().any(|m| m.0 == *name));
            if is_hidden {
                self.doubt(&inner, "has the name of a field of each sample; it is left out");
                continue;
            }
            if let Some(schema) = self.value(member, &inner, depth + 2) {
                let name = quoted(name);
                properties.push(format!("{pad}{name}: {schema}"));
            }
        }
        if properties.is_empty() {
            self.doubt(if path.is_empty() { "the payload" } else { path }, "holds nothing to keep");
            return None;
        }
        let (outer, close) = ("  ".repeat(depth + 1), "  ".repeat(depth));
        let properties = properties.join(",\n");
        Some(format!(
            "{{\n{outer}\"type\": {word},\n{outer}\"properties\": {{\n{properties}\n{outer}}}\n\
             {close}}}"
        ))
    }

    fn list(&mut self, node: &'n Node, path: &str, depth: usize) -> Option<String> {
        let item = node.item.as_deref()?;
        let word = if node.nulls > 0 { r#"["array", "null"]"# } else { r#""array""# };
        match item.kind() {
            Kind::List => {
                self.doubt(path, "is a list of lists; it is left out");
                return None;
            }
            Kind::Mixed => {
                self.doubt(path, "is a list of values of several types; it is left out");
                return None;
            }
            Kind::Object if self.points.is_none_or(|(points, _)| points != path) => {
                // Its fields do not belong to this mapping.
                let before = (self.fields, self.names.clone(), self.starts.clone());
                let renamed = self.renamed.len();
                let items = self.object(item, path, depth + 1)?;
                (self.fields, self.names, self.starts) = before;
                self.renamed.truncate(renamed);
                self.excluded.push((path.to_owned(), "a list of objects"));
                self.doubt(
                    path,
                    "is one more list of objects; a mapping of its own may have it as `points`",
                );
                return Some(format!(r#"{{ "type": {word}, "items": {items} }}"#));
            }
            _ => {}
        }
        let items = match item.kind() {
            Kind::Object => self.value(item, path, depth + 1)?,
            _ => self.many(item, path, depth + 1)?,
        };
        Some(format!(r#"{{ "type": {word}, "items": {items} }}"#))
    }

    /// The schema of the scalars of a list or map.
    fn many(&mut self, node: &'n Node, path: &str, depth: usize) -> Option<String> {
        let before = (self.names.clone(), self.renamed.len());
        let made = self.value(node, path, depth)?;
        self.names = before.0;
        self.renamed.truncate(before.1);
        self.name(path, true);
        Some(made)
    }

    /// The point's time: that of the element if there is one, else that of the message.
    fn time(&mut self) -> Option<Time> {
        let of_element = self.points.and_then(|(path, item)| guess::time(item, path));
        let found = of_element.or_else(|| guess::time(self.root, ""));
        if found.is_none() {
            let of_element = self.points.and_then(|(path, item)| guess::local_time(item, path));
            let why = match of_element.or_else(|| guess::local_time(self.root, "")) {
                Some(Time { path, unit }) => format!(
                    "`{path}` is a time without an offset; if it is the point's, say of which \
                     zone: `time = {{ field = {}, unit = \"{unit}\", zone = \"Europe/Berlin\" }}`",
                    quoted(&path)
                ),
                None => "no value looks like the time of a point".to_owned(),
            };
            self.doubts.push(format!("{why}: points get the time of receipt"));
        }
        found
    }

    /// The mapping's text.
    fn mapping(
        &mut self,
        wish: &Wish<'_>,
        topic: &str,
        vehicle: &Vehicle,
        identity: Option<&str>,
        time: Option<&Time>,
    ) -> String {
        let name = wish.name;
        let samples = self.root.seen;
        let mut text = format!(
            "# Made by `fleetline infer` from {samples} sample(s): a start, to be read and mended.\n"
        );
        for doubt in &self.doubts {
            // A name of the payload may hold any character, and a comment ends with its line.
            let doubt: String = doubt.chars().filter(|one| !one.is_control()).collect();
            writeln!(text, "# doubt: {doubt}").expect("writing to a string");
        }
        let mut line = |key: &str, value: &str, why: &str| {
            let why = if why.is_empty() { String::new() } else { format!("   # {why}") };
            writeln!(text, "{key:<11} = {value}{why}").expect("writing to a string");
        };
        let asked = match wish.topic {
            None => "a guess; write yours, with {vin} where the vehicle stands",
            Some(asked) if asked != topic => "{vin} stands where the vehicle did",
            Some(_) => "",
        };
        line("\n[[mapping]]\nname       ", &quoted(name), "");
        line("topic", &quoted(topic), asked);
        line("format", "\"json\"", "");
        line("schema", &quoted(&format!("{name}.schema.json")), "");
        line("measurement", &quoted(&name.replace('-', "_")), "");
        let tag = match vehicle {
            Vehicle::Capture(capture) => {
                let why = match identity {
                    Some(field) => format!("the payload has `{field}`, which may name it too"),
                    None => String::new(),
                };
                line("vehicle", &quoted(&format!("{{{capture}}}")), &why);
                capture
            }
            Vehicle::Field(field) => {
                line("vehicle", &quoted(field), "the topic does not name it");
                field
            }
        };
        match wish.element_tag {
            None => line("tags", &format!("[{}]", quoted(tag)), &self.tag_ideas(tag)),
            Some(of_element) => {
                let why = format!("`{of_element}` tells points of one time apart");
                line("tags", &format!("[{}, {}]", quoted(tag), quoted(of_element)), &why);
            }
        }
        if let Some(Time { path, unit }) = time {
            let value = format!("{{ field = {}, unit = \"{unit}\" }}", quoted(path));
            line("time", &value, "its values lie between 2000 and 2100 in this unit");
        }
        if let Some((path, _)) = self.points.filter(|(path, _)| !path.is_empty()) {
            line("points", &quoted(path), "the longest list of objects: a point each");
        }
        if let Vehicle::Capture(capture) = vehicle {
            self.exclude_name(capture);
        }
        self.fields_text(&mut text, [time.map(|time| time.path.as_str()), wish.element_tag]);
        text
    }

    /// Excludes a payload value with the tag's name.
    fn exclude_name(&mut self, name: &str) {
        let store = self.store;
        let is_its = |member: &str| store.column_key(member) == store.column_key(name);
        for (path, node) in [("", self.root)].into_iter().chain(self.points) {
            let found = node.members.iter().filter(|(member, node)| {
                is_its(member) && node.kind() != Kind::Nothing && is_plain(member)
            });
            for (member, _) in found {
                self.excluded.push((joined(path, member), "it has the name of the tag"));
            }
        }
    }

    /// `fields`: the exclusions, and fields with a name that stores reserve.
    fn fields_text(&self, text: &mut String, taken: [Option<&str>; 2]) {
        let mut all: Vec<String> = Vec::new();
        if !self.excluded.is_empty() {
            let paths: Vec<String> = self.excluded.iter().map(|(path, _)| quoted(path)).collect();
            for (path, why) in &self.excluded {
                writeln!(text, "# `{path}` is excluded: {why}").expect("writing to a string");
            }
            all.push(format!("exclude = [{}]", paths.join(", ")));
        }
        let is_field = |path: &str| {
            !taken.contains(&Some(path))
                && !self.excluded.iter().any(|(excluded, _)| excluded == path)
        };
        let renamed = self.renamed.iter().filter(|(path, _)| is_field(path));
        let renamed: Vec<String> =
            renamed.map(|(path, name)| format!("{} = {}", quoted(path), quoted(name))).collect();
        if !renamed.is_empty() {
            all.push(format!("rename = {{ {} }}", renamed.join(", ")));
        }
        if !all.is_empty() {
            writeln!(text, "fields      = {{ {} }}", all.join(", ")).expect("writing to a string");
        }
    }

    /// Strings with few values, which are candidates for tags.
    fn tag_ideas(&self, taken: &str) -> String {
        const FEW: usize = 4;
        let is_idea = |node: &Node| {
            node.kind() == Kind::Text
                && node.texts.len() <= FEW
                && node.strings > node.texts.len()
                && node.times == 0
                && node.nulls == 0
        };
        let members = self.root.members.iter();
        let ideas: Vec<&str> = members
            .filter(|(name, node)| name != taken && is_plain(name) && is_idea(node))
            .map(|(name, _)| name.as_str())
            .take(FEW)
            .collect();
        match ideas.is_empty() {
            true => String::new(),
            false => format!("few values, so perhaps tags: {}", ideas.join(", ")),
        }
    }
}

/// The name of a path in a line.
fn flat(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    let mut is_inside = false;
    let mut signs = path.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if is_inside && signs.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => is_inside = !is_inside,
            '.' if !is_inside => name.push('_'),
            sign => name.push(sign),
        }
    }
    name
}

/// A quoted string that is valid in JSON and in TOML.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
