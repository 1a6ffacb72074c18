//! Test cases for both servers.

use super::model::{self, KEY, Row, Table, add, batch, create, deliver, head, insist, many, read};
use super::proxy::{Cut, Proxy};
use super::{Server, shared};
use config::keys::sql::LockingStyle;
use delivery::{Backend, Receipt, StoreError, Sum};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sql::rows::{Builder, Head, Value};
use sql::{Dialect, Settings};
use std::net::SocketAddr;
use std::path::Path;
use testkit::certificates::{Authority, Certified};
use testkit::sockets::own_address;

fn backend(settings: &Settings) -> Box<dyn Backend> {
    sql::backend(settings, None)
}

/// Purges sum up as in a map; `end` is the end of the statement that creates the table.
pub(crate) fn purges_add_up(dialect: Dialect, end: &str, change: impl Fn(&Server, &str, &mut Settings)) {
    let server = shared(dialect);
    let database = server.database();
    server.sql(&database, &create(dialect, "acct", end));
    let mut settings = server.settings(&database);
    change(server, &database, &mut settings);
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let purges = proptest::collection::vec(model::rows(40), 1..4);
    let result = TestRunner::new(config).run(&purges, |purges| {
        server.sql(&database, "DELETE FROM acct");
        let mut backend = backend(&settings);
        let mut expected = Table::new();
        for (number, rows) in (1..).zip(&purges) {
            deliver(&mut *backend, &batch(number, &head("acct"), rows));
            add(&mut expected, rows);
        }
        backend.close();
        prop_assert_eq!(read(server, &database, "acct"), expected);
        Ok(())
    });
    result.unwrap();
}

/// Batches of thousands of rows, with each locking style.
pub(crate) fn batches_of_thousands_of_rows(dialect: Dialect) {
    let server = shared(dialect);
    for (locking, end) in [(LockingStyle::Table, KEY), (LockingStyle::Row, ")"), (LockingStyle::None, KEY)] {
        let database = server.database();
        server.sql(&database, &create(dialect, "acct", end));
        let mut backend = backend(&Settings { locking, ..server.settings(&database) });
        let mut expected = Table::new();
        for number in 1..4 {
            let rows = many(3000, number);
            deliver(&mut *backend, &batch(number, &head("acct"), &rows));
            add(&mut expected, &rows);
        }
        assert!(read(server, &database, "acct") == expected);
        let updated = match dialect {
            Dialect::PgSql => "SELECT DISTINCT extract(epoch FROM stamp_updated)::bigint FROM acct",
            _ => "SELECT DISTINCT UNIX_TIMESTAMP(stamp_updated) FROM acct",
        };
        assert_eq!(server.sql(&database, updated).trim(), (model::BIN + 53).to_string());
        // Locks are released after each write.
        server.sql(&database, "DELETE FROM acct");
    }
}

/// Only the refused row is refused, at whichever step the server detects it.
pub(crate) fn only_refused_rows_are_refused(dialect: Dialect, end: &str) {
    let server = shared(dialect);
    let database = server.database();
    server.sql(&database, &create(dialect, "acct", end));
    let mut backend = backend(&server.settings(&database));
    let mut good = many(300, 10);
    good.retain(|row| row.seen != 77);
    let mut rows = many(300, 10);
    // Out of range on its own.
    rows[77].packets = 1 << 40;
    rows[77].bytes = 5;
    let mut receipt = Receipt::new(300);
    backend.open().unwrap();
    backend.deliver(&batch(1, &head("acct"), &rows), &mut receipt).unwrap();
    let (sum, reason) = receipt.refused().unwrap();
    assert_eq!(sum, Sum { aggregates: 1, packets: 1 << 40, bytes: 5 });
    assert!(reason.to_lowercase().contains("out of range"), "{reason}");
    let mut expected = Table::new();
    add(&mut expected, &good);
    assert_eq!(read(server, &database, "acct"), expected);

    // Out of range when added to the existing row: packets is a column of 32 bits.
    let mut more = many(300, 20);
    for at in [5, 6, 150] {
        more[at].packets = 2_000_000_000;
    }
    deliver(&mut *backend, &batch(2, &head("acct"), &more));
    add(&mut expected, &more);
    for at in [5, 150] {
        more[at].packets = 4_000_000_000 - 2_000_000_000 + 294_967_290;
    }
    let mut receipt = Receipt::new(300);
    backend.deliver(&batch(3, &head("acct"), &more), &mut receipt).unwrap();
    assert_eq!(receipt.refused().unwrap().0.aggregates, if dialect == Dialect::PgSql { 3 } else { 2 });
    for (at, row) in more.iter().enumerate() {
        // Row 6 exceeds 2^31, where PostgreSQL's column ends, but not 2^32.
        if !(at == 5 || at == 150 || at == 6 && dialect == Dialect::PgSql) {
            add(&mut expected, std::slice::from_ref(row));
        }
    }
    assert_eq!(read(server, &database, "acct"), expected);
}

