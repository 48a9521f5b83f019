//! One token: its two JSON objects, and whether it is valid.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::keys::{JwtKey, JwtKeys};
use crate::model::UnixNanos;

/// How far the issuer's clock may be ahead of ours.
const AHEAD_SECONDS: f64 = 5.0;

/// The required claims of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::auth) struct JwtTerms {
    /// Empty: any.
    pub(in crate::auth) audience: String,
    /// The claim that is the name.
    pub(in crate::auth) name_claim: String,
}

/// A token with valid claims; its signature is not verified yet.
#[derive(Debug)]
pub(in crate::auth) struct Jwt {
    /// The name in its claim.
    pub(in crate::auth) name: String,
    /// When it expires.
    pub(in crate::auth) expires: UnixNanos,
    message: Box<[u8]>,
    signed: Vec<u8>,
    keys: Vec<Arc<JwtKey>>,
}

/// Whether a password has the form of a token: three parts, the first a JSON object in base64url.
pub(in crate::auth) fn is_jwt(password: &str) -> bool {
    let parts: Vec<&str> = password.splitn(4, '.').collect();
    parts.len() == 3 && object(parts[0]).is_some()
}

fn object(part: &str) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

impl Jwt {
    /// Reads a token; `None` if it is invalid regardless of its signature.
    pub(in crate::auth) fn read(
        token: &str,
        keys: &JwtKeys,
        terms: &JwtTerms,
        now: UnixNanos,
    ) -> Option<Self> {
        let (message, signed) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let (header, mut claims) = (object(header)?, object(claims)?);
        // A critical header that is not understood makes it invalid (RFC 7515, 4.1.11).
        if header.contains_key("crit") {
            return None;
        }
        let id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.as_str()),
            Some(_) => return None,
        };
        let keys = keys.of(id, header.get("alg")?.as_str()?);
        let expires = in_force(&claims, now)?;
        if !terms.audience.is_empty() && !is_for(claims.get("aud")?, &terms.audience) {
            return None;
        }
        let Some(Value::String(name)) = claims.remove(&terms.name_claim) else { return None };
        let signed = URL_SAFE_NO_PAD.decode(signed).ok()?;
        (!keys.is_empty()).then(|| Self {
            name,
            expires,
            message: message.as_bytes().into(),
            signed,
            keys,
        })
    }

    /// The key of the set that signed it, if any. Takes some 50 µs per key.
    pub(in crate::auth) fn signed_by(&self) -> Option<u64> {
        let signed = |key: &&Arc<JwtKey>| key.verify.verifies(&self.message, &self.signed);
        self.keys.iter().find(signed).map(|key| key.fingerprint)
    }
}

