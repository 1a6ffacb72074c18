//! The connection to a broker, with or without TLS, and how `lapin` gets it.
//!
//! `lapin` would connect by itself, with its own choice of trusted certificates and without a limit in time. So the connection is
//! made here, and handed over ([`Handed`]).

use super::{broken, gone, tls};
use crate::settings;
use async_rs::traits::Reactor;
use async_rs::util::{DummyIO, RuntimeParts};
use async_rs::{Runtime, Tokio};
use delivery::StoreError;
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsConnector;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// How long a broker may take to reject our certificate.
const SETTLE: Duration = Duration::from_millis(250);

/// A socket, or TLS over one.
pub(super) trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection, as `lapin` wants one.
pub(super) type Transport = Compat<Box<dyn Duplex>>;

/// The runtime that `lapin` gets.
pub(super) type Kit = Runtime<RuntimeParts<Tokio, Handed>>;

/// Hangs up when it is dropped, so that whoever waits for the connection stops waiting.
pub(super) struct HangUp(TcpStream);

impl Drop for HangUp {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Connects to the broker. To be called in the runtime of the connection.
pub(super) async fn connect(
    settings: &settings::Amqp,
    deadline: Instant,
) -> Result<(Transport, HangUp), StoreError> {
    let config = settings.tls.as_ref().map(tls::config).transpose()?;
    let socket = dial(&settings.host, settings.port, deadline)?;
    let hang_up = HangUp(socket.try_clone().map_err(|error| broken(&error))?);
    let socket = tokio::net::TcpStream::from_std(socket).map_err(|error| broken(&error))?;
    let Some(config) = config else {
        let plain: Box<dyn Duplex> = Box::new(socket);
        return Ok((plain.compat(), hang_up));
    };
    let name = ServerName::try_from(settings.host.clone()).map_err(|error| StoreError::Configuration {
        key: "amqp_host",
        what: format!("'{}': {error}", settings.host),
    })?;
    let handshake = TlsConnector::from(config).connect(name, socket);
    let mut stream = tokio::time::timeout_at(deadline.into(), handshake)
        .await
        .map_err(|_| StoreError::Down("no answer in time".to_owned()))?
        .map_err(|error| broken(&error))?;
    // In TLS 1.3 the handshake ends here before the broker has looked at our certificate. If it rejects that while we write
    // already, the connection is reset, and the reason is lost. Brokers of AMQP never speak first: silence means acceptance.
    let mut first = [0];
    match tokio::time::timeout_at(deadline.min(Instant::now() + SETTLE).into(), stream.read(&mut first)).await {
        Err(_) => {}
        Ok(Ok(0)) => return Err(gone()),
        Ok(Ok(_)) => return Err(StoreError::Down("it does not speak AMQP 0.9.1".to_owned())),
        Ok(Err(error)) => return Err(broken(&error)),
    }
    let encrypted: Box<dyn Duplex> = Box::new(stream);
    Ok((encrypted.compat(), hang_up))
}

/// Connects to the first address of a name that answers. Blocks: there is nothing else to do meanwhile.
fn dial(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, StoreError> {
    let down = |error: io::Error| StoreError::Down(format!("{host}:{port}: {error}"));
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs().map_err(down)? {
        // A timeout of zero would be an error.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => {
                socket.set_nodelay(true).map_err(down)?;
                socket.set_nonblocking(true).map_err(down)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(down(last))
}

/// A reactor whose connections are made elsewhere; its timers are tokio's.
#[derive(Clone, Debug)]
pub(super) struct Handed(Tokio);

/// What `lapin` needs to run in that runtime.
pub(super) fn kit(runtime: &tokio::runtime::Handle) -> Kit {
    let tokio = Tokio::default().with_handle(runtime.clone());
    Runtime::new(RuntimeParts::new(tokio.clone(), Handed(tokio)))
}

impl Reactor for Handed {
    type TcpStream = Transport;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<DummyIO, _>(io::Error::from(ErrorKind::Unsupported))
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        _address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::Error::from(ErrorKind::Unsupported)))
    }
}
