//! UDP sockets, one for each worker.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use capture::{Batch, udp};
//!
//! let settings = udp::Settings { port: 2100, workers: 2, ..udp::Settings::default() };
//! for mut receiver in udp::open(&settings).map_err(|failed| failed.error)? {
//!     std::thread::spawn(move || {
//!         let mut batch = Batch::new();
//!         while let Ok(udp::Received::Datagrams) = receiver.receive(&mut batch, None) {
//!             for datagram in &batch { /* datagram.source, datagram.payload */ }
//!         }
//!     });
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All workers' sockets are bound to the same port; the kernel delivers all datagrams of one source address to one of
//! them (see `spread.rs`).
//!
//! # Ownership of the port
//!
//! `SO_REUSEPORT` lets several sockets of a user share a port, including those of other processes. A second collector that
//! joined by mistake would get nothing, or take exporters away from the first, and neither would notice. So the first socket is bound
//! without that option: the kernel atomically rejects it if any other socket has the port. Then the option is set, and the other
//! workers join. With a single worker it is never set. [`Settings::shared`] binds all sockets with it, for daemons that share the
//! port; the kernel then chooses among all of them by the sender's address and port, or a program chooses that is attached to
//! one of the sockets ([`Receiver`] has a file descriptor for that purpose).
//!
//! # The cost of a datagram
//!
//! Measured over loopback, in CPU time of the receiving thread: taking a datagram from a queue takes 0.45 µs, with `recvmmsg`
//! or without, of which copying 1400 octets is the smaller part; reading an empty queue takes as much; sleeping and
//! waking up for a single one takes 6 to 11 µs. So wake-ups must be avoided, not calls. A receiver of dense traffic therefore does not
//! wait for the next datagram but *pauses*, and then takes all datagrams that arrived. The pause is so short that the socket's
//! buffer, empty at its start, holds what can arrive in that time: at most [`MAX_PAUSE`], and less with a small buffer.
//!
//! | datagrams per second | woken for each | with pauses, buffer of 4 MiB | with pauses, 208 KiB (Linux' default) |
//! |---|---|---|---|
//! | 50,000 | 3.5 to 5.8 µs | 0.8 to 1.1 µs | 2.7 to 2.9 µs |
//! | 150,000 | 2.2 to 2.4 µs | 0.5 to 0.6 µs | 1.1 to 1.3 µs |
//!
//! (CPU time for a datagram of 1400 octets; three runs each. With the small buffer some were dropped, fewer with pauses than
//! without.) Where a network card's driver delivers several datagrams of the same sender and length at once, the kernel joins
//! them (`UDP_GRO`): 16 joined ones cost 0.09 µs each.

#[expect(unsafe_code, reason = "recvmmsg and socket options that no safe wrapper has")]
mod kernel;
mod spread;
#[cfg(test)]
mod tests;

use crate::{Batch, SLOTS};
use rustix::event::{PollFd, PollFlags};
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

pub use crate::waker::Waker;
use crate::waker::wait;

/// Which sockets to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Address to bind to; `None` for all of IPv6 and IPv4.
    pub address: Option<IpAddr>,
    /// Port to bind to; 0 lets the kernel choose one, the same for all workers.
    pub port: u16,
    /// Bytes of the kernel's buffer for each socket; `None` for the system's default.
    pub receive_buffer: Option<usize>,
    /// Name of the only device (network card, VRF) from which datagrams are received.
    pub interface: Option<String>,
    /// With `address` not set, or an IPv6 address: no IPv4.
    pub ipv6_only: bool,
    /// Multicast groups to join.
    pub groups: Vec<IpAddr>,
    /// Number of sockets; 0 counts as 1.
    pub workers: usize,
    /// Other processes of this user with the same setting may listen on the same port.
    pub shared: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: None,
            port: 0,
            receive_buffer: None,
            interface: None,
            ipv6_only: false,
            groups: Vec::new(),
            workers: 1,
            shared: false,
        }
    }
}

/// The setting that an error refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The interface.
    Interface,
    /// A multicast group.
    Group(IpAddr),
    /// The address, the port, or no setting in particular.
    Address,
}

/// The error when a port cannot be opened.
#[derive(Debug)]
pub struct BindError {
    /// The setting.
    pub part: Part,
    /// The system's message.
    pub error: io::Error,
}

impl BindError {
    fn interface(error: io::Error) -> Self {
        Self { part: Part::Interface, error }
    }
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        Self { part: Part::Address, error }
    }
}

