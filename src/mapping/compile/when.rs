//! `when`: text → expression → typed filter over slots.
//!
//! ```text
//! any   = all { "or" all }
//! all   = one { "and" one }
//! one   = "not" one | "(" any ")" | "exists" "(" path ")"
//!       | path ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) literal
//!       | path [ "not" ] "in" "[" literal { "," literal } "]"
//! ```
//! A literal is a number, a text in single or double quotes, `true` or `false`. On the left of an
//! operator, and in `exists`, a text in quotes is a field's name: `"batt mV" > 0`.

use super::paths;
use crate::{
    mapping::{Comparison, Filter, Operand, SlotIdx},
    schema::{Kind, Scalar, nearest},
};

/// A parsed expression; paths are still text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Exists(String),
    Compare(String, Comparison, Literal),
    In(String, Vec<Literal>),
}

/// A literal as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Text(String),
}

/// How deep parentheses and `not` may nest.
const DEPTH_MAX: usize = 64;

/// Parses an expression.
///
/// # Errors
/// What to tell the operator.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expr = parser.any()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some(token) => {
            Err(format!("`when`: expected `and`, `or` or the end, found {}", token.told()))
        }
    }
}

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A path, a keyword, `true`, `false`.
    Word(String),
    Literal(Literal),
    /// An operator, a parenthesis, a bracket, a comma.
    Sign(&'static str),
}

impl Token {
    fn told(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Literal(Literal::Text(text)) => format!("\"{text}\""),
            Self::Literal(Literal::Integer(number)) => format!("`{number}`"),
            Self::Literal(Literal::Float(number)) => format!("`{number}`"),
            Self::Literal(Literal::Boolean(value)) => format!("`{value}`"),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 11] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ","];

/// Cuts a text into words.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length;
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            length = sign.len();
        } else if paths::quote_len(rest).is_some_and(|len| rest[len..].starts_with('.')) {
            length = path_len(rest);
            tokens.push(Token::Word(rest[..length].to_owned()));
        } else if first == '"' || first == '\'' {
            let inner = &rest[1..];
            let end = inner
                .find(first)
                .ok_or_else(|| format!("`when`: the text {rest} is not closed"))?;
            tokens.push(Token::Literal(Literal::Text(inner[..end].to_owned())));
            length = end + 2;
        } else {
            length = path_len(rest);
            if length == 0 {
                return Err(unexpected(first));
            }
            tokens.push(word(&rest[..length])?);
        }
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// The length of a word, which may be a path with names in double quotes.
fn path_len(text: &str) -> usize {
    let mut len = 0;
    loop {
        let rest = &text[len..];
        match paths::quote_len(rest) {
            Some(quoted) if len == 0 || text[..len].ends_with('.') => len += quoted,
            _ => {
                let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                len += word;
                let goes_on = text[..len].ends_with('.') && text[len..].starts_with('"');
                if word == 0 || !goes_on {
                    return len;
                }
            }
        }
    }
}

/// What to tell of a character that begins nothing.
fn unexpected(found: char) -> String {
    let hint = match found {
        '=' => "; write `==`",
        '&' => "; write `and`",
        '|' => "; write `or`",
        '!' => "; write `not`",
        _ => "",
    };
    format!("`when`: unexpected `{found}`{hint}")
}

/// What paths and numbers are made of.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | '$')
}

