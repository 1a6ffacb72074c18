//! Fair shares of a worker's time.
//!
//! Decoding what one exporter sends may take more time than the worker has. Then the kernel drops the datagrams of other exporters
//! as well. So each exporter has a token bucket of decode time, which fills at its share of the clock
//! (`nfacctd_exporter_share`). While its bucket is empty, its datagrams are dropped, provided that datagrams queue up at
//! the socket (batches come full, or the kernel drops some) and that others send.
//!
//! Time is measured by batch. Only when a batch has cost far more than its bytes justify, or when datagrams queue up, are
//! the datagrams of batches measured one by one for a while: all batches in the first case, one of [`SAMPLE`] in
//! the second, where reading the clock would be noticeable.

use config::Names;
use config::keys::input;
use foldhash::HashMap;
use runtime::log::Summed;
use std::net::IpAddr;
use std::time::Duration;
use tracing::warn;

/// Microseconds per second. A bucket holds what fills it in this time, and observations are valid for as long.
const SECOND: u64 = 1_000_000;
/// Microseconds that a batch may cost in any case.
const FREE: u64 = 1_000;
/// Bytes per further microsecond: ten times as slow as the slowest decoding.
const BYTES_PER_MICRO: u64 = 5;
/// This many full batches in a row show that datagrams queue up.
const FULL: u32 = 4;
/// One in this many full batches is measured, and represents all of them.
const SAMPLE: u32 = 4;
/// Exporters that are measured at once. Beyond that, those within their share are forgotten.
const MAX_BUCKETS: usize = 4096;
/// Minimum time between two log lines.
const RATE: Duration = Duration::from_secs(10);

/// The buckets of one worker. Times are in microseconds of a monotonic clock.
pub(crate) struct Budget {
    /// The names of keys in messages.
    names: Names,
    /// Percent; 100 is no limit.
    share: u64,
    /// Until when datagrams are measured.
    watch_until: u64,
    /// Until when the last full batch counts.
    crowded_until: u64,
    /// Consecutive full batches.
    full: u32,
    /// Batches since measuring began.
    batches: u32,
    /// A recent batch took too long.
    costly: bool,
    buckets: HashMap<IpAddr, Bucket>,
    /// Exporters whose bucket is empty, and how many of their datagrams were dropped.
    over: Vec<(IpAddr, u64)>,
    /// When a datagram of another exporter last arrived.
    others: Option<u64>,
    line: Summed<u64>,
}

/// What is left for one exporter.
#[derive(Clone, Copy)]
struct Bucket {
    micros: i64,
    filled: u64,
}

/// A batch that is being decoded.
pub(crate) struct Turn {
    began: u64,
    /// How many batches a measured datagram represents; 0: none is measured.
    weight: u32,
    /// Datagrams of exporters whose bucket is empty are dropped.
    enforced: bool,
    last: u64,
}

impl Turn {
    /// True when the clock is to be read after each datagram.
    #[inline]
    pub(crate) fn measures(&self) -> bool {
        self.weight > 0
    }
}

impl Budget {
    /// Buckets that fill at `share` percent of the clock.
    pub(crate) fn new(share: u32, names: Names) -> Self {
        Self {
            names,
            share: u64::from(share),
            watch_until: 0,
            crowded_until: 0,
            full: 0,
            batches: 0,
            costly: false,
            buckets: HashMap::default(),
            over: Vec::new(),
            others: None,
            line: Summed::new(RATE),
        }
    }

    /// Begins a batch.
    #[inline]
    pub(crate) fn begin(&mut self, now: u64) -> Turn {
        let mut turn = Turn { began: now, weight: 0, enforced: false, last: now };
        if now < self.watch_until {
            self.watch(&mut turn);
        }
        turn
    }

    #[cold]
    fn watch(&mut self, turn: &mut Turn) {
        let now = turn.began;
        self.batches = self.batches.wrapping_add(1);
        turn.weight = match self.costly {
            true => 1,
            false if self.batches.is_multiple_of(SAMPLE) => SAMPLE,
            false => 0,
        };
        if self.over.is_empty() {
            return;
        }
        let Self { share, buckets, over, .. } = self;
        over.retain(|(exporter, _)| buckets.get_mut(exporter).is_some_and(|bucket| bucket.fill(*share, now) < 0));
        let came = self.others.is_some_and(|came| now.saturating_sub(came) < SECOND);
        let others = self.over.len() > 1 || came;
        turn.enforced = others && now < self.crowded_until;
        self.report(false);
    }

    /// The kernel has dropped datagrams since the last check, a second ago or less.
    pub(crate) fn crowded(&mut self, now: u64) {
        self.crowded_until = now + 2 * SECOND;
        self.watch_until = now + 2 * SECOND;
    }

    /// True when the datagram is to be dropped.
    #[inline]
    pub(crate) fn rejects(&mut self, exporter: IpAddr, turn: &Turn) -> bool {
        !self.over.is_empty() && self.is_over(exporter, turn)
    }

