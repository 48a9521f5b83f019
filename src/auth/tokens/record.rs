//! One line of the tokens file: a JSON object, which `fleetline token create` writes.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use ring::digest;
use serde::{Deserialize, Serialize};

use super::caller::Role;
use crate::model::{NamePattern, Secret, UnixNanos};

/// The prefix of every token, so that a token that is found can be assigned to this program.
const BEGINNING: &str = "flt_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// The prefix of a hash.
const SHA256: &str = "sha256:";

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// Of the operator's choice.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The vehicles that it may see and address, each `NAME` or `BEGINNING*`; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicles: Option<Vec<String>>,
    /// When it was made, as RFC 3339.
    pub created: String,
    /// When it ends, as RFC 3339; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// `sha256:` and the digest of the token in base64.
    pub hash: String,
}

impl TokenRecord {
    /// Parses a line.
    ///
    /// # Errors
    /// The message for the operator.
    pub fn parse(line: &str) -> Result<Self, String> {
        let record: Self = serde_json::from_str(line).map_err(|error| {
            // The library's message may quote the line; that never contains a token.
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            format!("no line of a tokens file: {what}; fleetline token create writes them")
        })?;
        check_name(&record.name)?;
        record.patterns()?;
        record.expires()?;
        record.digest().ok_or("`hash` is not sha256: and a digest in base64")?;
        Ok(record)
    }

    /// The vehicles that it may see and address.
    ///
    /// # Errors
    /// The message for the operator.
    pub fn patterns(&self) -> Result<Option<Vec<NamePattern>>, String> {
        let Some(vehicles) = &self.vehicles else { return Ok(None) };
        if vehicles.is_empty() {
            return Err("`vehicles` is empty; leave it out for all".to_owned());
        }
        let patterns = vehicles.iter().map(|name| NamePattern::parse(name));
        patterns.collect::<Result<_, _>>().map(Some).map_err(|what| format!("`vehicles`: {what}"))
    }

    /// When it expires, if it does.
    ///
    /// # Errors
    /// The message for the operator.
    pub(super) fn expires(&self) -> Result<Option<UnixNanos>, String> {
        let Some(text) = &self.expires else { return Ok(None) };
        let at: Timestamp = text.parse().map_err(|_| "`expires` is no time as in RFC 3339")?;
        Ok(Some(UnixNanos(i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))))
    }

    pub(super) fn digest(&self) -> Option<[u8; digest::SHA256_OUTPUT_LEN]> {
        let text = self.hash.strip_prefix(SHA256)?;
        STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
    }
}

/// Whether a name is valid for a token.
fn check_name(name: &str) -> Result<(), String> {
    match name.is_empty() || name.contains(char::is_control) {
        true => Err("a token's name is empty, or holds a line break".to_owned()),
        false => Ok(()),
    }
}

/// The digest of a token.
pub(super) fn digest_of(token: &str) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// A new token, and the record of it.
///
/// # Errors
/// The message for the operator: the name or the vehicles are invalid.
pub fn new_token(
    name: String,
    role: Role,
    vehicles: Option<Vec<String>>,
    created: Timestamp,
    expires: Option<Timestamp>,
) -> Result<(Secret, TokenRecord), String> {
    check_name(&name)?;
    let random: [u8; TOKEN_BYTES] = rand::random();
    let token = format!("{BEGINNING}{}", URL_SAFE_NO_PAD.encode(random));
    let hash = format!("{SHA256}{}", STANDARD_NO_PAD.encode(digest_of(&token)));
    let (created, expires) = (created.to_string(), expires.map(|at| at.to_string()));
    let record = TokenRecord { name, role, vehicles, created, expires, hash };
    record.patterns()?;
    Ok((Secret::new(token), record))
}
