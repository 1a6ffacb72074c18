//! ClickHouse: everything is written, and values that the server would silently change are refused.
#![cfg(feature = "clickhouse")]
#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use config::{Daemon, Diagnostics};
use delivery::{Receipt, StoreError};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sql::Settings;
use sql::rows::{Builder, Column, Form, Head, Role, Value};
use support::model::{self, BIN, Table, add, batch, deliver, head};
use testkit::servers::clickhouse::ask;
use testkit::servers::{self, Address};

fn settings(address: &Address, lines: &str) -> Settings {
    let Address { host, port, user, password, database } = address;
    let text = format!(
        "plugins: clickhouse[s]\naggregate[s]: src_host\nsql_host: {host}\nsql_port: {port}\nsql_user: {user}\n\
         sql_passwd: {password}\nsql_db: {database}\ntimestamps_utc: true\n{lines}\n"
    );
    let (config, mut problems): (_, Diagnostics) = config::parse_bytes(Daemon::Nfacctd, "c", text.as_bytes());
    Settings::read(&config.plugins()[0], &mut problems)
}

fn create(name: &str) -> String {
    format!(
        "CREATE TABLE {name} (stamp_updated DateTime, stamp_inserted DateTime, ip_src String, port_src UInt16, label \
         String, tcp_flags UInt8, packets UInt64, bytes UInt64, seen_min UInt64, seen_max UInt64) \
         ENGINE = SummingMergeTree((packets, bytes)) ORDER BY (stamp_inserted, ip_src, port_src, label, tcp_flags)"
    )
}

fn read(address: &Address, name: &str) -> Table {
    let query = format!(
        "SELECT toUInt32(stamp_inserted), ip_src, port_src, hex(label), groupBitOr(tcp_flags), sum(packets), sum(bytes) \
         FROM {name} GROUP BY stamp_inserted, ip_src, port_src, label"
    );
    let mut table = Table::new();
    for line in ask(address, &query).unwrap().lines() {
        let words: Vec<&str> = line.split('\t').collect();
        assert_eq!(words[0].parse(), Ok(BIN));
        let byte = |at: usize| u8::from_str_radix(&words[3][2 * at..2 * at + 2], 16).unwrap();
        let label = String::from_utf8((0..words[3].len() / 2).map(byte).collect()).unwrap();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let key = (words[1].to_owned(), number(2), label);
        assert_eq!(table.insert(key, [number(4), number(5), number(6), 0, 0]), None);
    }
    table
}

