//! Captures packets on interfaces, by libpcap.
//!
//! Several interfaces are one source. libpcap shares a ring of packets with the kernel (`TPACKET_V3`), so a batch costs one
//! wait and no system call per packet.
//!
//! An interface that is missing at startup is an error, or is retried if the settings say so. One that disappears later is retried as
//! long as the source is read; [`Live::is_alive`] returns whether any can return. One that goes down stays open, and delivers again
//! when it is up. This module never sleeps.

use crate::waker::wait;
use crate::{Frames, Meta, Waker};
use packet::LinkType;
use pcap::{Active, Capture};
use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long libpcap collects packets before it returns them, in milliseconds.
const COLLECT_MS: i32 = 50;
/// Time between two attempts to open an interface.
const RETRY: Duration = Duration::from_secs(2);

/// Which packets of an interface are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Incoming packets.
    In,
    /// Outgoing packets.
    Out,
}

impl Direction {
    /// The word for it in configurations and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// An interface, or one direction of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number in flows; 0: none.
    pub index: u32,
    /// The captured direction, or both; packets get the number as their interface in this direction.
    pub direction: Option<Direction>,
}

/// Settings of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The interfaces.
    pub interfaces: Vec<Interface>,
    /// Packets for other stations, too.
    pub promiscuous: bool,
    /// Bytes captured of each packet.
    pub snaplen: u32,
    /// libpcap's buffer, in bytes; its default if not set.
    pub buffer: Option<u32>,
    /// The filter, in tcpdump's language.
    pub filter: Option<String>,
    /// Interfaces that cannot be opened are retried.
    pub wait: bool,
}

/// The error when an interface cannot be captured on.
#[derive(Debug)]
pub struct Error {
    /// Its name.
    pub interface: String,
    /// The message of libpcap, and what may help.
    pub reason: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.interface, self.reason)
    }
}

impl std::error::Error for Error {}

/// Counters of an interface, over all times that it was open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The interface.
    pub interface: Interface,
    /// Packets that passed the filter, including those dropped and those of the direction that is not captured.
    pub received: u64,
    /// Packets that the kernel dropped because the buffer was full.
    pub dropped: u64,
    /// Packets that the interface or its driver dropped.
    pub interface_dropped: u64,
}

/// The result of [`Live::fill`].
#[derive(Debug)]
pub enum Filled {
    /// The batch has frames.
    Frames,
    /// No packet before the timeout, or [`Waker::wake`] was called.
    Nothing,
    /// An interface is lost.
    Lost(Error),
}

/// An interface that is open or retried.
struct Port {
    interface: Interface,
    capture: Option<Opened>,
    /// When it was found closed.
    closed: Option<Instant>,
    /// Counters from before it was last opened.
    before: Statistics,
}

struct Opened {
    capture: Capture<Active>,
    link: LinkType,
    /// The last values of libpcap's counters, which wrap at 2 to the 32nd.
    counted: Statistics,
    last: [u32; 3],
}

/// The packets of interfaces.
pub struct Live {
    settings: Settings,
    ports: Vec<Port>,
    /// Counters of interfaces that were removed.
    removed: Vec<Statistics>,
    waker: Waker,
    /// The interface that is read first next time.
    turn: usize,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Live {
    /// Opens all interfaces.
    ///
    /// # Errors
    /// If one cannot be opened, unless the settings say that it is retried.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let internal = |error: io::Error| Error { interface: "eventfd".to_owned(), reason: error.to_string() };
        let waker = Waker::new().map_err(internal)?;
        let mut live = Self { ports: Vec::new(), removed: Vec::new(), waker, turn: 0, settings };
        for interface in live.settings.interfaces.clone() {
            live.add(interface)?;
        }
        Ok(live)
    }

