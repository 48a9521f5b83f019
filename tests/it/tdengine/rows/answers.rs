//! The answers to statements.

use super::{Client, T, at};

/// Checks the rows about answers to statements.
pub(super) fn check(sent: &str) -> bool {
    let client = Client::new();
    match sent {
        "every fault of /rest/sql" => {
            client.faults(
                "selec 1",
                9728,
                "syntax error near \"near \"selec\": syntax error in \
                selec 1 at offset 0\"",
            );
        }
        "unknown table" => {
            let words = "Fail to get table info, error: Table does not exist";
            client.faults("select * from nowhere", 9731, words);
            client.faults("DESCRIBE `nowhere`", 9731, "Table does not exist");
        }
        "`describe t` or `select … from t` at /rest/sql/fleet, database missing" => {
            client.0.drop_database();
            client.faults("DESCRIBE `t`", 9750, "Database not specified");
            client.faults("select * from t", 9750, "Database not specified");
            let words = "Fail to get table info, error: Database not exist";
            client.faults("select * from fleet.t", 904, words);
        }
        "unknown function" => client.faults("select nofunc(5)", 884, "Func not exists"),
        "long tables: columns of `describe`" => {
            client.stores(at("m,vin=a x=1i T"));
            let told = client.ask("DESCRIBE `m`");
            let names: Vec<&str> = told["column_meta"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| column[0].as_str().unwrap())
                .collect();
            let expect = ["field", "type", "length", "note", "encode", "compress", "level"];
            assert_eq!(names, expect);
        }
        "empty body at /rest/sql" => {
            let (_, body) = client.ask_body("");
            assert!(body.contains("4358") && body.contains("request is empty"), "{body}");
        }
        "windows of a subquery over more than one vehicle, outer order"
        | "windows with their order in the select itself" => check_windows(&client, sent),
        _ => return false,
    }
    true
}

/// Two vehicles with two series each, in both vgroups, over ten minutes.
fn check_windows(client: &Client, sent: &str) {
    let mut lines = String::new();
    for step in 0..600_i64 {
        for (vin, model) in [("A", "m"), ("A", "n"), ("A", "o"), ("B", "m"), ("B", "n"), ("B", "p")]
        {
            let time = T + step * 1_000_000_000;
            lines.push_str(&format!("w,vin={vin},model={model} x={step} {time}\n"));
        }
    }
    client.stores(lines);
    let select = "SELECT _wstart AS q_time, `vin` AS q_t0, COUNT(`x`) AS q_f0 FROM `w` \
                  PARTITION BY `vin` INTERVAL(60000000000b)";
    let is_inner = sent.starts_with("windows with");
    for (order, is_desc) in [("ASC", false), ("DESC", true)] {
        let told = client.ask(&match is_inner {
            true => format!("{select} ORDER BY q_time {order}"),
            false => format!("SELECT * FROM ({select}) ORDER BY q_time {order}"),
        });
        let rows = told["data"].as_array().unwrap();
        let times: Vec<&str> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
        let in_order = match is_desc {
            true => times.is_sorted_by(|one, other| one >= other),
            false => times.is_sorted(),
        };
        assert_eq!(in_order, is_inner, "{order}");
        let whole = rows.len() == 22;
        assert_eq!(whole, is_inner || !is_desc, "{order}: {} windows", rows.len());
        let points: i64 = rows.iter().map(|row| row[2].as_i64().unwrap()).sum();
        assert_eq!(points, 3_600);
    }
}
