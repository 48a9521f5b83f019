//! Answers written by hand, byte for byte: the formats of an answer, and cases that the oracle
//! might get wrong in the same way as the product.

use super::trial::Wrong;
use crate::harness::{Appliance, Database};

/// The query string, and the whole body.
const BODIES: &[(&str, &str)] = &[
    (
        "vehicle=edge&fields=late&from=2025-06-01T00:01:40Z&to=2025-06-01T00:02:40Z",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"late","type":"integer"}],"rows":[["2025-06-01T00:01:40Z","edge",1],["2025-06-01T00:01:40.000000001Z","edge",2],["2025-06-01T00:02:39.999999999Z","edge",3]],"after":null}"#,
    ),
    (
        "vehicle=extreme&fields=ticks,odometer,speed,charging,note&from=2025-06-01T00:06:40Z&to=2025-06-01T00:06:45Z&order=desc",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"ticks","type":"integer"},{"name":"odometer","type":"integer"},{"name":"speed","type":"float"},{"name":"charging","type":"boolean"},{"name":"note","type":"string"}],"rows":[["2025-06-01T00:06:44Z","extreme",null,null,0.1,null,null],["2025-06-01T00:06:43Z","extreme",null,-1,5e-324,null,null],["2025-06-01T00:06:42Z","extreme",9007199254740993,0,-1.7976931348623157e+308,false,null],["2025-06-01T00:06:41Z","extreme",0,-9223372036854775808,2.2250738585072014e-308,null,null],["2025-06-01T00:06:40Z","extreme",9223372036854775807,9223372036854775807,1.7976931348623157e+308,null,null]],"after":null}"#,
    ),
    // Integers stay exact through min, max, sum, first and last; a mean is a float.
    (
        "vehicle=V1&fields=odometer&fn=sum&from=2025-06-01T00:00:00Z&to=2025-06-01T00:00:20Z&epoch=s",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"odometer","type":"integer"}],"rows":[[1748736000,"V1",18014398509481988]],"after":null}"#,
    ),
    (
        "vehicle=V1&fields=ticks,charging,late&fn=count&every=1m&from=2025-06-01T00:00:30Z&to=2025-06-01T00:01:30Z",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"ticks","type":"integer"},{"name":"charging","type":"integer"},{"name":"late","type":"integer"}],"rows":[["2025-06-01T00:00:00Z","V1",3,3,0],["2025-06-01T00:01:00Z","V1",3,3,0]],"after":null}"#,
    ),
    (
        "vehicle=V1&fields=ticks&fn=mean&every=1m&order=desc&from=2025-06-01T00:00:30Z&to=2025-06-01T00:01:30Z",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"ticks","type":"float"}],"rows":[["2025-06-01T00:01:00Z","V1",7.0],["2025-06-01T00:00:00Z","V1",4.0]],"after":null}"#,
    ),
    // Windows align to 1970, a Thursday.
    (
        "vehicle=V1&fields=ticks&fn=count&every=1w&from=2025-06-01T00:00:00Z&to=2025-06-02T00:00:00Z",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"ticks","type":"integer"}],"rows":[["2025-05-29T00:00:00Z","V1",61]],"after":null}"#,
    ),
    // With several series at the first time: the greatest value, field by field.
    (
        "vehicle=ties&fields=odometer,charging,note&fn=first&from=2025-06-01T00:00:00Z&to=2025-06-02T00:00:00Z",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"odometer","type":"integer"},{"name":"charging","type":"boolean"},{"name":"note","type":"string"}],"rows":[["2025-06-01T00:00:00Z","ties",4,true,"ä"]],"after":null}"#,
    ),
    (
        "vehicle=ties&fields=odometer,charging,note&fn=last&from=2025-06-01T00:00:00Z&to=2025-06-02T00:00:00Z",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"odometer","type":"integer"},{"name":"charging","type":"boolean"},{"name":"note","type":"string"}],"rows":[["2025-06-01T00:00:00Z","ties",4,true,"ä"]],"after":null}"#,
    ),
    // The remaining tags in the mapping's order, model before region, an absent one first.
    (
        "vehicle=ties&fields=ticks&from=2025-06-01T00:03:20Z&to=2025-06-01T00:03:21Z&epoch=s",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"ticks","type":"integer"}],"rows":[[1748736200,"ties",4],[1748736200,"ties",3],[1748736200,"ties",0],[1748736200,"ties",1],[1748736200,"ties",2]],"after":null}"#,
    ),
    (
        "fields=late&from=2025-06-01T00:03:20Z&to=2025-06-01T00:03:21Z&epoch=ms&order=desc",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"late","type":"integer"}],"rows":[[1748736200000,"é",1],[1748736200000,"É",1],[1748736200000,"v1",1],[1748736200000,"v 1",1],[1748736200000,"Z",1],[1748736200000,"V10",1],[1748736200000,"V,1=2",1],[1748736200000,"V",1]],"after":null}"#,
    ),
    (
        "vehicle=edge&fields=late&from=2025-06-01T00:01:39Z&to=2025-06-01T00:02:40Z&epoch=us",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"late","type":"integer"}],"rows":[[1748736099999999,"edge",0],[1748736100000000,"edge",1],[1748736100000000,"edge",2],[1748736159999999,"edge",3]],"after":null}"#,
    ),
    (
        "vehicle=nobody&fields=late,note&fn=last",
        r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"vin","type":"string"},{"name":"late","type":"integer"},{"name":"note","type":"string"}],"rows":[],"after":null}"#,
    ),
    (
        "vehicle=V1&fields=speed,note,charging,late&from=2025-06-01T00:00:00Z&to=2025-06-01T00:01:00Z&format=csv",
        "time,vin,speed,note,charging,late\n\
         2025-06-01T00:00:00Z,V1,-1.5,plain,true,\n\
         2025-06-01T00:00:10Z,V1,-1.4,\"\",false,\n\
         2025-06-01T00:00:20Z,V1,-1.3,it's,false,\n\
         2025-06-01T00:00:30Z,V1,-1.2,\"a \"\"quoted\"\" word\",true,\n\
         2025-06-01T00:00:40Z,V1,-1.1,\"two\nlines\",false,\n\
         2025-06-01T00:00:50Z,V1,-1.0,\"carriage\r\nreturn\",false,\n",
    ),
    (
        "vehicle=V,1%3D2&fields=late&from=2025-06-01T00:00:00Z&to=2025-06-02T00:00:00Z&format=csv&epoch=ns",
        "time,vin,late\n1748736200000000000,\"V,1=2\",1\n",
    ),
    ("vehicle=nobody&format=csv&fields=note", "time,vin,note\n"),
];