    fn add(&mut self, interface: Interface) -> Result<(), Error> {
        let (capture, closed) = match open(&interface, &self.settings) {
            Ok(opened) => (Some(opened), None),
            Err(_) if self.settings.wait => (None, Some(Instant::now())),
            Err(error) => return Err(error),
        };
        let before = match self.removed.iter().position(|removed| removed.interface == interface) {
            Some(index) => self.removed.swap_remove(index),
            None => Statistics { interface: interface.clone(), ..Statistics::default() },
        };
        self.ports.push(Port { interface, capture, closed, before });
        Ok(())
    }

    /// The link types of the open interfaces.
    pub fn links(&self) -> Vec<LinkType> {
        self.ports.iter().filter_map(|port| port.capture.as_ref()).map(|opened| opened.link).collect()
    }

    /// The open interfaces, each with its link type.
    pub fn opened(&self) -> impl Iterator<Item = (&Interface, LinkType)> {
        self.ports.iter().filter_map(|port| Some((&port.interface, port.capture.as_ref()?.link)))
    }

    /// Interfaces that are retried.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.ports.iter().filter(|port| port.capture.is_none()).map(|port| port.interface.name.as_str())
    }

    /// A handle that ends the wait of [`Live::fill`].
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Changes the list of interfaces: closes those that are no longer in it, and opens new ones. Returns those that cannot be opened.
    pub fn change(&mut self, interfaces: Vec<Interface>) -> Vec<Error> {
        let leaving = self.ports.extract_if(.., |port| !interfaces.contains(&port.interface));
        self.removed.extend(leaving.map(|mut port| port.statistics()));
        let mut errors = Vec::new();
        for interface in &interfaces {
            if !self.ports.iter().any(|port| port.interface == *interface)
                && let Err(error) = self.add(interface.clone())
            {
                errors.push(error);
            }
        }
        self.settings.interfaces = interfaces;
        self.turn = 0;
        errors
    }

    /// Fills a batch with packets, after waiting for them up to `timeout`.
    ///
    /// # Errors
    /// The errors of `poll`.
    pub fn fill(&mut self, frames: &mut Frames, timeout: Duration) -> io::Result<Filled> {
        frames.clear();
        if self.waker.is_pending() {
            self.waker.reset();
            return Ok(Filled::Nothing);
        }
        self.reopen();
        if let Some(lost) = self.read(frames) {
            return Ok(Filled::Lost(lost));
        }
        if frames.is_empty()
            && self.wait(timeout)?
            && let Some(lost) = self.read(frames)
        {
            return Ok(Filled::Lost(lost));
        }
        Ok(if frames.is_empty() { Filled::Nothing } else { Filled::Frames })
    }

    fn reopen(&mut self) {
        for port in &mut self.ports {
            let due = port.closed.is_some_and(|since| since.elapsed() >= RETRY);
            if due {
                port.closed = Some(Instant::now());
                if let Ok(opened) = open(&port.interface, &self.settings) {
                    (port.capture, port.closed) = (Some(opened), None);
                }
            }
        }
    }

    /// Waits until an interface has packets, or the waker is called.
    fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        let mut watched = vec![PollFd::from_borrowed_fd(self.waker.event(), PollFlags::IN)];
        let captures = self.ports.iter().filter_map(|port| port.capture.as_ref());
        watched.extend(captures.map(|opened| PollFd::from_borrowed_fd(opened.capture.as_fd(), PollFlags::IN)));
        let ready = wait(&mut watched, Some(timeout))?;
        let woken = watched.first().is_some_and(|event| event.revents().contains(PollFlags::IN));
        if woken {
            self.waker.reset();
        }
        Ok(ready)
    }

    /// Reads the queued packets, interface by interface, starting with each once.
    fn read(&mut self, frames: &mut Frames) -> Option<Error> {
        let count = self.ports.len();
        for step in 0..count {
            let Some(port) = self.ports.get_mut((self.turn + step) % count.max(1)) else { continue };
            let (ingress, egress) = match port.interface.direction {
                Some(Direction::In) => (port.interface.index, 0),
                Some(Direction::Out) => (0, port.interface.index),
                None => (0, 0),
            };
            let Some(opened) = &mut port.capture else { continue };
            let link = opened.link;
            let error = loop {
                if !frames.has_room() {
                    break None;
                }
                match opened.capture.next_packet() {
                    Ok(packet) => {
                        let time_us = time_us(&packet.header.ts);
                        let length = packet.header.len;
                        frames
                            .push(packet.data, Meta { link, time_us, length, ingress, egress, ..Meta::default() });
                    }
                    Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => break None,
                    Err(error) => break Some(error),
                }
            };
            if let Some(error) = error {
                let error = Error { interface: port.interface.name.clone(), reason: message(&error) };
                port.close();
                self.turn = (self.turn + step + 1) % count.max(1);
                return Some(error);
            }
        }
        self.turn = (self.turn + 1) % count.max(1);
        None
    }

    /// True while an interface is open or retried.
    pub fn is_alive(&self) -> bool {
        self.settings.wait || self.ports.iter().any(|port| port.capture.is_some())
    }

    /// The counters of each interface, including those that [`Live::change`] has closed: the sums only grow. This takes a system call
    /// per interface: call it rarely.
    pub fn statistics(&mut self) -> Vec<Statistics> {
        self.ports.iter_mut().map(Port::statistics).chain(self.removed.iter().cloned()).collect()
    }
}

