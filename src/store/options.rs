//! The store: its kind, addresses and credentials.

use std::{fmt, num::NonZeroU16, path::PathBuf, str::FromStr, time::Duration};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject as _},
    },
};

use crate::{
    model::{LineDialect, Secret, ShardCount, StoreNames},
    store::query::NativeQueryLimit,
};

/// One store as the operator described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The protocol and the settings that only it has.
    pub target: Target,
    /// Base addresses (`http` or `https`, a path prefix is kept); shards are spread over them.
    pub urls: Vec<String>,
    /// The number of shards. Default: 2.
    pub shards: ShardCount,
    /// CAs that may sign the store's certificate, besides those of the machine. Default: none.
    pub authorities: Option<Authorities>,
    /// How long connecting may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a request may take from its first byte to the last of the response. Default: 30 s.
    pub request_timeout: Duration,
}

impl Options {
    /// The default of [`Options::connect_timeout`].
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// The default of [`Options::request_timeout`]: above the 10 s after which InfluxDB 1 itself
    /// gives up on a write, so that we get its answer.
    pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

    /// The options of a store, with the default timeouts.
    #[must_use]
    pub fn new(target: Target, urls: Vec<String>) -> Self {
        Self {
            target,
            urls,
            shards: ShardCount(NonZeroU16::new(2).expect("two is not zero")),
            authorities: None,
            connect_timeout: Self::CONNECT_TIMEOUT,
            request_timeout: Self::REQUEST_TIMEOUT,
        }
    }
}

/// CA certificates, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// A text without usable CA certificates; name a PEM file of certificates.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// It holds no certificate at all.
    #[error("it holds no certificate")]
    Empty,
    /// A PEM block cannot be read.
    #[error("a certificate in it cannot be read")]
    Block(#[source] pem::Error),
    /// A certificate of it is not usable as a CA.
    #[error("certificate {number} in it is not usable as an authority")]
    Unusable {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
}

impl Authorities {
    /// Reads PEM blocks; blocks that are not certificates are skipped.
    ///
    /// # Errors
    /// If there is no certificate, or one that cannot be used.
    pub fn from_pem(text: &str) -> Result<Self, AuthoritiesError> {
        let blocks = CertificateDer::pem_slice_iter(text.as_bytes());
        let found: Vec<_> = blocks.collect::<Result<_, _>>().map_err(AuthoritiesError::Block)?;
        if found.is_empty() {
            return Err(AuthoritiesError::Empty);
        }
        let mut roots = RootCertStore::empty();
        for (idx, certificate) in found.iter().enumerate() {
            let unusable = |source| AuthoritiesError::Unusable { number: idx + 1, source };
            roots.add(certificate.clone()).map_err(unusable)?;
        }
        Ok(Self(found))
    }

    /// Each certificate, in DER.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// A protocol with its own settings; each has one file in this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// InfluxDB 1: `/write`.
    InfluxDb1(InfluxDb1),
    /// InfluxDB 2: `/api/v2/write`.
    InfluxDb2(InfluxDb2),
    /// InfluxDB 3: `/api/v3/write_lp`.
    InfluxDb3(InfluxDb3),
    /// TDengine behind its taosAdapter: `/influxdb/v1/write` and `/rest/sql`.
    TdEngine(TdEngine),
    /// SQLite files of our own.
    Embedded(Embedded),
}

/// Settings of the embedded store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// The folder of its files; created if missing.
    pub dir: PathBuf,
    /// How long points are kept; `None`: forever.
    pub retention: Option<Duration>,
    /// The period of one file.
    pub partition: Partition,
    /// Memory of the page caches of all open files.
    pub cache_bytes: u64,
    /// The bounds of native queries.
    pub questions: NativeQueryLimits,
    /// The program that answers native queries in a separate process, as `fleetline
    /// answer-question`; `None`: this process answers them, without a bound on memory.
    pub answerer: Option<PathBuf>,
}

/// The bounds of native queries to the embedded store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeQueryLimits {
    /// Queries that run at once. Default: 2.
    pub at_once: usize,
    /// Memory of one query, including its rows in transit. Default: 64 MiB.
    pub memory_bytes: u64,
    /// Bytes of one temporary file. Default: 256 MiB.
    pub temporary_bytes: u64,
    /// Bytes of one text, blob or row. Default: 1 MiB.
    pub value_bytes: u32,
    /// Bytes of the query text. Default: 64 KiB.
    pub text_bytes: u32,
    /// Columns of a result, of `GROUP BY` and `ORDER BY`. Default: 2000.
    pub columns: u32,
    /// The nesting of an expression. Default: 100.
    pub depth: u32,
    /// Parts of a compound `SELECT`; a measurement needs one per file. Default: 500.
    pub compounds: u32,
    /// Steps of SQLite's virtual machine. Default: 4,000,000,000, about 20 s of a core.
    pub steps: u64,
    /// Bytes of a pattern of `LIKE` or `GLOB`. Default: 1000.
    pub pattern_bytes: u32,
}