/// Opens a socket for each worker.
///
/// # Errors
/// The errors of the kernel: the port is in use, the address is not local, the device does not exist, a privilege is missing. A
/// receive buffer smaller than requested is not an error; see [`Receiver::receive_buffer`].
pub fn open(settings: &Settings) -> Result<Vec<Receiver>, BindError> {
    let workers = settings.workers.max(1);
    let mut port = settings.port;
    let mut receivers = Vec::with_capacity(workers);
    for worker in 0..workers {
        let (socket, address) = unbound(settings)?;
        // The program must be attached before the socket is bound, and requires the option.
        let claims = worker == 0 && !settings.shared;
        socket.set_reuse_port(!claims || workers > 1)?;
        if claims && workers > 1 {
            let workers = u32::try_from(workers).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            kernel::attach_program(socket.as_fd(), &spread::program(workers))?;
            socket.set_reuse_port(false)?;
        }
        socket.bind(&SocketAddr::from((address, port)).into())?;
        if claims && workers > 1 {
            socket.set_reuse_port(true)?;
        }
        if worker == 0 {
            port = socket.local_addr()?.as_socket().map_or(port, |address| address.port());
            // Each socket of a group would get its own copy.
            join(&socket, settings)?;
        }
        let pause = pause_for(socket.recv_buffer_size()?);
        let is_ipv6 = address.is_ipv6();
        receivers.push(Receiver {
            socket,
            is_ipv6,
            waker: Waker::new()?,
            is_shared: settings.shared,
            pause,
            dense: false,
            drained: true,
            last_us: 0,
        });
    }
    Ok(receivers)
}

/// A socket with all options set, and the address to bind it to.
fn unbound(settings: &Settings) -> Result<(Socket, IpAddr), BindError> {
    let opened = match settings.address {
        Some(address) => Socket::new(Domain::for_address((address, 0).into()), Type::DGRAM, Some(Protocol::UDP))
            .map(|socket| (socket, address)),
        // A kernel without IPv6 still serves IPv4.
        None => Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))
            .map(|socket| (socket, IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
            .or_else(|error| {
                if settings.ipv6_only || error.raw_os_error() != Some(libc::EAFNOSUPPORT) {
                    return Err(error);
                }
                Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
                    .map(|socket| (socket, IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
            }),
    };
    let (socket, address) = opened?;
    if address.is_ipv6() {
        socket.set_only_v6(settings.ipv6_only)?;
    }
    if let Some(interface) = &settings.interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(BindError::interface)?;
    }
    if let Some(octets) = settings.receive_buffer {
        // The first call exceeds the system's limit but requires a privilege; the second stops at the limit.
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, octets).is_err() {
            socket.set_recv_buffer_size(octets)?;
        }
    }
    // By default, each worker's socket would get a copy of datagrams to groups that other processes joined.
    if address.is_ipv6() {
        // Linux has it since 4.20.
        let _ = socket.set_multicast_all_v6(false);
    }
    if address.is_ipv4() || !settings.ipv6_only {
        socket.set_multicast_all_v4(false)?;
    }
    // Older kernels lack it, and only speed depends on it.
    let _ = kernel::join_datagrams(socket.as_fd());
    Ok((socket, address))
}

/// Joins the multicast groups.
fn join(socket: &Socket, settings: &Settings) -> Result<(), BindError> {
    let index = match &settings.interface {
        Some(name) if !settings.groups.is_empty() => rustix::net::netdevice::name_to_index(socket, name)
            .map_err(|error| BindError::interface(error.into()))?,
        _ => 0,
    };
    for group in &settings.groups {
        match group {
            IpAddr::V4(group) => {
                socket.join_multicast_v4_n(group, &socket2::InterfaceIndexOrAddress::Index(index))
            }
            IpAddr::V6(group) => socket.join_multicast_v6(group, index),
        }
        .map_err(|error| BindError { part: Part::Group(*group), error })?;
    }
    Ok(())
}

/// The result of [`Receiver::receive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The batch holds datagrams.
    Datagrams,
    /// [`Waker::wake`] was called.
    Woken,
    /// Neither: the timeout or a signal. It may be early; check the clock.
    Idle,
}

/// The longest pause of a receiver, which is the longest time that it delays a datagram.
pub const MAX_PAUSE: Duration = Duration::from_millis(1);

/// How long a buffer of this size lasts if a datagram of 1500 octets arrives each microsecond, faster than 10 Gbit/s
/// allows. The kernel counts 2304 octets for one.
fn pause_for(buffer: usize) -> Duration {
    let datagrams = u64::try_from(buffer / 2304).unwrap_or(u64::MAX);
    Duration::from_micros(datagrams).min(MAX_PAUSE)
}

/// The receiving end of one worker.
#[derive(Debug)]
pub struct Receiver {
    socket: Socket,
    is_ipv6: bool,
    waker: Waker,
    is_shared: bool,
    /// How long to let datagrams accumulate under dense traffic.
    pause: Duration,
    /// True if traffic is so dense that several datagrams arrive during a pause.
    dense: bool,
    /// True if the last call left the queue empty.
    drained: bool,
    /// When a datagram was last received.
    last_us: u64,
}

