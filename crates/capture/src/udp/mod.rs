//! UDP sockets, one for each worker.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use capture::{Batch, udp};
//!
//! let settings = udp::Settings { port: 2100, workers: 2, ..udp::Settings::default() };
//! for mut receiver in udp::open(&settings)? {
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
//! All workers' sockets are bound to the same port; the kernel gives what one source address sends to one of
//! them (see `spread.rs`). What is beyond this end of the socket costs far more than what is on this side: on the
//! machine where this was written, the kernel spends some 1.1 µs on a loopback datagram, of which a batch of 64 saves
//! the entry and exit of a system call for 63.

#[expect(unsafe_code, reason = "recvmmsg and socket options that no safe wrapper has")]
mod kernel;
mod spread;
#[cfg(test)]
mod tests;
mod waker;

use crate::Batch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

pub use waker::Waker;

/// Which sockets to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Address to bind to; `None` for all of IPv6 and IPv4.
    pub address: Option<IpAddr>,
    /// Port to bind to; 0 lets the kernel choose one, the same for all workers.
    pub port: u16,
    /// Octets of the kernel's buffer for each socket; `None` for the system's default.
    pub receive_buffer: Option<usize>,
    /// Name of the device (network card, VRF) from which alone datagrams are taken.
    pub interface: Option<String>,
    /// With `address` not set, or an IPv6 address: no IPv4.
    pub ipv6_only: bool,
    /// Number of sockets; 0 counts as 1.
    pub workers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { address: None, port: 0, receive_buffer: None, interface: None, ipv6_only: false, workers: 1 }
    }
}

/// Opens a socket for each worker.
///
/// # Errors
/// Those of the kernel: the port is taken, the address is not ours, the device does not exist, a right is missing. A
/// receive buffer smaller than asked for is no error; ask [`Receiver::receive_buffer`].
pub fn open(settings: &Settings) -> io::Result<Vec<Receiver>> {
    let workers = settings.workers.max(1);
    let mut port = settings.port;
    let mut receivers = Vec::with_capacity(workers);
    for worker in 0..workers {
        let socket = open_one(settings, port)?;
        if worker == 0 {
            port = socket.local_addr()?.as_socket().map_or(port, |address| address.port());
            if workers > 1 {
                let workers = u32::try_from(workers).map_err(|_| io::ErrorKind::InvalidInput)?;
                kernel::choose_by(socket.as_fd(), &spread::program(workers))?;
            }
        }
        receivers.push(Receiver { socket, waker: Waker::new()? });
    }
    Ok(receivers)
}

fn open_one(settings: &Settings, port: u16) -> io::Result<Socket> {
    let opened = match settings.address {
        Some(address) => Socket::new(Domain::for_address((address, port).into()), Type::DGRAM, Some(Protocol::UDP))
            .map(|socket| (socket, address)),
        // A kernel without IPv6 still serves IPv4.
        None => Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))
            .map(|socket| (socket, IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
            .or_else(|fault| {
                if settings.ipv6_only || fault.raw_os_error() != Some(libc::EAFNOSUPPORT) {
                    return Err(fault);
                }
                Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
                    .map(|socket| (socket, IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
            }),
    };
    let (socket, address) = opened?;
    if address.is_ipv6() {
        socket.set_only_v6(settings.ipv6_only)?;
    }
    // Also for a single worker: another daemon may listen on the same port, as users of the suite are used to.
    socket.set_reuse_port(true)?;
    if let Some(interface) = &settings.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    if let Some(octets) = settings.receive_buffer {
        // The first goes beyond the system's limit and needs a right; the second stops at the limit.
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, octets).is_err() {
            socket.set_recv_buffer_size(octets)?;
        }
    }
    // Older kernels do not know it, and nothing but speed depends on it.
    let _ = kernel::join_datagrams(socket.as_fd());
    socket.bind(&SocketAddr::from((address, port)).into())?;
    Ok(socket)
}

/// What [`Receiver::receive`] came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The batch holds datagrams.
    Datagrams,
    /// Somebody called [`Waker::wake`].
    Woken,
    /// Neither: the time is over, or a signal came. It may have come early; look at the clock.
    Idle,
}

/// The receiving end of one worker.
#[derive(Debug)]
pub struct Receiver {
    socket: Socket,
    waker: Waker,
}

impl Receiver {
    /// Receives what is there, up to [`SLOTS`](crate::SLOTS) datagrams (more when the kernel joined some); waits up
    /// to `timeout` for the first one, or without end if that is `None`. The batch is emptied first.
    ///
    /// A wake-up is reported before datagrams are, so that heavy traffic cannot hide it.
    ///
    /// # Errors
    /// Those of `recvmmsg` and `poll`, of which none is to be expected in normal operation.
    pub fn receive(&mut self, batch: &mut Batch, timeout: Option<Duration>) -> io::Result<Received> {
        batch.clear();
        if self.waker.rung() {
            self.waker.settle();
            return Ok(Received::Woken);
        }
        if self.read(batch)? {
            return Ok(Received::Datagrams);
        }
        let mut watched =
            [PollFd::new(&self.socket, PollFlags::IN), PollFd::from_borrowed_fd(self.waker.event(), PollFlags::IN)];
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        match poll(&mut watched, timeout.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Received::Idle),
            Ok(_) => {}
            Err(fault) => return Err(fault.into()),
        }
        let [_, event] = &watched;
        if !event.revents().is_empty() {
            self.waker.settle();
            return Ok(Received::Woken);
        }
        Ok(if self.read(batch)? { Received::Datagrams } else { Received::Idle })
    }

    /// Fills the batch with what is there; false when nothing is.
    fn read(&self, batch: &mut Batch) -> io::Result<bool> {
        let received = batch.fill(|memory, slots| {
            match kernel::receive(self.socket.as_fd(), memory, slots) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Ok(0),
                // The call does not wait, so a signal can hardly end it; then the caller comes again.
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => Ok(0),
                other => other,
            }
        })?;
        if received > 0 {
            batch.set_arrival_us(now_us());
        }
        Ok(received > 0)
    }

    /// A handle that ends the wait of this receiver.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The address and port it is bound to.
    ///
    /// # Errors
    /// Those of `getsockname`.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Octets of the kernel's buffer as the kernel counts them: twice what was asked for, as it counts its own
    /// bookkeeping in, or twice the limit `net.core.rmem_max`.
    ///
    /// # Errors
    /// Those of `getsockopt`.
    pub fn receive_buffer(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Datagrams that the kernel dropped at this socket because its buffer was full, since it was opened. Wraps at 2
    /// to the 32nd. A system call: ask seldom.
    ///
    /// # Errors
    /// Those of `getsockopt`; `Unsupported` before Linux 4.12.
    pub fn drops(&self) -> io::Result<u32> {
        kernel::drops(self.socket.as_fd())
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let micros = u64::try_from(now.tv_nsec / 1000).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(micros)
}
