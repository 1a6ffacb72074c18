//! One connection: octets from the socket to the session, through TLS if it is configured.

use super::figures::Ending;
use super::service::Service;
use super::session::{Pause, RouterSession};
use bmp_session::Closed;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

/// How long the TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the end of a connection may take to send.
const CLOSING: Duration = Duration::from_secs(1);
/// Octets read before other connections get their turn.
const READ: usize = 64 * 1024;
/// When a connection may be dead: the interval at which its router is asked, and how often it may not answer.
const PROBE: Duration = Duration::from_secs(1);
const PROBES: u32 = 3;

/// Serves an accepted connection to its end.
pub(super) async fn serve(service: Rc<Service>, stream: TcpStream, peer: SocketAddr) {
    service.open.set(service.open.get() + 1);
    match service.shared.loaded().tls {
        None => run(&service, stream, |stream| stream, peer).await,
        Some(server) => {
            let failed = match timeout(HANDSHAKE, server.accept(stream)).await {
                Ok(Ok(stream)) => {
                    run(&service, stream, |stream| stream.get_ref().0, peer).await;
                    None
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("the handshake takes longer than {} seconds", HANDSHAKE.as_secs())),
            };
            if let Some(what) = failed {
                service.figures().close(Ending::Handshake);
                if let Some(pass) = service.limits.failed.pass() {
                    let what = what.escape_debug();
                    warn!(held_back = pass.held_back, "[{}] BMP connection: TLS: {what}", peer.ip());
                }
            }
        }
    }
    service.admission.borrow_mut().leave();
    service.open.set(service.open.get() - 1);
}

/// Runs the session until it is over. `socket`: of the stream.
async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    service: &Service,
    mut stream: S,
    socket: impl Fn(&S) -> &TcpStream,
    peer: SocketAddr,
) {
    let mut stop = service.stop.clone();
    let entry = service.connections.enter(peer.ip());
    let mut session = RouterSession::new(service.session_config(), peer, false);
    let mut rest = Vec::new();
    let mut pause = (!service.settings.proxy_header).then_some(Pause::Begin);
    let mut end = service.is_stopping().then_some(Ending::Shutdown);
    let deadline = service.settings.initiation_timeout.map(|timeout| Instant::now() + timeout);
    while end.is_none() {
        if let Some(why) = pause {
            match why {
                Pause::Turn => yield_now().await,
                // In the log, the end of what was before comes first.
                Pause::Begin | Pause::Leaving => service.left(session.ip()).await,
            }
            if why == Pause::Begin {
                entry.begin(session.ip());
                session.begin(&mut service.collector.borrow_mut());
            }
            let octets = std::mem::take(&mut rest);
            (pause, rest) = receive(service, &mut session, &octets);
            continue;
        }
        if session.closed().is_some() {
            break;
        }
        tokio::select! {
            read = poll_fn(|cx| read(service, &mut stream, &mut session, cx)) => match read {
                Ok(Read { count: 0, .. }) | Err(_) => session.disconnected(),
                Ok(Read { count, pause: why, rest: left }) => {
                    (pause, rest) = (why, left);
                    session.count(service.figures(), count as u64);
                    if count == READ {
                        yield_now().await;
                    }
                }
            },
            () = entry.connection.probe.notified() => {
                if let Err(error) = listener::probe(socket(&stream), PROBE, PROBES) {
                    warn!("[{}] BMP connection: keepalive: {error}", session.ip());
                }
            }
            () = passed(deadline), if !session.has_messages() => end = Some(Ending::Silent),
            // The sender exists as long as the daemon.
            _ = stop.changed() => end = Some(Ending::Shutdown),
        }
    }
    finish(service, session, end.unwrap_or(Ending::Disconnected));
    // Over TLS, this sends the close_notify, without which the router cannot tell the end from an attack (RFC 8446 section 6.1).
    let _ = timeout(CLOSING, stream.shutdown()).await;
}

/// Waits until a time has passed: for ever without one.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// What was read at once.
struct Read {
    /// Octets read.
    count: usize,
    /// Why not all of them were handled.
    pause: Option<Pause>,
    /// The others.
    rest: Vec<u8>,
}

/// Reads what has arrived, up to a bound, and handles its messages.
fn read<S: AsyncRead + Unpin>(
    service: &Service,
    stream: &mut S,
    session: &mut RouterSession,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Read>> {
    let mut buffer = service.buffer.borrow_mut();
    buffer.resize(READ, 0);
    let mut buffer = ReadBuf::new(&mut buffer);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    let octets = buffer.filled();
    let (pause, rest) = receive(service, session, octets);
    Poll::Ready(Ok(Read { count: octets.len(), pause, rest }))
}

/// Handles octets.
fn receive(service: &Service, session: &mut RouterSession, octets: &[u8]) -> (Option<Pause>, Vec<u8>) {
    let mut input = octets;
    let mut collector = service.collector.borrow_mut();
    let pause = session.receive(&mut collector, &mut input);
    collector.flush();
    (pause, input.to_vec())
}

/// Counts, logs and ends a session. `why` it ends, unless it is over by itself.
pub(super) fn finish(service: &Service, mut session: RouterSession, why: Ending) {
    session.count(service.figures(), 0);
    let router = session.ip();
    let ending = match session.closed() {
        Some(closed) => {
            match closed {
                Closed::Terminated(_) | Closed::Disconnected { incomplete: 0, .. } => {
                    if let Some(pass) = service.limits.ended.pass() {
                        info!(held_back = pass.held_back, "[{router}] BMP session ended: {closed}");
                    }
                }
                Closed::Frame { .. } | Closed::Proxy(_) | Closed::Disconnected { .. } => {
                    if let Some(pass) = service.limits.failed.pass() {
                        warn!(held_back = pass.held_back, "[{router}] BMP session closed: {closed}");
                    }
                }
            }
            Ending::of(closed)
        }
        None => {
            log_end(service, router, why);
            why
        }
    };
    session.end(&mut service.collector.borrow_mut(), service.figures(), ending);
}

/// Logs that the daemon ends a session of a router that says nothing.
fn log_end(service: &Service, router: IpAddr, why: Ending) {
    let seconds = |timeout: Option<Duration>| timeout.unwrap_or_default().as_secs();
    match why {
        Ending::Silent => {
            if let Some(pass) = service.limits.failed.pass() {
                warn!(
                    held_back = pass.held_back,
                    "[{router}] BMP session closed: no message within {} seconds (bmp_daemon_initiation_timeout)",
                    seconds(service.settings.initiation_timeout)
                );
            }
        }
        Ending::Expired => {
            if let Some(pass) = service.limits.failed.pass() {
                warn!(
                    held_back = pass.held_back,
                    "[{router}] BMP session removed: no message in the topic for {} seconds \
                     (bmp_daemon_kafka_router_timeout)",
                    seconds(service.settings.router_timeout)
                );
            }
        }
        _ => {}
    }
}
