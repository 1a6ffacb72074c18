//! The loop that accepts connections.

use runtime::log::Limited;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

/// Pause after a connection that could not be accepted, as when there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Minimum time between two log lines of one kind about connections.
pub(crate) const RATE: Duration = Duration::from_secs(10);

/// Accepts connections until the daemon stops. `protocol` names it in the log. Addresses of IPv4 are shown as such.
///
/// # Errors
/// The socket cannot be used by the runtime.
pub(crate) async fn accept(
    socket: TcpListener,
    mut stop: watch::Receiver<bool>,
    protocol: &str,
    mut admit: impl FnMut(TcpStream, SocketAddr),
) -> io::Result<()> {
    let failing = Limited::new(RATE);
    let socket = tokio::net::TcpListener::from_std(socket)?;
    loop {
        let accepted = tokio::select! {
            _ = stop.changed() => return Ok(()),
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => admit(stream, SocketAddr::new(address.ip().to_canonical(), address.port())),
            Err(error) => {
                if let Some(pass) = failing.pass() {
                    warn!(held_back = pass.held_back, "cannot accept a {protocol} connection: {error}");
                }
                sleep(PAUSE).await;
            }
        }
    }
}
