//! Packets that netfilter's rules log (`NFLOG`), by netlink.
//!
//! The kernel collects packets of a group and sends them as [netlink messages](message), many in one read. Packets are numbered, so
//! those that the kernel could not deliver are counted exactly, when a later packet arrives.

pub mod message;

use crate::waker::wait;
use crate::{Frames, Meta, Waker};
use message::{ERROR, HEADER, LoggedPacket, PACKET, messages, parse_packet, request};
use packet::LinkType;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Bytes of one read: more than the kernel collects.
const BUFFER: usize = 256 * 1024;
/// How long to wait for the kernel's answer, which is immediate.
const ANSWER: Duration = Duration::from_secs(2);
/// How long the kernel collects packets at most, in hundredths of a second.
const COLLECT: u32 = 10;
/// Settings of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The group of the rules.
    pub group: u16,
    /// Bytes copied of each packet.
    pub snaplen: u32,
    /// Limit on the bytes that the kernel collects; a quarter of the socket's buffer.
    pub buffer: u32,
    /// Packets that the kernel collects before it sends them.
    pub threshold: u32,
}

/// Why the log cannot be read.
#[derive(Debug)]
pub struct Error {
    what: &'static str,
    error: io::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)?;
        match self.error.raw_os_error() {
            // The kernel returns the same error if another program has the group.
            Some(libc::EPERM) => f.write_str(
                "; this requires CAP_NET_ADMIN or root, and a group (uacctd_group) that no other program reads",
            ),
            Some(libc::EINVAL | libc::EPROTONOSUPPORT) => {
                f.write_str("; is the kernel module nfnetlink_log loaded?")
            }
            Some(libc::EBUSY | libc::EEXIST) => f.write_str("; another program reads this group"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Counters since the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets.
    pub received: u64,
    /// Packets that the kernel could not deliver, by gaps in their sequence numbers.
    pub lost: u64,
    /// Messages that could not be read; their packets are not counted elsewhere.
    pub unreadable: u64,
}

/// The packets of a group.
#[derive(Debug)]
pub struct Nflog {
    socket: OwnedFd,
    waker: Waker,
    last_read: LastRead,
}

/// The last read, and the position in it.
#[derive(Debug)]
struct LastRead {
    buffer: Vec<u8>,
    /// The rest of the last read.
    at: usize,
    end: usize,
    /// The sequence number of the next packet if none is lost.
    expected: u32,
    statistics: Statistics,
}

impl Nflog {
    /// Binds the group.
    ///
    /// # Errors
    /// If the kernel denies it, has no such log, or another program has the group.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let failed = |what| move |error: Errno| Error { what, error: error.into() };
        let flags = SocketFlags::CLOEXEC;
        let protocol = Some(netlink::NETFILTER);
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)
            .map_err(failed("netlink socket"))?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0)).map_err(failed("netlink socket"))?;
        let wanted = usize::try_from(settings.buffer).unwrap_or(usize::MAX).saturating_mul(4);
        // Only privileges allow more than the system's limit.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, wanted)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, wanted));
        let waker = Waker::new().map_err(|error| Error { what: "eventfd", error })?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(ANSWER))
            .map_err(failed("netlink socket"))?;
        let mut log = Self { socket, waker, last_read: LastRead::new() };
        let copy = [settings.snaplen.to_be_bytes().as_slice(), &[2, 0]].concat();
        for (what, kind, value) in [
            ("binding the group", 1, vec![1]),
            ("enabling sequence numbers", 6, vec![0, 1]),
            ("copying packets", 2, copy),
            ("setting the buffer size (uacctd_nl_size)", 3, settings.buffer.to_be_bytes().to_vec()),
            ("setting the collection time", 4, COLLECT.to_be_bytes().to_vec()),
            ("setting the threshold (uacctd_threshold)", 5, settings.threshold.to_be_bytes().to_vec()),
        ] {
            let message = request(settings.group, kind, &value);
            rustix::net::send(&log.socket, &message, SendFlags::empty()).map_err(failed(what))?;
            log.answer().map_err(|error| Error { what, error })?;
        }
        Ok(log)
    }

    /// The kernel's response to a request. Packets that arrive before it are lost and leave gaps in the sequence numbers.
    fn answer(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + ANSWER;
        while Instant::now() < deadline {
            let received =
                match rustix::net::recv(&self.socket, self.last_read.buffer.as_mut_slice(), RecvFlags::empty()) {
                    Ok((received, _)) => received,
                    Err(Errno::NOBUFS | Errno::INTR) => continue,
                    Err(Errno::AGAIN) => break,
                    Err(error) => return Err(error.into()),
                };
            let octets = self.last_read.buffer.get(..received).unwrap_or_default();
            for (kind, body) in messages(octets) {
                if kind == ERROR {
                    let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                    return if code == 0 {
                        Ok(())
                    } else {
                        Err(io::Error::from_raw_os_error(code.saturating_neg()))
                    };
                }
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// A handle that ends the wait of [`Nflog::fill`].
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The counters.
    pub fn statistics(&self) -> Statistics {
        self.last_read.statistics
    }

    /// Fills a batch with packets, after waiting for them up to `timeout`; it stays empty if none arrive. Packets without a
    /// time get `now_us`.
    ///
    /// # Errors
    /// Those of `poll` and `recv`, except for a full buffer, which counts as lost packets.
    pub fn fill(&mut self, frames: &mut Frames, now_us: impl Fn() -> u64, timeout: Duration) -> io::Result<()> {
        frames.clear();
        if self.waker.is_pending() {
            self.waker.reset();
            return Ok(());
        }
        if self.last_read.is_empty() {
            let mut watched = [
                PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.waker.event(), PollFlags::IN),
            ];
            wait(&mut watched, Some(timeout))?;
            let [data, wake] = &watched;
            let (data, wake) = (data.revents(), wake.revents());
            if wake.contains(PollFlags::IN) {
                self.waker.reset();
            }
            if data.is_empty() {
                return Ok(());
            }
        }
        let now_us = now_us();
        while frames.has_room() {
            if self.last_read.is_empty() && !self.receive()? {
                break;
            }
            self.last_read.take(frames, now_us);
        }
        Ok(())
    }

    /// Reads more; false if there is nothing to read.
    fn receive(&mut self) -> io::Result<bool> {
        match rustix::net::recv(&self.socket, self.last_read.buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((received, _)) => {
                (self.last_read.at, self.last_read.end) = (0, received);
                Ok(received > 0)
            }
            // The kernel had no room for packets, which leaves gaps in the sequence numbers.
            Err(Errno::NOBUFS | Errno::INTR | Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl LastRead {
    fn new() -> Self {
        Self { buffer: vec![0; BUFFER], at: 0, end: 0, expected: 0, statistics: Statistics::default() }
    }

    fn is_empty(&self) -> bool {
        self.at >= self.end
    }

    /// Parses messages of the last read, while there is room.
    fn take(&mut self, frames: &mut Frames, now_us: u64) {
        let Self { buffer, at, end, expected, statistics } = self;
        let octets = buffer.get(*at..*end).unwrap_or_default();
        for (kind, body) in messages(octets) {
            // Messages are aligned to four octets.
            *at += (HEADER + body.len()).next_multiple_of(4);
            if kind == PACKET {
                match parse_packet(body) {
                    Some(logged) => {
                        statistics.received += 1;
                        if let Some(number) = logged.sequence {
                            statistics.lost += gap(*expected, number);
                            *expected = number.wrapping_add(1);
                        }
                        frames.push(logged.payload, meta(&logged, now_us));
                    }
                    None => {
                        statistics.unreadable += 1;
                        *expected = expected.wrapping_add(1);
                    }
                }
            }
            if !frames.has_room() {
                return;
            }
        }
        if *at < *end {
            // The rest is not a message.
            statistics.unreadable += 1;
            *expected = expected.wrapping_add(1);
            *at = *end;
        }
    }
}

/// How many packets are missing before this one. A number lower than expected means that the log was restarted.
fn gap(expected: u32, number: u32) -> u64 {
    let gap = number.wrapping_sub(expected);
    if gap > u32::MAX / 2 { 0 } else { gap.into() }
}

fn meta(logged: &LoggedPacket<'_>, now_us: u64) -> Meta {
    Meta {
        link: LinkType::RAW_BSD,
        time_us: logged.time_us.unwrap_or(now_us),
        length: logged.length(),
        ingress: logged.ingress,
        egress: logged.egress,
        src_mac: logged.src_mac,
        dst_mac: logged.dst_mac,
        mark: logged.mark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of one octet with this number, as the kernel sends it; without octets, a message without a packet.
    fn packet(number: u32, octets: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        message.extend((HEADER as u32 + 4 + 8 + 8 * u32::from(!octets.is_empty())).to_ne_bytes());
        message.extend(PACKET.to_ne_bytes());
        message.extend([0; 10 + 4]);
        message.extend([8u16.to_ne_bytes(), 12u16.to_ne_bytes()].concat());
        message.extend(number.to_be_bytes());
        if !octets.is_empty() {
            message.extend([(4 + octets.len() as u16).to_ne_bytes(), 9u16.to_ne_bytes()].concat());
            message.extend(octets);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        message
    }

    fn read(last_read: &mut LastRead, octets: &[u8]) {
        last_read.buffer[..octets.len()].copy_from_slice(octets);
        (last_read.at, last_read.end) = (0, octets.len());
    }

    #[test]
    fn gaps_in_sequence_numbers_count_as_lost_packets() {
        let (mut last_read, mut frames) = (LastRead::new(), Frames::new());
        read(&mut last_read, &[packet(1, &[0x45]), packet(2, &[0x45]), packet(5, &[0x45])].concat());
        last_read.take(&mut frames, 77);
        // The first one is already missing.
        assert_eq!(last_read.statistics, Statistics { received: 3, lost: 3, unreadable: 0 });
        assert!(
            last_read.is_empty() && frames.iter().all(|frame| frame.meta.time_us == 77 && frame.octets == [0x45])
        );
        // The log was restarted.
        read(&mut last_read, &packet(0, &[0x45]));
        last_read.take(&mut frames, 77);
        assert_eq!(last_read.statistics, Statistics { received: 4, lost: 3, unreadable: 0 });
        assert_eq!((gap(u32::MAX, 1), gap(7, 7)), (2, 0));
    }

    #[test]
    fn unreadable_messages_count_once() {
        let (mut last_read, mut frames) = (LastRead::new(), Frames::new());
        let whole = packet(2, &[0x45]);
        read(&mut last_read, &[packet(0, &[0x45]), packet(1, &[]), whole.clone(), whole[..30].to_vec()].concat());
        last_read.take(&mut frames, 0);
        assert!(last_read.is_empty());
        read(&mut last_read, &packet(4, &[0x45]));
        last_read.take(&mut frames, 0);
        assert_eq!(last_read.statistics, Statistics { received: 3, lost: 0, unreadable: 2 });
    }

    #[test]
    fn a_read_may_exceed_a_batch() {
        let (mut last_read, mut frames) = (LastRead::new(), Frames::new());
        let octets: Vec<u8> = (0..1000).flat_map(|number| packet(number, &[0x45, 1])).collect();
        read(&mut last_read, &octets);
        let mut count = 0;
        while !last_read.is_empty() {
            frames.clear();
            last_read.take(&mut frames, 0);
            count += frames.len();
        }
        assert_eq!((count, last_read.statistics), (1000, Statistics { received: 1000, lost: 0, unreadable: 0 }));
    }

    #[test]
    fn errors_say_what_is_required() {
        let text =
            |code| Error { what: "binding the group", error: io::Error::from_raw_os_error(code) }.to_string();
        assert!(text(libc::EPERM).contains("CAP_NET_ADMIN"));
        assert!(text(libc::EINVAL).contains("nfnetlink_log"));
        assert!(text(libc::EPROTONOSUPPORT).contains("nfnetlink_log"));
        assert!(text(libc::EBUSY).contains("another program"));
    }
}
