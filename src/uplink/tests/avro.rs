//! Avro payloads: the plan against apache-avro, value for value, and malformed bytes.

use apache_avro::{
    Days, Decimal, Duration, Millis, Months, Schema, reader::datum::GenericDatumReader,
    types::Value, writer::datum::GenericDatumWriter,
};
use proptest::prelude::*;
use serde_json::json;

use super::{
    readback::{Dice, Point, Told, points},
    set::{Set, mapping},
};
use crate::{
    model::{Cause, LineDialect, line},
    uplink::Limits,
};

/// The kinds of scalars. The first seven may be members of one union.
const LEAVES: [&str; 17] = [
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "string",
    "bytes",
    "fixed",
    "enum",
    "timestamp-millis",
    "local-timestamp-micros",
    "date",
    "time-millis",
    "time-micros",
    "decimal",
    "uuid",
    "duration",
];

/// A type, as the test knows it.
#[derive(Clone, Debug)]
enum Ty {
    Leaf(usize),
    Nullable(Box<Ty>),
    /// A union of null and several of the first seven leaves.
    Either(Vec<usize>),
    List(usize),
    Map(usize),
    Record(Vec<Ty>),
}

fn ty() -> impl Strategy<Value = Ty> {
    let leaf = 0..LEAVES.len();
    let flat = prop_oneof![
        4 => leaf.clone().prop_map(Ty::Leaf),
        2 => leaf.clone().prop_map(|leaf| Ty::Nullable(Box::new(Ty::Leaf(leaf)))),
        1 => prop::sample::subsequence((0..7_usize).collect::<Vec<_>>(), 2..4).prop_map(Ty::Either),
        1 => leaf.clone().prop_map(Ty::List),
        1 => leaf.prop_map(Ty::Map),
    ];
    flat.prop_recursive(3, 16, 4, |inner| {
        prop::collection::vec(inner, 1..5).prop_flat_map(|fields| {
            prop::sample::select(vec![
                Ty::Record(fields.clone()),
                Ty::Nullable(Box::new(Ty::Record(fields))),
            ])
        })
    })
}

/// The schema of a type; `name` is unique.
fn schema_of(ty: &Ty, name: &str) -> serde_json::Value {
    match ty {
        Ty::Leaf(leaf) => leaf_schema(*leaf, name),
        Ty::Nullable(inner) => json!(["null", schema_of(inner, name)]),
        Ty::Either(leaves) => {
            let mut branches = vec![json!("null")];
            branches.extend(leaves.iter().map(|leaf| leaf_schema(*leaf, name)));
            branches.rotate_left(1);
            json!(branches)
        }
        Ty::List(leaf) => json!({"type": "array", "items": leaf_schema(*leaf, name)}),
        Ty::Map(leaf) => json!({"type": "map", "values": leaf_schema(*leaf, name)}),
        Ty::Record(fields) => {
            let fields = fields.iter().enumerate().map(|(index, field)| {
                json!({"name": field_name(name, index), "type": schema_of(field, &format!("{name}{index}_"))})
            });
            json!({"type": "record", "name": format!("R{name}"), "fields": fields.collect::<Vec<_>>()})
        }
    }
}

/// Names differ by depth, so that joined ones never collide.
fn field_name(name: &str, index: usize) -> String {
    let depth = u8::try_from(name.matches('_').count()).expect("types are shallow");
    format!("{}{index}", char::from(b'a' + depth))
}

fn leaf_schema(leaf: usize, name: &str) -> serde_json::Value {
    let logical = |inner: &str| json!({"type": inner, "logicalType": LEAVES[leaf]});
    match LEAVES[leaf] {
        "fixed" => json!({"type": "fixed", "name": format!("F{name}"), "size": 3}),
        "enum" => json!({"type": "enum", "name": format!("E{name}"), "symbols": ["X", "Y", "Z"]}),
        "timestamp-millis" | "local-timestamp-micros" | "time-micros" => logical("long"),
        "date" | "time-millis" => logical("int"),
        "decimal" => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 3})
        }
        "uuid" => {
            json!({"type": "fixed", "name": format!("U{name}"), "size": 16, "logicalType": "uuid"})
        }
        "duration" => {
            json!({"type": "fixed", "name": format!("D{name}"), "size": 12, "logicalType": "duration"})
        }
        plain => json!(plain),
    }
}

