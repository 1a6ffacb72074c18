//! What became of queries, counted by the threads of clients and published by the plugin's.

use runtime::log::Limited;
use stats::{Counter, Tally};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered.
    Answered,
    /// Too many clients.
    Crowded,
    /// More lines than are allowed.
    TooLong,
    /// It cannot be answered: no request, a wrong password, values that cannot be.
    Wrong,
    /// It took too long.
    Late,
    /// Its version of the table took memory that newer ones needed.
    Old,
    /// The daemon ended.
    Ended,
    /// The client broke off.
    Left,
}

/// The counter of each outcome, and the line that the log has for it.
#[rustfmt::skip]
const OUTCOMES: &[(Outcome, Counter, Option<&str>)] = &[
    (Outcome::Answered, Counter::QueriesAnswered, None),
    (Outcome::Crowded, Counter::QueriesRefusedClients,
        Some("clients were refused: more at a time than imt_clients_max or imt_clients_user_max allow")),
    (Outcome::TooLong, Counter::QueriesRefusedLines,
        Some("queries were refused: they had more lines than imt_query_lines allows")),
    (Outcome::Wrong, Counter::QueriesRefusedRequest, None),
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
    /// The user who was refused or cut last.
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

/// Brings counts into the plugin's counters and into the log.
pub(super) struct Reporter {
    /// Not logged yet.
    unsaid: [u64; OUTCOMES.len()],
    limits: [Limited; OUTCOMES.len()],
}

impl Default for Reporter {
    fn default() -> Self {
        let limits = std::array::from_fn(|_| Limited::new(Duration::from_secs(10)));
        Self { unsaid: [0; OUTCOMES.len()], limits }
    }
}

impl Reporter {
    pub(super) fn report(&mut self, ledger: &Ledger, tally: &mut Tally) {
        let unsaid = self.unsaid.iter_mut().zip(&self.limits);
        for ((count, (_, counter, line)), (unsaid, limit)) in ledger.counts.iter().zip(OUTCOMES).zip(unsaid) {
            let count = count.swap(0, Ordering::Acquire);
            tally.add(*counter, count);
            *unsaid += count;
            if let Some(line) = line
                && *unsaid > 0
                && limit.pass().is_some()
            {
                let user = ledger.user.load(Ordering::Relaxed);
                tracing::warn!(count = *unsaid, last_uid = user, "{line}");
                *unsaid = 0;
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
