//! What is asked, and what is refused however it is hidden.

use super::check;
use crate::store::{Ask, AskError, Language};

#[track_caller]
fn check_asked(language: Language, texts: &[&str]) {
    for text in texts {
        assert_eq!(check(&Ask::new(language, *text)), Ok(()), "{text}");
    }
}

#[track_caller]
fn check_refused(language: Language, texts: &[&str]) {
    for text in texts {
        let refused = check(&Ask::new(language, *text));
        assert!(matches!(refused, Err(AskError::Refused { .. })), "{text}: {refused:?}");
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
            // A regular expression with a quote in it, which a naive eye takes for a string.
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
fn flux_reads_without_to_and_without_packages_that_reach_out() {
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
            // Hidden behind what only the grammar tells apart.
            "a = 1 / 2\nfrom(bucket: \"b\") |> to(bucket: \"c\")",
            "x = r =~ /\"/ y |> to(bucket: \"c\") // \"",
            "x = \"${from(bucket: \"b\") |> to(bucket: \"c\")}\"",
            "x = 1to(bucket: \"c\")",
            "x = \"open",
        ],
    );
}
