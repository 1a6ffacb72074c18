//! PostgreSQL: everything is written exactly once, to tables of any structure, despite failures.
//!
//! The tests start private servers and need PostgreSQL's programs. Without these they print a notice and
//! pass, unless `PMACCT_TEST_SERVERS=required` is set.
#![cfg(feature = "pgsql")]

mod support;

use config::keys::sql::LockingStyle;
use delivery::Receipt;
use jiff::tz::TimeZone;
use sql::{Dialect, Settings};
use support::model::{self, KEY, Table, add, batch, create, deliver, head, many, read};
use support::{cases, installed, shared};

const PGSQL: Dialect = Dialect::PgSql;

#[test]
fn purges_add_up_with_an_index() {
    if !installed(PGSQL) {
        return;
    }
    cases::purges_add_up(PGSQL, KEY, |_, _, _| ());
}

#[test]
fn purges_add_up_without_an_index() {
    if !installed(PGSQL) {
        return;
    }
    cases::purges_add_up(PGSQL, ")", |_, _, settings| settings.locking = LockingStyle::Row);
}

#[test]
fn purges_add_up_where_the_index_covers_other_columns_too() {
    if !installed(PGSQL) {
        return;
    }
    let end = ", vlan int NOT NULL DEFAULT 0, PRIMARY KEY (stamp_inserted, vlan, ip_src, port_src, label))";
    cases::purges_add_up(PGSQL, end, |_, _, _| ());
}

#[test]
fn purges_add_up_in_columns_of_text_and_large_numbers() {
    if !installed(PGSQL) {
        return;
    }
    cases::purges_add_up(PGSQL, KEY, |server, database, settings| {
        settings.delimiter = 'x';
        server.sql(
            database,
            "ALTER TABLE acct ALTER ip_src DROP DEFAULT, ALTER ip_src TYPE inet, ALTER packets TYPE numeric(30), \
             ALTER bytes TYPE double precision, ALTER tcp_flags TYPE smallint, ALTER stamp_inserted TYPE timestamptz",
        );
    });
}

#[test]
fn batches_of_thousands_of_rows() {
    if !installed(PGSQL) {
        return;
    }
    cases::batches_of_thousands_of_rows(PGSQL);
}

#[test]
fn only_refused_rows_are_refused() {
    if !installed(PGSQL) {
        return;
    }
    cases::only_refused_rows_are_refused(PGSQL, KEY);
    cases::only_refused_rows_are_refused(PGSQL, ")");
}

#[test]
fn configuration_errors_name_the_key() {
    if !installed(PGSQL) {
        return;
    }
    cases::configuration_errors_name_the_key(PGSQL);
}

#[test]
fn tables_that_do_not_fit_are_reported() {
    if !installed(PGSQL) {
        return;
    }
    cases::tables_that_do_not_fit_are_reported(PGSQL);
}

#[test]
fn missing_tables_are_created() {
    if !installed(PGSQL) {
        return;
    }
    cases::missing_tables_are_created(PGSQL);
}

#[test]
fn null_is_replaced_by_the_default() {
    if !installed(PGSQL) {
        return;
    }
    cases::null_is_replaced_by_the_default(PGSQL);
}

#[test]
fn killed_servers_lose_and_repeat_nothing() {
    if !installed(PGSQL) {
        return;
    }
    cases::killed_servers_lose_and_repeat_nothing(PGSQL, KEY);
}

#[test]
fn in_doubt_transactions_are_resolved() {
    if !installed(PGSQL) {
        return;
    }
    cases::in_doubt_transactions_are_resolved(PGSQL, KEY);
    cases::in_doubt_transactions_are_resolved(PGSQL, ")");
}

#[test]
fn crashes_between_commits_lose_nothing() {
    if !installed(PGSQL) {
        return;
    }
    cases::crashes_between_commits_lose_nothing(PGSQL);
}

#[test]
fn closed_idle_connections_are_reopened() {
    if !installed(PGSQL) {
        return;
    }
    cases::closed_idle_connections_are_reopened(PGSQL);
}

#[test]
fn the_backup_takes_over() {
    if !installed(PGSQL) {
        return;
    }
    cases::the_backup_takes_over(PGSQL);
}

#[test]
fn tls_connections_verify_the_server() {
    if !installed(PGSQL) {
        return;
    }
    let options = [("ssl", "on"), ("ssl_cert_file", "DIR/cert.pem"), ("ssl_key_file", "DIR/key.pem")];
    cases::tls_connections_verify_the_server(PGSQL, &options, "SELECT 1");
}