fn value_of(ty: &Ty, name: &str, dice: &mut Dice) -> Value {
    match ty {
        Ty::Leaf(leaf) => leaf_value(*leaf, dice),
        Ty::Nullable(inner) => match dice.below(3) {
            0 => Value::Union(0, Box::new(Value::Null)),
            _ => Value::Union(1, Box::new(value_of(inner, name, dice))),
        },
        Ty::Either(leaves) => match dice.below(leaves.len() + 1) {
            branch if branch == leaves.len() => {
                Value::Union(u32::try_from(branch).unwrap(), Box::new(Value::Null))
            }
            branch => Value::Union(
                u32::try_from(branch).unwrap(),
                Box::new(leaf_value(leaves[branch], dice)),
            ),
        },
        Ty::List(leaf) => {
            Value::Array((0..dice.below(4)).map(|_| leaf_value(*leaf, dice)).collect())
        }
        Ty::Map(leaf) => {
            Value::Map((0..dice.below(4)).map(|_| (dice.key(), leaf_value(*leaf, dice))).collect())
        }
        Ty::Record(fields) => {
            let fields = fields.iter().enumerate().map(|(index, field)| {
                (field_name(name, index), value_of(field, &format!("{name}{index}_"), dice))
            });
            Value::Record(fields.collect())
        }
    }
}

fn leaf_value(leaf: usize, dice: &mut Dice) -> Value {
    match LEAVES[leaf] {
        "boolean" => Value::Boolean(dice.below(2) == 1),
        "int" => Value::Int(dice.int()),
        "long" => Value::Long(dice.integer()),
        #[expect(clippy::cast_possible_truncation, reason = "any float will do")]
        "float" => Value::Float(dice.double() as f32),
        "double" => Value::Double(dice.double()),
        "string" => Value::String(dice.text()),
        "bytes" => Value::Bytes(dice.text().into_bytes()),
        "fixed" => Value::Fixed(3, dice.bits().to_le_bytes()[..3].to_vec()),
        "enum" => {
            let symbol = dice.below(3);
            Value::Enum(u32::try_from(symbol).unwrap(), ["X", "Y", "Z"][symbol].to_owned())
        }
        "timestamp-millis" => Value::TimestampMillis(dice.integer() >> 21),
        "local-timestamp-micros" => Value::LocalTimestampMicros(dice.integer() >> 11),
        "date" => Value::Date(dice.int() >> 12),
        "time-millis" => Value::TimeMillis(i32::try_from(dice.below(86_400_000)).unwrap()),
        "time-micros" => Value::TimeMicros(i64::try_from(dice.below(86_400_000_000)).unwrap()),
        "decimal" => {
            let unscaled = i128::from(dice.integer()) * i128::from(dice.int() >> 1);
            Value::Decimal(Decimal::from(unscaled.to_be_bytes()))
        }
        "uuid" => {
            let text = format!("{:032x}", u128::from(dice.bits()) << 64 | u128::from(dice.bits()));
            Value::Uuid(text.parse().unwrap())
        }
        _ => Value::Duration(Duration::new(
            Months::new(u32::try_from(dice.below(100)).unwrap()),
            Days::new(u32::try_from(dice.below(100)).unwrap()),
            Millis::new(u32::try_from(dice.below(100_000)).unwrap()),
        )),
    }
}

/// What the reference says a point must hold.
fn expect(ty: &Ty, name: &str, key: &str, value: &Value, into: &mut Point) {
    let join = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}_{part}") };
    match (ty, value) {
        (_, Value::Union(_, inner)) if **inner == Value::Null => {}
        (Ty::Nullable(ty), Value::Union(_, inner)) => expect(ty, name, key, inner, into),
        (Ty::Either(leaves), Value::Union(branch, inner)) => {
            let word = LEAVES[leaves[*branch as usize]];
            into.extend(told(inner).map(|told| (join(word), told)));
        }
        (Ty::List(_), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                into.extend(told(item).map(|told| (join(&index.to_string()), told)));
            }
        }
        (Ty::Map(_), Value::Map(items)) => {
            for (item_key, item) in items {
                into.extend(told(item).map(|told| (join(item_key), told)));
            }
        }
        (Ty::Record(types), Value::Record(fields)) => {
            for (index, (field, value)) in fields.iter().enumerate() {
                expect(&types[index], &format!("{name}{index}_"), &join(field), value, into);
            }
        }
        (_, scalar) => into.extend(told(scalar).map(|told| (key.to_owned(), told))),
    }
}

