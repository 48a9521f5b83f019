//! The keys of decoding: limits of a message, and of new names from payloads.

use crate::config::key::{Key, Kind, key};

pub(super) const KEYS: &[Key] = &[
    key("uplink.points-max", Kind::Count, "Points a message; more is `too-many-points`.")
        .default("10000")
        .min("1", "a message without points says nothing")
        .max("1000000", "a message is one entry, and an entry is held in memory"),
    key(
        "uplink.line-bytes-max",
        Kind::Size,
        "Bytes of lines a message, over all its mappings; more is `too-many-bytes`.",
    )
    .default("8MiB")
    .min("1KiB", "a line has to fit")
    .max("64MiB", "a message is one entry, and an entry is held in memory"),
    key(
        "uplink.depth-max",
        Kind::Count,
        "How deep a payload may nest, skipped values included; deeper is `payload-too-deep`.",
    )
    .default("32")
    .min("1", "a message is one level")
    .max("100", "each level costs stack"),
    key(
        "uplink.repeated-max",
        Kind::Count,
        "Elements of one repeated field or map; more is `too-many-elements`.",
    )
    .default("1024")
    .min("1", "an empty list needs no bound")
    .max("65536", "each element is a field of its own in the store"),
    key(
        "uplink.fields-max",
        Kind::Count,
        "Fields of one point; more is `too-many-fields`. The default is as many values as a \
         mapping can name.",
    )
    .default("8192")
    .min("1", "a point without fields says nothing")
    .max("1000000", "each field is a column of the store"),
    key(
        "uplink.tags-max",
        Kind::Count,
        "Tags of one line of a line-protocol payload, the mapping's included; more is \
         `too-many-tags`. The default is as many as TDengine keeps.",
    )
    .default("128")
    .min("1", "the vehicle is a tag")
    .max("10000", "each tag is part of the key of every series"),
    key(
        "uplink.steps-max",
        Kind::Count,
        "Decoding steps of one message beyond those in proportion to its bytes, over all its \
         mappings: values of the mapping looked at for each point, elements, keys compared, \
         members of a oneof or properties that replace each other; more is `too-many-steps`. A \
         step takes some nanoseconds, and meanwhile the worker serves no other vehicle. \
         10,000 points of a mapping of 1,000 fields stay below the default.",
    )
    .default("16777216")
    .min("65536", "a message of a wide mapping costs as many")
    .max("1000000000", "a worker would stand still for seconds"),
    key(
        "uplink.tag-bytes-max",
        Kind::Size,
        "Bytes of a tag's value and of a vehicle's identity; more is `tag-invalid` or \
         `vehicle-invalid`. Points with a tag of more than 100B are not sent to a TDengine that \
         reports a version before 3.3, because such a server fails on them.",
    )
    .default("256B")
    .min("17B", "a VIN has 17 characters")
    .max("64KiB", "stores refuse longer ones"),
    key(
        "uplink.time-bounds.past",
        Kind::Duration,
        "How far a point's time may lie before the time of receipt; more is `time-out-of-bounds`.",
    )
    .default("3650d")
    .min("1s", "a message takes a moment to arrive")
    .max("100000d", "nanoseconds since 1970 reach no further"),
    key(
        "uplink.time-bounds.ahead",
        Kind::Duration,
        "How far a point's time may lie after the time of receipt; more is `time-out-of-bounds`.",
    )
    .default("1d")
    .max("80000d", "nanoseconds since 1970 reach no further"),
    key(
        "uplink.group-bytes-max",
        Kind::Size,
        "Bytes of lines that a worker gathers for a shard before it hands them to the shard's \
         lane, even in the middle of a turn.",
    )
    .default("1MiB")
    .min("1KiB", "a hand-over a message would cost more than the message")
    .max("64MiB", "it is one entry, and an entry is held in memory"),
    key(
        "uplink.memory-max",
        Kind::Size,
        "Allocated memory for lines and dead letters that are not yet on disk, over all workers \
         and shards; past it publishes wait. Dead letters may take an eighth of it. Absent: the \
         smaller of 512MiB and a quarter of the cgroup's memory limit.",
    )
    .min("1MiB", "a message has to fit with its lines")
    .max("1TiB", "it is memory"),
    key(
        "uplink.new-names.fields-per-day",
        Kind::Count,
        "New field names that payloads may add to a measurement on one day (UTC): members of maps \
         and lists, and fields of line protocol; not those that mappings name. A message with more \
         is a dead letter `too-many-new-names`, so that no message uses up the columns of a \
         store: the embedded store has 1,000 a measurement. Known names do not count, also after a \
         restart.",
    )
    .default("250")
    .max("1000000", "each field is a column of the store"),
    key(
        "uplink.new-names.tags-per-day",
        Kind::Count,
        "The same for tags of line protocol; the embedded store has 100 a measurement.",
    )
    .default("20")
    .max("10000", "each tag is part of the key of every series"),
    key(
        "uplink.new-names.measurements-per-day",
        Kind::Count,
        "New measurement names in line protocol on one day (UTC), counted likewise.",
    )
    .default("1000")
    .max("1000000", "each measurement is a table or a file of the store"),
    key(
        "uplink.new-names.bytes-max",
        Kind::Size,
        "Bytes of a new measurement, field or tag name in a payload; a longer one is \
         `too-many-new-names`, too.",
    )
    .default("256B")
    .min("1B", "a name has a character")
    .max("64KiB", "stores refuse longer ones"),
    key(
        "uplink.new-names.memory-max",
        Kind::Size,
        "Bytes of memory for the known names of all measurements; past it new ones are refused.",
    )
    .default("64MiB")
    .min("1MiB", "the names of a few mappings have to fit")
    .max("64GiB", "it is memory"),
];