impl Port {
    fn statistics(&mut self) -> Statistics {
        let mut sum = self.before.clone();
        if let Some(opened) = &mut self.capture {
            opened.count();
            sum.received += opened.counted.received;
            sum.dropped += opened.counted.dropped;
            sum.interface_dropped += opened.counted.interface_dropped;
        }
        sum
    }

    fn close(&mut self) {
        self.before = self.statistics();
        (self.capture, self.closed) = (None, Some(Instant::now()));
    }
}

impl Opened {
    fn count(&mut self) {
        let Ok(stat) = self.capture.stats() else { return };
        let now = [stat.received, stat.dropped, stat.if_dropped];
        let grown = |index: usize| {
            let (now, last) = (now.get(index), self.last.get(index));
            growth(last.copied().unwrap_or(0), now.copied().unwrap_or(0))
        };
        self.counted.received += grown(0);
        self.counted.dropped += grown(1);
        self.counted.interface_dropped += grown(2);
        self.last = now;
    }
}

/// The growth of a 32-bit counter. An interface's own counter may restart, which is not growth.
fn growth(last: u32, now: u32) -> u64 {
    let grown = now.wrapping_sub(last);
    if grown > u32::MAX / 2 { 0 } else { grown.into() }
}

fn open(interface: &Interface, settings: &Settings) -> Result<Opened, Error> {
    let name = interface.name.as_str();
    let failed = |reason: String| Error { interface: name.to_owned(), reason };
    let error = |error: pcap::Error| failed(advice(name, &message(&error)));
    let number = |bytes: u32| i32::try_from(bytes).unwrap_or(i32::MAX);
    let mut inactive = Capture::from_device(name)
        .map_err(error)?
        .promisc(settings.promiscuous)
        .snaplen(number(settings.snaplen))
        .timeout(COLLECT_MS);
    if let Some(bytes) = settings.buffer {
        inactive = inactive.buffer_size(number(bytes));
    }
    let mut capture = inactive.open().and_then(Capture::setnonblock).map_err(error)?;
    if let Some(direction) = interface.direction {
        let direction = match direction {
            Direction::In => pcap::Direction::In,
            Direction::Out => pcap::Direction::Out,
        };
        capture.direction(direction).map_err(error)?;
    }
    let link = choose_link(&mut capture);
    if let Some(filter) = &settings.filter {
        let error = |error| failed(format!("pcap_filter: '{filter}': {}", message(&error)));
        capture.filter(filter, true).map_err(error)?;
    }
    Ok(Opened { capture, link, counted: Statistics::default(), last: [0; 3] })
}

