//! A delivery worker with a scripted store.

use super::*;
use crate::spool::Spool;
use std::collections::VecDeque;
use std::path::Path;
use std::thread::{JoinHandle, spawn};

/// Timeout for what takes a second or two.
const PATIENCE: Duration = Duration::from_secs(30);
/// Enough time at shutdown for everything that works.
const LONG: Duration = Duration::from_secs(60);

/// What the store does with one attempt; without a plan it accepts everything.
enum Plan {
    /// Cannot be reached.
    Down,
    /// Accepts that many items, then the connection is lost.
    Cut(usize),
    /// Refuses the items with these numbers and accepts the others.
    Refuse(&'static [u32]),
    /// Accepts that many items, then rejects the batch.
    RejectBatch(usize),
    /// Rejects the configuration.
    Configuration,
}

/// A call to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Saw {
    /// Items of a batch, in one attempt.
    Items(u64, Vec<u32>),
    Idle,
    Close,
}

/// A store that follows a plan, and reports its calls.
struct Fake {
    plans: VecDeque<Plan>,
    /// Down for ever once the plans are used up.
    dead: bool,
    saw: Sender<Saw>,
    /// Each delivery waits for a message from here.
    gate: Option<Receiver<()>>,
}

impl Backend for Fake {
    fn open(&mut self) -> Result<(), StoreError> {
        match self.plans.front() {
            None if self.dead => Err(StoreError::Down("refused".to_owned())),
            Some(Plan::Down) => {
                self.plans.pop_front();
                Err(StoreError::Down("refused".to_owned()))
            }
            Some(Plan::Configuration) => {
                self.plans.pop_front();
                Err(StoreError::Configuration { key: "sql_passwd", what: "wrong".to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn deliver(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
        let plan = self.plans.pop_front();
        let items: Vec<u32> = (0..batch.items).filter(|item| !receipt.has(*item)).collect();
        let (take, result) = match plan {
            Some(Plan::Cut(take)) => (take, Err(StoreError::Down("gone".to_owned()))),
            Some(Plan::RejectBatch(take)) => (take, Err(StoreError::Batch("not for this store".to_owned()))),
            _ => (items.len(), Ok(())),
        };
        for item in &items[..take] {
            match plan {
                Some(Plan::Refuse(refused)) if refused.contains(item) => {
                    receipt.refuse(*item, Sum::one(1, 100), || format!("item {item} is too long"));
                }
                _ => receipt.confirm(*item),
            }
        }
        self.saw.send(Saw::Items(batch.id.number, items[..take].to_vec())).unwrap();
        if let Some(gate) = &self.gate {
            gate.recv_timeout(PATIENCE).unwrap();
        }
        result
    }

    fn idle(&mut self) {
        let _ = self.saw.send(Saw::Idle);
    }

    fn close(&mut self) {
        let _ = self.saw.send(Saw::Close);
    }
}

/// A running delivery worker, with all its channels.
struct Running {
    outbox: Outbox,
    notes: Receiver<Note>,
    saw: Receiver<Saw>,
    thread: JoinHandle<()>,
}

impl Running {
    fn new(queue: Queue, plans: impl IntoIterator<Item = Plan>) -> Self {
        Self::with(queue, plans, |_| {})
    }

    fn with(queue: Queue, plans: impl IntoIterator<Item = Plan>, change: impl FnOnce(&mut Fake)) -> Self {
        let (sender, saw) = crossbeam_channel::unbounded();
        let mut fake = Fake { plans: plans.into_iter().collect(), dead: false, saw: sender, gate: None };
        change(&mut fake);
        let (outbox, worker, notes) = new(Box::new(fake), queue);
        Self { outbox, notes, saw, thread: spawn(|| worker.run()) }
    }

    fn note(&self) -> Note {
        self.notes.recv_timeout(PATIENCE).unwrap()
    }

    /// Shuts the delivery worker down within the limit. Returns the remaining notes and the calls to the store, without those
    /// of `idle`.
    fn end(self, limit: Duration) -> (Vec<Note>, Vec<Saw>) {
        self.outbox.end(Limits::within(limit));
        self.thread.join().unwrap();
        (self.notes.iter().collect(), self.saw.iter().filter(|saw| *saw != Saw::Idle).collect())
    }
}

fn memory() -> Queue {
    Queue::in_memory(1 << 20)
}

fn disk(folder: &Path) -> Queue {
    let (spool, found) = Spool::open(folder).unwrap();
    Queue::on_disk(spool, found.batches, 1 << 20)
}

/// A batch of that many items of one packet and 100 bytes each.
fn batch(number: u64, items: u32) -> WriteBatch {
    let id = BatchId { run: 1, number };
    WriteBatch { id, purge: 7, items, sum: sum(items), body: vec![0; 100] }
}

fn sum(items: u32) -> Sum {
    let items = u64::from(items);
    Sum { aggregates: items, packets: items, bytes: 100 * items }
}

fn delivered(number: u64, items: u32) -> Note {
    Note::Delivered { id: BatchId { run: 1, number }, purge: 7, sum: sum(items), refused: None }
}

fn lost(number: u64, items: u32, why: DropCause, what: &str) -> Note {
    let lost = Dropped { id: BatchId { run: 1, number }, purge: 7, sum: sum(items), why };
    Note::Dropped { lost, what: what.to_owned() }
}

fn ended(items: u32) -> Note {
    Note::Ended { spooled: sum(items) }
}

/// The final notes of batches, without failures and recoveries.
fn outcomes(mut notes: Vec<Note>) -> Vec<Note> {
    notes.retain(|note| !matches!(note, Note::Failed(..) | Note::Recovered(_)));
    notes
}

/// The error, if the note reports one.
fn failure(note: Note) -> Option<StoreError> {
    match note {
        Note::Failed(error, _) => Some(error),
        _ => None,
    }
}

#[test]
fn batches_arrive_in_the_order_of_creation_and_the_store_is_closed() {
    let running = Running::new(memory(), []);
    for number in 1..=20 {
        running.outbox.put(batch(number, 2));
    }
    let (notes, saw) = running.end(LONG);
    assert_eq!(notes, (1..=20).map(|number| delivered(number, 2)).chain([ended(0)]).collect::<Vec<_>>());
    let items = (1..=20).map(|number| Saw::Items(number, vec![0, 1]));
    assert_eq!(saw, items.chain([Saw::Close]).collect::<Vec<_>>());
}

#[test]
fn confirmed_items_are_not_sent_again() {
    let running = Running::new(memory(), [Plan::Cut(2), Plan::Cut(1)]);
    running.outbox.put(batch(1, 5));
    let (notes, saw) = running.end(LONG);
    let calls = [Saw::Items(1, vec![0, 1]), Saw::Items(1, vec![2]), Saw::Items(1, vec![3, 4]), Saw::Close];
    assert_eq!(saw, calls);
    let [first, second, Note::Recovered(after), last @ ..] = &notes[..] else { panic!("{notes:?}") };
    for note in [first, second] {
        assert_eq!(failure(note.clone()), Some(StoreError::Down("gone".to_owned())));
    }
    assert!(*after < PATIENCE);
    assert_eq!(last, [delivered(1, 5), ended(0)]);
}

#[test]
fn the_next_batch_does_not_get_the_receipt_of_the_last() {
    let running = Running::new(memory(), [Plan::Cut(2), Plan::RejectBatch(1)]);
    running.outbox.put(batch(1, 3));
    running.outbox.put(batch(2, 3));
    let (notes, saw) = running.end(LONG);
    let calls = [Saw::Items(1, vec![0, 1]), Saw::Items(1, vec![2]), Saw::Items(2, vec![0, 1, 2]), Saw::Close];
    assert_eq!(saw, calls);
    // A batch is dropped as a whole: only its backend knows the sums of its items.
    let gone = lost(1, 3, DropCause::Refused, "not for this store");
    assert_eq!(outcomes(notes), [gone, delivered(2, 3), ended(0)]);
}

#[test]
fn refusals_are_reported_with_the_delivery_including_those_before_an_error() {
    struct Twice;
    impl Backend for Twice {
        fn open(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
        fn deliver(&mut self, _: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
            if !receipt.has(0) {
                receipt.refuse(0, Sum::one(1, 100), || "first".to_owned());
                return Err(StoreError::Down("gone".to_owned()));
            }
            receipt.refuse(0, Sum::one(1, 100), || "again".to_owned());
            receipt.refuse(2, Sum::one(1, 100), || "second".to_owned());
            receipt.confirm_all();
            Ok(())
        }
    }
    let (outbox, worker, notes) = new(Box::new(Twice), memory());
    outbox.put(batch(1, 3));
    outbox.end(Limits::within(LONG));
    worker.run();
    let refused = notes.iter().find_map(|note| match note {
        Note::Delivered { refused, sum, .. } => Some((sum, refused)),
        _ => None,
    });
    assert_eq!(refused, Some((sum(3), Some((sum(2), "first".to_owned())))));

    let running = Running::new(memory(), [Plan::Refuse(&[1])]);
    running.outbox.put(batch(1, 3));
    let (notes, _) = running.end(LONG);
    let refused = Some((sum(1), "item 1 is too long".to_owned()));
    assert_eq!(notes[0], Note::Delivered { id: BatchId { run: 1, number: 1 }, purge: 7, sum: sum(3), refused });
}

#[test]
fn a_store_that_rejects_the_configuration_later_is_retried() {
    let running = Running::new(memory(), [Plan::Configuration, Plan::Down]);
    running.outbox.put(batch(1, 1));
    let error = failure(running.note());
    assert_eq!(error, Some(StoreError::Configuration { key: "sql_passwd", what: "wrong".to_owned() }));
    let (notes, saw) = running.end(LONG);
    assert!(matches!(&notes[..], [Note::Failed(..), Note::Recovered(_), Note::Delivered { .. }, _]), "{notes:?}");
    assert_eq!(saw, [Saw::Items(1, vec![0]), Saw::Close]);
}

#[test]
fn shutdown_waits_for_a_store_that_is_down_until_the_deadline() {
    let running = Running::with(memory(), [], |fake| fake.dead = true);
    for number in 1..=3 {
        running.outbox.put(batch(number, 1));
    }
    // The wait after the first failure is about a second; the deadline comes before that.
    assert!(failure(running.note()).is_some());
    assert_eq!(running.outbox.backlog().total(), (3, 300));
    let (notes, saw) = running.end(Duration::from_millis(50));
    let gone = (1..=3).map(|number| lost(number, 1, DropCause::End, ""));
    assert_eq!(outcomes(notes), gone.chain([ended(0)]).collect::<Vec<_>>());
    assert_eq!(saw, [Saw::Close]);
}

#[test]
fn during_shutdown_waits_are_short_and_a_repeated_failure_is_marked() {
    let running = Running::with(memory(), [], |fake| fake.dead = true);
    running.outbox.put(batch(1, 1));
    assert!(failure(running.note()).is_some());
    let (notes, _) = running.end(Duration::from_millis(2500));
    let retries: Vec<Retry> = notes
        .iter()
        .filter_map(|note| match note {
            Note::Failed(_, retry) => Some(*retry),
            _ => None,
        })
        .collect();
    assert!(!retries.is_empty() && retries.iter().all(|retry| retry.is_repeated), "{retries:?}");
    assert!(retries.iter().all(|retry| retry.after.is_none_or(|after| after <= AT_END)), "{retries:?}");
    assert_eq!(retries.last().unwrap().to_string(), "no time is left to retry");
    assert_eq!(
        Retry { after: Some(Duration::from_millis(1100)), is_repeated: false }.to_string(),
        "retrying in 2 s"
    );
}

#[test]
fn during_shutdown_a_different_failure_does_not_count_as_repeated() {
    let running = Running::new(memory(), [Plan::Down, Plan::Configuration, Plan::Configuration]);
    running.outbox.put(batch(1, 1));
    assert!(failure(running.note()).is_some());
    let (notes, _) = running.end(LONG);
    let repeated: Vec<bool> = notes
        .iter()
        .filter_map(|note| match note {
            Note::Failed(_, retry) => Some(retry.is_repeated),
            _ => None,
        })
        .collect();
    assert_eq!(repeated, [false, true]);
    assert_eq!(outcomes(notes), [delivered(1, 1), ended(0)]);
}

#[test]
fn a_store_that_recovers_before_the_deadline_gets_all_batches() {
    let running = Running::new(memory(), [Plan::Down, Plan::Down]);
    running.outbox.put(batch(1, 1));
    assert!(failure(running.note()).is_some());
    running.outbox.put(batch(2, 1));
    let (notes, _) = running.end(LONG);
    assert_eq!(outcomes(notes), [delivered(1, 1), delivered(2, 1), ended(0)]);
}

#[test]
fn spooled_batches_are_delivered_at_the_next_start_before_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::with(disk(folder.path()), [Plan::Cut(1)], |fake| fake.dead = true);
    running.outbox.put(batch(1, 2));
    running.outbox.put(batch(2, 3));
    assert!(failure(running.note()).is_some());
    let (notes, _) = running.end(Duration::ZERO);
    assert_eq!(outcomes(notes), [ended(5)]);

    let running = Running::new(disk(folder.path()), []);
    running.outbox.put(batch(3, 1));
    let (notes, saw) = running.end(LONG);
    assert_eq!(notes, [delivered(1, 2), delivered(2, 3), delivered(3, 1), ended(0)]);
    // A receipt does not outlive the daemon: items that the store already has are sent again, under the same id.
    assert_eq!(saw[0], Saw::Items(1, vec![0, 1]));
    assert_eq!(disk(folder.path()).len(), 0);
}

#[test]
fn a_damaged_file_loses_only_its_own_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut queue = disk(folder.path());
    for number in 1..=3 {
        queue.put(batch(number, 1));
    }
    std::fs::write(folder.path().join(format!("{:020}-{:010}.batch", 1, 2)), b"PMSP").unwrap();
    let (notes, _) = Running::new(queue, []).end(LONG);
    let damaged = lost(2, 1, DropCause::Damaged, "its file cannot be read");
    assert_eq!(notes, [delivered(1, 1), damaged, delivered(3, 1), ended(0)]);
}

#[test]
fn at_the_bound_the_batch_in_delivery_is_kept() {
    let (open, gate) = crossbeam_channel::bounded(10);
    let running = Running::with(Queue::in_memory(250), [], |fake| fake.gate = Some(gate));
    running.outbox.put(batch(1, 1));
    let items = Saw::Items(1, vec![0]);
    while running.saw.recv_timeout(PATIENCE).unwrap() != items {}
    assert!(running.outbox.put(batch(2, 1)).lost.is_empty());
    let dropped = running.outbox.put(batch(3, 1)).lost;
    assert_eq!(dropped.iter().map(|lost| (lost.id.number, lost.why)).collect::<Vec<_>>(), [(2, DropCause::Bound)]);
    for _ in 0..2 {
        open.send(()).unwrap();
    }
    let (notes, _) = running.end(LONG);
    assert_eq!(notes, [delivered(1, 1), delivered(3, 1), ended(0)]);
}

#[test]
fn idle_is_called_while_there_is_nothing_to_deliver() {
    let running = Running::new(memory(), []);
    assert_eq!(running.saw.recv_timeout(PATIENCE), Ok(Saw::Idle));
    running.outbox.put(batch(1, 1));
    assert_eq!(running.note(), delivered(1, 1));
    let (notes, saw) = running.end(LONG);
    assert_eq!((notes, saw), (vec![ended(0)], vec![Saw::Items(1, vec![0]), Saw::Close]));
}

/// All notes of a shutdown within these limits.
fn finish(outbox: &Outbox, notes: &Receiver<Note>, limits: Limits) -> Vec<Note> {
    let mut all = Vec::new();
    outbox.finish(notes, limits, |note| all.push(note));
    all
}

#[test]
fn a_worker_that_its_store_blocks_is_abandoned_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    for is_on_disk in [false, true] {
        let (open, gate) = crossbeam_channel::bounded(10);
        let queue = if is_on_disk { disk(folder.path()) } else { memory() };
        let Running { outbox, notes, saw, thread } = Running::with(queue, [], |fake| fake.gate = Some(gate));
        for number in 1..=3 {
            outbox.put(batch(number, 2));
        }
        // The first is delivered; the second blocks the delivery worker.
        open.send(()).unwrap();
        while saw.recv_timeout(PATIENCE).unwrap() != Saw::Items(2, vec![0, 1]) {}
        let began = Instant::now();
        let left = finish(&outbox, &notes, Limits::within(Duration::from_millis(50)));
        assert!(began.elapsed() < PATIENCE);
        let expected = match is_on_disk {
            true => vec![delivered(1, 2), ended(4)],
            false => {
                vec![delivered(1, 2), lost(2, 2, DropCause::End, ""), lost(3, 2, DropCause::End, ""), ended(0)]
            }
        };
        assert_eq!(left, expected);
        // Later answers of the store change nothing.
        open.send(()).unwrap();
        thread.join().unwrap();
        assert_eq!((notes.try_iter().count(), saw.iter().last()), (0, Some(Saw::Close)));
    }
    // A delivery that was not accounted for is repeated.
    assert_eq!(disk(folder.path()).len(), 2);
}

/// A store that takes a tenth of a second for each batch.
struct Slow;

impl Backend for Slow {
    fn open(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
    fn deliver(&mut self, _: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
        std::thread::park_timeout(Duration::from_millis(100));
        receipt.confirm_all();
        Ok(())
    }
}

#[test]
fn shutdown_without_a_total_limit_lasts_as_long_as_the_store_accepts_batches() {
    let ends = |limits| {
        let (outbox, worker, notes) = new(Box::new(Slow), memory());
        (1..=25).for_each(|number| _ = outbox.put(batch(number, 1)));
        let thread = spawn(|| worker.run());
        let left = finish(&outbox, &notes, limits);
        thread.join().unwrap();
        left.iter().filter(|note| matches!(note, Note::Delivered { .. })).count()
    };
    let stalled = Limits::within(Duration::from_secs(2));
    assert_eq!(ends(stalled.patient()), 25);
    assert!(ends(stalled) < 25);
    let exit = Duration::from_secs(10);
    assert_eq!(Limits::new(exit, false), Limits::within(exit));
    assert_eq!(Limits::new(exit, true), Limits { total: Some(exit), stalled: Duration::from_secs(2) });
}

#[test]
fn a_store_that_rejects_the_configuration_at_start_gets_no_batches() {
    let (sender, saw) = crossbeam_channel::unbounded();
    let (said, heard) = crossbeam_channel::unbounded();
    let plans = [Plan::Configuration].into();
    let fake = Fake { plans, dead: false, saw: sender, gate: None };
    let (outbox, worker, notes) = new(Box::new(fake), memory());
    outbox.put(batch(1, 1));
    let thread = spawn(|| worker.open_and_run(move |opened| said.send(opened).unwrap()));
    let opened = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(opened, Err(StoreError::Configuration { key: "sql_passwd", what: "wrong".to_owned() }));
    let left = finish(&outbox, &notes, Limits::within(LONG));
    thread.join().unwrap();
    assert_eq!((left, saw.iter().count()), (vec![lost(1, 1, DropCause::End, ""), ended(0)], 0));
}
