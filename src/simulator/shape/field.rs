//! The flat view of a message: fields with names, and values for them.

/// The type of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Float,
    Integer,
    Text,
    Flag,
    /// One of these names; an enum.
    Choice(Vec<String>),
}

/// One scalar of a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// The path in the message: `battery.soc`.
    pub(crate) path: String,
    /// Its name in the store by the mapping: `soc`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// It may not be absent.
    pub(crate) required: bool,
}

/// One value, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Value {
    #[default]
    Absent,
    Float(f64),
    Integer(i64),
    Text(String),
    Flag(bool),
}

impl Field {
    /// Parses a text as a value; `None` if it is not a value of this field's kind.
    ///
    /// An empty text is an absent value. An integer may be written with decimals that are zeros.
    pub(crate) fn parse(&self, text: &str) -> Option<Value> {
        if text.is_empty() {
            return Some(Value::Absent);
        }
        match &self.kind {
            Kind::Float => text.parse().ok().map(Value::Float),
            Kind::Integer => {
                let whole = match text.split_once('.') {
                    Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
                    _ => text,
                };
                whole.parse().ok().map(Value::Integer)
            }
            Kind::Text => Some(Value::Text(text.to_owned())),
            Kind::Flag => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" | "yes" => Some(Value::Flag(true)),
                "false" | "f" | "0" | "no" => Some(Value::Flag(false)),
                _ => None,
            },
            Kind::Choice(names) => {
                let name = names.iter().find(|name| name.eq_ignore_ascii_case(text))?;
                Some(Value::Text(name.clone()))
            }
        }
    }

    /// How well a name from another source (a CSV column) matches this field, best first; `None` if
    /// it does not. Letter case, separators, and a unit at the end are ignored.
    pub(crate) fn likeness(&self, name: &str) -> Option<usize> {
        let wanted = plain(name);
        let last = self.path.rsplit('.').next().unwrap_or(&self.path);
        let names = [self.name.as_str(), self.path.as_str(), last];
        let whole = names.iter().map(|name| plain(name));
        let unitless = names.iter().map(|name| plain(without_unit(name)));
        whole.chain(unitless).position(|known| known == wanted)
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn without_unit(name: &str) -> &str {
    const UNITS: [&str; 8] = ["_kmh", "_km", "_percent", "_pct", "_celsius", "_ms", "_v", "_a"];
    UNITS.iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name)
}

/// The unit of a time field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl TimeUnit {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "s" => Some(Self::Seconds),
            "ms" => Some(Self::Millis),
            "us" => Some(Self::Micros),
            "ns" => Some(Self::Nanos),
            _ => None,
        }
    }

    /// Nanoseconds of one unit.
    pub(crate) fn nanos(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1000,
            Self::Nanos => 1,
        }
    }
}