/// A configuration error names the key.
pub(crate) fn configuration_errors_name_the_key(dialect: Dialect) {
    let server = shared(dialect);
    let database = server.database();
    server.sql(&database, &create(dialect, "acct", KEY));
    let right = server.settings(&database);
    let error = |settings: &Settings, head: Option<Head>| {
        let error = sql::backend(settings, head).open().unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        error
    };
    let key = |error| match error {
        StoreError::Configuration { key, .. } => key,
        other => panic!("{other:?}"),
    };
    sql::backend(&right, Some(head("acct"))).open().unwrap();
    let settings = Settings { password: "secret".to_owned(), ..right.clone() };
    assert_eq!(key(error(&settings, None)), "sql_passwd");
    let settings = Settings { db: "nowhere".to_owned(), ..right.clone() };
    assert_eq!(key(error(&settings, None)), "sql_db");
    assert_eq!(key(error(&right, Some(head("other")))), "sql_table");
    let mut more = head("acct");
    more.columns[3].name = "vlan".to_owned();
    assert_eq!(key(error(&right, Some(more.clone()))), "sql_table");
    let settings = Settings { optimize: false, ..right.clone() };
    assert_eq!(key(error(&settings, Some(more))), "sql_table_version");
    let create = Some("CREATE TABLE nonsense (".to_owned());
    assert_eq!(key(error(&right, Some(Head { create, ..head("other") }))), "sql_table_schema");
    let settings = Settings { port: Some(1), ..right.clone() };
    assert!(matches!(error(&settings, None), StoreError::Down(_)));
    let settings = Settings { ca_file: Some("/nonexistent".into()), ..right };
    assert_eq!(key(error(&settings, None)), "sql_conn_ca_file");
}

