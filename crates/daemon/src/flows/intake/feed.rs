//! Datagrams from one reader to all workers: for intakes that are not sockets of the workers, such as brokers.
//!
//! ```text
//!     thread of the reader          Feeder ──▶ chunks, one being filled for each worker
//!                                                │  at most QUEUED wait; beyond that the reader waits
//!     worker                        Feed ◀───────┘
//! ```
//!
//! An exporter's datagrams go to one worker, whatever their order in the input: the worker is chosen by the exporter's address. A chunk
//! moves when it is full, or when the reader has nothing more to read. Chunks come back to be filled again, so memory is bounded, and
//! nothing is allocated once all are in use.
//!
//! The reader learns from [`Feeder::are_safe`] what became of the chunks sent up to a [`Mark`]: whether all plugins have stored their rows,
//! so that a killed process loses none of them.

use ::tee::message::{self, Fault};
use capture::{Batch, MAX_DATAGRAM};
use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use plugins::outlet::Wake;
use runtime::clock;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Chunks that wait for a worker.
const QUEUED: usize = 4;

/// A batch on its way, and what was rejected before it.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) batch: Batch,
    /// Messages without a datagram, by [`Fault::index`].
    pub(crate) rejected: [u64; Fault::COUNT],
    /// Other exporters follow than before, or the same ones at another place of their streams.
    pub(crate) is_reassigned: bool,
}

impl Chunk {
    fn is_empty(&self) -> bool {
        !self.is_reassigned && self.batch.is_empty() && self.rejected.iter().all(|count| *count == 0)
    }

    fn clear(&mut self) {
        self.batch.clear();
        self.rejected = [0; Fault::COUNT];
        self.is_reassigned = false;
    }
}

/// How far a worker is: numbers of chunks, counted from the first.
#[derive(Debug, Default)]
struct Progress {
    /// Chunks whose rows all plugins have stored.
    safe: AtomicU64,
    /// Plugins should store them now.
    flush: AtomicBool,
}

/// How many chunks were sent to each worker at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark(Vec<u64>);

/// The reader's end.
pub(crate) struct Feeder {
    lanes: Vec<Lane>,
    is_full: bool,
}

/// The way to one worker.
struct Lane {
    chunk: Chunk,
    full: Sender<Chunk>,
    empty: Receiver<Chunk>,
    sent: u64,
    progress: Arc<Progress>,
    wake: Wake,
}

/// A worker's end.
pub(crate) struct Feed {
    full: Receiver<Chunk>,
    empty: Sender<Chunk>,
    /// Rings when a plugin wants its table, or the main thread anything else.
    bell: Receiver<()>,
    progress: Arc<Progress>,
}

/// What a worker gets.
pub(crate) enum Next {
    /// A chunk.
    Chunk(Chunk),
    /// The time is over, or the bell has rung.
    Nothing,
    /// The input has ended.
    End,
}

/// Why a chunk could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The worker is behind.
    Busy,
    /// The worker has ended.
    Gone,
}

/// Creates the ways to this number of workers: the reader's end, and for each worker its end and what wakes it.
pub(crate) fn channel(workers: usize) -> (Feeder, Vec<(Feed, Wake)>) {
    let mut lanes = Vec::with_capacity(workers);
    let mut feeds = Vec::with_capacity(workers);
    for _ in 0..workers.max(1) {
        let (full, filled) = bounded(QUEUED);
        // Those that wait, the one that the worker has, and the one that is being filled.
        let (emptied, empty) = bounded(QUEUED + 2);
        let (ring, bell) = bounded(1);
        let progress = Arc::new(Progress::default());
        let (wake, chunk) = (super::bell_of(ring), Chunk::default());
        let own = (Arc::clone(&progress), Arc::clone(&wake));
        lanes.push(Lane { chunk, full, empty, sent: 0, progress: own.0, wake: own.1 });
        feeds.push((Feed { full: filled, empty: emptied, bell, progress }, wake));
    }
    (Feeder { lanes, is_full: false }, feeds)
}

