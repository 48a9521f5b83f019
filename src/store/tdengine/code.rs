//! The server's error codes, which tell what its statuses do not.

use std::fmt;

use serde::Deserialize;

/// A code, its sign and its upper half cut off as the adapter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Code(pub(in crate::store) u32);

/// Who has to do something about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Class {
    /// Whoever wrote the line: it will never be stored as it is.
    Line,
    /// Whoever wrote the question.
    Question,
    /// The operator: a setting, ours or the server's.
    Setting,
    /// Nobody: the server is away, busy, or says what we do not know.
    Wait,
}

impl Code {
    /// `Database not exist`.
    pub(in crate::store) const DATABASE_MISSING: Self = Self(0x388);
    /// `Database already exists`.
    pub(in crate::store) const DATABASE_EXISTS: Self = Self(0x381);

    /// What a write that ends so means. Each of the codes was seen for a bad line; all others,
    /// `0x20` (some vnode out of service) and `0x61b` (a race between writers) among them, wait.
    pub(in crate::store) const fn of_write(self) -> Class {
        match self.0 {
            // Line, value, type within one body, time, time of storage, name given twice.
            0x3002 | 0x203 | 0x3004 | 0x127 | 0x60b | 0x220
            // Table's name, column's name, columns, length, tags, no line at all.
            | 0x20a | 0x21f | 0x2640 | 0x2642 | 0x2643 | 0x70f => Class::Line,
            _ if self.is_setting() => Class::Setting,
            _ => Class::Wait,
        }
    }

    /// What a statement that ends so means.
    pub(in crate::store) const fn of_question(self) -> Class {
        match self.0 {
            // The adapter's own list of what is the asker's fault.
            0x216 | 0x21b | 0x224 | 0x60b
            // No such stable, no such table.
            | 0x362 | 0x618
            // The parser, the planner and the functions.
            | 0x2600..=0x2fff => Class::Question,
            _ if self.is_setting() => Class::Setting,
            _ => Class::Wait,
        }
    }

    /// Whether a statement ended because there is no such table.
    pub(in crate::store) fn is_table_missing(self, text: &str) -> bool {
        match self.0 {
            0x2603 | 0x362 | 0x618 => true,
            // `Fail to get table info, error: …`, which may be anything.
            0x2662 => text.contains("Table does not exist"),
            _ => false,
        }
    }

    const fn is_setting(self) -> bool {
        matches!(
            self.0,
            // Passwords and users, no such database.
            0x350..=0x357 | 0x334 | 0x388
            // The adapter's own: no or wrong authorisation.
            | 0x1105 | 0x1122..=0x1125
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:#x}]", self.0)
    }
}

/// A fault as `/rest/sql` tells it, with whatever status.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(in crate::store) struct Fault {
    code: i64,
    desc: String,
}

impl Fault {
    /// A fault that was read piece by piece.
    pub(in crate::store) const fn new(code: i64, desc: String) -> Self {
        Self { code, desc }
    }

    /// Reads a whole body; nothing where it is none, or no fault.
    pub(in crate::store) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().filter(|fault: &Self| fault.code != 0)
    }

    pub(in crate::store) fn code(&self) -> Code {
        Code(u32::try_from(self.code & 0xffff).unwrap_or_default())
    }

    /// Its words, as the server writes those of a write.
    pub(in crate::store) fn text(&self) -> String {
        format!("{} {}", self.code(), self.desc)
    }
}