/// A path, a keyword or a number.
fn word(text: &str) -> Result<Token, String> {
    match text {
        "true" => return Ok(Token::Literal(Literal::Boolean(true))),
        "false" => return Ok(Token::Literal(Literal::Boolean(false))),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return Ok(Token::Word(text.to_owned()));
    }
    if let Ok(integer) = text.parse() {
        return Ok(Token::Literal(Literal::Integer(integer)));
    }
    match text.parse() {
        Ok(float) => Ok(Token::Literal(Literal::Float(float))),
        Err(_) => Err(format!("`when`: `{text}` is no number")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Expr, String> {
        let mut all = vec![self.all()?];
        while self.take_word("or") {
            all.push(self.all()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::Or(all) })
    }

    fn all(&mut self) -> Result<Expr, String> {
        let mut all = vec![self.one()?];
        while self.take_word("and") {
            all.push(self.one()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn one(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("`when`: it nests deeper than {DEPTH_MAX}"));
        }
        let expr = self.unbounded_one();
        self.depth -= 1;
        expr
    }

    fn unbounded_one(&mut self) -> Result<Expr, String> {
        if self.take_word("not") {
            return Ok(Expr::Not(Box::new(self.one()?)));
        }
        if self.take_sign("(") {
            let inner = self.any()?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        if path == "exists" && self.take_sign("(") {
            let path = self.path()?;
            self.expect_sign(")")?;
            return Ok(Expr::Exists(path));
        }
        if self.take_word("in") {
            return Ok(Expr::In(path, self.list()?));
        }
        if self.take_word("not") {
            if self.take_word("in") {
                return Ok(Expr::Not(Box::new(Expr::In(path, self.list()?))));
            }
            return Err(format!("`when`: expected `in` after `{path} not`"));
        }
        let comparison = self.comparison(&path)?;
        Ok(Expr::Compare(path, comparison, self.literal()?))
    }

    fn path(&mut self) -> Result<String, String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) if !is_keyword(word) => {
                self.at += 1;
                Ok(word.clone())
            }
            Some(Token::Literal(Literal::Text(name))) => {
                self.at += 1;
                Ok(paths::always_quoted(name))
            }
            found => Err(format!("`when`: expected a field, found {}", told(found))),
        }
    }

    fn comparison(&mut self, path: &str) -> Result<Comparison, String> {
        let comparison = match self.tokens.get(self.at) {
            Some(Token::Sign("==")) => Comparison::Equal,
            Some(Token::Sign("!=")) => Comparison::NotEqual,
            Some(Token::Sign("<")) => Comparison::Less,
            Some(Token::Sign("<=")) => Comparison::LessOrEqual,
            Some(Token::Sign(">")) => Comparison::Greater,
            Some(Token::Sign(">=")) => Comparison::GreaterOrEqual,
            found => {
                return Err(format!(
                    "`when`: expected an operator (==, !=, <, <=, >, >=, in) after `{path}`, found {}",
                    told(found)
                ));
            }
        };
        self.at += 1;
        Ok(comparison)
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.tokens.get(self.at) {
            Some(Token::Literal(literal)) => {
                self.at += 1;
                Ok(literal.clone())
            }
            found => Err(format!(
                "`when`: expected a number, a text in quotes, true or false, found {}",
                told(found)
            )),
        }
    }

    fn list(&mut self) -> Result<Vec<Literal>, String> {
        self.expect_sign("[")?;
        let mut literals = vec![self.literal()?];
        while self.take_sign(",") {
            literals.push(self.literal()?);
        }
        self.expect_sign("]")?;
        Ok(literals)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.tokens.get(self.at), Some(Token::Word(next)) if next == word);
        self.at += usize::from(is_next);
        is_next
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.tokens.get(self.at), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), String> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(format!("`when`: expected `{sign}`, found {}", told(self.tokens.get(self.at))))
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "in")
}

fn told(token: Option<&Token>) -> String {
    token.map_or_else(|| "the end".to_owned(), Token::told)
}

impl Expr {
    /// Every path that it names.
    pub(super) fn paths<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|expr| expr.paths(into)),
            Self::Not(inner) => inner.paths(into),
            Self::Exists(path) | Self::Compare(path, ..) | Self::In(path, _) => into.push(path),
        }
    }

    /// The filter, with each path's slot and kind told by `slot`.
    ///
    /// # Errors
    /// What to tell the operator: a literal that does not fit the field's type.
    pub(super) fn lower(
        &self,
        slot: &impl Fn(&str) -> Option<(SlotIdx, Kind)>,
    ) -> Result<Filter, String> {
        let all = |all: &[Self]| -> Result<Vec<Filter>, String> {
            all.iter().map(|expr| expr.lower(slot)).collect()
        };
        let scalar_of = |path: &str| match slot(path) {
            Some((found, Kind::Scalar(scalar))) => Ok((found, scalar)),
            Some((_, Kind::Record(_))) => Err(format!(
                "`when`: `{path}` holds several values; name one (`{path}.…`), or ask `exists({path})`"
            )),
            _ => Err(format!("`when`: `{path}` is not a single value; only `exists` fits it")),
        };
        Ok(match self {
            Self::And(inner) => Filter::And(all(inner)?),
            Self::Or(inner) => Filter::Or(all(inner)?),
            Self::Not(inner) => Filter::Not(Box::new(inner.lower(slot)?)),
            Self::Exists(path) => match slot(path) {
                Some((slot, _)) => Filter::Exists(slot),
                None => return Err(format!("`when`: `{path}` cannot be asked for")),
            },
            Self::Compare(path, comparison, literal) => {
                let (slot, scalar) = scalar_of(path)?;
                let operand = operand(path, &scalar, literal)?;
                let is_ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
                let is_named = matches!(operand, Operand::Boolean(_) | Operand::Text(_));
                if is_ordered && is_named {
                    return Err(format!(
                        "`when`: `{path}` is {}; compare it with `==`, `!=` or `in`",
                        scalar.word()
                    ));
                }
                Filter::Compare { slot, scalar, comparison: *comparison, operand }
            }
            Self::In(path, literals) => {
                let (slot, scalar) = scalar_of(path)?;
                let operands: Result<Vec<_>, _> =
                    literals.iter().map(|literal| operand(path, &scalar, literal)).collect();
                Filter::In { slot, scalar, operands: operands? }
            }
        })
    }
}

