//! The most likely meaning of the samples.

use std::collections::BTreeMap;

use super::learned::{Kind, Node};

/// Whether a name can be used in a mapping and in a line: no pattern, and no character that ends a
/// line.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.ends_with('\\')
        && !name.chars().any(|one| matches!(one, '*') || one.is_control())
}

/// The object of a payload, which may be an element of a list.
pub(super) fn object(root: &Node) -> &Node {
    match root.kind() {
        Kind::List => root.item.as_deref().unwrap_or(root),
        _ => root,
    }
}

/// The list of objects that is most likely the list of samples: the longest, at most a few levels
/// deep in objects.
///
/// A payload that is a list is that list.
pub(super) fn points(root: &Node) -> Option<(String, &Node)> {
    if root.kind() == Kind::List {
        return Some((String::new(), object(root)));
    }
    // If the message has a time, a list without its own times is more likely a detail of it.
    let is_timed = time(root, "").is_some();
    let is_likely = |item: &Node| !is_timed || time(item, "").is_some();
    let mut found: Option<(String, &Node, usize)> = None;
    let mut open = vec![(String::new(), root)];
    while let Some((path, node)) = open.pop() {
        for (name, member) in node.members.iter().filter(|(name, _)| is_plain(name)) {
            let path = joined(&path, name);
            let item = member
                .item
                .as_deref()
                .filter(|item| item.kind() == Kind::Object && is_likely(item));
            match (member.kind(), item) {
                (Kind::Object, _) if !is_map(member) => open.push((path, member)),
                (Kind::List, Some(item))
                    if found.as_ref().is_none_or(|(.., longest)| member.longest > *longest) =>
                {
                    found = Some((path, item, member.longest));
                }
                _ => {}
            }
        }
    }
    found.map(|(path, item, _)| (path, item))
}

/// Whether an object's names are data: there are very many, and all values have one scalar type.
pub(super) fn is_map(node: &Node) -> bool {
    const NAMES_OF_A_RECORD: usize = 64;
    let Some((_, first)) = node.members.first() else { return false };
    let kind = first.kind();
    let is_scalar = matches!(kind, Kind::Boolean | Kind::Integer | Kind::Number | Kind::Text);
    node.members.len() > NAMES_OF_A_RECORD
        && is_scalar
        && node.members.iter().all(|(_, member)| member.kind() == kind)
}

/// A path with one more name.
pub(super) fn joined(path: &str, name: &str) -> String {
    // A name with a dot is quoted.
    let name = match name.contains(['.', '"']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// A point's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) path: String,
    pub(super) unit: &'static str,
}

/// The member that is most likely the time of its object: it is always present and looks like a
/// time; one with a typical name is preferred.
pub(super) fn time(node: &Node, path: &str) -> Option<Time> {
    best_time(node, path, unit)
}

/// The same for times that need a time zone.
pub(super) fn local_time(node: &Node, path: &str) -> Option<Time> {
    best_time(node, path, |member| (member.locals == member.strings).then_some("iso8601"))
}

fn best_time(
    node: &Node,
    path: &str,
    unit: impl Fn(&Node) -> Option<&'static str>,
) -> Option<Time> {
    let mut best: Option<(u8, Time)> = None;
    for (name, member) in always_there(node) {
        let Some(unit) = unit(member) else { continue };
        let Some(rank) = rank(name) else { continue };
        if best.as_ref().is_none_or(|(known, _)| rank < *known) {
            best = Some((rank, Time { path: joined(path, name), unit }));
        }
    }
    best.map(|(_, time)| time)
}

/// The members that a mapping can use and that every object has.
fn always_there(node: &Node) -> impl Iterator<Item = &(String, Node)> {
    let is_there =
        |member: &Node| member.seen == node.objects && member.seen > 0 && member.nulls == 0;
    node.members.iter().filter(move |(name, member)| is_plain(name) && is_there(member))
}

/// The strings and integers of an element that may distinguish it from its neighbours, as paths.
pub(super) fn element_tags<'n>(item: &'n Node, path: &'n str) -> impl Iterator<Item = String> + 'n {
    let is_name = |node: &Node| match node.kind() {
        Kind::Text => node.times + node.locals == 0,
        Kind::Integer => integer_unit(node.least, node.most).is_none(),
        _ => false,
    };
    let all = always_there(item).filter(move |(_, member)| is_name(member));
    let (texts, integers): (Vec<_>, Vec<_>) = all.partition(|(_, it)| it.kind() == Kind::Text);
    texts.into_iter().chain(integers).map(move |(name, _)| joined(path, name))
}

/// Whether the members of an object are objects of one shape, so that their names may be data.
pub(super) fn are_alike(node: &Node) -> bool {
    const FEW: usize = 3;
    let shape = |node: &Node| {
        let members = node.members.iter().map(|(name, member)| (name.clone(), member.kind()));
        members.collect::<BTreeMap<_, _>>()
    };
    let Some((_, first)) = node.members.first() else { return false };
    let first = shape(first);
    node.members.len() >= FEW
        && !first.is_empty()
        && node.members.iter().all(|(_, member)| shape(member) == first)
}

/// How likely a name is the time of a measurement; a lower rank is more likely.
fn rank(name: &str) -> Option<u8> {
    let name = name.trim_matches(|one: char| !one.is_alphanumeric()).to_ascii_lowercase();
    let plain = ["ts", "time", "timestamp", "t", "sampled_at", "sampledat", "datetime", "epoch"];
    if plain.contains(&name.as_str()) {
        return Some(0);
    }
    let parts = ["timestamp", "time", "date", "utc", "_at", "_ts", "clock"];
    if parts.iter().any(|part| name.contains(part)) || name.ends_with("at") {
        // The time of sending is not the time of measuring.
        let later = ["sent", "send", "received", "upload", "creat", "server", "start", "end"];
        return Some(if later.iter().any(|part| name.contains(part)) { 2 } else { 1 });
    }
    None
}

/// The unit of a value, if it is a time between the years 2000 and 2100.
fn unit(node: &Node) -> Option<&'static str> {
    match node.kind() {
        Kind::Text if node.times == node.strings => Some("iso8601"),
        Kind::Text if node.quoted < node.strings => None,
        Kind::Integer | Kind::Number | Kind::Text => integer_unit(node.least, node.most),
        _ => None,
    }
}