    #[cold]
    fn is_over(&mut self, exporter: IpAddr, turn: &Turn) -> bool {
        match self.over.iter_mut().find(|(over, _)| *over == exporter) {
            Some((_, dropped)) => {
                *dropped += u64::from(turn.enforced);
                turn.enforced
            }
            None => {
                self.others = Some(turn.began);
                false
            }
        }
    }

    /// Charges the exporter for a datagram that was decoded at `now`.
    #[cold]
    pub(crate) fn charge(&mut self, exporter: IpAddr, turn: &mut Turn, now: u64) {
        let cost = now.saturating_sub(turn.last).saturating_mul(u64::from(turn.weight));
        turn.last = now;
        if self.buckets.len() >= MAX_BUCKETS && !self.buckets.contains_key(&exporter) {
            let over = &self.over;
            self.buckets.retain(|exporter, _| over.iter().any(|(known, _)| known == exporter));
        }
        let full = Bucket { micros: (self.share * SECOND / 100) as i64, filled: now };
        let bucket = self.buckets.entry(exporter).or_insert(full);
        bucket.fill(self.share, now);
        bucket.micros = bucket.micros.saturating_sub_unsigned(cost);
        if bucket.micros < 0 && self.share < 100 && !self.over.iter().any(|(known, _)| *known == exporter) {
            self.over.push((exporter, 0));
        }
    }

    /// Ends a batch of that many bytes.
    #[inline]
    pub(crate) fn end(&mut self, turn: &Turn, now: u64, bytes: u64, is_full: bool) {
        self.full = if is_full { self.full.saturating_add(1) } else { 0 };
        if is_full {
            self.crowded_until = self.crowded_until.max(now + SECOND);
        }
        let costly = now.saturating_sub(turn.began) > FREE + bytes / BYTES_PER_MICRO;
        if costly || self.full >= FULL {
            self.costly |= costly;
            self.watch_until = self.watch_until.max(now + SECOND);
        } else if self.watch_until > 0 && now >= self.watch_until {
            self.calm_down();
        }
    }

    /// Ends the observation.
    #[cold]
    fn calm_down(&mut self) {
        self.report(false);
        self.watch_until = 0;
        self.costly = false;
        self.buckets.clear();
        self.over.clear();
    }

    /// Logs what was dropped. `last`: there is no later call.
    pub(crate) fn report(&mut self, last: bool) {
        let worst = self.over.iter().max_by_key(|(_, dropped)| *dropped).map(|(exporter, _)| *exporter);
        let dropped: u64 = self.over.iter_mut().map(|(_, dropped)| std::mem::take(dropped)).sum();
        let mut lines = [if dropped > 0 { self.line.add(dropped) } else { self.line.due() }, None];
        if last {
            lines[1] = self.line.rest();
        }
        for datagrams in lines.into_iter().flatten() {
            warn!(
                datagrams,
                exporter = worst.map(|exporter| exporter.to_string()),
                "dropped: an exporter takes more than {} % of a worker's time while others wait; find out what it sends, or raise \
                 {} or {}",
                self.share,
                self.names.of(&input::NFACCTD_WORKERS),
                self.names.of(&input::NFACCTD_EXPORTER_SHARE)
            );
        }
    }
}

