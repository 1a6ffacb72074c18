//! Datagrams of a UDP port.

use super::delivery::Feed;
use super::workers;
use crate::cluster::{self, Sharing};
use crate::flows::input::{Choice, Intake, Opened, Source};
use crate::flows::worker::{Datagrams, Worker};
use crate::host::blame;
use crate::host::part::Reading;
use capture::udp::{BindError, Part, Receiver, Settings};
use config::keys::input;
use config::{AnyKey, Daemon, Names};
use enrich::Context;
use plugins::outlet::Wake;
use reuseport::Transport;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd;
use std::sync::Arc;
use tracing::info;

/// The key of the kernel's buffer.
pub(super) const BUFFER: &dyn AnyKey = &input::NFACCTD_PIPE_SIZE;

/// The UDP port.
pub(super) struct Udp {
    settings: Settings,
    sharing: Sharing,
    names: Names,
    /// Percentage of a worker's time that one exporter may use while others are waiting.
    share: u32,
    /// Port for templates that other collectors forward.
    templates_port: Option<u16>,
}

/// What a collector reads unless it reads a file.
pub(crate) fn choose<P: Datagrams>(reading: &mut Reading<'_>, _: &Context) -> Choice<P> {
    Choice::This(Box::new(read(reading)))
}

/// Reads the settings.
pub(super) fn read(reading: &mut Reading<'_>) -> Udp {
    let groups = groups(reading);
    let config = reading.config;
    let kind = if config.daemon() == Daemon::Sfacctd { "sfacctd" } else { "nfacctd" };
    let sharing = Sharing::read(config, &[&input::NFACCTD_RP_EBPF_PROG], kind, Transport::Udp, reading.problems);
    // A program for daemons with one socket each must not have to know how many cores this machine has.
    let is_automatic = config.core(&input::NFACCTD_WORKERS) == 0;
    let workers = if sharing.has_selector() && is_automatic { 1 } else { workers(config) };
    let receive_buffer = config.core(&input::NFACCTD_PIPE_SIZE);
    let settings = Settings {
        address: config.core(&input::NFACCTD_IP),
        port: config.core(&input::NFACCTD_PORT),
        receive_buffer: receive_buffer.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        interface: config.core(&input::NFACCTD_INTERFACE),
        ipv6_only: config.core(&input::NFACCTD_IPV6_ONLY),
        groups,
        workers,
        shared: sharing.is_shared,
    };
    let share = config.core(&input::NFACCTD_EXPORTER_SHARE);
    let templates_port = config.core(&input::NFACCTD_TEMPLATES_PORT);
    Udp { settings, sharing, names: reading.names.clone(), share, templates_port }
}

/// Multicast groups to join.
fn groups(reading: &mut Reading<'_>) -> Vec<IpAddr> {
    let key = &input::NFACCTD_MCAST_GROUPS;
    let mut groups = Vec::new();
    for word in reading.config.core(key).unwrap_or_default() {
        match word.parse::<IpAddr>() {
            Ok(group) if group.is_multicast() => groups.push(group),
            _ => reading.problems.warn(
                blame(reading.config, key),
                format!("{}: '{word}' is not a multicast group. Ignored.", reading.names.of(key)),
                Some("For example 239.1.1.1 or ff02::1234.".to_owned()),
            ),
        }
    }
    groups
}

impl Udp {
    /// Opens the sockets of each worker.
    pub(super) fn open(&self) -> Result<Vec<Sockets>, String> {
        let port_key = self.names.of(&input::NFACCTD_PORT);
        let receivers = capture::udp::open(&self.settings).map_err(|error| self.describe(&error, port_key))?;
        let sockets: Vec<_> = receivers.iter().map(AsFd::as_fd).collect();
        self.sharing.join(&sockets)?;
        if let (Some(asked), Some(Ok(given))) =
            (self.settings.receive_buffer, receivers.first().map(Receiver::receive_buffer))
        {
            info!("{}: obtained={given} target={asked}.", self.names.of(&input::NFACCTD_PIPE_SIZE));
        }
        // The kernel spreads both ports by the same rule, so that an exporter's templates reach the worker that has its data.
        let templates = match self.templates_port {
            Some(port) => self.open_other(port, "nfacctd_templates_port")?,
            None => Vec::new(),
        };
        let templates = templates.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        let of_worker = |(receiver, templates)| Sockets { receiver, templates, share: self.share, feed: None };
        Ok(receivers.into_iter().zip(templates).map(of_worker).collect())
    }

