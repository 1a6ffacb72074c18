//! Workers whose datagrams come from a reader in another thread ([`Feed`]).

use super::datagrams::Datagrams;
use super::{PluginSlot, WAIT, Worker};
use crate::flows::intake::feed::{Chunk, Feed, Next};
use ::tee::message::Fault;
use plugins::outlet::Progress;
use stats::Counter;
use std::time::Duration;

/// How long the input waits for a slow plugin before records are dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a worker that has ended looks whether plugins have stored its rows.
const PAUSE: Duration = Duration::from_millis(10);

/// The counters of messages without a datagram, by [`Fault::index`].
const REJECTED: [Counter; Fault::COUNT] = [
    Counter::MessagesTooShort,
    Counter::MessagesNotIp,
    Counter::MessagesNotUdp,
    Counter::MessagesFragment,
    Counter::MessagesBadLength,
];

impl<P: Datagrams> Worker<P> {
    /// Processes chunks until there are no more, and stays until plugins have stored their rows.
    pub(crate) fn run_fed(mut self, feed: &Feed) {
        self.slots.iter_mut().for_each(|slot| slot.be_patient(PATIENCE));
        let progress: Vec<Progress> = self.slots.iter().map(PluginSlot::progress).collect();
        let safe = |position| progress.iter().map(Progress::position).min().unwrap_or(position);
        loop {
            match feed.next(WAIT) {
                Next::Chunk(chunk) => {
                    self.chunk(&chunk);
                    feed.done(chunk);
                }
                Next::Nothing => {}
                Next::End => break,
            }
            self.between();
            if feed.is_flush_requested() {
                self.slots.iter().for_each(PluginSlot::request_flush);
            }
            feed.safe(safe(self.position));
        }
        self.failed = !self.stop.is_requested();
        let (position, stop) = (self.position, self.stop.clone());
        self.end();
        loop {
            let safe = safe(position);
            feed.safe(safe);
            if safe >= position || progress.iter().all(Progress::has_ended) {
                return;
            }
            if stop.pause_until_forced(PAUSE) {
                return;
            }
        }
    }

    fn chunk(&mut self, chunk: &Chunk) {
        if chunk.is_reassigned {
            self.protocol.restart_sequences();
        }
        let rejected = chunk.rejected.iter().sum();
        if rejected > 0 {
            self.tally.add(Counter::DatagramsReceived, rejected);
            for (counter, count) in REJECTED.into_iter().zip(chunk.rejected) {
                self.tally.add(counter, count);
            }
        }
        self.batch(chunk.batch.iter(), chunk.batch.is_full(), None);
    }
}
