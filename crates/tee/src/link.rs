//! Sockets to receivers, and sending in batches.
//!
//! A [`Link`] is a connected UDP socket. Adjacent datagrams of one size are one message of the kernel, which it splits again behind the
//! protocol stack, or on the network card (`UDP_SEGMENT`; Linux 4.18); all others go through `sendmmsg`. A receiver whose path does not
//! support segmentation gets datagrams by `sendmmsg` alone from the first failure on.
//!
//! [`RawSockets`] send packets with the address of the exporter, on a raw socket for each address family.

use crate::counts::{Counts, DropReason};
use crate::header::Header;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrLike, SockaddrStorage, sendmmsg, sendmsg, sockopt,
};
use rustix::event::{PollFd, PollFlags, poll};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Datagrams that are sent by one system call. The kernel splits a message into at most 64 datagrams.
pub const CHUNK: usize = 64;
/// Octets of a message that is split.
const MAX_MESSAGE: usize = 65_000;
/// The protocol number of raw sockets whose packets have headers (raw(7)).
const RAW: i32 = 255;

/// How sockets are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Source address.
    pub source: Option<IpAddr>,
    /// Octet of the traffic class.
    pub tos: Option<u8>,
    /// Bytes of the send buffer.
    pub send_buffer: Option<usize>,
}

/// A socket to one receiver.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    /// Datagrams of one size are sent as one message.
    segments: bool,
}

