//! The calls that neither `rustix` nor `socket2` offer: receiving many datagrams at once, and some socket options.

use super::spread::Instruction;
use crate::batch::{MAX_DATAGRAM, SLOTS, Slot};
use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Room for the one control message that is requested: a header of 16 bytes and an `int`, with padding.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 32]);

const NO_NAME: libc::sockaddr_in6 = libc::sockaddr_in6 {
    sin6_family: 0,
    sin6_port: 0,
    sin6_flowinfo: 0,
    sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
    sin6_scope_id: 0,
};

/// Receives queued datagrams without blocking into the pieces of memory, one datagram each; returns the number of filled
/// slots, from the first on. Fewer than all means that the queue was empty at the end.
///
/// Errors are those of `recvmmsg(2)`; `WouldBlock` if the queue is empty.
pub(super) fn receive<'a>(
    socket: BorrowedFd<'_>,
    memory: impl Iterator<Item = &'a mut [u8]>,
    slots: &mut [Slot],
) -> io::Result<usize> {
    let mut names = [NO_NAME; SLOTS];
    let mut controls = [Control([0; 32]); SLOTS];
    let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; SLOTS];
    // SAFETY: mmsghdr is numbers and pointers, for which all zero is a value. (It has private padding with some C
    // libraries, so it cannot be written field by field.)
    let mut headers: [libc::mmsghdr; SLOTS] = unsafe { mem::zeroed() };

    let mut wanted = 0;
    let parts = names.iter_mut().zip(&mut controls).zip(&mut vectors).zip(&mut headers);
    for ((((name, control), vector), header), octets) in parts.zip(memory).take(slots.len()) {
        vector.iov_base = octets.as_mut_ptr().cast();
        vector.iov_len = octets.len().min(MAX_DATAGRAM);
        header.msg_hdr.msg_name = ptr::from_mut(name).cast();
        header.msg_hdr.msg_namelen = size_u32::<libc::sockaddr_in6>();
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = ptr::from_mut(control).cast();
        header.msg_hdr.msg_controllen = mem::size_of::<Control>() as _;
        wanted += 1;
    }

    // SAFETY: `headers` has at least `wanted` elements (one was written for each), and every pointer in them leads to
    // memory of the given length that is borrowed mutably, exclusively and for longer than the call: names, controls
    // and vectors are locals, the octets come from distinct mutable slices that live for 'a.
    let received = unsafe {
        libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), wanted, libc::MSG_DONTWAIT as _, ptr::null_mut())
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;

    for (((slot, name), control), header) in
        slots.iter_mut().zip(&names).zip(&controls).zip(&headers).take(received)
    {
        let len = header.msg_len as usize;
        // Its type differs between C libraries.
        let controlled = header.msg_hdr.msg_controllen as _;
        *slot = Slot {
            source: source(name),
            len,
            segment: segment(control, controlled).unwrap_or(len),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        };
    }
    Ok(received)
}

const fn size_u32<T>() -> u32 {
    mem::size_of::<T>() as u32
}

/// The sender. An IPv4 socket writes a `sockaddr_in`: family and port are where IPv6 has them, the address is where
/// IPv6 has the flow information.
fn source(name: &libc::sockaddr_in6) -> SocketAddr {
    let port = u16::from_be(name.sin6_port);
    if i32::from(name.sin6_family) == libc::AF_INET {
        let address = Ipv4Addr::from(name.sin6_flowinfo.to_ne_bytes());
        return SocketAddr::V4(SocketAddrV4::new(address, port));
    }
    let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
    match address.to_ipv4_mapped() {
        Some(address) => SocketAddr::V4(SocketAddrV4::new(address, port)),
        None => SocketAddr::V6(SocketAddrV6::new(address, port, name.sin6_flowinfo, name.sin6_scope_id)),
    }
}

/// The length of the datagrams that the kernel joined, if it did. A control message consists of its length (a machine word),
/// level, type and content.
fn segment(control: &Control, len: usize) -> Option<usize> {
    const WORD: usize = mem::size_of::<usize>();
    let int = |at: usize| control.0.get(at..)?.first_chunk().map(|octets| i32::from_ne_bytes(*octets));
    if len < WORD + 12 || int(WORD) != Some(libc::SOL_UDP) || int(WORD + 4) != Some(libc::UDP_GRO) {
        return None;
    }
    usize::try_from(int(WORD + 8)?).ok().filter(|&segment| segment > 0)
}

/// Asks the kernel to join received datagrams of one sender and one length, if the network card's driver
/// delivers several at once. [`Batch::iter`](crate::Batch::iter) splits them again.
pub(super) fn join_datagrams(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, &1i32)
}

/// Lets `program` choose among the sockets that share the port.
pub(super) fn attach_program(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> = program
        .iter()
        .map(|i| libc::sock_filter { code: i.code, jt: i.if_true, jf: i.if_false, k: i.operand })
        .collect();
    let len = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel copies the program during the call and does not write to it.
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_CBPF, &program)
}

/// Sets an option whose value in C has the layout of `T`; callers are the functions above.
fn set_option<T>(socket: BorrowedFd<'_>, level: i32, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: the pointer leads to a T that outlives the call, and its size is given; the kernel only reads it, and
    // rejects a size that is not the option's. What a T points to itself (the program) outlives the call as well.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, ptr::from_ref(value).cast(), size_u32::<T>())
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that the kernel dropped because the socket's buffer was full, since the socket was opened. Wraps.
pub(super) fn drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // The option returns an array of numbers; the ninth, since Linux 4.12, is that of the drops.
    let mut figures = [0u32; 16];
    let mut len = size_u32::<[u32; 16]>();
    // SAFETY: `values` has room for `len` bytes, and both outlive the call; the kernel writes at most `len`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    match (done, figures) {
        (0, [_, _, _, _, _, _, _, _, drops, ..]) if len as usize >= 9 * mem::size_of::<u32>() => Ok(drops),
        (0, _) => Err(io::ErrorKind::Unsupported.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets a socket split what it sends into datagrams of `octets`.
#[cfg(test)]
pub(super) fn send_in_segments(socket: BorrowedFd<'_>, octets: i32) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, &octets)
}
