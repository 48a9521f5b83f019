//! What can be queried: measurements, or the fields and tags of one.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{Sink, show::Show};
use crate::{
    cli::{
        appliance::{Answer, Appliance},
        failure::Failure,
    },
    model::{Column, Value, ValueType},
};

/// One entry of any of the lists.
#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    vehicle: bool,
    mapped: bool,
    first_seen: Option<String>,
    last_seen: Option<String>,
}

/// Lists the measurements.
pub(super) fn measurements(appliance: &Appliance, show: &mut Show<'_>) -> Result<(), Failure> {
    show.columns(&columns(&["measurement", "mapped", "first_seen", "last_seen"]))?;
    for entry in read(appliance, &["measurements"])? {
        let Entry { name, mapped, first_seen, last_seen, .. } = entry;
        let texts = [Some(name), Some(yes(mapped)), first_seen, last_seen];
        show.row(texts.into_iter().map(value).collect())?;
    }
    Ok(())
}

/// Lists the fields and tags of one.
pub(super) fn one(
    appliance: &Appliance,
    measurement: &str,
    show: &mut Show<'_>,
) -> Result<(), Failure> {
    let fields = read(appliance, &["measurements", measurement, "fields"])?;
    let tags = read(appliance, &["measurements", measurement, "tags"])?;
    show.columns(&columns(&["name", "is", "type", "mapped", "first_seen", "last_seen"]))?;
    for (entry, is_tag) in
        tags.into_iter().map(|tag| (tag, true)).chain(fields.into_iter().map(|it| (it, false)))
    {
        let Entry { name, kind, vehicle, mapped, first_seen, last_seen } = entry;
        let is = match (is_tag, vehicle) {
            (true, true) => "vehicle",
            (true, false) => "tag",
            (false, _) => "field",
        };
        let kind = kind.unwrap_or_else(|| "string".to_owned());
        let texts =
            [Some(name), Some(is.to_owned()), Some(kind), Some(yes(mapped)), first_seen, last_seen];
        show.row(texts.into_iter().map(value).collect())?;
    }
    Ok(())
}

fn columns(names: &[&str]) -> Vec<Column> {
    let column = |name: &&str| Column { name: (*name).to_owned(), kind: ValueType::String };
    names.iter().map(column).collect()
}

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

fn value(text: Option<String>) -> Value {
    text.map_or(Value::Null, Value::String)
}

fn read(appliance: &Appliance, path: &[&str]) -> Result<Vec<Entry>, Failure> {
    let whole = [&["api", "v1"], path].concat();
    let answer = appliance.get(&whole, &[]).and_then(Answer::wanted).map_err(Failure::failed)?;
    let foreign = answer.foreign();
    // The only member is the list.
    let list = serde_json::from_reader::<_, Json>(answer).ok().and_then(|mut body| {
        let members = body.as_object_mut()?;
        let list = members.values_mut().find(|value| value.is_array())?.take();
        serde_json::from_value(list).ok()
    });
    list.ok_or_else(|| Failure::failed(foreign))
}
