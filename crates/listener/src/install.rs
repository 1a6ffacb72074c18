//! Keys on sockets: those of a listening socket follow the file.
//!
//! Connections keep the keys with which they were accepted. Changed and deleted keys count for new ones.

use crate::kernel::{self, Ids};
use crate::keys::{Key, Keys, Secret};
use socket2::{Domain, SockRef};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use wire::{Family, Prefix};

/// The keys that a socket has.
#[derive(Debug, Default)]
pub struct InstalledKeys {
    list: Vec<Key>,
}

/// The kernel did not take a key, or did not delete it.
#[derive(Debug)]
pub struct InstallError {
    /// The line of the key, from 1.
    pub line: u32,
    /// The peer.
    pub peer: Prefix,
    /// TCP-AO; otherwise TCP-MD5.
    pub is_ao: bool,
    /// The peer still has the key that it had before the reload.
    pub kept_old: bool,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_ao { "TCP-AO" } else { "TCP-MD5" };
        write!(f, "{kind} key of {}: ", self.peer)?;
        match (self.error.raw_os_error(), self.is_ao) {
            (Some(libc::ENOPROTOOPT), true) => {
                f.write_str("the kernel has no TCP-AO; it needs Linux 6.7 or later with CONFIG_TCP_AO")?;
            }
            (Some(libc::ENOPROTOOPT), false) => {
                f.write_str("the kernel has no TCP-MD5; it needs CONFIG_TCP_MD5SIG")?
            }
            (Some(libc::EKEYREJECTED), _) => {
                f.write_str("a prefix that contains the peer has a key of the other kind")?
            }
            (Some(libc::ENOMEM | libc::ENOBUFS), _) => {
                f.write_str("too many keys; raise net.core.optmem_max, or use prefixes")?;
            }
            (Some(libc::EAFNOSUPPORT), _) => f.write_str("the socket listens on an IPv4 address alone")?,
            (Some(libc::ENOENT), true) => f.write_str("the kernel lacks the algorithm")?,
            _ => self.error.fmt(f)?,
        }
        if self.kept_old { f.write_str("; the old key stays") } else { Ok(()) }
    }
}

impl std::error::Error for InstallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl InstalledKeys {
    /// No keys yet, as on a new socket.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a listening socket the keys of a file, which replace those that it has. Keys that did not change are not touched.
    ///
    /// Each error is that of one key; all others are set. The socket must be the same in each call.
    pub fn replace(&mut self, socket: impl AsFd, keys: &Keys) -> Vec<InstallError> {
        let socket = socket.as_fd();
        let is_installed: HashSet<_> = self.list.iter().map(|key| (key.identity(), secret(key))).collect();
        let mut missing: Vec<&Key> =
            keys.iter().filter(|key| !is_installed.contains(&(key.identity(), secret(key)))).collect();

        // First what can be added beside the old keys, so that no peer is without a key meanwhile.
        let mut added = Vec::new();
        missing.retain(|key| {
            let failed = install(socket, key).is_err();
            if !failed {
                added.push((*key).clone());
            }
            failed
        });

        let wanted: HashMap<_, _> = keys.iter().map(|key| (key.identity(), key)).collect();
        let (mut kept, mut removed, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for old in self.list.drain(..) {
            match wanted.get(&old.identity()) {
                Some(new) if new.secret == old.secret => kept.push(Key { line: new.line, ..old }),
                // A new TCP-MD5 key has replaced it.
                Some(Key { secret: Secret::Md5(_), line, .. }) if !missing.iter().any(|key| key.line == *line) => {
                }
                _ => match remove(socket, &old) {
                    Ok(()) => removed.push(old),
                    Err(error) => {
                        errors.push(InstallError::new(&old, true, error));
                        kept.push(old);
                    }
                },
            }
        }

        for key in missing {
            let Err(error) = install(socket, key) else {
                added.push(key.clone());
                continue;
            };
            // Rather the old key than none.
            let old = removed.iter().position(|old: &Key| old.peer == key.peer && install(socket, old).is_ok());
            errors.push(InstallError::new(key, old.is_some(), error));
            kept.extend(old.map(|old| removed.swap_remove(old)));
        }
        kept.append(&mut added);
        self.list = kept;
        errors
    }

    /// How many keys the socket has.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True if the socket has no key.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl InstallError {
    fn new(key: &Key, kept_old: bool, error: io::Error) -> Self {
        let is_ao = matches!(key.secret, Secret::Ao { .. });
        Self { line: key.line, peer: key.peer, is_ao, kept_old, error }
    }
}

/// The secret's octets and algorithm, to find keys that did not change.
fn secret(key: &Key) -> (&[u8], Option<&'static str>) {
    match &key.secret {
        Secret::Md5(octets) => (octets, None),
        Secret::Ao { algorithm, key, .. } => (key, Some(algorithm.name())),
    }
}

/// Gives a socket that will connect to `peer` the key for it.
pub fn sign(socket: impl AsFd, peer: IpAddr, secret: &Secret) -> io::Result<()> {
    install(socket.as_fd(), &Key { peer: Prefix::host(peer).to_canonical(), secret: secret.clone(), line: 0 })
}

/// Whether IPv4 peers have mapped addresses on the socket; an error if it cannot have such peers.
fn maps_ipv4(socket: BorrowedFd<'_>, peer: Prefix) -> io::Result<bool> {
    let is_ipv6 = SockRef::from(&socket).domain()? == Domain::IPV6;
    if peer.family() == Family::V6 && !is_ipv6 {
        return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    }
    Ok(is_ipv6)
}

fn install(socket: BorrowedFd<'_>, key: &Key) -> io::Result<()> {
    let mapped = maps_ipv4(socket, key.peer)?;
    match &key.secret {
        Secret::Md5(octets) => kernel::set_md5(socket, key.peer, mapped, octets),
        Secret::Ao { send_id, receive_id, algorithm, key: octets } => {
            let ids = Ids { send: *send_id, receive: *receive_id };
            kernel::add_ao(socket, key.peer, mapped, ids, *algorithm, octets)
        }
    }
}

fn remove(socket: BorrowedFd<'_>, key: &Key) -> io::Result<()> {
    let mapped = maps_ipv4(socket, key.peer)?;
    match key.secret {
        Secret::Md5(_) => kernel::set_md5(socket, key.peer, mapped, &[]),
        Secret::Ao { send_id, receive_id, .. } => {
            kernel::delete_ao(socket, key.peer, mapped, Ids { send: send_id, receive: receive_id })
        }
    }
}

#[cfg(test)]
mod tests;
