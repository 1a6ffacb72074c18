//! Packets that netfilter's rules log (`NFLOG`), by netlink.
//!
//! The kernel gathers packets of a group and sends them as netlink messages (`linux/netfilter/nfnetlink_log.h`): a header, the family
//! and group, then attributes. Headers and attributes are in the machine's byte order, the values of attributes in that of the
//! network. Packets carry numbers, so what the kernel could not hand over is counted exactly.

use crate::waker::wait;
use crate::{Frames, Meta, Waker};
use packet::LinkType;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Octets of one read: more than the kernel gathers.
const BUFFER: usize = 256 * 1024;
/// How long the kernel gathers packets at most, in hundredths of a second.
const GATHER: u32 = 10;
/// Octets of a netlink header, and of what netfilter puts behind it.
const HEADER: usize = 16;
const FAMILY: usize = 4;

const SUBSYSTEM: u16 = 4 << 8;
const PACKET: u16 = SUBSYSTEM;
const CONFIG: u16 = SUBSYSTEM | 1;
const ERROR: u16 = 2;
/// The message is a request that is to be answered.
const REQUEST_ACK: u16 = 1 | 4;

/// Attributes of a packet.
mod attribute {
    pub(super) const TIMESTAMP: u16 = 3;
    pub(super) const INGRESS: u16 = 4;
    pub(super) const EGRESS: u16 = 5;
    pub(super) const HARDWARE_ADDRESS: u16 = 8;
    pub(super) const PAYLOAD: u16 = 9;
    pub(super) const SEQUENCE: u16 = 12;
    pub(super) const HARDWARE_HEADER: u16 = 16;
}

/// How packets are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The group of the rules.
    pub group: u16,
    /// Octets copied of each packet.
    pub snaplen: u32,
    /// Octets that the kernel gathers at most, and a quarter of the socket's buffer.
    pub buffer: u32,
    /// Packets that the kernel gathers before it sends them.
    pub threshold: u32,
}

/// Why the log cannot be read.
#[derive(Debug)]
pub struct Error {
    what: &'static str,
    fault: io::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.fault)?;
        match self.fault.kind() {
            io::ErrorKind::PermissionDenied => f.write_str("; it takes CAP_NET_ADMIN, or root"),
            io::ErrorKind::InvalidInput => f.write_str("; is the kernel's module nfnetlink_log loaded?"),
            io::ErrorKind::ResourceBusy => f.write_str("; another program reads this group"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// What was counted since the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets.
    pub received: u64,
    /// Packets that the kernel could not hand over, by their numbers.
    pub lost: u64,
    /// Messages that could not be read.
    pub faulty: u64,
}

/// The packets of a group.
#[derive(Debug)]
pub struct Nflog {
    socket: OwnedFd,
    waker: Waker,
    buffer: Vec<u8>,
    /// What is left of the last read.
    at: usize,
    end: usize,
    expected: Option<u32>,
    statistics: Statistics,
}

/// What one message tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logged<'a> {
    /// The packet, from its IP header on.
    pub payload: &'a [u8],
    /// When it was seen: microseconds since 1970; not all rules tell.
    pub time_us: Option<u64>,
    /// Interface that it came in by; 0: none.
    pub ingress: u32,
    /// Interface that it goes out by; 0: none.
    pub egress: u32,
    /// Number among the packets of this log.
    pub sequence: Option<u32>,
    /// Where it came from.
    pub src_mac: Option<[u8; 6]>,
    /// Where it was sent to, if its link-layer header was there.
    pub dst_mac: Option<[u8; 6]>,
}

