//! Wire bytes: everything that protobuf allows gives what a full decoder would give, and everything
//! else fails with a cause.

use super::harness::{Harness, mapping, proto3};
use crate::{model::Cause, uplink::Limits};

/// Fields of all wire types, a nested message, a oneof, lists, a map.
fn proto() -> String {
    proto3(
        "message N { int32 x = 1; optional string y = 2; repeated int32 z = 3; }
         message M {
           optional int32 a = 1; optional string s = 2; N n = 3;
           oneof o { int32 c = 4; N d = 5; string hidden = 6; }
           repeated int32 l = 7; map<string, int32> k = 8; optional double f = 9;
           optional fixed32 g = 10; optional int32 far = 5000;
         }",
    )
}

/// Checks raw bytes against the fields that they give.
fn check(bytes: &[u8], fields: &str) {
    let mut harness = Harness::new(&proto(), &mapping("fields = { exclude = [\"hidden\"] }"));
    let lines = harness.payload(bytes);
    assert_eq!(harness.failures(), [], "{bytes:02x?}");
    let expect = match fields {
        "" => String::new(),
        fields => format!("m {fields} 1795388400000000000\n"),
    };
    assert_eq!(lines, expect, "{bytes:02x?}");
}

/// Checks raw bytes against the cause that they give.
fn check_cause(bytes: &[u8], cause: Cause, detail: &str) {
    let mut harness = Harness::new(&proto(), &mapping("fields = { exclude = [\"hidden\"] }"));
    assert_eq!(harness.failure(bytes), (cause, detail.to_owned()), "{bytes:02x?}");
}

#[test]
fn the_last_of_a_repeated_scalar_field_counts() {
    check(&[0x08, 1, 0x08, 2], "a=2i");
    check(&[0x12, 1, b'x', 0x12, 0], "s=\"\"");
    // A varint of ten bytes is -1; the upper bits of an over-long int32 are cut.
    check(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "a=-1i");
    check(&[0x08, 0x81, 0x80, 0x80, 0x80, 0x10], "a=1i");
    check(&[0x08, 0x81, 0x80, 0x00], "a=1i");
}

#[test]
fn copies_of_a_message_merge() {
    check(&[0x1a, 2, 0x08, 1, 0x08, 9, 0x1a, 3, 0x12, 1, b'q'], "a=9i,n_x=1i,n_y=\"q\"");
    check(&[0x1a, 0], "n_x=0i");
    check(&[0x1a, 2, 0x18, 1, 0x1a, 4, 0x1a, 2, 2, 3], "n_x=0i,n_z_0=1i,n_z_1=2i,n_z_2=3i");
}

#[test]
fn the_last_member_of_a_oneof_wins_also_if_it_is_not_wanted() {
    check(&[0x20, 1, 0x2a, 2, 0x08, 5], "d_x=5i");
    check(&[0x2a, 2, 0x08, 5, 0x20, 1], "c=1i");
    check(&[0x2a, 2, 0x08, 5, 0x32, 1, b'h', 0x08, 1], "a=1i");
    // A member that is set again after another one starts from its defaults: x has its default
    // again.
    check(&[0x2a, 2, 0x08, 5, 0x20, 1, 0x2a, 0], "d_x=0i");
}

#[test]
fn repeated_scalars_come_packed_unpacked_or_both() {
    check(&[0x38, 1, 0x3a, 2, 2, 3, 0x08, 7, 0x38, 4, 0x3a, 0], "a=7i,l_0=1i,l_1=2i,l_2=3i,l_3=4i");
}

#[test]
fn the_last_of_equal_keys_counts_and_absent_ones_are_defaults() {
    let entries = [0x42, 5, 0x0a, 1, b'p', 0x10, 1, 0x42, 0, 0x42, 5, 0x10, 2, 0x0a, 1, b'p'];
    check(&entries, "k_p=2i,k_=0i");
}

#[test]
fn unknown_fields_and_groups_are_skipped() {
    // Field 100 as a varint, field 101 as a group holding a group, field 5000 is known.
    check(&[0xa0, 0x06, 1, 0xab, 0x06, 0xb3, 0x06, 0xb4, 0x06, 0xac, 0x06, 0x08, 3], "a=3i");
    check(&[0xc0, 0xb8, 0x02, 6], "far=6i");
    check(&[], "");
}

