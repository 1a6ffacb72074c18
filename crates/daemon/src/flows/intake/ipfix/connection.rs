//! One connection: octets from the socket, through TLS if it is one of those, to messages for a worker.

use super::figures::{Ending, Transport};
use super::service::{Place, Service};
use crate::flows::intake::delivery::{Delivery, Feeder};
use capture::Messages;
use netflow::stream::{Framer, StreamError};
use runtime::clock;
use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

/// How long the TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the end of a connection may take to send.
const CLOSING: Duration = Duration::from_secs(1);
/// How long the first message may take. An exporter has something to say at once: its templates.
const FIRST: Duration = Duration::from_secs(60);
/// Octets read before other connections get their turn, and that a worker gets at once.
const READ: usize = 64 * 1024;
/// Waking up for a message costs more than the message. So while messages come more often than this, the connection waits as long and
/// reads all that has arrived, unless so much arrives that it fills the buffer of the socket.
const PAUSE: Duration = Duration::from_millis(1);
const DENSE: usize = READ / 4;
/// Reads of each connection when the daemon stops, and how long the last one waits.
const LAST_READS: usize = 64;
const LAST_WAIT: Duration = Duration::from_millis(20);

/// Serves an accepted connection to its end.
pub(super) async fn serve(place: Place, transport: Transport, stream: TcpStream, peer: SocketAddr) {
    let service = place.service();
    let of = service.figures.of(transport);
    let tls = (transport == Transport::Tls).then(|| service.loaded().tls).flatten();
    let ending = match tls {
        None => run(service, stream, transport, peer).await,
        Some(server) => {
            let failed = match timeout(HANDSHAKE, server.accept(stream)).await {
                Ok(Ok(stream)) => Ok(run(service, stream, transport, peer).await),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("the handshake takes longer than {} seconds", HANDSHAKE.as_secs())),
            };
            failed.unwrap_or_else(|what| {
                if let Some(pass) = service.failed.pass() {
                    let what = what.escape_debug();
                    warn!(held_back = pass.held_back, "[{}] IPFIX connection: TLS: {what}", peer.ip());
                }
                Ending::Handshake
            })
        }
    };
    of.close(ending);
}

/// A stream of messages.
struct Session<'a> {
    service: &'a Service,
    transport: Transport,
    number: u64,
    peer: SocketAddr,
    feeder: &'a Feeder,
    framer: Framer,
    error: Option<StreamError>,
    has_messages: bool,
}

/// Reads to the end of the connection.
async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    service: &Service,
    mut stream: S,
    transport: Transport,
    peer: SocketAddr,
) -> Ending {
    let entry = service.begin();
    let mut session = Session {
        service,
        transport,
        number: entry.session,
        peer,
        feeder: service.workers.of(peer.ip()),
        framer: Framer::new(),
        error: None,
        has_messages: false,
    };
    let of = service.figures.of(transport);
    of.open.add(1);
    let mut stop = service.stop.clone();
    let mut active = Instant::now();
    let first = active + FIRST;
    let mut ending = None;
    while ending.is_none() {
        let idle = service.settings.timeout.map(|timeout| active + timeout);
        tokio::select! {
            read = poll_fn(|cx| read(service, &mut stream, cx)) => match read {
                Ok(0) | Err(_) => ending = Some(session.disconnected()),
                Ok(count) => {
                    let before = std::mem::replace(&mut active, Instant::now());
                    ending = session.receive(count).await;
                    if count >= READ {
                        yield_now().await;
                    } else if count < DENSE && active.duration_since(before) < PAUSE * 2 {
                        sleep(PAUSE).await;
                    }
                }
            },
            () = passed(idle) => ending = Some(Ending::TimedOut),
            () = sleep_until(first), if !session.has_messages => ending = Some(Ending::Silent),
            () = entry.unwanted.notified() => ending = Some(Ending::Memory),
            // The sender exists as long as the daemon.
            _ = stop.changed() => ending = Some(Ending::Shutdown),
        }
    }
    let mut ending = ending.unwrap_or(Ending::Disconnected);
    if ending == Ending::Shutdown {
        ending = session.drain(&mut stream).await.unwrap_or(ending);
    }
    session.end(ending).await;
    // Over TLS, this sends the close_notify, without which the exporter cannot tell the end from an attack (RFC 8446 section 6.1).
    let _ = timeout(CLOSING, stream.shutdown()).await;
    of.open.take(1);
    ending
}

