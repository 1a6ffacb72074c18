//! One connection: octets between the socket and the session, and events to the collector.

use super::collector::Peer;
use super::connections::{Connection, Entry};
use super::figures::Ending;
use super::service::Service;
use crate::sessions::admission::Rejection;
use bgp::notification::{ErrorCode, Notification};
use bgp_session::{Cause, Closed, Event, Parameters, Session};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until, timeout};
use tracing::{info, warn};

/// How long the peer of an old connection may take to show that it has restarted.
const PROBE: Duration = Duration::from_millis(500);
/// The text that peers get at shutdown.
const SHUTDOWN_TEXT: &str = "pmacct received SIGINT - shutting down";
/// Interval at which the end of an earlier session is awaited.
const LEAVING: Duration = Duration::from_millis(5);
/// How long, and for how many octets, a peer may take to close its side.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: usize = 64 * 1024;
/// Connections that may do so at a time: they are no longer among those of `bgp_daemon_max_peers`.
const MAX_LINGERING: usize = 100;
/// Octets read before other connections get their turn.
const READ: usize = 64 * 1024;

/// Serves an accepted connection to its end.
pub(super) async fn serve(service: Rc<Service>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        info!(%peer, "BGP connection: {error}");
    }
    let existing = service.connections.of(peer, service.settings.compares_ports);
    let entry = service.connections.enter(peer);
    // In the log, the end of the earlier session comes first.
    while service.collector.borrow().is_leaving(peer) {
        service.urgent.notify_one();
        sleep(LEAVING).await;
    }
    let mut state = service.collector.borrow().peer(peer);
    service.collector.borrow_mut().connected(&state);
    let is_refused = match existing {
        Some(existing) => !has_restarted(&existing).await,
        None => false,
    };
    if is_refused {
        service.reject(Rejection::ExistingPeer);
        if let Some(pass) = service.limits.rejection(Rejection::ExistingPeer) {
            let held_back = pass.held_back;
            warn!(held_back, "[{}] Refusing new connection from existing peer.", peer.ip());
        }
        service.refuse(&stream);
    } else {
        let mut session = Session::new(service.session_config(), Instant::now());
        run(&service, &stream, &entry, &mut session, &mut state).await;
        report(&service, &mut state, &session);
    }
    service.collector.borrow_mut().disconnected(state, service.is_stopping());
    drop(entry);
    service.admission.borrow_mut().leave();
    service.neighbors_changed();
    if service.lingering.get() < MAX_LINGERING {
        service.lingering.set(service.lingering.get() + 1);
        linger(stream).await;
        service.lingering.set(service.lingering.get() - 1);
    }
}

/// Ends a connection so that its peer can read what was sent last: closing a socket with unread input resets the connection.
async fn linger(mut stream: TcpStream) {
    let discard = async {
        let _ = stream.shutdown().await;
        let (mut buffer, mut total) = ([0; 4096], 0);
        while total < LINGER_OCTETS {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => total += count,
            }
        }
    };
    let _ = timeout(LINGER, discard).await;
}

/// Whether the old connection of a peer ends when it is used.
async fn has_restarted(existing: &Connection) -> bool {
    existing.probe.notify_one();
    timeout(PROBE, existing.wait_for_end()).await.is_ok()
}

/// Runs the session until it is over.
async fn run(service: &Service, stream: &TcpStream, entry: &Entry<'_>, session: &mut Session, peer: &mut Peer) {
    let mut stop = service.stop.clone();
    while session.closed().is_none() {
        let deadline = session.deadline().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        let has_output = !session.send_buffer().is_empty();
        tokio::select! {
            ready = stream.readable() => match ready {
                Ok(()) => read(service, stream, entry, session, peer),
                Err(_) => session.disconnected(),
            },
            ready = stream.writable(), if has_output => if ready.is_err() { session.disconnected() },
            () = sleep_until(deadline.into()) => {
                // What has arrived proves that the peer is alive.
                read(service, stream, entry, session, peer);
                session.timeout(Instant::now());
            }
            () = entry.connection.probe.notified() => session.send_keepalive(Instant::now()),
            // The sender exists as long as the daemon.
            _ = stop.changed() => session.shutdown(SHUTDOWN_TEXT, Instant::now()),
        }
        write(stream, session);
    }
}

