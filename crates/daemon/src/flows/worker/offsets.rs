//! The offsets of a Kafka topic up to which all flows are safe, so that they can be committed.
//!
//! What a worker has read is in its tables at first, then in a plugin, and at last in a store. If the process dies, all of it must be read
//! again that was not stored. So when the worker hands a table over, it notes the offsets that it has reached, under its position. When all
//! plugins have confirmed that position, these offsets are committed.

use std::collections::{BTreeMap, VecDeque};

/// A partition, and the offset of the message to read next.
pub(crate) type Next = (i32, i64);

/// Notes that wait for confirmation. Beyond that, only later ones are confirmed: what is committed advances in larger steps.
const WAITING: usize = 1024;

/// The offsets of one worker.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    /// The offset to read next, of each partition that is read.
    reached: BTreeMap<i32, i64>,
    /// Those that were reached at a position, in order of the position.
    noted: VecDeque<(u64, Vec<Next>)>,
    /// Those that were committed last.
    committed: BTreeMap<i32, i64>,
}

impl Offsets {
    /// A message was read. The position of its rows is that of the next call of [`Self::note`], or lower.
    #[inline]
    pub(crate) fn read(&mut self, partition: i32, offset: i64) {
        self.reached.insert(partition, offset.saturating_add(1));
    }

    /// A table was handed over. Tables up to `position` have everything that was read.
    pub(crate) fn note(&mut self, position: u64) {
        if self.noted.len() < WAITING {
            self.noted.push_back((position, self.reached.iter().map(|(partition, next)| (*partition, *next)).collect()));
        }
    }

    /// Everything up to `position` is safe. Returns what has become so, to be committed.
    pub(crate) fn safe(&mut self, position: u64) -> Vec<Next> {
        let mut latest = None;
        while self.noted.front().is_some_and(|(noted, _)| *noted <= position) {
            latest = self.noted.pop_front();
        }
        let Some((_, mut offsets)) = latest else { return Vec::new() };
        offsets.retain(|(partition, next)| self.committed.insert(*partition, *next) != Some(*next));
        offsets
    }

    /// These partitions are read anew, or no more: nothing that was read of them so far may be committed.
    pub(crate) fn forget(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.reached.remove(partition);
            self.committed.remove(partition);
        }
        for (_, offsets) in &mut self.noted {
            offsets.retain(|(partition, _)| !partitions.contains(partition));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn offsets_are_committed_once_and_only_when_they_are_safe() {
        let mut offsets = Offsets::default();
        offsets.read(0, 10);
        offsets.read(1, 20);
        offsets.note(5);
        offsets.read(0, 11);
        offsets.note(7);
        assert!(offsets.safe(4).is_empty());
        assert_eq!(offsets.safe(6), [(0, 11), (1, 21)]);
        assert_eq!(offsets.safe(9), [(0, 12)]);
        offsets.note(9);
        assert!(offsets.safe(9).is_empty());
    }

    #[test]
    fn a_partition_that_comes_back_is_not_committed_as_it_was_before() {
        let mut offsets = Offsets::default();
        offsets.read(0, 10);
        offsets.read(1, 20);
        offsets.note(5);
        offsets.forget(&[0]);
        offsets.read(0, 3);
        assert_eq!(offsets.safe(5), [(1, 21)]);
        offsets.note(6);
        assert_eq!(offsets.safe(6), [(0, 4)]);
    }

    proptest! {
        /// Whatever happens, no message is committed whose position is not safe.
        #[test]
        fn nothing_is_committed_before_it_is_safe(
            steps in prop::collection::vec((0..4_u8, 0..3_i32, 0..20_u64), 1..300),
        ) {
            let mut offsets = Offsets::default();
            // The position of each message, by partition, and the next offset.
            let mut positions: BTreeMap<i32, Vec<u64>> = BTreeMap::new();
            let (mut position, mut safe) = (0, 0);
            for (what, partition, amount) in steps {
                match what {
                    0 | 1 => {
                        position += 1;
                        let read = positions.entry(partition).or_default();
                        offsets.read(partition, read.len() as i64);
                        read.push(position);
                    }
                    2 => offsets.note(position),
                    _ => {
                        safe = position.min(safe + amount);
                        for (partition, next) in offsets.safe(safe) {
                            let read = positions.get(&partition).unwrap();
                            prop_assert!(read[..next as usize].iter().all(|position| *position <= safe));
                        }
                    }
                }
            }
        }
    }
}