fn told(value: &Value) -> Option<Told> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    Some(match value {
        Value::Boolean(value) => Told::Boolean(*value),
        Value::Int(value) => Told::Integer(i64::from(*value)),
        Value::Long(value) => Told::Integer(*value),
        Value::Float(value) => return Told::float32(*value),
        Value::Double(value) => return Told::float(*value),
        Value::String(value) => Told::Text(value.clone()),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => Told::Text(STANDARD.encode(bytes)),
        Value::Enum(_, symbol) => Told::Text(symbol.clone()),
        Value::TimestampMillis(value) => Told::Integer(value * 1_000_000),
        Value::LocalTimestampMicros(value) => Told::Integer(value * 1_000),
        Value::Date(days) => {
            let day = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC).date();
            Told::Text((day + jiff::Span::new().days(*days)).to_string())
        }
        Value::TimeMillis(millis) => Told::Text(time(i64::from(*millis), 1_000, 3)),
        Value::TimeMicros(micros) => Told::Text(time(*micros, 1_000_000, 6)),
        Value::Decimal(decimal) => {
            let bytes = <Vec<u8>>::try_from(decimal).unwrap();
            let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
            let mut wide = [sign; 16];
            wide[16 - bytes.len()..].copy_from_slice(&bytes);
            let unscaled = i128::from_be_bytes(wide);
            let sign = if unscaled < 0 { "-" } else { "" };
            let unscaled = unscaled.unsigned_abs();
            let text = format!("{sign}{}.{:03}", unscaled / 1000, unscaled % 1000);
            return Told::float(text.parse().unwrap());
        }
        Value::Uuid(uuid) => Told::Text(uuid.to_string()),
        Value::Duration(value) => {
            let [months, days, millis] =
                [u32::from(value.months()), u32::from(value.days()), u32::from(value.millis())];
            Told::Text(format!("P{months}M{days}DT{}.{:03}S", millis / 1000, millis % 1000))
        }
        other => panic!("{other:?}"),
    })
}

fn time(ticks: i64, unit: i64, decimals: usize) -> String {
    let midnight = jiff::civil::Time::midnight();
    let at = midnight + jiff::Span::new().nanoseconds(ticks * (1_000_000_000 / unit));
    at.strftime(&format!("%H:%M:%S.%{decimals}f")).to_string()
}

fn avro_mapping(rest: &str) -> String {
    let rest = format!("schema = \"m.avsc\"\nmessage = \"M\"\nmeasurement = \"m\"\n{rest}");
    mapping("avro", &rest)
}

/// A set with record `M` of these fields (a JSON array).
fn set(fields: &str, rest: &str) -> Set {
    set_with(fields, rest, Limits::default())
}

fn set_with(fields: &str, rest: &str, limits: Limits) -> Set {
    let schema = format!("{{\"type\":\"record\",\"name\":\"M\",\"fields\":{fields}}}");
    Set::with(&[("m.avsc", &schema), ("m.toml", &avro_mapping(rest))], LineDialect::Signed, limits)
}

/// A set for a generated record, its parsed schema, and one encoded value of it.
fn generated(fields: &[Ty], seed: u64) -> (Set, Schema, Vec<u8>) {
    let ty = Ty::Record(fields.to_vec());
    let mut schema = schema_of(&ty, "");
    schema["name"] = json!("M");
    let set = Set::new(&[("m.avsc", &schema.to_string()), ("m.toml", &avro_mapping(""))]);
    let parsed = Schema::parse(&schema).unwrap();
    let value = value_of(&ty, "", &mut Dice(seed));
    let bytes = GenericDatumWriter::builder(&parsed).build().unwrap().write_value_to_vec(value);
    (set, parsed, bytes.unwrap())
}

