//! A build without the endpoint.

use crate::Daemon;
use crate::settings::Settings as Whole;
use crate::statistics::PluginCounters;
use crate::worker::Report;
use config::keys::http::HTTP_LISTEN;
use config::{Config, Problems};
use runtime::files;
use runtime::threads::Threads;
use stats::Reader;

/// Nobody has any.
#[derive(Clone, Debug)]
pub(crate) enum Settings {}

/// Reads the keys: that the endpoint is missing is an error, and the daemon runs.
pub(crate) fn read(config: &Config, _files: files::Settings, problems: &mut Problems) -> Option<Settings> {
    if let Some(origin) = config.core_origin(&HTTP_LISTEN) {
        let what = "http_listen: the endpoint was not built into this program; -V lists what was. Ignored.";
        problems.error(origin, what, None);
    }
    None
}

/// The endpoint that is not there.
pub(crate) struct Http;

#[expect(clippy::unused_self, reason = "as of the endpoint that is there")]
impl Http {
    pub(crate) fn bind(_daemon: &Daemon, _settings: Option<&Settings>) -> Result<Self, String> {
        Ok(Self)
    }

    pub(crate) fn start(
        &mut self,
        _threads: &Threads,
        _settings: &Whole,
        _workers: &[Reader],
        _plugins: &[PluginCounters],
    ) -> std::io::Result<()> {
        Ok(())
    }

    pub(crate) fn running(&self) {}

    pub(crate) fn tick(&self) -> bool {
        false
    }

    pub(crate) fn reported(&self, _reports: &[Report]) {}

    pub(crate) fn ending(&self) {}

    pub(crate) fn stop(&mut self) {}
}
