//! The way to a target: its address, TCP, TLS.

use super::Target;
use crate::counters::Failure;
use crate::limits::Limits;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

/// A connection, with TLS or without.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why a target could not be reached.
pub(super) type Unreachable = (Failure, String);

/// Connects to a target. All of its addresses are tried, in the order of the resolver.
pub(super) async fn connect(target: &Target, limits: &Limits) -> Result<(Socket, SocketAddr), Unreachable> {
    let resolve = tokio::net::lookup_host((target.host.as_str(), target.port));
    let addresses = match timeout(limits.handshake, resolve).await {
        Ok(addresses) => addresses.map_err(|error| (Failure::Resolve, format!("{}: {error}", target.host)))?,
        Err(_) => return Err((Failure::Resolve, format!("{}: the name service does not answer", target.host))),
    };
    let mut failure = (Failure::Resolve, format!("{} has no address", target.host));
    for address in addresses {
        let socket = match timeout(limits.handshake, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => {
                failure = (Failure::Connect, format!("{address}: {error}"));
                continue;
            }
            Err(_) => {
                failure = (Failure::Connect, format!("{address} does not answer"));
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        let Some((tls, name)) = &target.tls else { return Ok((Socket::Plain(socket), address)) };
        match timeout(limits.handshake, tls.connect(name, socket)).await {
            Ok(Ok(socket)) => return Ok((Socket::Tls(Box::new(socket)), address)),
            Ok(Err(error)) => failure = (Failure::Tls, format!("{address}: TLS: {error}")),
            Err(_) => failure = (Failure::Tls, format!("{address}: TLS: the handshake took too long")),
        }
    }
    Err(failure)
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(socket) => Pin::new(socket).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, buffer),
            Self::Tls(socket) => Pin::new(socket).poll_write(context, buffer),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(socket) => Pin::new(socket).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(context),
        }
    }
}
