//! Datagrams of a UDP port.

use super::workers;
use crate::flows::input::{Choice, Intake, Opened, Source};
use crate::flows::worker::{Datagrams, Worker};
use crate::host::blame;
use crate::host::part::Reading;
use capture::udp::{BindError, Part, Receiver, Settings};
use config::keys::{ha, input};
use config::{AnyKey, Names};
use enrich::Context;
use plugins::outlet::Wake;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use tracing::info;

struct Udp {
    settings: Settings,
    names: Names,
    /// Percentage of a worker's time that one exporter may use while others are waiting.
    share: u32,
    /// Port for templates that other collectors forward.
    templates_port: Option<u16>,
}

/// What a collector reads unless it reads a file.
pub(crate) fn choose<P: Datagrams>(reading: &mut Reading<'_>, _: &Context) -> Choice<P> {
    let groups = groups(reading);
    let config = reading.config;
    let receive_buffer = config.core(&input::NFACCTD_PIPE_SIZE);
    let settings = Settings {
        address: config.core(&input::NFACCTD_IP),
        port: config.core(&input::NFACCTD_PORT),
        receive_buffer: receive_buffer.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        interface: config.core(&input::NFACCTD_INTERFACE),
        ipv6_only: config.core(&input::NFACCTD_IPV6_ONLY),
        groups,
        workers: workers(config),
        shared: config.core(&ha::CLUSTER_NAME).is_some(),
    };
    let share = config.core(&input::NFACCTD_EXPORTER_SHARE);
    let templates_port = config.core(&input::NFACCTD_TEMPLATES_PORT);
    Choice::This(Box::new(Udp { settings, names: reading.names.clone(), share, templates_port }))
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
    /// Describes why a socket cannot be opened, with the key concerned.
    fn describe(&self, error: &BindError) -> String {
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
                let taken = match fault.kind() {
                    ErrorKind::AddrInUse => {
                        "; another process uses this port, which only daemons that all set cluster_name can share"
                    }
                    _ => "",
                };
                let (ip_key, port_key) = (names.of(&input::NFACCTD_IP), names.of(&input::NFACCTD_PORT));
                format!("{ip_key}, {port_key}: cannot listen on {address} port {port}: {fault}{taken}")
            }
        }
    }
}

impl<P: Datagrams> Intake<P> for Udp {
    fn open(&self) -> Result<Vec<Opened<P>>, String> {
        let receivers = capture::udp::open(&self.settings).map_err(|error| self.describe(&error))?;
        if let (Some(asked), Some(Ok(given))) =
            (self.settings.receive_buffer, receivers.first().map(Receiver::receive_buffer))
        {
            info!("{}: obtained={given} target={asked}.", self.names.of(&input::NFACCTD_PIPE_SIZE));
        }
        // The kernel spreads both ports by the same rule, so that an exporter's templates reach the worker that has its data.
        let templates = match self.templates_port {
            Some(port) => {
                let settings = Settings { port, groups: Vec::new(), ..self.settings.clone() };
                capture::udp::open(&settings).map_err(|BindError { error, .. }| {
                    format!("nfacctd_templates_port: cannot listen on port {port}: {error}")
                })?
            }
            None => Vec::new(),
        };
        let mut templates = templates.into_iter();
        let opened = |receiver: Receiver| {
            let waker = receiver.waker();
            let templates = templates.next();
            let source: Box<dyn Source<P>> = Box::new(Socket { receiver, share: self.share, templates });
            (source, Arc::new(move || waker.wake()) as Wake)
        };
        Ok(receivers.into_iter().map(opened).collect())
    }

    fn announce(&self, what: &str) {
        let interface = self.settings.interface.as_deref().unwrap_or("all");
        let address = self.settings.address.map_or("::".to_owned(), |address| address.to_string());
        let port = self.settings.port;
        info!("waiting for {what} on interface={interface} ip={address} port={port}/udp");
    }

    fn buffer(&self) -> Option<&'static dyn AnyKey> {
        Some(&input::NFACCTD_PIPE_SIZE)
    }
}

struct Socket {
    receiver: Receiver,
    share: u32,
    templates: Option<Receiver>,
}

impl<P: Datagrams> Source<P> for Socket {
    fn run(self: Box<Self>, worker: Worker<P>) {
        worker.run_udp(self.receiver, self.share, self.templates);
    }
}
