//! A table of who, what and where, over files of rules.

use std::sync::Arc;

use super::{Action, Decided, Grant, Rules, file};
use crate::auth::{Identity, Proof};

const FLEET: &str = r##"
[[rule]]
who = ["ops-*"]
allow = ["subscribe"]
topics = ["#"]

[[rule]]
deny = ["publish", "subscribe"]
topics = ["vehicles/+/secret/#"]

[[rule]]
who = ["bridge"]
allow = ["publish", "subscribe"]
topics = ["vehicles/#", "+/status"]

[[rule]]
allow = ["publish"]
topics = ["clients/{client-id}", "{username}/out"]

[[rule]]
allow = ["publish", "subscribe"]
topics = ["vehicles/{vehicle}/#"]
"##;

fn rules(text: &str) -> Rules {
    Rules::new(Some(file::read("rules.toml", text).expect("good rules")))
}

/// `name`, or `name as vehicle`; `-` is anonymous. The client identifier is `c1`.
fn identity(who: &str) -> Identity {
    let client_id: Arc<str> = "c1".into();
    let (name, vehicle) = who.split_once(" as ").unwrap_or((who, who));
    match name {
        "-" => Identity::anonymous(client_id),
        _ => Identity::verified(name.into(), Some(vehicle.into()), client_id, Proof::Password),
    }
}

#[track_caller]
fn check(rules: &Rules, table: &[(&str, &str, &str, &str)]) {
    for (who, action, topic, expect) in table {
        let identity = identity(who);
        let grant = match *action {
            "publish" => match rules.may_publish(&identity, topic) {
                true => Grant::Whole,
                false => Grant::Refused,
            },
            "receive" => match rules.may_receive(&identity, topic) {
                true => Grant::Whole,
                false => Grant::Refused,
            },
            _ => rules.may_subscribe(&identity, topic),
        };
        let got = match grant {
            Grant::Refused => "no",
            Grant::Whole => "yes",
            Grant::Asked => "asked",
        };
        assert_eq!(got, *expect, "{who} {action} {topic}");
    }
}

#[test]
fn the_first_rule_that_matches_who_what_and_topic_decides() {
    check(
        &rules(FLEET),
        &[
            ("V1", "publish", "vehicles/V1/telemetry", "yes"),
            ("V1", "publish", "vehicles/V1", "yes"),
            ("V1", "publish", "vehicles/V2/telemetry", "no"),
            ("V1", "publish", "vehicles/v1/telemetry", "no"),
            ("V1", "publish", "vehicles/V1/secret", "no"),
            ("V1", "publish", "vehicles/V1/secret/key", "no"),
            ("V1", "publish", "elsewhere", "no"),
            ("V1", "publish", "clients/c1", "yes"),
            ("V1", "publish", "clients/c2", "no"),
            ("V1", "publish", "V1/out", "yes"),
            ("V1", "subscribe", "V1/out", "no"),
            ("ops-anna", "subscribe", "#", "yes"),
            ("ops-anna", "subscribe", "vehicles/+/secret/#", "yes"),
            ("ops-anna", "publish", "vehicles/V1/telemetry", "no"),
            ("ops", "subscribe", "#", "no"),
            ("bridge", "publish", "vehicles/V9/telemetry", "yes"),
            ("bridge", "publish", "any/status", "yes"),
            ("bridge", "publish", "vehicles/V9/secret/key", "no"),
            ("-", "publish", "vehicles/c1/telemetry", "yes"),
            ("-", "publish", "vehicles/V1/telemetry", "no"),
            ("-", "publish", "{username}/out", "no"),
        ],
    );
}

/// `f11-rules-that-change`: a filter wider than the rule is refused, not granted and then silent.
#[test]
fn a_rule_decides_a_filter_only_if_it_covers_it_whole() {
    check(
        &rules(FLEET),
        &[
            // A deny covers a part of it, so each delivery is asked.
            ("V1", "subscribe", "vehicles/V1/#", "asked"),
            ("V1", "receive", "vehicles/V1/speed", "yes"),
            ("V1", "receive", "vehicles/V1/secret/key", "no"),
            ("V1", "subscribe", "vehicles/V1/+", "asked"),
            ("V1", "subscribe", "vehicles/V1/speed", "yes"),
            ("V1", "subscribe", "vehicles/V1/+/x", "asked"),
            ("V1", "subscribe", "vehicles/V1/secret/#", "no"),
            ("V1", "subscribe", "#", "no"),
            ("V1", "subscribe", "+/V1/commands/#", "no"),
            ("V1", "subscribe", "vehicles/+/speed", "no"),
            ("V1", "subscribe", "vehicles/#", "no"),
            ("V1", "subscribe", "$share/g/#", "no"),
            ("V1", "subscribe", "$share/g/vehicles/V1/speed", "yes"),
            ("V1", "subscribe", "$share/g/vehicles/V1/#", "asked"),
            ("V1", "subscribe", "$share//vehicles/V1/speed", "no"),
            ("V1", "subscribe", "$share/g", "no"),
            ("V1", "subscribe", "$SYS/#", "no"),
            ("bridge", "subscribe", "vehicles/+/+", "asked"),
            ("bridge", "subscribe", "vehicles/+/speed", "yes"),
            ("bridge", "subscribe", "+/+", "no"),
            ("bridge", "subscribe", "+/status", "yes"),
            ("bridge", "subscribe", "a/status", "yes"),
        ],
    );
}

