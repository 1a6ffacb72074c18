//! The socket at which clients ask.

use super::Settings;
use runtime::privileges;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Connections that wait until they are accepted.
const BACKLOG: i32 = 128;

/// Opens the socket with the mode and group of the settings. Nobody reaches it before it has them.
pub(super) fn open(settings: &Settings) -> io::Result<UnixListener> {
    let path = &settings.path;
    if let Ok(found) = fs::symlink_metadata(path) {
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program answers there"));
        }
        if !found.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is there"));
        }
        fs::remove_file(path)?;
    }
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // The file of the socket gets its mode from the socket.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    give(path, settings)?;
    listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Gives the socket's file its group and mode. Through a descriptor, so that nothing that has taken its place meanwhile gets them.
fn give(path: &Path, settings: &Settings) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let file = fs::File::from(file);
    if !file.metadata()?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "another file has taken the socket's place"));
    }
    if let Some(name) = &settings.group {
        let group = privileges::gid(name).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("imt_path_group: no group '{name}'"))
        })?;
        let given = rustix::fs::chownat(&file, "", None, Some(Gid::from_raw(group)), AtFlags::EMPTY_PATH);
        given.map_err(|error| {
            io::Error::new(
                io::Error::from(error).kind(),
                format!("imt_path_group: cannot give it to '{name}': {error}"),
            )
        })?;
    }
    fs::set_permissions(format!("/proc/self/fd/{}", file.as_raw_fd()), Permissions::from_mode(settings.mode))
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
            let settings =
                Settings { path: path.clone(), mode, group: Some(group.to_string()), ..Settings::default() };
            let _listener = open(&settings).unwrap();
            let found = fs::metadata(&path).unwrap();
            assert_eq!((found.mode() & 0o777, found.gid()), (mode, group));
            assert!(UnixStream::connect(&path).is_ok());
        }
        let settings = Settings { path, group: Some("no such group".to_owned()), ..Settings::default() };
        assert!(open(&settings).unwrap_err().to_string().contains("no group 'no such group'"));
    }
}
