//! Logins, requests that meet, and states of the server.

use std::{thread, time::Duration};

use serde_json::json;

use super::{Client, NOBODY, ROOT, ROOT_WRONG, at};
use crate::harness::tdengine::Condition;

/// Checks the rows about logins, requests that meet, and states of the server.
pub(super) fn check(sent: &str) -> bool {
    let client = Client::new();
    let write = "/influxdb/v1/write?db=fleet&precision=ns";
    match sent {
        "Bearer at /influxdb/v1/write; at /rest/sql" => {
            let bearer = [("Authorization", "Bearer t")];
            let (status, body) = client.send(write, &bearer, b"m x=1i 5");
            assert!(status == 401 && body.contains("get auth error"), "{body}");
            let (_, body) = client.send("/rest/sql", &bearer, b"select 1");
            assert!(body.contains("4386") && body.contains("invalid type of Auth"), "{body}");
        }
        "wrong password, unknown user, no authorization" => {
            for (who, written, asked) in [
                (Some(ROOT_WRONG), "[0x357] Authentication failure", "855"),
                (Some(NOBODY), "[0x351] Invalid user", "849"),
                (None, "get auth error", "4357"),
            ] {
                let headers: Vec<_> = who.iter().map(|who| ("Authorization", *who)).collect();
                let (_, body) = client.send(write, &headers, b"m x=1i 5");
                assert!(body.contains(written), "{body}");
                let (_, body) = client.send("/rest/sql", &headers, b"select 1");
                assert!(body.contains(asked), "{body}");
            }
        }
        "no db parameter, or empty" => {
            for path in ["/influxdb/v1/write?precision=ns", "/influxdb/v1/write?db="] {
                let (status, body) = client.send(path, &[("Authorization", ROOT)], b"m x=1i 5");
                assert!(status == 400 && body.contains("db required"), "{body}");
            }
        }
        "body that is not gzip" => {
            let headers = [("Authorization", ROOT), ("Content-Encoding", "gzip")];
            assert_eq!(client.send(write, &headers, b"m x=1i 5"), (400, String::new()));
        }
        "Content-Encoding: gzip" => {
            let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut zipped, at("m x=1i T").as_bytes()).unwrap();
            let headers = [("Authorization", ROOT), ("Content-Encoding", "gzip")];
            let body = zipped.finish().unwrap();
            assert_eq!(client.send(write, &headers, &body), (204, String::new()));
        }
        "a database called as a word of the language (`tags`, `table`)" => {
            for name in ["tags", "table"] {
                let path = format!("/influxdb/v1/write?db={name}&precision=ns");
                let (_, body) = client.send(&path, &[("Authorization", ROOT)], b"m x=1i 5");
                assert!(body.contains(&format!("[0x2600] syntax error near \\\"{name}")), "{body}");
            }
        }
        _ => return check_server(sent, &client),
    }
    true
}

/// Checks the rows about states of the server.
fn check_server(sent: &str, client: &Client) -> bool {
    match sent {
        "create database, the same again" => {
            client.0.drop_database();
            let create = "create database `fleet` precision 'ns' wal_level 2";
            assert_eq!(client.ask(create)["code"], 0);
            client.faults(create, 897, "Database already exists");
        }
        "`create database` while another connection makes it" => {
            client.0.drop_database();
            let create = "create database `fleet` precision 'ns' wal_level 2";
            thread::scope(|scope| {
                scope.spawn(|| client.ask(create));
                thread::sleep(Duration::from_millis(40));
                client.faults(create, 918, "Database in creating status");
                client.refuses("m x=1i 5", "[0x396] Database in creating status");
            });
            client.stores(at("m x=1i T"));
        }
        "taosd killed, write" => {
            client.0.be(Condition::Dead(Duration::from_millis(100)));
            client.refuses(at("m x=1i T"), "[0xb] Unable to establish connection");
        }
        "taosd killed, /rest/sql `select 1`" => {
            client.0.be(Condition::Dead(Duration::ZERO));
            assert_eq!(client.ask("select 1")["data"], json!([[1]]));
            assert_eq!(client.ask("select * from m")["code"], 11);
        }
        "ping while taosd is dead" => {
            client.0.be(Condition::Dead(Duration::ZERO));
            assert_eq!(client.send("/-/ping", &[], b"").0, 200);
        }
        "taosd stopped by a signal" => {
            client.0.be(Condition::Frozen);
            thread::scope(|scope| {
                let writing = scope.spawn(|| client.write(at("m x=1i T")));
                thread::sleep(Duration::from_millis(100));
                assert!(!writing.is_finished());
                client.0.be(Condition::Running);
                assert_eq!(writing.join().unwrap(), "204");
            });
        }
        _ => return check_meetings(client, sent),
    }
    true
}

/// Two requests at once.
fn check_meetings(client: &Client, sent: &str) -> bool {
    let meet = |one: String, other: String| {
        client.0.have_company(true);
        let mut both = thread::scope(|scope| {
            let first = scope.spawn(|| client.write(&one));
            let second = client.write(&other);
            [first.join().unwrap(), second]
        });
        client.0.have_company(false);
        both.sort();
        both
    };
    client.stores(at("m,vin=a x=1i T"));
    let pair = |first: &str, second: &str| {
        for number in 0..3 {
            let line = |text: &str| at(&text.replace('N', &number.to_string()));
            let told = meet(line(first), line(second));
            assert_eq!(told, ["204", "500 [0x3002] Invalid data format"], "{number}");
            client.stores(line(first));
            client.stores(line(second));
        }
    };
    match sent {
        "two requests at once, each with another new field of a table that is there" => {
            pair("m,vin=a aN=1i T", "m,vin=b bN=1i T");
        }
        "two requests at once, each with another new tag of a table that is there" => {
            pair("m,aN=a x=1i T", "m,bN=b x=1i T");
        }
        "two requests at once with the same new field, or nothing new" => {
            for field in ["same", "x"] {
                let line = |vin: &str| at(&format!("m,vin={vin} {field}=1i T"));
                assert_eq!(meet(line("a"), line("b")), ["204", "204"]);
            }
        }
        _ => return false,
    }
    true
}
