//! Scans a `.proto` file before protox parses it: how deep it nests, what it imports, and whether
//! it contains something that protox cannot read.
//!
//! protox and prost-reflect parse by recursion, so the depth must be known before. And imports are
//! resolved here, because protox requests them without the name of the importing file.

use crate::schema::{Problem, Source};

/// How deep brackets of any kind may nest: messages up to 31, and options within.
const DEPTH_MAX: usize = 48;

/// How many parts a name may have: prost-reflect recurses once per part of an option's name.
const NAME_PARTS_MAX: usize = 64;

/// One `import`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// As written.
    pub(super) name: String,
    pub(super) line: u32,
}

/// The imports of a file, in their order.
///
/// # Errors
/// Why the file must not be passed to protox.
pub(super) fn imports(source: &Source) -> Result<Vec<Import>, Problem> {
    let mut scan = Scan { text: &source.text, at: 0 };
    // Nothing of it could be read.
    if let Some(fault) = source.fault().filter(|_| source.text.is_empty()) {
        return Err(fault);
    }
    let is_in_doubt = source.fault().is_some();
    let problem = |at, what: &str| Err(source.problem(at, what));
    let mut imports = Vec::new();
    let mut depth = 0_usize;
    let mut parts = 0;
    let mut statement: Vec<Token<'_>> = Vec::new();
    while let Some((at, token)) = scan.next() {
        match token {
            // Invalid UTF-8 is allowed in a comment, which this scan skips.
            Token::Text(text) | Token::Word(text) if is_in_doubt && text.contains('\u{fffd}') => {
                let line = source.line(at);
                return problem(at, &format!("line {line} is not UTF-8; save it as UTF-8"));
            }
            Token::Sign('{' | '[' | '(' | '<') => depth += 1,
            Token::Sign('}' | ']' | ')' | '>') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return problem(at, &format!("nests deeper than {DEPTH_MAX} brackets"));
        }
        parts = match token {
            Token::Word(word) => parts + word.split('.').count(),
            // The parentheses of an extension are part of an option's name.
            Token::Sign('(' | ')') => parts,
            Token::Sign(_) | Token::Text(_) => 0,
        };
        if parts > NAME_PARTS_MAX {
            return problem(at, &format!("has a name of more than {NAME_PARTS_MAX} parts"));
        }
        if token == Token::Sign(';') || token == Token::Sign('}') {
            if let Some(name) = import(&statement) {
                let line = source.line(at);
                imports.push(Import { name, line });
            }
            statement.clear();
        } else if depth == 0 && statement.len() < STATEMENT_MAX {
            if statement.is_empty() && token == Token::Word("edition") {
                return problem(
                    at,
                    "editions of protobuf cannot be read; write `syntax = \"proto3\";`, and \
                     `optional` where presence matters",
                );
            }
            statement.push(token);
        }
    }
    Ok(imports)
}

/// How many tokens of a statement are kept: an import has fewer.
const STATEMENT_MAX: usize = 8;

/// The name in `import "…"` or `import public "…"`; a name may consist of several strings.
fn import(statement: &[Token<'_>]) -> Option<String> {
    let [Token::Word("import"), rest @ ..] = statement else { return None };
    let rest = match rest {
        [Token::Word(_), rest @ ..] => rest,
        rest => rest,
    };
    let mut name = String::new();
    for token in rest {
        let Token::Text(text) = token else { return None };
        name.push_str(text);
    }
    Some(name)
}

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    /// Letters, digits, `_` and `.`.
    Word(&'t str),
    /// The text between quotes, as written.
    Text(&'t str),
    Sign(char),
}

/// Splits a text into tokens; skips comments and white space.
struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    /// The next token and where it begins.
    fn next(&mut self) -> Option<(usize, Token<'t>)> {
        self.blank();
        let at = self.at;
        let rest = &self.text[at..];
        let first = rest.chars().next()?;
        let token = match first {
            '"' | '\'' => Token::Text(self.quoted(first)),
            c if is_word(c) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                self.at += length;
                Token::Word(&rest[..length])
            }
            sign => {
                self.at += sign.len_utf8();
                Token::Sign(sign)
            }
        };
        Some((at, token))
    }

    /// Skips white space and comments.
    fn blank(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let length = if trimmed.starts_with("//") {
                trimmed.find('\n')
            } else if trimmed.starts_with("/*") {
                trimmed.find("*/").map(|end| end + 2)
            } else {
                return;
            };
            self.at += length.unwrap_or(trimmed.len());
        }
    }

    /// The text between quotes, or up to the end of the line if they are not closed.
    fn quoted(&mut self, quote: char) -> &'t str {
        let inner = &self.text[self.at + 1..];
        let mut is_escaped = false;
        for (at, c) in inner.char_indices() {
            if c == '\n' || (c == quote && !is_escaped) {
                self.at += 1 + at + c.len_utf8();
                return &inner[..at];
            }
            is_escaped = c == '\\' && !is_escaped;
        }
        self.at = self.text.len();
        inner
    }
}

/// Whether a character belongs to a word; a replacement character does, so that it is noticed.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Sources;

    fn scanned(text: &str) -> Result<Vec<String>, String> {
        let sources = Sources::from_texts([("x.proto".to_owned(), text.to_owned())]);
        let found = imports(sources.find("x.proto").unwrap());
        let told = |import: Import| format!("{}:{}", import.line, import.name);
        found.map(|found| found.into_iter().map(told).collect()).map_err(|told| told.to_string())
    }

    #[test]
    fn imports_are_found_and_nothing_that_looks_like_one() {
        let text = "syntax = \"proto3\"; // import \"no.proto\";\n/* import \"no.proto\"; */\n\
            import \"a.proto\";\nimport public 'b/' 'c.proto';\nmessage M { string import = 1; \
            option (x) = \"import \\\"q.proto\\\";\"; }\nimport weak \"d.proto\";";
        assert_eq!(scanned(text).unwrap(), ["3:a.proto", "4:b/c.proto", "6:d.proto"]);
        assert_eq!(scanned("import \"open\nimport \"a.proto\";").unwrap(), [""; 0]);
    }

    #[test]
    fn what_protox_cannot_be_given_is_told() {
        let deep = format!("message A {{\n{}", "{".repeat(100_000));
        assert_eq!(scanned(&deep).unwrap_err(), "x.proto:2: nests deeper than 48 brackets");
        let long = "x.proto:2: has a name of more than 64 parts";
        for name in [format!("(o){}", ".a".repeat(100_000)), "(o).".repeat(100_000)] {
            let text = format!("message M {{\noption {name} = 1; }}");
            assert_eq!(scanned(&text).unwrap_err(), long);
        }
        let edition = scanned("// x\nedition = \"2023\";").unwrap_err();
        assert!(edition.starts_with("x.proto:2: editions of protobuf cannot be read;"));
        let named = "message M { edition edition = 1; }\n";
        assert_eq!(scanned(named).unwrap(), [""; 0]);
    }
}
