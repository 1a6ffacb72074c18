//! SQLite: everything is written exactly once, to tables of any structure, and every column can be written.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use aggregate::Table as Aggregates;
use config::{Daemon, Diagnostics};
use delivery::{Backend, BatchId, Receipt, StoreError, WriteBatch};
use flow::row::{FieldSet, Layout};
use flow::schema::{Options, Schema, Selection};
use foldhash::fast::RandomState;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rusqlite::Connection;
use rusqlite::types::Value as Found;
use sql::columns::{COLUMNS, Shape};
use sql::rows::{Builder, Column, Form, Head, Role, Value};
use sql::{Dialect, Encoder, Settings, schemas};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::model::{self, BIN, KEY, Table, add, batch, create, deliver, head};
use tempfile::TempDir;

/// A private file, and the settings of a plugin that writes to it.
struct Database {
    folder: TempDir,
    settings: Settings,
}

impl Database {
    fn new(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let text = format!(
            "plugins: sqlite3[s]\naggregate[s]: src_host\nsql_db: {}\ntimestamps_utc: true\n{lines}\n",
            path.display()
        );
        let (config, mut problems): (_, Diagnostics) = config::parse_bytes(Daemon::Nfacctd, "c", text.as_bytes());
        let settings = Settings::read(&config.plugins()[0], &mut problems);
        Self { folder, settings }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn sql(&self, statements: &str) {
        self.connection().execute_batch(statements).unwrap();
    }

    fn backend(&self, expected: Option<Head>) -> Box<dyn Backend> {
        sql::backend(&self.settings, expected)
    }
}

fn of_sqlite(end: &str) -> String {
    // SQLite has neither MySQL's collations nor its character sets.
    create(Dialect::Sqlite, "acct", end).replace(" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "")
}

fn number(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

fn read(path: &Path) -> Table {
    let connection = Connection::open(path).unwrap();
    let query = "SELECT CAST(strftime('%s', stamp_inserted) AS INT), ip_src, port_src, label, tcp_flags, packets, \
                 bytes, seen_min, seen_max FROM acct";
    let mut statement = connection.prepare(query).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut table = Table::new();
    while let Some(row) = rows.next().unwrap() {
        assert_eq!(row.get(0), Ok(BIN));
        let numbers: [u64; 5] = std::array::from_fn(|at| number(row, 4 + at).unwrap());
        let key = (row.get(1).unwrap(), number(row, 2).unwrap(), row.get(3).unwrap());
        assert_eq!(table.insert(key, numbers), None, "twice in the table");
    }
    table
}

#[test]
fn purges_add_up_in_tables_of_any_structure() {
    let wide = ", vlan INT NOT NULL DEFAULT 0, PRIMARY KEY (vlan, stamp_inserted, ip_src, port_src, label))";
    for end in [KEY, wide, ")"] {
        let database = Database::new("");
        database.sql(&of_sqlite(end));
        let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
        let purges = proptest::collection::vec(model::rows(60), 1..5);
        let result = TestRunner::new(config).run(&purges, |purges| {
            database.sql("DELETE FROM acct");
            let mut backend = database.backend(Some(head("acct")));
            let mut expected = Table::new();
            for (number, rows) in (1..).zip(&purges) {
                deliver(&mut *backend, &batch(number, &head("acct"), rows));
                add(&mut expected, rows);
            }
            backend.close();
            prop_assert_eq!(read(&database.path()), expected);
            Ok(())
        });
        result.unwrap();
    }
}

#[test]
fn rows_are_only_inserted_with_sql_dont_try_update() {
    for lines in ["sql_dont_try_update: true", "sql_dont_try_update: true\nsql_multi_values: 10000"] {
        let database = Database::new(lines);
        database.sql(&of_sqlite(")"));
        let mut backend = database.backend(None);
        for number in 1..3 {
            deliver(&mut *backend, &batch(number, &head("acct"), &model::many(1003, 5)));
        }
        let query = "SELECT COUNT(*), SUM(packets), COUNT(DISTINCT stamp_updated) FROM acct";
        let found = database
            .connection()
            .query_row(query, [], |row| Ok((number(row, 0)?, number(row, 1)?, number(row, 2)?)));
        assert_eq!(found, Ok((2006, 10_030, 2)), "{lines}");
    }
}

#[test]
fn a_table_of_all_columns_is_written() {
    let database = Database::new("");
    let columns: Vec<Column> = (COLUMNS.iter())
        .map(|spec| {
            let role = match spec.name {
                "packets" | "bytes" | "flows" => Role::Sum,
                "stamp_updated" => Role::Updated,
                "tcp_flags" | "tunnel_tcp_flags" => Role::Or,
                _ => Role::Key,
            };
            Column { name: spec.name.to_owned(), role, form: Form::Plain }
        })
        .collect();
    let names: Vec<&str> = COLUMNS.iter().map(|spec| spec.name).collect();
    assert!(names.len() > 100);
    let list = format!("CREATE TABLE t ({})", names.join(", "));
    let head = Head { table: "t".to_owned(), create: Some(list), columns, for_backup: false };
    let mut backend = database.backend(Some(head.clone()));
    for number in 1..4 {
        let mut builder = Builder::new(&head);
        builder.row(1, 1);
        (0..names.len()).for_each(|at| builder.value(Value::Number(at as u64)));
        deliver(&mut *backend, &model::finish(number, &mut builder));
    }
    let found: (u64, u64) = database
        .connection()
        .query_row("SELECT packets, label FROM t", [], |row| Ok((number(row, 0)?, number(row, 1)?)))
        .unwrap();
    let at = |name: &str| names.iter().position(|other| *other == name).unwrap() as u64;
    assert_eq!(found, (3 * at("packets"), at("label")));
}

/// A table with one aggregate of these primitives, in which only the counters are set.
fn aggregates(words: &str, bins: bool) -> (Arc<Schema>, Aggregates) {
    let options = Options { bins, ..Options::default() };
    let selection = Selection::parse(words.split(", "), &[]).unwrap();
    let mut fields = FieldSet::default();
    selection.require(&options, &mut fields);
    let schema = Arc::new(Schema::new(&selection, &[], &Layout::new(&fields, &[]), &options));
    let mut table = Aggregates::new(Arc::clone(&schema), RandomState::default(), 0);
    table.add(&vec![0; schema.key_words], &vec![1; schema.values.len()]);
    (schema, table)
}

/// The batches of that aggregate.
fn encoded(database: &Database, aggregate: &str) -> (Encoder, Vec<WriteBatch>) {
    let (schema, table) = aggregates(aggregate, database.settings.history > 0);
    let mut encoder = Encoder::new(&database.settings, &schema);
    let mut batches = Vec::new();
    encoder.encode(&table, 1_700_000_400, &mut |body, items, sum| {
        let id = BatchId { run: 1, number: batches.len() as u64 };
        batches.push(WriteBatch { id, purge: 1, items, sum, body });
    });
    (encoder, batches)
}

/// The number of tables and rows of a purge at 1,700,000,400 with one aggregate for each of these bins and peers, and those that
/// exceeded the bound.
fn tables_of(lines: &str, bins: impl Iterator<Item = (u64, u8)>) -> (usize, u32, sql::Bounded) {
    let database = Database::new(lines);
    let (schema, _) = aggregates("src_host, peer_src_ip", true);
    let peer = schema.columns.iter().find(|column| column.json == "peer_ip_src").unwrap();
    let flow::schema::At::Key(peer) = peer.at else { panic!("not in the key") };
    let mut table = Aggregates::new(Arc::clone(&schema), RandomState::default(), 0);
    for (bin, last) in bins {
        let mut bytes = vec![0_u8; schema.key_words * 8];
        let at = schema.bin.unwrap();
        bytes[at..at + 8].copy_from_slice(&bin.to_be_bytes());
        bytes[peer..peer + 16].copy_from_slice(&flow::address::octets([192, 0, 2, last].into()));
        let words = bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(*word.first_chunk().unwrap()));
        table.add(&words.collect::<Vec<_>>(), &vec![7; schema.values.len()]);
    }
    let mut encoder = Encoder::new(&database.settings, &schema);
    let mut items = 0;
    encoder.encode(&table, 1_700_000_400, &mut |_, more, _| items += more);
    let bounded = encoder.take_bounded();
    assert_eq!(encoder.take_bounded(), sql::Bounded::default());
    (encoder.written().len(), items, bounded)
}

#[test]
fn tables_of_a_purge_are_bounded() {
    // Bins that share a table count as one table.
    let lines = "sql_table: acct_%Y%m%d\nsql_history: 1m\nsql_max_tables: 2";
    let minutes = (0..1440).map(|minute| (1_699_920_000 + 60 * minute, 1));
    assert_eq!(tables_of(lines, minutes), (1, 1440, sql::Bounded::default()));
    // Beyond the bound, rows go to the table for the time of the purge, and nothing is dropped.
    let lines = "sql_table: acct_%s\nsql_history: 1m\nsql_max_tables: 5";
    let expected = sql::Bounded { redirected: 995, ..sql::Bounded::default() };
    assert_eq!(tables_of(lines, (0..1000).map(|bin| (60 * bin, 1))), (6, 1000, expected));
    // At twice the bound, rows are dropped.
    let lines = "sql_table: acct_%s_$peer_src_ip\nsql_history: 1m\nsql_max_tables: 5";
    let (tables, items, bounded) = tables_of(lines, (0..200).map(|n| (60 * n, n as u8)));
    assert_eq!((tables, items, bounded.redirected), (10, 10, 5));
    assert_eq!((bounded.dropped.aggregates, bounded.dropped.packets), (190, 190 * 7));
}

#[test]
fn the_standard_schemas_accept_constants_for_columns_that_are_not_aggregated() {
    for version in 1..=9 {
        let database = Database::new(&format!("sql_table_version: {version}\nsql_history: 1h"));
        let shape = Shape { dialect: Dialect::Sqlite, version, bgp: false, unified: false };
        database.sql(&schemas::create(shape, false));
        let (encoder, batches) = encoded(&database, "src_host, dst_host, proto");
        let mut backend = database.backend(encoder.head(1_700_000_400));
        for batch in batches.iter().chain(&batches) {
            deliver(&mut *backend, batch);
        }
        let query = format!("SELECT ip_src, mac_src, packets FROM {}", shape.table(false));
        let found: (String, String, u64) = (database.connection())
            .query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?, number(row, 2)?)))
            .unwrap();
        assert_eq!(found, (String::new(), "0:0:0:0:0:0".to_owned(), 2), "{version}");
    }
}

