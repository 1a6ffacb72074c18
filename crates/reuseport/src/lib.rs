//! Several processes on one port, with an eBPF program that selects among their sockets.
//!
//! Sockets with `SO_REUSEPORT` that are bound to the same address and port are a *group*, whichever processes they belong to.
//! The kernel selects one of them for each datagram and each new connection: by a hash of both addresses and ports, or by a
//! program of type `BPF_PROG_TYPE_SK_REUSEPORT` that one of the processes attached to the group.
//!
//! The program is the operator's. Its object file has
//!
//! | symbol | what it is |
//! |---|---|
//! | `_selector` | the program, in section `sk_reuseport` |
//! | `udp_balancing_targets`, `tcp_balancing_targets` | maps of type `BPF_MAP_TYPE_REUSEPORT_SOCKARRAY`, from which the program selects; keys of 4 bytes, values of 4 or 8 |
//! | `nonce` | an array, whose first value becomes [`NONCE`]: the same for all processes, so that their hashes agree; optional |
//!
//! The maps are pinned in a folder of a BPF file system ([`Group::folder`]): the first process creates them, and the others
//! find them there. [`join`] puts sockets into the map at consecutive *places* and then attaches the program. The kernel
//! removes a socket from the map when it is closed, so nothing has to be undone when a process ends, however it ends.

#[cfg(feature = "ebpf")]
#[expect(unsafe_code, reason = "the system call bpf, and the socket option that attaches a program")]
mod kernel;
#[cfg(not(feature = "ebpf"))]
#[path = "absent.rs"]
mod load;
#[cfg(feature = "ebpf")]
mod load;
#[cfg(feature = "ebpf")]
mod object_file;

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// The name of the program.
pub const PROGRAM: &str = "_selector";
/// Where the BPF file system is mounted.
pub const BPFFS: &str = "/sys/fs/bpf";
/// The folder of all clusters; below it is one for each cluster, and in that one for each kind of sockets.
pub const FOLDER: &str = "/sys/fs/bpf/pmacct";
/// The first value of the map `nonce`.
pub const NONCE: u32 = 12345;
/// False if the feature `ebpf` is not built in; then [`join`] fails.
pub const IS_BUILT_IN: bool = cfg!(feature = "ebpf");

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A listening socket of TCP.
    Tcp,
    /// A bound socket of UDP.
    Udp,
}

impl Transport {
    /// The map of its sockets.
    #[must_use]
    pub const fn map(self) -> &'static str {
        match self {
            Self::Tcp => "tcp_balancing_targets",
            Self::Udp => "udp_balancing_targets",
        }
    }
}

/// A group of sockets of several processes, and the places of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The object file of the program.
    pub program: PathBuf,
    /// The folder of the maps: [`FOLDER`], the cluster, and the kind of sockets.
    pub folder: PathBuf,
    /// The key of the first socket in the map.
    pub place: u32,
}

impl Group {
    /// The folder for a cluster and a kind of sockets.
    #[must_use]
    pub fn folder(cluster: &str, kind: &str) -> PathBuf {
        Path::new(FOLDER).join(cluster).join(kind)
    }

    /// Whether the name of a cluster can be that of a folder. A BPF file system reserves names with dots.
    #[must_use]
    pub fn is_name(cluster: &str) -> bool {
        (1..=255).contains(&cluster.len()) && !cluster.contains(['/', '.', '\0'])
    }
}

/// Checks that a file can be read and has what it needs for sockets of this transport. The kernel is not asked.
///
/// # Errors
/// See [`Error`].
pub fn check(program: &Path, transport: Transport) -> Result<(), Error> {
    load::check(program, transport)
}

/// Puts sockets into the map of their transport, one place after the other, and attaches the program to their group.
///
/// The sockets must be bound with `SO_REUSEPORT`, those of TCP must listen, and all belong to one group.
///
/// # Errors
/// See [`Error`]. Sockets that are in the map already are then removed when they are closed.
pub fn join(group: &Group, transport: Transport, sockets: &[BorrowedFd<'_>]) -> Result<(), Error> {
    load::join(group, transport, sockets)
}

/// The program does not select among the sockets.
#[derive(Debug)]
pub enum Error {
    /// The feature `ebpf` is not built in.
    Absent,
    /// The object file cannot be read.
    File(io::Error),
    /// No BPF file system is mounted at [`BPFFS`].
    NoBpffs,
    /// The folder of the maps cannot be created.
    Folder(PathBuf, io::Error),
    /// Another user can change the maps.
    ForeignFolder(PathBuf),
    /// The file is not an object file of eBPF programs, or one that cannot be loaded.
    Object(String),
    /// It has no such map.
    NoMap(&'static str),
    /// The map has another type, or keys or values of another size.
    WrongMap(&'static str),
    /// Another object file, whose map was different, created the map.
    DifferentMap(PathBuf),
    /// It has no program [`PROGRAM`] in section `sk_reuseport`.
    NoProgram,
    /// Privileges are missing.
    Denied,
    /// The kernel does not accept the program; the end of its reasons.
    Rejected(String),
    /// The socket of another process is at this place.
    Taken(u32),
    /// The map has fewer places.
    Beyond {
        /// The place.
        place: u32,
        /// The number of places.
        places: u32,
    },
    /// Another system call failed.
    System(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("this program was built without eBPF"),
            Self::File(error) => write!(f, "cannot read it: {error}"),
            Self::NoBpffs => write!(
                f,
                "no BPF file system is mounted at {BPFFS}, which the maps need: mount -t bpf bpf {BPFFS}"
            ),
            Self::Folder(path, error) => write!(f, "cannot create {}: {error}", path.display()),
            Self::ForeignFolder(path) => {
                write!(f, "{} can be changed by another user; remove it or change its owner", path.display())
            }
            Self::Object(what) => write!(f, "not an object file of eBPF programs that can be loaded: {what}"),
            Self::NoMap(map) => write!(f, "it has no map '{map}'"),
            Self::WrongMap(map) => write!(
                f,
                "its map '{map}' must be a {} with keys of 4 bytes and values of 4 or 8",
                if *map == "nonce" { "BPF_MAP_TYPE_ARRAY" } else { "BPF_MAP_TYPE_REUSEPORT_SOCKARRAY" }
            ),
            Self::DifferentMap(path) => write!(
                f,
                "{} was created for a program with a different map: stop all daemons of the cluster, remove it, and \
                 start them again",
                path.display()
            ),
            Self::NoProgram => write!(f, "it has no program '{PROGRAM}' in section 'sk_reuseport'"),
            Self::Denied => f.write_str(
                "privileges are missing: CAP_BPF and CAP_NET_ADMIN, or root; and memory for maps, before Linux 5.11 \
                 (RLIMIT_MEMLOCK)",
            ),
            Self::Rejected(why) => write!(f, "the kernel rejects the program: {why}"),
            Self::Taken(place) => write!(f, "another daemon of the cluster has place {place}"),
            Self::Beyond { place, places } => write!(
                f,
                "place {place} is too high, as the map of the program has only {places} (max_entries): the first is 0"
            ),
            Self::System(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) | Self::Folder(_, error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_clusters_are_names_of_folders() {
        assert!(Group::is_name("core-1"));
        assert!(["", "a/b", "..", "a.b", "a\0"].iter().all(|name| !Group::is_name(name)));
        assert!(!Group::is_name(&"a".repeat(256)));
        assert_eq!(Group::folder("core", "bgp"), Path::new("/sys/fs/bpf/pmacct/core/bgp"));
    }
}
