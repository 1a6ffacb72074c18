//! A connection. Every step has a timeout. After a timeout the connection is dropped, since its state is unknown.

use super::error::{WriteError, with_causes};
use super::guard::{ASKED, Guard};
use crate::settings::Settings;
use bytes::Bytes;
use delivery::StoreError;
use delivery::tls::authorities;
use futures_util::SinkExt;
use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, SimpleQueryMessage, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Bytes that are written to the socket at a time.
const PIECE: usize = 128 << 10;
/// The default port.
const PORT: u16 = 5432;
/// The interval of TCP keepalives, and how many may remain unanswered.
const KEEPALIVE: Duration = Duration::from_secs(5);
const KEEPALIVES: u32 = 3;
/// How much longer than the server this side waits for a statement, so that the server can report the timeout.
const GRACE: Duration = Duration::from_secs(2);

/// A connection.
pub(super) struct Connection {
    client: Client,
    /// Reads and writes the socket while a request is pending.
    task: JoinHandle<()>,
    runtime: Runtime,
    limit: Duration,
    /// The time zone of the session is UTC.
    pub(super) utc: bool,
    /// Transactions can have markers, see [`super::commit`].
    pub(super) markers: bool,
}

impl Connection {
    /// Connects and logs in.
    pub(super) fn new(host: &str, settings: &Settings) -> Result<Self, StoreError> {
        let down = |what: String| StoreError::Down(format!("{host}: {what}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| down(error.to_string()))?;
        let mut config = Config::new();
        config
            .host(host)
            .port(settings.port.unwrap_or(PORT))
            .user(&settings.user)
            .password(&settings.password)
            .dbname(&settings.db)
            .application_name("pmacct")
            .connect_timeout(settings.timeout)
            .tcp_user_timeout(settings.timeout)
            .keepalives_idle(settings.timeout)
            .keepalives_interval(KEEPALIVE)
            .keepalives_retries(KEEPALIVES)
            .ssl_mode(if settings.ca_file.is_some() { SslMode::Require } else { SslMode::Disable });
        // A path is a local socket, which needs no encryption.
        let tls = match &settings.ca_file {
            Some(path) if !host.starts_with('/') => Some(tls(path)?),
            _ => {
                config.ssl_mode(SslMode::Disable);
                None
            }
        };
        let is_open = tls.is_none() && !host.starts_with('/');
        let connected = runtime.block_on(async {
            tokio::time::timeout(settings.timeout, async {
                Ok(match tls {
                    Some(tls) => {
                        let (client, connection) = config.connect(tls).await?;
                        (client, spawn(connection))
                    }
                    None if is_open && !settings.cleartext => {
                        let stream = connect(host, settings).await.map_err(Failed::Socket)?;
                        let (client, connection) = config.connect_raw(Guard::new(stream), NoTls).await?;
                        (client, spawn(connection))
                    }
                    None => {
                        let (client, connection) = config.connect(NoTls).await?;
                        (client, spawn(connection))
                    }
                })
            })
            .await
        });
        let (client, task) = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err(Failed::Socket(error))) => return Err(down(format!("error connecting to server: {error}"))),
            Ok(Err(Failed::Login(error))) => return Err(login_error(host, &error, settings)),
            Err(_) => return Err(down(format!("no answer within {} s", settings.timeout.as_secs()))),
        };
        let mut connection =
            Self { client, task, runtime, limit: settings.timeout + GRACE, utc: settings.utc, markers: false };
        connection.session(settings).map_err(WriteError::into_store_error)?;
        Ok(connection)
    }

    /// Sets the variables of the session.
    fn session(&mut self, settings: &Settings) -> Result<(), WriteError> {
        let milliseconds = settings.timeout.as_millis();
        let zone = if settings.utc { "SET TIME ZONE 'UTC';" } else { "" };
        self.run(&format!(
            "SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}; SET DateStyle = 'ISO, YMD'; \
             SET client_min_messages = 'error'; {zone}"
        ))?;
        let zone = self.ask("SELECT current_setting('TimeZone')")?;
        self.utc = zone.is_some_and(|zone| ["UTC", "Etc/UTC", "GMT", "Etc/GMT"].contains(&zone.as_str()));
        // Other servers that speak the protocol may have no large objects.
        let allowed =
            self.ask("SELECT has_function_privilege(to_regprocedure('pg_catalog.lo_create(oid)'), 'EXECUTE')");
        self.markers = match allowed {
            Ok(allowed) => allowed.as_deref() == Some("t"),
            Err(WriteError::Lost(what)) => return Err(WriteError::Lost(what)),
            Err(_) => false,
        };
        Ok(())
    }

