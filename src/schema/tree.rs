//! JSON text as a tree whose values have their offsets, so that each error is reported with its
//! line.
//!
//! Nesting is bounded, so that trees may be walked by recursion.

use std::collections::HashMap;

use crate::schema::{Problem, Source};

/// How deep values may nest: far deeper than any real schema, far less than a thread's stack
/// allows.
const DEPTH_MAX: usize = 100;

/// A value and the offset of its first byte.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

/// The kinds of values. Numbers keep their text.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Number(Box<str>),
    String(Box<str>),
    Array(Vec<Node>),
    Object(Members),
}

/// The members of an object, in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Members {
    all: Vec<Member>,
    /// Their indexes by name, if there are many: then lookups stay cheap.
    places: HashMap<Box<str>, usize>,
}

/// Objects with more members than this are looked up by a table.
const SCANNED_MAX: usize = 16;

impl Members {
    fn new(all: Vec<Member>) -> Self {
        if all.len() <= SCANNED_MAX {
            return Self { all, places: HashMap::new() };
        }
        let places = all.iter().enumerate().map(|(place, member)| (member.name.clone(), place));
        Self { places: places.collect(), all }
    }

    /// A member by its name; of several the last, as usual in JSON.
    fn find(&self, name: &str) -> Option<&Member> {
        if self.all.len() <= SCANNED_MAX {
            return self.all.iter().rev().find(|member| *member.name == *name);
        }
        self.places.get(name).map(|place| &self.all[*place])
    }
}

/// One member of an object.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Box<str>,
    pub(super) node: Node,
}

impl Node {
    /// The tree of a file's text.
    ///
    /// # Errors
    /// It is not JSON, or nests too deep.
    pub(super) fn parse(source: &Source) -> Result<Self, Problem> {
        let Source { path: file, text, .. } = source;
        // serde_json checks whether it is JSON, without recursion here. Its error texts are
        // clearer.
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| {
            let clearer = serde_json::from_str::<serde_json::Value>(text).err();
            Problem::of_json(file, &clearer.unwrap_or(error))
        })?;
        let mut reader = Reader { text, at: 0, depth: 0 };
        reader.value().map_err(|what| source.problem(reader.at, what))
    }

    /// The members of an object; none of anything else.
    pub(super) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => &members.all,
            _ => &[],
        }
    }

    /// The items of an array; none of anything else.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// A member's value by its name.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Object(members) => members.find(name).map(|member| &member.node),
            _ => None,
        }
    }

    /// What one part of a JSON Pointer leads to.
    pub(super) fn step(&self, part: &str) -> Option<&Self> {
        match &self.value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => self.get(part),
        }
    }

    /// The object or list that begins at a byte, here or within.
    pub(super) fn find(&self, at: usize) -> Option<&Self> {
        let mut node = self;
        while node.at != at {
            node = match &node.value {
                Value::Array(items) => {
                    let after = items.partition_point(|item| item.at <= at);
                    items.get(after.checked_sub(1)?)?
                }
                Value::Object(members) => {
                    let after = members.all.partition_point(|member| member.node.at <= at);
                    &members.all.get(after.checked_sub(1)?)?.node
                }
                _ => return None,
            };
        }
        Some(node)
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one, as the nearest float.
    pub(super) fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// What it is, for the operator.
    pub(super) fn is_a(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Boolean(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
}

/// The state of reading. The text is known to be JSON.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

/// The error for text that serde_json accepts and this reader does not.
const NOT_JSON: &str = "not the JSON expected here";

impl Reader<'_> {
    /// Reads a value.
    fn value(&mut self) -> Result<Node, String> {
        let first = self.next();
        let at = self.at;
        let value = match first {
            Some(b'{') => self.inside(Self::object)?,
            Some(b'[') => self.inside(Self::array)?,
            Some(b'"') => Value::String(self.string()?),
            _ => self.word()?,
        };
        Ok(Node { at, value })
    }

    /// Reads an object or array, if the bound on depth allows it.
    fn inside(&mut self, read: fn(&mut Self) -> Result<Value, String>) -> Result<Value, String> {
        if self.depth == DEPTH_MAX {
            return Err(format!("nests deeper than {DEPTH_MAX} objects and lists"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Reads an object's members.
    fn object(&mut self) -> Result<Value, String> {
        let mut members = Vec::new();
        while self.next() != Some(b'}') {
            let name = self.string()?;
            self.expect(b':')?;
            members.push(Member { name, node: self.value()? });
            self.comma(b'}')?;
        }
        self.at += 1;
        Ok(Value::Object(Members::new(members)))
    }

    /// Reads an array's items.
    fn array(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        while self.next() != Some(b']') {
            items.push(self.value()?);
            self.comma(b']')?;
        }
        self.at += 1;
        Ok(Value::Array(items))
    }

    /// Reads a string.
    fn string(&mut self) -> Result<Box<str>, String> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        while *bytes.get(end).ok_or(NOT_JSON)? != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let quoted = self.text.get(start..=end).ok_or(NOT_JSON)?;
        let inner = &quoted[1..quoted.len() - 1];
        let text = match inner.contains('\\') {
            false => inner.into(),
            true => serde_json::from_str(quoted).map_err(|_| NOT_JSON)?,
        };
        self.at = end + 1;
        Ok(text)
    }

    /// Reads a number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<Value, String> {
        let rest = self.text.get(self.at..).ok_or(NOT_JSON)?;
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')));
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        match word {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            "" => Err(NOT_JSON.to_owned()),
            number => Ok(Value::Number(number.into())),
        }
    }

    /// Takes a comma, unless a closing bracket follows.
    fn comma(&mut self, close: u8) -> Result<(), String> {
        if self.next() == Some(close) { Ok(()) } else { self.expect(b',') }
    }

    /// Takes one character.
    fn expect(&mut self, sign: u8) -> Result<(), String> {
        if self.next() != Some(sign) {
            return Err(NOT_JSON.to_owned());
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is not white space.
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.at += blank;
        rest.get(blank).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Sources;

    fn parse(text: &str) -> Result<Node, Problem> {
        let sources = Sources::from_texts([("x".to_owned(), text.to_owned())]);
        Node::parse(sources.find("x").unwrap())
    }

    #[test]
    fn values_know_where_they_begin() {
        let text = "{ \"a\\u0062\": [1, -2.5e3, true],\n \"c\":{\"a\":null, \"a\":\"\\\"\"} }";
        let tree = parse(text).unwrap();
        let [list, object] = tree.members() else { panic!("{tree:?}") };
        assert_eq!((&*list.name, list.node.at), ("ab", 13));
        assert!(matches!(&list.node.items()[1].value, Value::Number(text) if &**text == "-2.5e3"));
        assert_eq!(object.node.get("a").and_then(Node::text), Some("\""));
        assert_eq!(&text[object.node.get("a").unwrap().at..][..4], "\"\\\"\"");
    }

    #[test]
    fn nesting_is_bounded_whatever_nests() {
        let told = |text: &str| parse(text).map(|_| ()).unwrap_err().to_string();
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(told(&deep), "x:1: nests deeper than 100 objects and lists");
        let deep = format!("{}1{}", "{\"a\":\n".repeat(101), "}".repeat(101));
        assert_eq!(told(&deep), "x:101: nests deeper than 100 objects and lists");
        let fits = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
        assert!(parse(&fits).is_ok());
        assert_eq!(told("{\n\"a\" 1}"), "x:2: not the JSON expected here: expected `:`");
    }
}