/// Attack A6: the server's own topics are its own, and no wildcard of a rule reaches them.
#[test]
fn no_wildcard_reaches_topics_of_the_server_and_nobody_publishes_below_sys() {
    let rules = rules(
        r##"
[[rule]]
deny = ["subscribe"]
topics = ["$SYS/broker/secret"]
[[rule]]
who = ["root"]
allow = ["publish", "subscribe"]
topics = ["$SYS/#"]
[[rule]]
allow = ["publish", "subscribe"]
topics = ["#", "+/x", "{vehicle}/#"]
"##,
    );
    check(
        &rules,
        &[
            ("V1", "subscribe", "#", "yes"),
            ("V1", "subscribe", "$SYS/#", "no"),
            ("V1", "subscribe", "$SYS/x", "no"),
            ("V1", "publish", "$CONTROL/x", "no"),
            ("V1", "receive", "$SYS/x", "no"),
            ("root", "subscribe", "$SYS/#", "asked"),
            ("root", "receive", "$SYS/broker/secret", "no"),
            ("root", "receive", "$SYS/broker/load", "yes"),
            ("root", "publish", "$SYS/broker/load", "no"),
            ("root", "publish", "$SYS", "no"),
            ("root", "publish", "$SYSTEM", "no"),
            // A name is no way in either.
            ("x as $SYS", "subscribe", "$SYS/#", "no"),
            ("$SYS", "subscribe", "$SYS/#", "no"),
        ],
    );
}

/// `f09-identity-from-certificates`, attack A9: a name that is no whole level fills no placeholder.
#[test]
fn a_name_that_is_no_level_of_a_topic_fills_no_placeholder() {
    let rules = rules(FLEET);
    for name in ["", "+", "#", "V1/x", "V1/../V2", "V1\0evil"] {
        let who = Identity::verified("u".into(), Some(name.into()), name.into(), Proof::Password);
        assert_eq!(who.vehicle(), None, "{name:?}");
        for topic in [format!("vehicles/{name}/x"), format!("clients/{name}")] {
            assert!(!rules.may_publish(&who, &topic), "{topic:?}");
        }
        assert_eq!(rules.may_subscribe(&who, &format!("vehicles/{name}/#")), Grant::Refused);
    }
    check(
        &rules,
        &[
            ("u as My Truck 7", "publish", "vehicles/My Truck 7/x", "yes"),
            ("u as Grün", "publish", "vehicles/Grün/x", "yes"),
            ("V1", "publish", "vehicles/+/x", "no"),
        ],
    );
}

#[test]
fn without_a_file_a_vehicle_has_its_own_topics_and_the_anonymous_all_but_commands() {
    let stop = || vec!["vehicles/+/commands/stop".to_owned()];
    let all = "[[rule]]\nallow = [\"publish\"]\ntopics = [\"#\"]\n";
    let with_a_rule = self::rules(all).with_command_topics(stop());
    check(
        &with_a_rule,
        &[
            ("V1", "publish", "vehicles/V2/commands/stop", "no"),
            ("V1", "publish", "vehicles/V2/commands/go", "yes"),
        ],
    );
    let rules = Rules::new(None).with_command_topics(stop());
    check(
        &rules,
        &[
            ("V1", "publish", "vehicles/V1/x", "yes"),
            ("V1", "publish", "vehicles/V2/x", "no"),
            // AU-5: not even its own.
            ("V1", "publish", "vehicles/V1/commands/stop", "no"),
            ("V1", "subscribe", "vehicles/V1/#", "yes"),
            ("V1", "subscribe", "#", "no"),
            ("-", "publish", "any/thing", "yes"),
            ("-", "publish", "vehicles/V1/commands/stop", "no"),
            ("-", "publish", "vehicles/V1/commands/go", "yes"),
            ("-", "publish", "$SYS/x", "no"),
            ("-", "subscribe", "#", "yes"),
            ("-", "subscribe", "$SYS/#", "yes"),
            ("-", "subscribe", "vehicles/V1/commands/stop", "yes"),
        ],
    );
}

#[test]
fn the_rule_that_decides_is_named_by_its_line() {
    let rules = rules(FLEET);
    let explain = |who: &str, action, topic| rules.explain(&identity(who), action, topic);
    let rule = |line| Decided::Rule(line);
    assert_eq!(explain("ops-1", Action::Subscribe, "#"), (Grant::Whole, rule(2)));
    assert_eq!(explain("V1", Action::Publish, "vehicles/V1/secret"), (Grant::Refused, rule(7)));
    assert_eq!(explain("V1", Action::Subscribe, "vehicles/V1/#"), (Grant::Asked, rule(20)));
    assert_eq!(explain("V1", Action::Subscribe, "#"), (Grant::Refused, Decided::NoRule));
}

