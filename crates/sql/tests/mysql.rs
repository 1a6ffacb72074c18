//! MySQL and MariaDB: everything is written exactly once, to tables of any structure, despite failures.
//!
//! The tests start private servers and need MariaDB's programs. Without these they print a notice and pass,
//! unless `PMACCT_TEST_SERVERS=required` is set.
#![cfg(feature = "mysql")]

mod support;

use config::keys::sql::LockingStyle;
use delivery::Receipt;
use sql::{Dialect, Settings};
use support::model::{self, KEY, batch, create, deliver, head, many};
use support::{PASSWORD, cases, installed, shared};

const MYSQL: Dialect = Dialect::MySql;

#[test]
fn purges_add_up_with_an_index() {
    if !installed(MYSQL) {
        return;
    }
    cases::purges_add_up(MYSQL, KEY, |_, _, _| ());
}

#[test]
fn purges_add_up_without_an_index() {
    if !installed(MYSQL) {
        return;
    }
    cases::purges_add_up(MYSQL, ")", |_, _, settings| settings.locking = LockingStyle::None);
}

#[test]
fn purges_add_up_through_a_staging_table_with_table_locks() {
    if !installed(MYSQL) {
        return;
    }
    let end = ", vlan INT NOT NULL DEFAULT 0, PRIMARY KEY (stamp_inserted, vlan, ip_src, port_src, label))";
    cases::purges_add_up(MYSQL, end, |_, _, _| ());
}

#[test]
fn purges_add_up_with_an_auto_increment_column() {
    if !installed(MYSQL) {
        return;
    }
    let end = ", id BIGINT AUTO_INCREMENT PRIMARY KEY, UNIQUE (label, port_src, ip_src, stamp_inserted))";
    cases::purges_add_up(MYSQL, end, |_, _, _| ());
}

#[test]
fn purges_add_up_without_the_privilege_to_create_temporary_tables() {
    if !installed(MYSQL) {
        return;
    }
    cases::purges_add_up(MYSQL, ")", |server, database, settings| {
        server.sql(
            "",
            &format!(
                "CREATE USER poor IDENTIFIED BY '{0}'; CREATE USER poor@localhost IDENTIFIED BY '{0}'; \
                 GRANT SELECT, INSERT, UPDATE, LOCK TABLES ON {database}.* TO poor; \
                 GRANT SELECT, INSERT, UPDATE, LOCK TABLES ON {database}.* TO poor@localhost",
                PASSWORD.replace('\'', "''")
            ),
        );
        settings.user = "poor".to_owned();
    });
}

#[test]
fn purges_add_up_without_transactions() {
    if !installed(MYSQL) {
        return;
    }
    cases::purges_add_up(MYSQL, &format!("{KEY} ENGINE=MyISAM"), |_, _, _| ());
    cases::purges_add_up(MYSQL, ") ENGINE=Aria", |_, _, _| ());
}

#[test]
fn batches_of_thousands_of_rows() {
    if !installed(MYSQL) {
        return;
    }
    cases::batches_of_thousands_of_rows(MYSQL);
}

#[test]
fn only_refused_rows_are_refused() {
    if !installed(MYSQL) {
        return;
    }
    cases::only_refused_rows_are_refused(MYSQL, KEY);
    cases::only_refused_rows_are_refused(MYSQL, ")");
    cases::only_refused_rows_are_refused(MYSQL, &format!("{KEY} ENGINE=MyISAM"));
}

#[test]
fn configuration_errors_name_the_key() {
    if !installed(MYSQL) {
        return;
    }
    cases::configuration_errors_name_the_key(MYSQL);
}

#[test]
fn tables_that_do_not_fit_are_reported() {
    if !installed(MYSQL) {
        return;
    }
    cases::tables_that_do_not_fit_are_reported(MYSQL);
}

#[test]
fn missing_tables_are_created() {
    if !installed(MYSQL) {
        return;
    }
    cases::missing_tables_are_created(MYSQL);
}

#[test]
fn null_is_replaced_by_the_default() {
    if !installed(MYSQL) {
        return;
    }
    cases::null_is_replaced_by_the_default(MYSQL);
}

#[test]
fn killed_servers_lose_and_repeat_nothing() {
    if !installed(MYSQL) {
        return;
    }
    cases::killed_servers_lose_and_repeat_nothing(MYSQL, KEY);
}

