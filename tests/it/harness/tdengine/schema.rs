//! Tables as the server declares them: columns, their widths, and the limits of a row.

use super::lines::{Fault, Line, Value};

/// The most bytes of a row: the sum of the declared widths of all columns.
const ROW_BYTES_MAX: usize = 65_531;
/// The most bytes of all tags of a row.
const TAG_BYTES_MAX: usize = 16_384;
/// The most bytes of one string.
const STRING_BYTES_MAX: usize = 65_517;
/// The most columns, with the time, and tags.
const FIELDS_MAX: usize = 4_094;
const TAGS_MAX: usize = 128;

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    BigInt,
    BigIntUnsigned,
    Double,
    Varchar,
    Bool,
    NChar,
    /// Types that no line writes, only a `CREATE TABLE` by hand.
    Int,
    Float,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::BigInt => "BIGINT",
            Self::BigIntUnsigned => "BIGINT UNSIGNED",
            Self::Double => "DOUBLE",
            Self::Varchar => "VARCHAR",
            Self::Bool => "BOOL",
            Self::NChar => "NCHAR",
            Self::Int => "INT",
            Self::Float => "FLOAT",
        }
    }

    const fn bytes(self, width: usize) -> usize {
        match self {
            Self::BigInt | Self::BigIntUnsigned | Self::Double => 8,
            Self::Int | Self::Float => 4,
            Self::Bool => 1,
            Self::Varchar => width + 2,
            Self::NChar => 4 * width + 2,
        }
    }
}

/// A column other than the time.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) is_tag: bool,
    /// Characters of a text.
    pub(crate) width: usize,
}

/// A stable.
#[derive(Clone, Debug, Default)]
pub(super) struct Schema {
    pub(super) columns: Vec<Column>,
    /// Whether it is a normal table, which takes no lines.
    pub(super) is_normal: bool,
    pub(super) has_primary_key: bool,
}

impl Schema {
    pub(super) fn find(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The schema that the table needs for the lines.
    pub(super) fn grown<'a>(
        &self,
        lines: impl Iterator<Item = &'a Line>,
        is_new: bool,
    ) -> Result<Self, Fault> {
        let mut next = self.clone();
        for line in lines {
            for (name, value) in &line.tags {
                match self.find(name).or_else(|| next.find(name)) {
                    Some(known) if !known.is_tag => return Err(duplicated()),
                    Some(known) if known.kind != Kind::NChar => {
                        return Err(mismatch(known.kind, "NCHAR", &format!("{name}={value}")));
                    }
                    _ => next.widen(name, Kind::NChar, true, value.chars().count()),
                }
            }
            for (name, value, quoted) in &line.fields {
                let kind = value.kind();
                let width = if let Value::Text(text) = value { text.len() } else { 0 };
                if width > STRING_BYTES_MAX {
                    let words = "Invalid varbinary/binary/nchar column/tag length";
                    return Err((0x2642, words.to_owned()));
                }
                match (self.find(name), next.find(name)) {
                    (Some(known), _) | (None, Some(known)) if known.is_tag => {
                        return Err(duplicated());
                    }
                    (Some(known), _) if known.kind != kind => {
                        return Err(mismatch(known.kind, kind.word(), quoted));
                    }
                    (None, Some(earlier)) if earlier.kind != kind => {
                        let words = format!("the type is not the same like before:{quoted}");
                        return Err((0x3004, cut(words)));
                    }
                    _ => next.widen(name, kind, false, width),
                }
            }
        }
        next.fits(is_new)?;
        Ok(next)
    }

    /// A text column is as long as its first value, and grows in powers of two.
    fn widen(&mut self, name: &str, kind: Kind, is_tag: bool, width: usize) {
        match self.columns.iter_mut().find(|column| column.name == name) {
            Some(known) if known.width < width => {
                let rounded = width.next_power_of_two().min(STRING_BYTES_MAX);
                known.width = if is_tag && width > 1_024 { width } else { rounded };
            }
            Some(_) => {}
            None => self.columns.push(Column { name: name.to_owned(), kind, is_tag, width }),
        }
    }

    fn fits(&self, is_new: bool) -> Result<(), Fault> {
        let (tags, fields): (Vec<_>, Vec<_>) = self.columns.iter().partition(|it| it.is_tag);
        if tags.len() > TAGS_MAX || fields.len() > FIELDS_MAX {
            return Err(match is_new {
                true if tags.len() > TAGS_MAX => (0x2643, "too many tags than 128".to_owned()),
                true => (0x2640, "too many columns than 4096".to_owned()),
                false => (0x115, "Invalid message".to_owned()),
            });
        }
        // Small widths of tags are rounded up.
        let tag_width = |it: &&Column| match it.width {
            width @ ..=1_024 => Column { width: width.next_power_of_two(), ..(*it).clone() },
            _ => (*it).clone(),
        };
        let bytes = |it: &Column| it.kind.bytes(it.width);
        if tags.iter().map(|it| bytes(&tag_width(it))).sum::<usize>() > TAG_BYTES_MAX {
            return Err((0x263d, "Tags length exceeds max length".to_owned()));
        }
        if 8 + fields.iter().map(|it| bytes(it)).sum::<usize>() > ROW_BYTES_MAX {
            return Err((0x263e, "Row length exceeds max length".to_owned()));
        }
        Ok(())
    }
}

fn duplicated() -> Fault {
    (0x263c, "Duplicated column names".to_owned())
}

fn mismatch(known: Kind, kind: &str, quoted: &str) -> Fault {
    let words = format!(
        "SML:0x7f1e2a4b, smlGenerateSchemaAction point type and db type mismatch, db \
         type:{}, point type:{kind}, key:{quoted}",
        known.word()
    );
    (0x3002, cut(words))
}

fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(512));
    words
}
