//! Fills the catalog mapping by mapping; two mappings of one measurement must not contradict each
//! other.

use std::collections::BTreeMap;

use crate::{
    mapping::{compile::Compiled, convert, file::MappingText},
    model::{Catalog, FieldType, LineDialect, Measurement},
};

/// The catalog under construction.
#[derive(Debug)]
pub(crate) struct CatalogBuilder {
    dialect: LineDialect,
    catalog: Catalog,
    /// Measurement → where it was first mapped.
    places: BTreeMap<String, String>,
}

impl CatalogBuilder {
    /// A catalog with the measurement of connects and disconnects, if there is one.
    pub(crate) fn new(dialect: LineDialect, connectivity: Option<&str>) -> Self {
        let mut builder = Self { dialect, catalog: Catalog::default(), places: BTreeMap::new() };
        if let Some(name) = connectivity {
            builder.catalog.measurements.insert(name.to_owned(), Measurement::of_connectivity());
            let place = "mqtt.connectivity.measurement".to_owned();
            builder.places.insert(name.to_owned(), place);
        }
        builder
    }

    /// The catalog.
    pub(crate) fn into_catalog(self) -> Catalog {
        self.catalog
    }

    /// Adds a mapping; returns where it contradicts an earlier one.
    pub(crate) fn add(&mut self, text: &MappingText, compiled: &Compiled) -> Vec<(u32, String)> {
        let vehicle_tag = compiled.vehicle_tag.map(|tag| compiled.tags[tag].name.to_string());
        let Some(name) = &text.measurement else {
            let known = &mut self.catalog.line_vehicle_tags;
            known.extend(vehicle_tag.filter(|tag| !known.contains(tag)));
            return Vec::new();
        };
        let mine = Measurement {
            vehicle_tag,
            tags: compiled.tags.iter().map(|tag| tag.name.to_string()).collect(),
            fields: self.fields(compiled),
        };
        let Some(known) = self.catalog.measurements.get_mut(&name.value) else {
            self.catalog.measurements.insert(name.value.clone(), mine);
            let place = format!("{}:{}", text.file, name.line);
            self.places.insert(name.value.clone(), place);
            return Vec::new();
        };
        let first = self.places.get(&name.value).map_or("", String::as_str);
        let told = contradictions(&name.value, known, &mine, first);
        if told.is_empty() {
            merge(known, mine);
        }
        told.into_iter().map(|what| (name.line, what)).collect()
    }

    /// The fields whose names do not depend on payloads, with their types in the store.
    fn fields(&self, compiled: &Compiled) -> Vec<(String, FieldType)> {
        let mut fields = Vec::new();
        for field in &compiled.fields {
            // Other names depend on payloads.
            let field_type = convert::field_type(&field.form, field.conversion.as_deref());
            let Some(field_type) = field_type else { continue };
            let stored = match (field_type, self.dialect) {
                (FieldType::Unsigned, LineDialect::Signed) => FieldType::Integer,
                (field_type, _) => field_type,
            };
            fields.push((field.name.to_string(), stored));
        }
        fields.extend(compiled.constants.types.iter().cloned());
        fields
    }
}

/// The contradictions of two mappings of one measurement.
fn contradictions(
    measurement: &str,
    known: &Measurement,
    mine: &Measurement,
    first: &str,
) -> Vec<String> {
    let mut told = Vec::new();
    if known.vehicle_tag != mine.vehicle_tag {
        told.push(format!(
            "measurement `{measurement}`: its vehicle is the tag {} here but {} in {first}; name the \
             same in `tags` and `vehicle`",
            tag_told(mine.vehicle_tag.as_deref()),
            tag_told(known.vehicle_tag.as_deref()),
        ));
    }
    for (field, field_type) in &mine.fields {
        let other = known.fields.iter().find(|(name, _)| name == field);
        if let Some((_, other)) = other.filter(|(_, other)| other != field_type) {
            told.push(format!(
                "measurement `{measurement}`: field `{field}` is {} here but {} in {first}; rename \
                 one, or write another measurement",
                type_told(*field_type),
                type_told(*other),
            ));
        }
        if known.tags.contains(field) {
            told.push(both_told(measurement, field, "a field here but a tag", first));
        }
    }
    for tag in &mine.tags {
        if known.fields.iter().any(|(name, _)| name == tag) {
            told.push(both_told(measurement, tag, "a tag here but a field", first));
        }
    }
    told
}

fn both_told(measurement: &str, name: &str, what: &str, first: &str) -> String {
    format!(
        "measurement `{measurement}`: `{name}` is {what} in {first}; rename one with `fields.rename`"
    )
}

fn tag_told(tag: Option<&str>) -> String {
    tag.map_or_else(|| "none".to_owned(), |tag| format!("`{tag}`"))
}

fn type_told(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Float => "a float",
        FieldType::Integer => "an integer",
        FieldType::Unsigned => "an unsigned integer",
        FieldType::String => "a string",
        FieldType::Boolean => "a boolean",
    }
}

/// Adds the new fields and tags of a mapping without contradictions.
fn merge(known: &mut Measurement, mine: Measurement) {
    for tag in mine.tags {
        if !known.tags.contains(&tag) {
            known.tags.push(tag);
        }
    }
    for field in mine.fields {
        if !known.fields.contains(&field) {
            known.fields.push(field);
        }
    }
}
