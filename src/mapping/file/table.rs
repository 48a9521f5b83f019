//! Reads one TOML table and notes its problems.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use serde_json::{Map, Value as Json};

use super::{Placed, alarm, fields::ConstantValue};
use crate::{
    model::Decimal,
    schema::{Problem, Source, nearest},
};

/// A table with its place and the list that problems go to.
pub(super) struct Table<'a, 'p> {
    pub(super) source: &'a Source,
    table: &'a DeTable<'a>,
    /// Where the table begins, from 1.
    pub(super) line: u32,
    /// What it is, for the operator.
    what: String,
    problems: &'p mut Vec<Problem>,
}

impl<'a, 'p> Table<'a, 'p> {
    pub(super) fn new(
        source: &'a Source,
        table: &'a DeTable<'a>,
        offset: usize,
        problems: &'p mut Vec<Problem>,
    ) -> Self {
        let line = source.line(offset);
        Self { source, table, line, what: "this mapping".to_owned(), problems }
    }

    /// Names what the table is, if it is not a mapping.
    pub(super) fn called(mut self, what: &str) -> Self {
        what.clone_into(&mut self.what);
        self
    }

    /// Notes a problem at a byte offset.
    fn problem(&mut self, offset: usize, what: impl Into<String>) {
        self.problems.push(self.source.problem(offset, what));
    }

    /// A value with its line.
    fn placed<T>(&self, offset: usize, value: T) -> Placed<T> {
        Placed { value, line: self.source.line(offset) }
    }

