//! Names of mappings that the configured store cannot hold are refused at load, because the store
//! would refuse every point later.
//!
//! Names that come from payloads (a map's keys after `name_`, line protocol) are not checked here:
//! the store refuses the point.

use std::collections::BTreeMap;

use crate::{
    mapping::{
        FieldForm,
        compile::Compiled,
        file::{MappingText, Placed},
    },
    model::{Named, StoreNames},
};

/// The names of all mappings so far, in the form that the store compares.
#[derive(Debug)]
pub(crate) struct TakenNames {
    store: StoreNames,
    /// By the name as the store takes it: as it is written.
    measurements: BTreeMap<String, String>,
    /// The tags and fields of each.
    columns: BTreeMap<(String, String), (String, Named)>,
}

impl TakenNames {
    pub(crate) fn new(store: StoreNames) -> Self {
        Self { store, measurements: BTreeMap::new(), columns: BTreeMap::new() }
    }

    /// Adds the names of a mapping; returns those that the store cannot hold, by lines of its file.
    pub(crate) fn add(&mut self, text: &MappingText, compiled: &Compiled) -> Vec<(u32, String)> {
        let Some(measurement) = &text.measurement else { return Vec::new() };
        let mut told = Vec::new();
        let name = measurement.value.as_str();
        if let Some(why) = self.store.refuses_measurement(name) {
            let what = format!("`measurement` cannot be `{name}`: {why}; write another name");
            told.push((measurement.line, what));
        }
        let key = self.store.measurement_key(name).into_owned();
        let known = self.measurements.entry(key.clone()).or_insert_with(|| name.to_owned());
        if known != name {
            let alike = self.store.alike();
            let what = format!("`measurement`: `{name}` and `{known}` are one, because {alike}");
            told.push((measurement.line, format!("{what}; write another name")));
        }
        let tags = compiled.tags.iter().map(|tag| (&*tag.name, Named::Tag));
        let fields = compiled.fields.iter().filter(|field| {
            !matches!(field.form, FieldForm::SpreadList(_) | FieldForm::SpreadMap(..))
        });
        let fields = fields.map(|field| (&*field.name, Named::Field));
        let constants = compiled.constants.types.iter().map(|(name, _)| (&**name, Named::Field));
        for (name, named) in tags.chain(fields).chain(constants) {
            let what = self.column(&key, name, named);
            told.extend(what.map(|what| (line_of(text, named, name), what)));
        }
        told
    }

    /// Adds one tag or field of a measurement.
    fn column(&mut self, measurement: &str, name: &str, named: Named) -> Option<String> {
        let who = told(named, name);
        if let Some(why) = self.store.refuses(named, name) {
            return Some(format!("{who} has a name {why}; {}", remedy(named)));
        }
        let key = (measurement.to_owned(), self.store.column_key(name).into_owned());
        let (known, known_as) = self.columns.entry(key).or_insert_with(|| (name.to_owned(), named));
        (known != name).then(|| {
            let (other, alike) = (told(*known_as, known), self.store.alike());
            format!("{who} and {other} are one, because {alike}; {}", remedy(named))
        })
    }
}

/// The line that gives a tag or a field its name; the mapping's, if that is the schema.
fn line_of(text: &MappingText, named: Named, name: &str) -> u32 {
    let renamed = text.fields.rename.iter().find(|rename| rename.name == name);
    let renamed = renamed.map(|rename| rename.path.line);
    let constant = &text.constant;
    let own = match named {
        Named::Tag => {
            let tag = |tag: &&Placed<String>| tag.value.trim_matches(['{', '}', '"']) == name;
            let key = text.point_key.as_ref().map(|key| &key.name);
            let constants = constant.tags.iter().map(|(name, _)| name);
            text.tags.iter().chain(key).chain(constants).find(tag).map(|tag| tag.line)
        }
        Named::Field => {
            let mut constants = constant.fields.iter().map(|(name, _)| name);
            constants.find(|field| field.value == name).map(|field| field.line)
        }
    };
    renamed.or(own).unwrap_or(text.line)
}

/// A tag or a field, for the operator.
fn told(named: Named, name: &str) -> String {
    match named {
        Named::Tag => format!("the tag `{name}`"),
        Named::Field => format!("the field `{name}`"),
    }
}

