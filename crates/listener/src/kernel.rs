//! The socket options that set keys. Their values are structures of linux/tcp.h, written here octet by octet.
//!
//! `struct tcp_md5sig` (216 bytes): address of the peer as `sockaddr_storage`, flags, prefix length, length of the key, an
//! interface, and 80 bytes for the key. A length of 0 deletes.
//!
//! `struct tcp_ao_add` (288 bytes): address, name of the algorithm in 64 bytes, interface, flags, prefix length, the two
//! key ids, length of the MAC, flags, length of the key, and 80 bytes for it. `struct tcp_ao_del` (144 bytes): address,
//! interface, flags, prefix length, the two key ids, and which keys become current, which a listening socket has not.

use crate::keys::{Algorithm, MAX_KEY};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use wire::Prefix;

/// `TCP_AO_ADD_KEY` and `TCP_AO_DEL_KEY`, since Linux 6.7.
const TCP_AO_ADD_KEY: libc::c_int = 38;
const TCP_AO_DEL_KEY: libc::c_int = 39;

/// `TCP_MD5SIG_FLAG_PREFIX`.
const FLAG_PREFIX: u8 = 1;

/// Bytes of `sockaddr_storage`.
const ADDRESS: usize = 128;

/// The address of a peer as `sockaddr_storage`, and its prefix length; for an IPv6 socket IPv4 addresses are mapped, with
/// the length of IPv4.
fn address(peer: Prefix, ipv6_socket: bool) -> ([u8; ADDRESS], u8) {
    let mut octets = Vec::with_capacity(ADDRESS);
    let family = |family: libc::c_int| libc::sa_family_t::try_from(family).unwrap_or_default().to_ne_bytes();
    match peer.address() {
        IpAddr::V4(address) if !ipv6_socket => {
            // Family, port, address.
            octets.extend_from_slice(&family(libc::AF_INET));
            octets.extend_from_slice(&[0; 2]);
            octets.extend_from_slice(&address.octets());
        }
        address => {
            let address = match address {
                IpAddr::V4(address) => Ipv4Addr::to_ipv6_mapped(&address),
                IpAddr::V6(address) => address,
            };
            // Family, port, flow information, address.
            octets.extend_from_slice(&family(libc::AF_INET6));
            octets.extend_from_slice(&[0; 6]);
            octets.extend_from_slice(&address.octets());
        }
    }
    (padded(&octets), peer.length())
}

/// `octets`, and zeros after them.
fn padded<const N: usize>(octets: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    out
}

fn md5_option(peer: Prefix, ipv6_socket: bool, key: &[u8]) -> Vec<u8> {
    let (address, len) = address(peer, ipv6_socket);
    let key_len = u16::try_from(key.len().min(MAX_KEY)).unwrap_or_default();
    let mut option = address.to_vec();
    option.extend_from_slice(&[FLAG_PREFIX, len]);
    option.extend_from_slice(&key_len.to_ne_bytes());
    option.extend_from_slice(&[0; 4]);
    option.extend_from_slice(&padded::<MAX_KEY>(key));
    option
}

/// The ids of a TCP-AO key.
#[derive(Clone, Copy)]
pub(crate) struct Ids {
    pub(crate) send: u8,
    pub(crate) receive: u8,
}

fn ao_add_option(peer: Prefix, ipv6_socket: bool, ids: Ids, algorithm: Algorithm, key: &[u8]) -> Vec<u8> {
    let (address, len) = address(peer, ipv6_socket);
    let key_len = u8::try_from(key.len().min(MAX_KEY)).unwrap_or_default();
    let mut option = address.to_vec();
    option.extend_from_slice(&padded::<64>(algorithm.kernel_name().as_bytes()));
    // Interface, flags, padding.
    option.extend_from_slice(&[0; 10]);
    option.extend_from_slice(&[len, ids.send, ids.receive, algorithm.mac_len(), 0, key_len]);
    option.extend_from_slice(&padded::<MAX_KEY>(key));
    option
}

fn ao_delete_option(peer: Prefix, ipv6_socket: bool, ids: Ids) -> Vec<u8> {
    let (address, len) = address(peer, ipv6_socket);
    let mut option = address.to_vec();
    option.extend_from_slice(&[0; 10]);
    option.extend_from_slice(&[len, ids.send, ids.receive, 0, 0, 0]);
    option
}

/// Adds or replaces the TCP-MD5 key of a peer; an empty one deletes it.
pub(crate) fn set_md5(socket: BorrowedFd<'_>, peer: Prefix, ipv6_socket: bool, key: &[u8]) -> io::Result<()> {
    set(socket, libc::TCP_MD5SIG_EXT, &md5_option(peer, ipv6_socket, key))
}

/// Adds a TCP-AO key.
pub(crate) fn add_ao(
    socket: BorrowedFd<'_>,
    peer: Prefix,
    ipv6_socket: bool,
    ids: Ids,
    algorithm: Algorithm,
    key: &[u8],
) -> io::Result<()> {
    set(socket, TCP_AO_ADD_KEY, &ao_add_option(peer, ipv6_socket, ids, algorithm, key))
}

/// Deletes a TCP-AO key.
pub(crate) fn delete_ao(socket: BorrowedFd<'_>, peer: Prefix, ipv6_socket: bool, ids: Ids) -> io::Result<()> {
    set(socket, TCP_AO_DEL_KEY, &ao_delete_option(peer, ipv6_socket, ids))
}

fn set(socket: BorrowedFd<'_>, option: libc::c_int, value: &[u8]) -> io::Result<()> {
    let len = libc::socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // Neither rustix nor socket2 has these options or a generic setsockopt.
    // SAFETY: the pointer leads to `len` initialized bytes that are borrowed for longer than the call. The kernel only reads
    // them, needs no alignment since it copies them, and rejects a length that is not the option's.
    let done =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, value.as_ptr().cast(), len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    /// Sizes and offsets are those of linux/tcp.h on any architecture: all fields are aligned without padding.
    #[test]
    fn structures_have_the_layout_of_the_kernel() {
        let md5 = md5_option(prefix("192.0.2.0/24"), false, b"secret");
        assert_eq!(md5.len(), 216);
        assert_eq!(md5[..2], 2u16.to_ne_bytes());
        assert_eq!(md5[4..8], [192, 0, 2, 0]);
        assert_eq!(
            (md5[128], md5[129], &md5[130..132], &md5[136..142]),
            (1, 24, &6u16.to_ne_bytes()[..], &b"secret"[..])
        );
        let ids = Ids { send: 5, receive: 7 };
        let ao = ao_add_option(prefix("2001:db8::/32"), true, ids, Algorithm::HmacSha1, b"secret");
        assert_eq!(ao.len(), 288);
        assert_eq!(ao[..2], 10u16.to_ne_bytes());
        assert_eq!(ao[8..12], [0x20, 1, 0xd, 0xb8]);
        assert_eq!(&ao[128..140], b"hmac(sha1)\0\0");
        assert_eq!(
            (&ao[192..202], &ao[202..208], &ao[208..214]),
            (&[0; 10][..], &[32, 5, 7, 12, 0, 6][..], &b"secret"[..])
        );
        let delete = ao_delete_option(prefix("2001:db8::/32"), true, ids);
        assert_eq!((delete.len(), &delete[138..144]), (144, &[32, 5, 7, 0, 0, 0][..]));
    }

    #[test]
    fn ipv4_is_mapped_on_an_ipv6_socket_with_its_own_length() {
        let (octets, len) = address(prefix("192.0.2.1/32"), true);
        assert_eq!(octets[8..24], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1]);
        assert_eq!(len, 32);
    }
}
