//! Which queries are allowed, and which are refused even if the statement is hidden.

use super::check;
use crate::store::{Kind, Language, StoreQuery, StoreQueryError};

#[track_caller]
fn check_asked(language: Language, texts: &[&str]) {
    check_asked_of(Kind::InfluxDb3, language, texts);
}

#[track_caller]
fn check_asked_of(kind: Kind, language: Language, texts: &[&str]) {
    for text in texts {
        assert_eq!(check(kind, &StoreQuery::new(language, *text)), Ok(()), "{text}");
    }
}

#[track_caller]
fn check_refused(language: Language, texts: &[&str]) {
    check_refused_of(Kind::InfluxDb3, language, texts);
}

#[track_caller]
fn check_refused_of(kind: Kind, language: Language, texts: &[&str]) {
    for text in texts {
        let refused = check(kind, &StoreQuery::new(language, *text));
        assert!(matches!(refused, Err(StoreQueryError::Refused { .. })), "{text}: {refused:?}");
    }
}

#[test]
fn influxql_reads_one_statement_and_never_into() {
    check_asked(
        Language::InfluxQl,
        &[
            "SELECT * FROM m",
            "  select mean(a) from m where s = 'x; drop database d' ;  -- into",
            "SELECT \"into\" FROM \"a;b\"",
            "SHOW TAG VALUES FROM m WITH KEY = vin /* ; drop */",
            "EXPLAIN ANALYZE SELECT a FROM m",
            "SELECT a / 2 FROM m WHERE b =~ /^x'y\"z/",
            r"SELECT a FROM m WHERE s = 'it\'s; drop'",
        ],
    );
    check_refused(
        Language::InfluxQl,
        &[
            "",
            "DROP MEASUREMENT m",
            "-- SELECT\nDELETE FROM m",
            "SELECT * INTO n FROM m",
            "SELECT a + 1INTO n FROM m",
            "SELECT a FROM m WHERE time > now() - 1sINTO n",
            "SELECT * /**/iNtO/**/ n FROM m",
            "SELECT a FROM m; DROP DATABASE d",
            "SELECT a FROM m;\n\n-- x\nDROP DATABASE d",
            // A regular expression with a quote in it, which a naive parser takes for a string.
            "SELECT a FROM /'/; DROP MEASUREMENT m --'/",
            "SELECT a / b FROM m WHERE s = 'x' ; DROP MEASUREMENT n",
            "SELECT a FROM /'/ , m; select * into n from m /'/",
            "SELECT a FROM m WHERE s = 'open",
            "SELECT a FROM m /* open",
            "CREATE CONTINUOUS QUERY q ON d BEGIN SELECT a INTO b FROM c GROUP BY time(1m) END",
            "GRANT ALL TO u",
            "KILL QUERY 1",
        ],
    );
}

#[test]
fn sql_reads_one_statement() {
    check_asked(
        Language::Sql,
        &[
            "SELECT vin, max(t) FROM telemetry WHERE time > now() - INTERVAL '5 minutes' GROUP BY 1",
            "with x as (select 1) select * from x;",
            "SHOW TABLES",
            "SELECT 'insert; into' AS \"drop\" -- delete\n",
            "SELECT a / b FROM m WHERE vin = $vin AND c = $c",
            r#"SELECT "a\" FROM "b\c""#,
        ],
    );
    check_refused(
        Language::Sql,
        &[
            "INSERT INTO m VALUES (1)",
            "WITH x AS (SELECT 1) INSERT INTO m SELECT * FROM x",
            "SELECT 1; SELECT 2",
            "EXPLAIN ANALYZE DELETE FROM m",
            "COPY m TO 'file'",
            r"SELECT E'\'; DROP TABLE m; --'",
            r#"SELECT "a\"; DROP TABLE m; --""#,
            "SELECT $$a$$; DROP TABLE m",
            "SELECT /* /* */ ; DROP TABLE m */ 1",
            "SET x = 1",
        ],
    );
}