    /// Refuses every key that is not known, naming the nearest one that is.
    pub(super) fn refuse_unknown(&mut self, known: &[&str], what: &str) {
        let table = self.table;
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let text = match nearest(name, known.iter().copied()) {
                Some(near) => format!("unknown key `{name}`; did you mean `{near}`?"),
                None => format!("unknown key `{name}`; {what}; known are {}", known.join(", ")),
            };
            self.problem(key.span().start, text);
        }
    }

    /// Refuses a key that has no meaning here.
    pub(super) fn refuse(&mut self, key: &str, why: &str) {
        if let Some(offset) = self.offset(key) {
            self.problem(offset, format!("remove `{key}`: it {why}"));
        }
    }

    /// The offset of a key.
    fn offset(&self, key: &str) -> Option<usize> {
        let mut keys = self.table.keys();
        keys.find(|name| name.get_ref() == key).map(|name| name.span().start)
    }

    /// Whether a key is present.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Whether a key's value is a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Table(_)))
    }

    /// The value of a key.
    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// An array's elements.
    pub(super) fn array(&mut self, key: &str) -> Option<&'a [Spanned<DeValue<'a>>]> {
        let value = self.value(key)?;
        if let DeValue::Array(array) = value.get_ref() {
            return Some(array);
        }
        let is_one = matches!(value.get_ref(), DeValue::Table(_)) && key == "mapping";
        let expected = if is_one { "an array of tables; write [[mapping]]" } else { "an array" };
        self.wrong_type(key, value, expected);
        None
    }

    /// A table within, with the keys that it may have.
    pub(super) fn table(&mut self, key: &str, known: &[&str]) -> Option<Table<'a, '_>> {
        let first = known.first().copied().unwrap_or_default();
        let keys = known.join(", ");
        let mut inner = self.table_of(
            key,
            &format!("a table, `{key} = {{ {first} = … }}`, whose keys are {keys}"),
        )?;
        inner.refuse_unknown(known, &format!("`{key}` has no such key"));
        Some(inner)
    }

    /// A table within, whose keys are the operator's own.
    pub(super) fn open_table(&mut self, key: &str) -> Option<Table<'a, '_>> {
        self.table_of(key, "a table, such as { … }")
    }

    /// A table within; `expected` says what it is.
    fn table_of(&mut self, key: &str, expected: &str) -> Option<Table<'a, '_>> {
        let value = self.value(key)?;
        let DeValue::Table(inner) = value.get_ref() else {
            self.wrong_type(key, value, expected);
            return None;
        };
        let mut inner = Table::new(self.source, inner, value.span().start, self.problems);
        inner.what = format!("`{key}`");
        Some(inner)
    }

    /// Every key, with its line.
    pub(super) fn keys(&self) -> Vec<Placed<String>> {
        let keys = self.table.keys();
        keys.map(|key| self.placed(key.span().start, key.get_ref().clone().into_owned())).collect()
    }

    /// A number, as its digits are written.
    pub(super) fn decimal(&mut self, key: &str) -> Option<Decimal> {
        let value = self.value(key)?;
        let digits = match value.get_ref() {
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            _ => "",
        };
        let number = Decimal::parse(digits.replace('_', "").as_bytes());
        if number.is_none() {
            self.wrong_type(key, value, "a finite number in decimals");
        }
        number
    }

    /// A text that is read by `read`.
    pub(super) fn text_as<T>(
        &mut self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Placed<T>> {
        let text = self.text(key)?;
        if let Some(value) = read(&text.value) {
            return Some(Placed { value, line: text.line });
        }
        let what = format!("`{key}` cannot be `{}`; write {expected}", text.value);
        self.problems.push(Problem { file: self.source.path.clone(), line: Some(text.line), what });
        None
    }

    /// One of a few numbers.
    pub(super) fn number_of(&mut self, key: &str, of: &[u8]) -> Option<Placed<u8>> {
        let value = self.value(key)?;
        let number = value.get_ref().as_integer();
        let number =
            number.and_then(|number| u8::from_str_radix(number.as_str(), number.radix()).ok());
        if let Some(number) = number.filter(|number| of.contains(number)) {
            return Some(self.placed(value.span().start, number));
        }
        let known = of.iter().map(u8::to_string).collect::<Vec<_>>().join(" or ");
        self.problem(value.span().start, format!("`{key}` must be {known}"));
        None
    }

    /// A table of values by name; the line is the name's.
    pub(super) fn values(&mut self, key: &str) -> Vec<(Placed<String>, ConstantValue)> {
        let Some(mut inner) = self.open_table(key) else { return Vec::new() };
        let keys = inner.keys();
        let mut values = Vec::new();
        for name in keys {
            if let Some(value) = inner.constant(&name.value) {
                values.push((name, value));
            }
        }
        values
    }

    /// A table of values of any depth, as JSON.
    pub(super) fn objects(&mut self, key: &str) -> Option<Placed<Map<String, Json>>> {
        let value = self.value(key)?;
        if let Some(Json::Object(object)) = alarm::json(value, 0) {
            return Some(self.placed(value.span().start, object));
        }
        let expected =
            "a table, such as { … }, of texts, finite numbers, booleans, lists and tables";
        self.wrong_type(key, value, expected);
        None
    }

    /// One text, number or boolean.
    fn constant(&mut self, key: &str) -> Option<ConstantValue> {
        let value = self.value(key)?;
        let found = match value.get_ref() {
            DeValue::String(text) => Some(ConstantValue::String(text.clone().into_owned())),
            DeValue::Boolean(value) => Some(ConstantValue::Boolean(*value)),
            DeValue::Integer(number) => {
                let digits = i64::from_str_radix(number.as_str(), number.radix());
                digits.ok().map(ConstantValue::Integer)
            }
            DeValue::Float(number) => {
                let number: Option<f64> = number.as_str().replace('_', "").parse().ok();
                number.filter(|number| number.is_finite()).map(ConstantValue::Float)
            }
            _ => None,
        };
        if found.is_none() {
            self.wrong_type(key, value, "a text, a finite number of 64 bits or a boolean");
        }
        found
    }

    /// A value of any depth, as JSON.
    pub(super) fn json(&mut self, key: &str) -> Option<Json> {
        let value = self.value(key)?;
        let read = alarm::json(value, 0);
        if read.is_none() {
            let expected = "a text, a finite number, a boolean, or a list or table of such";
            self.wrong_type(key, value, expected);
        }
        read
    }

    /// A text that may be absent.
    pub(super) fn text(&mut self, key: &str) -> Option<Placed<String>> {
        let value = self.value(key)?;
        self.text_of(key, value)
    }

    /// A required text.
    pub(super) fn required_text(&mut self, key: &str) -> Option<Placed<String>> {
        if !self.has(key) {
            self.missing(key);
        }
        self.text(key)
    }

    /// A text that is required if `wanted`, and not allowed otherwise.
    pub(super) fn text_if(
        &mut self,
        wanted: bool,
        key: &str,
        why_not: &str,
    ) -> Option<Placed<String>> {
        if wanted {
            return self.required_text(key);
        }
        if let Some(offset) = self.offset(key) {
            self.problem(offset, format!("remove `{key}`: {why_not}"));
        }
        None
    }

    /// A list of texts; empty if absent.
    pub(super) fn texts(&mut self, key: &str) -> Vec<Placed<String>> {
        let Some(array) = self.array(key) else { return Vec::new() };
        array.iter().filter_map(|value| self.text_of(key, value)).collect()
    }

    /// A table of texts, which may be empty.
    pub(super) fn pairs(&mut self, key: &str) -> Vec<(Placed<String>, String)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(key, value, "a table of names by path");
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (path, name) in table {
            let name = match name.get_ref() {
                DeValue::String(text) => text.clone().into_owned(),
                _ => {
                    self.wrong_type(key, name, "a text in quotes");
                    continue;
                }
            };
            let path_text = path.get_ref().clone().into_owned();
            pairs.push((self.placed(path.span().start, path_text), name));
        }
        pairs
    }

    /// One of several words; absent: `None`.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<Placed<T>> {
        let text = self.text(key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(Placed { value: *value, line: text.line });
        }
        let known = words.iter().map(|(word, _)| *word);
        let hint = match nearest(&text.value, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write one of {}", known.collect::<Vec<_>>().join(", ")),
        };
        let what = format!("`{key}` cannot be `{}`; {hint}", text.value);
        self.problems.push(Problem { file: self.source.path.clone(), line: Some(text.line), what });
        None
    }

    /// One of several words that must be there.
    pub(super) fn required_choice<T: Copy>(
        &mut self,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<Placed<T>> {
        if !self.has(key) {
            self.missing(key);
        }
        self.choice(key, words)
    }

    /// `schema-id`: the id of a Confluent schema registry.
    pub(super) fn schema_id(&mut self, wanted: bool) -> Option<u32> {
        let key = "schema-id";
        let Some(value) = self.value(key) else {
            if wanted {
                self.missing(key);
            }
            return None;
        };
        if !wanted {
            self.problem(
                value.span().start,
                "remove `schema-id`: it belongs to `select = \"confluent\"`",
            );
            return None;
        }
        let number = value.get_ref().as_integer();
        let id =
            number.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
        if id.is_none() {
            self.wrong_type(key, value, "an integer from 0 to 4294967295");
        }
        id
    }

    /// A text value.
    fn text_of(&mut self, key: &str, value: &Spanned<DeValue<'a>>) -> Option<Placed<String>> {
        let offset = value.span().start;
        match value.get_ref() {
            DeValue::String(text) if text.is_empty() => {
                self.problem(offset, format!("`{key}` is empty"));
                None
            }
            DeValue::String(text) => Some(self.placed(offset, text.clone().into_owned())),
            _ => {
                self.wrong_type(key, value, "a text in quotes");
                None
            }
        }
    }

    /// Notes that a value has the wrong type.
    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'a>>, expected: &str) {
        let what =
            format!("`{key}` is of type {}; it must be {expected}", value.get_ref().type_str());
        self.problem(value.span().start, what);
    }

    /// Notes that a required key is missing.
    pub(super) fn missing(&mut self, key: &str) {
        let what = format!("{} has no `{key}`; add it", self.what);
        let (file, line) = (self.source.path.clone(), Some(self.line));
        self.problems.push(Problem { file, line, what });
    }
}
