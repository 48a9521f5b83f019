//! Artificial and real recordings.

use std::{io::Read, path::Path};

use jiff::tz::TimeZone;

use super::{
    columns::{civil_moment, moment},
    *,
};
use crate::{
    env::disk::{Access, Disk, RealDisk},
    simulator::{Files, Format, Shape, script::Script},
};

fn options(dir: &Path, columns: &[(&str, &str)]) -> ReplayOptions {
    let columns = columns.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    ReplayOptions {
        dir: dir.to_owned(),
        columns: columns.collect(),
        zone: TimeZone::UTC,
        topic: "vehicles/{vin}/telemetry".to_owned(),
        bytes_max: 1 << 30,
    }
}

fn shape(format: Format) -> Shape {
    Shape::load(&Files::Shipped, format, None).unwrap()
}

fn recording(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = RealDisk.create(&dir.path().join(name)).unwrap();
        file.write_all_at(text.as_bytes(), 0).unwrap();
    }
    dir
}

#[test]
fn moments_and_clock_times_are_understood() {
    let utc = TimeZone::UTC;
    for (text, expect) in [
        ("1970-01-01T00:00:01.5Z", Some(1_500_000_000)),
        ("2021-03-29T13:13:45+02:00", Some(1_617_016_425_000_000_000)),
        ("1617016425", Some(1_617_016_425_000_000_000)),
        ("1617016425001", Some(1_617_016_425_001_000_000)),
        ("1617016425001002", Some(1_617_016_425_001_002_000)),
        ("1617016425001002003", Some(1_617_016_425_001_002_003)),
        ("yesterday", None),
        ("", None),
    ] {
        assert_eq!(moment(text), expect, "{text}");
    }
    for (date, at, expect) in [
        ("03/29/2021", "11:13:45", Some(1_617_016_425_000_000_000)),
        ("3/29/2021", "11:13:45.25", Some(1_617_016_425_250_000_000)),
        ("2021-03-29", "11:13:45", Some(1_617_016_425_000_000_000)),
        ("90/02/2032", "11:13:45", None),
        ("02/30/2021", "11:13:45", None),
        ("03/29/2021", "25:13:45", None),
        ("", "", None),
    ] {
        assert_eq!(civil_moment(date, at, &utc), expect, "{date} {at}");
    }
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let local = civil_moment("03/29/2021", "13:13:45", &berlin);
    assert_eq!(local, Some(1_617_016_425_000_000_000));
}

#[test]
fn rows_become_payloads_and_what_cannot_is_counted() {
    let dir = recording(&[
        ("b.csv", "time,speed,nonsense\n1617016425,12.5,x\n1617016426,fast,x\nnever,1,x\n"),
        ("a.csv", "VIN,Time,Date,Soc\nV1,11:13:45,03/29/2021,87.5\nV2,11:13:46,03/29/2021,80\n"),
        ("notes.txt", "not a drive"),
    ]);
    let shape = shape(Format::Json);
    let replayed = read(&RealDisk, &shape, &options(dir.path(), &[])).unwrap();
    let counts = RowCounts { read: 5, taken: 4, skipped: 1, cells_skipped: 1 };
    assert_eq!(replayed.rows, counts);
    assert_eq!(replayed.unused.iter().collect::<Vec<_>>(), ["nonsense"]);
    let names: Vec<_> = replayed.script.parts().iter().map(|part| part.vehicle.as_str()).collect();
    assert_eq!(names, ["V1", "V2", "b"]);
    assert_eq!(&*replayed.script.parts()[2].topic, "vehicles/b/telemetry");
    let mut payload = Vec::new();
    replayed.script.append(2, 0, &mut payload);
    let read: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let expect = serde_json::json!({"sampled_at": 1_617_016_425_000_i64, "speed_kmh": 12.5});
    assert_eq!(read, expect);
    assert_eq!(replayed.script.payload_len(2, 2), None, "a recording ends");
    assert_eq!(replayed.script.total(), Some(4));
    let times = (1_617_016_425_000_000_000, 1_617_016_426_000_000_000);
    assert_eq!(replayed.times, Some(times));
}

#[test]
fn a_recording_without_time_or_with_a_wrong_column_is_told() {
    let shape = shape(Format::Protobuf);
    let check = |text: &str, columns: &[(&str, &str)], expect: &str| {
        let dir = recording(&[("a.csv", text)]);
        let error = read(&RealDisk, &shape, &options(dir.path(), columns)).unwrap_err();
        let path = dir.path().join("a.csv");
        assert_eq!(error.to_string(), expect.replace("{}", &path.display().to_string()));
    };
    check("a,b\n1,2\n", &[], "{} has no column time, and not both of Date and Time");
    check("time,b\n1,2\n", &[("c", "soc")], "{} has no column c");
    check("time,b\n1,2\n", &[("b", "charge")], "--columns");
    check("time,b\n1,2,3\n", &[], "{} is not CSV with a header");
    let empty = recording(&[]);
    let error = read(&RealDisk, &shape, &options(empty.path(), &[])).unwrap_err();
    assert!(matches!(error, ReplayError::Empty { .. }));
}

/// The recorded drives of `tests/data/twizy`. Shows that every row with a valid date is encoded in
/// every format, and no other.
#[test]
fn every_row_of_the_real_drives_with_a_valid_date_is_taken() {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/twizy");
    let drives = tempfile::tempdir().unwrap();
    for name in RealDisk.files(&packed).unwrap() {
        let Some(plain) = name.strip_suffix(".gz") else { continue };
        let file = RealDisk.open(&packed.join(&name), Access::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
        let unpacked = RealDisk.create(&drives.path().join(plain)).unwrap();
        unpacked.write_all_at(&text, 0).unwrap();
    }
    for format in [Format::Protobuf, Format::Avro, Format::Json] {
        let shape = shape(format);
        let columns = options(drives.path(), &[("Temperature", "ambient_temp")]);
        let replayed = read(&RealDisk, &shape, &columns).unwrap();
        let counts = RowCounts { read: 43_056, taken: 42_886, skipped: 170, cells_skipped: 0 };
        assert_eq!(replayed.rows, counts, "{format:?}");
        assert_eq!(replayed.script.parts().len(), 7);
        assert_eq!(replayed.unused.iter().collect::<Vec<_>>(), ["WindSpeedAv"]);
    }
}