/// How many cases; failures become named tests, not files.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(200))]

    /// Random schemas and values: apache-avro writes the bytes and reads them into a tree; the plan
    /// turns them into a line, which an independent parser reads. Both must be equal.
    #[test]
    fn the_plan_gives_what_the_reference_gives(
        fields in prop::collection::vec(ty(), 1..6), seed in any::<u64>(),
    ) {
        apache_avro::util::max_allocation_bytes(1 << 20);
        let (mut set, schema, bytes) = generated(&fields, seed);
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        let value = reader.read_value(&mut bytes.as_slice()).unwrap();
        let mut expected = Point::new();
        expect(&Ty::Record(fields), "", "", &value, &mut expected);
        let lines = set.outcome(&bytes);
        let found = points(&lines.clone().unwrap_or_else(|cause| panic!("{cause}: {value:?}")));
        let expected = if expected.is_empty() { vec![] } else { vec![expected] };
        prop_assert_eq!(found, expected, "{:?}", lines);
    }

    /// Truncated, changed and extended payloads never panic, and those that decode still give valid
    /// lines.
    #[test]
    fn damaged_payloads_fail_with_a_cause_and_never_panic(
        fields in prop::collection::vec(ty(), 1..6), seed in any::<u64>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(), cuts in any::<bool>(),
    ) {
        let (mut set, _, mut bytes) = generated(&fields, seed);
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        match set.outcome(&bytes) {
            Ok(lines) => prop_assert!(line::lines(lines.as_bytes()).count() <= 1),
            Err(cause) => prop_assert_ne!(cause, Cause::Panic),
        }
    }
}

#[track_caller]
fn check(fields: &str, payload: &[u8], expect: &str) {
    assert_eq!(set(fields, "").lines(payload), expect);
}

#[track_caller]
fn check_refused(fields: &str, payload: &[u8], cause: Cause, detail: &str) {
    assert_eq!(set(fields, "").failure(payload), (cause, detail.to_owned()));
}

#[test]
fn arrays_and_maps_come_in_blocks_of_any_kind() {
    let list = r#"[{"name":"a","type":{"type":"array","items":"int"}}]"#;
    check(list, &[4, 2, 4, 0], "m a_0=1i,a_1=2i\n");
    check(list, &[2, 2, 2, 4, 0], "m a_0=1i,a_1=2i\n");
    // Two items in a block of two bytes, then one in a block of one.
    check(list, &[3, 4, 2, 4, 1, 2, 6, 0], "m a_0=1i,a_1=2i,a_2=3i\n");
    let malformed = Cause::PayloadMalformed;
    check_refused(
        list,
        &[3, 2, 2, 4, 0],
        malformed,
        "field `a`: a block has another size than it says at byte 4",
    );
    check_refused(list, &[3, 1, 2, 4, 0], malformed, "field `a`: a length is negative at byte 1");
    let map = r#"[{"name":"a","type":{"type":"map","values":"int"}}]"#;
    check(map, &[4, 2, b'x', 2, 2, b'y', 4, 2, 2, b'x', 6, 0], "m a_x=3i,a_y=2i\n");
    check(map, &[3, 12, 2, b'x', 2, 2, b'y', 4, 0], "m a_x=1i,a_y=2i\n");
}

#[test]
fn an_array_of_records_is_many_points_with_the_messages_fields_on_each() {
    let fields = r#"[{"name":"at","type":"int"},
        {"name":"s","type":["null",{"type":"array","items":{"type":"record","name":"S","fields":[
            {"name":"skip","type":"string"},{"name":"v","type":["null","int"]}]}}]},
        {"name":"end","type":"string"}]"#;
    let mut set = set(fields, "points = \"s\"\nfields = { exclude = [\"skip\"] }");
    let payload = [2, 2, 3, 14, 2, b'q', 2, 2, 0, 2, 4, 2, 0, 0, 0, 2, b'E'];
    assert_eq!(
        set.lines(&payload),
        "m at=1i,v=1i,end=\"E\"\nm at=1i,v=2i,end=\"E\"\nm at=1i,end=\"E\"\n"
    );
    assert_eq!(set.lines(&[2, 0, 0]), "");
}