impl Link {
    /// Opens a socket that is connected to the receiver. `port`: its source port; 0 leaves the choice to the kernel. Sockets of several
    /// workers may have the same.
    ///
    /// # Errors
    /// The errors of the system; `InvalidInput` if the source address is of another family.
    pub fn open(receiver: SocketAddr, port: u16, options: &Options) -> io::Result<Self> {
        let socket =
            Socket::new(Domain::for_address(receiver), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
        let any: IpAddr = match receiver {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let source = options.source.unwrap_or(any);
        if source.is_ipv4() != receiver.is_ipv4() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        set_up(&socket, receiver.is_ipv4(), options)?;
        if port != 0 {
            socket.set_reuse_port(true)?;
        }
        if port != 0 || options.source.is_some() {
            socket.bind(&SocketAddr::new(source, port).into())?;
        }
        socket.connect(&receiver.into())?;
        Ok(Self { socket, segments: true })
    }

    /// Sends datagrams in their order, and counts each as sent or dropped. `patience`: how long to wait for room in the send buffer.
    pub fn send(&mut self, datagrams: &[IoSlice<'_>], patience: Duration, counts: &mut Counts) {
        let mut left = datagrams;
        while !left.is_empty() {
            let run = if self.segments { run_of(left) } else { 1 };
            let sent = if run > 1 { self.send_run(left, run) } else { self.send_singly(left) };
            let done = match sent {
                Ok(sent) => {
                    let bytes = left.iter().take(sent).map(|datagram| datagram.len() as u64).sum();
                    counts.sent(sent as u64, bytes);
                    sent
                }
                // The path, or the kernel, does not support it, whatever the datagrams are.
                Err(Errno::EINVAL | Errno::EIO | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP | Errno::EMSGSIZE)
                    if run > 1 =>
                {
                    self.segments = false;
                    0
                }
                Err(error) => failed(error, self.socket.as_fd(), left.len(), patience, counts),
            };
            left = left.get(done..).unwrap_or_default();
        }
    }

    /// Sends the first `run` datagrams as one message.
    fn send_run(&self, datagrams: &[IoSlice<'_>], run: usize) -> Result<usize, Errno> {
        let (Some(run), Some(first)) = (datagrams.get(..run), datagrams.first()) else { return Ok(0) };
        let size = u16::try_from(first.len()).unwrap_or(u16::MAX);
        let segments = [ControlMessage::UdpGsoSegments(&size)];
        sendmsg::<()>(self.socket.as_raw_fd(), run, &segments, MsgFlags::MSG_DONTWAIT, None)?;
        Ok(run.len())
    }

    /// Sends the datagrams before the next run.
    fn send_singly(&self, datagrams: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let is_single = |start: &usize| !self.segments || run_of(datagrams.get(*start..).unwrap_or_default()) <= 1;
        let count = (0..datagrams.len().min(CHUNK)).take_while(is_single).count().max(1);
        let singles = datagrams.chunks_exact(1).take(count);
        let singles: Vec<&[IoSlice<'_>]> = singles.collect();
        let mut headers = MultiHeaders::<()>::preallocate(singles.len(), None);
        send_all(self.socket.as_fd(), &mut headers, &singles, &[None; CHUNK])
    }
}

/// Sets the options of a socket.
fn set_up(socket: &Socket, is_v4: bool, options: &Options) -> io::Result<()> {
    if let Some(bytes) = options.send_buffer {
        // The first call exceeds the system's limit but requires a privilege; the second stops at the limit.
        if nix::sys::socket::setsockopt(socket, sockopt::SndBufForce, &bytes).is_err() {
            socket.set_send_buffer_size(bytes)?;
        }
    }
    match options.tos {
        Some(tos) if is_v4 => socket.set_tos_v4(tos.into()),
        Some(tos) => socket.set_tclass_v6(tos.into()),
        None => Ok(()),
    }
}

/// The number of leading datagrams of one size; the last one may be shorter.
fn run_of(datagrams: &[IoSlice<'_>]) -> usize {
    let size = datagrams.first().map_or(0, |first| first.len());
    if size == 0 {
        return 1;
    }
    let mut run = 0;
    for datagram in datagrams.iter().take(CHUNK.min(MAX_MESSAGE / size)) {
        if datagram.len() > size || datagram.is_empty() {
            break;
        }
        run += 1;
        if datagram.len() < size {
            break;
        }
    }
    run.max(1)
}

/// Sends messages by one system call. Returns how many were sent.
fn send_all<'a, S: SockaddrLike + Copy + 'a>(
    socket: BorrowedFd<'_>,
    headers: &'a mut MultiHeaders<S>,
    messages: &'a [&'a [IoSlice<'a>]],
    addresses: &'a [Option<S>],
) -> Result<usize, Errno> {
    let none: [ControlMessage<'_>; 0] = [];
    let sent = sendmmsg(socket.as_raw_fd(), headers, messages, addresses, none, MsgFlags::MSG_DONTWAIT)?;
    Ok(sent.count())
}

/// Decides about an error of the first of `left` messages: counts those that are dropped, and returns their number. 0: try again.
fn failed(error: Errno, socket: BorrowedFd<'_>, left: usize, patience: Duration, counts: &mut Counts) -> usize {
    let (reason, dropped) = match error {
        Errno::EINTR => return 0,
        // An earlier datagram was refused. The error is reported once, and this datagram was not sent.
        Errno::ECONNREFUSED => {
            counts.refused += 1;
            return 0;
        }
        Errno::EAGAIN | Errno::ENOBUFS => {
            if !patience.is_zero() && wait(socket, patience) {
                return 0;
            }
            (DropReason::Buffer, left)
        }
        Errno::EMSGSIZE => (DropReason::TooLong, 1),
        Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN | Errno::EADDRNOTAVAIL => {
            (DropReason::Unreachable, left)
        }
        Errno::EPERM | Errno::EACCES => (DropReason::Denied, left),
        _ => (DropReason::Failed, 1),
    };
    counts.drop(reason, dropped as u64);
    dropped
}

/// Waits for room in the send buffer. False if there is none in time.
fn wait(socket: BorrowedFd<'_>, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut watched = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
        let timeout = rustix::time::Timespec::try_from(left).ok();
        match poll(&mut watched, timeout.as_ref()) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Raw sockets, which keep the exporter's address.
#[derive(Debug)]
pub struct RawSockets {
    v4: Socket,
    /// The host may not have IPv6.
    v6: Option<Socket>,
    tos: u8,
}

/// A packet for a raw socket.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its headers.
    pub header: &'a Header,
    /// Its payload.
    pub payload: &'a [u8],
}

impl RawSockets {
    /// Opens the sockets, which requires the capability `CAP_NET_RAW`.
    ///
    /// # Errors
    /// The errors of the system.
    pub fn open(options: &Options) -> io::Result<Self> {
        let open = |domain| {
            let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(Protocol::from(RAW)))?;
            set_up(&socket, domain == Domain::IPV4, &Options { tos: None, ..*options })?;
            io::Result::Ok(socket)
        };
        Ok(Self { v4: open(Domain::IPV4)?, v6: open(Domain::IPV6).ok(), tos: options.tos.unwrap_or(0) })
    }

    /// The headers of a packet.
    ///
    /// # Errors
    /// Why there are none.
    pub fn header(&self, source: SocketAddr, receiver: SocketAddr, payload: &[u8]) -> Result<Header, DropReason> {
        if source.is_ipv4() != receiver.is_ipv4() {
            return Err(DropReason::Family);
        }
        Header::packet(source, receiver, self.tos, payload).ok_or(DropReason::TooLong)
    }

    /// Sends packets to a receiver in their order, and counts each as sent or dropped.
    pub fn send(&self, receiver: SocketAddr, packets: &[Packet<'_>], patience: Duration, counts: &mut Counts) {
        let (socket, address) = match (receiver, &self.v6) {
            // The port of an IPv6 raw socket's address is a protocol number, or 0.
            (SocketAddr::V6(_), Some(socket)) => (socket, SocketAddr::new(receiver.ip(), 0)),
            (SocketAddr::V4(_), _) => (&self.v4, receiver),
            (SocketAddr::V6(_), None) => {
                return counts.drop(DropReason::Unreachable, packets.len() as u64);
            }
        };
        let pieces = |packet: &Packet<'_>| [packet.header.octets().len(), packet.payload.len()];
        let slices: Vec<[IoSlice<'_>; 2]> = (packets.iter())
            .map(|packet| [IoSlice::new(packet.header.octets()), IoSlice::new(packet.payload)])
            .collect();
        let messages: Vec<&[IoSlice<'_>]> = slices.iter().map(<[IoSlice<'_>; 2]>::as_slice).collect();
        let addresses = [Some(SockaddrStorage::from(address)); CHUNK];
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(CHUNK, None);
        let mut from = 0;
        while from < messages.len() {
            let left = messages.get(from..(from + CHUNK).min(messages.len())).unwrap_or_default();
            from += match send_all(socket.as_fd(), &mut headers, left, &addresses) {
                Ok(sent) => {
                    let sent_packets = packets.iter().skip(from).take(sent);
                    let bytes = sent_packets.map(|packet| pieces(packet)[1] as u64).sum();
                    counts.sent(sent as u64, bytes);
                    sent
                }
                Err(error) => failed(error, socket.as_fd(), messages.len() - from, patience, counts),
            };
        }
    }
}
