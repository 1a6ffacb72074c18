//! Raw sockets, for packets with headers of the caller (raw(7)).

use crate::{CHUNK, Options, Report, Unsent, failed, send_all, set_up};
use nix::sys::socket::{MultiHeaders, SockaddrStorage};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

/// The protocol number of raw sockets whose packets have headers (raw(7)).
const RAW: i32 = 255;

/// A raw socket for each address family.
#[derive(Debug)]
pub struct RawSockets {
    v4: Socket,
    /// The host may not have IPv6.
    v6: Option<Socket>,
}

impl RawSockets {
    /// Opens the sockets, which requires the capability `CAP_NET_RAW`. The traffic class and hop limit of packets are in their headers.
    ///
    /// # Errors
    /// The errors of the system.
    pub fn open(options: &Options) -> io::Result<Self> {
        let open = |domain| {
            let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(Protocol::from(RAW)))?;
            set_up(&socket, domain == Domain::IPV4, &Options { tos: None, hop_limit: None, ..*options })?;
            io::Result::Ok(socket)
        };
        Ok(Self { v4: open(Domain::IPV4)?, v6: open(Domain::IPV6).ok() })
    }

    /// Sends packets, each headers and a payload, to a receiver in their order, and reports each as sent or dropped. `patience`: how long to
    /// wait for room in the send buffer.
    pub fn send(
        &self,
        receiver: SocketAddr,
        packets: &[[IoSlice<'_>; 2]],
        patience: Duration,
        report: &mut dyn Report,
    ) {
        let (socket, address) = match (receiver, &self.v6) {
            // The port of an IPv6 raw socket's address is a protocol number, or 0.
            (SocketAddr::V6(_), Some(socket)) => (socket, SocketAddr::new(receiver.ip(), 0)),
            (SocketAddr::V4(_), _) => (&self.v4, receiver),
            (SocketAddr::V6(_), None) => {
                let error = io::ErrorKind::AddrNotAvailable.into();
                return report.dropped(packets.len(), Unsent::Unreachable, error);
            }
        };
        let messages: Vec<&[IoSlice<'_>]> = packets.iter().map(<[IoSlice<'_>; 2]>::as_slice).collect();
        let addresses = [Some(SockaddrStorage::from(address)); CHUNK];
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(CHUNK, None);
        let mut from = 0;
        while from < messages.len() {
            let left = messages.get(from..(from + CHUNK).min(messages.len())).unwrap_or_default();
            from += match send_all(socket.as_fd(), &mut headers, left, &addresses) {
                Ok(sent) => {
                    let payloads = packets.iter().skip(from).take(sent);
                    report.sent(sent, payloads.map(|[_, payload]| payload.len() as u64).sum());
                    sent
                }
                Err(error) => failed(error, socket.as_fd(), messages.len() - from, patience, report),
            };
        }
    }
}