#[test]
fn a_union_of_several_types_has_a_member_a_branch() {
    let fields = r#"[{"name":"u","type":["int","null","string",{"type":"record","name":"a.Car","fields":[
        {"name":"x","type":"int"}]}]},{"name":"z","type":"int"}]"#;
    check(fields, &[0, 2, 4], "m u_int=1i,z=2i\n");
    check(fields, &[2, 4], "m z=2i\n");
    check(fields, &[4, 2, b's', 4], "m u_string=\"s\",z=2i\n");
    check(fields, &[6, 2, 4], "m u_Car_x=1i,z=2i\n");
    check_refused(
        fields,
        &[8],
        Cause::PayloadMalformed,
        "field `u`: a union has no branch 4, only 0 to 3 at byte 0",
    );
    check_refused(
        fields,
        &[1],
        Cause::PayloadMalformed,
        "field `u`: an index is negative at byte 0",
    );
}

#[test]
fn malformed_bytes_have_a_cause() {
    let int = r#"[{"name":"a","type":"int"}]"#;
    let malformed = Cause::PayloadMalformed;
    check_refused(
        int,
        &[],
        Cause::PayloadTruncated,
        "field `a`: the payload ends inside a value at byte 0; the payload is empty",
    );
    check_refused(
        int,
        &[0x80],
        Cause::PayloadTruncated,
        "field `a`: the payload ends inside a value at byte 1",
    );
    check_refused(int, &[2, 2], malformed, "bytes are left after the record at byte 1");
    let wide = "field `a`: an int has more than 32 bits: it is 2147483648 at byte 0";
    check_refused(int, &[0x80, 0x80, 0x80, 0x80, 0x10], malformed, wide);
    let ten = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    check_refused(int, &ten, malformed, "field `a`: a number has more than 64 bits at byte 0");
    let boolean = r#"[{"name":"a","type":"boolean"}]"#;
    check_refused(boolean, &[2], malformed, "field `a`: a boolean is 2, neither 0 nor 1 at byte 0");
    let symbol = r#"[{"name":"a","type":{"type":"enum","name":"E","symbols":["X"]}}]"#;
    check_refused(
        symbol,
        &[2],
        malformed,
        "field `a`: an enum has no symbol 1, only 0 to 0 at byte 0",
    );
    let text = r#"[{"name":"a","type":"string"}]"#;
    check_refused(
        text,
        &[2, 0xff],
        Cause::PayloadNotUtf8,
        "field `a`: text is not UTF-8 at byte 1",
    );
    check_refused(text, &[1], malformed, "field `a`: a length is negative at byte 0");
    check_refused(
        text,
        &[4, b'x'],
        Cause::PayloadTruncated,
        "field `a`: the payload ends inside a value at byte 2",
    );
    let time = r#"[{"name":"a","type":{"type":"int","logicalType":"time-millis"}}]"#;
    // An invalid time is left out alone; its point stays.
    check(time, &[1], "");
    let date = r#"[{"name":"a","type":{"type":"int","logicalType":"date"}}]"#;
    let far = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    check(date, &far, "");
    let decimal = r#"[{"name":"a","type":{"type":"bytes","logicalType":"decimal","precision":9}}]"#;
    let mut long = vec![34];
    long.extend([1; 17]);
    check_refused(
        decimal,
        &long,
        Cause::PayloadMismatch,
        "field `a`: a decimal has more digits than can be read at byte 0",
    );
    long[1] = 0;
    check(
        decimal,
        &long,
        "m a=1.3344406545919155e36
",
    );
}