/// When it expires, if it is valid now. A time that is not a number makes the token invalid.
fn in_force(claims: &Map<String, Value>, now: UnixNanos) -> Option<UnixNanos> {
    let seconds = |value: &Value| match value {
        Value::Number(number) => number.as_f64().filter(|seconds| seconds.is_finite()),
        _ => None,
    };
    #[expect(clippy::cast_precision_loss, reason = "to a microsecond, which is enough")]
    let now = now.0 as f64 / 1e9;
    let expires = seconds(claims.get("exp")?)?;
    if let Some(not_before) = claims.get("nbf")
        && seconds(not_before)? > now + AHEAD_SECONDS
    {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturates, far beyond any life")]
    let ends = UnixNanos((expires * 1e9) as i64);
    (expires > now).then_some(ends)
}

/// `aud` is one name, or several.
fn is_for(said: &Value, audience: &str) -> bool {
    match said {
        Value::String(one) => one == audience,
        Value::Array(several) => several.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ring::{
        hmac,
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
    };
    use serde_json::json;

    use super::*;

    const NOW: UnixNanos = UnixNanos(1_000_000_000_000);
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn encode(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signed = hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
    }

    fn terms() -> JwtTerms {
        JwtTerms { audience: "fleet".to_owned(), name_claim: "sub".to_owned() }
    }

    fn name(token: &str, keys: &JwtKeys) -> Option<String> {
        let jwt = Jwt::read(token, keys, &terms(), NOW)?;
        jwt.signed_by().map(|_| jwt.name)
    }

    fn ec_key() -> EcdsaKeyPair {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).expect("a key")
    }

    /// Attack C5: no algorithm, another one than the key's, times and audiences of other types.
    #[test]
    fn a_token_holds_only_if_all_of_it_does() {
        let pair = ec_key();
        let point = pair.public_key().as_ref();
        let set = json!({ "keys": [
            { "kty": "oct", "kid": "h", "k": URL_SAFE_NO_PAD.encode(SECRET), "alg": "HS256" },
            { "kty": "EC", "kid": "e", "crv": "P-256", "use": "sig",
              "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]) },
            { "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB" },
        ] });
        let keys = JwtKeys::parse("keys", &set.to_string()).expect("two keys");
        let header = json!({ "alg": "HS256", "typ": "JWT", "kid": "h" });
        let claims = json!({ "sub": "V1", "exp": 1001, "nbf": 999.5, "aud": ["fleet", "x"] });
        let with = |changes: &Value| {
            let mut claims = claims.clone();
            for (name, value) in changes.as_object().expect("an object") {
                claims[name] = value.clone();
            }
            hs256(&header, &claims, SECRET)
        };
        assert_eq!(name(&with(&json!({})), &keys).as_deref(), Some("V1"));
        assert_eq!(name(&with(&json!({ "aud": "fleet" })), &keys).as_deref(), Some("V1"));
        for wrong in [
            json!({ "exp": 1000 }),
            json!({ "exp": "1001" }),
            json!({ "exp": null }),
            json!({ "exp": [1001] }),
            json!({ "nbf": 1010 }),
            json!({ "nbf": "1" }),
            json!({ "nbf": null }),
            json!({ "aud": "other" }),
            json!({ "aud": ["other"] }),
            json!({ "aud": { "fleet": true } }),
            json!({ "aud": null }),
            json!({ "sub": 7 }),
        ] {
            assert_eq!(name(&with(&wrong), &keys), None, "{wrong}");
        }
        let mut bare = claims.clone();
        bare.as_object_mut().expect("an object").remove("exp");
        assert_eq!(name(&hs256(&header, &bare, SECRET), &keys), None, "without exp");
        let headers = [
            json!({ "alg": "none" }),
            json!({ "alg": "hs256", "kid": "h" }),
            json!({ "alg": "HS512", "kid": "h" }),
            json!({ "alg": "ES256", "kid": "e" }),
            json!({ "alg": "HS256", "kid": "e" }),
            json!({ "alg": "HS256", "kid": "x" }),
            json!({ "alg": "HS256", "kid": 7 }),
            json!({ "alg": "HS256", "kid": "h", "crit": ["b64"] }),
            json!({ "kid": "h" }),
        ];
        for header in headers {
            assert_eq!(name(&hs256(&header, &claims, SECRET), &keys), None, "{header}");
        }
        assert!(name(&hs256(&json!({ "alg": "HS256" }), &claims, SECRET), &keys).is_some());
        // The public part of another key must not work as a secret.
        assert_eq!(name(&hs256(&json!({ "alg": "HS256" }), &claims, point), &keys), None);
        let unsigned = format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&claims));
        assert_eq!(name(&unsigned, &keys), None);
        let message = format!("{}.{}", encode(&json!({ "alg": "ES256" })), encode(&claims));
        let signed = pair.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed));
        assert_eq!(name(&token, &keys).as_deref(), Some("V1"));
        assert_eq!(name(&token.replace("eyJ", "eyK"), &keys), None);
        assert!(is_jwt(&token) && !is_jwt("a.b.c") && !is_jwt("secret") && !is_jwt(&message));
    }

    #[test]
    fn what_is_wrong_in_a_key_set_is_told_by_the_number_of_the_key() {
        for (text, told) in [
            ("", "keys: not valid JSON"),
            ("{}", "keys: is no JWKS"),
            (r#"{"keys":[]}"#, "keys: no key in it"),
            (r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#, "keys: key 1 is a secret of less than 32"),
            (
                r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#,
                "keys: key 1 is an RSA key of less",
            ),
            (r#"{"keys":[{"kty":"EC","crv":"P-384"}]}"#, "keys: key 1 is none that is read"),
            (
                r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#,
                "keys: key 1 is no point",
            ),
            (r#"{"keys":[{"kty":"oct","k":7}]}"#, "keys: key 1 has a `k` that is no text"),
        ] {
            let problems = JwtKeys::parse("keys", text).expect_err("wrong").to_string();
            assert!(problems.starts_with(told), "{problems}");
        }
        let k = URL_SAFE_NO_PAD.encode(SECRET);
        let text = format!(r#"{{"keys":[{{"kty":"oct","k":"{k}","alg":"RS256"}}]}}"#);
        let problems = JwtKeys::parse("keys", &text).expect_err("wrong").to_string();
        assert!(problems.contains("an `alg` other than HS256") && !problems.contains(&k));
    }
}
