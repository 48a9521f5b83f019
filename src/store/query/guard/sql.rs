//! The guard of the dialects of SQL and of InfluxQL, which have a similar syntax.

/// The differences of the dialects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    name: &'static str,
    /// The first words of statements that read.
    begins: &'static [&'static str],
    /// Words that never occur outside quotes in a statement that reads.
    writes: &'static [&'static str],
    /// Whether a backslash escapes inside quotes; never in a name between backticks.
    escapes: bool,
    /// The characters that open a text or a name.
    quotes: &'static [char],
    /// Whether a slash may begin a regular expression.
    has_regex: bool,
}

/// InfluxDB 3's.
pub(super) const SQL: Dialect = Dialect {
    name: "SQL",
    begins: &["select", "show", "explain", "with", "describe", "values"],
    writes: &[
        "insert", "update", "delete", "merge", "into", "copy", "create", "drop", "alter",
        "truncate", "set", "call", "execute", "prepare",
    ],
    escapes: false,
    quotes: &['\'', '"'],
    has_regex: false,
};

/// TDengine's. `SHOW CREATE TABLE` reads, and no statement with these first words can create
/// anything.
pub(super) const TDENGINE: Dialect = Dialect {
    name: "TDengine's SQL",
    begins: &["select", "show", "describe", "desc", "explain"],
    writes: &[
        "insert",
        "into",
        "update",
        "delete",
        "drop",
        "alter",
        "use",
        "kill",
        "compact",
        "flush",
        "balance",
        "redistribute",
        "merge",
        "split",
        "trim",
        "grant",
        "revoke",
        "reset",
        "import",
    ],
    escapes: true,
    quotes: &['\'', '"', '`'],
    has_regex: false,
};

/// InfluxDB 1's and 3's.
pub(super) const INFLUXQL: Dialect = Dialect {
    name: "InfluxQL",
    begins: &["select", "show", "explain"],
    writes: &["into"],
    escapes: true,
    quotes: &['\'', '"'],
    has_regex: true,
};

/// Returns why the text is not one statement that reads.
pub(super) fn check(text: &str, dialect: Dialect) -> Result<(), String> {
    let cut = cut(text, dialect)?;
    let begin = cut.words.first().map_or("", String::as_str);
    if !dialect.begins.contains(&begin) {
        return Err(format!(
            "only statements that read are asked: {} begins with one of {}",
            dialect.name,
            dialect.begins.join(", ")
        ));
    }
    if cut.is_several {
        return Err("only one statement is asked at a time".to_owned());
    }
    if let Some(word) = cut.words.iter().find_map(|word| writing(word, dialect)) {
        return Err(format!("`{word}` writes; quote it if it is a name"));
    }
    let Some(rest) = cut.unclear else { return Ok(()) };
    if rest.contains(';') {
        return Err(
            "a `;` behind a `/` or `$` may end the statement; pass it as a parameter".to_owned()
        );
    }
    match words(rest).find_map(|word| writing(&word, dialect)) {
        Some(word) => {
            Err(format!("`{word}` behind a `/` or `$` may write; pass it as a parameter"))
        }
        None => Ok(()),
    }
}

/// The word of `dialect.writes` that is equal to a run of letters and digits, or that the server
/// may find at its end: `1sINTO` is a duration and a keyword.
fn writing(run: &str, dialect: Dialect) -> Option<&'static str> {
    let begins_with_digit = run.starts_with(|c: char| c.is_ascii_digit());
    let is_it = |word: &&&str| run == **word || begins_with_digit && run.ends_with(**word);
    dialect.writes.iter().find(is_it).copied()
}

/// The relevant parts of a text.
struct Cut<'a> {
    /// Words outside quotes and comments, in lower case.
    words: Vec<String>,
    /// Whether anything but a comment follows a semicolon.
    is_several: bool,
    /// The rest of the text from the first ambiguous place on.
    unclear: Option<&'a str>,
}

fn cut<'a>(text: &'a str, dialect: Dialect) -> Result<Cut<'a>, String> {
    let mut cut = Cut { words: Vec::new(), is_several: false, unclear: None };
    let mut has_ended = false;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let blank = c.is_whitespace() || rest.starts_with("--") || rest.starts_with("/*");
        if !blank && c != ';' && has_ended {
            cut.is_several = true;
        }
        at += match c {
            c if dialect.quotes.contains(&c) => quoted_len(rest, c, dialect)?,
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => match rest[2..].find("*/") {
                // Servers differ in whether comments nest.
                Some(end) if !rest[2..2 + end].contains("/*") => end + 4,
                _ => return Err("a comment does not end, or holds another".to_owned()),
            },
            '/' if dialect.has_regex => {
                cut.unclear = Some(rest);
                break;
            }
            '$' if is_dollar_quote(rest) => {
                cut.unclear = Some(rest);
                break;
            }
            ';' => {
                has_ended = true;
                1
            }
            c if is_word(c) => {
                let len = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                cut.words.push(rest[..len].to_lowercase());
                len
            }
            c => c.len_utf8(),
        };
    }
    Ok(cut)
}

/// The length of a quoted text with its quotes.
fn quoted_len(text: &str, quote: char, dialect: Dialect) -> Result<usize, String> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '`' => {}
            // Some dialects of SQL use it as an escape in texts and some do not; none does in
            // names.
            '\\' if !dialect.escapes && quote == '"' => {}
            '\\' if !dialect.escapes => {
                return Err("a backslash in quotes means different things to different servers; \
                            pass the text as a parameter"
                    .to_owned());
            }
            '\\' => drop(chars.next()),
            // A doubled quote of SQL is read as the end of one quoted text and the begin of the
            // next.
            c if c == quote => return Ok(at + 1),
            _ => {}
        }
    }
    Err(format!("a {quote} is not closed"))
}

/// `$$` or `$word$`, which opens a quoted text in some dialects; `$word` alone is a parameter.
fn is_dollar_quote(text: &str) -> bool {
    text[1..].trim_start_matches(is_word).starts_with('$')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_lowercase)
}