impl Bucket {
    /// What is left at `now`.
    fn fill(&mut self, share: u64, now: u64) -> i64 {
        let more = now.saturating_sub(self.filled).min(1000 * SECOND) * share / 100;
        self.filled = now;
        self.micros = self.micros.saturating_add_unsigned(more).min((share * SECOND / 100) as i64);
        self.micros
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const GOOD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    /// A worker with given decode times.
    struct Worker {
        budget: Budget,
        now: u64,
    }

    impl Worker {
        fn new(share: u32) -> Self {
            Self { budget: Budget::new(share, Names::new(config::Daemon::Nfacctd)), now: 5 }
        }

        /// Decodes a batch of datagrams (exporter, bytes, microseconds). Returns how many of each exporter were dropped.
        fn batch(&mut self, datagrams: &[(IpAddr, u64, u64)], is_full: bool) -> [u64; 2] {
            let mut dropped = [0; 2];
            let mut turn = self.budget.begin(self.now);
            for (exporter, _, cost) in datagrams {
                if self.budget.rejects(*exporter, &turn) {
                    dropped[usize::from(*exporter == GOOD)] += 1;
                    continue;
                }
                self.now += cost;
                if turn.measures() {
                    self.budget.charge(*exporter, &mut turn, self.now);
                }
            }
            let bytes = datagrams.iter().map(|(_, bytes, _)| bytes).sum();
            self.budget.end(&turn, self.now, bytes, is_full);
            dropped
        }

        /// The same for a number of seconds, with pauses between the batches.
        fn work(&mut self, datagrams: &[(IpAddr, u64, u64)], is_full: bool, seconds: u64, pause: u64) -> [u64; 2] {
            let mut dropped = [0; 2];
            let end = self.now + seconds * SECOND;
            while self.now < end {
                let [bad, good] = self.batch(datagrams, is_full);
                dropped = [dropped[0] + bad, dropped[1] + good];
                // Receiving takes a little time, too.
                self.now += pause + 10;
            }
            dropped
        }
    }

    #[test]
    fn an_exporter_above_its_share_is_limited_and_others_are_not() {
        // One hundred times more expensive than its bytes justify; then expensive only by number.
        for bad in [(BAD, 1400, 10_000), (BAD, 1400, 30)] {
            let mut batch = vec![bad; 63];
            batch.push((GOOD, 1400, 30));
            let mut worker = Worker::new(75);
            let [dropped, good] = worker.work(&batch, true, 20, 0);
            assert!(dropped > 0, "{bad:?}");
            assert_eq!(good, 0);
        }
    }

    #[test]
    fn a_limited_exporter_still_gets_its_share() {
        let mut worker = Worker::new(50);
        let batch: Vec<_> =
            (0..64).map(|n| if n % 8 == 0 { (GOOD, 1400, 2) } else { (BAD, 1400, 2_000) }).collect();
        worker.work(&batch, true, 3, 0);
        // Of ten seconds it gets five.
        let mut taken = 0;
        let end = worker.now + 10 * SECOND;
        while worker.now < end {
            let [dropped, _] = worker.batch(&batch, true);
            taken += (56 - dropped) * 2_000;
            worker.now += 1_000;
        }
        assert!((4_000_000..6_500_000).contains(&taken), "{taken}");
    }

    #[test]
    fn a_single_exporter_is_never_limited() {
        let mut worker = Worker::new(75);
        assert_eq!(worker.work(&[(BAD, 1400, 10_000); 64], true, 20, 0), [0, 0]);
        assert_eq!(Worker::new(1).work(&[(BAD, 1400, 30); 64], true, 5, 0), [0, 0]);
        // Exporters that have stopped sending do not wait.
        worker.work(&[(BAD, 1400, 10_000), (GOOD, 1400, 30)], true, 20, 0);
        worker.work(&[(BAD, 1400, 10_000)], true, 2, 0);
        assert_eq!(worker.work(&[(BAD, 1400, 10_000)], true, 20, 0), [0, 0]);
    }

    #[test]
    fn exporters_are_not_limited_while_the_worker_has_time() {
        let batch = [(BAD, 1400, 10_000), (GOOD, 1400, 30)];
        // Nothing queues up, however expensive decoding is.
        assert_eq!(Worker::new(75).work(&batch, false, 20, 0), [0, 0]);
        // Bursts that fill batches, and then pauses.
        assert_eq!(Worker::new(75).work(&[batch; 32].concat(), true, 60, 500_000), [0, 0]);
        // Equal shares.
        let equal = [(BAD, 1400, 30), (GOOD, 1400, 30)];
        assert_eq!(Worker::new(75).work(&[equal; 32].concat(), true, 20, 0), [0, 0]);
        // No limit.
        assert_eq!(Worker::new(100).work(&[batch; 32].concat(), true, 20, 0), [0, 0]);
    }

    #[test]
    fn kernel_drops_show_that_others_are_waiting() {
        // Datagrams so large that the socket's buffer never holds a batch of them.
        let batch = [(BAD, 60_000, 1_000), (GOOD, 1400, 30)];
        let mut worker = Worker::new(75);
        assert_eq!(worker.work(&batch, false, 5, 0), [0, 0]);
        let mut dropped = [0, 0];
        for _ in 0..5 {
            worker.budget.crowded(worker.now);
            let [bad, good] = worker.work(&batch, false, 1, 0);
            dropped = [dropped[0] + bad, dropped[1] + good];
        }
        assert!(dropped[0] > 0 && dropped[1] == 0, "{dropped:?}");
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let mut budget = Budget::new(75, Names::new(config::Daemon::Nfacctd));
        let mut turn = Turn { began: 0, weight: 1, enforced: false, last: 0 };
        for number in 0..3 * MAX_BUCKETS as u32 {
            budget.charge(IpAddr::V4(number.into()), &mut turn, u64::from(number));
            assert!(budget.buckets.len() <= MAX_BUCKETS);
        }
    }

    #[test]
    fn time_is_measured_only_under_load() {
        let mut worker = Worker::new(75);
        worker.work(&[(BAD, 1400, 3); 60], false, 2, 100);
        assert!(worker.budget.buckets.is_empty() && !worker.budget.begin(worker.now).measures());
        worker.work(&[(BAD, 1400, 3); 64], true, 2, 0);
        assert!(!worker.budget.buckets.is_empty());
        worker.work(&[(BAD, 1400, 3); 60], false, 2, 100);
        assert!(worker.budget.buckets.is_empty());
    }
}