impl Feeder {
    /// Adds the datagram of a message. A chunk may be full then ([`Self::is_full`]).
    ///
    /// # Errors
    /// Why the message has none, which is counted.
    pub(crate) fn add(&mut self, message: &[u8]) -> Result<(), Fault> {
        match message::parse(message) {
            Ok((source, payload)) => {
                let number = worker_of(source.ip(), self.lanes.len());
                if let Some(Lane { chunk, .. }) = self.lanes.get_mut(number) {
                    if chunk.batch.is_empty() {
                        chunk.batch.set_arrival_us(clock::now());
                    }
                    chunk.batch.push(source, payload, payload.len() > MAX_DATAGRAM);
                    self.is_full |= chunk.batch.is_full();
                }
                Ok(())
            }
            Err(fault) => {
                let first = self.lanes.first_mut();
                if let Some(count) = first.and_then(|lane| lane.chunk.rejected.get_mut(fault.index())) {
                    *count += 1;
                }
                Err(fault)
            }
        }
    }

    /// Whether a chunk is full: nothing more may be added before it is sent.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether there is anything to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.chunk.is_empty())
    }

    /// Sends what was added. Waits at most `patience` for each worker that is behind.
    ///
    /// # Errors
    /// Not all was sent; what was not is kept.
    pub(crate) fn send(&mut self, patience: Duration) -> Result<(), Unsent> {
        for lane in &mut self.lanes {
            lane.send(patience)?;
        }
        self.is_full = false;
        Ok(())
    }

    /// What was sent up to now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.lanes.iter().map(|lane| lane.sent).collect())
    }

    /// Whether all plugins have stored the rows of all that was sent up to a mark.
    pub(crate) fn are_safe(&self, mark: &Mark) -> bool {
        let mut lanes = self.lanes.iter().zip(&mark.0);
        lanes.all(|(lane, sent)| lane.progress.safe.load(Ordering::Acquire) >= *sent)
    }

    /// Asks plugins to store what they have, as far as they can.
    pub(crate) fn request_flush(&self) {
        for lane in &self.lanes {
            lane.progress.flush.store(true, Ordering::Release);
            (lane.wake)();
        }
    }

    /// Whether all workers have ended.
    pub(crate) fn have_ended(&self) -> bool {
        self.lanes.iter().all(|lane| Arc::strong_count(&lane.progress) == 1)
    }

    /// The partitions of this process have changed: the next chunks say so.
    pub(crate) fn reassigned(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.chunk.is_reassigned = true);
    }

    /// Ends the input of the workers. Marks can still be compared.
    pub(crate) fn end(&mut self) {
        for lane in &mut self.lanes {
            lane.full = bounded(0).0;
        }
    }
}

impl Lane {
    fn send(&mut self, patience: Duration) -> Result<(), Unsent> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.chunk);
        match self.full.send_timeout(chunk, patience) {
            Ok(()) => {
                self.sent += 1;
                self.chunk = self.empty.try_recv().unwrap_or_default();
                Ok(())
            }
            Err(SendTimeoutError::Timeout(chunk)) => {
                self.chunk = chunk;
                Err(Unsent::Busy)
            }
            Err(SendTimeoutError::Disconnected(_)) => Err(Unsent::Gone),
        }
    }
}

impl Feed {
    /// The chunk was processed.
    pub(crate) fn done(&self, mut chunk: Chunk) {
        chunk.clear();
        let _ = self.empty.try_send(chunk);
    }

    /// Plugins have stored all rows of the first `number` chunks.
    pub(crate) fn safe(&self, number: u64) {
        self.progress.safe.store(number, Ordering::Release);
    }

    /// Whether plugins should store what they have, once.
    pub(crate) fn is_flush_requested(&self) -> bool {
        self.progress.flush.swap(false, Ordering::AcqRel)
    }

    /// Waits for the next chunk.
    pub(crate) fn next(&self, wait: Duration) -> Next {
        crossbeam_channel::select! {
            recv(self.full) -> chunk => chunk.map_or(Next::End, Next::Chunk),
            recv(self.bell) -> _ => Next::Nothing,
            default(wait) => Next::Nothing,
        }
    }
}