    /// True when the connection is broken.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    fn wait<T>(&self, step: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, WriteError> {
        match self.runtime.block_on(async { tokio::time::timeout(self.limit, step).await }) {
            Ok(done) => Ok(done?),
            Err(_) => Err(WriteError::Lost(format!("no answer within {} s", self.limit.as_secs()))),
        }
    }

    /// Runs statements.
    pub(super) fn run(&self, statements: &str) -> Result<(), WriteError> {
        self.wait(self.client.batch_execute(statements))
    }

    /// Runs statements and returns the value of the last one.
    pub(super) fn ask(&self, statements: &str) -> Result<Option<String>, WriteError> {
        let messages = self.wait(self.client.simple_query(statements))?;
        Ok(messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }

    /// Runs a query with parameters.
    pub(super) fn query(&self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, WriteError> {
        self.wait(self.client.query(query, parameters))
    }

    /// Prepares a statement.
    pub(super) fn prepare(&self, statement: &str) -> Result<Statement, WriteError> {
        self.wait(self.client.prepare(statement))
    }

    /// Sends the data of a prepared COPY.
    pub(super) fn copy(&self, statement: &Statement, mut rows: Bytes) -> Result<(), WriteError> {
        self.wait(async {
            let mut sink = pin!(self.client.copy_in(statement).await?);
            while !rows.is_empty() {
                let piece = rows.split_to(rows.len().min(PIECE));
                // `finish` returns the error of the server.
                if sink.feed(piece).await.is_err() {
                    break;
                }
            }
            sink.finish().await.map(|_| ())
        })
    }

    /// Closes the connection.
    pub(super) fn close(self) {
        drop(self.client);
        let _ = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(2), self.task).await });
    }
}

/// Why connecting failed.
enum Failed {
    Socket(io::Error),
    Login(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Login(error)
    }
}

/// A socket with the options that the client library would set, for a connection with a [`Guard`].
async fn connect(host: &str, settings: &Settings) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, settings.port.unwrap_or(PORT))).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_user_timeout(Some(settings.timeout))?;
    let keepalive = TcpKeepalive::new().with_time(settings.timeout).with_interval(KEEPALIVE);
    socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVES))?;
    Ok(stream)
}

fn spawn<S, T>(connection: tokio_postgres::Connection<S, T>) -> JoinHandle<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async {
        // Pending requests get the error.
        let _ = connection.await;
    })
}

/// TLS that trusts only the authorities in a file.
fn tls(path: &Path) -> Result<MakeRustlsConnect, StoreError> {
    let wrong = |what: String| StoreError::Configuration {
        key: "sql_conn_ca_file",
        what: format!("'{}': {what}", path.display()),
    };
    let roots = authorities("sql_conn_ca_file", Some(path))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Maps an error of the login.
fn login_error(host: &str, error: &tokio_postgres::Error, settings: &Settings) -> StoreError {
    let what = format!("{host}: {}", with_causes(error));
    if let Some(said) = error.as_db_error() {
        let hint = match said.code().code() {
            "28000" if settings.ca_file.is_none() => " (set sql_conn_ca_file to encrypt the connection)",
            _ => "",
        };
        return match WriteError::from_server(said).into_store_error() {
            StoreError::Configuration { key, what } => {
                StoreError::Configuration { key, what: format!("{host}: {what}{hint}") }
            }
            _ => StoreError::Down(what),
        };
    }
    if what.contains(ASKED) {
        let what = format!(
            "{host}: {ASKED}, and the connection is not encrypted: set sql_conn_ca_file to encrypt it, or use scram-sha-256 in the \
             server's pg_hba.conf, or set sql_cleartext_passwd: true to send the password unencrypted"
        );
        return StoreError::Configuration { key: "sql_passwd", what };
    }
    // An untrusted certificate, or a server without TLS.
    if settings.ca_file.is_some()
        && (what.contains("certificate") || what.contains("TLS handshake: server does not"))
    {
        return StoreError::Configuration { key: "sql_conn_ca_file", what };
    }
    StoreError::Down(what)
}
