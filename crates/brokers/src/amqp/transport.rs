//! The connection to a broker, with or without TLS, in the form that `lapin` needs.
//!
//! `lapin` would connect by itself, with its own choice of trusted certificates and without a timeout. So the connection is
//! opened here and passed to it ([`TimersOnly`]).

use super::{connection_closed, io_error, tls};
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

/// A connection with the traits that `lapin` requires.
pub(super) type Transport = Compat<Box<dyn Duplex>>;

/// The runtime for `lapin`.
pub(super) type LapinRuntime = Runtime<RuntimeParts<Tokio, TimersOnly>>;

/// Shuts the connection down when dropped, which ends all pending reads and writes on it.
pub(super) struct HangUp(TcpStream);

impl Drop for HangUp {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Connects to the broker. Must be called in the runtime of the connection.
pub(super) async fn connect(
    settings: &settings::Amqp,
    deadline: Instant,
) -> Result<(Transport, HangUp), StoreError> {
    let config = settings.tls.as_ref().map(tls::config).transpose()?;
    let socket = connect_tcp(&settings.host, settings.port, deadline)?;
    let hang_up = HangUp(socket.try_clone().map_err(|error| io_error(&error))?);
    let socket = tokio::net::TcpStream::from_std(socket).map_err(|error| io_error(&error))?;
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
        .map_err(|error| io_error(&error))?;
    // In TLS 1.3 the handshake ends here before the broker has checked the client certificate. If the broker rejects it after
    // this side has begun to write, the connection is reset and the reason is lost. AMQP brokers never send first, so silence
    // means acceptance.
    let mut first = [0];
    match tokio::time::timeout_at(deadline.min(Instant::now() + SETTLE).into(), stream.read(&mut first)).await {
        Err(_) => {}
        Ok(Ok(0)) => return Err(connection_closed()),
        Ok(Ok(_)) => return Err(StoreError::Down("the broker does not speak AMQP 0.9.1".to_owned())),
        Ok(Err(error)) => return Err(io_error(&error)),
    }
    let encrypted: Box<dyn Duplex> = Box::new(stream);
    Ok((encrypted.compat(), hang_up))
}

/// Connects to the first address of the host that accepts. Blocks the thread, which has nothing else to do.
fn connect_tcp(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, StoreError> {
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

/// A reactor with the timers of tokio that opens no connections.
#[derive(Clone, Debug)]
pub(super) struct TimersOnly(Tokio);

/// A runtime for `lapin` on top of a tokio runtime.
pub(super) fn lapin_runtime(runtime: &tokio::runtime::Handle) -> LapinRuntime {
    let tokio = Tokio::default().with_handle(runtime.clone());
    Runtime::new(RuntimeParts::new(tokio.clone(), TimersOnly(tokio)))
}

impl Reactor for TimersOnly {
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