impl NativeQueryLimits {
    /// The value of a bound.
    pub(super) fn of(&self, limit: NativeQueryLimit) -> u64 {
        match limit {
            NativeQueryLimit::Memory => self.memory_bytes,
            NativeQueryLimit::Temporary => self.temporary_bytes,
            NativeQueryLimit::Value => self.value_bytes.into(),
            NativeQueryLimit::Text => self.text_bytes.into(),
            NativeQueryLimit::Columns => self.columns.into(),
            NativeQueryLimit::Depth => self.depth.into(),
            NativeQueryLimit::Compounds => self.compounds.into(),
            NativeQueryLimit::Steps => self.steps,
            NativeQueryLimit::Pattern => self.pattern_bytes.into(),
        }
    }

    /// Sets a bound; `None` if the value is not allowed.
    pub(super) fn set(&mut self, limit: NativeQueryLimit, max: u64) -> Option<()> {
        let large = match limit {
            NativeQueryLimit::Memory => Some(&mut self.memory_bytes),
            NativeQueryLimit::Temporary => Some(&mut self.temporary_bytes),
            NativeQueryLimit::Steps => Some(&mut self.steps),
            _ => None,
        };
        if let Some(large) = large {
            *large = max;
            return Some(());
        }
        let small = match limit {
            NativeQueryLimit::Value => &mut self.value_bytes,
            NativeQueryLimit::Text => &mut self.text_bytes,
            NativeQueryLimit::Columns => &mut self.columns,
            NativeQueryLimit::Depth => &mut self.depth,
            NativeQueryLimit::Compounds => &mut self.compounds,
            NativeQueryLimit::Pattern => &mut self.pattern_bytes,
            NativeQueryLimit::Memory | NativeQueryLimit::Temporary | NativeQueryLimit::Steps => {
                return None;
            }
        };
        *small = u32::try_from(max).ok()?;
        Some(())
    }
}

impl Default for NativeQueryLimits {
    fn default() -> Self {
        Self {
            at_once: 2,
            memory_bytes: 64 << 20,
            temporary_bytes: 256 << 20,
            value_bytes: 1 << 20,
            text_bytes: 64 << 10,
            columns: 2000,
            depth: 100,
            compounds: 500,
            steps: 4_000_000_000,
            pattern_bytes: 1000,
        }
    }
}

/// The period of one file of the embedded store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// A day in UTC.
    Day,
    /// A month in UTC.
    Month,
}

impl Partition {
    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The other one.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Day => Self::Month,
            Self::Month => Self::Day,
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Settings of InfluxDB 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfluxDb1 {
    /// The database; it must exist.
    pub database: String,
    /// The retention policy; absent: the database's default one.
    pub retention_policy: Option<String>,
    /// The credentials; `None` if the server requires none.
    pub credentials: Option<Credentials>,
}

/// Settings of InfluxDB 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfluxDb2 {
    /// The organisation's name.
    pub org: String,
    /// The bucket's name; it must exist, or be created.
    pub bucket: String,
    /// A token that may write the bucket.
    pub token: Option<Secret>,
    /// Whether to create organisation and bucket if they are missing; the token must allow that.
    /// Only with the cargo feature `influxdb2`. Default: no.
    pub create: bool,
}

/// Settings of InfluxDB 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfluxDb3 {
    /// The database; the server creates it with the first write.
    pub database: String,
    /// A token that may write the database.
    pub token: Option<Secret>,
}

/// Settings of TDengine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdEngine {
    /// The database, in lower case: the server converts the name to lower case.
    pub database: String,
    /// The credentials: the adapter always requires them.
    pub credentials: Credentials,
    /// Whether to create the database, with `PRECISION 'ns'` and `WAL_LEVEL 2`, if it is missing.
    /// Default: no.
    pub create: bool,
    /// What to do with a line feed in a string.
    pub newlines: Newlines,
    /// Bytes of one string. Default: 4 KiB.
    pub string_bytes_max: usize,
}

impl TdEngine {
    /// The default of [`TdEngine::string_bytes_max`]: all columns of a table share 64 KiB, and a
    /// column never becomes shorter, so that long strings of one vehicle could use up the space of
    /// all.
    pub const STRING_BYTES_MAX: usize = 4096;
    /// Bytes of a tag's value on servers before 3.3. Values of 100 characters did no harm in any
    /// test; values of 100 and then 500 in one database corrupted the server's memory, and one of
    /// 4,090 crashed it at once.
    pub const OLD_TAG_BYTES_MAX: usize = 100;
}

