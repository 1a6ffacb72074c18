//! One connection to a cache, as a task: octets in both directions.

use super::{Address, Settings, tls};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Octets that are read at once.
pub(super) const CHUNK: usize = 64 * 1024;
/// How long the last octets to a cache may take.
const LAST_WRITE: Duration = Duration::from_secs(1);
/// Between the probes of an idle connection.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// What a connection tells the driver.
#[derive(Debug)]
pub(super) enum Event {
    Opened,
    Octets(Vec<u8>),
    Closed(String),
}

/// An event of a connection.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) cache: usize,
    pub(super) number: u64,
    pub(super) event: Event,
}

/// To whom a connection reports.
pub(super) struct Reports {
    pub(super) cache: usize,
    pub(super) number: u64,
    pub(super) sender: mpsc::Sender<Message>,
}

impl Reports {
    /// Waits while the driver is behind, so that a fast cache is slowed down.
    async fn send(&self, event: Event) {
        let _ = self.sender.send(Message { cache: self.cache, number: self.number, event }).await;
    }
}

/// What to connect to, and how.
pub(super) struct Target {
    pub(super) address: Address,
    pub(super) tls: Option<tls::Connector>,
    pub(super) settings: Arc<Settings>,
}

/// A connection, with or without TLS.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Opens a connection and passes octets, until the driver drops its end of `output`, or the connection ends. The time for opening
/// is limited by the driver.
pub(super) async fn run(target: Target, reports: Reports, mut output: mpsc::Receiver<Vec<u8>>) {
    let opened = tokio::select! {
        opened = open(&target) => opened,
        None = output.recv() => return,
    };
    let why = match opened {
        Ok(stream) => {
            reports.send(Event::Opened).await;
            pass(stream, &reports, &mut output).await
        }
        Err(error) => Some(format!("cannot connect: {error}")),
    };
    if let Some(why) = why {
        reports.send(Event::Closed(why)).await;
    }
}

/// Returns why the connection ended, unless the driver wanted it.
async fn pass(
    mut stream: Box<dyn Duplex>,
    reports: &Reports,
    output: &mut mpsc::Receiver<Vec<u8>>,
) -> Option<String> {
    let mut buffer = vec![0; CHUNK];
    loop {
        tokio::select! {
            octets = output.recv() => {
                let Some(octets) = octets else {
                    let _ = timeout(LAST_WRITE, stream.shutdown()).await;
                    return None;
                };
                let written = async {
                    stream.write_all(&octets).await?;
                    stream.flush().await
                };
                match timeout(LAST_WRITE, written).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Some(format!("the connection was lost: {error}")),
                    Err(_) => return Some("the cache does not read".to_owned()),
                }
            }
            read = stream.read(&mut buffer) => match read {
                Ok(0) => return Some("the cache closed the connection".to_owned()),
                Ok(count) => {
                    let octets = buffer.get(..count).unwrap_or_default().to_vec();
                    reports.send(Event::Octets(octets)).await;
                }
                Err(error) => return Some(format!("the connection was lost: {error}")),
            },
        }
    }
}

async fn open(target: &Target) -> io::Result<Box<dyn Duplex>> {
    let Address { host, port } = &target.address;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut stream = None;
    for address in tokio::net::lookup_host((host.as_str(), *port)).await? {
        match open_tcp(address, &target.settings).await {
            Ok(tcp) => {
                stream = Some(tcp);
                break;
            }
            Err(error) => last = error,
        }
    }
    let stream = stream.ok_or(last)?;
    match &target.tls {
        Some(tls) => tls.connect(host, stream).await,
        None => Ok(Box::new(stream)),
    }
}

async fn open_tcp(address: SocketAddr, settings: &Settings) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = settings.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if settings.ip_precedence > 0 {
        let class = u32::from(settings.ip_precedence) << 5;
        let socket = SockRef::from(&socket);
        if address.is_ipv4() { socket.set_tos_v4(class)? } else { socket.set_tclass_v6(class)? }
    }
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
