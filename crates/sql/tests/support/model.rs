//! Rows, write batches of them, and a model of the table as a map.

use delivery::{Backend, BatchId, Receipt, StoreError, WriteBatch};
use proptest::prelude::*;
use sql::Dialect;
use sql::rows::{Builder, Column, Form, Head, Role, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Start of the bin.
pub(crate) const BIN: i64 = 1_700_000_100;

/// Texts that break statements if they are not bound or escaped.
pub(crate) const LABELS: [&str; 10] =
    ["", "a", "A", "é😀", "it's", "'); DROP TABLE acct; --", "tab\there\r\n", "\\N", "\\.", "a\\,b|c\"`"];

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) host: u8,
    pub(crate) port: u16,
    pub(crate) label: &'static str,
    pub(crate) flags: u8,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Written to the columns `seen_min` and `seen_max`.
    pub(crate) seen: u64,
}

/// By key: flags, packets, bytes, minimum, maximum.
pub(crate) type Table = BTreeMap<(String, u64, String), [u64; 5]>;

pub(crate) fn host(host: u8) -> IpAddr {
    match host % 2 {
        0 => IpAddr::from([192, 0, 2, host]),
        _ => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)]),
    }
}

pub(crate) fn head(table: &str) -> Head {
    let column = |name: &str, role, form| Column { name: name.to_owned(), role, form };
    Head {
        table: table.to_owned(),
        create: None,
        columns: vec![
            column("stamp_updated", Role::Updated, Form::Time),
            column("stamp_inserted", Role::Key, Form::Time),
            column("ip_src", Role::Key, Form::Address),
            column("port_src", Role::Key, Form::Plain),
            column("label", Role::Key, Form::Plain),
            column("tcp_flags", Role::Or, Form::Plain),
            column("packets", Role::Sum, Form::Plain),
            column("bytes", Role::Sum, Form::Plain),
            column("seen_min", Role::Least, Form::Plain),
            column("seen_max", Role::Greatest, Form::Plain),
        ],
        for_backup: false,
    }
}

/// The statement that creates the table; `key` is its end, after the columns.
pub(crate) fn create(dialect: Dialect, table: &str, key: &str) -> String {
    let (time, ip, text, number, large) = match dialect {
        Dialect::PgSql => ("timestamp", "inet", "varchar(40)", "int", "bigint"),
        _ => ("DATETIME", "CHAR(45)", "VARCHAR(40) COLLATE utf8mb4_bin", "INT UNSIGNED", "BIGINT UNSIGNED"),
    };
    let charset = if dialect == Dialect::PgSql { "" } else { " CHARACTER SET utf8mb4" };
    let text = text.replace(" COLLATE", &format!("{charset} COLLATE"));
    format!(
        "CREATE TABLE {table} (stamp_updated {time} NULL, stamp_inserted {time} NOT NULL, ip_src {ip} NOT NULL \
         DEFAULT '0.0.0.0', port_src {number} NOT NULL, label {text} NOT NULL, tcp_flags {number} NOT NULL, packets \
         {number} NOT NULL, bytes {large} NOT NULL, seen_min {large} NOT NULL, seen_max {large} NOT NULL{key}"
    )
}

pub(crate) const KEY: &str = ", PRIMARY KEY (stamp_inserted, ip_src, port_src, label))";

pub(crate) fn batch(number: u64, head: &Head, rows: &[Row]) -> WriteBatch {
    let mut builder = Builder::new(head);
    for row in rows {
        builder.row(row.packets, row.bytes);
        for value in [
            Value::Time(BIN + 50 + i64::try_from(number).unwrap()),
            Value::Time(BIN),
            Value::Address(host(row.host)),
            Value::Number(row.port.into()),
            Value::Text(row.label),
            Value::Number(row.flags.into()),
            Value::Number(row.packets),
            Value::Number(row.bytes),
            Value::Number(row.seen),
            Value::Number(row.seen),
        ] {
            builder.value(value);
        }
    }
    finish(number, &mut builder)
}

pub(crate) fn finish(number: u64, builder: &mut Builder) -> WriteBatch {
    let (items, sum) = (builder.count(), builder.sum());
    WriteBatch { id: BatchId { run: 7, number }, purge: number, items, sum, body: builder.take() }
}

