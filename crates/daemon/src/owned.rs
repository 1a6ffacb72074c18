//! Files that one daemon alone may write, because each of two would write them as if they were its own.
//!
//! Beside each there is a lock, `FILE.lock`, with the daemon's process id, for as long as the daemon runs. Spool folders have locks of
//! their own, and sockets, ports and netfilter's groups have one owner by nature.

use crate::settings::{Front, Settings, SflowSettings};
use runtime::pid::PidFile;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tracing::warn;

/// The keys that name such files, and where the locks are.
fn locks(front: &Front) -> Vec<(&'static str, PathBuf)> {
    // The lock of a name with variables is one for all files of that name.
    let beside = |path: &Path| PathBuf::from(format!("{}.lock", path.display()).replace('$', ""));
    match front {
        Front::NetFlow(front) => {
            let file = front.templates_file.iter();
            file.map(|file| ("nfacctd_templates_file", beside(&file.path))).collect()
        }
        Front::Sflow(SflowSettings { counters: Some(counters), .. }) => {
            counters.file.iter().map(|path| ("sfacctd_counter_file", beside(path))).collect()
        }
        Front::Sflow(_) | Front::Packets(_) => Vec::new(),
    }
}

/// Takes the locks. Where one cannot be made the file cannot either, which is reported when it is written.
///
/// # Errors
/// Another daemon has one, which is named.
pub(crate) fn take(settings: &Settings) -> Result<Vec<PidFile>, String> {
    let mut taken = Vec::new();
    for (key, path) in locks(&settings.front) {
        match PidFile::write(&path, &settings.files) {
            Ok(lock) => taken.push(lock),
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(format!("{key}: {error}")),
            Err(error) => warn!("{key}: cannot be locked against other daemons: {error}"),
        }
    }
    Ok(taken)
}