/// What to do with a line feed in a string, because of which TDengine refuses the whole request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newlines {
    /// The point becomes a dead letter.
    #[default]
    Refuse,
    /// It is replaced by a space.
    Space,
}

/// The two kinds of credentials of InfluxDB 1 and TDengine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A user and a password, sent as HTTP Basic.
    Basic {
        /// The user's name.
        user: String,
        /// The user's password.
        password: Secret,
    },
    /// A token, sent as `Authorization: Token` (InfluxDB 1.8 and its successors' compatible path)
    /// or as `Authorization: Bearer` (TDengine, where the adapter is new enough).
    Token(Secret),
}

impl Target {
    /// The kind of the store.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::InfluxDb1(_) => Kind::InfluxDb1,
            Self::InfluxDb2(_) => Kind::InfluxDb2,
            Self::InfluxDb3(_) => Kind::InfluxDb3,
            Self::TdEngine(_) => Kind::TdEngine,
            Self::Embedded(_) => Kind::Embedded,
        }
    }

    /// The bucket, if the query text must name one; otherwise empty.
    #[must_use]
    pub fn bucket(&self) -> &str {
        if let Self::InfluxDb2(options) = self { &options.bucket } else { "" }
    }
}

/// The protocols that this version supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// InfluxDB 1.
    InfluxDb1,
    /// InfluxDB 2.
    InfluxDb2,
    /// InfluxDB 3.
    InfluxDb3,
    /// TDengine.
    TdEngine,
    /// SQLite files of our own.
    Embedded,
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] =
        &[Self::Embedded, Self::InfluxDb1, Self::InfluxDb2, Self::InfluxDb3, Self::TdEngine];

    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InfluxDb1 => "influxdb1",
            Self::InfluxDb2 => "influxdb2",
            Self::InfluxDb3 => "influxdb3",
            Self::TdEngine => "tdengine",
            Self::Embedded => "embedded",
        }
    }

    /// The richest dialect of line protocol that the store understands.
    #[must_use]
    pub const fn dialect(self) -> LineDialect {
        match self {
            // SQLite has no unsigned integers.
            Self::InfluxDb1 | Self::Embedded => LineDialect::Signed,
            Self::InfluxDb2 | Self::InfluxDb3 | Self::TdEngine => LineDialect::Unsigned,
        }
    }

    /// The rules of the store for names.
    #[must_use]
    pub const fn names(self) -> StoreNames {
        match self {
            Self::InfluxDb1 | Self::InfluxDb2 => StoreNames::Influx,
            Self::InfluxDb3 => StoreNames::Any,
            Self::TdEngine => StoreNames::TdEngine,
            Self::Embedded => StoreNames::Embedded,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is not a kind of store; choose one of the listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown store kind `{0}`; available are embedded, influxdb1, influxdb2, influxdb3, tdengine"
)]
pub struct KindError(pub String);

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(name: &str) -> Result<Self, KindError> {
        let kind = Self::ALL.iter().copied().find(|kind| kind.as_str() == name);
        kind.ok_or_else(|| KindError(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_is_answered_with_the_known_ones() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        assert_eq!(
            "influx".parse::<Kind>().map_err(|error| error.to_string()),
            Err("unknown store kind `influx`; available are embedded, influxdb1, influxdb2, \
                 influxdb3, tdengine"
                .to_owned())
        );
    }

    #[test]
    fn no_secret_is_printed_with_the_options() {
        let secret = || Secret::new("hush");
        let credentials = Credentials::Basic { user: "u".to_owned(), password: secret() };
        let one = InfluxDb1 {
            database: "d".to_owned(),
            retention_policy: None,
            credentials: Some(credentials),
        };
        let two = InfluxDb2 {
            org: "o".to_owned(),
            bucket: "b".to_owned(),
            token: Some(secret()),
            create: false,
        };
        let three = InfluxDb3 { database: "d".to_owned(), token: Some(secret()) };
        let four = TdEngine {
            database: "d".to_owned(),
            credentials: Credentials::Token(secret()),
            create: false,
            newlines: Newlines::Refuse,
            string_bytes_max: TdEngine::STRING_BYTES_MAX,
        };
        let all = [
            Target::InfluxDb1(one),
            Target::InfluxDb2(two),
            Target::InfluxDb3(three),
            Target::TdEngine(four),
        ];
        assert!(!format!("{all:?}").contains("hush"));
    }
}
