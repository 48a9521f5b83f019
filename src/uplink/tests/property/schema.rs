//! A random schema and a mapping of it.

use std::fmt::Write as _;

use super::{
    dice::Dice,
    forms::{DECLARED, Forms},
};

/// What was generated.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) proto: String,
    /// The mapping behind its fixed part.
    pub(super) rest: String,
    /// A field of the root that the mapping excludes.
    pub(super) excluded: Option<String>,
    pub(super) is_json: bool,
    pub(super) is_bytes_skipped: bool,
    pub(super) forms: Forms,
}

/// A schema whose root has a string `id` (a tag) and, sometimes, repeated `p` (the points).
pub(super) fn generate(dice: &mut Dice) -> Schema {
    let is_proto2 = dice.chance(25);
    let mut writer = Writer { dice, text: String::new(), names: 0, is_proto2 };
    writer.head();
    writer.text.push_str("message M {\n");
    let optional = writer.optional();
    writeln!(writer.text, "{optional}string id = 4000;").expect("text");
    writer.text.push_str(DECLARED);
    let roots = writer.fields(0);
    let has_points = writer.dice.chance(40);
    if has_points {
        if writer.is_proto2 && writer.dice.chance(50) {
            // A group declares its message, and its field is the name in lower case.
            writer.text.push_str("repeated group P = 5000 {\n");
        } else {
            writer.text.push_str("repeated P p = 5000;\nmessage P {\n");
        }
        writer.fields(1);
        writer.text.push_str("}\n");
    }
    writer.text.push_str("}\n");
    let proto = writer.text;
    let is_json = dice.chance(40);
    let is_bytes_skipped = dice.chance(20);
    // The last one is a plain scalar that stays.
    let others = &roots[..roots.len() - 1];
    let is_excluding = !others.is_empty() && dice.chance(40);
    let excluded = is_excluding.then(|| dice.pick(others).clone());
    let mut rest = "tags = [\"vin\", \"id\"]\n".to_owned();
    if has_points {
        rest.push_str("points = \"p\"\n");
    }
    if is_json {
        rest.push_str("repeated = \"json\"\n");
    }
    if is_bytes_skipped {
        rest.push_str("bytes = \"skip\"\n");
    }
    if let Some(name) = &excluded {
        writeln!(rest, "fields = {{ exclude = [\"{name}\"] }}").expect("text");
    }
    let forms = Forms::generate(dice, is_json);
    let (keys, tables) = forms.toml();
    rest.push_str(&keys);
    rest.push_str(&tables);
    Schema { proto, rest, excluded, is_json, is_bytes_skipped, forms }
}

const SCALARS: [&str; 16] = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32",
    "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes", "E",
];

const KEYS: [&str; 6] = ["string", "string", "int32", "uint64", "sint64", "bool"];

const WELL_KNOWN: [&str; 11] = [
    "Timestamp",
    "Duration",
    "DoubleValue",
    "FloatValue",
    "Int64Value",
    "UInt64Value",
    "Int32Value",
    "UInt32Value",
    "BoolValue",
    "StringValue",
    "BytesValue",
];

/// A default that is not the type's own, as proto2 declares it. It is never written: where a field
/// can be absent, absence writes nothing.
fn default_of(scalar: &str) -> &'static str {
    match scalar {
        "double" | "float" => "1.5",
        "bool" => "true",
        "string" | "bytes" => "\"d\"",
        "E" => "E_BIG",
        _ => "7",
    }
}

struct Writer<'d> {
    dice: &'d mut Dice,
    text: String,
    names: usize,
    is_proto2: bool,
}

