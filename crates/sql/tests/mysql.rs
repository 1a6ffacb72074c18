//! MySQL and MariaDB: everything arrives once, in tables of any shape, whatever happens on the way.
//!
//! The tests start servers of their own, and need MariaDB's programs; without these they say so and pass,
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
fn purges_add_up_by_way_of_a_stage_in_a_locked_table() {
    if !installed(MYSQL) {
        return;
    }
    let end = ", vlan INT NOT NULL DEFAULT 0, PRIMARY KEY (stamp_inserted, vlan, ip_src, port_src, label))";
    cases::purges_add_up(MYSQL, end, |_, _, _| ());
}

#[test]
fn purges_add_up_where_a_number_counts_rows() {
    if !installed(MYSQL) {
        return;
    }
    let end = ", id BIGINT AUTO_INCREMENT PRIMARY KEY, UNIQUE (label, port_src, ip_src, stamp_inserted))";
    cases::purges_add_up(MYSQL, end, |_, _, _| ());
}

#[test]
fn purges_add_up_without_the_right_to_make_temporary_tables() {
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
fn large_batches() {
    if !installed(MYSQL) {
        return;
    }
    cases::large_batches(MYSQL);
}

#[test]
fn refused_rows() {
    if !installed(MYSQL) {
        return;
    }
    cases::refused_rows(MYSQL, KEY);
    cases::refused_rows(MYSQL, ")");
    cases::refused_rows(MYSQL, &format!("{KEY} ENGINE=MyISAM"));
}

#[test]
fn wrong_configurations() {
    if !installed(MYSQL) {
        return;
    }
    cases::wrong_configurations(MYSQL);
}

#[test]
fn misfits() {
    if !installed(MYSQL) {
        return;
    }
    cases::misfits(MYSQL);
}

#[test]
fn tables_are_made() {
    if !installed(MYSQL) {
        return;
    }
    cases::tables_are_made(MYSQL);
}

#[test]
fn nothing_becomes_the_default() {
    if !installed(MYSQL) {
        return;
    }
    cases::nothing_becomes_the_default(MYSQL);
}

#[test]
fn crashes() {
    if !installed(MYSQL) {
        return;
    }
    cases::crashes(MYSQL, KEY);
}

#[test]
fn commits_without_an_answer() {
    if !installed(MYSQL) {
        return;
    }
    cases::commits_without_an_answer(MYSQL, KEY);
    cases::commits_without_an_answer(MYSQL, ")");
}

#[test]
fn idle_connections_end() {
    if !installed(MYSQL) {
        return;
    }
    cases::idle_connections_end(MYSQL);
}

#[test]
fn backup() {
    if !installed(MYSQL) {
        return;
    }
    cases::backup(MYSQL);
}

#[test]
fn encrypted() {
    if !installed(MYSQL) {
        return;
    }
    let options = [("ssl-ca", "DIR/ca.pem"), ("ssl-cert", "DIR/cert.pem"), ("ssl-key", "DIR/key.pem")];
    cases::encrypted(
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
fn times_are_those_of_the_server_and_addresses_may_be_octets() {
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
fn small_packets_are_enough() {
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
