//! A connection with a timeout for each read and write.

use super::error::WriteError;
use crate::settings::Settings;
use delivery::StoreError;
use delivery::tls::authorities;
use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Params, Row, SslOpts, Statement, Value};
use std::path::Path;

/// The sockets of local servers in various distributions. MySQL's own clients use them for `localhost`, too.
const SOCKETS: [&str; 3] = ["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];
/// The maximum packet that is assumed when the server does not state it.
const PACKET: usize = 16 << 10;

/// A connection.
pub(super) struct Connection {
    connection: Conn,
    /// The maximum size of a statement with its values, in bytes.
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
            // The result of an UPDATE counts the rows that it found, whether or not it changed them.
            .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS);
        options = match socket(host, settings) {
            Some(path) => options.socket(Some(path)),
            None => {
                if let Some(path) = &settings.ca_file {
                    // The client library reads the file again, but its errors are less precise.
                    authorities("sql_conn_ca_file", Some(path))?;
                    // The client library needs a default provider; another part of this program may already have
                    // installed one.
                    let _ = rustls::crypto::ring::default_provider().install_default();
                    options = options.ssl_opts(SslOpts::default().with_root_cert_path(Some(path.clone())));
                }
                options.ip_or_hostname(Some(host)).tcp_port(settings.port.unwrap_or(3306))
            }
        };
        let with_host = |error| match error {
            StoreError::Down(what) => StoreError::Down(format!("{host}: {what}")),
            StoreError::Configuration { key, what } => {
                StoreError::Configuration { key, what: format!("{host}: {what}") }
            }
            error @ StoreError::Batch(_) => error,
        };
        let connection =
            Conn::new(options).map_err(|error| with_host(WriteError::from(error).into_store_error()))?;
        let mut connection = Self { connection, packet: PACKET };
        connection.session(settings).map_err(|error| with_host(error.into_store_error()))?;
        Ok(connection)
    }

    /// Sets the variables of the session.
    fn session(&mut self, settings: &Settings) -> Result<(), WriteError> {
        let seconds = settings.timeout.as_secs().max(1);
        // The server stops waiting for locks shortly before this side times out.
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

    /// Closes a prepared statement.
    pub(super) fn close_statement(&mut self, statement: Statement) -> Result<(), WriteError> {
        Ok(self.connection.close(statement)?)
    }

    /// Runs a prepared statement; returns the number of rows that it found.
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

/// The path of the socket, for a server on this machine.
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
