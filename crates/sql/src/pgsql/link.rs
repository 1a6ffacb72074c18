//! A connection. Every step has a limit in time; after one that took longer the connection is given up, since nobody
//! knows what it would say next.

use super::trouble::{Trouble, whole};
use crate::settings::Settings;
use bytes::Bytes;
use delivery::Fault;
use delivery::tls::authorities;
use futures_util::SinkExt;
use rustls::ClientConfig;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Connection, NoTls, Row, SimpleQueryMessage, Socket, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Octets that are handed to the socket at a time.
const PIECE: usize = 128 << 10;
/// How much later than the server this side gives up a statement, so that the server can say it first.
const GRACE: Duration = Duration::from_secs(2);

/// A connection.
pub(super) struct Link {
    client: Client,
    /// Reads and writes the socket, while something waits for an answer.
    task: JoinHandle<()>,
    runtime: Runtime,
    limit: Duration,
    /// Times without a zone are in UTC in this session.
    pub(super) utc: bool,
}

impl Link {
    /// Connects and logs in.
    pub(super) fn new(host: &str, settings: &Settings) -> Result<Self, Fault> {
        let down = |what: String| Fault::Down(format!("{host}: {what}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| down(error.to_string()))?;
        let mut config = Config::new();
        config
            .host(host)
            .port(settings.port.unwrap_or(5432))
            .user(&settings.user)
            .password(&settings.password)
            .dbname(&settings.db)
            .application_name("pmacct")
            .connect_timeout(settings.timeout)
            .tcp_user_timeout(settings.timeout)
            .keepalives_idle(settings.timeout)
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .ssl_mode(if settings.ca_file.is_some() { SslMode::Require } else { SslMode::Disable });
        // A path is a socket on this machine: there is nothing to encrypt.
        let tls = match &settings.ca_file {
            Some(path) if !host.starts_with('/') => Some(tls(path)?),
            _ => {
                config.ssl_mode(SslMode::Disable);
                None
            }
        };
        let connected = runtime.block_on(async {
            tokio::time::timeout(settings.timeout, async {
                Ok(match tls {
                    Some(tls) => {
                        let (client, connection) = config.connect(tls).await?;
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
            Ok(Err(error)) => return Err(refused(host, &error, settings)),
            Err(_) => return Err(down(format!("no answer within {} s", settings.timeout.as_secs()))),
        };
        let mut link = Self { client, task, runtime, limit: settings.timeout + GRACE, utc: settings.utc };
        link.session(settings).map_err(Trouble::fault)?;
        Ok(link)
    }

    /// What holds for the whole session.
    fn session(&mut self, settings: &Settings) -> Result<(), Trouble> {
        let milliseconds = settings.timeout.as_millis();
        let zone = if settings.utc { "SET TIME ZONE 'UTC';" } else { "" };
        self.run(&format!(
            "SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}; SET DateStyle = 'ISO, YMD'; \
             SET client_min_messages = 'error'; {zone}"
        ))?;
        let zone = self.ask("SELECT current_setting('TimeZone')")?;
        self.utc = zone.is_some_and(|zone| ["UTC", "Etc/UTC", "GMT", "Etc/GMT"].contains(&zone.as_str()));
        Ok(())
    }

    /// True when the connection is known to be broken.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    fn wait<T>(&self, step: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Trouble> {
        match self.runtime.block_on(async { tokio::time::timeout(self.limit, step).await }) {
            Ok(done) => Ok(done?),
            Err(_) => Err(Trouble::Lost(format!("no answer within {} s", self.limit.as_secs()))),
        }
    }

    /// Runs statements.
    pub(super) fn run(&self, statements: &str) -> Result<(), Trouble> {
        self.wait(self.client.batch_execute(statements))
    }

    /// Runs statements of which the last gives a value.
    pub(super) fn ask(&self, statements: &str) -> Result<Option<String>, Trouble> {
        let messages = self.wait(self.client.simple_query(statements))?;
        Ok(messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }

    /// Runs a query with parameters.
    pub(super) fn query(&self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Trouble> {
        self.wait(self.client.query(query, parameters))
    }

    /// Prepares a statement.
    pub(super) fn prepare(&self, statement: &str) -> Result<Statement, Trouble> {
        self.wait(self.client.prepare(statement))
    }

    /// Sends the data of a prepared COPY.
    pub(super) fn copy(&self, statement: &Statement, mut rows: Bytes) -> Result<(), Trouble> {
        self.wait(async {
            let mut sink = pin!(self.client.copy_in(statement).await?);
            while !rows.is_empty() {
                let piece = rows.split_to(rows.len().min(PIECE));
                // An error of the server comes with the end, not here.
                if sink.feed(piece).await.is_err() {
                    break;
                }
            }
            sink.finish().await.map(|_| ())
        })
    }

    /// Says goodbye.
    pub(super) fn close(self) {
        drop(self.client);
        let _ = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(2), self.task).await });
    }
}

fn spawn<T>(connection: Connection<Socket, T>) -> JoinHandle<()>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async {
        // Whoever waits for an answer is told.
        let _ = connection.await;
    })
}

/// TLS that trusts the authorities in a file, and nobody else.
fn tls(path: &Path) -> Result<MakeRustlsConnect, Fault> {
    let wrong = |what: String| Fault::Configuration {
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

/// Why there is no connection.
fn refused(host: &str, error: &tokio_postgres::Error, settings: &Settings) -> Fault {
    let what = format!("{host}: {}", whole(error));
    if let Some(said) = error.as_db_error() {
        let hint = match said.code().code() {
            "28000" if settings.ca_file.is_none() => " (with sql_conn_ca_file the connection is encrypted)",
            _ => "",
        };
        return match Trouble::from_server(said).fault() {
            Fault::Configuration { key, what } => {
                Fault::Configuration { key, what: format!("{host}: {what}{hint}") }
            }
            _ => Fault::Down(what),
        };
    }
    // A certificate that is not trusted, or a server without TLS.
    if settings.ca_file.is_some()
        && (what.contains("certificate") || what.contains("TLS handshake: server does not"))
    {
        return Fault::Configuration { key: "sql_conn_ca_file", what };
    }
    Fault::Down(what)
}
