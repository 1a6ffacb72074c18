//! Answers that are remembered: records that look alike to a map find the same rule.
//!
//! A matcher looks at a few octets of a row. A [`Memo`] maps these octets, as words under masks, to the rule that was found, in a
//! table of fixed size where a newer answer takes the place of an older one. Interfaces and AS numbers repeat, and then one
//! short hash takes the place of the search; addresses and ports do not, so a memo that is of no use rests.

use super::index::{Part, fold};
use super::word::Picture;
use super::{Rule, Sight};
use crate::condition::Condition;
use flow::fact::{Fact, Facts};
use flow::field::Field;
use flow::row::{FieldSet, Layout};

/// Most words that are compared; with more, searching is as cheap.
const MOST_WORDS: usize = 8;
/// Answers that are remembered.
const SLOTS: usize = 8192;
/// What leaves the number of a slot of a hash.
const SHIFT: u32 = 64 - SLOTS.trailing_zeros();
/// Rows after which a memo looks whether it was of use.
const TRIAL: u32 = 4096;
/// Rows for which it rests otherwise.
const REST: u32 = 1 << 18;

/// What of a row decides, or nothing when that is too much or not in the row alone.
pub(super) fn deciding(rules: &[Rule], layout: &Layout, sight: Sight) -> Box<[Part]> {
    let mut picture = Picture::new(layout);
    let mut add = |field: Field, masks: &[u8]| _ = picture.add(layout, field, masks, masks);
    let mut all = FieldSet::default();
    let mut facts = Facts::default();
    let mut told = |fact: &Option<Fact>| fact.iter().for_each(|fact| facts.insert(*fact));
    for condition in rules.iter().flat_map(|rule| &rule.conditions) {
        match condition {
            Condition::Equal { field, fact, .. } | Condition::Within { field, fact, .. } => {
                all.insert(*field);
                told(fact);
            }
            Condition::Told { fact, .. } => told(&Some(*fact)),
            Condition::Multicast { .. } => {
                add(Field::DstMac, &[1]);
                told(&Some(Fact::DstMac));
            }
            Condition::Filter(filter) if sight == Sight::Rows => filter.filter.require(&mut all),
            // The packet itself, or a list that an id stands for only while strings are kept.
            Condition::Filter(_) | Condition::Communities { .. } => return Box::default(),
        }
    }
    all.iter().for_each(|field| add(field, [0xff; 16].get(..field.size()).unwrap_or_default()));
    add(Field::Facts, &facts.0.to_be_bytes());
    let parts = picture.words().into_iter().map(|word| Part { number: word.number, mask: word.mask });
    let parts: Box<[Part]> = parts.collect();
    if parts.len() > MOST_WORDS { Box::default() } else { parts }
}

/// The answers of one worker.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    /// Slots one after the other: the words, then group and rule.
    slots: Vec<u64>,
    asked: u32,
    met: u32,
    rest: u32,
}

/// What a memo has to say.
pub(super) enum Remembered {
    /// It knows the answer.
    Rule(u32),
    /// It does not; the place where the answer belongs.
    Unknown(usize),
    /// It is not to be used now.
    Resting,
}

impl Memo {
    /// Asks for the answer to a row.
    #[inline]
    pub(super) fn ask(&mut self, parts: &[Part], group: u32, row: &[u64]) -> Remembered {
        if parts.is_empty() {
            return Remembered::Resting;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return Remembered::Resting;
        }
        let stride = parts.len() + 1;
        if self.slots.is_empty() {
            self.slots = vec![u64::MAX; SLOTS * stride];
        }
        self.asked += 1;
        if self.asked == TRIAL {
            self.judge();
        }
        let word = |part: &Part| row.get(part.number as usize).copied().unwrap_or(0) & part.mask;
        // Products do not wait for each other, unlike the search's hash; a poor one costs no more than a forgotten answer.
        let mix = |hash: u64, part: &Part| {
            hash.rotate_left(23) ^ (word(part) ^ word(part) >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let hash = fold(parts.iter().fold(u64::from(group), mix), 0x2545_f491_4f6c_dd1d);
        let at = (hash >> SHIFT) as usize * stride;
        let Some((last, words)) = self.slots.get(at..at + stride).and_then(<[u64]>::split_last) else {
            return Remembered::Resting;
        };
        if last >> 32 == u64::from(group) && words.iter().zip(parts).all(|(known, part)| *known == word(part)) {
            self.met += 1;
            return Remembered::Rule(*last as u32);
        }
        Remembered::Unknown(at)
    }

    #[cold]
    fn judge(&mut self) {
        if self.met < TRIAL / 2 {
            self.rest = REST;
        }
        (self.asked, self.met) = (0, 0);
    }

    /// Remembers an answer in the place that [`Memo::ask`] named.
    pub(super) fn keep(&mut self, at: usize, parts: &[Part], group: u32, row: &[u64], rule: u32) {
        let slot = self.slots.get_mut(at..at + parts.len() + 1).unwrap_or_default();
        for (known, part) in slot.iter_mut().zip(parts) {
            *known = row.get(part.number as usize).copied().unwrap_or(0) & part.mask;
        }
        if let Some(last) = slot.last_mut() {
            *last = u64::from(group) << 32 | u64::from(rule);
        }
    }
}