/// The worker for the datagrams of an exporter.
fn worker_of(exporter: IpAddr, workers: usize) -> usize {
    let bits = match exporter {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (bits >> 64) as u64 ^ bits as u64
        }
    };
    // Neighbouring addresses end up far apart in the upper half of the product.
    let spread = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (spread as usize).checked_rem(workers).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::tee::header::Header;
    use std::net::SocketAddr;

    fn message(exporter: &str, payload: &[u8]) -> Vec<u8> {
        let source = SocketAddr::new(exporter.parse().unwrap(), 5);
        [Header::message(source, payload).unwrap().octets(), payload].concat()
    }

    fn sources(chunk: &Chunk) -> Vec<String> {
        chunk.batch.iter().map(|datagram| datagram.source.ip().to_string()).collect()
    }

    fn take(feed: &Feed) -> Option<Chunk> {
        match feed.next(Duration::ZERO) {
            Next::Chunk(chunk) => Some(chunk),
            Next::Nothing | Next::End => None,
        }
    }

    #[test]
    fn an_exporter_stays_with_one_worker() {
        let (mut feeder, feeds) = channel(3);
        for host in (1..=20).chain(1..=20) {
            feeder.add(&message(&format!("192.0.2.{host}"), b"x")).unwrap();
        }
        feeder.add(&message("2001:db8::1", b"y")).unwrap();
        feeder.send(Duration::ZERO).unwrap();
        let mut all = Vec::new();
        for (feed, _) in &feeds {
            let mut seen = sources(&take(feed).unwrap());
            assert!(seen.len() > 4, "{seen:?}");
            seen.sort();
            seen.dedup();
            all.extend(seen);
        }
        assert_eq!(all.len(), 21, "no exporter is with two workers");
    }

    #[test]
    fn messages_without_a_datagram_are_counted_and_sent_on() {
        let (mut feeder, feeds) = channel(2);
        assert!(feeder.is_empty());
        assert_eq!(feeder.add(b"{}"), Err(Fault::NotIp(b'{')));
        assert_eq!(feeder.add(b""), Err(Fault::TooShort));
        assert!(!feeder.is_empty());
        feeder.send(Duration::ZERO).unwrap();
        let chunk = take(&feeds[0].0).unwrap();
        assert_eq!((chunk.batch.len(), chunk.rejected), (0, [1, 1, 0, 0, 0]));
        assert!(take(&feeds[1].0).is_none());
    }

    #[test]
    fn a_slow_worker_holds_the_reader_back_and_nothing_is_lost() {
        let (mut feeder, feeds) = channel(1);
        let (feed, _) = &feeds[0];
        let mut added = 0;
        loop {
            while !feeder.is_full() {
                feeder.add(&message("192.0.2.1", b"x")).unwrap();
                added += 1;
            }
            if feeder.send(Duration::ZERO) == Err(Unsent::Busy) {
                break;
            }
        }
        let mark = feeder.mark();
        assert_eq!(mark, Mark(vec![QUEUED as u64]));
        let mut got = 0;
        while let Some(chunk) = take(feed) {
            got += chunk.batch.len();
            feed.done(chunk);
            let _ = feeder.send(Duration::ZERO);
        }
        assert_eq!(got, added);
        assert!(!feeder.are_safe(&mark));
        feed.safe(QUEUED as u64);
        assert!(feeder.are_safe(&mark));
        feeder.end();
        assert!(matches!(feed.next(Duration::from_secs(60)), Next::End));
    }

    #[test]
    fn a_worker_that_has_ended_is_noticed() {
        let (mut feeder, feeds) = channel(1);
        assert!(!feeder.have_ended());
        feeder.reassigned();
        feeder.send(Duration::ZERO).unwrap();
        assert!(take(&feeds[0].0).unwrap().is_reassigned);
        feeder.request_flush();
        assert!(matches!(feeds[0].0.next(Duration::from_secs(60)), Next::Nothing));
        assert!(feeds[0].0.is_flush_requested() && !feeds[0].0.is_flush_requested());
        drop(feeds);
        assert!(feeder.have_ended());
        feeder.add(&message("192.0.2.1", b"x")).unwrap();
        assert_eq!(feeder.send(Duration::ZERO), Err(Unsent::Gone));
    }
}