pub(crate) fn add(table: &mut Table, rows: &[Row]) {
    for row in rows {
        let key = (host(row.host).to_string(), u64::from(row.port), row.label.to_owned());
        let new = [u64::from(row.flags), row.packets, row.bytes, row.seen, row.seen];
        let [flags, packets, bytes, least, greatest] = table.entry(key).or_insert([0, 0, 0, row.seen, row.seen]);
        *flags |= new[0];
        *packets += new[1];
        *bytes += new[2];
        *least = (*least).min(new[3]);
        *greatest = (*greatest).max(new[4]);
    }
}

/// The content of a table.
pub(crate) fn read(server: &super::Server, database: &str, table: &str) -> Table {
    let (ip, label, bin) = match server.dialect {
        Dialect::PgSql => (
            "host(ip_src)",
            "encode(convert_to(label, 'UTF8'), 'hex')",
            "extract(epoch FROM stamp_inserted)::bigint",
        ),
        _ => ("ip_src", "LOWER(HEX(label))", "UNIX_TIMESTAMP(stamp_inserted)"),
    };
    let query = format!(
        "SELECT {bin}, {ip}, port_src, {label}, tcp_flags, packets, bytes, seen_min, seen_max FROM {table}"
    );
    let mut read = Table::new();
    for line in server.sql(database, &query).lines() {
        let words: Vec<&str> = line.split('|').collect();
        assert_eq!(words[0].parse(), Ok(BIN));
        let label =
            (0..words[3].len() / 2).map(|at| u8::from_str_radix(&words[3][2 * at..2 * at + 2], 16).unwrap());
        let label = String::from_utf8(label.collect()).unwrap();
        let numbers: Vec<u64> = words[4..].iter().map(|word| word.parse().unwrap()).collect();
        let key = (words[1].to_owned(), words[2].parse().unwrap(), label);
        assert_eq!(read.insert(key, numbers.try_into().unwrap()), None, "twice in the table");
    }
    read
}

/// Delivers a batch at the first attempt, without refusals.
pub(crate) fn deliver(backend: &mut dyn Backend, batch: &WriteBatch) {
    let mut receipt = Receipt::new(batch.items);
    backend.open().unwrap();
    backend.deliver(batch, &mut receipt).unwrap();
    assert_eq!(receipt.refused(), None);
    assert!((0..batch.items).all(|item| receipt.has(item)));
}

/// Retries the delivery as the delivery worker does, until it succeeds. Returns the number of errors.
pub(crate) fn insist(backend: &mut dyn Backend, batch: &WriteBatch) -> usize {
    let mut receipt = Receipt::new(batch.items);
    let mut errors = 0;
    loop {
        match backend.open().and_then(|()| backend.deliver(batch, &mut receipt)) {
            Ok(()) => break,
            Err(StoreError::Down(_)) if errors < 6000 => errors += 1,
            Err(error) => panic!("{error:?}"),
        }
        testkit::conditions::pause(std::time::Duration::from_millis(50));
    }
    assert_eq!(receipt.refused(), None);
    errors
}

/// Rows with few different keys, so that many are merged.
pub(crate) fn rows(max: usize) -> impl Strategy<Value = Vec<Row>> {
    let row = (0..6u8, 0..3u16, 0..LABELS.len(), any::<u8>(), 0..1000u64, 0..1u64 << 40, 0..1u64 << 50);
    let row = row.prop_map(|(host, port, label, flags, packets, bytes, seen)| Row {
        host,
        port,
        label: LABELS[label],
        flags,
        packets,
        bytes,
        seen,
    });
    proptest::collection::vec(row, 0..max)
}

/// Rows with distinct keys.
pub(crate) fn many(count: usize, packets: u64) -> Vec<Row> {
    let row = |at: usize| Row {
        host: u8::try_from(at % 200).unwrap(),
        port: u16::try_from(at / 200).unwrap(),
        label: LABELS[at % LABELS.len()],
        flags: 1 << (at % 8),
        packets,
        bytes: packets * 100,
        seen: at as u64,
    };
    (0..count).map(row).collect()
}
