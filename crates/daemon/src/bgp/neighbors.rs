//! `bgp_neighbors_file`: the addresses of the peers whose sessions are established, one per line.

use runtime::files::{self, Aside};
use runtime::log::Limited;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tracing::warn;

/// Minimum time between two log lines about a file that cannot be written.
const RATE: Duration = Duration::from_secs(60);

/// The file.
pub(super) struct NeighborsFile {
    path: PathBuf,
    settings: files::Settings,
    failing: Limited,
}

impl NeighborsFile {
    pub(super) fn new(path: PathBuf, settings: files::Settings) -> Self {
        Self { path, settings, failing: Limited::new(RATE) }
    }

    /// Replaces the file. Readers see the old list or the new one, never a part.
    pub(super) fn write(&self, peers: impl IntoIterator<Item = IpAddr>) {
        if let Err(error) = self.try_write(peers)
            && let Some(pass) = self.failing.pass()
        {
            warn!(held_back = pass.held_back, "bgp_neighbors_file: {}: {error}", self.path.display());
        }
    }

    fn try_write(&self, peers: impl IntoIterator<Item = IpAddr>) -> io::Result<()> {
        let mut file = Aside::create(&self.path, &self.settings)?;
        for peer in peers {
            writeln!(file, "{peer}")?;
        }
        file.commit()
    }
}
