//! EMQX's `acl.conf`: tuples of which the first match decides, as in our rules.

use super::{
    carried::{Carried, Left, Rule},
    erlang::{self, Term},
};

/// Reads one file.
pub(super) fn read(file: &str, text: &str, carried: &mut Carried) {
    let terms = match erlang::read(text) {
        Ok(terms) => terms,
        Err((line, what)) => {
            // The rest of the file is lost, and may contain a deny.
            let left = Left { file: file.to_owned(), line, what: what.to_owned(), is_deny: true };
            return carried.left.push(left);
        }
    };
    for (line, term) in terms {
        let Term::Tuple(parts) = term else {
            carried.leave(file, line, "no rule");
            continue;
        };
        let denies = parts.first() == Some(&Term::Atom("deny".to_owned()));
        match rules(&parts) {
            Ok(rules) => {
                for rule in rules {
                    carried.rule(file, line, rule);
                }
            }
            Err(what) => {
                carried.left.push(Left { file: file.to_owned(), line, what, is_deny: denies });
            }
        }
    }
}

fn atom(term: &Term) -> Option<&str> {
    match term {
        Term::Atom(word) => Some(word),
        _ => None,
    }
}

fn rules(parts: &[Term]) -> Result<Vec<Rule>, String> {
    let denies = match parts.first().and_then(atom) {
        Some("allow") => false,
        Some("deny") => true,
        _ => return Err("neither allow nor deny".to_owned()),
    };
    match parts {
        // Everything: our wildcards do not match topics with `$`, this form of theirs does.
        [_, who] => {
            let who = names(who)?;
            let rule = |publish, topic: &str| Rule {
                who: who.clone(),
                denies,
                publish,
                subscribe: true,
                topics: vec![topic.to_owned()],
            };
            Ok(vec![rule(true, "#"), rule(false, "$SYS/#")])
        }
        [_, who, action, Term::List(topics)] => {
            let who = names(who)?;
            let (publish, subscribe) = match action {
                Term::Atom(word) if word == "publish" => (true, false),
                Term::Atom(word) if word == "subscribe" => (false, true),
                Term::Atom(word) if word == "all" || word == "pubsub" => (true, true),
                _ => return Err("an action with conditions, which our rules cannot say".to_owned()),
            };
            let topics = topics.iter().map(topic).collect::<Result<Vec<String>, String>>()?;
            if topics.is_empty() {
                return Err("a rule without topics".to_owned());
            }
            Ok(vec![Rule { who, denies, publish, subscribe, topics }])
        }
        _ => Err("not {allow or deny, who, action, [topics]}".to_owned()),
    }
}

fn names(who: &Term) -> Result<Vec<String>, String> {
    match who {
        Term::Atom(word) if word == "all" => Ok(Vec::new()),
        Term::Tuple(pair) => match &pair[..] {
            [Term::Atom(kind), Term::Text(name)] if kind == "user" || kind == "username" => {
                match name.contains('*') {
                    true => Err("a user name with a * means others in our rules".to_owned()),
                    false => Ok(vec![name.clone()]),
                }
            }
            [Term::Atom(kind), ..] => {
                Err(format!("`{kind}` with what follows it, which our rules cannot say"))
            }
            _ => Err("nobody that is known".to_owned()),
        },
        _ => Err("nobody that is known".to_owned()),
    }
}

fn topic(term: &Term) -> Result<String, String> {
    let Term::Text(text) = term else {
        return Err("a topic with conditions (eq), which our rules cannot say".to_owned());
    };
    let mut topic = text.clone();
    let placeholders = [
        ("${username}", "{username}"),
        ("%u", "{username}"),
        ("${clientid}", "{client-id}"),
        ("%c", "{client-id}"),
    ];
    for (theirs, ours) in placeholders {
        topic = topic
            .split('/')
            .map(|level| if level == theirs { ours } else { level })
            .collect::<Vec<_>>()
            .join("/");
    }
    match topic.contains('%') || topic.contains("${") {
        true => Err(format!("`{text}`: a placeholder is not a whole level of the topic")),
        false => Ok(topic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_can_be_said_are_carried_over_and_others_told() {
        let text = "%% remark\n\
            {allow, {username, \"ops\"}, subscribe, [\"$SYS/#\"]}.\n\
            {allow, {ipaddr, \"127.0.0.1\"}, all, [\"#\"]}.\n\
            {deny, all, subscribe, [\"$SYS/#\", {eq, \"#\"}]}.\n\
            {allow, all, {publish, [{qos, 1}]}, [\"a\"]}.\n\
            {deny, {user, <<\"bad\">>},\n  publish, [\"a/#\"]}.\n\
            {allow, all, all, [\"cars/${clientid}/#\", \"up/%u\"]}.\n\
            {allow, all, publish, [\"cars-%u\"]}.\n\
            {allow, all}.\n";
        let mut carried = Carried::default();
        read("acl.conf", text, &mut carried);
        let rules: Vec<(bool, &[String])> =
            carried.rules.iter().map(|rule| (rule.denies, &rule.topics[..])).collect();
        let topics = |topics: &[&str]| topics.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            rules,
            [
                (false, &topics(&["$SYS/#"])[..]),
                (true, &topics(&["a/#"])),
                (false, &topics(&["cars/{client-id}/#", "up/{username}"])),
                (false, &topics(&["#"])),
                (false, &topics(&["$SYS/#"])),
            ]
        );
        let left: Vec<(usize, bool)> =
            carried.left.iter().map(|left| (left.line, left.is_deny)).collect();
        assert_eq!(left, [(3, false), (4, true), (5, false), (9, false)]);
    }

    #[test]
    fn what_is_no_acl_conf_is_told_with_its_line() {
        for (text, line) in [("{allow", 1), ("\n{allow, all}", 2), ("{allow, \"x}.", 1), ("(", 1)] {
            let mut carried = Carried::default();
            read("acl.conf", text, &mut carried);
            assert_eq!(carried.left.len(), 1, "{text}");
            assert!(carried.left[0].line == line && carried.left[0].is_deny, "{text}");
        }
        let deep = format!("{}.", "[".repeat(1000));
        let mut carried = Carried::default();
        read("acl.conf", &deep, &mut carried);
        assert_eq!(carried.left.len(), 1);
    }
}