#[test]
fn rows_are_only_inserted() {
    if !installed(PGSQL) {
        return;
    }
    let server = shared(PGSQL);
    let database = server.database();
    for (table, end, zone) in [("acct", ")", "UTC"), ("local", ")", "Asia/Kathmandu"), ("keyed", KEY, "UTC")] {
        server.sql(&database, &create(PGSQL, table, end));
        server.sql(&database, &format!("ALTER DATABASE {database} SET TimeZone = '{zone}'"));
        let right = server.settings(&database);
        let settings = Settings { insert_only: true, copy: true, utc: zone == "UTC", ..right };
        let mut backend = sql::backend(&settings, None);
        let rows = many(100, 3);
        let first = batch(1, &head(table), &rows);
        deliver(&mut *backend, &first);
        let times = server.sql(
            &database,
            &format!(
                "SELECT DISTINCT stamp_inserted AT TIME ZONE '{zone}' = to_timestamp({}) FROM {table}",
                model::BIN
            ),
        );
        assert_eq!(times, "t\n", "{table}");
        let mut receipt = Receipt::new(100);
        backend.deliver(&batch(2, &head(table), &rows), &mut receipt).unwrap();
        let (count, refused) = if table == "keyed" { ("100\n", Some(100)) } else { ("200\n", None) };
        assert_eq!(server.sql(&database, &format!("SELECT count(*) FROM {table}")), count);
        assert_eq!(receipt.refused().map(|(sum, _)| sum.aggregates), refused);
    }
}

#[test]
fn times_are_in_the_zone_of_the_server() {
    if !installed(PGSQL) {
        return;
    }
    let server = shared(PGSQL);
    let database = server.database();
    server.sql(&database, &create(PGSQL, "acct", KEY));
    server.sql(&database, &format!("ALTER DATABASE {database} SET TimeZone = 'Asia/Kathmandu'"));
    let mut settings = server.settings(&database);
    settings.utc = false;
    settings.style.zone = TimeZone::system();
    let mut backend = sql::backend(&settings, None);
    let rows = many(10, 1);
    for number in 1..3 {
        deliver(&mut *backend, &batch(number, &head("acct"), &rows));
    }
    assert_eq!(
        server.sql(&database, "SELECT DISTINCT stamp_inserted, packets FROM acct"),
        "2023-11-15 04:00:00|2\n"
    );
}

#[test]
fn keys_may_be_null() {
    if !installed(PGSQL) {
        return;
    }
    let server = shared(PGSQL);
    let database = server.database();
    server.sql(&database, &create(PGSQL, "acct", ")"));
    server.sql(&database, "ALTER TABLE acct ALTER label DROP NOT NULL, ALTER ip_src DROP NOT NULL");
    let mut backend = sql::backend(&server.settings(&database), None);
    for number in 1..4 {
        let mut builder = sql::rows::Builder::new(&head("acct"));
        for (address, label) in [(None, None), (Some("10.0.0.1"), None), (None, Some("x")), (None, None)] {
            use sql::rows::Value;
            builder.row(1, 2);
            builder.value(Value::Null);
            builder.value(Value::Time(model::BIN));
            builder.value(address.map_or(Value::Null, |address| Value::Address(address.parse().unwrap())));
            builder.value(Value::Number(1));
            builder.value(label.map_or(Value::Null, Value::Text));
            (0..5).for_each(|_| builder.value(Value::Number(1)));
        }
        deliver(&mut *backend, &model::finish(number, &mut builder));
    }
    let query = "SELECT host(ip_src), label, packets FROM acct ORDER BY 1, 2";
    assert_eq!(server.sql(&database, query), "10.0.0.1||3\n|x|3\n||6\n");
}

#[test]
fn triggers_may_refuse_rows() {
    if !installed(PGSQL) {
        return;
    }
    let server = shared(PGSQL);
    let database = server.database();
    server.sql(&database, &create(PGSQL, "acct", KEY));
    server.sql(
        &database,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.port_src = 1 THEN RAISE 'not, this, \
         3'; END IF; RETURN NEW; END $$; CREATE TRIGGER no BEFORE INSERT ON acct FOR EACH ROW EXECUTE FUNCTION no()",
    );
    let mut expected = Table::new();
    let rows = many(205, 3);
    rows.iter().filter(|row| row.port != 1).for_each(|row| add(&mut expected, std::slice::from_ref(row)));
    for insert_only in [false, true] {
        server.sql(&database, "DELETE FROM acct");
        let mut backend = sql::backend(&Settings { insert_only, ..server.settings(&database) }, None);
        let mut receipt = Receipt::new(205);
        backend.deliver(&batch(1, &head("acct"), &rows), &mut receipt).unwrap();
        let (sum, reason) = receipt.refused().unwrap();
        assert_eq!((sum.aggregates, reason), (5, "not, this, 3"));
        assert_eq!(read(server, &database, "acct"), expected);
    }
}
