//! Packets of interfaces, by libpcap.
//!
//! Several interfaces are one source. libpcap keeps a ring of packets that kernel and program share (`TPACKET_V3`), so a batch costs one
//! wait and no system call for each packet. Interfaces that are not there, or go away, are tried again where the settings say so; nothing
//! here sleeps.

use crate::waker::wait;
use crate::{Frames, Meta, Waker};
use packet::LinkType;
use pcap::{Active, Capture};
use rustix::event::{PollFd, PollFlags};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long libpcap gathers packets before it hands them out, in milliseconds.
const GATHER_MS: i32 = 50;
/// How long an interface that cannot be captured on is left alone.
const RETRY: Duration = Duration::from_secs(2);

/// Which packets of an interface are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those that come in.
    In,
    /// Those that go out.
    Out,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number in flows; 0: none.
    pub index: u32,
    /// Which of its packets are captured, all without it; also which way a packet went that has the number.
    pub direction: Option<Direction>,
}

/// How packets are captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where.
    pub interfaces: Vec<Interface>,
    /// Packets for other stations, too.
    pub promiscuous: bool,
    /// Octets captured of each packet.
    pub snaplen: u32,
    /// libpcap's buffer, in octets; its own choice if not set.
    pub buffer: Option<u32>,
    /// What the kernel lets through, in tcpdump's language.
    pub filter: Option<String>,
    /// Interfaces that cannot be captured on are tried again.
    pub wait: bool,
}

/// An interface that cannot be captured on.
#[derive(Debug)]
pub struct Error {
    /// Its name.
    pub interface: String,
    /// What libpcap says, and what may help.
    pub reason: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.interface, self.reason)
    }
}

impl std::error::Error for Error {}

/// What an interface has delivered, over all times that it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Its name.
    pub name: String,
    /// Its number in flows.
    pub index: u32,
    /// Packets that reached the capture.
    pub received: u64,
    /// Packets that the kernel dropped as the buffer was full.
    pub dropped: u64,
    /// Packets that the interface or its driver dropped.
    pub interface_dropped: u64,
}

/// What [`Live::fill`] came back with.
#[derive(Debug)]
pub enum Filled {
    /// The batch has frames.
    Frames,
    /// Nothing came in time, or somebody called [`Waker::wake`].
    Nothing,
    /// An interface is lost.
    Lost(Error),
}

/// An interface that is captured on, or waits until it can be.
struct Port {
    interface: Interface,
    capture: Option<Opened>,
    /// When it was found closed.
    closed: Option<Instant>,
    /// What was counted before it was opened the last time.
    before: Statistics,
}

struct Opened {
    capture: Capture<Active>,
    link: LinkType,
    /// The counters of libpcap, which wrap at 2 to the 32nd, and what they stood at last.
    counted: Statistics,
    last: [u32; 3],
}

