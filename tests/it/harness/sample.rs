//! The smallest useful message: a number, a value, a time. Its schema and mapping, its bytes.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The time of the first sample, an hour ago; the others follow at intervals of one microsecond.
static FIRST_NANOS: LazyLock<i64> = LazyLock::new(|| {
    let ago = SystemTime::now() - Duration::from_hours(1);
    i64::try_from(ago.duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
});

const PROTO: &str = r#"
syntax = "proto3";
package test.v1;

message Sample {
  int64 seq = 1;
  double value = 2;
  sfixed64 at = 3;
}
"#;

const MAPPING: &str = r#"
[[mapping]]
name = "sample"
topic = "vehicles/{vin}/sample"
format = "protobuf"
schema = "sample.proto"
message = "test.v1.Sample"
measurement = "sample"
vehicle = "{vin}"
tags = ["vin"]
time = { field = "at", unit = "ns" }
"#;

/// The schema and the mapping, as files by name.
pub(crate) fn sample_schemas() -> [(&'static str, &'static str); 2] {
    [("sample.proto", PROTO), ("sample.toml", MAPPING)]
}

/// One sample of one vehicle; `seq` identifies it and determines its value and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sample {
    pub(crate) seq: u64,
}

impl Sample {
    pub(crate) fn topic(vin: &str) -> String {
        format!("vehicles/{vin}/sample")
    }

    /// A value that depends on vehicle and number, to detect mixed-up points.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub(crate) fn value(self) -> f64 {
        (self.seq as f64).mul_add(0.5, 0.25)
    }

    pub(crate) fn at_nanos(self) -> i64 {
        *FIRST_NANOS + i64::try_from(self.seq).unwrap() * 1_000
    }

    /// The message in protobuf's wire format, encoded by hand, independent of our code.
    pub(crate) fn payload(self) -> Vec<u8> {
        let mut bytes = vec![0x08];
        let mut seq = self.seq;
        while seq > 0x7f {
            bytes.push(u8::try_from(seq & 0x7f).unwrap() | 0x80);
            seq >>= 7;
        }
        bytes.push(u8::try_from(seq).unwrap());
        bytes.push(0x11);
        bytes.extend(self.value().to_le_bytes());
        bytes.push(0x19);
        bytes.extend(self.at_nanos().to_le_bytes());
        bytes
    }
}