/// The unit of integers between these bounds.
pub(super) fn integer_unit(least: i128, most: i128) -> Option<&'static str> {
    let units = [("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)];
    let found = units
        .into_iter()
        .find(|(_, scale)| least >= 946_684_800 * scale && most <= 4_102_444_800 * scale);
    found.map(|(unit, _)| unit)
}

/// The member at a path.
pub(super) fn at<'n>(root: &'n Node, path: &str) -> Option<&'n Node> {
    let mut node = root;
    let mut rest = path;
    loop {
        let is_its = |name: &str| {
            let after = rest.strip_prefix(joined("", name).as_str())?;
            (after.is_empty() || after.starts_with('.')).then_some(after)
        };
        let mut all = node.members.iter();
        let (after, member) = all.find_map(|(name, member)| Some((is_its(name)?, member)))?;
        node = member;
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None => return Some(node),
        }
    }
}

/// Names of the vehicle's identifier in payloads.
const IDENTITIES: [&str; 12] = [
    "vin",
    "vehicle_id",
    "vehicleid",
    "vehicle",
    "device_id",
    "deviceid",
    "device",
    "imei",
    "serial",
    "serial_number",
    "unit_id",
    "id",
];

/// The string or integer of the message that most likely names the vehicle.
pub(super) fn identity(root: &Node) -> Option<&str> {
    IDENTITIES.iter().find_map(|wanted| {
        let found = root.members.iter().find(|(name, member)| {
            name.eq_ignore_ascii_case(wanted)
                && member.seen == root.objects
                && matches!(member.kind(), Kind::Text | Kind::Integer)
        });
        found.map(|(name, _)| name.as_str())
    })
}

/// The topic pattern of a topic: the topic itself if it has a capture, else with one instead of the
/// level that names the vehicle.
pub(super) fn pattern(topic: &str, known: &[String]) -> (String, bool) {
    if topic.contains('{') {
        return (topic.to_owned(), true);
    }
    let levels: Vec<&str> = topic.split('/').collect();
    let is_name = |level: &str| level.len() >= 3 && level.bytes().any(|b| b.is_ascii_digit());
    let at = levels
        .iter()
        .position(|level| known.iter().any(|name| name == level))
        .or_else(|| levels.iter().position(|level| *level == "+"))
        .or_else(|| levels.iter().position(|level| is_name(level)));
    let Some(at) = at else { return (topic.to_owned(), false) };
    let mut made = levels;
    made[at] = "{vin}";
    (made.join("/"), true)
}
