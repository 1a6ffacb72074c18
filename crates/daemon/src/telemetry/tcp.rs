//! Connections: nodes that send a stream of messages (`telemetry_daemon_port_tcp`).
//!
//! One thread has all of them. It reads from each connection what has arrived, up to a bound, and writes what it has logged when all of
//! them had their turn. Waking up for a message costs more than the message: so while nodes send often, the thread does not wait for the next
//! octets, but pauses, and then reads all that have arrived.

use super::figures::Ending;
use super::input::Input;
use super::node::{Node, Transport};
use super::service::Service;
use super::settings::{framing, savefile, size};
use crate::cluster::Sharing;
use crate::host::part::{Reading, Services};
use crate::sessions::accept::accept_all;
use ::telemetry::payload::Form;
use ::telemetry::{Framing, StreamDecoder};
use config::keys::telemetry;
use runtime::clock;
use runtime::log::Limited;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::{LocalSet, yield_now};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tracing::{error, info, warn};

/// Octets read before other connections get their turn.
const READ: usize = 64 * 1024;
/// How often octets must arrive for pauses, and how long these are, which is the longest time that they delay a message.
const PAUSE: Duration = Duration::from_millis(2);
/// When a silent connection may be dead: after that time the kernel asks its node.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Reads of each connection when the daemon stops.
const LAST_READS: usize = 64;
/// How long connections may take to end then.
const LAST_CONNECTIONS: Duration = Duration::from_secs(2);
/// Interval at which their end is awaited.
const LEAVING: Duration = Duration::from_millis(5);
/// Interval of regular work.
const REGULAR: Duration = Duration::from_millis(200);
/// Minimum time between two log lines about streams that cannot be read.
const RATE: Duration = Duration::from_secs(10);

/// The input.
struct Tcp {
    address: SocketAddr,
    options: listener::Options,
    sharing: Sharing,
    stream: Stream,
    socket: Option<TcpListener>,
    stop: watch::Sender<bool>,
}

/// How streams are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) framing: Framing,
    /// How JSON is written.
    pub(super) form: Form,
}

impl Stream {
    /// The settings of `key`, which needs a framing.
    pub(super) fn read<T>(reading: &mut Reading<'_>, key: &'static config::key::Key<T>) -> Self {
        let framing = framing(reading.config, key, reading.problems);
        Self { framing, form: form(reading, framing) }
    }
}

/// How JSON of a framing is written.
pub(super) fn form(reading: &Reading<'_>, framing: Framing) -> Form {
    let is_text = reading.config.core(&telemetry::TMP_TELEMETRY_DECODE_CISCO_V1_JSON_STRING);
    if is_text && framing == Framing::CiscoV1 { Form::Text } else { Form::Value }
}

/// Listens for connections, if a port is configured and no capture file is read.
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    let config = reading.config;
    let port = config.core(&telemetry::TELEMETRY_DAEMON_PORT_TCP).filter(|_| savefile(config).is_none())?;
    let ip = config.core(&telemetry::TELEMETRY_DAEMON_IP).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let precedence = u8::try_from(config.core(&telemetry::TELEMETRY_DAEMON_IPPREC)).ok();
    let program = &telemetry::TELEMETRY_DAEMON_RP_EBPF_PROG;
    let sharing = Sharing::read(config, &[program], "telemetry-tcp", reuseport::Transport::Tcp, reading.problems);
    Some(Box::new(Tcp {
        address: SocketAddr::new(ip, port),
        options: listener::Options {
            interface: config.core(&telemetry::TELEMETRY_DAEMON_INTERFACE),
            ipv6_only: config.core(&telemetry::TELEMETRY_DAEMON_IPV6_ONLY),
            precedence: precedence.filter(|precedence| *precedence > 0),
            receive_buffer: config.core(&telemetry::TELEMETRY_DAEMON_PIPE_SIZE).map(size),
            keepalive: Some(KEEPALIVE),
            is_shared: sharing.is_shared,
            ..listener::Options::default()
        },
        sharing,
        stream: Stream::read(reading, &telemetry::TELEMETRY_DAEMON_PORT_TCP),
        socket: None,
        stop: watch::channel(false).0,
    }))
}