/// The link type to use: the interface's default, or another if only that can be decoded.
fn choose_link(capture: &mut Capture<Active>) -> LinkType {
    let number = |link: pcap::Linktype| LinkType(u32::try_from(link.0).unwrap_or(u32::MAX));
    let proposed = number(capture.get_datalink());
    if proposed.name().is_none() {
        let offered = capture.list_datalinks().unwrap_or_default();
        for link in offered.into_iter().filter(|link| number(*link).name().is_some()) {
            if capture.set_datalink(link).is_ok() {
                return number(link);
            }
        }
    }
    proposed
}

fn message(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The message of libpcap about an interface, with advice.
fn advice(name: &str, text: &str) -> String {
    let lower = text.to_lowercase();
    if lower.contains("permission") || lower.contains("permitted") {
        return format!("{text}; capturing requires CAP_NET_RAW or root");
    }
    if lower.contains("no such device") {
        let devices = pcap::Device::list().unwrap_or_default();
        // libpcap lists other devices as well.
        let names: Vec<String> =
            devices.into_iter().map(|device| device.name).filter(|name| system_index(name).is_some()).collect();
        return match names.is_empty() {
            true => format!("{text}; no interfaces exist"),
            false => format!("{text}; available interfaces: {}", names.join(", ")),
        };
    }
    if lower.contains("not up") {
        return format!("{text}; use 'ip link set {name} up', or set pcap_interface_wait to wait for it");
    }
    text.to_owned()
}

/// The interface that libpcap would choose.
///
/// # Errors
/// If there is none, or interfaces cannot be listed.
pub fn default_interface() -> Result<String, Error> {
    let none = |reason: String| Error { interface: "pcap_interface".to_owned(), reason };
    match pcap::Device::lookup() {
        Ok(Some(device)) => Ok(device.name),
        Ok(None) => Err(none("there is no interface to capture on".to_owned())),
        Err(error) => Err(none(message(&error))),
    }
}

/// The system's index of an interface of this network namespace, which `/sys` need not show.
pub fn system_index(name: &str) -> Option<u32> {
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    rustix::net::netdevice::name_to_index(&socket, name).ok()
}

fn time_us(time: &libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(time.tv_usec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_a_number() {
        assert_eq!(system_index("lo"), Some(1));
        assert_eq!(system_index("none-such"), None);
        assert_eq!(system_index("a name longer than any interface's"), None);
    }

    #[test]
    fn counters_only_grow() {
        assert_eq!(growth(5, 9), 4);
        assert_eq!(growth(u32::MAX, 1), 2);
        assert_eq!(growth(9, 5), 0);
    }

    #[test]
    fn errors_come_with_advice() {
        assert!(
            advice("eth7", "socket: Operation not permitted")
                .ends_with("; capturing requires CAP_NET_RAW or root")
        );
        assert!(advice("eth7", "That device is not up").contains("'ip link set eth7 up'"));
        assert!(advice("eth7", "No such device exists").contains("interfaces"));
        assert_eq!(advice("eth7", "something else"), "something else");
    }

    #[test]
    fn a_missing_interface_is_an_error_or_is_retried() {
        let interface = Interface { name: "none-such".to_owned(), index: 1, direction: None };
        let settings = Settings {
            interfaces: vec![interface.clone()],
            promiscuous: false,
            snaplen: 128,
            buffer: None,
            filter: None,
            wait: false,
        };
        assert_eq!(Live::open(settings.clone()).unwrap_err().interface, "none-such");
        let mut live = Live::open(Settings { wait: true, ..settings }).unwrap();
        assert_eq!(live.missing().collect::<Vec<_>>(), ["none-such"]);
        assert!(live.is_alive() && live.links().is_empty());
        live.waker().wake();
        let mut frames = Frames::new();
        assert!(matches!(live.fill(&mut frames, Duration::from_secs(60)), Ok(Filled::Nothing)));
        let nothing = [Statistics { interface: interface.clone(), ..Statistics::default() }];
        assert_eq!(live.statistics(), nothing);
        assert!(live.change(Vec::new()).is_empty() && live.missing().next().is_none());
        assert_eq!(live.statistics(), nothing);
        assert!(live.change(vec![interface]).is_empty());
        assert_eq!(live.statistics(), nothing);
    }
}