#[test]
fn tdengine_reads_one_statement_that_begins_with_a_reading_word() {
    let asked = [
        "SELECT _wstart, AVG(`x`) FROM `m` PARTITION BY `vin` INTERVAL(1m);",
        r"SELECT * FROM m WHERE vin = 'it\'s; drop' AND c = $c -- ; drop database fleet",
        "select `drop`, `insert` from `a;b` where s = \"; delete\" /* ; drop */",
        r"SELECT `a\` FROM m WHERE s = '\\'",
        "SHOW CREATE TABLE `m`",
        "SHOW STABLES",
        "DESCRIBE `m`",
        "desc m",
        "EXPLAIN SELECT * FROM m",
    ];
    check_asked_of(Kind::TdEngine, Language::Sql, &asked);
    let refused = [
        "INSERT INTO m VALUES (now, 1)",
        "INSERT INTO t USING m TAGS('a') VALUES (now, 1)",
        "DELETE FROM m",
        "CREATE DATABASE d",
        "ALTER DATABASE fleet WAL_LEVEL 1",
        "DROP STABLE m",
        "USE fleet",
        "KILL QUERY '1'",
        "COMPACT DATABASE fleet",
        "FLUSH DATABASE fleet",
        "BALANCE VGROUP",
        "REDISTRIBUTE VGROUP 2 DNODE 1",
        "GRANT ALL ON *.* TO u",
        "RESET QUERY CACHE",
        "TRIM DATABASE fleet",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "import into m values (now, 1)",
        "EXPLAIN INSERT INTO m VALUES (now, 1)",
        "SELECT 1; DROP DATABASE fleet",
        // The server silently ignores a second statement; this guard refuses it.
        "SELECT 1; SELECT 2",
        r"SELECT * FROM m WHERE s = '\\'; DROP DATABASE fleet --'",
        r"SELECT `a\`; DROP DATABASE fleet --`",
        "SELECT * FROM m WHERE s = 'open",
        "SELECT * FROM `open",
        "/*/ SELECT 1; */ DROP DATABASE fleet",
        "",
    ];
    check_refused_of(Kind::TdEngine, Language::Sql, &refused);
}

#[test]
fn flux_reads_without_to_and_without_packages_that_write_or_send() {
    check_asked(
        Language::Flux,
        &[
            "from(bucket: \"b\") |> range(start: -1h) // convert to km",
            "import \"math\"\nimport s \"strings\"\nfrom(bucket: \"to(\") |> range(start: -1h)",
            "x = {to: 1}\ny = x.to",
            "from(bucket: \"b\") |> range(start: -1h) |> filter(fn: (r) => r.vin =~ /^A\"/)",
            "tomorrow = 1",
        ],
    );
    check_refused(
        Language::Flux,
        &[
            "from(bucket: \"b\") |> range(start: -1h) |> to(bucket: \"c\")",
            "from(bucket: \"b\")|>range(start:-1h)|>\n\tto  (bucket: \"c\")",
            "write = to\nfrom(bucket: \"b\") |> write(bucket: \"c\")",
            "import \"experimental\"\nx |> experimental.to(bucket: \"c\")",
            "import e \"experimental\"",
            "import \"influxdata/influxdb\"\nx |> influxdb.wideTo(bucket: \"c\")",
            "import \"http\"\nhttp.post(url: \"http://x\")",
            "import \"sql\"",
            "import \"kafka\"",
            "import \"csv\"\ncsv.from(file: \"/etc/passwd\")",
            "import \"\\x68ttp\"",
            "import\n\"http\"",
            // Hidden behind an ambiguity that only the full grammar resolves.
            "a = 1 / 2\nfrom(bucket: \"b\") |> to(bucket: \"c\")",
            "x = r =~ /\"/ y |> to(bucket: \"c\") // \"",
            "x = \"${from(bucket: \"b\") |> to(bucket: \"c\")}\"",
            "x = 1to(bucket: \"c\")",
            "x = \"open",
        ],
    );
}