/// The attacks on other decoders: counts near 2^63 of items with and without bytes, wanted or not,
/// in arrays, maps and points (arrow-rs #10235 loops 9.2e18 times over 183 bytes of this).
#[test]
fn a_block_count_without_bytes_costs_nothing() {
    // -1 as a long is 1; i64::MAX is fe ff.. 01; i64::MIN is ff ff.. 01.
    let max = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let min = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let truncated = Cause::PayloadTruncated;
    let nothing = r#"{"type":"array","items":"null"}"#;
    let empty = r#"{"type":"array","items":{"type":"fixed","name":"Z","size":0}}"#;
    let records = r#"{"type":"array","items":{"type":"record","name":"Z","fields":[]}}"#;
    let ints = r#"{"type":"array","items":"int"}"#;
    let maps = r#"{"type":"map","values":"null"}"#;
    let run = |kind: &str, payload: &[u8], rest: &str| {
        let fields =
            format!("[{{\"name\":\"a\",\"type\":{kind}}},{{\"name\":\"z\",\"type\":\"int\"}}]");
        set(&fields, rest).outcome(payload)
    };
    let good = |text: &str| Ok(format!("{text} 1795388400000000000\n"));
    let skip = "fields = { exclude = [\"a\"] }";
    let with = |count: &[u8], rest: &[u8]| [count, rest].concat();
    assert_eq!(run(nothing, &with(&max, &[0, 2]), skip), good("m z=1i"));
    assert_eq!(run(nothing, &with(&max, &[]), skip), Err(truncated));
    assert_eq!(run(nothing, &with(&min, &[0, 0, 2]), skip), good("m z=1i"));
    assert_eq!(run(empty, &with(&max, &[0, 2]), ""), Err(Cause::TooManyElements));
    assert_eq!(run(records, &with(&max, &[0, 2]), "points = \"a\""), Err(Cause::TooManyPoints));
    assert_eq!(run(ints, &with(&max, &[2, 2]), skip), Err(truncated));
    assert_eq!(run(ints, &with(&max, &[2, 2]), ""), Err(truncated));
    assert_eq!(run(ints, &with(&min, &with(&max, &[])), skip), Err(truncated));
    assert_eq!(run(maps, &with(&max, &[2, b'x']), skip), Err(truncated));
    // 183 bytes: a record of arrays of nothing, each with such a count, over and over.
    let nested = r#"{"type":"array","items":{"type":"array","items":"null"}}"#;
    let block = with(&max, &[0]);
    let proof = with(&[0xfe, 0xff, 0x03], &block.repeat(16));
    assert_eq!(run(nested, &proof, skip), Err(truncated));
}

#[test]
fn the_depth_of_skipped_values_is_bounded() {
    let fields = r#"[{"name":"a","type":["null",{"type":"record","name":"Node","fields":[
        {"name":"next","type":["null","Node"]}]}]},{"name":"z","type":"int"}]"#;
    let limits = Limits { depth_max: 8, ..Limits::default() };
    let mut set = set_with(fields, "fields = { exclude = [\"a\"] }", limits);
    assert_eq!(set.lines(&[2, 2, 0, 2]), "m z=1i\n");
    let mut deep = vec![2; 40];
    deep.push(0);
    assert_eq!(set.failure(&deep).0, Cause::PayloadTooDeep);
}

#[test]
fn a_single_object_is_taken_by_its_fingerprint_and_confluent_by_its_id() {
    let schema = r#"{"type":"record","name":"M","fields":[{"name":"t","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;
    let single = avro_mapping("select = \"avro-single-object\"");
    let mut set = Set::new(&[("m.avsc", schema), ("m.toml", &single)]);
    let theirs: serde_avro_fast::Schema = schema.parse().unwrap();
    let mut payload = vec![0xc3, 0x01];
    payload.extend(theirs.rabin_fingerprint());
    payload.push(2);
    assert_eq!(set.lines(&payload), "m t=1000000i\n");
    payload[4] ^= 1;
    assert_eq!(set.outcome(&payload), Err(Cause::SchemaUnknown));
    let confluent = avro_mapping("select = \"confluent\"\nschema-id = 258");
    let mut set = Set::new(&[("m.avsc", schema), ("m.toml", &confluent)]);
    assert_eq!(set.lines(&[0, 0, 0, 1, 2, 2]), "m t=1000000i\n");
    assert_eq!(set.outcome(&[0, 0, 0, 1, 3, 2]), Err(Cause::SchemaUnknown));
}
