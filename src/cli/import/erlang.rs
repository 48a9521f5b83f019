//! Erlang terms, as far as `acl.conf` needs them: tuples, lists, atoms, strings, numbers.

/// One term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    Atom(String),
    Text(String),
    Tuple(Vec<Term>),
    List(Vec<Term>),
}

/// The maximum nesting of terms.
const DEPTH_MAX: usize = 16;

/// The line, from 1, and the syntax error.
pub(super) type Broken = (usize, &'static str);

/// Every term that ends with a full stop, with its first line.
pub(super) fn read(text: &str) -> Result<Vec<(usize, Term)>, Broken> {
    let mut reader = Reader { rest: text, line: 1 };
    let mut terms = Vec::new();
    loop {
        reader.skip();
        if reader.rest.is_empty() {
            return Ok(terms);
        }
        let line = reader.line;
        let term = reader.term(0)?;
        reader.expect('.')?;
        terms.push((line, term));
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn advance(&mut self, bytes: usize) {
        self.line += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }

    /// White space, and comments from `%` to the end of the line.
    fn skip(&mut self) {
        loop {
            self.advance(self.rest.len() - self.rest.trim_start().len());
            if !self.rest.starts_with('%') {
                return;
            }
            self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    fn eat(&mut self, sign: char) -> bool {
        self.skip();
        let is_there = self.rest.starts_with(sign);
        if is_there {
            self.advance(sign.len_utf8());
        }
        is_there
    }

    fn expect(&mut self, sign: char) -> Result<(), Broken> {
        match (self.eat(sign), sign) {
            (true, _) => Ok(()),
            (false, '.') => Err((self.line, "a full stop is missing behind a rule")),
            (false, _) => Err((self.line, "a bracket or a quote is missing")),
        }
    }

    fn term(&mut self, depth: usize) -> Result<Term, Broken> {
        if depth > DEPTH_MAX {
            return Err((self.line, "too many brackets within each other"));
        }
        if self.eat('{') {
            return Ok(Term::Tuple(self.terms('}', depth)?));
        }
        if self.eat('[') {
            return Ok(Term::List(self.terms(']', depth)?));
        }
        if self.rest.starts_with("<<") {
            self.advance(2);
            let term = self.term(depth + 1)?;
            self.expect('>')?;
            self.expect('>')?;
            return Ok(term);
        }
        if self.eat('"') {
            return Ok(Term::Text(self.quoted('"')?));
        }
        if self.eat('\'') {
            return Ok(Term::Atom(self.quoted('\'')?));
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '@';
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err((self.line, "neither a bracket, a text nor a word"));
        }
        let word = self.rest[..end].to_owned();
        self.advance(end);
        Ok(Term::Atom(word))
    }

    fn terms(&mut self, end: char, depth: usize) -> Result<Vec<Term>, Broken> {
        let mut terms = Vec::new();
        if self.eat(end) {
            return Ok(terms);
        }
        loop {
            self.skip();
            terms.push(self.term(depth + 1)?);
            if self.eat(end) {
                return Ok(terms);
            }
            if !self.eat(',') {
                return Err((self.line, "a comma or a bracket is missing"));
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Broken> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c if c == quote => {
                    self.advance(at + c.len_utf8());
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err((self.line, "a quote is missing"))
    }
}
