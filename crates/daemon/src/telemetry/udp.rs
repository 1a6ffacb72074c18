//! Datagrams: plain ones (`telemetry_daemon_port_udp`), and those of UDP-notif (`telemetry_daemon_udp_notif_port`). Each has a thread.

use super::collector::Collector;
use super::input::Input;
use super::node::{Node, Transport};
use super::service::Service;
use super::settings::{savefile, size};
use super::tcp::Stream;
use crate::cluster::{self, Sharing};
use crate::host::part::{Reading, Services};
use ::telemetry::datagram;
use ::telemetry::payload::Form;
use ::telemetry::udp_notif::{Limits, Outcome, Reason, Reassembler, Variant, decode};
use capture::Batch;
use capture::udp::{BindError, Part, Received, Receiver, Settings, Waker};
use config::keys::telemetry;
use runtime::clock;
use runtime::log::Limited;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info, warn};

/// Interval of regular work.
pub(super) const REGULAR: Duration = Duration::from_millis(200);
/// How long datagrams that have arrived are read when the daemon stops.
const LAST_DATAGRAMS: Duration = Duration::from_secs(2);
/// Interval at which the kernel is asked for the datagrams that it has dropped, in microseconds.
const DROPS_US: u64 = 1_000_000;
/// Minimum time between two log lines about datagrams.
const RATE: Duration = Duration::from_secs(10);
/// Bytes of the kernel's buffer for UDP-notif, unless `telemetry_daemon_pipe_size` is set: notifications come in bursts, when many
/// subscriptions have the same period. This is what pmacct asks for.
const NOTIF_BUFFER: usize = 20_000_000;
/// Incomplete UDP-notif messages at a time.
const INCOMPLETE: usize = 65_536;

/// The input.
struct Udp {
    settings: Settings,
    sharing: Sharing,
    keys: Keys,
    protocol: Option<Protocol>,
    receiver: Option<Receiver>,
    waker: Option<Waker>,
}

/// The names of keys in messages.
struct Keys {
    ip: &'static str,
    port: &'static str,
    interface: &'static str,
    thread: &'static str,
}

/// Reads plain datagrams, if a port is configured and no capture file is read.
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    let config = reading.config;
    let port = config.core(&telemetry::TELEMETRY_DAEMON_PORT_UDP).filter(|_| savefile(config).is_none())?;
    let stream = Stream::read(reading, &telemetry::TELEMETRY_DAEMON_PORT_UDP);
    let program = &telemetry::TELEMETRY_DAEMON_RP_EBPF_PROG;
    let sharing = Sharing::read(config, &[program], "telemetry-udp", reuseport::Transport::Udp, reading.problems);
    Some(Box::new(Udp {
        settings: Settings {
            address: config.core(&telemetry::TELEMETRY_DAEMON_IP),
            port,
            receive_buffer: config.core(&telemetry::TELEMETRY_DAEMON_PIPE_SIZE).map(size),
            interface: config.core(&telemetry::TELEMETRY_DAEMON_INTERFACE),
            ipv6_only: config.core(&telemetry::TELEMETRY_DAEMON_IPV6_ONLY),
            shared: sharing.is_shared,
            ..Settings::default()
        },
        sharing,
        keys: Keys {
            ip: "telemetry_daemon_ip",
            port: "telemetry_daemon_port_udp",
            interface: "telemetry_daemon_interface",
            thread: "telemetry/udp",
        },
        protocol: Some(Protocol::Plain(stream)),
        receiver: None,
        waker: None,
    }))
}

/// Reads UDP-notif, if a port is configured and no capture file is read.
pub(super) fn choose_notif(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    let config = reading.config;
    let port = config.core(&telemetry::TELEMETRY_DAEMON_UDP_NOTIF_PORT).filter(|_| savefile(config).is_none())?;
    let programs =
        [&telemetry::TELEMETRY_DAEMON_UDP_NOTIF_RP_EBPF_PROG, &telemetry::TELEMETRY_DAEMON_RP_EBPF_PROG];
    let sharing = Sharing::read(config, &programs, "telemetry", reuseport::Transport::Udp, reading.problems);
    let buffer = config.core(&telemetry::TELEMETRY_DAEMON_PIPE_SIZE).map_or(NOTIF_BUFFER, size);
    Some(Box::new(Udp {
        settings: Settings {
            address: config.core(&telemetry::TELEMETRY_DAEMON_UDP_NOTIF_IP),
            port,
            receive_buffer: Some(buffer),
            interface: config.core(&telemetry::TELEMETRY_DAEMON_UDP_NOTIF_INTERFACE),
            ipv6_only: config.core(&telemetry::TELEMETRY_DAEMON_UDP_NOTIF_IPV6_ONLY),
            shared: sharing.is_shared,
            ..Settings::default()
        },
        sharing,
        keys: Keys {
            ip: "telemetry_daemon_udp_notif_ip",
            port: "telemetry_daemon_udp_notif_port",
            interface: "telemetry_daemon_udp_notif_interface",
            thread: "telemetry/notif",
        },
        protocol: Some(Protocol::notif(reading)),
        receiver: None,
        waker: None,
    }))
}