#[test]
fn in_doubt_transactions_are_resolved() {
    if !installed(MYSQL) {
        return;
    }
    cases::in_doubt_transactions_are_resolved(MYSQL, KEY);
    cases::in_doubt_transactions_are_resolved(MYSQL, ")");
}

#[test]
fn crashes_between_commits_lose_nothing() {
    if !installed(MYSQL) {
        return;
    }
    cases::crashes_between_commits_lose_nothing(MYSQL);
}

#[test]
fn closed_idle_connections_are_reopened() {
    if !installed(MYSQL) {
        return;
    }
    cases::closed_idle_connections_are_reopened(MYSQL);
}

#[test]
fn the_backup_takes_over() {
    if !installed(MYSQL) {
        return;
    }
    cases::the_backup_takes_over(MYSQL);
}

#[test]
fn tls_connections_verify_the_server() {
    if !installed(MYSQL) {
        return;
    }
    let options = [("ssl-ca", "DIR/ca.pem"), ("ssl-cert", "DIR/cert.pem"), ("ssl-key", "DIR/key.pem")];
    cases::tls_connections_verify_the_server(
        MYSQL,
        &options,
        "ALTER USER 'pmacct'@'%' REQUIRE SSL; ALTER USER 'pmacct'@'localhost' REQUIRE SSL",
    );
}

#[test]
fn rows_are_only_inserted() {
    if !installed(MYSQL) {
        return;
    }
    let server = shared(MYSQL);
    let database = server.database();
    for (table, end) in [("acct", ")"), ("keyed", KEY)] {
        server.sql(&database, &create(MYSQL, table, end));
        let settings = Settings { insert_only: true, multi_values: 4000, ..server.settings(&database) };
        let mut backend = sql::backend(&settings, None);
        let rows = many(100, 3);
        deliver(&mut *backend, &batch(1, &head(table), &rows));
        let mut receipt = Receipt::new(100);
        backend.deliver(&batch(2, &head(table), &rows), &mut receipt).unwrap();
        let (count, refused) = if table == "keyed" { ("100\n", Some(100)) } else { ("200\n", None) };
        assert_eq!(server.sql(&database, &format!("SELECT COUNT(*) FROM {table}")), count);
        assert_eq!(receipt.refused().map(|(sum, _)| sum.aggregates), refused);
    }
}

#[test]
fn times_are_in_the_zone_of_the_server_and_addresses_may_be_binary() {
    if !installed(MYSQL) {
        return;
    }
    let server = shared(MYSQL);
    let database = server.database();
    server.sql(&database, &create(MYSQL, "acct", KEY));
    server.sql(&database, "ALTER TABLE acct MODIFY ip_src VARBINARY(16) NOT NULL");
    let settings = Settings { utc: false, num_hosts: true, ..server.settings(&database) };
    let mut backend = sql::backend(&settings, None);
    let rows = many(2, 1);
    for number in 1..3 {
        deliver(&mut *backend, &batch(number, &head("acct"), &rows));
    }
    let query = format!(
        "SET time_zone = @@global.time_zone; SELECT INET6_NTOA(ip_src), UNIX_TIMESTAMP(stamp_inserted) = {}, packets \
         FROM acct ORDER BY ip_src",
        model::BIN
    );
    assert_eq!(server.sql(&database, &query), "2001:db8::1|1|2\n192.0.2.0|1|2\n");
}

#[test]
fn batches_are_split_to_fit_small_packets() {
    if !installed(MYSQL) {
        return;
    }
    let server = support::Server::start_at(
        testkit::sockets::own_address(),
        MYSQL,
        |_| vec![("max-allowed-packet", "16K".to_owned())],
        &[],
    );
    let database = server.database();
    server.sql(&database, &create(MYSQL, "acct", KEY));
    let mut backend = sql::backend(&server.settings(&database), None);
    deliver(&mut *backend, &batch(1, &head("acct"), &many(1000, 3)));
    assert_eq!(server.sql(&database, "SELECT COUNT(*), SUM(packets) FROM acct"), "1000|3000\n");
    let mut rows = many(3, 1);
    rows[1].label = Box::leak("long".repeat(5000).into_boxed_str());
    let mut receipt = Receipt::new(3);
    backend.deliver(&batch(2, &head("acct"), &rows), &mut receipt).unwrap();
    let (sum, reason) = receipt.refused().unwrap();
    assert!(sum.aggregates == 1 && reason.contains("max_allowed_packet"), "{reason}");
    assert_eq!(server.sql(&database, "SELECT COUNT(*), SUM(packets) FROM acct"), "1000|3002\n");
}