impl Input for Tcp {
    fn open(&mut self) -> Result<(), String> {
        let opened = listener::open(self.address, &self.options).map_err(|error| {
            format!("telemetry_daemon_ip, telemetry_daemon_port_tcp: {}: {error}", self.address)
        })?;
        self.sharing.join(&[opened.listener.as_fd()])?;
        if let (Some(wanted), Some(granted)) = (self.options.receive_buffer, opened.receive_buffer) {
            info!("telemetry_daemon_pipe_size: obtained={granted} target={wanted}.");
        }
        self.socket = Some(opened.listener);
        Ok(())
    }

    fn start(&mut self, service: &Arc<Service>, services: &Services) -> io::Result<()> {
        let Some(socket) = self.socket.take() else { return Err(io::ErrorKind::NotConnected.into()) };
        let (stream, stop) = (self.stream, self.stop.subscribe());
        service.spawn(services, "telemetry/tcp", move |service| {
            let server = Server {
                service: Arc::clone(service),
                stream,
                buffer: RefCell::default(),
                unwritten: Notify::new(),
                unwritten_octets: Cell::new(0),
                failing: Limited::new(RATE),
                stop,
                open: Cell::new(0),
            };
            if let Err(error) = server.run(socket) {
                error!("telemetry over TCP: {error}");
            }
        })
    }

    fn announce(&self) {
        info!("waiting for telemetry data on {}:{}/tcp", self.address.ip(), self.address.port());
    }

    fn stop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// The state of the thread.
struct Server {
    service: Arc<Service>,
    stream: Stream,
    /// Where all connections read.
    buffer: RefCell<Vec<u8>>,
    /// Something was logged that is not written yet: messages of this number of octets.
    unwritten: Notify,
    unwritten_octets: Cell<usize>,
    failing: Limited,
    stop: watch::Receiver<bool>,
    /// Connections that have not ended.
    open: Cell<usize>,
}

impl Server {
    fn run(self, socket: TcpListener) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = Rc::new(self);
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async {
            tokio::task::spawn_local(Rc::clone(&server).write());
            tokio::task::spawn_local(Rc::clone(&server).regular_work());
            accept_all(socket, server.stop.clone(), "telemetry", |stream, peer| {
                let admit = |collector: &mut super::collector::Collector| {
                    collector.connect(Transport::Tcp, peer, clock::now())
                };
                if let Some(node) = server.service.batch(admit) {
                    server.open.set(server.open.get() + 1);
                    tokio::task::spawn_local(serve(Rc::clone(&server), stream, node));
                }
            })
            .await?;
            let _ = timeout(LAST_CONNECTIONS, server.last_connections()).await;
            Ok(())
        })
    }

    async fn last_connections(&self) {
        while self.open.get() > 0 {
            sleep(LEAVING).await;
        }
    }

    /// Writes what was logged after all connections had their turn, and pauses if they send often, but not much.
    async fn write(self: Rc<Self>) {
        let mut written = Instant::now();
        loop {
            self.unwritten.notified().await;
            self.service.flush();
            let octets = self.unwritten_octets.replace(0);
            let before = std::mem::replace(&mut written, Instant::now());
            if octets < READ && written.duration_since(before) < PAUSE * 2 {
                // This blocks the thread on purpose: otherwise the kernel would wake it for each segment that arrives.
                let _ = self.service.stop.pause(PAUSE);
            }
        }
    }

    async fn regular_work(self: Rc<Self>) {
        let mut ticks = interval(REGULAR);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.service.idle();
        }
    }
}