impl Udp {
    /// Describes why the socket cannot be opened, with the key concerned.
    fn describe(&self, error: &BindError) -> String {
        let Self { settings, keys, .. } = self;
        match error.part {
            Part::Interface => {
                let interface = settings.interface.as_deref().unwrap_or_default();
                format!("{}: cannot listen on '{interface}': {}", keys.interface, error.error)
            }
            Part::Address | Part::Group(_) => {
                let address = self.address();
                let (ip, port, fault) = (keys.ip, keys.port, &error.error);
                format!("{ip}, {port}: cannot listen on {address}: {fault}{}", cluster::taken(fault))
            }
        }
    }

    fn address(&self) -> String {
        let address = self.settings.address.map_or("::".to_owned(), |address| address.to_string());
        format!("{address}:{}", self.settings.port)
    }
}

impl Input for Udp {
    fn open(&mut self) -> Result<(), String> {
        let mut receivers = capture::udp::open(&self.settings).map_err(|error| self.describe(&error))?;
        self.receiver = receivers.pop();
        let sockets: Vec<_> = self.receiver.iter().map(AsFd::as_fd).collect();
        self.sharing.join(&sockets)?;
        if let Some(receiver) = &self.receiver {
            self.waker = Some(receiver.waker());
            if let (Some(asked), Ok(given)) = (self.settings.receive_buffer, receiver.receive_buffer()) {
                info!("{}: receive buffer: obtained={given} target={asked}.", self.keys.port);
            }
        }
        Ok(())
    }

    fn start(&mut self, service: &Arc<Service>, services: &Services) -> io::Result<()> {
        let (Some(receiver), Some(protocol)) = (self.receiver.take(), self.protocol.take()) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        service.spawn(services, self.keys.thread, move |service| {
            let mut reader = Reader::new(protocol);
            if let Err(error) = run(receiver, &mut reader, service) {
                error!("telemetry over UDP: {error}");
            }
            reader.end(service);
        })
    }

    fn announce(&self) {
        let what = if self.keys.thread == "telemetry/notif" { " (UDP-notif)" } else { "" };
        info!("waiting for telemetry data on {}/udp{what}", self.address());
    }

    fn stop(&mut self) {
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }
}

/// Reads datagrams until the daemon stops.
fn run(mut receiver: Receiver, reader: &mut Reader, service: &Service) -> io::Result<()> {
    let mut batch = Batch::new();
    let mut drops = Drops::default();
    let mut deadline = None;
    loop {
        let timeout = if deadline.is_some() { Duration::ZERO } else { REGULAR };
        match receiver.receive(&mut batch, Some(timeout))? {
            Received::Datagrams => {
                let now = batch.arrival_us();
                reader.begin();
                service.batch(|collector| {
                    for datagram in &batch {
                        reader.receive(collector, service, datagram.source, datagram.payload, now);
                    }
                    collector.expire(now);
                });
                reader.count(service);
                drops.count(&receiver, reader, service, now);
                if deadline.is_some_and(|deadline| clock::monotonic() > deadline) {
                    return Ok(());
                }
            }
            Received::Woken => {
                if service.stop.is_requested() {
                    if let Err(error) = receiver.leave() {
                        warn!("cannot leave the port to the other daemons of the cluster: {error}");
                    }
                    let last = u64::try_from(LAST_DATAGRAMS.as_micros()).unwrap_or(u64::MAX);
                    deadline = Some(clock::monotonic().saturating_add(last));
                }
            }
            Received::Idle if deadline.is_some() => return Ok(()),
            Received::Idle => {
                let now = clock::now();
                reader.expire(now);
                reader.count(service);
                drops.count(&receiver, reader, service, now);
                service.idle();
            }
        }
    }
}

/// Datagrams that the kernel has dropped.
#[derive(Default)]
struct Drops {
    /// The kernel's counter, which wraps.
    seen: u32,
    asked_us: u64,
}

impl Drops {
    fn count(&mut self, receiver: &Receiver, reader: &Reader, service: &Service, now: u64) {
        if now.saturating_sub(self.asked_us) < DROPS_US {
            return;
        }
        self.asked_us = now;
        let Ok(drops) = receiver.drops() else { return };
        let more = drops.wrapping_sub(std::mem::replace(&mut self.seen, drops));
        let position = usize::from(reader.transport() == Transport::UdpNotif);
        if let Some(figure) = service.figures().socket_drops.get(position)
            && more > 0
        {
            figure.add(more.into());
            if let Some(pass) = reader.dropping.pass() {
                let what = "datagrams of telemetry were dropped by the kernel: set telemetry_daemon_pipe_size to a larger size, and net.core.rmem_max too";
                warn!(held_back = pass.held_back, "{more} {what}");
            }
        }
    }
}