/// Tables that do not fit: all problems are named at once, with the statement that fixes them.
pub(crate) fn tables_that_do_not_fit_are_reported(dialect: Dialect) {
    let server = shared(dialect);
    let database = server.database();
    let settings = server.settings(&database);
    let said = |head: &Head| match sql::backend(&settings, Some(head.clone())).open() {
        Err(StoreError::Configuration { key, what }) => (key, what),
        other => panic!("{other:?}"),
    };
    server.sql(&database, "CREATE TABLE acct (port_src INT NOT NULL, bytes INT NOT NULL)");
    let mut wanted = head("acct");
    wanted.columns.retain(|column| !column.name.starts_with("seen"));
    let (key, what) = said(&wanted);
    assert_eq!(key, "sql_table");
    for name in ["stamp_updated", "stamp_inserted", "ip_src", "label", "tcp_flags", "packets"] {
        assert!(what.contains(name), "{what}");
    }
    let statement = what.split_once("ALTER").and_then(|(_, rest)| rest.split_once(';')).unwrap().0;
    server.sql(&database, &format!("ALTER{statement}"));
    sql::backend(&settings, Some(wanted.clone())).open().unwrap();

    // Columns that the plugin does not write.
    for name in ["one", "two"] {
        server.sql(&database, &format!("ALTER TABLE acct ADD COLUMN {name} INT NOT NULL"));
    }
    server.sql(&database, "ALTER TABLE acct ADD COLUMN three INT, ADD COLUMN four INT NOT NULL DEFAULT 4");
    let (key, what) = said(&wanted);
    assert_eq!(key, "sql_table");
    assert!(what.contains("one") && what.contains("two"), "{what}");
    assert!(!what.contains("three") && !what.contains("four"), "{what}");
    let default =
        |name: &str| server.sql(&database, &format!("ALTER TABLE acct ALTER COLUMN {name} SET DEFAULT 0"));
    default("one");
    default("two");
    let mut backend = sql::backend(&settings, Some(wanted.clone()));
    backend.open().unwrap();
    let row = |number| {
        let mut builder = Builder::new(&wanted);
        builder.row(1, 2);
        let address = Value::Address("10.0.0.1".parse().unwrap());
        let time = Value::Time(model::BIN);
        for value in [time, time, address, Value::Number(number), Value::Text("a"), Value::Number(0)] {
            builder.value(value);
        }
        builder.value(Value::Number(1));
        builder.value(Value::Number(2));
        let (items, sum) = (builder.count(), builder.sum());
        let id = delivery::BatchId { run: 1, number };
        delivery::WriteBatch { id, purge: number, items, sum, body: builder.take() }
    };
    deliver(&mut *backend, &row(1));
    // When such columns are added while the daemon runs, no row is refused: rows are kept until the table fits again.
    for (number, add, mend) in [
        (2, "ALTER COLUMN two DROP DEFAULT", "ALTER COLUMN two SET DEFAULT 0"),
        (4, "ADD COLUMN five INT NOT NULL", "ALTER COLUMN five SET DEFAULT 0"),
    ] {
        // PostgreSQL cannot add such a column to a table with rows in one step.
        server.sql(&database, &format!("DELETE FROM acct; ALTER TABLE acct {add}"));
        let mut receipt = Receipt::new(1);
        for _ in 0..2 {
            let error = backend.open().and_then(|()| backend.deliver(&row(number), &mut receipt)).unwrap_err();
            let StoreError::Configuration { key: "sql_table", what } = &error else { panic!("{error:?}") };
            assert!(what.contains("without a default"), "{what}");
            assert_eq!((receipt.has(0), receipt.refused()), (false, None));
        }
        server.sql(&database, &format!("ALTER TABLE acct {mend}"));
        backend.open().and_then(|()| backend.deliver(&row(number), &mut receipt)).unwrap();
        assert_eq!((receipt.has(0), receipt.refused()), (true, None));
    }
    backend.close();

    // A statement that creates another table than the one that is written to.
    for create in ["CREATE TABLE acct (x INT)", "CREATE TABLE elsewhere (x INT)"] {
        let (key, what) = said(&Head { create: Some(create.to_owned()), ..head("other") });
        assert_eq!(key, "sql_table_schema", "{what}");
        assert!(what.contains("does not create table") && what.contains("other"), "{what}");
    }
}

/// Missing tables are created, also when they disappear later.
pub(crate) fn missing_tables_are_created(dialect: Dialect) {
    let server = shared(dialect);
    let database = server.database();
    let mut backend = backend(&server.settings(&database));
    // More tables than a connection keeps ready.
    for hour in 0..12 {
        let table = format!("acct_20231114_{hour:02}");
        let head = Head { create: Some(create(dialect, &table, KEY)), ..head(&table) };
        deliver(&mut *backend, &batch(hour + 1, &head, &many(20, 1)));
        assert_eq!(read(server, &database, &table).len(), 20);
    }
    let table = "acct_20231114_11";
    let head = Head { create: Some(create(dialect, table, KEY)), ..head(table) };
    server.sql(&database, &format!("DROP TABLE {table}"));
    let batch = batch(20, &head, &many(20, 1));
    let mut receipt = Receipt::new(20);
    let first = backend.deliver(&batch, &mut receipt);
    assert!(matches!(first, Err(StoreError::Configuration { key: "sql_table", .. })), "{first:?}");
    deliver(&mut *backend, &batch);
    assert_eq!(read(server, &database, table).len(), 20);
}