/// Serves a connection to its end.
async fn serve(server: Rc<Server>, mut stream: TcpStream, node: Arc<Node>) {
    let mut connection = Connection::new(&server.service, server.stream, node);
    let mut stop = server.stop.clone();
    // A node that never sends a message must not take the place of another one. One that has sent some may be silent as long as it wants.
    let first = Instant::now() + server.service.settings.peer_timeout;
    let mut ending = (*stop.borrow()).then_some(Ending::Shutdown);
    while ending.is_none() {
        tokio::select! {
            read = poll_fn(|cx| read(&server, &mut stream, &mut connection, cx)) => match read {
                Ok(0) | Err(_) => ending = Some(connection.disconnected()),
                Ok(count) => {
                    server.unwritten.notify_one();
                    ending = connection.ending;
                    server.unwritten_octets.set(server.unwritten_octets.get() + count);
                    if count == READ {
                        yield_now().await;
                    }
                }
            },
            () = sleep_until(first), if !connection.has_messages() => ending = Some(Ending::TimedOut),
            // The sender exists as long as the daemon.
            _ = stop.changed() => ending = Some(Ending::Shutdown),
        }
    }
    if ending == Some(Ending::Shutdown) {
        drain(&server, stream, &mut connection);
        ending = connection.ending.or(ending);
    }
    if let (Some(error), Some(pass)) = (connection.error, server.failing.pass()) {
        let (held_back, ip) = (pass.held_back, connection.node.address.ip());
        warn!(held_back, "[{ip}] telemetry connection closed: {error}");
    }
    connection.end(ending.unwrap_or(Ending::Shutdown));
    server.open.set(server.open.get() - 1);
}

/// Reads what has arrived when the daemon stops, up to a bound. It asks the system: the runtime may not know yet what has arrived.
fn drain(server: &Server, stream: TcpStream, connection: &mut Connection) {
    let Ok(mut stream) = stream.into_std() else { return };
    let mut buffer = server.buffer.borrow_mut();
    buffer.resize(READ, 0);
    for _ in 0..LAST_READS {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => connection.receive(buffer.get(..count).unwrap_or_default()),
            Ok(0) | Err(_) => break,
        }
    }
}

/// Reads what has arrived, up to a bound, and handles its messages. Returns the number of octets.
fn read(
    server: &Server,
    stream: &mut TcpStream,
    connection: &mut Connection,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut buffer = server.buffer.borrow_mut();
    buffer.resize(READ, 0);
    let mut buffer = ReadBuf::new(&mut buffer);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    connection.receive(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

/// A stream of messages, wherever its octets come from: a connection, or a capture file.
pub(super) struct Connection {
    service: Arc<Service>,
    pub(super) node: Arc<Node>,
    decoder: StreamDecoder,
    form: Form,
    /// Why it is over, if its octets say so.
    pub(super) ending: Option<Ending>,
    /// What is wrong then.
    error: Option<::telemetry::StreamError>,
}

impl Connection {
    pub(super) fn new(service: &Arc<Service>, stream: Stream, node: Arc<Node>) -> Self {
        Self {
            decoder: StreamDecoder::new(stream.framing, service.settings.max_message),
            form: stream.form,
            service: Arc::clone(service),
            node,
            ending: None,
            error: None,
        }
    }

    /// Handles octets. What is logged is not written yet.
    pub(super) fn receive(&mut self, octets: &[u8]) {
        let Self { service, node, decoder, form, ending, error } = self;
        if ending.is_some() {
            return;
        }
        decoder.push(octets);
        let now = clock::now();
        service.enter(|collector| {
            loop {
                match decoder.next_message() {
                    Ok(Some(message)) => collector.receive(node, &message, *form, now),
                    Ok(None) => break,
                    Err(what) => {
                        service.figures().break_stream(what.kind);
                        (*ending, *error) = (Some(Ending::Framing), Some(what));
                        break;
                    }
                }
            }
        });
    }

    fn has_messages(&self) -> bool {
        self.node.counts.messages.get() > 0
    }

    /// The connection has ended.
    pub(super) fn disconnected(&self) -> Ending {
        if self.decoder.buffered() > 0 { Ending::Incomplete } else { Ending::Disconnected }
    }

    /// Ends it.
    pub(super) fn end(self, why: Ending) {
        self.service.batch(|collector| collector.disconnect(&self.node, why, clock::now()));
    }
}
