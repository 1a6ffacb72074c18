//! Forwards a BGP session to another collector, octet by octet in both directions.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the connection to the other collector may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Forwards until one side ends; returns the octets from the peer and to it.
///
/// # Errors
/// The other collector cannot be reached, or a connection fails.
pub(super) async fn forward(mut peer: TcpStream, destination: SocketAddr) -> io::Result<(u64, u64)> {
    let connecting = timeout(CONNECT, TcpStream::connect(destination));
    let mut collector = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    collector.set_nodelay(true)?;
    copy_bidirectional(&mut peer, &mut collector).await
}