/// The packets of interfaces.
pub struct Live {
    settings: Settings,
    ports: Vec<Port>,
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
    /// One cannot be opened, and the settings do not say that it is waited for.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let internal = |fault: io::Error| Error { interface: "eventfd".to_owned(), reason: fault.to_string() };
        let waker = Waker::new().map_err(internal)?;
        let mut live = Self { ports: Vec::new(), waker, turn: 0, settings };
        for interface in live.settings.interfaces.clone() {
            live.add(interface)?;
        }
        Ok(live)
    }

    fn add(&mut self, interface: Interface) -> Result<(), Error> {
        let before = Statistics { name: interface.name.clone(), index: interface.index, ..Statistics::default() };
        let (capture, closed) = match open(&interface, &self.settings) {
            Ok(opened) => (Some(opened), None),
            Err(_) if self.settings.wait => (None, Some(Instant::now())),
            Err(error) => return Err(error),
        };
        self.ports.push(Port { interface, capture, closed, before });
        Ok(())
    }

    /// What frames of the interfaces that are open start with.
    pub fn links(&self) -> Vec<LinkType> {
        self.ports.iter().filter_map(|port| port.capture.as_ref()).map(|opened| opened.link).collect()
    }

    /// Interfaces that are waited for.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.ports.iter().filter(|port| port.capture.is_none()).map(|port| port.interface.name.as_str())
    }

    /// What ends a wait of [`Live::fill`].
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Captures on these interfaces from now on: those that left are closed, new ones opened. Those that cannot be are given back.
    pub fn change(&mut self, interfaces: Vec<Interface>) -> Vec<Error> {
        self.ports.retain(|port| interfaces.contains(&port.interface));
        let mut faults = Vec::new();
        for interface in &interfaces {
            if !self.ports.iter().any(|port| port.interface == *interface)
                && let Err(error) = self.add(interface.clone())
            {
                faults.push(error);
            }
        }
        self.settings.interfaces = interfaces;
        self.turn = 0;
        faults
    }

    /// Fills a batch with what has come, after waiting for it up to `patience`.
    ///
    /// # Errors
    /// Those of `poll`.
    pub fn fill(&mut self, frames: &mut Frames, patience: Duration) -> io::Result<Filled> {
        frames.clear();
        if self.waker.rung() {
            self.waker.settle();
            return Ok(Filled::Nothing);
        }
        self.reopen();
        if let Some(lost) = self.read(frames) {
            return Ok(Filled::Lost(lost));
        }
        if frames.is_empty()
            && self.wait(patience)?
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

    /// Waits until an interface has packets, or somebody wakes.
    fn wait(&mut self, patience: Duration) -> io::Result<bool> {
        let raw: Vec<i32> =
            self.ports.iter().filter_map(|port| Some(port.capture.as_ref()?.capture.as_raw_fd())).collect();
        let mut watched = vec![PollFd::from_borrowed_fd(self.waker.event(), PollFlags::IN)];
        // Borrowed for this call only, while `self` keeps the captures open.
        watched.extend(raw.iter().map(|fd| PollFd::from_borrowed_fd(borrowed(*fd), PollFlags::IN)));
        let ready = wait(&mut watched, Some(patience))?;
        let woken = watched.first().is_some_and(|event| event.revents().contains(PollFlags::IN));
        if woken {
            self.waker.settle();
        }
        Ok(ready)
    }

    /// Takes what is there, interface by interface, each once first.
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
            let fault = loop {
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
                    Err(fault) => break Some(fault),
                }
            };
            if let Some(fault) = fault {
                let error = Error { interface: port.interface.name.clone(), reason: told(&fault) };
                port.close();
                self.turn = (self.turn + step + 1) % count.max(1);
                return Some(error);
            }
        }
        self.turn = (self.turn + 1) % count.max(1);
        None
    }

    /// True while an interface is open, or is waited for.
    pub fn is_alive(&self) -> bool {
        self.settings.wait || self.ports.iter().any(|port| port.capture.is_some())
    }

    /// What each interface has delivered. A system call for each: ask seldom.
    pub fn statistics(&mut self) -> Vec<Statistics> {
        self.ports.iter_mut().map(Port::statistics).collect()
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
        let grown = |place: usize| {
            let (now, last) = (now.get(place), self.last.get(place));
            u64::from(now.copied().unwrap_or(0).wrapping_sub(last.copied().unwrap_or(0)))
        };
        self.counted.received += grown(0);
        self.counted.dropped += grown(1);
        self.counted.interface_dropped += grown(2);
        self.last = now;
    }
}

fn open(interface: &Interface, settings: &Settings) -> Result<Opened, Error> {
    let error = |fault: pcap::Error| Error { interface: interface.name.clone(), reason: advice(&fault) };
    let number = |octets: u32| i32::try_from(octets).unwrap_or(i32::MAX);
    let mut inactive = Capture::from_device(interface.name.as_str())
        .map_err(error)?
        .promisc(settings.promiscuous)
        .snaplen(number(settings.snaplen))
        .timeout(GATHER_MS);
    if let Some(octets) = settings.buffer {
        inactive = inactive.buffer_size(number(octets));
    }
    let mut capture = inactive.open().and_then(Capture::setnonblock).map_err(error)?;
    if let Some(direction) = interface.direction {
        let direction = match direction {
            Direction::In => pcap::Direction::In,
            Direction::Out => pcap::Direction::Out,
        };
        capture.direction(direction).map_err(error)?;
    }
    if let Some(filter) = &settings.filter {
        capture.filter(filter, true).map_err(error)?;
    }
    let link = LinkType(u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX));
    Ok(Opened { capture, link, counted: Statistics::default(), last: [0; 3] })
}

fn told(fault: &pcap::Error) -> String {
    match fault {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What libpcap says, and what may help.
fn advice(fault: &pcap::Error) -> String {
    let text = told(fault);
    let lower = text.to_lowercase();
    if lower.contains("permission") || lower.contains("permitted") {
        return format!("{text}; capturing takes CAP_NET_RAW, or root");
    }
    if lower.contains("no such device") {
        let devices = pcap::Device::list().unwrap_or_default();
        let names: Vec<String> = devices.into_iter().map(|device| device.name).collect();
        return format!("{text}; there are: {}", names.join(", "));
    }
    text
}

/// The interface that libpcap would choose.
///
/// # Errors
/// There is none, or they cannot be listed.
pub fn default_interface() -> Result<String, Error> {
    let none = |reason: String| Error { interface: "pcap_interface".to_owned(), reason };
    match pcap::Device::lookup() {
        Ok(Some(device)) => Ok(device.name),
        Ok(None) => Err(none("there is no interface to capture on".to_owned())),
        Err(fault) => Err(none(told(&fault))),
    }
}

/// The system's number of an interface.
pub fn system_index(name: &str) -> Option<u32> {
    std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?.trim().parse().ok()
}

fn time_us(time: &libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(time.tv_usec).unwrap_or(0))
}

/// The descriptor of a capture that stays open for the whole of the borrow, which the caller sees to.
#[expect(unsafe_code, reason = "libpcap's descriptor comes as a number; it is polled while its capture is alive")]
fn borrowed<'a>(fd: i32) -> BorrowedFd<'a> {
    // SAFETY: `wait` holds the capture that owns `fd` for as long as the descriptor is used.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