/// The path after `/telemetry/`, the status and the code of the error.
const ERRORS: &[(&str, u16, &str)] = &[
    ("readings", 404, "measurement-unknown"),
    ("Reading", 404, "measurement-unknown"),
    ("reading?fields=sped", 400, "field-unknown"),
    ("reading?fields=vin", 400, "field-unknown"),
    ("reading?fields=time", 400, "field-unknown"),
    ("reading?fields=speed,speed", 400, "parameter-invalid"),
    ("reading?fields=note&fn=mean", 400, "function-unfit"),
    ("reading?fields=note&fn=min", 400, "function-unfit"),
    ("reading?fields=speed,charging&fn=max", 400, "function-unfit"),
    ("reading?fields=charging&fn=sum&every=1m", 400, "function-unfit"),
    ("reading?fn=median", 400, "parameter-invalid"),
    ("reading?every=1m", 400, "parameter-invalid"),
    ("reading?every=0s&fn=min", 400, "parameter-invalid"),
    ("reading?every=-1m&fn=min", 400, "parameter-invalid"),
    ("reading?limit=0", 400, "parameter-invalid"),
    ("reading?limit=100001", 400, "parameter-invalid"),
    ("reading?from=-1h&to=-2h", 400, "parameter-invalid"),
    ("reading?from=yesterday", 400, "parameter-invalid"),
    ("reading?after=bm9uZQ", 400, "after-invalid"),
    ("reading?order=up", 400, "parameter-invalid"),
    ("reading?format=xml", 400, "parameter-invalid"),
    ("reading?epoch=h", 400, "parameter-invalid"),
    ("reading?vehicel=V1", 400, "parameter-invalid"),
];

pub(super) fn check(appliance: &Appliance, database: &Database, wrong: &mut Wrong) {
    let breaks_ties = database.breaks_ties();
    let is_sure =
        |question: &str| breaks_ties || !question.contains("vehicle=ties&fields=odometer");
    for (question, expected) in BODIES.iter().filter(|(question, _)| is_sure(question)) {
        let (status, body) = appliance.get(&format!("/api/v1/telemetry/reading?{question}"));
        let expected = match database.keeps_line_feeds() {
            true => (*expected).to_owned(),
            false => expected
                .replace("\"two\nlines\"", "two lines")
                .replace("carriage\r\nreturn", "carriage\r return"),
        };
        wrong.expect(status == 200 && body == expected, || {
            format!("{question}\n{status} {body}\nexpected {expected}")
        });
    }
    for (question, status, code) in ERRORS {
        let (is, body) = appliance.get(&format!("/api/v1/telemetry/{question}"));
        let told = format!("{{\"error\":{{\"code\":\"{code}\"");
        wrong.expect(is == *status && body.starts_with(&told), || {
            format!("{question}\n{is} {body}\nexpected {status} {code}")
        });
    }
}
