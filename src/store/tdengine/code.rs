//! The server's error codes, which say more than its HTTP statuses.

use std::fmt;

use serde::Deserialize;

/// A code without its sign and upper half, as the adapter writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Code(pub(in crate::store) u32);

/// What the error code of a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Class {
    /// The line: it will never be stored as it is.
    Line,
    /// Perhaps a race: also a good line is refused with it when two writers add columns to one
    /// table at the same time, and is accepted when it is sent again.
    Race,
    /// The table: no line of its measurement will ever be stored.
    Measurement,
    /// A setting, ours or the server's.
    Setting,
    /// The server, which is down, busy or starting.
    Wait,
    /// The code is in no list: it may be about anything.
    Unknown,
}

/// What the error code of a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum StatementClass {
    /// The query.
    Question,
    /// A setting, ours or the server's.
    Setting,
    /// The server, which is down or busy; also unknown codes.
    Wait,
}

impl Code {
    /// `Database not exist`.
    pub(in crate::store) const DATABASE_MISSING: Self = Self(0x388);
    /// `Database not specified`: the answer about a table in a missing database.
    pub(in crate::store) const DATABASE_UNSPECIFIED: Self = Self(0x2616);
    /// `Database already exists`.
    pub(in crate::store) const DATABASE_EXISTS: Self = Self(0x381);
    /// `Database in creating status`: another connection creates it, which takes about 100 ms.
    pub(in crate::store) const DATABASE_CREATING: Self = Self(0x396);

    /// The class of a write's error code with this message. Each code was observed.
    pub(in crate::store) fn of_write(self, words: &str) -> Class {
        match (self.0, words.trim()) {
            // Without further text, either the client library lost a race between writers, or a
            // server before 3.3 refuses a bad line.
            (0x3002 | 0x200, "Invalid data format") | (0x203, "Invalid value in client") => {
                Class::Race
            }
            (0x61b, _) => Class::Race,
            // Syntax and type, value, type within one body, characters, time, time of storage.
            (0x3002 | 0x203 | 0x3004 | 0x200 | 0x127 | 0x60b
            // A name given twice, also as tag and field, or `_ts`.
            | 0x220 | 0x263c
            // Table's name, column's name, columns, length, tags, no line at all.
            | 0x20a | 0x21f | 0x2640 | 0x2642 | 0x2643 | 0x70f
            // Tags too long, row too long, one column or tag more than a table can have.
            | 0x263d | 0x263e | 0x115, _) => Class::Line,
            // A normal table has the name, the stable has a primary key, the database takes one
            // stable only.
            (0x603 | 0x3006 | 0x3c5, _) => Class::Measurement,
            // `use` of a database whose name is a word of the language.
            (0x2600, _) => Class::Setting,
            _ if self.is_setting() => Class::Setting,
            _ if self.is_outage() => Class::Wait,
            _ => Class::Unknown,
        }
    }

    /// The class of a statement's error code.
    pub(in crate::store) const fn of_question(self) -> StatementClass {
        match self.0 {
            _ if self.is_setting() => StatementClass::Setting,
            // The adapter's own list of codes that are the client's fault, and other errors of the
            // client library about a statement.
            0x200..=0x2ff | 0x60b
            // No such stable, no such table.
            | 0x362 | 0x618
            // No such function.
            | 0x370..=0x37f
            // The parser, the planner and the functions.
            | 0x2600..=0x2fff => StatementClass::Question,
            _ => StatementClass::Wait,
        }
    }

    /// Whether a statement failed because the table does not exist.
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
            0x350..=0x357 | 0x334 | 0x388 | 0x2616
            // The adapter's own: no or wrong authorisation.
            | 0x1105 | 0x1122..=0x1125
        )
    }

    /// Whether the server is down or unreachable, and the request is not wrong.
    pub(in crate::store) const fn is_outage(self) -> bool {
        matches!(
            self.0,
            // The connection to the server; `0xb` and `0x20` mean that the server is down.
            0x1..=0x2f
            // Memory and disk of the server, the server itself starting or stopping.
            | 0x102 | 0x129..=0x131
            // The database is being created or dropped.
            | 0x396 | 0x397
            // A part of the server (vnode) and its copies, `0x914` while it starts.
            | 0x500..=0x5ff | 0x900..=0x9ff
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:#x}]", self.0)
    }
}

/// A fault as `/rest/sql` reports it, with any HTTP status.
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

    /// Reads a whole body; `None` if it is invalid or not a fault.
    pub(in crate::store) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().filter(|fault: &Self| fault.code != 0)
    }

    pub(in crate::store) fn code(&self) -> Code {
        Code(u32::try_from(self.code & 0xffff).unwrap_or_default())
    }

    /// Its message without the code.
    #[cfg(feature = "taos-ws")]
    pub(in crate::store) fn words(&self) -> &str {
        &self.desc
    }

    /// Its code and message, in the form of a write's fault.
    pub(in crate::store) fn text(&self) -> String {
        format!("{} {}", self.code(), self.desc)
    }
}