#[test]
fn purges_add_up() {
    let Some(server) = servers::clickhouse() else { return };
    let name = servers::name("acct");
    ask(&server.address, &create(&name)).unwrap();
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let purges = proptest::collection::vec(model::rows(60), 1..5);
    let result = TestRunner::new(config).run(&purges, |purges| {
        ask(&server.address, &format!("DROP TABLE {name}")).unwrap();
        ask(&server.address, &create(&name)).unwrap();
        let mut backend = sql::backend(&settings(&server.address, ""), Some(head(&name)));
        let mut expected = Table::new();
        for (number, rows) in (1..).zip(&purges) {
            deliver(&mut *backend, &batch(number, &head(&name), rows));
            add(&mut expected, rows);
        }
        backend.close();
        // ClickHouse's tables do not keep the minimum and the maximum.
        expected.values_mut().for_each(|[.., least, greatest]| (*least, *greatest) = (0, 0));
        prop_assert_eq!(read(&server.address, &name), expected);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn values_that_the_server_would_change_are_refused_row_by_row() {
    let Some(server) = servers::clickhouse() else { return };
    let name = servers::name("acct");
    let column = |name: &str, role| Column { name: name.to_owned(), role, form: Form::Plain };
    let head = Head {
        table: name.clone(),
        create: Some(format!(
            "CREATE TABLE {name} (port UInt16, `odd ``name` Nullable(FixedString(4)), e Float64, at DateTime) \
             ENGINE = Log"
        )),
        columns: vec![
            column("port", Role::Key),
            column("odd `name", Role::Key),
            column("e", Role::Key),
            column("at", Role::Key),
        ],
        for_backup: false,
    };
    let mut builder = Builder::new(&head);
    let time = Value::Time(BIN);
    let rows = [
        (Value::Number(65_535), Value::Text("four"), Value::Real(0.5), time),
        (Value::Number(65_536), Value::Text("wrap"), Value::Real(0.5), time),
        (Value::Null, Value::Null, Value::Real(0.5), Value::Null),
        (Value::Number(2), Value::Text("b\t"), Value::Text("z"), time),
        (Value::Number(3), Value::Text("b\t\\N"), Value::Real(0.5), Value::Time(-1)),
    ];
    for (number, (port, text, real, at)) in (1..).zip(rows) {
        builder.row(number, 10);
        [port, text, real, at].into_iter().for_each(|value| builder.value(value));
    }
    let mut backend = sql::backend(&settings(&server.address, ""), Some(head));
    let batch = model::finish(1, &mut builder);
    let mut receipt = Receipt::new(batch.items);
    backend.open().unwrap();
    backend.deliver(&batch, &mut receipt).unwrap();
    let (sum, reason) = receipt.refused().unwrap();
    assert_eq!((sum.aggregates, sum.packets), (2, 2 + 4), "{reason}");
    assert!((0..5).all(|item| receipt.has(item)));
    let found =
        ask(&server.address, &format!("SELECT port, `odd \\`name`, e, toUInt32(at) FROM {name} ORDER BY port"));
    assert_eq!(found.unwrap(), format!("0\t\\N\t0.5\t0\n3\tb\\t\\\\N\t0.5\t0\n65535\tfour\t0.5\t{BIN}\n"));
}

#[test]
fn configuration_errors_name_the_key() {
    let Some(server) = servers::clickhouse() else { return };
    let name = servers::name("acct");
    let opened = |settings: &Settings, head: Head| match sql::backend(settings, Some(head)).open() {
        Err(StoreError::Configuration { key, what }) => (key, what),
        other => panic!("{other:?}"),
    };
    let good = settings(&server.address, "");
    assert_eq!(opened(&good, head(&name)).0, "sql_table");
    let (key, what) = opened(&good, Head { create: Some("CREATE TABL".to_owned()), ..head(&name) });
    assert_eq!(key, "sql_table_schema", "{what}");
    ask(&server.address, &format!("CREATE TABLE {name} (stamp_updated DateTime) ENGINE = Log")).unwrap();
    let (key, what) = opened(&good, head(&name));
    assert_eq!(key, "sql_table_version", "{what}");
    assert!(what.contains("`port_src`") && what.contains("`seen_max`") && what.contains("ALTER TABLE"), "{what}");
    for made in [name.clone(), servers::name("elsewhere")] {
        let create = Some(format!("CREATE TABLE {made} (x UInt8) ENGINE = Log"));
        let (key, what) = opened(&good, Head { create, ..head(&servers::name("other")) });
        assert_eq!(key, "sql_table_schema", "{what}");
        assert!(what.contains("does not create table"), "{what}");
    }
    assert_eq!(opened(&settings(&server.address, "sql_user: nobody"), head(&name)).0, "sql_passwd");
    let closed = settings(&Address { port: 1, ..server.address.clone() }, "");
    assert!(matches!(sql::backend(&closed, None).open(), Err(StoreError::Down(_))));
    let clear = settings(&server.address, "sql_host: http://127.0.0.1\nsql_conn_ca_file: /etc/hostname");
    assert_eq!(opened(&clear, head(&name)).0, "sql_conn_ca_file");
    // The server does not speak TLS on that port: nothing is sent unencrypted. It answers without TLS, or waits for a line end.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), testkit::certificates::Authority::new().pem()).unwrap();
    let lines = format!("sql_conn_ca_file: {}", file.path().display());
    match sql::backend(&settings(&server.address, &lines), None).open() {
        Err(StoreError::Down(_) | StoreError::Configuration { key: "sql_conn_ca_file", .. }) => {}
        other => panic!("{other:?}"),
    }
    let missing = settings(&server.address, "sql_host: https://127.0.0.1\nsql_conn_ca_file: /nonexistent");
    assert_eq!(opened(&missing, head(&name)).0, "sql_conn_ca_file");
}

#[test]
fn the_backup_takes_over() {
    let Some(server) = servers::clickhouse() else { return };
    let name = servers::name("acct");
    ask(&server.address, &create(&name)).unwrap();
    let lines = format!("sql_host: 127.0.0.2\nsql_backup_host: {}", server.address.host);
    let mut backend = sql::backend(&settings(&server.address, &lines), Some(head(&name)));
    let rows = model::many(10, 1);
    deliver(&mut *backend, &batch(1, &head(&name), &rows));
    assert_eq!(read(&server.address, &name).len(), 10);
}
