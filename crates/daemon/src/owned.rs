//! Files that one daemon alone may write, because each of two would write them as if they were its own.
//!
//! Beside each there is a lock, `FILE.lock`, with the daemon's process id, for as long as the daemon runs. Spool folders have locks of
//! their own, and sockets, ports and netfilter's groups have one owner by nature.

use crate::settings::{Front, Settings, SflowSettings};
use runtime::pid::PidFile;
use std::path::{Path, PathBuf};

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
            counters.path.iter().map(|path| ("sfacctd_counter_file", beside(path))).collect()
        }
        Front::Sflow(_) | Front::Packets(_) => Vec::new(),
    }
}

/// Takes the locks.
///
/// # Errors
/// Another daemon has one, which is named, or a lock cannot be made.
pub(crate) fn take(settings: &Settings) -> Result<Vec<PidFile>, String> {
    let take = |(key, path): (&str, PathBuf)| {
        PidFile::write(&path, &settings.files).map_err(|error| format!("{key}: {error}"))
    };
    locks(&settings.front).into_iter().map(take).collect()
}