/// Reads what has arrived, up to a bound, and handles its messages.
fn read(service: &Service, stream: &TcpStream, entry: &Entry<'_>, session: &mut Session, peer: &mut Peer) {
    let mut buffer = service.buffer.borrow_mut();
    buffer.resize(READ, 0);
    let count = match stream.try_read(&mut buffer) {
        Ok(0) => return session.disconnected(),
        Ok(count) => count,
        Err(error) if is_pending(&error) => return,
        Err(_) => return session.disconnected(),
    };
    let now = Instant::now();
    let mut input = buffer.get(..count).unwrap_or_default();
    let mut end = None;
    while end.is_none()
        && let Some(event) = session.next(&mut input, now)
    {
        end = handle(service, entry, peer, event);
    }
    if let Some(notification) = end {
        session.close(notification, now);
    }
    peer.count(service.figures(), count as u64, session.received_messages());
    service.collector.borrow_mut().flush();
}

/// Handles an event. Returns the NOTIFICATION that ends the session, if it must.
fn handle(service: &Service, entry: &Entry<'_>, peer: &mut Peer, event: Event<'_>) -> Option<Notification> {
    match event {
        Event::Open(parameters) => open(service, entry, peer, parameters),
        Event::Established => {
            entry.establish();
            service.collector.borrow_mut().established(peer);
            info!("[{}] BGP session established: AS {}", peer.ip(), peer.asn);
            service.neighbors_changed();
            None
        }
        Event::Update(update) => {
            let mut collector = service.collector.borrow_mut();
            let error = collector.update(peer, update.message, update.position).err()?;
            let code = ErrorCode { code: bgp::update::UpdateError::NOTIFICATION_CODE, subcode: error.subcode() };
            Some(Notification::new(code, error.data(update.message.body())))
        }
        // Nothing is announced to peers, so there is nothing to send again.
        Event::RouteRefresh(_) | Event::Keepalive => None,
        // A new kind of event needs no action of a collector.
        _ => None,
    }
}

/// Accepts or refuses the peer's OPEN.
fn open(service: &Service, entry: &Entry<'_>, peer: &mut Peer, parameters: &Parameters) -> Option<Notification> {
    let id = parameters.peer_identifier;
    if !service.settings.shares_router_ids && !entry.take_router_id(id) {
        service.reject(Rejection::RouterId);
        if let Some(pass) = service.limits.rejection(Rejection::RouterId) {
            warn!(
                held_back = pass.held_back,
                "[{}] Refusing new connection from existing router-ID {id} (bgp_disable_router_id_check allows it).",
                peer.ip()
            );
        }
        return Some(Notification::new(ErrorCode::COLLISION_RESOLUTION, &[]));
    }
    service.collector.borrow_mut().opened(peer, parameters);
    None
}

/// Writes as much as the socket takes.
fn write(stream: &TcpStream, session: &mut Session) {
    while !session.send_buffer().is_empty() {
        match stream.try_write(session.send_buffer()) {
            Ok(0) => return session.disconnected(),
            Ok(count) => session.sent(count, Instant::now()),
            Err(error) if is_pending(&error) => return,
            Err(_) => return session.disconnected(),
        }
    }
}

fn is_pending(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Logs and counts the end of a session.
fn report(service: &Service, peer: &mut Peer, session: &Session) {
    let address = peer.ip();
    let Some(closed) = session.closed() else { return };
    let ending = match closed {
        Closed::Received(_) => Ending::Notified,
        Closed::Disconnected { .. } => Ending::Disconnected,
        Closed::Sent(_, Cause::HoldTimer | Cause::OpenTimer) => Ending::HoldTimer,
        Closed::Sent(_, Cause::SendHoldTimer) => Ending::Stalled,
        Closed::Sent(..) if service.is_stopping() => Ending::Shutdown,
        Closed::Sent(..) => Ending::Error,
    };
    service.figures().close(ending);
    // Connections that never became sessions cost their peers nothing, so their lines are limited in rate.
    let limits = &service.limits;
    let limit = if matches!(closed, Closed::Disconnected { .. }) { &limits.dropped } else { &limits.failed };
    let held_back = match peer.is_established {
        true => None,
        false => match limit.pass() {
            Some(pass) => pass.held_back,
            None => return,
        },
    };
    match closed {
        Closed::Received(notification) => {
            let ErrorCode { code, subcode } = notification.error;
            match notification.text() {
                Some(text) => {
                    info!(
                        held_back,
                        "[{address}] BGP_NOTIFICATION received ({code}, {subcode}). Shutdown Message: '{}'",
                        text.escape_debug()
                    );
                }
                None => {
                    info!(held_back, "[{address}] BGP_NOTIFICATION received ({code}, {subcode}): {notification}.");
                }
            }
        }
        Closed::Disconnected { .. } => info!(held_back, "[{address}] BGP connection reset by peer: {closed}."),
        Closed::Sent(..) => info!(held_back, "[{address}] BGP session closed: {closed}."),
    }
}