#[test]
fn missing_addresses_have_a_binary_form_too() {
    let database = Database::new("sql_num_hosts: true\nsql_optimize_clauses: true\nsql_table: t");
    database.sql("CREATE TABLE t (ip_src BLOB NOT NULL PRIMARY KEY, packets INT, bytes INT)");
    let (encoder, batches) = encoded(&database, "src_host");
    let mut backend = database.backend(encoder.head(0));
    batches.iter().for_each(|batch| deliver(&mut *backend, batch));
    let found = database.connection().query_row("SELECT ip_src FROM t", [], |row| row.get(0));
    assert_eq!(found, Ok(Found::Blob(vec![0; 4])));
}

#[test]
fn the_schema_for_bgp_is_selected_by_the_aggregated_columns() {
    for (lines, words, columns) in [
        (
            "",
            "src_as, as_path",
            "agent_id,as_dst,as_path,as_src,bytes,comms,local_pref,med,packets,peer_as_dst,\
          peer_as_src,peer_ip_dst,peer_ip_src",
        ),
        (
            "sql_table_type: bgp",
            "src_as",
            "agent_id,as_dst,as_path,as_src,bytes,comms,local_pref,med,packets,\
          peer_as_dst,peer_as_src,peer_ip_dst,peer_ip_src",
        ),
        (
            "sql_table_version: 2",
            "lrg_comm",
            "agent_id,bytes,ip_dst,ip_proto,ip_src,dst_port,lcomms,mac_dst,mac_src,\
          packets,src_port,vlan",
        ),
        ("sql_optimize_clauses: true", "as_path, peer_dst_ip", "as_path,bytes,packets,peer_ip_dst"),
    ] {
        let database = Database::new(lines);
        let head = encoded(&database, words).0.head(0).unwrap();
        let mut names: Vec<&str> = head.columns.iter().map(|column| column.name.as_str()).collect();
        let mut expected: Vec<&str> = columns.split(',').collect();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected, "{lines} {words}");
    }
}