/// Whether a filter overlaps or is covered says what trying all topics of three short levels says.
#[test]
fn what_is_said_of_a_filter_holds_for_every_topic_that_it_matches() {
    let names = ["a", "b", "$c", "V1"];
    let mut topics: Vec<String> = names.map(str::to_owned).to_vec();
    for _ in 0..2 {
        let longer = topics.iter().flat_map(|topic| names.map(|name| format!("{topic}/{name}")));
        topics = longer.chain(topics.iter().cloned()).collect();
    }
    let levels = ["a", "$c", "V1", "+"];
    let mut filters: Vec<String> = levels.map(str::to_owned).to_vec();
    for _ in 0..2 {
        let longer =
            filters.iter().flat_map(|filter| levels.map(|name| format!("{filter}/{name}")));
        filters = longer.chain(filters.iter().cloned()).collect();
    }
    let open: Vec<String> = filters.iter().map(|filter| format!("{filter}/#")).collect();
    filters.extend(open);
    filters.push("#".to_owned());
    let who = identity("V1");
    let matching = |filter: &str| -> Vec<&str> {
        let only = rules(&format!("[[rule]]\nallow = [\"subscribe\"]\ntopics = ['{filter}']"));
        topics.iter().map(String::as_str).filter(|topic| only.may_receive(&who, topic)).collect()
    };
    for denied in ["a/+", "+/a", "{vehicle}/#", "$c/#", "+/+/b", "#", "a", "a/b/#"] {
        let text = format!(
            "[[rule]]\ndeny = [\"subscribe\"]\ntopics = ['{denied}']\n\
             [[rule]]\nallow = [\"subscribe\"]\ntopics = ['#', '$c/#']"
        );
        let rules = rules(&text);
        for filter in &filters {
            let allowed = matching(filter).iter().filter(|t| rules.may_receive(&who, t)).count();
            let all = matching(filter).len();
            match rules.may_subscribe(&who, filter) {
                Grant::Whole => assert_eq!(allowed, all, "{denied} {filter}"),
                // Within the few topics tried, a part may look like all.
                Grant::Asked => assert!(allowed < all || filter.len() > 3, "{denied} {filter}"),
                Grant::Refused => {
                    assert_eq!(allowed, 0, "{denied} {filter}");
                }
            }
        }
    }
}

#[track_caller]
fn check_wrong(text: &str, expect: &[&str]) {
    let problems = file::read("rules.toml", text).expect_err("wrong rules");
    let told: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), expect.len(), "{told:#?}");
    for (told, expect) in told.iter().zip(expect) {
        assert!(told.starts_with(expect), "{told} instead of {expect}");
    }
}

/// Attack A12: an empty file lets nobody in by mistake, and replaces nothing.
#[test]
fn what_is_wrong_in_a_file_is_told_with_its_line() {
    check_wrong("", &["rules.toml:1: no [[rule]] in it"]);
    check_wrong("# nothing yet\n", &["rules.toml:1: no [[rule]] in it"]);
    check_wrong("[[rule]\n", &["rules.toml:1: not valid TOML"]);
    check_wrong("rules = 1\n", &["rules.toml:1: unknown key `rules`"]);
    check_wrong("[rule]\nallow = [\"publish\"]", &["rules.toml:1: write each rule below"]);
    check_wrong(
        "[[rule]]\nwhom = [\"a\"]\nallow = [\"publsh\"]\ntopics = [\"a/{vin}\", \"a/#/b\", \"a+\"]",
        &[
            "rules.toml:2: unknown key `whom`",
            "rules.toml:4: topics: `{vin}` is no placeholder",
            "rules.toml:4: topics: `#` may only be the last",
            "rules.toml:4: topics: `a+`: a wildcard takes a whole level",
            "rules.toml:3: allow: `publsh` is neither",
        ],
    );
    check_wrong(
        "[[rule]]\nallow = [\"publish\"]\n\n[[rule]]\ntopics = [\"a\"]\nwho = [\"a*b\", \"\"]\n\
         [[rule]]\ntopics = []\nallow = [\"publish\"]\ndeny = [\"publish\"]",
        &[
            "rules.toml:1: a rule without topics",
            "rules.toml:6: who: `a*b`: a * may only",
            "rules.toml:6: who: an empty name",
            "rules.toml:4: a rule that neither",
            "rules.toml:8: `topics` is a list",
            "rules.toml:7: allow and deny in one rule",
        ],
    );
    check_wrong(
        "[[rule]]\nallow = \"publish\"\ntopics = [\"$share/g/a\", \"\", 7, \"pre{vehicle}\"]",
        &[
            "rules.toml:3: topics: a shared filter",
            "rules.toml:3: topics: an empty topic",
            "rules.toml:3: `topics` is a list of texts",
            "rules.toml:3: topics: `pre{vehicle}` is no placeholder",
            "rules.toml:2: `allow` is a list of texts",
        ],
    );
}
