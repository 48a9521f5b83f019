//! Hashes of passwords, as `fleetline user add` and `mosquitto_passwd` write them.
//!
//! `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, `$7$iterations$salt$hash` (PBKDF2-HMAC-SHA512) and
//! `$6$salt$hash` (SHA-512). The first is parsed by hand, because mosquitto's salt of 64 bytes is
//! longer than the crates for that format allow.

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::{digest, pbkdf2};

/// Both with and without padding: the formats differ there.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The format of mosquitto for the older two.
const PADDED: GeneralPurpose = base64::engine::general_purpose::STANDARD;
/// The maximum memory of a verification, in KiB; a hash that needs more is refused.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
/// The maximum passes, and lanes, of argon2.
const COST_MAX: u32 = 64;
/// The maximum rounds of PBKDF2.
const ITERATIONS_MAX: u32 = 10_000_000;
/// The cost of a new hash: that of mosquitto 2.1.
const MEMORY_KIB: u32 = 47_104;
/// Bytes of a new salt and hash.
const NEW_BYTES: usize = 32;
/// The minimum bytes of a secret with a cheap hash: 20 random bytes cannot be guessed.
const LONG_SECRET_BYTES_MIN: usize = 20;

/// How a new hash is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewHash {
    /// argon2id: slow, for passwords that people choose.
    Slow,
    /// SHA-512 with a salt: for long random secrets, which a fleet may send by the thousand at
    /// once.
    LongSecret,
}

/// One stored hash.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::auth) enum PasswordHash {
    /// The memory-hard one.
    Argon2id {
        /// Memory, passes, lanes.
        cost: (u32, u32, u32),
        /// The salt of this user.
        salt: Box<[u8]>,
        /// The hash of the password.
        hash: Box<[u8]>,
    },
    /// The format of mosquitto before 2.1.
    Pbkdf2 {
        /// The rounds.
        iterations: NonZeroU32,
        /// The salt of this user.
        salt: Box<[u8]>,
        /// The hash of the password.
        hash: Box<[u8]>,
    },
    /// The format of mosquitto before 2.0.
    Sha512 {
        /// The salt of this user.
        salt: Box<[u8]>,
        /// The hash of the password.
        hash: Box<[u8]>,
    },
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl PasswordHash {
    /// Parses a hash.
    ///
    /// # Errors
    /// The message for the operator; never any part of the text.
    pub(in crate::auth) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = text.split('$').skip(1);
        let bytes = |part: Option<&str>| {
            let bytes = BASE64.decode(part.unwrap_or_default()).ok();
            let bytes = bytes.filter(|bytes| !bytes.is_empty());
            bytes.map(Vec::into_boxed_slice).ok_or("the hash is cut, or not base64")
        };
        let parsed = match parts.next() {
            Some("argon2id") => {
                if parts.next() != Some("v=19") {
                    return Err("only version 19 of argon2 is read");
                }
                let cost = argon2_cost(parts.next().unwrap_or_default())
                    .ok_or("the costs of argon2id are not m=…,t=…,p=…, or beyond all measure")?;
                Self::Argon2id { cost, salt: bytes(parts.next())?, hash: bytes(parts.next())? }
            }
            Some("7") => {
                let iterations = parts.next().and_then(|text| text.parse::<NonZeroU32>().ok());
                let iterations = iterations
                    .filter(|iterations| iterations.get() <= ITERATIONS_MAX)
                    .ok_or("the rounds are no number, or beyond all measure")?;
                Self::Pbkdf2 { iterations, salt: bytes(parts.next())?, hash: bytes(parts.next())? }
            }
            Some("6") => Self::Sha512 { salt: bytes(parts.next())?, hash: bytes(parts.next())? },
            _ => {
                return Err(
                    "the hash is of no kind that is read ($argon2id$, $7$ and $6$ are); a password \
                     in the clear is none: add the user with fleetline user add",
                );
            }
        };
        match parts.next() {
            None => Ok(parsed),
            Some(_) => Err("something follows the hash"),
        }
    }

    /// The stored hash.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Argon2id { hash, .. } | Self::Pbkdf2 { hash, .. } | Self::Sha512 { hash, .. } => {
                hash
            }
        }
    }

    /// Whether it is cheap to compute.
    pub(super) fn is_cheap(&self) -> bool {
        matches!(self, Self::Sha512 { .. })
    }

    /// Orders hashes by their cost.
    pub(super) fn cost(&self) -> (u8, u64) {
        match self {
            Self::Argon2id { cost: (memory, passes, _), .. } => {
                (2, u64::from(*memory) * u64::from(*passes))
            }
            Self::Pbkdf2 { iterations, .. } => (1, iterations.get().into()),
            Self::Sha512 { .. } => (0, 0),
        }
    }

    /// Whether it is the hash of the password. Slow by design.
    #[must_use]
    pub(in crate::auth) fn is_of(&self, password: &[u8]) -> bool {
        let (computed, expected) = match self {
            Self::Argon2id { cost, salt, hash } => {
                (argon2id(*cost, password, salt, hash.len()), hash)
            }
            Self::Pbkdf2 { iterations, salt, hash } => {
                let mut out = vec![0; hash.len()];
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, *iterations, salt, password, &mut out);
                (Some(out), hash)
            }
            Self::Sha512 { salt, hash } => (Some(sha512(password, salt)), hash),
        };
        computed.is_some_and(|computed| is_same(&computed, expected))
    }
}

