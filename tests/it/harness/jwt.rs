//! Creates JSON Web Tokens for tests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

/// The signed part of a token: its header and claims.
pub(crate) fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// A token of the key `1` with this secret.
pub(crate) fn token(claims: &Value, secret: &[u8]) -> String {
    let message = message(&json!({ "alg": "HS256", "kid": "1" }), claims);
    let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
}

/// Seconds since 1970, `seconds` from now.
pub(crate) fn in_seconds(seconds: u64) -> u64 {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(seconds)).as_secs()
}

/// A key set with one secret.
pub(crate) fn keys(id: &str, secret: &[u8]) -> String {
    let key = json!({ "kty": "oct", "kid": id, "k": URL_SAFE_NO_PAD.encode(secret) });
    json!({ "keys": [key] }).to_string()
}
