//! One connection to the looking glass. Clients are not trusted: sizes and times are bounded.

use super::answer::{Outcome, Tables};
use crate::bgp::figures::LookingGlassFigures;
use bytes::Bytes;
use omq_proto::proto::{Connection, ConnectionConfig, Event, Role, SocketType};
use omq_proto::{Authenticator, Error, MechanismSetup, Message};
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// Bytes of a query, and of any command.
const QUERY_MAX: usize = 8 * 1024;
/// Octets that a client may send before it has been admitted.
const HANDSHAKE_MAX: usize = 8 * 1024;
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

/// Answers the queries of a client until the connection ends. `active`: when it last did something.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    tables: &Tables,
    credentials: Option<&Credentials>,
    stream: S,
    active: &Cell<Instant>,
) -> End {
    let refused = Arc::new(AtomicBool::new(false));
    let connection = Connection::new(config(credentials, &refused));
    let mut client = Client { tables, connection, stream, active, refused, left: HANDSHAKE_MAX };
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
    active: &'a Cell<Instant>,
    /// The credentials were wrong.
    refused: Arc<AtomicBool>,
    /// Octets that may be sent before the client is admitted.
    left: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<'_, S> {
    async fn run(&mut self) -> Result<(), End> {
        self.write().await?;
        let mut buffer = vec![0; READ];
        loop {
            let (limit, late) = match self.connection.is_ready() {
                true => (IDLE, "no query in time"),
                false => (HANDSHAKE, "no handshake in time"),
            };
            let read = timeout_at(self.active.get() + limit, self.stream.read(&mut buffer)).await;
            let count = read.map_err(|_| too_slow(late))??;
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
                self.answer().await?;
                self.write().await?;
                handled.map_err(|error| self.closing(&error))?;
                if !self.connection.has_pending_input() {
                    break;
                }
                handled = self.connection.resume_input();
            }
        }
    }

    /// Answers what has been received.
    async fn answer(&mut self) -> Result<(), End> {
        while let Some(event) = self.connection.poll_event() {
            // Commands mean nothing here.
            if let Event::HandshakeSucceeded { .. } = event {
                self.active.set(Instant::now());
            }
        }
        while let Some(query) = self.connection.poll_message() {
            self.active.set(Instant::now());
            let answer = answer(self.tables, &query);
            self.connection.send_message(&answer).map_err(|error| self.closing(&error))?;
            self.write().await?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp::service::Shared;
    use crate::bgp::settings::Loaded;
    use crate::routing::validator::Validator;
    use correlate::Routes;
    use rib::{Limits, SharedRib};
    use route_log::Format;
    use tokio::io::DuplexStream;

    /// What a connection does with these octets, after which its client closes or, `silent`, waits.
    fn end_of(credentials: Option<&Credentials>, octets: &[u8], silent: bool) -> (End, Vec<u8>) {
        let (rib, _writer) = SharedRib::new(Limits::default());
        let tables = Tables {
            shared: Arc::new(Shared::new(Loaded::default(), Arc::default())),
            routes: Arc::new(Routes::new(rib)),
            validator: Validator::default(),
            format: Format::default(),
        };
        let talk = async |mut stream: DuplexStream| {
            let _ = stream.write_all(octets).await;
            if !silent {
                let _ = stream.shutdown().await;
            }
            let mut received = Vec::new();
            let _ = stream.read_to_end(&mut received).await;
            received
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            let active = Cell::new(Instant::now());
            tokio::join!(serve(&tables, credentials, ours, &active), talk(theirs))
        })
    }

    fn closing_of(octets: &[u8]) -> Option<Closing> {
        why(end_of(None, octets, false).0)
    }

    fn why(end: End) -> Option<Closing> {
        match end {
            End::Client => None,
            End::Closed(why, _) => Some(why),
        }
    }

    /// RFC 23 of ZeroMQ: signature, version 3.1, mechanism, as-server, filler.
    fn greeting(mechanism: &str) -> Vec<u8> {
        let mut octets = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1];
        octets.extend_from_slice(mechanism.as_bytes());
        octets.resize(64, 0);
        octets
    }

    fn command(body: &[u8]) -> Vec<u8> {
        [&[4, u8::try_from(body.len()).unwrap()][..], body].concat()
    }

    /// READY of a socket of a type.
    fn ready(socket: &str) -> Vec<u8> {
        let length = [0, 0, 0, u8::try_from(socket.len()).unwrap()];
        command(&[b"\x05READY\x0bSocket-Type", &length[..], socket.as_bytes()].concat())
    }

    fn admitted() -> Vec<u8> {
        [greeting("NULL"), ready("REQ")].concat()
    }

    fn frame(more: bool, body: &[u8]) -> Vec<u8> {
        [&[u8::from(more), u8::try_from(body.len()).unwrap()][..], body].concat()
    }

    #[test]
    fn a_query_is_answered_with_its_envelope() {
        let query = [frame(true, b"id"), frame(true, b""), frame(false, br#"{"query_type": 2}"#)].concat();
        // Two at once, the second one without an envelope.
        let octets = [admitted(), query, frame(false, b"{}")].concat();
        let (end, received) = end_of(None, &octets, false);
        assert_eq!(why(end), None);
        let peers = br#"{"query_type":2,"results":0}"#;
        let refused = br#"{"query_type":0,"results":0,"text":"unsupported query_type"}"#;
        let answers = [frame(true, b"id"), frame(true, b""), frame(false, peers), frame(false, refused)].concat();
        assert!(received.ends_with(&answers), "{}", received.escape_ascii());
    }

    #[test]
    fn violations_of_the_protocol_end_the_connection() {
        let old = [&greeting("NULL")[..10], &[2, 0], &[0; 52]].concat();
        for octets in [
            b"GET / HTTP/1.1\r\n\r\n".repeat(10),
            old,
            greeting("PLAIN"),
            greeting("CURVE"),
            [greeting("NULL"), ready("SUB")].concat(),
            [greeting("NULL"), command(b"\x05READY")].concat(),
            [greeting("NULL"), frame(false, b"{}")].concat(),
            [admitted(), ready("REQ")].concat(),
        ] {
            assert_eq!(closing_of(&octets), Some(Closing::Protocol), "{}", octets.escape_ascii());
        }
        for cut in 0..admitted().len() {
            assert_eq!(closing_of(&admitted()[..cut]), None, "a connection that breaks is no violation");
        }
    }

    #[test]
    fn sizes_are_bounded_before_memory_is_taken() {
        let long = |flags: u8, len: u64| [&[flags | 2][..], &len.to_be_bytes()].concat();
        for len in [QUERY_MAX as u64, 1 << 32, u64::MAX >> 1, u64::MAX] {
            let closing = closing_of(&[admitted(), long(0, len)].concat());
            assert!(matches!(closing, Some(Closing::TooLarge | Closing::Protocol)), "{len}: {closing:?}");
        }
        // Many parts, each of them small.
        let parts = frame(true, b"part").repeat(QUERY_MAX / 8);
        assert_eq!(closing_of(&[admitted(), parts].concat()), Some(Closing::TooLarge));
        let handshake = [greeting("NULL"), long(4, 100_000), vec![0; HANDSHAKE_MAX]].concat();
        assert_eq!(closing_of(&handshake), Some(Closing::TooLarge));
    }

    #[test]
    fn times_are_bounded() {
        for octets in [Vec::new(), greeting("NULL"), admitted(), [admitted(), frame(true, b"")].concat()] {
            assert_eq!(why(end_of(None, &octets, true).0), Some(Closing::Time), "{}", octets.escape_ascii());
        }
        // More answers than fit between the two, and nobody reads them: the writing of queries blocks as well.
        let queries = frame(false, br#"{"query_type": 2}"#).repeat(100_000);
        let (end, _) = end_of(None, &[admitted(), queries].concat(), true);
        assert_eq!(why(end), Some(Closing::Time));
    }

    #[test]
    fn credentials_are_compared_as_a_whole() {
        let credentials = Credentials { user: "operator".to_owned(), password: "s3cret".to_owned() };
        let hello = |user: &str, password: &str| {
            let text = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
            [greeting("PLAIN"), command(&[b"\x05HELLO".to_vec(), text(user), text(password)].concat())].concat()
        };
        let closing = |octets: &[u8]| why(end_of(Some(&credentials), octets, false).0);
        assert_eq!(closing(&hello("operator", "s3cret")), None);
        for (user, password) in
            [("operator", ""), ("", "s3cret"), ("operator", "s3cre"), ("operator", "s3cret1"), ("x", "s3cret")]
        {
            assert_eq!(closing(&hello(user, password)), Some(Closing::Authentication), "{user} {password}");
        }
        assert_eq!(closing(&admitted()), Some(Closing::Protocol), "without authentication");
        let skipped = [greeting("PLAIN"), ready("REQ")].concat();
        assert_eq!(closing(&skipped), Some(Closing::Protocol), "without credentials");
    }
}
