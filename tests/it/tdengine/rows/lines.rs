//! The answers to the lines of one body.

use super::{Client, T, at, bytes};

/// Checks the rows about the lines of one body.
pub(super) fn check(sent: &str) -> bool {
    let client = Client::new();
    match sent {
        "bad line" => {
            client.refuses("m,vin=a", "[0x3002] SML line cols is empty");
            client.refuses("garbage", "[0x3002] ");
            client.refuses("m,vin=a x=", "[0x3002] SML line invalid value:");
            client.refuses(at("m,vin= x=1i T"), "[0x3002] SML line invalid value:");
            let rest = "m,vin=a s=\"a\nm,vin=b x=1i 5";
            client.refuses(rest, "[0x3002] SML line unbalanced quotes:\"a\nm,vin=b x=1i 5");
            client.refuses(at("m,vin=a x=--1i T"), "[0x3002] invalid value: x=--1i");
            let told = client.write(format!("m,vin=a s=\"a\n{}", bytes(2_000)));
            assert!(told.len() < 600, "{told}");
        }
        "a line that begins with a comma" => {
            assert_eq!(client.write(at(",vin=a x=1i T")), "500 [0x3002] Invalid data format");
        }
        "type conflict with the table" => {
            client.stores(at("m,vin=a x=1i T"));
            client.refuses(at("m,vin=a x=1.5 T"), "[0x3002] SML:0x");
            let told = client.write(at("m,vin=a x=1.5 T"));
            assert!(told.contains("db type:BIGINT, point type:DOUBLE, key:x=1.5 "), "{told}");
            assert_eq!(client.0.count("m", "x = 1"), 1);
        }
        "type conflict within one body, new table" => {
            let body = at("m,vin=a x=1i T\nm,vin=a x=1.5 T");
            client.refuses(body, "[0x3004] the type is not the same like before:x=1.5 ");
            assert!(!client.has_table("m"));
        }
        "integer out of range, `x=abc`" => {
            let body = at("m,vin=a x=9223372036854775808i T");
            client.refuses(body, "[0x203] big int out of range[");
            client.refuses(at("m,vin=a x=abc T"), "[0x203] invalid data:abc ");
        }
        "empty body, newlines only, comment only" => {
            for body in ["", "\n\n", "# a comment"] {
                assert_eq!(client.write(body), "500 [0x3002] line num is invalid");
            }
        }
        "`3U`, `3I`, `tRUE`" => client.stores(at("m,vin=a x=3U,y=3I,z=tRUE T")),
        "measurement with escaped space or comma" => {
            for (written, table) in [
                ("a\\ b", "a b"),
                ("a\\,b", "a,b"),
                ("a\\=b", "a\\=b"),
                ("a=b", "a=b"),
                ("a.b", "a_b"),
            ] {
                client.stores(at(&format!("{written},vin=a x=1i T")));
                assert!(client.has_table(table), "{table}");
            }
        }
        _ => return check_values(sent, &client),
    }
    true
}

/// Checks the rows about values.
fn check_values(sent: &str, client: &Client) -> bool {
    match sent {
        "timestamp over int64; `ms` declared with ns digits" => {
            client.refuses("m,vin=a x=1i 99999999999999999999", "[0x60b] Timestamp data out");
            assert!(client.has_table("m"));
        }
        "tag that is not UTF-8" => {
            let words = "[0x200] Invalid or incomplete multibyte or wide character";
            client.refuses(b"m,vin=a\xff x=1i 5", words);
            client.stores([b"m,vin=a s=\"\xff\" ", T.to_string().as_bytes()].concat());
        }
        "NUL in a string" => {
            client.stores(at("m,vin=a s=\"a\0b\" T"));
            let (_, body) = client.ask_body("SELECT `s` FROM `m`");
            assert!(body.contains("a\\u0000b"), "{body}");
        }
        "line feed in a string" => {
            let body = at("m,vin=b x=1i T\nm,vin=a s=\"a\nb\" T");
            client.refuses(body, "[0x3002] SML line unbalanced quotes:");
            assert!(!client.has_table("m"));
        }
        "a comment between lines; an empty line between lines" => {
            client.stores(at("m,vin=a x=1i T\n# no line\nm,vin=b x=1i T\n"));
            let words = "[0x20a] Table name too long";
            client.refuses(at("m,vin=a x=1i T\n\nm,vin=b x=1i T"), words);
        }
        "no time, or a time of 0" => {
            client.stores("m,vin=a x=1i");
            client.stores("m,vin=b x=1i 0");
            assert_eq!(client.0.count("m", "_ts > 1700000000000000000"), 2);
        }
        "duplicate timestamp, same series" => {
            client.stores(at("m,vin=a x=1,y=1 T"));
            client.stores(at("m,vin=a x=2 T\nm,vin=a y=9 T"));
            assert_eq!(client.0.count("m", "x = 2 AND y = 9"), 1);
        }
        "z=3u, then z=3i" => {
            client.stores(at("m,vin=a z=18446744073709551615u T"));
            client.refuses(at("m,vin=a z=3i T"), "[0x3002] SML:0x");
            let (_, body) = client.ask_body("SELECT `z` FROM `m`");
            assert!(body.contains("18446744073709551615"), "{body}");
        }
        "NaN, inf, 1e309, then a select that meets it" => {
            for value in ["NaN", "inf", "1e309"] {
                client.stores(at(&format!("{value},vin=a y={value} T")));
                let select = format!("SELECT `y` FROM `{value}`");
                assert_eq!(client.ask_body(&select), (200, String::new()));
                let select = format!("SELECT max(`y`) FROM `{value}`");
                assert_eq!(client.ask_body(&select), (200, String::new()));
            }
        }
        "-0.0" => {
            client.stores(at("m,vin=a y=-0.0 T"));
            let (_, body) = client.ask_body("SELECT `y` FROM `m`");
            assert!(body.contains("[[-0.0]]"), "{body}");
        }
        _ => return false,
    }
    true
}