#[test]
fn whole_seconds_have_no_columns_for_microseconds() {
    for (lines, columns) in [("", 4), ("timestamps_secs: true", 3)] {
        let database = Database::new(&format!("sql_optimize_clauses: true\n{lines}"));
        let head = encoded(&database, "timestamp_start").0.head(0).unwrap();
        assert_eq!(head.columns.len(), columns, "{lines}");
    }
}

#[test]
fn configuration_errors_name_the_key() {
    let configuration = |error: Result<(), StoreError>| match error {
        Err(StoreError::Configuration { key, what }) => (key, what),
        other => panic!("{other:?}"),
    };
    let database = Database::new("");
    let opened = |head: &Head| configuration(database.backend(Some(head.clone())).open());
    let (key, what) = opened(&head("acct"));
    assert_eq!(key, "sql_table");
    assert!(what.starts_with("no such table: acct"), "{what}");
    database.sql("CREATE TABLE acct (label TEXT)");
    let (key, what) = opened(&head("acct"));
    assert_eq!(key, "sql_table_version");
    assert!(what.contains("stamp_updated") && what.contains("ALTER TABLE \"acct\" ADD COLUMN"), "{what}");
    database.sql("CREATE TABLE more (a INTEGER PRIMARY KEY, b INT NOT NULL, c INT NOT NULL, d INT, e INT NOT NULL DEFAULT 1)");
    let mut wanted = head("more");
    wanted.columns.retain(|column| column.name == "packets");
    database.sql("ALTER TABLE more ADD COLUMN packets INT");
    let (key, what) = opened(&wanted);
    assert_eq!(key, "sql_table");
    assert!(what.contains("columns \"b\", \"c\" without a default"), "{what}");
    for create in ["CREATE TABLE more (x)", "CREATE TABLE elsewhere (x)"] {
        let (key, what) = opened(&Head { create: Some(create.to_owned()), ..head("x") });
        assert_eq!(key, "sql_table_schema", "{what}");
        assert!(what.contains("does not create table \"x\""), "{what}");
    }
    let (key, what) = opened(&Head { create: Some("CREATE TABLE x (".to_owned()), ..head("x") });
    assert_eq!(key, "sql_table_schema", "{what}");
    std::fs::write(database.path(), "This has never been a database.".repeat(100)).unwrap();
    assert_eq!(opened(&head("acct")).0, "sql_db");
    let nowhere = Settings { db: "/nowhere/db".to_owned(), ..database.settings.clone() };
    let (key, what) = configuration(sql::backend(&nowhere, None).open());
    assert_eq!(key, "sql_db");
    assert!(what.contains("/nowhere/db"), "{what}");
}

