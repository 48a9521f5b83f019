//! The key set: a JWKS file (RFC 7517), read strictly.

use std::{fmt, path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{digest, hmac, signature};
use serde_json::{Map, Value};

use crate::auth::{
    problem::{FileProblem, FileProblems},
    text,
};

/// Bytes of a secret, at least: as many as the digest has (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// Bytes of an RSA modulus: 2048 bits, which ring requires too.
const MODULUS_BYTES_MIN: usize = 256;
/// Keys of a set: a token without a key identifier is tried with each key of its algorithm.
const KEYS_MAX: usize = 64;

/// What a key verifies.
pub(super) enum Verify {
    /// HMAC with SHA-256.
    Hs256(hmac::Key),
    /// RSASSA-PKCS1 with SHA-256: modulus and exponent.
    Rs256 { n: Vec<u8>, e: Vec<u8> },
    /// ECDSA on P-256 with SHA-256: the point, uncompressed.
    Es256(Vec<u8>),
}

impl Verify {
    pub(super) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Rs256 { .. } => "RS256",
            Self::Es256(_) => "ES256",
        }
    }

    /// Whether a signature was made with this key.
    pub(super) fn verifies(&self, message: &[u8], signed: &[u8]) -> bool {
        match self {
            Self::Hs256(key) => hmac::verify(key, message, signed).is_ok(),
            Self::Rs256 { n, e } => {
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signed).is_ok()
            }
            Self::Es256(point) => {
                let algorithm = &signature::ECDSA_P256_SHA256_FIXED;
                let key = signature::UnparsedPublicKey::new(algorithm, point);
                key.verify(message, signed).is_ok()
            }
        }
    }
}

/// One key.
pub(in crate::auth) struct JwtKey {
    pub(super) id: Option<String>,
    pub(super) verify: Verify,
    /// Identifies the key, also after a reload.
    pub(super) fingerprint: u64,
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// All keys.
#[derive(Clone, Debug)]
pub(in crate::auth) struct JwtKeys(Vec<Arc<JwtKey>>);

impl JwtKeys {
    /// Reads a file.
    ///
    /// # Errors
    /// All errors in it; a file without a key is an error too (AU-2).
    pub(in crate::auth) fn load(path: &Path, bytes_max: u64) -> Result<Self, FileProblems> {
        let text = text::read(path, bytes_max);
        let text = text.map_err(|problem| FileProblems(vec![problem]))?;
        Self::parse(&path.display().to_string(), &text)
    }

    pub(super) fn parse(file: &str, text: &str) -> Result<Self, FileProblems> {
        let problem = |what: String| FileProblem { file: file.to_owned(), line: None, what };
        let one = |what: &str| FileProblems(vec![problem(what.to_owned())]);
        let set: Value = serde_json::from_str(text).map_err(|error| {
            let what = format!("not valid JSON in line {}", error.line());
            FileProblems(vec![problem(what)])
        })?;
        let Some(Value::Array(list)) = set.get("keys") else {
            return Err(one("is no JWKS: write {\"keys\": [{\"kty\": …}, …]}"));
        };
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for (index, value) in list.iter().enumerate() {
            match value.as_object().ok_or("is no object".to_owned()).and_then(read) {
                Ok(Some(key)) => keys.push(Arc::new(key)),
                Ok(None) => {}
                Err(what) => problems.push(problem(format!("key {} {what}", index + 1))),
            }
        }
        if keys.len() > KEYS_MAX {
            problems.push(problem(format!("more than {KEYS_MAX} keys")));
        }
        if keys.is_empty() && problems.is_empty() {
            problems.push(problem("no key in it that verifies signatures".to_owned()));
        }
        if problems.is_empty() { Ok(Self(keys)) } else { Err(FileProblems(problems)) }
    }

    /// The keys that may have signed a token: those with its key identifier, if it has one, and its
    /// algorithm.
    pub(super) fn of(&self, id: Option<&str>, algorithm: &str) -> Vec<Arc<JwtKey>> {
        let is_meant = |key: &&Arc<JwtKey>| {
            id.is_none_or(|id| key.id.as_deref() == Some(id)) && key.verify.algorithm() == algorithm
        };
        self.0.iter().filter(is_meant).cloned().collect()
    }

    /// Whether a key is still in the set.
    pub(in crate::auth) fn has(&self, fingerprint: u64) -> bool {
        self.0.iter().any(|key| key.fingerprint == fingerprint)
    }
}

/// Reads one key; `None` for one that is not for signatures.
fn read(key: &Map<String, Value>) -> Result<Option<JwtKey>, String> {
    let text = |name: &str| match key.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("has a `{name}` that is no text")),
    };
    if text("use")?.is_some_and(|used| used != "sig") {
        return Ok(None);
    }
    let bytes = |name: &str| {
        let text = text(name)?.ok_or_else(|| format!("has no `{name}`"))?;
        URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|_| format!("has a `{name}` that is no base64url"))
    };
    let verify = match text("kty")? {
        Some("oct") => {
            let secret = bytes("k")?;
            if secret.len() < SECRET_BYTES_MIN {
                return Err(format!("is a secret of less than {SECRET_BYTES_MIN} bytes"));
            }
            Verify::Hs256(hmac::Key::new(hmac::HMAC_SHA256, &secret))
        }
        Some("RSA") => {
            let n = bytes("n")?;
            let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
            if n.len() < MODULUS_BYTES_MIN {
                return Err("is an RSA key of less than 2048 bits".to_owned());
            }
            Verify::Rs256 { n, e: bytes("e")? }
        }
        Some("EC") if text("crv")? == Some("P-256") => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            if (x.len(), y.len()) != (32, 32) {
                return Err("is no point on P-256".to_owned());
            }
            Verify::Es256([&[4][..], &x, &y].concat())
        }
        _ => {
            return Err("is none that is read: `kty` oct (HS256), RSA (RS256), or EC with `crv` \
                        P-256 (ES256)"
                .to_owned());
        }
    };
    let said = text("alg")?;
    if said.is_some_and(|said| said != verify.algorithm()) {
        let algorithm = verify.algorithm();
        return Err(format!(
            "has an `alg` other than {algorithm}, the one that is read of its kind"
        ));
    }
    let fingerprint = fingerprint(key);
    Ok(Some(JwtKey { id: text("kid")?.map(str::to_owned), verify, fingerprint }))
}

/// A digest of the key material.
fn fingerprint(key: &Map<String, Value>) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for name in ["kty", "crv", "k", "n", "e", "x", "y"] {
        let text = key.get(name).and_then(Value::as_str).unwrap_or_default();
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let digest = context.finish();
    let first: [u8; 8] = digest.as_ref()[..8].try_into().expect("SHA-256 has 32 bytes");
    u64::from_be_bytes(first)
}
