//! How far a topic was read, and how far it may be committed.
//!
//! What was read is in tables of workers for a while, and then in plugins, and a killed process loses both. So a position is committed only
//! when all plugins have stored the rows of all messages before it. Positions are noted several times in a second ([`Positions::note`]), each with
//! what had been sent to workers, and the newest one whose rows were stored is committed ([`Positions::take_ready`]).

use super::feed::{Feeder, Mark};
use brokers::topic::Position;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The interval between notes. What was read between the last note and a plugin's request for tables is stored, and not committed until the
/// next time: after a kill it is counted twice.
const INTERVAL: Duration = Duration::from_millis(100);
/// Notes that are kept; beyond that, every other one is forgotten, so that less can be committed at a time.
const NOTES: usize = 4096;

/// The positions of a reader.
#[derive(Debug)]
pub(super) struct Positions {
    /// The message to read next of each partition.
    next: Vec<Position>,
    /// Where the partition of the last message is in `next`.
    last: usize,
    notes: VecDeque<Note>,
    noted: Instant,
    /// Something was read since the last note.
    has_changed: bool,
}

#[derive(Debug)]
struct Note {
    positions: Vec<Position>,
    mark: Mark,
}

impl Positions {
    pub(super) fn new() -> Self {
        Self { next: Vec::new(), last: 0, notes: VecDeque::new(), noted: Instant::now(), has_changed: false }
    }

    /// A message was read.
    pub(super) fn read(&mut self, partition: i32, offset: i64) {
        self.has_changed = true;
        let next = offset.saturating_add(1);
        if let Some(position) = self.next.get_mut(self.last).filter(|position| position.0 == partition) {
            position.1 = next;
            return;
        }
        match self.next.iter().position(|position| position.0 == partition) {
            Some(at) => {
                self.last = at;
                if let Some(position) = self.next.get_mut(at) {
                    position.1 = next;
                }
            }
            None => {
                self.last = self.next.len();
                self.next.push((partition, next));
            }
        }
    }

    /// Whether a note is due.
    pub(super) fn is_due(&self) -> bool {
        self.has_changed && self.noted.elapsed() >= INTERVAL
    }

    /// Notes the positions. All that was read must have been sent.
    pub(super) fn note(&mut self, feeder: &Feeder) {
        self.noted = Instant::now();
        if !std::mem::take(&mut self.has_changed) {
            return;
        }
        if self.notes.len() >= NOTES {
            let mut number = 0;
            self.notes.retain(|_| {
                number += 1;
                number % 2 == 0
            });
        }
        self.notes.push_back(Note { positions: self.next.clone(), mark: feeder.mark() });
    }

    /// The newest positions that may be committed, once.
    pub(super) fn take_ready(&mut self, feeder: &Feeder) -> Option<Vec<Position>> {
        let mut ready = None;
        while self.notes.front().is_some_and(|note| feeder.are_safe(&note.mark)) {
            ready = self.notes.pop_front().map(|note| note.positions);
        }
        ready
    }

    /// Partitions are no longer read. Returns their positions.
    pub(super) fn forget(&mut self, partitions: &[i32]) -> Vec<Position> {
        let is_gone = |position: &Position| partitions.contains(&position.0);
        for note in &mut self.notes {
            note.positions.retain(|position| !is_gone(position));
        }
        let gone = self.next.iter().copied().filter(is_gone).collect();
        self.next.retain(|position| !is_gone(position));
        gone
    }

    /// All positions.
    pub(super) fn all(&self) -> &[Position] {
        &self.next
    }
}

#[cfg(test)]
mod tests {
    use super::super::feed::{Next, channel};
    use super::*;
    use ::tee::header::Header;

    #[test]
    fn positions_are_ready_when_plugins_have_stored_the_rows_before_them() {
        let (mut feeder, feeds) = channel(1);
        let (feed, _) = &feeds[0];
        let message = Header::message("192.0.2.1:5".parse().unwrap(), b"").unwrap();
        let mut positions = Positions::new();
        for offset in 10..13 {
            feeder.add(message.octets()).unwrap();
            positions.read(0, offset);
            positions.read(7, offset * 2);
            feeder.send(Duration::ZERO).unwrap();
            positions.note(&feeder);
        }
        assert_eq!(positions.take_ready(&feeder), None);
        while let Next::Chunk(chunk) = feed.next(Duration::ZERO) {
            feed.done(chunk);
        }
        assert_eq!(positions.take_ready(&feeder), None);
        feed.safe(2);
        assert_eq!(positions.take_ready(&feeder), Some(vec![(0, 12), (7, 23)]));
        assert_eq!(positions.take_ready(&feeder), None);
        assert_eq!(positions.forget(&[7]), [(7, 25)]);
        feed.safe(3);
        assert_eq!(positions.take_ready(&feeder), Some(vec![(0, 13)]));
        positions.note(&feeder);
        assert_eq!(positions.take_ready(&feeder), None, "nothing was read since");
        assert_eq!(positions.all(), [(0, 13)]);
    }

    #[test]
    fn notes_are_bounded() {
        let (feeder, _feeds) = channel(1);
        let mut positions = Positions::new();
        for offset in 0..100_000 {
            positions.read(0, offset);
            positions.note(&feeder);
        }
        assert!(positions.notes.len() <= NOTES);
        assert_eq!(positions.take_ready(&feeder), Some(vec![(0, 100_000)]));
    }
}