impl Writer<'_> {
    fn head(&mut self) {
        let syntax = if self.is_proto2 { "proto2" } else { "proto3" };
        writeln!(self.text, "syntax = \"{syntax}\";\npackage t;").expect("text");
        for file in ["timestamp", "duration", "wrappers"] {
            writeln!(self.text, "import \"google/protobuf/{file}.proto\";").expect("text");
        }
        // The first symbol is the default; in proto2 its number may be any.
        let first = if self.is_proto2 { "E_5 = 5; E_0 = 0;" } else { "E_0 = 0; E_5 = 5;" };
        writeln!(self.text, "enum E {{ {first} E_1 = 1; E_N = -1; E_BIG = 100000; }}")
            .expect("text");
    }

    /// What a singular field of this syntax begins with.
    fn optional(&self) -> &'static str {
        if self.is_proto2 { "optional " } else { "" }
    }

    /// The fields of one message; answers their names, members of oneofs left out.
    fn fields(&mut self, depth: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut number = 0;
        for _ in 0..=self.dice.below(7) {
            number += 1 + if self.dice.chance(10) { self.dice.below(300) } else { 0 };
            let name = self.name();
            self.field(&name, &mut number, depth);
            if !name.is_empty() && !self.text.ends_with("}//oneof\n") {
                names.push(name);
            }
        }
        // One plain scalar, so that something is left whatever the mapping excludes.
        number += 1;
        let (name, optional) = (self.name(), self.optional());
        writeln!(self.text, "{optional}int32 {name} = {number};").expect("text");
        names.push(name);
        names
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("f{}", self.names)
    }

    /// One field, or one oneof with some.
    fn field(&mut self, name: &str, number: &mut usize, depth: usize) {
        let scalar = *self.dice.pick(&SCALARS);
        let optional = self.optional();
        match self.dice.below(10) {
            0 if depth < 3 => {
                if self.is_proto2 && self.dice.chance(50) {
                    // The group's field is its name in lower case.
                    let group = name.to_uppercase();
                    writeln!(self.text, "optional group {group} = {number} {{").expect("text");
                    self.fields(depth + 1);
                    self.text.push_str("}\n");
                } else {
                    writeln!(self.text, "message M{name} {{").expect("text");
                    self.fields(depth + 1);
                    writeln!(self.text, "}}\n{optional}M{name} {name} = {number};").expect("text");
                }
            }
            1 | 2 => {
                let packed = match self.dice.below(3) {
                    _ if matches!(scalar, "string" | "bytes") => "",
                    0 => " [packed = true]",
                    1 => " [packed = false]",
                    _ => "",
                };
                writeln!(self.text, "repeated {scalar} {name} = {number}{packed};").expect("text");
            }
            3 => {
                let key = self.dice.pick(&KEYS);
                writeln!(self.text, "map<{key}, {scalar}> {name} = {number};").expect("text");
            }
            4 | 5 => {
                let message = self.dice.pick(&WELL_KNOWN);
                writeln!(self.text, "{optional}google.protobuf.{message} {name} = {number};")
                    .expect("text");
            }
            6 => self.oneof(name, number, depth),
            7 if self.is_proto2 => {
                let label = *self.dice.pick(&["optional", "required"]);
                let default = default_of(scalar);
                writeln!(self.text, "{label} {scalar} {name} = {number} [default = {default}];")
                    .expect("text");
            }
            7 => writeln!(self.text, "optional {scalar} {name} = {number};").expect("text"),
            _ => writeln!(self.text, "{optional}{scalar} {name} = {number};").expect("text"),
        }
    }

    /// Two or three members, one of them perhaps a message.
    fn oneof(&mut self, name: &str, number: &mut usize, depth: usize) {
        let nested = depth < 3 && self.dice.chance(50);
        if nested {
            writeln!(self.text, "message M{name} {{").expect("text");
            self.fields(depth + 1);
            self.text.push_str("}\n");
        }
        writeln!(self.text, "oneof o{name} {{").expect("text");
        for index in 0..2 + usize::from(nested) {
            let member = self.name();
            let scalar = if index == 2 {
                format!("M{name}")
            } else {
                (*self.dice.pick(&SCALARS)).to_owned()
            };
            writeln!(self.text, "{scalar} {member} = {number};").expect("text");
            *number += 1;
        }
        self.text.push_str("}//oneof\n");
    }
}