/// How datagrams are read.
pub(super) enum Protocol {
    /// Each is a message.
    Plain(Stream),
    /// UDP-notif.
    Notif { variant: Variant, reassembler: Box<Reassembler> },
}

impl Protocol {
    /// UDP-notif, as configured.
    pub(super) fn notif(reading: &Reading<'_>) -> Self {
        let config = reading.config;
        let is_legacy = config.core(&telemetry::TMP_TELEMETRY_DAEMON_UDP_NOTIF_LEGACY);
        let timeout = config.core(&telemetry::TELEMETRY_DAEMON_UDP_NOTIF_TIMEOUT);
        let limits = Limits {
            messages: INCOMPLETE,
            bytes: size(config.core(&telemetry::TELEMETRY_DAEMON_UDP_NOTIF_MEMORY)),
            message_octets: size(config.core(&telemetry::TELEMETRY_DAEMON_MAX_MESSAGE)),
            timeout_us: u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX),
        };
        let variant = if is_legacy { Variant::Legacy } else { Variant::Current };
        Self::Notif { variant, reassembler: Box::new(Reassembler::new(limits)) }
    }
}

/// Reads datagrams, wherever they come from: a socket, or a capture file.
pub(super) struct Reader {
    protocol: Protocol,
    /// The sender of the last datagram of the batch, and whether it is admitted: datagrams often come in a row.
    last: Option<(IpAddr, Option<Arc<Node>>)>,
    invalid: Limited,
    dropping: Limited,
}

impl Reader {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, last: None, invalid: Limited::new(RATE), dropping: Limited::new(RATE) }
    }

    fn transport(&self) -> Transport {
        match self.protocol {
            Protocol::Plain(_) => Transport::Udp,
            Protocol::Notif { .. } => Transport::UdpNotif,
        }
    }

    /// A batch begins.
    pub(super) fn begin(&mut self) {
        self.last = None;
    }

    /// Handles a datagram.
    pub(super) fn receive(
        &mut self,
        collector: &mut Collector,
        service: &Service,
        source: SocketAddr,
        octets: &[u8],
        now: u64,
    ) {
        let transport = self.transport();
        let Self { protocol, last, invalid, .. } = self;
        match protocol {
            Protocol::Plain(stream) => match datagram(stream.framing, octets) {
                Ok(message) => {
                    let Some(node) = sender(last, collector, transport, source, now) else {
                        return service.figures().datagrams_refused.add(1);
                    };
                    collector.receive(node, &message, stream.form, now);
                }
                Err(error) => {
                    service.figures().drop_datagram(&error);
                    log_invalid(invalid, source, &error);
                }
            },
            Protocol::Notif { variant, reassembler } => match decode(*variant, octets) {
                Ok(datagram) => {
                    let Some(node) = sender(last, collector, transport, source, now) else {
                        return service.figures().datagrams_refused.add(1);
                    };
                    match reassembler.push(now, source, &datagram) {
                        Outcome::Message(message) => collector.receive(node, &message, Form::Value, now),
                        Outcome::Kept => {}
                        Outcome::Dropped(reason) => {
                            service.figures().drop_notification(&reason);
                            // Routers that repeat what has arrived do no harm.
                            if reason != Reason::Repeated {
                                log_invalid(invalid, source, &reason);
                            }
                        }
                    }
                }
                Err(reason) => {
                    service.figures().drop_notification(&reason);
                    log_invalid(invalid, source, &reason);
                }
            },
        }
    }

    /// Drops what has waited for too long.
    pub(super) fn expire(&mut self, now: u64) {
        if let Protocol::Notif { reassembler, .. } = &mut self.protocol {
            reassembler.expire(now);
        }
    }

    /// Counts what has become of incomplete messages.
    pub(super) fn count(&self, service: &Service) {
        if let Protocol::Notif { reassembler, .. } = &self.protocol {
            let figures = service.figures();
            figures.lose(reassembler.losses());
            let values = [reassembler.len() as u64, reassembler.memory() as u64];
            figures.incomplete.iter().zip(values).for_each(|(figure, value)| figure.set(value));
        }
    }

    /// Counts the rest.
    pub(super) fn end(&mut self, service: &Service) {
        self.expire(u64::MAX);
        self.count(service);
    }
}

/// The node that has sent a datagram.
fn sender<'a>(
    last: &'a mut Option<(IpAddr, Option<Arc<Node>>)>,
    collector: &mut Collector,
    transport: Transport,
    source: SocketAddr,
    now: u64,
) -> Option<&'a Arc<Node>> {
    if last.as_ref().is_none_or(|(ip, _)| *ip != source.ip()) {
        *last = Some((source.ip(), collector.node(transport, source, now)));
    }
    last.as_ref()?.1.as_ref()
}

fn log_invalid(limit: &Limited, source: SocketAddr, what: &dyn std::fmt::Display) {
    if let Some(pass) = limit.pass() {
        warn!(held_back = pass.held_back, "[{}] telemetry datagram dropped: {what}", source.ip());
    }
}
