//! The loops that accept connections.

use runtime::log::Limited;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

/// Pause after a connection that could not be accepted, as when there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Minimum time between two log lines of one kind about connections.
pub(crate) const RATE: Duration = Duration::from_secs(10);

/// How long connections that the kernel has queued are accepted at the end: peers that connect all the time must not keep the daemon alive.
const LAST: Duration = Duration::from_secs(1);
/// How long the end waits for the next of them.
const NEXT: Duration = Duration::from_millis(20);

/// Accepts connections until the daemon stops. `protocol` names it in the log. Addresses of IPv4 are shown as such.
///
/// # Errors
/// The socket cannot be used by the runtime.
pub(crate) async fn accept(
    socket: TcpListener,
    stop: watch::Receiver<bool>,
    protocol: &str,
    admit: impl FnMut(TcpStream, SocketAddr),
) -> io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket)?;
    accept_until(&socket, stop, protocol, admit).await;
    Ok(())
}

/// As [`accept`], and then accepts the connections that the kernel has queued: peers may have sent data on them already.
///
/// # Errors
/// As [`accept`].
pub(crate) async fn accept_all(
    socket: TcpListener,
    stop: watch::Receiver<bool>,
    protocol: &str,
    mut admit: impl FnMut(TcpStream, SocketAddr),
) -> io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket)?;
    accept_until(&socket, stop, protocol, &mut admit).await;
    let until = Instant::now() + LAST;
    while Instant::now() < until {
        let Ok(Ok((stream, address))) = timeout(NEXT, socket.accept()).await else { break };
        admit(stream, canonical(address));
    }
    Ok(())
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

async fn accept_until(
    socket: &tokio::net::TcpListener,
    mut stop: watch::Receiver<bool>,
    protocol: &str,
    mut admit: impl FnMut(TcpStream, SocketAddr),
) {
    let failing = Limited::new(RATE);
    loop {
        let accepted = tokio::select! {
            _ = stop.changed() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => admit(stream, canonical(address)),
            Err(error) => {
                if let Some(pass) = failing.pass() {
                    warn!(held_back = pass.held_back, "cannot accept a {protocol} connection: {error}");
                }
                sleep(PAUSE).await;
            }
        }
    }
}
