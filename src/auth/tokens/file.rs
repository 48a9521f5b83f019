//! The tokens file: one token a line; empty lines and lines that begin with `#` are skipped.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use ring::digest::SHA256_OUTPUT_LEN;

use super::{
    caller::{Caller, TokenFault},
    record::{TokenRecord, digest_of},
};
use crate::{
    auth::{
        problem::{FileProblem, FileProblems},
        text,
    },
    model::UnixNanos,
};

/// All tokens. A list, because every token is compared in any case.
#[derive(Clone, Debug, Default)]
pub(in crate::auth) struct Tokens(Vec<([u8; SHA256_OUTPUT_LEN], Caller)>);

impl Tokens {
    /// Reads a file.
    ///
    /// # Errors
    /// All errors in it; also a file without a token, which is most likely being written (AU-2).
    pub(in crate::auth) fn load(path: &Path, bytes_max: u64) -> Result<Self, FileProblems> {
        let text = text::read(path, bytes_max);
        let text = text.map_err(|problem| FileProblems(vec![problem]))?;
        Self::parse(&path.display().to_string(), &text)
    }

    fn parse(file: &str, text: &str) -> Result<Self, FileProblems> {
        let (mut tokens, mut names, mut problems) = (Vec::new(), BTreeSet::new(), Vec::new());
        let mut problem = |line, what: String| {
            problems.push(FileProblem { file: file.to_owned(), line, what });
        };
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let read = TokenRecord::parse(line).and_then(|record| {
                let patterns = record.patterns()?.map(Arc::from);
                let digest = record.digest().ok_or("`hash` is no digest")?;
                let expires = record.expires()?;
                let caller = Caller::new(record.name.into(), record.role, patterns, expires);
                Ok((digest, caller))
            });
            match read {
                Ok((digest, caller)) => {
                    let name = caller.name().unwrap_or_default().to_owned();
                    if !names.insert(name.clone()) {
                        let name = name.escape_debug();
                        problem(Some(index + 1), format!("the token `{name}` stands here twice"));
                    }
                    tokens.push((digest, caller));
                }
                Err(what) => problem(Some(index + 1), what),
            }
        }
        if tokens.is_empty() && problems.is_empty() {
            let what = "no token in it, so that nobody could ask anything; make one with fleetline \
                        token create";
            problems.push(FileProblem { file: file.to_owned(), line: None, what: what.to_owned() });
        }
        if problems.is_empty() { Ok(Self(tokens)) } else { Err(FileProblems(problems)) }
    }

    /// The owner of a token. All are compared, each completely, so that the time reveals nothing.
    ///
    /// # Errors
    /// Why the token is refused.
    pub(in crate::auth) fn caller(
        &self,
        token: Option<&str>,
        now: UnixNanos,
    ) -> Result<Caller, TokenFault> {
        let digest = digest_of(token.ok_or(TokenFault::Absent)?);
        let is_same = |known: &[u8; SHA256_OUTPUT_LEN]| {
            known.iter().zip(&digest).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
        };
        let found = self.0.iter().fold(
            None,
            |found, (known, caller)| {
                if is_same(known) { Some(caller) } else { found }
            },
        );
        match found {
            None => Err(TokenFault::Unknown),
            Some(caller) if caller.is_over(now) => Err(TokenFault::Expired),
            Some(caller) => Ok(caller.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::auth::tokens::{Role, new_token};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn a_token_opens_what_its_line_says_until_it_ends() {
        let vehicles = Some(vec!["V1".to_owned(), "W*".to_owned()]);
        let (limited, first) =
            new_token("shop".to_owned(), Role::Command, vehicles, at(1), Some(at(10)))
                .expect("a token");
        let (all, second) =
            new_token("ops".to_owned(), Role::Admin, None, at(1), None).expect("a token");
        assert_ne!(limited, all);
        let text = [&first, &second].map(|record| serde_json::to_string(record).expect("JSON"));
        let text = format!("# ours\n\n{}\n", text.join("\n"));
        assert!(!text.contains(limited.expose()), "only its hash is kept");
        let tokens = Tokens::parse("tokens", &text).expect("good");
        let ask = |token: Option<&str>, seconds: i64| {
            tokens.caller(token, UnixNanos(seconds * 1_000_000_000))
        };
        let caller = ask(Some(limited.expose()), 9).expect("in time");
        assert_eq!((caller.name(), caller.role()), (Some("shop"), Role::Command));
        assert!(caller.may_address("V1") && caller.may_address("W7"));
        assert!(!caller.may_address("V10") && !caller.may_address("w7"));
        assert_eq!(ask(Some(limited.expose()), 10), Err(TokenFault::Expired));
        let caller = ask(Some(all.expose()), 10).expect("without an end");
        assert!(caller.may_address("anything") && caller.role() == Role::Admin);
        assert_eq!(ask(Some("flt_x"), 1), Err(TokenFault::Unknown));
        assert_eq!(ask(None, 1), Err(TokenFault::Absent));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_with_its_line() {
        let hash = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        let line = |rest: &str| {
            format!(r#"{{"name":"a","role":"read","created":"2026-01-01T00:00:00Z",{rest}}}"#)
        };
        let good = line(&format!(r#""hash":"{hash}""#));
        assert!(Tokens::parse("tokens", &good).is_ok());
        for (text, told) in [
            (String::new(), "tokens: no token in it"),
            ("secret".to_owned(), "tokens:1: no line of a tokens file: expected value"),
            (format!("{good}\n{good}"), "tokens:2: the token `a` stands here twice"),
            (line(r#""hash":"sha256:x""#), "tokens:1: `hash` is not sha256:"),
            (line(r#""hash":"md5:x""#), "tokens:1: `hash` is not sha256:"),
            (line(&format!(r#""hash":"{hash}","vehicles":[]"#)), "tokens:1: `vehicles` is empty"),
            (
                line(&format!(r#""hash":"{hash}","vehicles":["a*b"]"#)),
                "tokens:1: `vehicles`: `a*b`",
            ),
            (line(&format!(r#""hash":"{hash}","admin":true"#)), "tokens:1: no line of a tokens"),
            (
                line(&format!(r#""hash":"{hash}","expires":"soon""#)),
                "tokens:1: `expires` is no time",
            ),
            (good.replace("read", "root"), "tokens:1: no line of a tokens file: unknown variant"),
        ] {
            let problems = Tokens::parse("tokens", &text).expect_err("wrong").to_string();
            assert!(problems.starts_with(told), "{problems}");
        }
    }
}
