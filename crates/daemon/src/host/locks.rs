//! Files with a single writer: two daemons would overwrite each other's.
//!
//! Each has a lock, `FILE.lock`, with the daemon's process id, while the daemon runs. Spool folders have locks of
//! their own, and sockets, ports and netfilter's groups have one owner by nature.

use runtime::files;
use runtime::pid::PidFile;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tracing::warn;

/// Takes the locks of files, each with its key. If a lock cannot be created, neither can the file, which is reported when it is written.
///
/// # Errors
/// Another daemon holds a lock; the message names it.
pub(super) fn take(owned: &[(&'static str, PathBuf)], settings: &files::Settings) -> Result<Vec<PidFile>, String> {
    // A name with variables has one lock for all of its files.
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