    /// Opens the same sockets on another port, which `key` states.
    pub(super) fn open_other(&self, port: u16, key: &str) -> Result<Vec<Receiver>, String> {
        let settings = Settings { port, groups: Vec::new(), ..self.settings.clone() };
        let other = Self {
            settings,
            sharing: Sharing::default(),
            names: self.names.clone(),
            share: self.share,
            templates_port: None,
        };
        capture::udp::open(&other.settings).map_err(|error| other.describe(&error, key))
    }

    /// The address on which it listens.
    pub(super) fn address(&self) -> IpAddr {
        self.settings.address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }

    /// Logs that the daemon is ready.
    pub(super) fn announce(&self, what: &str) {
        let interface = self.settings.interface.as_deref().unwrap_or("all");
        let (address, port) = (self.address(), self.settings.port);
        info!("waiting for {what} on interface={interface} ip={address} port={port}/udp");
    }

    /// Describes why a socket cannot be opened, with the key concerned.
    fn describe(&self, error: &BindError, port_key: &str) -> String {
        let (settings, names) = (&self.settings, &self.names);
        let BindError { part, error: fault } = error;
        match part {
            Part::Interface => {
                let interface = settings.interface.as_deref().unwrap_or_default();
                let key = names.of(&input::NFACCTD_INTERFACE);
                format!("{key}: cannot listen on '{interface}': {fault}")
            }
            Part::Group(group) => {
                format!("{}: cannot join {group}: {fault}", names.of(&input::NFACCTD_MCAST_GROUPS))
            }
            Part::Address => {
                let address = settings.address.map_or("*".to_owned(), |address| address.to_string());
                let port = settings.port;
                let taken = cluster::taken(fault);
                let ip_key = names.of(&input::NFACCTD_IP);
                format!("{ip_key}, {port_key}: cannot listen on {address} port {port}: {fault}{taken}")
            }
        }
    }
}

impl<P: Datagrams> Intake<P> for Udp {
    fn open(&mut self) -> Result<Vec<Opened<P>>, String> {
        let opened = |sockets: Sockets| {
            let wake = sockets.wake();
            (Box::new(sockets) as Box<dyn Source<P>>, wake)
        };
        Ok(Udp::open(self)?.into_iter().map(opened).collect())
    }

    fn announce(&self, what: &str) {
        Udp::announce(self, what);
    }

    fn buffer(&self) -> Option<&'static dyn AnyKey> {
        Some(BUFFER)
    }
}

/// What a worker receives from.
pub(crate) struct Sockets {
    pub(crate) receiver: Receiver,
    /// The socket for templates that other collectors forward.
    pub(crate) templates: Option<Receiver>,
    /// Percentage of the worker's time that one exporter may use while others are waiting.
    pub(crate) share: u32,
    /// What other threads have received.
    pub(crate) feed: Option<Feed>,
}

impl Sockets {
    /// Wakes the worker.
    pub(super) fn wake(&self) -> Wake {
        wake_of(&self.receiver)
    }
}

/// Wakes the reader of a socket.
pub(super) fn wake_of(receiver: &Receiver) -> Wake {
    let waker = receiver.waker();
    Arc::new(move || waker.wake())
}

impl<P: Datagrams> Source<P> for Sockets {
    fn run(self: Box<Self>, worker: Worker<P>) {
        worker.run_udp(*self);
    }
}
