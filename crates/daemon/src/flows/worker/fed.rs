//! Workers whose datagrams come from a reader in another thread ([`Feed`]).

use super::datagrams::Datagrams;
use super::{WAIT, Worker};
use crate::flows::intake::feed::{Feed, Next, Parcel};
use ::tee::message::Fault;
use stats::Counter;
use std::time::Duration;

/// How long the input waits for a slow plugin before records are dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// The counters of messages without a datagram, by [`Fault::index`].
const REJECTED: [Counter; Fault::COUNT] = [
    Counter::MessagesTooShort,
    Counter::MessagesNotIp,
    Counter::MessagesNotUdp,
    Counter::MessagesFragment,
    Counter::MessagesBadLength,
];

/// What plugins have taken.
#[derive(Clone, Copy, Default)]
struct Taken {
    /// Tables, as the slot of the plugin counts them.
    tables: u64,
    /// Parcels whose rows were all in one of these.
    parcels: u64,
}

impl<P: Datagrams> Worker<P> {
    /// Processes parcels until there are no more.
    pub(crate) fn run_fed(mut self, feed: &Feed) {
        self.slots.iter_mut().for_each(|slot| slot.be_patient(PATIENCE));
        let mut number = 0;
        let mut taken = vec![Taken::default(); self.slots.len()];
        loop {
            match feed.next(WAIT) {
                Next::Parcel(parcel) => {
                    self.parcel(&parcel);
                    // A table that a plugin took in between may lack rows of this parcel.
                    self.look(&mut taken, number);
                    number += 1;
                    feed.done(parcel, number);
                }
                Next::Nothing => {}
                Next::End => break,
            }
            self.between();
            feed.handed_over(self.look(&mut taken, number));
        }
        self.failed = !self.stop.is_requested();
        self.end();
        feed.handed_over(number);
    }

    /// Notes which plugins have taken a table since the last call, when the rows of `number` parcels were in it. Returns the number of
    /// parcels of which all plugins have taken the rows.
    fn look(&self, taken: &mut [Taken], number: u64) -> u64 {
        for (slot, taken) in self.slots.iter().zip(&mut *taken) {
            let tables = slot.tables_taken();
            if tables != taken.tables {
                *taken = Taken { tables, parcels: number };
            }
        }
        taken.iter().map(|taken| taken.parcels).min().unwrap_or(number)
    }

    fn parcel(&mut self, parcel: &Parcel) {
        let rejected = parcel.rejected.iter().sum();
        if rejected > 0 {
            self.tally.add(Counter::DatagramsReceived, rejected);
            for (counter, count) in REJECTED.into_iter().zip(parcel.rejected) {
                self.tally.add(counter, count);
            }
        }
        self.batch(&parcel.batch, None);
    }
}
