//! Topic filters as clients send them.

/// A well-formed topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Filter<'a> {
    /// The name of the shared subscription, if it is one.
    pub(in crate::mqtt) group: Option<&'a str>,
    /// The levels that topics are matched against.
    pub(in crate::mqtt) levels: &'a str,
}

/// What is wrong with a topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum FilterFault {
    /// A wildcard that does not stand for whole levels ([MQTT-4.7.1-1], [MQTT-4.7.1-2]).
    Wildcard,
    /// `$share` without a name, with a wildcard in it, or without a filter ([MQTT-4.8.2-1],
    /// [MQTT-4.8.2-2]).
    Share,
}

impl<'a> Filter<'a> {
    /// Parses a filter, which must not be empty.
    pub(in crate::mqtt) fn read(text: &'a str) -> Result<Self, FilterFault> {
        let shared =
            text.strip_prefix("$share").filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let filter = match shared {
            None => Self { group: None, levels: text },
            Some(rest) => {
                let named = rest.get(1..).and_then(|rest| rest.split_once('/'));
                let (name, levels) = named.ok_or(FilterFault::Share)?;
                if name.is_empty() || name.contains(['+', '#']) || levels.is_empty() {
                    return Err(FilterFault::Share);
                }
                Self { group: Some(name), levels }
            }
        };
        if wildcards_agree(filter.levels) { Ok(filter) } else { Err(FilterFault::Wildcard) }
    }

    /// Whether it has no wildcards.
    pub(in crate::mqtt) fn is_exact(&self) -> bool {
        !self.levels.contains(['+', '#'])
    }

    /// Whether a topic matches.
    pub(in crate::mqtt) fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.levels.starts_with(['+', '#']) {
            return false; // RT-2
        }
        let (mut filter, mut topic) = (self.levels.split('/'), topic.split('/'));
        loop {
            match (filter.next(), topic.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(wanted), Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
    }

    /// The common prefix of all matching topics.
    pub(in crate::mqtt) fn prefix(&self) -> &'a str {
        let wildcard = self.levels.find(['+', '#']).unwrap_or(self.levels.len());
        // `a/#` matches `a` too.
        let prefix = &self.levels[..wildcard];
        if self.levels[wildcard..].starts_with('#') {
            prefix.strip_suffix('/').unwrap_or(prefix)
        } else {
            prefix
        }
    }
}

/// `+` is a whole level, and `#` is the whole last level.
fn wildcards_agree(levels: &str) -> bool {
    let mut levels = levels.split('/').peekable();
    while let Some(level) = levels.next() {
        let alone = match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            _ => !level.contains(['+', '#']),
        };
        if !alone {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_whole_levels() {
        for good in ["a", "+", "#", "/", "a/+/b", "+/+", "a/#", "/#", "$SYS/#", "a//b", "$shared/a"]
        {
            assert_eq!(Filter::read(good), Ok(Filter { group: None, levels: good }));
        }
        for bad in ["a+", "a/b#", "#/a", "a/#/b", "ab/+e", "++", "##", "+#"] {
            assert_eq!(Filter::read(bad), Err(FilterFault::Wildcard), "{bad}");
        }
    }

    /// `f05-shared-subscriptions`: there is a name without wildcards, and a filter follows it.
    #[test]
    fn a_shared_filter_has_a_name_and_then_a_filter() {
        for (text, group, levels) in
            [("$share/g/a/+", "g", "a/+"), ("$share/g//a", "g", "/a"), ("$share/g/#", "g", "#")]
        {
            assert_eq!(Filter::read(text), Ok(Filter { group: Some(group), levels }));
        }
        for bad in
            ["$share", "$share/", "$share/g", "$share//a", "$share/g+/a", "$share/#/a", "$share/g/"]
        {
            assert_eq!(Filter::read(bad), Err(FilterFault::Share), "{bad}");
        }
        assert_eq!(Filter::read("$share/g/a#"), Err(FilterFault::Wildcard));
    }

    #[test]
    fn a_filter_matches_as_the_specification_says() {
        let matches = |filter, topic| Filter::read(filter).expect("well formed").matches(topic);
        for (filter, topic) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            ("#", "a/b"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("$SYS/#", "$SYS/broker/uptime"),
            ("$SYS/+/x", "$SYS/a/x"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
            assert!(topic.starts_with(Filter::read(filter).expect("well formed").prefix()));
        }
        for (filter, topic) in [
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("#", "$SYS/a"),
            ("+/a", "$SYS/a"),
            ("a/b", "a/b/c"),
            ("a/b/c", "a/b"),
            ("a/#", "ab"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