impl Receiver {
    /// Receives the queued datagrams, up to [`SLOTS`] (more when the kernel joined some); waits up to `timeout` for
    /// the first one, or without limit if it is `None`. The batch is cleared first.
    ///
    /// A wake-up is reported before datagrams are, so that heavy traffic cannot hide it.
    ///
    /// # Errors
    /// The errors of `recvmmsg` and `poll`, none of which is expected in normal operation.
    pub fn receive(&mut self, batch: &mut Batch, timeout: Option<Duration>) -> io::Result<Received> {
        batch.clear();
        if self.waker.is_pending() {
            self.waker.reset();
            return Ok(Received::Woken);
        }
        if !self.drained && self.read(batch)? {
            return Ok(Received::Datagrams);
        }
        let mut timeout = timeout;
        if self.dense {
            let pause = timeout.map_or(self.pause, |timeout| timeout.min(self.pause));
            let event = PollFd::from_borrowed_fd(self.waker.event(), PollFlags::IN);
            if wait(&mut [event], Some(pause))? {
                self.waker.reset();
                return Ok(Received::Woken);
            }
            let some = self.read(batch)?;
            // For a single datagram, a pause is no cheaper than a wake-up.
            self.dense = batch.len() > 1;
            if some {
                return Ok(Received::Datagrams);
            }
            timeout = timeout.map(|timeout| timeout.saturating_sub(pause));
        }
        let event = PollFd::from_borrowed_fd(self.waker.event(), PollFlags::IN);
        let mut watched = [PollFd::new(&self.socket, PollFlags::IN), event];
        if !wait(&mut watched, timeout)? {
            return Ok(Received::Idle);
        }
        let [_, event] = &watched;
        if !event.revents().is_empty() {
            self.waker.reset();
            return Ok(Received::Woken);
        }
        let before_us = self.last_us;
        if !self.read(batch)? {
            return Ok(Received::Idle);
        }
        self.dense = u128::from(self.last_us.saturating_sub(before_us)) < self.pause.as_micros();
        Ok(Received::Datagrams)
    }

    /// Receives the queued datagrams, up to [`SLOTS`], without waiting and regardless of wake-ups: for a caller whose waker has
    /// other reasons than the end. False if there are none. The batch is cleared first.
    ///
    /// # Errors
    /// The errors of `recvmmsg`.
    pub fn receive_queued(&mut self, batch: &mut Batch) -> io::Result<bool> {
        batch.clear();
        self.read(batch)
    }

    /// Sends a datagram from the socket, as an answer.
    ///
    /// # Errors
    /// The errors of `sendto`; `WouldBlock` if the socket's buffer is full.
    pub fn send_to(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        // A socket of IPv6 takes addresses of IPv4 in their mapped form.
        let to = match to.ip() {
            IpAddr::V4(ip) if self.is_ipv6 => SocketAddr::from((ip.to_ipv6_mapped(), to.port())),
            IpAddr::V4(_) | IpAddr::V6(_) => to,
        };
        self.socket.send_to_with_flags(datagram, &to.into(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL).map(|_| ())
    }

    /// Fills the batch with the queued datagrams; false if there are none.
    fn read(&mut self, batch: &mut Batch) -> io::Result<bool> {
        let mut filled = 0;
        batch.fill(|memory, slots| {
            filled = match kernel::receive(self.socket.as_fd(), memory, slots) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                // The call does not block, so a signal hardly ever interrupts it; the caller repeats it then.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                other => other?,
            };
            Ok::<_, io::Error>(filled)
        })?;
        self.drained = filled < SLOTS;
        if filled == 0 {
            return Ok(false);
        }
        self.last_us = now_us();
        batch.set_arrival_us(self.last_us);
        Ok(true)
    }

    /// A handle that ends the wait of this receiver.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Leaves the port to the other sockets that share it: what is queued can still be received, and the kernel adds nothing to
    /// it. Without [`Settings::shared`] this has no effect, since there is nobody to leave it to.
    ///
    /// # Errors
    /// The errors of `connect`; then the socket stays as it is.
    pub fn leave(&self) -> io::Result<()> {
        /// That of the discard protocol (RFC 863); nothing is sent there.
        const PORT: u16 = 9;
        if !self.is_shared {
            return Ok(());
        }
        // A connected socket gets datagrams of its peer alone, and the kernel does not select it. Of all peers, this machine can
        // always be reached from the address of the socket.
        let ip = match self.local_address()?.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        self.socket.connect(&SocketAddr::from((ip, PORT)).into())
    }

    /// The address and port to which it is bound.
    ///
    /// # Errors
    /// The errors of `getsockname`.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Bytes of the kernel's buffer as the kernel counts them, with its own overhead: twice the requested size, or twice
    /// the limit `net.core.rmem_max`.
    ///
    /// # Errors
    /// The errors of `getsockopt`.
    pub fn receive_buffer(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Datagrams that the kernel dropped at this socket because its buffer was full, since it was opened. Wraps at 2
    /// to the 32nd. This is a system call: call it rarely.
    ///
    /// # Errors
    /// The errors of `getsockopt`; `Unsupported` before Linux 4.12.
    pub fn drops(&self) -> io::Result<u32> {
        kernel::drops(self.socket.as_fd())
    }
}

/// The socket, for options of its group.
impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let micros = u64::try_from(now.tv_nsec / 1000).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(micros)
}
