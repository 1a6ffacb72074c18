//! Connected UDP sockets.

use crate::{CHUNK, Options, Report, failed, send_all, set_up};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, sendmsg, sockopt};
use rustix::event::{PollFd, PollFlags, poll};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Octets of a message that is split.
const MAX_MESSAGE: usize = 65_000;
/// Messages after which segmentation is tried again, if one has failed.
const SEGMENTATION_RETRY: u32 = 10_000;

/// A socket to one receiver.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    is_v4: bool,
    /// Datagrams of one size are sent as one message, unless this many more calls are to do without.
    unsegmented: u32,
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
        Ok(Self { socket, is_v4: receiver.is_ipv4(), unsegmented: 0 })
    }

    /// Whether datagrams go over IPv4.
    pub fn is_v4(&self) -> bool {
        self.is_v4
    }

    /// The address that datagrams come from.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// The receiver.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()?.as_socket()
    }

    /// The longest payload that the path takes without fragmentation, in octets, as far as the kernel knows: the MTU of the interface, or
    /// what routers have reported since (RFC 1191, RFC 8201). One system call.
    pub fn path_limit(&self) -> Option<usize> {
        /// Octets of the headers of UDP and of IP without options.
        const V4: usize = 8 + 20;
        const V6: usize = 8 + 40;
        // The kernel answers for IPv6 sockets, too: the value is that of the route, not of a protocol.
        let mtu = nix::sys::socket::getsockopt(&self.socket, sockopt::IpMtu).ok()?;
        let headers = if self.is_v4 { V4 } else { V6 };
        usize::try_from(mtu).ok()?.checked_sub(headers)
    }

    /// Waits until something arrives or an error is reported, at most that long.
    pub fn wait_for_input(&self, most: Duration) {
        let mut watched = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)];
        // An interruption is an early return.
        let _ = poll(&mut watched, rustix::time::Timespec::try_from(most).ok().as_ref());
    }

    /// Receives a datagram of the receiver.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; `ConnectionRefused` if no program had listened to an earlier one that was sent.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(&self.socket, buffer, rustix::net::RecvFlags::DONTWAIT)?.0)
    }

    /// Sends datagrams of one size as one message again, if that has failed before: they have another size now.
    pub fn segment_again(&mut self) {
        self.unsegmented = 0;
    }

    /// Sends datagrams, each of `N` pieces, in their order, and reports each as sent or dropped. `patience`: how long to wait for room in the
    /// send buffer.
    pub fn send<const N: usize>(
        &mut self,
        datagrams: &[[IoSlice<'_>; N]],
        patience: Duration,
        report: &mut dyn Report,
    ) {
        let mut left = datagrams;
        while !left.is_empty() {
            let run = if self.unsegmented == 0 { run_of(left) } else { 1 };
            let sent = if run > 1 { self.send_run(left, run) } else { self.send_singly(left) };
            let done = match sent {
                Ok(sent) => {
                    let bytes = left.iter().take(sent).map(|datagram| size_of(datagram) as u64).sum();
                    report.sent(sent, bytes);
                    sent
                }
                // The path, or the kernel, does not support it, whatever the datagrams are; or they are longer than the path takes
                // without fragmentation.
                Err(Errno::EINVAL | Errno::EIO | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP | Errno::EMSGSIZE)
                    if run > 1 =>
                {
                    self.unsegmented = SEGMENTATION_RETRY;
                    0
                }
                Err(error) => failed(error, self.socket.as_fd(), left.len(), patience, report),
            };
            left = left.get(done..).unwrap_or_default();
        }
    }

    /// Sends the first `run` datagrams as one message.
    fn send_run<const N: usize>(&self, datagrams: &[[IoSlice<'_>; N]], run: usize) -> Result<usize, Errno> {
        let (Some(run), Some(first)) = (datagrams.get(..run), datagrams.first()) else { return Ok(0) };
        let size = u16::try_from(size_of(first)).unwrap_or(u16::MAX);
        let segments = [ControlMessage::UdpGsoSegments(&size)];
        sendmsg::<()>(self.socket.as_raw_fd(), run.as_flattened(), &segments, MsgFlags::MSG_DONTWAIT, None)?;
        Ok(run.len())
    }

    /// Sends the datagrams before the next run.
    fn send_singly<const N: usize>(&mut self, datagrams: &[[IoSlice<'_>; N]]) -> Result<usize, Errno> {
        let is_segmented = self.unsegmented == 0;
        self.unsegmented = self.unsegmented.saturating_sub(1);
        let is_single = |start: &usize| !is_segmented || run_of(datagrams.get(*start..).unwrap_or_default()) <= 1;
        let count = (0..datagrams.len().min(CHUNK)).take_while(is_single).count().max(1);
        let singles: Vec<&[IoSlice<'_>]> = datagrams.iter().take(count).map(<[_; N]>::as_slice).collect();
        let mut headers = MultiHeaders::<()>::preallocate(singles.len(), None);
        send_all(self.socket.as_fd(), &mut headers, &singles, &[None; CHUNK])
    }
}

/// The length of a datagram.
fn size_of<const N: usize>(datagram: &[IoSlice<'_>; N]) -> usize {
    datagram.iter().map(|piece| piece.len()).sum()
}

/// The number of leading datagrams of one size; the last one may be shorter.
fn run_of<const N: usize>(datagrams: &[[IoSlice<'_>; N]]) -> usize {
    let size = datagrams.first().map_or(0, size_of);
    if size == 0 {
        return 1;
    }
    let mut run = 0;
    for datagram in datagrams.iter().take(CHUNK.min(MAX_MESSAGE / size)) {
        let length = size_of(datagram);
        if length > size || length == 0 {
            break;
        }
        run += 1;
        if length < size {
            break;
        }
    }
    run.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unsent;
    use std::net::UdpSocket;

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Counted {
        sent: (usize, u64),
        dropped: Vec<(usize, Unsent)>,
        refused: u32,
    }

    impl Report for Counted {
        fn sent(&mut self, datagrams: usize, bytes: u64) {
            self.sent = (self.sent.0 + datagrams, self.sent.1 + bytes);
        }

        fn dropped(&mut self, datagrams: usize, reason: Unsent, _error: io::Error) {
            self.dropped.push((datagrams, reason));
        }

        fn refused(&mut self) {
            self.refused += 1;
        }
    }

    /// Each in two pieces.
    fn slices(datagrams: &[Vec<u8>]) -> Vec<[IoSlice<'_>; 2]> {
        let halves = datagrams.iter().map(|datagram| datagram.split_at(datagram.len() / 2));
        halves.map(|(a, b)| [IoSlice::new(a), IoSlice::new(b)]).collect()
    }

    #[test]
    fn runs_end_after_a_shorter_datagram_and_before_a_longer_one() {
        let run = |sizes: &[usize]| {
            let datagrams: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0; *size]).collect();
            run_of(&slices(&datagrams))
        };
        assert_eq!((run(&[9, 9, 9]), run(&[9, 9, 5, 9]), run(&[9, 10]), run(&[5, 9])), (3, 3, 1, 1));
        assert_eq!((run(&[0, 0]), run(&[9, 0]), run(&[1; 100]), run(&[30_000; 3])), (1, 1, CHUNK, 2));
    }

    #[test]
    fn datagrams_of_all_sizes_arrive_in_their_order() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut link = Link::open(receiver.local_addr().unwrap(), 0, &Options::default()).unwrap();
        let sizes = [9, 9, 9, 5, 700, 700, 1, 2, 3, 3];
        let datagrams: Vec<Vec<u8>> = (0..).zip(sizes).map(|(number, size)| vec![number; size]).collect();
        let mut counted = Counted::default();
        link.send(&slices(&datagrams), Duration::ZERO, &mut counted);
        assert_eq!(counted, Counted { sent: (10, 1441), ..Counted::default() });
        let mut octets = [0; 2000];
        for datagram in datagrams {
            let length = receiver.recv(&mut octets).unwrap();
            assert_eq!(octets[..length], datagram);
        }
    }

    #[test]
    fn every_datagram_is_reported() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut link = Link::open(receiver.local_addr().unwrap(), 0, &Options::default()).unwrap();
        let mut counted = Counted::default();
        let datagrams = vec![vec![1; 10], vec![2; 70_000], vec![3; 10]];
        link.send(&slices(&datagrams), Duration::ZERO, &mut counted);
        assert_eq!(counted, Counted { sent: (2, 20), dropped: vec![(1, Unsent::TooLong)], refused: 0 });
        drop(receiver);
        let mut counted = Counted::default();
        for _ in 0..3 {
            link.send(&slices(&[vec![1; 10]]), Duration::ZERO, &mut counted);
        }
        assert_eq!((counted.sent, counted.refused > 0), ((3, 30), true));
    }

    #[test]
    fn the_path_of_both_families_has_a_limit() {
        for (receiver, headers) in [("127.0.0.1:9", 28), ("[::1]:9", 48)] {
            // Not every host has IPv6.
            let Ok(link) = Link::open(receiver.parse().unwrap(), 0, &Options::default()) else { continue };
            let mtu: usize = std::fs::read_to_string("/sys/class/net/lo/mtu").unwrap().trim().parse().unwrap();
            let limit = link.path_limit().unwrap();
            // The kernel reports at most 65,535 for IPv4.
            assert!(limit == mtu - headers || limit == 65_535 - headers, "{limit} of {mtu}");
        }
    }
}
