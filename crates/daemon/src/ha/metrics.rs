//! The figures of high availability as metrics.

use super::{Queues, state_name};
use ::ha::{Shared, State};
use ::metrics::{Family, HA, Sample, Source};
use std::sync::Arc;

/// Reads the figures for the metrics endpoint.
pub(super) struct Metrics {
    pub(super) shared: Arc<Shared>,
    pub(super) queues: Arc<Queues>,
}

impl Source for Metrics {
    fn families(&self) -> &'static [Family<'static>] {
        &HA
    }

    fn samples(&self, family: usize, sample: &mut Sample<'_>) {
        let is_in_group = self.shared.is_in_group();
        match family {
            0 => sample(&[], u64::from(self.shared.is_connected())),
            1 => sample(&[], self.shared.failures()),
            2 if is_in_group => sample(&[], u64::from(self.shared.state() == Some(State::Active))),
            3 if is_in_group => sample(&[], self.shared.changes()),
            4..=7 => {
                for (log, figures) in self.queues.all() {
                    let log = ("log", log);
                    match family {
                        4 => sample(&[log], figures.events()),
                        5 => sample(&[log], figures.bytes()),
                        6 => sample(&[log], figures.released()),
                        _ => {
                            figures.dropped().for_each(|(reason, count)| sample(&[log, ("reason", reason)], count))
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn remarks(&self, remarks: &mut Vec<String>) {
        if self.shared.is_in_group() {
            let forced = if self.shared.is_forced() { " (forced)" } else { "" };
            remarks.push(format!("ha: {}{forced}", self.shared.state().map_or("undecided", state_name)));
        }
        let answers = if self.shared.is_connected() { "connected" } else { "not reachable" };
        remarks.push(format!("redis: {answers}"));
    }
}
