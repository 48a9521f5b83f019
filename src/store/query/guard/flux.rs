//! The guard of Flux: allows packages from a list, and forbids the name `to`.
//!
//! All functions that write, send or read files are in packages that must be imported, except `to`,
//! which is always defined. It could be assigned to another name, so its name is forbidden
//! anywhere.

/// Packages whose functions only compute, or only read the database.
const PACKAGES: &[&str] = &[
    "array",
    "bitwise",
    "contrib/anaisdg/statsmodels",
    "contrib/jsternberg/aggregate",
    "contrib/jsternberg/math",
    "contrib/tomhollingworth/events",
    "date",
    "date/boundaries",
    "dict",
    "experimental/aggregate",
    "experimental/geo",
    "experimental/query",
    "generate",
    "influxdata/influxdb/sample",
    "influxdata/influxdb/schema",
    "influxdata/influxdb/v1",
    "interpolate",
    "join",
    "json",
    "math",
    "regexp",
    "strings",
    "system",
    "timezone",
    "types",
];

/// Returns why the text does more than read.
pub(super) fn check(text: &str) -> Result<(), String> {
    let (tokens, unclear) = cut(text)?;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Word("import") => import(&tokens[at + 1..])?,
            Token::Word(word) if is_to(word) => {
                let is_member = at > 0 && tokens[at - 1] == Token::Mark('.');
                let is_name = tokens.get(at + 1) == Some(&Token::Mark(':'));
                if !is_member && !is_name {
                    return Err("`to` writes; only questions that read are asked".to_owned());
                }
            }
            _ => {}
        }
    }
    let words = unclear.split(|c: char| !is_word(c));
    match words.into_iter().find(|word| is_to(word) || *word == "import") {
        Some(word) => Err(format!(
            "`{word}` behind a `/` or inside a text with `${{` may be a call; write it before, or \
             pass it as a parameter"
        )),
        None => Ok(()),
    }
}

/// Checks what follows the word `import`: an optional alias, and the package.
fn import(tokens: &[Token<'_>]) -> Result<(), String> {
    let package = match tokens {
        [Token::Text(package), ..] | [Token::Word(_), Token::Text(package), ..] => package,
        _ => return Err("an import names its package in quotes".to_owned()),
    };
    if PACKAGES.contains(package) {
        return Ok(());
    }
    Err(format!("package `{package}` may write, send or read files; it is not used here"))
}

/// Whether the server may find `to` in a run of letters and digits: `1to` is a number and a name.
fn is_to(run: &str) -> bool {
    run == "to" || run.starts_with(|c: char| c.is_ascii_digit()) && run.ends_with("to")
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    /// The inside of a string, escapes as written.
    Text(&'a str),
    Mark(char),
}

/// The tokens up to the first place where the text is ambiguous, and the rest from there on.
fn cut(text: &str) -> Result<(Vec<Token<'_>>, &str), String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        at += match c {
            '"' => {
                let len = quoted_len(rest)?;
                if rest[..len].contains("${") {
                    return Ok((tokens, rest));
                }
                tokens.push(Token::Text(&rest[1..len - 1]));
                len
            }
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' => return Ok((tokens, rest)),
            c if is_word(c) => {
                let len = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(&rest[..len]));
                len
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token::Mark(c));
                }
                c.len_utf8()
            }
        };
    }
    Ok((tokens, ""))
}

/// The length of a string with its quotes; an expression in `${…}` may make the real string longer,
/// but its begin is always known.
fn quoted_len(text: &str) -> Result<usize, String> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => return Ok(at + 1),
            _ => {}
        }
    }
    Err("a \" is not closed".to_owned())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
