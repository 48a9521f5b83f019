//! The steady state allocates nothing.

use super::harness::{Harness, TOPIC, mapping, proto3};

/// Once the buffers have grown to a message, another one like it costs no allocation: counted by a
/// counting allocator, for everything that has a path of its own.
#[test]
fn a_message_like_the_last_one_allocates_nothing() {
    let proto = proto3(
        "import \"google/protobuf/timestamp.proto\";
         enum E { Z = 0; Y = 1; }
         message N { int32 x = 1; repeated double l = 2; map<string, int32> k = 3; }
         message S { double v = 1; string s = 2; bytes b = 3; E e = 4; }
         message M {
           int64 at = 1; string model = 2; N n = 3; repeated S samples = 4; float f = 5;
           google.protobuf.Timestamp t = 6; uint64 u = 7; oneof o { int32 c = 8; N d = 9; }
         }",
    );
    let toml = "tags = [\"vin\", \"model\"]\ntime = { field = \"at\", unit = \"ms\" }\n\
                points = \"samples\"\nwhen = \"v >= 0 and s != 'x'\"\n";
    for rest in ["", "repeated = \"json\"\n"] {
        let mut harness = Harness::new(&proto, &mapping(&format!("{toml}{rest}")));
        let payload = harness.encode(
            r#"{"at": "1795388400000", "model": "a b", "f": 1.5, "u": "7", "c": 5,
                "t": "2026-11-22T23:00:00Z", "n": {"x": 1, "l": [1, 2.5], "k": {"a": 1, "b": 2}},
                "samples": [{"v": 1.25, "s": "a\"b", "b": "AAEC", "e": "Y"}, {"v": 2}, {"v": -1}]}"#,
        );
        let (transcoded, _) = harness.run(TOPIC, &payload, None);
        assert_eq!((transcoded.points, transcoded.points_filtered), (2, 1));
        let counted = allocation_counter::measure(|| {
            for _ in 0..100 {
                harness.repeat(TOPIC, &payload);
            }
        });
        assert_eq!(counted.count_total, 0, "{counted:?}");
    }
}