fn argon2_cost(text: &str) -> Option<(u32, u32, u32)> {
    let mut costs = text.split(',');
    let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let (memory, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
    let is_sane = memory <= MEMORY_KIB_MAX && passes <= COST_MAX && lanes <= COST_MAX;
    (is_sane && costs.next().is_none()).then_some((memory, passes, lanes))
}

fn argon2id(
    (memory, passes, lanes): (u32, u32, u32),
    password: &[u8],
    salt: &[u8],
    len: usize,
) -> Option<Vec<u8>> {
    let params = Params::new(memory, passes, lanes, Some(len)).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut out = vec![0; len];
    argon2.hash_password_into(password, salt, &mut out).ok()?;
    Some(out)
}

/// Compares in constant time.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differ = one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b));
    one.len() == other.len() && differ == 0
}

/// A new hash of a password, in the format of the file.
///
/// # Errors
/// The message for the operator, if the password is not a long secret.
pub fn new_hash(password: &[u8], kind: NewHash) -> Result<String, &'static str> {
    let salt: [u8; NEW_BYTES] = rand::random();
    match kind {
        NewHash::Slow => {
            let cost = (MEMORY_KIB, 1, 1);
            let hash = argon2id(cost, password, &salt, NEW_BYTES).expect("good parameters");
            let (salt, hash) = (BASE64.encode(salt), BASE64.encode(hash));
            Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t=1,p=1${salt}${hash}"))
        }
        NewHash::LongSecret if password.len() < LONG_SECRET_BYTES_MIN => Err(
            "a secret is long from 20 bytes on, all of them random; a shorter one can be guessed \
             under this hash",
        ),
        NewHash::LongSecret => {
            let hash = sha512(password, &salt);
            Ok(format!("$6${}${}", PADDED.encode(salt), PADDED.encode(hash)))
        }
    }
}

fn sha512(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA512);
    context.update(password);
    context.update(salt);
    context.finish().as_ref().to_vec()
}

/// A hash of few rounds, for tests.
#[cfg(test)]
pub(super) fn pbkdf2_hash(password: &[u8], rounds: u32) -> String {
    let mut out = [0; 64];
    let iterations = NonZeroU32::new(rounds).expect("not zero");
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, b"saltsaltsalt", password, &mut out);
    format!("$7${rounds}${}${}", PADDED.encode(b"saltsaltsalt"), PADDED.encode(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_every_kind_are_read() {
        let long = b"a secret that is long";
        let own = new_hash(b"secret", NewHash::Slow).expect("a hash");
        let padded = pbkdf2_hash(b"secret", 101);
        for text in [own.as_str(), &padded, padded.trim_end_matches('=')] {
            let hash = PasswordHash::parse(text).expect("a hash");
            assert!(hash.is_of(b"secret") && !hash.is_cheap());
            assert!(!hash.is_of(b"Secret") && !hash.is_of(b""));
        }
        let sha = new_hash(long, NewHash::LongSecret).expect("a hash");
        let sha = PasswordHash::parse(&sha).expect("a hash");
        assert!(sha.is_of(long) && sha.is_cheap() && !sha.is_of(b"secret"));
        assert!(new_hash(b"secret", NewHash::LongSecret).is_err(), "it is short");
        for wrong in [
            "",
            "secret",
            "$1$a$b",
            "$6$c2FsdA",
            "$6$c2FsdA$*",
            "$7$0$c2FsdA$c2FsdA",
            "$7$99999999$c2FsdA$c2FsdA",
            "$argon2id$v=16$m=1,t=1,p=1$c2FsdA$c2FsdA",
            "$argon2id$v=19$m=999999999,t=1,p=1$c2FsdA$c2FsdA",
            "$6$c2FsdA$c2FsdA$x",
        ] {
            assert!(PasswordHash::parse(wrong).is_err(), "{wrong}");
        }
    }
}
