//! One connection to the looking glass. Clients are not trusted: sizes and times are bounded.

use super::answer::{Outcome, Tables};
use crate::bgp::figures::LookingGlassFigures;
use bytes::Bytes;
use omq_proto::proto::{Connection, ConnectionConfig, Event, Role, SocketType};
use omq_proto::{Authenticator, Error, MechanismSetup, Message};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// Bytes of a query, and of any command.
const QUERY_MAX: usize = 8 * 1024;
/// Octets that a client may send before it has been admitted.
const HANDSHAKE_MAX: usize = 4 * 1024;
/// Time for a client to be admitted.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time between two queries. Clients of ZeroMQ reconnect by themselves.
const IDLE: Duration = Duration::from_secs(300);
/// Time for a client to read an answer.
const STALL: Duration = Duration::from_secs(10);
/// Octets read at a time.
const READ: usize = 4 * 1024;

/// What clients must know.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

impl Credentials {
    fn are(&self, user: &str, password: &str) -> bool {
        // Both are compared to their ends: the time tells nothing about their octets.
        is_same(&self.user, user) & is_same(&self.password, password)
    }
}

/// Whether texts are equal, in a time that depends on their lengths alone.
fn is_same(a: &str, b: &str) -> bool {
    let differences = a.bytes().zip(b.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b));
    (differences == 0) & (a.len() == b.len())
}

/// Why a connection was closed by this side, in the order of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    ClientsBound,
    Authentication,
    Protocol,
    TooLarge,
    Time,
}

impl Closing {
    pub(super) fn count(self, figures: &LookingGlassFigures) {
        if let Some(figure) = figures.closed.get(self as usize) {
            figure.add(1);
        }
    }
}

/// Why a connection has ended.
#[derive(Debug)]
pub(super) enum End {
    /// The client closed it, or it failed.
    Client,
    /// It was closed, for a reason, with details.
    Closed(Closing, String),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Client
    }
}

fn too_slow(what: &str) -> End {
    End::Closed(Closing::Time, what.to_owned())
}

/// Answers the queries of a client until the connection ends.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    tables: &Tables,
    credentials: Option<&Credentials>,
    stream: S,
) -> End {
    let refused = Arc::new(AtomicBool::new(false));
    let connection = Connection::new(config(credentials, &refused));
    let mut client = Client { tables, connection, stream, refused, left: HANDSHAKE_MAX };
    match client.run().await {
        Ok(()) => End::Client,
        Err(end) => end,
    }
}

fn config(credentials: Option<&Credentials>, refused: &Arc<AtomicBool>) -> ConnectionConfig {
    let config = ConnectionConfig::new(Role::Server, SocketType::Router).max_message_size(QUERY_MAX);
    let Some(credentials) = credentials.cloned() else { return config };
    let refused = Arc::clone(refused);
    config.mechanism(MechanismSetup::PlainServer {
        authenticator: Authenticator::new(move |client| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let is_known = credentials.are(&text(&client.username), &text(&client.password));
            refused.store(!is_known, Ordering::Relaxed);
            is_known
        }),
    })
}

struct Client<'a, S> {
    tables: &'a Tables,
    connection: Connection,
    stream: S,
    /// The credentials were wrong.
    refused: Arc<AtomicBool>,
    /// Octets that may be sent before the client is admitted.
    left: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<'_, S> {
    async fn run(&mut self) -> Result<(), End> {
        self.write().await?;
        let mut deadline = Instant::now() + HANDSHAKE;
        let mut buffer = vec![0; READ];
        loop {
            let late = if self.connection.is_ready() { "no query in time" } else { "no handshake in time" };
            let count =
                timeout_at(deadline, self.stream.read(&mut buffer)).await.map_err(|_| too_slow(late))??;
            let octets = buffer.get(..count).unwrap_or_default();
            if octets.is_empty() {
                return Ok(());
            }
            if !self.connection.is_ready() {
                let left = self.left.checked_sub(count);
                self.left =
                    left.ok_or_else(|| End::Closed(Closing::TooLarge, "handshake too large".to_owned()))?;
            }
            let mut handled = self.connection.handle_input(Bytes::copy_from_slice(octets));
            loop {
                // What was complete before an error counts.
                if self.answer().await? {
                    deadline = Instant::now() + IDLE;
                }
                self.write().await?;
                handled.map_err(|error| self.closing(&error))?;
                if !self.connection.has_pending_input() {
                    break;
                }
                handled = self.connection.resume_input();
            }
        }
    }

    /// Answers what has been received. True if the client was admitted or has sent a query.
    async fn answer(&mut self) -> Result<bool, End> {
        let mut has_any = false;
        while let Some(event) = self.connection.poll_event() {
            // Commands mean nothing here.
            has_any |= matches!(event, Event::HandshakeSucceeded { .. });
        }
        while let Some(query) = self.connection.poll_message() {
            has_any = true;
            let answer = answer(self.tables, &query);
            self.connection.send_message(&answer).map_err(|error| self.closing(&error))?;
            self.write().await?;
        }
        Ok(has_any)
    }

    /// Sends what waits.
    async fn write(&mut self) -> Result<(), End> {
        while self.connection.has_pending_transmit() {
            let octets = self.connection.poll_transmit();
            let written = timeout(STALL, self.stream.write_all(&octets)).await;
            written.map_err(|_| too_slow("it does not read the answer"))??;
            self.connection.advance_transmit(octets.len());
        }
        Ok(())
    }

    fn closing(&self, error: &Error) -> End {
        let why = match error {
            Error::MessageTooLarge { .. } => Closing::TooLarge,
            _ if self.refused.load(Ordering::Relaxed) => Closing::Authentication,
            _ => Closing::Protocol,
        };
        End::Closed(why, error.to_string())
    }
}

/// The answer to a message. Its first parts up to an empty one are the envelope, which comes back with the answer.
fn answer(tables: &Tables, message: &Message) -> Message {
    let mut parts: Vec<Bytes> = message.iter().collect();
    let envelope = parts.iter().position(Bytes::is_empty).map_or(0, |empty| empty + 1);
    let query = parts.split_off(envelope);
    let answer = tables.answer(query.iter().map(AsRef::as_ref));
    count(answer.outcome, &tables.shared.figures.looking_glass);
    Message::multipart(parts.into_iter().chain(answer.parts))
}

fn count(outcome: Outcome, figures: &LookingGlassFigures) {
    if let Some(figure) = figures.queries.get(outcome as usize) {
        figure.add(1);
    }
}
