//! What the samples show about one place of the payload.

use std::{collections::HashMap, fmt};

use jiff::{Timestamp, civil::DateTime};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The maximum number of properties over all objects.
const NAMES_MAX: usize = 2048;

/// The maximum nesting of a sample, as for payloads.
const DEPTH_MAX: usize = 32;

/// How many different strings of a property are kept.
const TEXTS_MAX: usize = 8;

/// The maximum length of a kept string.
const TEXT_CHARS_MAX: usize = 64;

/// One place, over all samples.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The number of values that are not null.
    pub(super) seen: usize,
    pub(super) nulls: usize,
    pub(super) booleans: usize,
    pub(super) integers: usize,
    /// The minimum of all numbers, also of quoted ones, without their fractions.
    pub(super) least: i128,
    pub(super) most: i128,
    has_bounds: bool,
    /// The number of values with a fraction or an exponent, or larger than 64 bits.
    pub(super) floats: usize,
    pub(super) strings: usize,
    /// The number of strings that are RFC 3339.
    pub(super) times: usize,
    /// The number of strings that are a time without an offset.
    pub(super) locals: usize,
    /// The number of strings that hold only a number.
    pub(super) quoted: usize,
    /// The first different strings.
    pub(super) texts: Vec<String>,
    pub(super) objects: usize,
    /// In the order of their first occurrence.
    pub(super) members: Vec<(String, Node)>,
    places: HashMap<String, usize>,
    pub(super) lists: usize,
    pub(super) longest: usize,
    pub(super) item: Option<Box<Node>>,
    /// The latest time among integers and strings, as written in the sample.
    pub(super) latest: Option<Timestamp>,
}

/// The one type of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Number,
    Text,
    Object,
    List,
    /// Only null was seen, or nothing.
    Nothing,
    /// Several types that no schema can combine.
    Mixed,
}

impl Node {
    /// Its type.
    pub(super) fn kind(&self) -> Kind {
        let numbers = self.integers + self.floats;
        let counts = [self.booleans, numbers, self.strings, self.objects, self.lists];
        if counts.iter().filter(|count| **count > 0).count() > 1 {
            return Kind::Mixed;
        }
        match counts.iter().position(|count| *count > 0) {
            Some(0) => Kind::Boolean,
            Some(1) if self.floats > 0 => Kind::Number,
            Some(1) => Kind::Integer,
            Some(2) => Kind::Text,
            Some(3) => Kind::Object,
            Some(_) => Kind::List,
            None => Kind::Nothing,
        }
    }

    /// The place of a member, created if it is new.
    fn member(&mut self, name: &str) -> &mut Self {
        let next = self.members.len();
        let at = *self.places.entry(name.to_owned()).or_insert(next);
        if at == next {
            self.members.push((name.to_owned(), Self::default()));
        }
        &mut self.members[at].1
    }

    fn integer(&mut self, value: i128) {
        self.number(value);
        self.integers += 1;
    }

    fn number(&mut self, value: i128) {
        (self.least, self.most) = match self.has_bounds {
            false => (value, value),
            true => (self.least.min(value), self.most.max(value)),
        };
        self.has_bounds = true;
    }

    fn text(&mut self, text: &str) {
        self.strings += 1;
        if let Ok(time) = text.parse::<Timestamp>() {
            self.times += 1;
            self.latest = self.latest.max(Some(time));
        } else if text.parse::<DateTime>().is_ok() {
            self.locals += 1;
        }
        if let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            self.quoted += 1;
            self.number(whole(number));
        }
        let short = text.chars().count() <= TEXT_CHARS_MAX;
        if short && self.texts.len() < TEXTS_MAX && !self.texts.iter().any(|known| known == text) {
            self.texts.push(text.to_owned());
        }
    }
}

/// Reads one value into a node.
pub(super) struct Learn<'n> {
    pub(super) node: &'n mut Node,
    /// The number of properties so far.
    pub(super) names: &'n mut usize,
    pub(super) depth: usize,
}

impl<'de> DeserializeSeed<'de> for Learn<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Learn<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.node.nulls += 1;
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.node.seen += 1;
        self.node.booleans += 1;
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.node.seen += 1;
        self.node.integer(value.into());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.node.seen += 1;
        self.node.integer(value.into());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.node.seen += 1;
        self.node.number(whole(value));
        self.node.floats += 1;
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.node.seen += 1;
        self.node.text(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { node, names, depth } = self;
        deeper::<A::Error>(depth)?;
        node.seen += 1;
        node.lists += 1;
        let item = node.item.get_or_insert_default();
        let mut count = 0;
        loop {
            let learn = Learn { node: &mut *item, names: &mut *names, depth: depth + 1 };
            if list.next_element_seed(learn)?.is_none() {
                break;
            }
            count += 1;
        }
        node.longest = node.longest.max(count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { node, names, depth } = self;
        deeper::<A::Error>(depth)?;
        node.seen += 1;
        node.objects += 1;
        while let Some(name) = map.next_key::<String>()? {
            let before = node.members.len();
            let member = node.member(&name);
            map.next_value_seed(Learn { node: member, names: &mut *names, depth: depth + 1 })?;
            *names += node.members.len() - before;
            if *names > NAMES_MAX {
                return Err(A::Error::custom(format!(
                    "the samples have more than {NAMES_MAX} different properties"
                )));
            }
        }
        Ok(())
    }
}

/// A number without its fraction, as exact as 128 bits allow.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit is told by its bound")]
const fn whole(value: f64) -> i128 {
    value as i128
}

/// Bounds the depth.
fn deeper<E: Error>(depth: usize) -> Result<(), E> {
    if depth >= DEPTH_MAX {
        return Err(E::custom(format!("it nests deeper than {DEPTH_MAX} levels")));
    }
    Ok(())
}