/// Rows without an address or text, in columns that must not be NULL.
pub(crate) fn null_is_replaced_by_the_default(dialect: Dialect) {
    let server = shared(dialect);
    let database = server.database();
    server.sql(&database, &create(dialect, "acct", KEY));
    let mut backend = backend(&server.settings(&database));
    for number in 1..3 {
        let mut builder = Builder::new(&head("acct"));
        for _ in 0..2 {
            builder.row(1, 2);
            builder.value(Value::Null);
            builder.value(Value::Time(model::BIN));
            builder.value(Value::Null);
            builder.value(Value::Null);
            builder.value(Value::Null);
            for value in [7, 1, 2, 3, 4] {
                builder.value(Value::Number(value));
            }
        }
        deliver(&mut *backend, &model::finish(number, &mut builder));
    }
    let expected = (("0.0.0.0".to_owned(), 0, String::new()), [7, 4, 8, 3, 4]);
    assert_eq!(read(server, &database, "acct"), Table::from([expected]));
}

/// The server is killed repeatedly during deliveries, and everything is written exactly once.
pub(crate) fn killed_servers_lose_and_repeat_nothing(dialect: Dialect, end: &str) {
    let mut server = Server::start(dialect);
    let database = server.database();
    server.sql(&database, &create(dialect, "acct", end));
    let settings = server.settings(&database);
    let mut expected = Table::new();
    let batches: Vec<Vec<Row>> = (1..80).map(|number| many(400, number)).collect();
    for rows in &batches {
        add(&mut expected, rows);
    }
    let errors = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut backend = backend(&settings);
            let mut errors = 0;
            for (number, rows) in (1..).zip(&batches) {
                errors += insist(&mut *backend, &batch(number, &head("acct"), rows));
            }
            errors
        });
        for round in 0..4 {
            testkit::conditions::pause(std::time::Duration::from_millis(150 + 70 * round));
            server.kill();
            server.restart();
        }
        worker.join().unwrap()
    });
    assert!(errors > 0, "no kill came during a delivery");
    assert!(read(&server, &database, "acct") == expected);
}

/// The connection breaks at COMMIT, before or after the server receives it.
pub(crate) fn in_doubt_transactions_are_resolved(dialect: Dialect, end: &str) {
    let server = shared(dialect);
    let database = server.database();
    server.sql(&database, &create(dialect, "acct", end));
    let proxy = Proxy::new(&server.host, server.port);
    let settings = Settings { host: "127.0.0.1".to_owned(), port: Some(proxy.port), ..server.settings(&database) };
    let mut backend = backend(&settings);
    let mut expected = Table::new();
    let cuts = [Cut::Never, Cut::After, Cut::Before, Cut::After, Cut::Never, Cut::Before];
    for (number, cut) in (1..).zip(cuts) {
        let rows = many(100, number);
        proxy.cut(cut);
        if cut == Cut::Never {
            deliver(&mut *backend, &batch(number, &head("acct"), &rows));
        } else {
            assert!(insist(&mut *backend, &batch(number, &head("acct"), &rows)) > 0);
        }
        add(&mut expected, &rows);
        assert!(read(server, &database, "acct") == expected, "batch {number}");
    }
}

/// The server crashes before it receives the COMMIT, and forgets the transaction and its id.
pub(crate) fn crashes_between_commits_lose_nothing(dialect: Dialect) {
    // PostgreSQL writes the records of unfinished transactions after that time.
    let late = |_: &Path| match dialect {
        Dialect::PgSql => vec![("wal_writer_delay", "10s".to_owned())],
        _ => Vec::new(),
    };
    let mut server = Server::start_at(own_address(), dialect, late, &[]);
    let database = server.database();
    server.sql(&database, &create(dialect, "acct", KEY));
    let proxy = Proxy::new(&server.host, server.port);
    let settings = Settings { host: "127.0.0.1".to_owned(), port: Some(proxy.port), ..server.settings(&database) };
    let mut backend = backend(&settings);
    let mut expected = Table::new();
    for number in 1..4 {
        let rows = many(100, number);
        // The statements of a new connection contain the word as well.
        deliver(&mut *backend, &batch(2 * number, &head("acct"), &rows));
        add(&mut expected, &rows);
        let next = batch(2 * number + 1, &head("acct"), &rows);
        proxy.cut(Cut::Held);
        let mut receipt = Receipt::new(next.items);
        assert!(backend.deliver(&next, &mut receipt).is_err(), "batch {number}");
        server.crash();
        // Other clients come first, and use the ids of lost transactions; without them, the ids are unknown to the server.
        for client in 0..4 * (number % 2) {
            server.sql(&database, &format!("CREATE TABLE other_{number}_{client} (a int)"));
        }
        insist(&mut *backend, &next);
        add(&mut expected, &rows);
        assert!(read(&server, &database, "acct") == expected, "batch {number}");
    }
}

