//! Where datagrams and packets come from: opened before anything else starts, so that what arrives meanwhile waits in the kernel.

use crate::worker::{Datagrams, Packets, Worker};
use plugins::outlet::Wake;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where datagrams come from.
#[derive(Clone, Debug)]
pub(crate) enum Intake {
    /// A UDP port.
    Udp(capture::udp::Settings),
    /// Datagrams of a capture file.
    #[cfg(feature = "pcap")]
    File(capture::pcap_file::Settings),
    /// Packets of a capture file, those that the filter lets through.
    #[cfg(feature = "pcap")]
    Packets(capture::pcap_file::Settings, Option<String>),
    /// Packets of interfaces.
    #[cfg(feature = "pcap")]
    Live(capture::live::Settings),
    /// Packets that netfilter logs.
    Nflog(capture::nflog::Settings),
}

/// What each worker reads.
pub(crate) enum Source {
    Udp(capture::udp::Receiver),
    #[cfg(feature = "pcap")]
    File(Box<FileSource>),
    #[cfg(feature = "pcap")]
    Packets(Box<PacketSource>),
    #[cfg(feature = "pcap")]
    Live(Box<capture::live::Live>),
    Nflog(Box<capture::nflog::Nflog>, u16),
}

/// A capture file of packets, and the bell that wakes its reader.
#[cfg(feature = "pcap")]
pub(crate) struct PacketSource {
    pub(crate) file: capture::pcap_file::Source,
    pub(crate) settings: capture::pcap_file::Settings,
    pub(crate) filter: Option<filter::Filter>,
    pub(crate) bell: crossbeam_channel::Receiver<()>,
}

/// A capture file, and the bell that wakes its reader.
#[cfg(feature = "pcap")]
pub(crate) struct FileSource {
    payloads: capture::pcap_file::Payloads,
    settings: capture::pcap_file::Settings,
    bell: crossbeam_channel::Receiver<()>,
}

/// A source that cannot be opened.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a socket cannot be had, with the key that it is about.
fn no_socket(settings: &capture::udp::Settings, collector: &str, refused: &capture::udp::Refused) -> Refused {
    let capture::udp::Refused { part, fault } = refused;
    Refused(match part {
        capture::udp::Part::Interface => {
            let interface = settings.interface.as_deref().unwrap_or_default();
            format!("{collector}_interface: cannot listen on '{interface}': {fault}")
        }
        capture::udp::Part::Group(group) => format!("{collector}_mcast_groups: cannot join {group}: {fault}"),
        capture::udp::Part::Address => {
            let address = settings.address.map_or("*".to_owned(), |address| address.to_string());
            let port = settings.port;
            let taken = match fault.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "; another process has this port, and only daemons that all set cluster_name share one"
                }
                _ => "",
            };
            format!("{collector}_ip, {collector}_port: cannot listen on {address} port {port}: {fault}{taken}")
        }
    })
}

impl Intake {
    /// Whether it is read to its end.
    pub(crate) fn is_file(&self) -> bool {
        match self {
            #[cfg(feature = "pcap")]
            Self::File(_) | Self::Packets(..) => true,
            _ => false,
        }
    }

    /// Opens a source for each worker, and what wakes it. `collector`: what keys of collectors begin with.
    pub(crate) fn open(&self, collector: &str) -> Result<Vec<(Source, Wake)>, Refused> {
        match self {
            Self::Udp(settings) => {
                let receivers =
                    capture::udp::open(settings).map_err(|refused| no_socket(settings, collector, &refused))?;
                if let (Some(asked), Some(Ok(given))) =
                    (settings.receive_buffer, receivers.first().map(capture::udp::Receiver::receive_buffer))
                {
                    tracing::info!("{collector}_pipe_size: obtained={given} target={asked}.");
                }
                let with_wake = |receiver: capture::udp::Receiver| {
                    let waker = receiver.waker();
                    (Source::Udp(receiver), Arc::new(move || waker.wake()) as Wake)
                };
                Ok(receivers.into_iter().map(with_wake).collect())
            }
            #[cfg(feature = "pcap")]
            Self::File(settings) => {
                let payloads = capture::pcap_file::Payloads::open(settings)
                    .map_err(|error| Refused(format!("pcap_savefile: {error}")))?;
                let (ring, bell) = crossbeam_channel::bounded(1);
                let source = FileSource { payloads, settings: settings.clone(), bell };
                Ok(vec![(Source::File(Box::new(source)), bell_of(ring))])
            }
            #[cfg(feature = "pcap")]
            Self::Packets(settings, filter) => packets_of(settings, filter.as_deref()),
            #[cfg(feature = "pcap")]
            Self::Live(settings) => live_of(settings),
            Self::Nflog(settings) => {
                let log = capture::nflog::Nflog::open(settings)
                    .map_err(|error| Refused(format!("uacctd_group: {}: {error}", settings.group)))?;
                let waker = log.waker();
                let wake: Wake = Arc::new(move || waker.wake());
                Ok(vec![(Source::Nflog(Box::new(log), settings.group), wake)])
            }
        }
    }

