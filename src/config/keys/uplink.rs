//! The keys of decoding: the bounds of one message, and of what payloads may bring.

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
        "Steps that one message may cost beside those that its bytes pay for, over all its \
         mappings: values of the mapping looked at for each point, elements, keys compared, \
         members of a oneof or properties that replace each other; more is `too-many-steps`. A \
         step takes some nanoseconds, and meanwhile no other vehicle of the worker is served. \
         10,000 points of a mapping of 1,000 fields stay below the default.",
    )
    .default("16777216")
    .min("65536", "a message of a wide mapping costs as many")
    .max("1000000000", "a worker would stand still for seconds"),
    key(
        "uplink.tag-bytes-max",
        Kind::Size,
        "Bytes of a tag's value and of a vehicle's identity; more is `tag-invalid` or \
         `vehicle-invalid`. With `store.kind` tdengine and a server that reports a version before \
         3.3, points with a tag of more than 100B are not sent, as such a server fails on them.",
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
        "Bytes of lines that a worker gathers for a shard before it hands them over, even in the \
         middle of a turn.",
    )
    .default("1MiB")
    .min("1KiB", "a hand-over a message would cost more than the message")
    .max("64MiB", "it is one entry, and an entry is held in memory"),
    key(
        "uplink.memory-max",
        Kind::Size,
        "Bytes of memory for lines and dead letters between vehicles and disk, over all workers \
         and shards, as they are allocated; past it publishes wait. Dead letters may take an \
         eighth of it. Absent: the smaller of 512MiB and a quarter of the memory limit of the \
         control group.",
    )
    .min("1MiB", "a message has to fit with its lines")
    .max("1TiB", "it is memory"),
    key(
        "uplink.new-names.fields-per-day",
        Kind::Count,
        "Fields that payloads may bring new to a measurement on one day (UTC): members of maps and \
         lists, and fields of line protocol; not those that mappings name. A message with more is \
         a dead letter `too-many-new-names`, so that no message uses up the columns that a store \
         has: the embedded one has 1,000 a measurement. Names that are known count for nothing, \
         also after a restart.",
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
        "Measurements that line protocol may bring new on one day (UTC), counted likewise.",
    )
    .default("1000")
    .max("1000000", "each measurement is a table or a file of the store"),
    key(
        "uplink.new-names.bytes-max",
        Kind::Size,
        "Bytes of a measurement's, field's or tag's name that a payload brings; a longer one that \
         is not known is `too-many-new-names` too.",
    )
    .default("256B")
    .min("1B", "a name has a character")
    .max("64KiB", "stores refuse longer ones"),
    key(
        "uplink.new-names.memory-max",
        Kind::Size,
        "Bytes of memory for all names that are known, over all measurements; past it no name is \
         new any more.",
    )
    .default("64MiB")
    .min("1MiB", "the names of a few mappings have to fit")
    .max("64GiB", "it is memory"),
];