#[test]
fn truncated_or_malformed_bytes_are_reported_with_their_offset() {
    let truncated = |bytes: &[u8], at| {
        let detail = format!("the payload ends inside a value at byte {at}");
        check_cause(bytes, Cause::PayloadTruncated, &detail);
    };
    check_cause(
        &[0x08],
        Cause::PayloadTruncated,
        "field `a` (number 1): the payload ends inside a value at byte 1",
    );
    truncated(&[0xa0], 1);
    truncated(&[0xab, 0x06, 0x08, 1], 4);
    check_cause(
        &[0x49, 1, 2, 3],
        Cause::PayloadTruncated,
        "field `f` (number 9): the payload ends inside a value at byte 4",
    );
    check_cause(
        &[0x12, 5, b'x'],
        Cause::PayloadTruncated,
        "field `s` (number 2): the payload ends inside a value at byte 3",
    );
    let malformed = |bytes: &[u8], detail: &str| {
        check_cause(bytes, Cause::PayloadMalformed, detail);
    };
    malformed(
        &[0x1a, 2, 0x08, 0x80, 0x08, 1],
        "field `n.x` (number 1): a value goes on past the end of its message at byte 4",
    );
    malformed(&[0x00, 1], "a field number is out of range at byte 0");
    malformed(&[0x0c], "a group ends that was not begun at byte 0");
    malformed(&[0xa6, 0x06, 0], "there is no such wire type at byte 2");
    malformed(
        &[0x09, 1],
        "field `a` (number 1): eight bytes where the schema has a varint at byte 0",
    );
    malformed(
        &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        "field `a` (number 1): a varint does not fit 64 bits at byte 1",
    );
    check_cause(
        &[0x12, 2, b'x', 0xff],
        Cause::PayloadNotUtf8,
        "field `s` (number 2): text is not UTF-8 at byte 2",
    );
}

#[test]
fn every_bound_of_a_message_is_enforced() {
    let groups: Vec<u8> = [0xab, 0x06].repeat(40);
    let (cause, detail) = Harness::new(&proto(), &mapping("")).failure(&groups);
    assert_eq!(cause, Cause::PayloadTooDeep);
    assert_eq!(detail, "groups nest too deep; the bound is 32 at byte 66");

    let limits = Limits { repeated_max: 2, points_max: 2, bytes_max: 60, ..Limits::default() };
    let check = |proto: &str, toml: &str, bytes: &[u8], cause: Cause, detail: &str| {
        let dialect = crate::model::LineDialect::Unsigned;
        let mut harness = Harness::with(proto, &mapping(toml), dialect, limits.clone());
        assert_eq!(harness.failure(bytes), (cause, detail.to_owned()));
    };
    let list = [0x3a, 3, 1, 2, 3];
    check(
        &proto(),
        "",
        &list,
        Cause::TooManyElements,
        "field `l` (number 7): the list is over its bound of 2 at byte 0",
    );
    let points = proto3("message S { int32 v = 1; } message M { repeated S s = 1; }");
    let toml = "points = \"s\"";
    let three = [0x0a, 0, 0x0a, 0, 0x0a, 0];
    check(
        &points,
        toml,
        &three,
        Cause::TooManyPoints,
        "field `s` (number 1): more points than the bound of 2 at byte 4",
    );
    let long = [&[0x12, 50][..], &[b'x'; 50]].concat();
    let detail = "the message's lines are over their bound of 60 bytes";
    check(&proto(), "", &long, Cause::TooManyBytes, detail);
}

#[test]
fn a_hostile_length_allocates_nothing_and_is_refused() {
    // A length of 2^63 in a string, a packed list, a map's entry and a nested message.
    for tag in [0x12, 0x3a, 0x42, 0x1a] {
        let bytes = [tag, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
        let mut harness = Harness::new(&proto(), &mapping(""));
        assert_eq!(harness.failure(&bytes).0, Cause::PayloadTruncated);
    }
}