#[test]
fn a_locked_file_is_retried_or_replaced_by_the_backup() {
    let mut database = Database::new("plugin_write_timeout: 1");
    database.sql(&of_sqlite(KEY));
    let rows = model::many(10, 1);
    let locked = database.connection();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut backend = database.backend(Some(head("acct")));
    backend.open().unwrap();
    let first = batch(1, &head("acct"), &rows);
    let mut receipt = Receipt::new(first.items);
    assert!(matches!(backend.deliver(&first, &mut receipt), Err(StoreError::Down(_))));
    locked.execute_batch("ROLLBACK").unwrap();
    deliver(&mut *backend, &first);
    assert_eq!(read(&database.path()).len(), 10);

    let second = database.folder.path().join("second");
    database.settings.backup = Some(second.display().to_string());
    Connection::open(&second).unwrap().execute_batch(&of_sqlite(KEY)).unwrap();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut backend = database.backend(Some(head("acct")));
    deliver(&mut *backend, &batch(2, &head("acct"), &rows));
    locked.execute_batch("ROLLBACK").unwrap();
    deliver(&mut *backend, &batch(3, &head("acct"), &rows));
    let counted = |path: &Path| read(path).values().map(|numbers| numbers[1]).sum::<u64>();
    assert_eq!((counted(&second), counted(&database.path())), (10, 20));
}
