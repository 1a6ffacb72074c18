//! Sending datagrams in batches.
//!
//! A [`Link`] is a connected UDP socket to one receiver. Adjacent datagrams of one size are one message of the kernel, which it splits
//! again behind the protocol stack, or on the network card (`UDP_SEGMENT`; Linux 4.18); all others go through `sendmmsg`. [`RawSockets`]
//! send packets with headers of the caller, so that a datagram can keep the address of its exporter.
//!
//! Nothing waits, unless the caller is patient. What becomes of the datagrams goes to a [`Report`], in their order.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod link;
mod raw;

pub use link::Link;
pub use raw::RawSockets;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrLike, sendmmsg, sockopt};
use rustix::event::{PollFd, PollFlags, poll};
use socket2::Socket;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Datagrams that are sent by one system call. The kernel splits a message into at most 64 datagrams.
pub const CHUNK: usize = 64;

/// How sockets are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Source address.
    pub source: Option<IpAddr>,
    /// Octet of the traffic class.
    pub tos: Option<u8>,
    /// Time to live, or hop limit.
    pub hop_limit: Option<u8>,
    /// Bytes of the send buffer.
    pub send_buffer: Option<usize>,
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The socket's send buffer is full.
    Buffer,
    /// It is longer than the path allows, and was not to be fragmented.
    TooLong,
    /// There is no route to the receiver, or no socket for it.
    Unreachable,
    /// The kernel does not permit it, such as a firewall rule.
    Denied,
    /// Any other error.
    Failed,
}

/// Receives the outcome of datagrams: each is either sent or dropped, in their order.
pub trait Report {
    /// The next datagrams were accepted by the kernel; `bytes` are the octets of their payload.
    fn sent(&mut self, datagrams: usize, bytes: u64);

    /// The next datagrams were not, because of this error.
    fn dropped(&mut self, datagrams: usize, reason: Unsent, error: io::Error);

    /// The receiver's host reported that no program had listened to an earlier datagram.
    fn refused(&mut self);
}

/// Sets the options of a socket.
fn set_up(socket: &Socket, is_v4: bool, options: &Options) -> io::Result<()> {
    if let Some(bytes) = options.send_buffer {
        // The first call exceeds the system's limit but requires a privilege; the second stops at the limit.
        if nix::sys::socket::setsockopt(socket, sockopt::SndBufForce, &bytes).is_err() {
            socket.set_send_buffer_size(bytes)?;
        }
    }
    match options.hop_limit {
        Some(limit) if is_v4 => socket.set_ttl_v4(limit.into())?,
        Some(limit) => socket.set_unicast_hops_v6(limit.into())?,
        None => {}
    }
    match options.tos {
        Some(tos) if is_v4 => socket.set_tos_v4(tos.into()),
        Some(tos) => socket.set_tclass_v6(tos.into()),
        None => Ok(()),
    }
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

/// Decides about an error of the first of `left` messages: reports those that are dropped, and returns their number. 0: try again.
fn failed(
    error: Errno,
    socket: BorrowedFd<'_>,
    left: usize,
    patience: Duration,
    report: &mut dyn Report,
) -> usize {
    let (reason, dropped) = match error {
        Errno::EINTR => return 0,
        // An earlier datagram was refused. The error is reported once, and this datagram was not sent.
        Errno::ECONNREFUSED => {
            report.refused();
            return 0;
        }
        Errno::EAGAIN | Errno::ENOBUFS => {
            if !patience.is_zero() && wait(socket, patience) {
                return 0;
            }
            (Unsent::Buffer, left)
        }
        Errno::EMSGSIZE => (Unsent::TooLong, 1),
        Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN | Errno::EADDRNOTAVAIL => {
            (Unsent::Unreachable, left)
        }
        Errno::EPERM | Errno::EACCES => (Unsent::Denied, left),
        _ => (Unsent::Failed, 1),
    };
    report.dropped(dropped, reason, error.into());
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
