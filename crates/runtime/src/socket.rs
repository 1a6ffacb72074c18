//! Unix sockets on which a daemon listens.

use crate::files;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, fchmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen as accept_from, socket_with,
};
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Maximum number of connections waiting to be accepted.
const BACKLOG: i32 = 128;

/// Listens on a socket with that mode and group, which are set before a client can connect. A socket without a listening process is
/// replaced. The path should be one that [`files::resolve`] returned.
///
/// # Errors
/// Another program is listening on the socket, or it cannot be created.
pub fn listen(path: &Path, mode: u32, group: Option<u32>) -> io::Result<UnixListener> {
    if let Ok(found) = fs::symlink_metadata(path) {
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program is listening there"));
        }
        if !found.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket exists there"));
        }
        fs::remove_file(path)?;
    }
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // The file of the socket gets its mode from the socket.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    if let Some(group) = group {
        give(path, group).map_err(|error| {
            io::Error::new(error.kind(), format!("it cannot be given to group {group}: {error}"))
        })?;
    }
    files::set_socket_mode(path, mode)?;
    accept_from(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Gives the socket its group: the file that has the name, if that is still a socket.
fn give(path: &Path, group: u32) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let file = fs::File::from(file);
    if !file.metadata()?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the socket was replaced by another file"));
    }
    Ok(rustix::fs::chownat(&file, "", None, Some(Gid::from_raw(group)), AtFlags::EMPTY_PATH)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_socket_has_its_mode_and_group_whatever_the_mask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let group = fs::metadata(folder.path()).unwrap().gid();
        for mode in [0o777, 0o660, 0o600] {
            let _listener = listen(&path, mode, Some(group)).unwrap();
            let found = fs::metadata(&path).unwrap();
            assert_eq!((found.mode() & 0o777, found.gid()), (mode, group));
            assert!(UnixStream::connect(&path).is_ok());
        }
    }

    #[test]
    fn what_is_in_use_or_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, file) = (folder.path().join("s"), folder.path().join("f"));
        let _listener = listen(&socket, 0o600, None).unwrap();
        assert_eq!(listen(&socket, 0o600, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        fs::write(&file, "x").unwrap();
        assert_eq!(listen(&file, 0o600, None).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), "x");
    }
}
