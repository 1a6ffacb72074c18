//! Starts private servers for tests, prints the environment variables that name them, and stops at the end of standard input.
//!
//! ```text
//! eval "$(test-servers < pipe &)"      # in a terminal: stop with Ctrl-D
//! ```

use std::io::Read;
use testkit::servers::{self, Address};

fn main() {
    let url = |scheme: &str, address: &Address| {
        let Address { host, port, user, password, database } = address;
        format!("{scheme}://{user}:{password}@{host}:{port}/{}", database.trim_start_matches('/'))
    };
    let lines = [
        servers::postgres().map(|server| format!("PMACCT_TEST_PGSQL={}", url("postgresql", &server.address))),
        servers::mariadb().map(|server| format!("PMACCT_TEST_MYSQL={}", url("mysql", &server.address))),
        servers::clickhouse().map(|server| format!("PMACCT_TEST_CLICKHOUSE={}", url("http", &server.address))),
        servers::rabbitmq().map(|server| format!("PMACCT_TEST_AMQP={}", url("amqp", &server.address))),
        servers::kafka()
            .map(|server| format!("PMACCT_TEST_KAFKA={}:{}", server.address.host, server.address.port)),
    ];
    for line in lines.into_iter().flatten() {
        println!("export {line}");
    }
    // The servers are stopped with this process.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
