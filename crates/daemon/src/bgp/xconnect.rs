//! Forwards a BGP session to another collector, octet by octet in both directions, and listens in.

use super::observed::Observed;
use super::service::Service;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the connection to the other collector may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Octets read at once.
const READ: usize = 16 * 1024;

/// Forwards until one side ends; returns the octets from the peer and to it.
///
/// # Errors
/// The other collector cannot be reached, or a connection fails.
pub(super) async fn forward(
    service: &Service,
    peer: TcpStream,
    address: SocketAddr,
    destination: SocketAddr,
) -> io::Result<(u64, u64)> {
    let connecting = timeout(CONNECT, TcpStream::connect(destination));
    let collector = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    collector.set_nodelay(true)?;
    peer.set_nodelay(true)?;
    let mut observed = Observed::new(address, &service.collector);
    let result = run(service, peer, collector, &mut observed).await;
    observed.end(&service.collector);
    result
}

async fn run(
    service: &Service,
    mut peer: TcpStream,
    mut collector: TcpStream,
    observed: &mut Observed,
) -> io::Result<(u64, u64)> {
    let (mut from, mut to) = (0, 0);
    let (mut inward, mut outward) = (vec![0; READ], vec![0; READ]);
    let (mut peer_in, mut peer_out) = peer.split();
    let (mut collector_in, mut collector_out) = collector.split();
    loop {
        tokio::select! {
            count = peer_in.read(&mut inward) => {
                let octets = inward.get(..count?).unwrap_or_default();
                if octets.is_empty() {
                    break;
                }
                collector_out.write_all(octets).await?;
                observed.peer_sent(octets, &service.collector);
                from += octets.len() as u64;
            }
            count = collector_in.read(&mut outward) => {
                let octets = outward.get(..count?).unwrap_or_default();
                if octets.is_empty() {
                    break;
                }
                peer_out.write_all(octets).await?;
                observed.other_sent(octets, &service.collector);
                to += octets.len() as u64;
            }
        }
    }
    Ok((from, to))
}
