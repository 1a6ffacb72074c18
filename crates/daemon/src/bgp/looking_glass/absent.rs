//! A build without the looking glass.

use config::keys::bgp::BGP_DAEMON_LG;
use config::{Config, Diagnostics};

/// The missing looking glass.
pub(in crate::bgp) enum LookingGlass {}

impl LookingGlass {
    /// A missing looking glass is reported as an error, and the daemon runs.
    pub(in crate::bgp) fn read(config: &Config, problems: &mut Diagnostics) -> Option<Self> {
        if let Some(origin) = config.core_origin(&BGP_DAEMON_LG).filter(|_| config.core(&BGP_DAEMON_LG)) {
            let what = "bgp_daemon_lg: this program was built without the looking glass (-V lists its features). Ignored.";
            problems.error(origin, what, None);
        }
        None
    }

    /// There is none to open.
    pub(in crate::bgp) fn open(&mut self) -> Result<(), String> {
        match *self {}
    }

    /// There is none to announce.
    pub(in crate::bgp) fn announce(&self) {
        match *self {}
    }
}
