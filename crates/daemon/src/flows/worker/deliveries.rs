//! What other threads have received for a worker: messages of connections and brokers.

use super::Worker;
use super::datagrams::{Datagrams, LAST};
use crate::flows::intake::delivery::{Delivery, Feed, Taken};
use capture::Waker;
use stats::Counter;
use std::time::{Duration, Instant};

/// Deliveries that are taken between two looks at the socket.
const TURN: usize = 4;
/// How often the end of threads that deliver is looked for at shutdown: nothing wakes the worker then.
const POLL: Duration = Duration::from_millis(10);

impl<P: Datagrams> Worker<P> {
    /// Takes a few deliveries. True if there are more.
    pub(super) fn take_deliveries(&mut self, feed: &mut Feed) -> bool {
        for _ in 0..TURN {
            let Taken::Delivery(delivery) = feed.take() else { return false };
            self.delivered(&delivery, feed);
        }
        feed.is_waiting()
    }

    /// Takes what threads still deliver at shutdown, until they have ended or the time is over. `began`: the start of shutdown.
    pub(super) fn drain_feed(&mut self, mut feed: Feed, waker: &Waker, began: Instant) {
        loop {
            let left = LAST.saturating_sub(began.elapsed());
            match feed.take() {
                Taken::Delivery(delivery) if !left.is_zero() => self.delivered(&delivery, &feed),
                Taken::Delivery(delivery) => self.discard(delivery.messages.iter()),
                Taken::Nothing if !left.is_zero() => _ = waker.wait(left.min(POLL)),
                Taken::Nothing | Taken::Closed => return,
            }
        }
    }

    fn delivered(&mut self, delivery: &Delivery, feed: &Feed) {
        if !delivery.messages.is_empty() {
            self.batch(delivery.messages.iter(), false, None);
        }
        self.tally.add(Counter::KernelDrops, delivery.kernel_drops);
        delivery.ended.iter().for_each(|session| self.protocol.end_session(*session));
        self.protocol.take_lost_sessions().into_iter().for_each(|session| feed.close_session(session));
    }
}
