//! Log lines about dropped aggregates: limited in rate, each with the sum since the previous line.

use delivery::Sum;
use runtime::log::Summed;
use std::time::Duration;
use tracing::error;

/// Aggregates that a plugin has dropped and not logged yet, by reason.
pub(crate) struct Losses {
    /// Minimum time between two lines of one reason.
    per: Duration,
    of: Vec<(&'static str, Summed<Sum>)>,
}

impl Losses {
    /// At most one line for each reason and `per`.
    pub(crate) fn new(per: Duration) -> Self {
        Self { per, of: Vec::new() }
    }

    /// Adds dropped aggregates; `why` is the reason, and `what` the last error, if there is one.
    pub(crate) fn add(&mut self, lost: Sum, why: &'static str, what: &str) {
        if lost.aggregates == 0 {
            return;
        }
        let known = self.of.iter_mut().find(|(known, _)| *known == why);
        let sum = match known {
            Some((_, summed)) => summed.add(lost),
            None => {
                let mut summed = Summed::new(self.per);
                let sum = summed.add(lost);
                self.of.push((why, summed));
                sum
            }
        };
        if let Some(sum) = sum {
            line(sum, why, what);
        }
    }

    /// Logs what was held back long enough. To be called regularly.
    pub(crate) fn due(&mut self) {
        for (why, summed) in &mut self.of {
            if let Some(sum) = summed.due() {
                line(sum, why, "");
            }
        }
    }
}

impl Drop for Losses {
    /// Logs the rest, however the plugin ends.
    fn drop(&mut self) {
        for (why, summed) in &mut self.of {
            if let Some(sum) = summed.rest() {
                line(sum, why, "");
            }
        }
    }
}

fn line(sum: Sum, why: &str, what: &str) {
    let Sum { aggregates, packets, bytes } = sum;
    let colon = if what.is_empty() { "" } else { ": " };
    error!(aggregates, packets, bytes, "{why}{colon}{what}");
}