/// A literal as the operand for a field's type.
fn operand(path: &str, scalar: &Scalar, literal: &Literal) -> Result<Operand, String> {
    Ok(match (scalar, literal) {
        (Scalar::Float64 | Scalar::Float32, Literal::Float(number)) => Operand::Float(*number),
        (Scalar::Float64 | Scalar::Float32, Literal::Integer(number)) => {
            Operand::Float(*number as f64)
        }
        (
            Scalar::Integer
            | Scalar::Unsigned
            | Scalar::Ticks(_)
            | Scalar::Timestamp
            | Scalar::Duration
            | Scalar::Enum(_),
            Literal::Integer(number),
        ) => Operand::Integer(*number),
        (Scalar::Boolean, Literal::Boolean(value)) => Operand::Boolean(*value),
        (Scalar::String, Literal::Text(text)) => Operand::Text(text.as_str().into()),
        (Scalar::Enum(symbols), Literal::Text(text)) => {
            if !symbols.has_name(text) {
                let hint = match nearest(text, symbols.names()) {
                    Some(near) => format!("; did you mean \"{near}\"?"),
                    None => String::new(),
                };
                return Err(format!("`when`: `{path}` has no symbol \"{text}\"{hint}"));
            }
            Operand::Text(text.as_str().into())
        }
        (scalar, literal) => {
            let literal = Token::Literal(literal.clone()).told();
            return Err(format!(
                "`when`: `{path}` is {}, which cannot be compared with {literal}",
                scalar.word()
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn and_binds_stronger_than_or() {
        let compare = |path: &str, number| {
            Expr::Compare(path.to_owned(), Comparison::GreaterOrEqual, Literal::Integer(number))
        };
        let expr = parse("a >= 1 or not b.c>=-2 and (exists(d) or e in ['x', \"y\"])");
        let expect = Expr::Or(vec![
            compare("a", 1),
            Expr::And(vec![
                Expr::Not(Box::new(compare("b.c", -2))),
                Expr::Or(vec![
                    Expr::Exists("d".to_owned()),
                    Expr::In(
                        "e".to_owned(),
                        vec![Literal::Text("x".to_owned()), Literal::Text("y".to_owned())],
                    ),
                ]),
            ]),
        ]);
        assert_eq!(expr, Ok(expect));
    }

    #[test]
    fn what_cannot_be_parsed_is_told() {
        let table = [
            ("a = 1", "`when`: unexpected `=`; write `==`"),
            (
                "a",
                "`when`: expected an operator (==, !=, <, <=, >, >=, in) after `a`, found the end",
            ),
            ("a == ", "`when`: expected a number, a text in quotes, true or false, found the end"),
            ("a == 1 b", "`when`: expected `and`, `or` or the end, found `b`"),
            ("(a == 1", "`when`: expected `)`, found the end"),
            ("a == 1x", "`when`: `1x` is no number"),
            ("a == 'x", "`when`: the text 'x is not closed"),
            ("and == 1", "`when`: expected a field, found `and`"),
        ];
        for (text, expect) in table {
            assert_eq!(parse(text), Err(expect.to_owned()), "{text}");
        }
        let deep = format!("{}a == 1", "not ".repeat(100));
        assert_eq!(parse(&deep), Err("`when`: it nests deeper than 64".to_owned()));
    }
}