impl Nflog {
    /// Binds the group.
    ///
    /// # Errors
    /// The kernel does not allow it, has no such log, or another program has the group.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let failed = |what| move |fault: Errno| Error { what, fault: fault.into() };
        let flags = SocketFlags::CLOEXEC;
        let protocol = Some(netlink::NETFILTER);
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)
            .map_err(failed("netlink socket"))?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0)).map_err(failed("netlink socket"))?;
        let wanted = usize::try_from(settings.buffer).unwrap_or(usize::MAX).saturating_mul(4);
        // Beyond the system's limit only with privileges.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, wanted)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, wanted));
        let waker = Waker::new().map_err(|fault| Error { what: "eventfd", fault })?;
        let statistics = Statistics::default();
        let mut log = Self { socket, waker, buffer: vec![0; BUFFER], at: 0, end: 0, expected: None, statistics };
        let copy = [settings.snaplen.to_be_bytes().as_slice(), &[2, 0]].concat();
        for (what, kind, value) in [
            ("binding the group", 1, vec![1]),
            ("copying packets", 2, copy),
            ("the buffer (uacctd_nl_size)", 3, settings.buffer.to_be_bytes().to_vec()),
            ("the time to gather", 4, GATHER.to_be_bytes().to_vec()),
            ("the threshold (uacctd_threshold)", 5, settings.threshold.to_be_bytes().to_vec()),
            ("numbers of packets", 6, vec![0, 1]),
        ] {
            let message = request(settings.group, kind, &value);
            rustix::net::send(&log.socket, &message, SendFlags::empty()).map_err(failed(what))?;
            log.answer().map_err(|fault| Error { what, fault })?;
        }
        Ok(log)
    }

    /// The kernel's answer to a request. Packets may come before it, and wait.
    fn answer(&mut self) -> io::Result<()> {
        for _ in 0..64 {
            let (received, _) = rustix::net::recv(&self.socket, self.buffer.as_mut_slice(), RecvFlags::empty())?;
            let octets = self.buffer.get(..received).unwrap_or_default();
            for (kind, body) in messages(octets) {
                if kind == ERROR {
                    let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                    return if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) };
                }
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// What ends a wait of [`Nflog::fill`].
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// What was counted.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Fills a batch with what has come, after waiting for it up to `patience`; it stays empty when nothing does. Packets whose
    /// rule tells no time were seen at `now_us`.
    ///
    /// # Errors
    /// Those of `poll` and `recv`, but for a full buffer, which shows as lost packets.
    pub fn fill(&mut self, frames: &mut Frames, now_us: impl Fn() -> u64, patience: Duration) -> io::Result<()> {
        frames.clear();
        if self.waker.rung() {
            self.waker.settle();
            return Ok(());
        }
        if self.at == self.end {
            let mut watched = [
                PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.waker.event(), PollFlags::IN),
            ];
            wait(&mut watched, Some(patience))?;
            let [data, bell] = &watched;
            let (data, bell) = (data.revents(), bell.revents());
            if bell.contains(PollFlags::IN) {
                self.waker.settle();
            }
            if data.is_empty() {
                return Ok(());
            }
        }
        let now_us = now_us();
        while frames.has_room() {
            if self.at == self.end && !self.receive()? {
                break;
            }
            self.take(frames, now_us);
        }
        Ok(())
    }

    /// Reads on; false when nothing is there.
    fn receive(&mut self) -> io::Result<bool> {
        match rustix::net::recv(&self.socket, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((received, _)) => {
                (self.at, self.end) = (0, received);
                Ok(received > 0)
            }
            // The kernel had no room for packets. Their numbers will be missing.
            Err(Errno::NOBUFS | Errno::INTR) => Ok(false),
            Err(Errno::AGAIN) => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Takes messages of the last read, while there is room.
    fn take(&mut self, frames: &mut Frames, now_us: u64) {
        let Self { buffer, at, end, expected, statistics, .. } = self;
        let octets = buffer.get(*at..*end).unwrap_or_default();
        for (kind, body) in messages(octets) {
            // Messages stand at multiples of four octets.
            *at += (HEADER + body.len()).next_multiple_of(4);
            if kind == PACKET {
                match logged(body) {
                    Some(logged) => {
                        statistics.received += 1;
                        if let Some(number) = logged.sequence {
                            let lost = expected.map_or(0, |expected| number.wrapping_sub(expected));
                            statistics.lost += u64::from(lost);
                            *expected = Some(number.wrapping_add(1));
                        }
                        frames.push(logged.payload, meta(&logged, now_us));
                    }
                    None => statistics.faulty += 1,
                }
            }
            if !frames.has_room() {
                *at = (*at).min(*end);
                return;
            }
        }
        *at = *end;
    }
}

fn meta(logged: &Logged<'_>, now_us: u64) -> Meta {
    Meta {
        link: LinkType::RAW,
        time_us: logged.time_us.unwrap_or(now_us),
        length: u32::try_from(logged.payload.len()).unwrap_or(u32::MAX),
        ingress: logged.ingress,
        egress: logged.egress,
        src_mac: logged.src_mac,
        dst_mac: logged.dst_mac,
    }
}

/// A request about a group: one attribute.
fn request(group: u16, kind: u16, value: &[u8]) -> Vec<u8> {
    let attribute = 4 + value.len();
    let length = HEADER + FAMILY + attribute.next_multiple_of(4);
    let mut message = Vec::with_capacity(length);
    message.extend((length as u32).to_ne_bytes());
    message.extend(CONFIG.to_ne_bytes());
    message.extend(REQUEST_ACK.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0, 0]);
    message.extend(group.to_be_bytes());
    message.extend((attribute as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(length, 0);
    message
}

/// The messages of a read: their types and bodies. A message whose length is wrong ends them.
pub fn messages(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// Reads a packet's message behind its netlink header; `None` if it has no packet.
pub fn logged(body: &[u8]) -> Option<Logged<'_>> {
    let mut rest = body.get(FAMILY..)?;
    let mut logged = Logged::default();
    let mut has_payload = false;
    while let Some(head) = rest.first_chunk::<4>() {
        let [a, b, c, d] = *head;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let kind = u16::from_ne_bytes([c, d]) & 0x3fff;
        let value = rest.get(4..length)?;
        match kind {
            attribute::TIMESTAMP => {
                let number = |at: usize| Some(u64::from_be_bytes(*value.get(at..)?.first_chunk()?));
                logged.time_us = Some(number(0)?.saturating_mul(1_000_000).saturating_add(number(8)?));
            }
            attribute::INGRESS => logged.ingress = u32::from_be_bytes(*value.first_chunk()?),
            attribute::EGRESS => logged.egress = u32::from_be_bytes(*value.first_chunk()?),
            attribute::SEQUENCE => logged.sequence = Some(u32::from_be_bytes(*value.first_chunk()?)),
            // Its length, two octets of nothing, and up to eight octets of address.
            attribute::HARDWARE_ADDRESS if value.starts_with(&[0, 6]) => {
                logged.src_mac = value.get(4..)?.first_chunk().copied();
            }
            attribute::HARDWARE_HEADER if value.len() >= 14 => logged.dst_mac = value.first_chunk().copied(),
            attribute::PAYLOAD => {
                logged.payload = value;
                has_payload = true;
            }
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    has_payload.then_some(logged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut octets = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
        octets.extend(kind.to_ne_bytes());
        octets.extend(value);
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut octets = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        octets.extend(kind.to_ne_bytes());
        octets.extend([0; 10]);
        octets.extend(body);
        octets
    }

    fn packet() -> Vec<u8> {
        let time = [1_700_000_000u64.to_be_bytes(), 250u64.to_be_bytes()].concat();
        [
            vec![2, 0, 0, 7],
            attribute(1, &[8, 0, 1, 0]),
            attribute(3, &time),
            attribute(4, &[0, 0, 0, 3]),
            attribute(5, &[0, 0, 0, 4]),
            attribute(8, &[0, 6, 0, 0, 2, 0, 0, 0, 0, 0xa, 0, 0]),
            attribute(10, b"log\0"),
            attribute(16, &[2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0]),
            attribute(12, &[0, 0, 1, 0]),
            attribute(9, &[0x45, 0, 0]),
        ]
        .concat()
    }

    #[test]
    fn a_packet_is_read_with_all_that_is_told_of_it() {
        let expected = Logged {
            payload: &[0x45, 0, 0],
            time_us: Some(1_700_000_000_000_250),
            ingress: 3,
            egress: 4,
            sequence: Some(256),
            src_mac: Some([2, 0, 0, 0, 0, 0xa]),
            dst_mac: Some([2, 0, 0, 0, 0, 0xb]),
        };
        assert_eq!(logged(&packet()), Some(expected));
        assert_eq!(logged(&[2, 0, 0, 7]), None);
        let octets = [message(PACKET, &packet()), message(3, &[0; 4])].concat();
        let kinds: Vec<u16> = messages(&octets).map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [PACKET, 3]);
    }

    #[test]
    fn a_request_has_the_shape_that_the_kernel_wants() {
        let octets = request(5, 2, &[0, 0, 0, 128, 2, 0]);
        assert_eq!(octets.len(), 32);
        let read: Vec<_> = messages(&octets).collect();
        let body = [&[0u8, 0, 0, 5][..], &attribute(2, &[0, 0, 0, 128, 2, 0])].concat();
        assert_eq!(read, [(CONFIG, body.as_slice())]);
    }

    proptest! {
        #[test]
        fn any_octets_end(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(messages(&octets).count() <= octets.len() / HEADER + 1);
            if let Some(logged) = logged(&octets) {
                prop_assert!(logged.payload.len() < octets.len());
            }
        }

        #[test]
        fn a_cut_packet_tells_nothing_that_the_whole_does_not(cut in 0usize..200) {
            let whole = packet();
            let part = whole.get(..cut).and_then(logged);
            prop_assert!(part.is_none_or(|part| Some(part) == logged(&whole) || cut < whole.len()));
        }
    }
}