/// A connection that is closed while idle is not an error.
pub(crate) fn closed_idle_connections_are_reopened(dialect: Dialect) {
    let mut server = Server::start(dialect);
    let database = server.database();
    server.sql(&database, &create(dialect, "acct", KEY));
    let mut backend = backend(&server.settings(&database));
    let rows = many(10, 1);
    let mut expected = Table::new();
    for number in 1..4 {
        deliver(&mut *backend, &batch(number, &head("acct"), &rows));
        add(&mut expected, &rows);
        server.restart();
    }
    assert_eq!(read(&server, &database, "acct"), expected);
}

/// The backup takes over when the primary fails, until the next purge.
pub(crate) fn the_backup_takes_over(dialect: Dialect) {
    let mut primary = Server::start(dialect);
    // Both servers use the same port.
    let address = SocketAddr::new(own_address().ip(), primary.port);
    let second = Server::start_at(address, dialect, |_| Vec::new(), &[]);
    let database = primary.database();
    second.sql("", &format!("CREATE DATABASE {database}"));
    for server in [&primary, &second] {
        server.sql(&database, &create(dialect, "acct", KEY));
    }
    let settings = Settings { backup: Some(second.host.clone()), ..primary.settings(&database) };
    let mut backend = backend(&settings);
    let rows = many(10, 1);
    let mut once = Table::new();
    add(&mut once, &rows);
    let mut twice = once.clone();
    add(&mut twice, &rows);
    deliver(&mut *backend, &batch(1, &head("acct"), &rows));
    primary.kill();
    deliver(&mut *backend, &batch(2, &head("acct"), &rows));
    primary.restart();
    assert_eq!(read(&primary, &database, "acct"), once);
    assert_eq!(read(&second, &database, "acct"), once);
    // The rest of the purge goes to the backup; the next purge goes to the primary.
    let mut rest = batch(3, &head("acct"), &rows);
    rest.purge = 2;
    deliver(&mut *backend, &rest);
    deliver(&mut *backend, &batch(4, &head("acct"), &rows));
    assert_eq!(read(&primary, &database, "acct"), twice);
    assert_eq!(read(&second, &database, "acct"), twice);
}

/// TLS with a private authority; another authority is rejected.
pub(crate) fn tls_connections_verify_the_server(dialect: Dialect, options: &[(&'static str, &str)], after: &str) {
    let address = own_address();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let Certified { certificate, key } = authority.certify(&address.ip().to_string());
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let server = Server::start_at(
        address,
        dialect,
        |directory| {
            options
                .iter()
                .map(|(name, value)| (*name, value.replace("DIR", &directory.display().to_string())))
                .collect()
        },
        &[("cert.pem", certificate), ("key.pem", key), ("ca.pem", authority.pem().to_owned())],
    );
    let database = server.database();
    server.sql(&database, &create(dialect, "acct", KEY));
    server.sql("", after);
    let plain = server.settings(&database);
    let trusting = Settings { ca_file: Some(path("ca.pem", authority.pem())), ..plain.clone() };
    let rows = many(1000, 1);
    deliver(&mut *backend(&trusting), &batch(1, &head("acct"), &rows));
    let mut expected = Table::new();
    add(&mut expected, &rows);
    assert!(read(&server, &database, "acct") == expected);
    let wary = Settings { ca_file: Some(path("other.pem", stranger.pem())), ..plain.clone() };
    for settings in [wary, Settings { ca_file: Some(path("empty.pem", "")), ..plain.clone() }] {
        let error = backend(&settings).open().unwrap_err();
        assert!(matches!(error, StoreError::Configuration { key: "sql_conn_ca_file", .. }), "{error:?}");
    }
    // A server without TLS.
    let other = shared(dialect);
    let settings = Settings { ca_file: trusting.ca_file.clone(), ..other.settings(&other.database()) };
    let error = backend(&settings).open().unwrap_err();
    assert!(matches!(error, StoreError::Configuration { key: "sql_conn_ca_file", .. }), "{error:?}");
}
