//! Files that one daemon alone may write, because each of two would write them as if they were its own.
//!
//! Beside each there is a lock, `FILE.lock`, with the daemon's process id, for as long as the daemon runs. Spool folders have locks of
//! their own, and sockets, ports and netfilter's groups have one owner by nature.

use runtime::files;
use runtime::pid::PidFile;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tracing::warn;

/// Takes the locks of files, each with its key. Where one cannot be made the file cannot either, which is reported when it is written.
///
/// # Errors
/// Another daemon has one, which is named.
pub(super) fn take(owned: &[(&'static str, PathBuf)], settings: &files::Settings) -> Result<Vec<PidFile>, String> {
    // The lock of a name with variables is one for all files of that name.
    let beside = |path: &Path| PathBuf::from(format!("{}.lock", path.display()).replace('$', ""));
    let mut taken = Vec::new();
    for (key, path) in owned {
        match PidFile::write(&beside(path), settings) {
            Ok(lock) => taken.push(lock),
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(format!("{key}: {error}")),
            Err(error) => warn!("{key}: cannot be locked against other daemons: {error}"),
        }
    }
    Ok(taken)
}
