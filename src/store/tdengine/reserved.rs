//! Reserved words of TDengine: a database with such a name can be created in backticks, but then
//! refuses every line, because the adapter writes `use` without backticks (`[0x2600] syntax
//! error`).

use crate::store::options::TdEngine;

impl TdEngine {
    /// Whether no line can be written into a database with this name.
    #[must_use]
    pub fn is_reserved(database: &str) -> bool {
        RESERVED.binary_search(&database).is_ok()
    }
}

/// In alphabetical order.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "add", "aggregate", "all", "alter", "analyze", "and", "apps", "as", "asc", "attach",
    "balance", "before", "begin", "between", "bigint", "binary", "bitand", "bitnot", "bitor",
    "blocks", "bool", "both", "buffer", "bufsize", "by", "cache", "cachemodel", "cachesize",
    "cascade", "case", "cast", "child", "client_version", "cluster", "column", "comment", "comp",
    "compact", "concat", "conflict", "connection", "connections", "conns", "consumer",
    "consumers", "contains", "copy", "count", "create", "current_user", "database", "databases",
    "dbs", "deferred", "delete", "delimiters", "desc", "describe", "detach", "distinct",
    "distributed", "divide", "dnode", "dnodes", "dollar", "double", "drop", "duration", "else",
    "enable", "end", "event", "every", "exists", "expired", "explain", "fail", "false", "file",
    "fill", "float", "flush", "for", "from", "function", "functions", "geometry", "glob",
    "grant", "grants", "group", "having", "host", "if", "ignore", "immediate", "import", "in",
    "index", "indexes", "initially", "inner", "insert", "instead", "int", "integer", "interval",
    "into", "is", "isnull", "join", "json", "keep", "key", "kill", "last", "last_row",
    "licences", "like", "limit", "linear", "local", "match", "max_delay", "maxrows", "merge",
    "meta", "minrows", "minus", "mnode", "mnodes", "modify", "modules", "nchar", "next",
    "nmatch", "none", "not", "notnull", "now", "null", "nulls", "of", "offset", "on", "or",
    "order", "outputtype", "pages", "pagesize", "partition", "pass", "port", "ppid", "precision",
    "prev", "privileges", "qnode", "qnodes", "qtime", "queries", "query", "raise", "range",
    "ratio", "read", "redistribute", "rename", "replace", "replica", "reset", "restrict",
    "retentions", "revoke", "rollup", "row", "schemaless", "scores", "select", "semi",
    "server_status", "server_version", "session", "set", "show", "single_stable", "sliding",
    "slimit", "smallint", "snode", "snodes", "soffset", "split", "stable", "stables", "start",
    "state", "state_window", "statement", "storage", "stream", "streams", "strict", "string",
    "subscriptions", "subtable", "sysinfo", "table", "tables", "tag", "tags", "tbname", "then",
    "times", "timestamp", "timezone", "tinyint", "to", "today", "topic", "topics", "trailing",
    "transaction", "transactions", "trigger", "trim", "true", "tseries", "ttl", "union",
    "unsafe", "unsigned", "update", "use", "user", "users", "using", "value", "value_f",
    "values", "varbinary", "varchar", "variable", "variables", "verbose", "vgroup", "vgroups",
    "view", "vnodes", "wal", "watermark", "when", "where", "window", "window_close", "with",
    "write",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_language_are_found_and_no_others() {
        assert!(RESERVED.is_sorted());
        assert!(RESERVED.iter().all(|word| TdEngine::is_reserved(word)));
        assert!(!TdEngine::is_reserved("fleet") && !TdEngine::is_reserved("telemetry"));
    }
}
