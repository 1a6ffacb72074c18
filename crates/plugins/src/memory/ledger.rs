//! Outcomes of queries, counted by the clients' threads and published by the plugin's.

use runtime::log::Summed;
use stats::{Counter, Tally};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// The outcome of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered.
    Answered,
    /// Too many clients.
    Crowded,
    /// More lines than are allowed.
    TooLong,
    /// It is invalid: not a request, a wrong password, impossible values.
    Invalid,
    /// It took too long.
    Late,
    /// Its version of the table took memory that newer ones needed.
    Old,
    /// The daemon ended.
    Ended,
    /// The client disconnected.
    Left,
}

/// The counter of each outcome, and its log line.
#[rustfmt::skip]
const OUTCOMES: &[(Outcome, Counter, Option<&str>)] = &[
    (Outcome::Answered, Counter::QueriesAnswered, None),
    (Outcome::Crowded, Counter::QueriesRefusedClients,
        Some("clients were refused: more at a time than imt_clients_max or imt_clients_user_max allow")),
    (Outcome::TooLong, Counter::QueriesRefusedLines,
        Some("queries were refused: they had more lines than imt_query_lines allows")),
    (Outcome::Invalid, Counter::QueriesRefusedRequest, None),
    (Outcome::Late, Counter::QueriesCutTime,
        Some("queries were cut off: they took longer than imt_query_timeout, or their clients did")),
    (Outcome::Old, Counter::QueriesCutMemory,
        Some("answers were cut off: their clients were slow, and older states of the table took as much as imt_memory")),
    (Outcome::Ended, Counter::QueriesCutShutdown, None),
    (Outcome::Left, Counter::QueriesCutClient, None),
];

/// Counts of outcomes.
#[derive(Default)]
pub(super) struct Ledger {
    counts: [AtomicU64; OUTCOMES.len()],
    /// The user who was last refused or cut off.
    user: AtomicU32,
}

impl Ledger {
    pub(super) fn count(&self, outcome: Outcome, user: u32) {
        for (count, (known, _, line)) in self.counts.iter().zip(OUTCOMES) {
            if *known == outcome {
                if line.is_some() {
                    self.user.store(user, Ordering::Relaxed);
                }
                count.fetch_add(1, Ordering::Release);
            }
        }
    }
}

/// Adds counts to the plugin's counters and to the log.
pub(super) struct Reporter {
    /// Counts that were not logged yet.
    sums: [Summed<u64>; OUTCOMES.len()],
}

impl Default for Reporter {
    fn default() -> Self {
        Self { sums: std::array::from_fn(|_| Summed::new(Duration::from_secs(10))) }
    }
}

impl Reporter {
    /// Counts, and logs within the rate limit; at the end of the plugin, logs all.
    pub(super) fn report(&mut self, ledger: &Ledger, tally: &mut Tally, is_end: bool) {
        for ((count, (_, counter, line)), sum) in ledger.counts.iter().zip(OUTCOMES).zip(&mut self.sums) {
            let count = count.swap(0, Ordering::Acquire);
            tally.add(*counter, count);
            let Some(line) = line else { continue };
            let due = if count > 0 { sum.add(count) } else { sum.due() };
            let due = if is_end { due.or_else(|| sum.rest()) } else { due };
            if let Some(count) = due {
                let last_uid = ledger.user.load(Ordering::Relaxed);
                tracing::warn!(count, last_uid, "{line}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_row_of_its_own() {
        let ledger = Ledger::default();
        for (number, (outcome, ..)) in OUTCOMES.iter().enumerate() {
            ledger.count(*outcome, 1000);
            let counts: Vec<u64> = ledger.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
            assert_eq!(counts.iter().sum::<u64>(), number as u64 + 1, "{outcome:?}");
            assert_eq!(counts[number], 1);
        }
    }
}
