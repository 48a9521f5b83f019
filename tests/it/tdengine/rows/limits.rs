//! The limits of a table, and tables created by hand.

use super::{Client, T, at, bytes, many};
use crate::harness::tdengine::{Column, Kind};

/// Checks the rows about the limits of a table.
pub(super) fn check(sent: &str) -> bool {
    let client = Client::new();
    let duplicated = "[0x263c] Duplicated column names";
    let (row, tags) = ("[0x263e] Row length exceeds max", "[0x263d] Tags length exceeds max");
    match sent.split(" (").next().unwrap() {
        "same field twice, tag twice, field named as a tag of the line or of the table" => {
            for line in
                ["m,vin=a x=1,x=2 T", "m,vin=a,vin=b x=1 T", "m,vin=a vin=1 T", "m _ts=1i T"]
            {
                client.refuses(at(line), duplicated);
            }
            client.stores(at("m,vin=a x=1 T"));
            client.refuses(at("m,t=a vin=1 T"), duplicated);
            client.refuses(at("m,x=a y=1 T"), duplicated);
        }
        "row over 65,531 bytes by declared widths" => {
            let wide = bytes(40_000);
            client.refuses(at(&format!("m,vin=a a=\"{wide}\",b=\"{wide}\" T")), row);
            client.stores(at(&format!("m,vin=a a=\"{}\" T", bytes(65_515))));
            client.refuses(at("m,vin=a b=\"a long one\" T"), row);
            client.refuses(at("m,vin=a y=1 T"), row);
        }
        "tags over 16,384 bytes by declared widths" => {
            client.refuses(at(&format!("m{} x=1 T", many(33, "t", &bytes(100)))), tags);
            client.stores(at(&format!("n{} x=1 T", many(31, "t", &bytes(100)))));
            client.refuses(at(&format!("m,t={} x=1 T", bytes(4_096))), tags);
        }
        "the 4,095th field, the 129th tag, added to a table that is there" => {
            let many_fields = |count: usize| many(count, "f", "1")[1..].to_owned();
            client.refuses(at(&format!("n {} T", many_fields(4_095))), "[0x2640] too many columns");
            client
                .refuses(at(&format!("n{} x=1 T", many(129, "t", "a"))), "[0x2643] too many tags");
            client.stores(at(&format!("m {} T", many_fields(4_094))));
            client.refuses(at("m y=1 T"), "[0x115] Invalid message");
            client.stores(at(&format!("o{} x=1 T", many(128, "t", "a"))));
            client.refuses(at("o,u=a x=1 T"), "[0x115] Invalid message");
        }
        "string field" => {
            client.stores(at(&format!("m,vin=a s=\"{}\" T", bytes(65_517))));
            let words = "[0x2642] Invalid varbinary/binary/nchar column/tag length";
            client.refuses(at(&format!("n,vin=a s=\"{}\" T", bytes(65_519))), words);
        }
        _ => return check_made(sent, &client),
    }
    true
}

/// Checks the rows about tables created by hand, and about partly stored bodies.
fn check_made(sent: &str, client: &Client) -> bool {
    match sent {
        "one tag value of 101 to 4,095 characters; 3, then 4,090; 100, then 3,000, then 1,000 more \
         series; flush and restart" => {
            for length in [101, 4_095, 3, 4_090, 100, 3_000] {
                client.stores(at(&format!("m,vin={} x=1 T", bytes(length))));
            }
            let more: String = (0..1_000).map(|n| format!("m,vin=v{n} x=1 T\n")).collect();
            client.stores(at(&more));
            assert_eq!(client.0.rows("m"), 1_006);
        }
        "time out of KEEP in one of 20 lines" => {
            let lines: String = (0..20)
                .map(|n| format!("m,vin=v{n} x=1 {}\n", if n == 7 { 12_345 } else { T }))
                .collect();
            client.refuses(lines, "[0x60b] Timestamp data out of range");
            let rows = client.0.rows("m");
            assert!((1..20).contains(&rows), "stored in part: {rows}");
        }
        "point into a stable made by hand: tag VARCHAR, column FLOAT, INT or NCHAR" => {
            let stable = |name: &str, tag: Kind, field: Kind| {
                client.0.make_stable(name, &[Column::tag("vin", tag), Column::field("x", field)]);
            };
            stable("a", Kind::Varchar, Kind::Double);
            stable("b", Kind::NChar, Kind::Float);
            stable("c", Kind::NChar, Kind::Int);
            stable("d", Kind::NChar, Kind::NChar);
            for line in ["a,vin=a x=1 T", "b,vin=a x=1 T", "c,vin=a x=1i T", "d,vin=a x=\"s\" T"] {
                client.refuses(at(line), "[0x3002] SML:0x");
            }
            stable("e", Kind::NChar, Kind::Varchar);
            client.stores(at(&format!("e,vin={} x=\"{}\" T", bytes(90), bytes(90))));
        }
        "measurement that is a normal table; stable with a primary key; second stable in a \
         SINGLE_STABLE database" => {
            client.0.make_table("a", &[Column::field("x", Kind::BigInt)]);
            client.0.make_keyed("b", &[Column::field("x", Kind::BigInt)]);
            client.refuses(at("a,vin=a x=1i T"), "[0x603] Table already exists");
            let words = "[0x3006] Can not insert data into table with primary key";
            client.refuses(at("b,vin=a x=1i T"), words);
            client.0.be_single_stable();
            client.refuses(at("c,vin=a x=1i T"), "[0x3c5] Database is single stable mode");
        }
        _ => return false,
    }
    true
}
