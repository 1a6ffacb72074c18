//! Maps that are only checked: nothing uses them yet, but errors in them are reported.

use crate::key::{Key, others};
use crate::load::{self, Context, Entry};
use crate::value::ValueError;
use config::problem::{Diagnostics, Origin};

/// A map that is only checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// tee_receivers.
    Tee,
}

impl Checked {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Tee];

    /// The keys of the map.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Tee => others::TEE,
        }
    }

    /// Keys that each rule must have; `ip` means the exporter.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Tee => &["id"],
        }
    }

    /// Checks a map and reports its errors. Returns the number of valid rules.
    pub fn check(self, origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> usize {
        let rules = load::load(self.keys(), context, origin, text, problems, |entry, problems| {
            self.entry(&entry, problems)
        });
        rules.len()
    }

    fn entry(self, entry: &Entry, problems: &mut Diagnostics) -> Option<()> {
        let is_there = |name: &&str| entry.setting(name).is_some();
        if !self.required().iter().all(is_there) {
            let names: Vec<String> = self.required().iter().map(|name| format!("'{name}'")).collect();
            return entry
                .reject(format!("required key missing. Required keys are: {}.", names.join(", ")), problems);
        }
        let targets = ["ip", "kafka_broker", "zmq_address"];
        if targets.iter().filter(|name| entry.setting(name).is_some()).count() != 1 {
            return entry.reject("'ip' or 'kafka_broker' or 'zmq_address' must be specified.", problems);
        }
        for setting in &entry.settings {
            let value = setting.value.as_str();
            let good = match (self, setting.key.name) {
                (Self::Tee, "ip") => value.split(',').all(|receiver| {
                    receiver.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
                }),
                (Self::Tee, "id" | "src_port") => {
                    setting.decimal(problems)?;
                    true
                }
                _ => true,
            };
            if !good {
                return setting.reject(ValueError::value(setting.key, value), problems);
            }
        }
        Some(())
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
        let text = "id=1 ip=192.0.2.1:2100,[::1]:99 balance-alg=rr\nid=2 ip=192.0.2.1\nid=0 ip=10.0.0.1:1\nid=3\nid=4 ip=a:1 zmq_address=b";
        assert_eq!(good(Checked::Tee, Daemon::Nfacctd, text), (1, 4));
    }
}