/// What to do about a name.
fn remedy(named: Named) -> &'static str {
    match named {
        Named::Tag => "rename it with `fields.rename`, or the capture in `topic`",
        Named::Field => "rename it with `fields.rename`",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        mapping::{Options, Plans},
        model::LineDialect,
        schema::Sources,
    };

    /// `s4-embedded-names`, `j3-reserved-name`: what the configured store cannot have is refused at
    /// load, the same names against every kind of store.
    #[test]
    fn what_the_configured_store_cannot_have_is_refused() {
        let schema = "{\"properties\":{\"v\":{\"type\":\"number\"},NAMES}}";
        let mapping = |measurement: &str, rest: &str| {
            format!(
                "[[mapping]]\nname = \"{measurement}\"\ntopic = \"{measurement}/{{vin}}\"\n\
             format = \"json\"\nschema = \"m.schema.json\"\nmeasurement = \"{measurement}\"\n\
             vehicle = \"{{vin}}\"\ntags = [\"vin\"]\n{rest}\n"
            )
        };
        let told = |names: &[&str], mappings: &str, store: StoreNames| {
            let names: Vec<String> =
                names.iter().map(|name| format!("\"{name}\":{{\"type\":\"number\"}}")).collect();
            let sources = Sources::from_texts([
                ("m.schema.json".to_owned(), schema.replace("NAMES", &names.join(","))),
                ("m.toml".to_owned(), mappings.to_owned()),
            ]);
            let mut options = Options::new(PathBuf::new(), LineDialect::Signed);
            options.store_names = store;
            match Plans::from_sources(&sources, &options) {
                Ok(_) => Vec::new(),
                Err(errors) => errors.problems.iter().map(ToString::to_string).collect(),
            }
        };
        let all = [StoreNames::Any, StoreNames::Influx, StoreNames::TdEngine, StoreNames::Embedded];
        // How many of the stores refuse it; each refusal says what to do.
        let check = |names: &[&str], mappings: &str, refused_by: &[StoreNames]| {
            for store in all {
                let told = told(names, mappings, store);
                assert_eq!(
                    !told.is_empty(),
                    refused_by.contains(&store),
                    "{store:?} {names:?}: {told:?}"
                );
                assert!(told.iter().all(|what| what.contains("name")), "{told:?}");
            }
        };
        let m = mapping("m", "");
        check(&["rowid", "soc"], &m, &[]);
        check(&["Time"], &m, &[StoreNames::Embedded]);
        check(&["_id"], &m, &[StoreNames::Embedded]);
        check(&["_series"], &m, &[StoreNames::Embedded]);
        check(&["speed", "Speed"], &m, &[StoreNames::Embedded]);
        check(&["Vin"], &m, &[StoreNames::Embedded]);
        check(&["_ts"], &m, &[StoreNames::TdEngine]);
        check(&["x"], &mapping("sqlite_m", ""), &[StoreNames::Embedded]);
        check(
            &["x"],
            &format!("{}{}", mapping("a.b", ""), mapping("A.B", "")),
            &[StoreNames::Embedded],
        );
        check(
            &["x"],
            &format!("{}{}", mapping("a.b", ""), mapping("a_b", "")),
            &[StoreNames::TdEngine],
        );
        let renamed = mapping("m", "fields = { rename = { Speed = \"speed_2\" } }");
        check(&["speed", "Speed"], &renamed, &[]);
        let lines = told(&["Time", "speed", "Speed"], &m, StoreNames::Embedded);
        assert_eq!(
            lines,
            [
                "m.toml:1: the field `Speed` and the field `speed` are one, because the embedded store takes \
             names without regard to case; rename it with `fields.rename`",
                "m.toml:1: the field `Time` has a name which the embedded store, as it takes names without \
             case, keeps for the timestamp; rename it with `fields.rename`",
            ]
        );
    }
    #[test]
    fn a_refused_name_is_told_at_the_line_that_gives_it() {
        let mapping = "[[mapping]]\nname = \"m\"\ntopic = \"{Time}/{vin}\"\nformat = \"json\"\n\
                       schema = \"m.schema.json\"\nmeasurement = \"m\"\nvehicle = \"{vin}\"\n\
                       tags = [\"vin\",\n\"Time\"]\n[mapping.fields.rename]\nx = \"_id\"\n\
                       [mapping.constant]\nfields = { VIN = 2 }";
        let schema = "{\"properties\":{\"x\":{\"type\":\"number\"}}}";
        let texts = [("m.schema.json", schema), ("m.toml", mapping)];
        let texts = texts.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let mut options = Options::new(PathBuf::new(), LineDialect::Signed);
        options.store_names = StoreNames::Embedded;
        let errors = Plans::from_sources(&Sources::from_texts(texts), &options).unwrap_err();
        let lines: Vec<_> = errors.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [Some(9), Some(11), Some(13)], "{errors}");
    }
}
