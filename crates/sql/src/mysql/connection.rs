//! A connection, every read and write of which has a limit in time.

use super::error::WriteError;
use crate::settings::Settings;
use delivery::StoreError;
use delivery::tls::authorities;
use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Params, Row, SslOpts, Statement, Value};
use std::path::Path;

/// Where servers on this machine listen, by distribution. `localhost` means these for MySQL's own clients too.
const SOCKETS: [&str; 3] = ["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];
/// The packet that is assumed when the server does not say.
const PACKET: usize = 16 << 10;

/// A connection.
pub(super) struct Connection {
    connection: Conn,
    /// Octets that a statement with its values may have.
    pub(super) packet: usize,
}

impl Connection {
    /// Connects and logs in.
    pub(super) fn new(host: &str, settings: &Settings) -> Result<Self, StoreError> {
        let timeout = Some(settings.timeout);
        let mut options = OptsBuilder::new()
            .user(Some(settings.user.clone()))
            .pass(Some(settings.password.clone()))
            .db_name(Some(settings.db.clone()))
            .prefer_socket(false)
            .tcp_connect_timeout(timeout)
            .read_timeout(timeout)
            .write_timeout(timeout)
            .tcp_user_timeout_ms(Some(u32::try_from(settings.timeout.as_millis()).unwrap_or(u32::MAX)))
            .tcp_nodelay(true)
            .enable_cleartext_plugin(settings.cleartext)
            .stmt_cache_size(0usize)
            // An UPDATE tells the rows that it found, whether or not it changed them.
            .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS);
        options = match socket(host, settings) {
            Some(path) => options.socket(Some(path)),
            None => {
                if let Some(path) = &settings.ca_file {
                    // The client library reads it again, and says less about what is wrong.
                    authorities("sql_conn_ca_file", Some(path))?;
                    // The client library asks for a default and must find exactly one; another part of this program
                    // may have set it before.
                    let _ = rustls::crypto::ring::default_provider().install_default();
                    options = options.ssl_opts(SslOpts::default().with_root_cert_path(Some(path.clone())));
                }
                options.ip_or_hostname(Some(host)).tcp_port(settings.port.unwrap_or(3306))
            }
        };
        let named = |error| match error {
            StoreError::Down(what) => StoreError::Down(format!("{host}: {what}")),
            StoreError::Configuration { key, what } => {
                StoreError::Configuration { key, what: format!("{host}: {what}") }
            }
            error @ StoreError::Batch(_) => error,
        };
        let connection = Conn::new(options).map_err(|error| named(WriteError::from(error).into_store_error()))?;
        let mut connection = Self { connection, packet: PACKET };
        connection.session(settings).map_err(|error| named(error.into_store_error()))?;
        Ok(connection)
    }

    /// What holds for the whole session.
    fn session(&mut self, settings: &Settings) -> Result<(), WriteError> {
        let seconds = settings.timeout.as_secs().max(1);
        // Locks are given up a little before this side gives the connection up.
        let wait = seconds.saturating_sub(1).max(1);
        self.run(&format!("SET autocommit = 0, lock_wait_timeout = {wait}, innodb_lock_wait_timeout = {wait}"))?;
        if settings.utc {
            self.run("SET time_zone = '+00:00'")?;
        }
        let packet: Option<usize> = self.connection.query_first("SELECT @@max_allowed_packet")?;
        self.packet = packet.unwrap_or(PACKET);
        Ok(())
    }

    /// Runs a statement.
    pub(super) fn run(&mut self, statement: &str) -> Result<(), WriteError> {
        Ok(self.connection.query_drop(statement)?)
    }

    /// Runs a query.
    pub(super) fn query(&mut self, query: &str) -> Result<Vec<Row>, WriteError> {
        Ok(self.connection.query(query)?)
    }

    /// Prepares a statement.
    pub(super) fn prepare(&mut self, statement: &str) -> Result<Statement, WriteError> {
        Ok(self.connection.prep(statement)?)
    }

    /// Lets the server forget a statement.
    pub(super) fn forget(&mut self, statement: Statement) -> Result<(), WriteError> {
        Ok(self.connection.close(statement)?)
    }

    /// Runs a prepared statement; gives the number of rows that it found.
    pub(super) fn execute(&mut self, statement: &Statement, values: Vec<Value>) -> Result<u64, WriteError> {
        self.connection.exec_drop(statement, parameters(values))?;
        Ok(self.connection.affected_rows())
    }

    /// Runs a query with values.
    pub(super) fn ask(&mut self, query: &str, values: Vec<Value>) -> Result<Option<Row>, WriteError> {
        Ok(self.connection.exec_first(query, parameters(values))?)
    }
}

fn parameters(values: Vec<Value>) -> Params {
    if values.is_empty() { Params::Empty } else { Params::Positional(values) }
}

/// The socket of a server on this machine.
fn socket(host: &str, settings: &Settings) -> Option<String> {
    if let Some(path) = host.strip_prefix("unix:") {
        return Some(path.to_owned());
    }
    if host.starts_with('/') {
        return Some(host.to_owned());
    }
    let local = host == "localhost" && settings.port.is_none() && settings.ca_file.is_none();
    SOCKETS.iter().find(|path| local && Path::new(path).exists()).map(|path| (*path).to_owned())
}
