//! The topics of a rule: topic filters with placeholders.

use crate::auth::{Identity, is_name};

/// The topics that one line of a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    levels: Box<[Level]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Name(Box<str>),
    Placeholder(Placeholder),
    One,
    Rest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Vehicle,
    Username,
    ClientId,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 3] = [
        ("{vehicle}", Self::Vehicle),
        ("{username}", Self::Username),
        ("{client-id}", Self::ClientId),
    ];
}

/// A level with its placeholder filled.
#[derive(Clone, Copy)]
enum Filled<'a> {
    Name(&'a str),
    One,
    Rest,
}

impl Pattern {
    /// Parses a topic filter with placeholders.
    ///
    /// # Errors
    /// What to tell the operator.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty topic matches nothing".to_owned());
        }
        if text.starts_with("$share/") {
            let what = "a shared filter is decided by what follows `$share/NAME/`; write that";
            return Err(what.to_owned());
        }
        let count = text.split('/').count();
        let mut levels = Vec::with_capacity(count);
        for (index, part) in text.split('/').enumerate() {
            let level = parse_level(part)?;
            if level == Level::Rest && index + 1 < count {
                return Err("`#` may only be the last level of a topic".to_owned());
            }
            levels.push(level);
        }
        Ok(Self { levels: levels.into() })
    }

    /// An MQTT topic filter without placeholders: braces are ordinary characters.
    pub(super) fn of_filter(filter: &str) -> Self {
        let level = |part: &str| match part {
            "+" => Level::One,
            "#" => Level::Rest,
            name => Level::Name(name.into()),
        };
        Self { levels: filter.split('/').map(level).collect() }
    }

    /// Whether it matches every topic that `filter` matches. A topic is a filter that matches
    /// itself only.
    pub(super) fn covers(&self, filter: &str, identity: &Identity) -> bool {
        let mut given = filter.split('/');
        for (index, level) in self.levels.iter().enumerate() {
            let Some(level) = level.fill(index, identity) else { return false };
            // `a/#` covers `a`, too: there the levels that are given have ended.
            if matches!(level, Filled::Rest) {
                return !(index == 0 && filter.starts_with('$'));
            }
            let Some(given) = given.next() else { return false };
            let covered = match level {
                Filled::Name(name) => given == name,
                _ => given != "#" && !(index == 0 && given.starts_with('$')),
            };
            if !covered {
                return false;
            }
        }
        given.next().is_none()
    }

    /// Whether there is a topic that both it and `filter` match.
    pub(super) fn overlaps(&self, filter: &str, identity: &Identity) -> bool {
        let mut given = filter.split('/');
        for (index, level) in self.levels.iter().enumerate() {
            let Some(level) = level.fill(index, identity) else { return false };
            let other = given.next();
            // A wildcard at the first level does not match a topic that begins with `$`.
            let is_hidden = |name: &str| index == 0 && name.starts_with('$');
            let meets = match (level, other) {
                (Filled::Rest, None) => return true,
                (Filled::Rest, Some(other)) => return !is_hidden(other),
                (Filled::Name(name), Some("#")) => return !is_hidden(name),
                (Filled::One, Some("#")) => return true,
                (_, None) => false,
                (Filled::Name(name), Some("+")) => !is_hidden(name),
                (Filled::Name(name), Some(other)) => name == other,
                (Filled::One, Some(other)) => !is_hidden(other),
            };
            if !meets {
                return false;
            }
        }
        // `a/#` matches `a`.
        matches!(given.next(), None | Some("#"))
    }
}

impl Level {
    /// `None` if there is no value for its placeholder.
    fn fill<'a>(&'a self, index: usize, identity: &'a Identity) -> Option<Filled<'a>> {
        let placeholder = match self {
            Self::Name(name) => return Some(Filled::Name(name)),
            Self::One => return Some(Filled::One),
            Self::Rest => return Some(Filled::Rest),
            Self::Placeholder(placeholder) => placeholder,
        };
        let name = match placeholder {
            Placeholder::Vehicle => identity.vehicle()?,
            Placeholder::Username => identity.username()?,
            Placeholder::ClientId => identity.client_id(),
        };
        // A name must not give access to the server's own topics.
        let is_server = index == 0 && name.starts_with('$');
        (is_name(name) && !is_server).then_some(Filled::Name(name))
    }
}

fn parse_level(part: &str) -> Result<Level, String> {
    match part {
        "+" => return Ok(Level::One),
        "#" => return Ok(Level::Rest),
        _ => {}
    }
    if let Some((_, found)) = Placeholder::ALL.iter().find(|(text, _)| *text == part) {
        return Ok(Level::Placeholder(*found));
    }
    if part.contains(['{', '}']) {
        return Err(format!(
            "`{part}` is no placeholder; {{vehicle}}, {{username}} and {{client-id}} are, each as \
             a whole level"
        ));
    }
    if part.contains(['+', '#', '\0']) {
        return Err(format!("`{part}`: a wildcard takes a whole level of the topic"));
    }
    Ok(Level::Name(part.into()))
}
