//! Maps that are only checked: nothing uses them yet, but errors in them are reported.

use crate::key::{Key, others};
use crate::load::{self, Context};
use config::problem::{Diagnostics, Origin};

/// A map that is only checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// telemetry_daemon_tag_map.
    TelemetryTag,
}

impl Checked {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::TelemetryTag];

    /// The keys of the map.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::TelemetryTag => others::TELEMETRY_TAG,
        }
    }

    /// Checks a map and reports its errors. Returns the number of valid rules.
    pub fn check(self, origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> usize {
        // The loader has reported unknown keys and malformed lines.
        load::load(self.keys(), context, origin, text, problems, |_, _| Some(())).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;

    fn good(map: Checked, daemon: Daemon, text: &str) -> (usize, usize) {
        let mut problems = Diagnostics::new();
        let good = map.check(&Origin::whole("m"), text.as_bytes(), &Context::new(daemon), &mut problems);
        (good, problems.iter().count())
    }

    #[test]
    fn counts_valid_rules_and_reports_invalid_ones() {
        assert_eq!(
            good(Checked::TelemetryTag, Daemon::Pmtelemetryd, "set_tag=1 ip=192.0.2.1\nset_tag=1 foo=1"),
            (1, 1)
        );
    }
}