/// Waits until a time has passed: for ever without one.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// Reads what has arrived into the buffer of the service, up to a bound.
fn read<S: AsyncRead + Unpin>(service: &Service, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut buffer = service.buffer.borrow_mut();
    buffer.resize(READ, 0);
    let mut buffer = ReadBuf::new(&mut buffer);
    // TLS returns one record at a time.
    loop {
        let before = buffer.filled().len();
        let result = match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() > before && buffer.remaining() > 0 => continue,
            result => result,
        };
        // Errors and the end of the stream come again.
        return match (buffer.filled().len(), result) {
            (0, Poll::Pending) => Poll::Pending,
            (0, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (count, _) => Poll::Ready(Ok(count)),
        };
    }
}

impl Session<'_> {
    /// Hands over the messages that are complete with the first `count` octets of the buffer.
    async fn receive(&mut self, count: usize) -> Option<Ending> {
        let mut messages = Messages::new(clock::now());
        let read = {
            let buffer = self.service.buffer.borrow();
            let octets = buffer.get(..count).unwrap_or_default();
            self.framer.push(octets, |message| messages.push(self.peer, self.number, message))
        };
        if !messages.is_empty() {
            self.has_messages = true;
            self.service.figures.of(self.transport).messages.add(messages.len() as u64);
            if !self.feeder.send(Delivery { messages, ..Delivery::default() }).await {
                return Some(Ending::Shutdown);
            }
        }
        self.error = read.err();
        self.error.map(|_| Ending::Framing)
    }

    fn disconnected(&self) -> Ending {
        if self.framer.buffered() > 0 { Ending::Incomplete } else { Ending::Disconnected }
    }

    /// Reads what has arrived when the daemon stops.
    async fn drain<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Option<Ending> {
        for _ in 0..LAST_READS {
            match timeout(LAST_WAIT, poll_fn(|cx| read(self.service, stream, cx))).await {
                Ok(Ok(count @ 1..)) => {
                    if let Some(ending) = self.receive(count).await {
                        return Some(ending);
                    }
                }
                Ok(Ok(0) | Err(_)) => return Some(self.disconnected()),
                Err(_) => return None,
            }
        }
        None
    }

    /// Logs the end, and lets the worker forget the session.
    async fn end(self, ending: Ending) {
        let (service, ip, name) = (self.service, self.peer.ip(), self.transport.name());
        match (ending, self.error) {
            (Ending::Framing, Some(error)) => {
                if let Some(pass) = service.failed.pass() {
                    warn!(held_back = pass.held_back, "[{ip}] IPFIX connection over {name} closed: {error}");
                }
            }
            (Ending::Memory, _) => {
                if let Some(pass) = service.failed.pass() {
                    let held_back = pass.held_back;
                    warn!(held_back, "[{ip}] IPFIX connection over {name} closed: peer_state_memory is reached");
                }
            }
            (Ending::Incomplete, _) => {
                if let Some(pass) = service.failed.pass() {
                    let (held_back, octets) = (pass.held_back, self.framer.buffered());
                    warn!(
                        held_back,
                        "[{ip}] IPFIX connection over {name} ended within a message, after {octets} octets of it"
                    );
                }
            }
            _ => {
                if let Some(pass) = service.accepted.pass() {
                    info!(
                        held_back = pass.held_back,
                        "[{ip}] IPFIX connection over {name} closed: {}",
                        words(ending)
                    );
                }
            }
        }
        let _ = self.feeder.send(Delivery { ended: vec![self.number], ..Delivery::default() }).await;
    }
}

/// Why a connection has ended, as far as it has no line of its own.
fn words(ending: Ending) -> &'static str {
    match ending {
        Ending::Silent => "no message came within 60 seconds",
        Ending::TimedOut => "nothing came for too long (nfacctd_session_timeout)",
        Ending::Shutdown => "the daemon shuts down",
        _ => "by the exporter",
    }
}