    /// The line that says that the daemon is ready.
    pub(crate) fn announce(&self, what: &str) {
        match self {
            Self::Udp(settings) => {
                let interface = settings.interface.as_deref().unwrap_or("all");
                let address = settings.address.map_or("::".to_owned(), |address| address.to_string());
                let port = settings.port;
                tracing::info!("waiting for {what} on interface={interface} ip={address} port={port}/udp");
            }
            #[cfg(feature = "pcap")]
            Self::Live(settings) => {
                for interface in &settings.interfaces {
                    let direction =
                        interface.direction.map(|direction| format!(" direction={}", direction.name()));
                    tracing::info!(
                        "capturing on interface={} index={}{}",
                        interface.name,
                        interface.index,
                        direction.unwrap_or_default()
                    );
                }
            }
            Self::Nflog(settings) => {
                tracing::info!("waiting for packets of netfilter's log, group {}", settings.group)
            }
            #[cfg(feature = "pcap")]
            Self::File(_) | Self::Packets(..) => {}
        }
    }
}

/// A bell that rings already need not be rung again.
#[cfg(feature = "pcap")]
fn bell_of(ring: crossbeam_channel::Sender<()>) -> Wake {
    Arc::new(move || _ = ring.try_send(()))
}

#[cfg(feature = "pcap")]
fn packets_of(
    settings: &capture::pcap_file::Settings,
    expression: Option<&str>,
) -> Result<Vec<(Source, Wake)>, Refused> {
    let file =
        capture::pcap_file::Source::open(settings).map_err(|error| Refused(format!("pcap_savefile: {error}")))?;
    let links = file.links();
    for link in &links {
        known("pcap_savefile", &settings.path.display().to_string(), *link)?;
    }
    let links: Vec<i32> = links.iter().map(|link| link.0 as i32).collect();
    let filter = match expression {
        Some(text) => Some(
            filter::Filter::compile_for_all(&links, text)
                .map_err(|error| Refused(format!("pcap_filter: '{text}': {error}")))?,
        ),
        None => None,
    };
    let (ring, bell) = crossbeam_channel::bounded(1);
    let source = PacketSource { file, settings: settings.clone(), filter, bell };
    Ok(vec![(Source::Packets(Box::new(source)), bell_of(ring))])
}

#[cfg(feature = "pcap")]
fn live_of(settings: &capture::live::Settings) -> Result<Vec<(Source, Wake)>, Refused> {
    let live = capture::live::Live::open(settings.clone()).map_err(|error| Refused(error.to_string()))?;
    for (interface, link) in live.opened() {
        known("pcap_interface", &format!("{},{}", interface.name, interface.index), link)?;
    }
    for name in live.missing() {
        tracing::warn!("{name}: it cannot be captured on yet, and is tried again");
    }
    let waker = live.waker();
    let wake: Wake = Arc::new(move || waker.wake());
    Ok(vec![(Source::Live(Box::new(live)), wake)])
}

/// Frames of an unknown link type cannot be read.
#[cfg(feature = "pcap")]
fn known(key: &str, what: &str, link: packet::LinkType) -> Result<(), Refused> {
    match link.name() {
        Some(name) => {
            tracing::info!("[{what}] link type is: {} ({name})", link.0);
            Ok(())
        }
        None => Err(Refused(format!("{key}: {what}: frames of link type {} cannot be read", link.0))),
    }
}

impl Source {
    /// What its frames start with, by libpcap's numbers.
    pub(crate) fn links(&self) -> Vec<i32> {
        let mut links: Vec<packet::LinkType> = match self {
            Self::Udp(_) => Vec::new(),
            #[cfg(feature = "pcap")]
            Self::File(_) => Vec::new(),
            #[cfg(feature = "pcap")]
            Self::Packets(source) => source.file.links(),
            #[cfg(feature = "pcap")]
            Self::Live(live) => live.links(),
            Self::Nflog(..) => vec![packet::LinkType::RAW_BSD],
        };
        links.sort_unstable();
        links.dedup();
        links.into_iter().map(|link| link.0 as i32).collect()
    }

    /// What keeps packets of a file out, and whether packets come as they happen.
    pub(crate) fn take_filter(&mut self) -> (Option<filter::Filter>, bool) {
        match self {
            #[cfg(feature = "pcap")]
            Self::Packets(source) => (source.filter.take(), false),
            _ => (None, true),
        }
    }

    /// Works on packets until the end.
    pub(crate) fn run_packets(self, worker: Worker<Packets>) {
        match self {
            #[cfg(feature = "pcap")]
            Self::Packets(source) => {
                let PacketSource { file, settings, bell, .. } = *source;
                worker.run_savefile(file, &settings, &bell);
            }
            #[cfg(feature = "pcap")]
            Self::Live(live) => worker.run_live(*live),
            Self::Nflog(log, group) => worker.run_nflog(*log, group),
            // Sources of datagrams belong to collectors.
            Self::Udp(_) => {}
            #[cfg(feature = "pcap")]
            Self::File(_) => {}
        }
    }

    /// Works on datagrams until the end. `share`: percent of its time that one exporter may take while others wait.
    pub(crate) fn run<P: Datagrams>(self, worker: Worker<P>, share: u32) {
        match self {
            Self::Udp(receiver) => worker.run_udp(receiver, share),
            #[cfg(feature = "pcap")]
            Self::File(file) => {
                let FileSource { payloads, settings, bell } = *file;
                worker.run_file(payloads, &settings, &bell);
            }
            // Sources of packets belong to other daemons.
            #[cfg(feature = "pcap")]
            Self::Packets(_) | Self::Live(_) => {}
            Self::Nflog(..) => {}
        }
    }
}

/// How many workers help on this machine: one for each core but at most this many, as the kernel spreads exporters, not
/// datagrams, and each worker has its tables.
const MAX_DEFAULT_WORKERS: usize = 8;

/// Workers when the configuration leaves the choice.
pub(crate) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_DEFAULT_WORKERS)
}

/// How long threads may take to end: workers hand out their tables, plugins write them.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
