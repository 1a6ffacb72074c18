//! Checks candidate rules from the index.

use super::word::{MaskedRow, Word};
use super::{Lazy, PacketSource, View};
use crate::condition::{self, CommunityPattern, Condition, PacketFilter};
use crate::prefix::{self, Bits, mask};
use filter::Hint;
use flow::address;
use flow::field::Field;
use flow::presence::{Presence, PresenceSet};
use flow::row::Layout;
use std::ops::Range;
use std::sync::Arc;
use wire::{Family, Prefix};

/// All rules, their words one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Checked>,
    words: Vec<Word>,
    tests: Vec<Test>,
    /// Offset of the source address in a row.
    pub(super) src_at: Option<usize>,
    /// Offset of the destination address in a row.
    pub(super) dst_at: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Checked {
    words: Range<u32>,
    tests: Range<u32>,
}

impl Checked {
    /// The octets cover all conditions.
    #[inline]
    pub(super) fn is_octets(&self) -> bool {
        self.tests.is_empty()
    }
}

/// A condition that masked words which must all be equal cannot express.
#[derive(Clone, Debug)]
enum Test {
    /// Not all of these words are equal.
    Differs(Range<u32>),
    /// The address at this offset is in the prefix, or outside it.
    Within { start: usize, prefix: Prefix, negated: bool },
    /// A community of the list with the id at this offset matches.
    Communities { start: usize, patterns: Arc<[CommunityPattern]> },
    /// The packet matches.
    Filter(PacketFilter),
}

impl Test {
    /// Cheap tests come first.
    fn cost(&self) -> u8 {
        match self {
            Self::Differs(_) => 0,
            Self::Within { .. } => 1,
            Self::Communities { .. } => 2,
            Self::Filter(_) => 3,
        }
    }
}

/// The parts of a rule that an index may use.
pub(super) struct IndexKeys {
    /// Octets of fields that must have these values, without presence bits.
    pub(super) masked: MaskedRow,
    pub(super) src: Option<Prefix>,
    pub(super) dst: Option<Prefix>,
}

impl Rules {
    /// No rules yet, for rows of this layout.
    pub(super) fn new(layout: &Layout) -> Self {
        let (src_at, dst_at) = (layout.offset(Field::SrcHost), layout.offset(Field::DstHost));
        Self { src_at, dst_at, ..Self::default() }
    }

    /// Adds a rule; `None` if it can never match.
    pub(super) fn push(
        &mut self,
        conditions: &[Condition],
        layout: &Layout,
        packets: PacketSource,
    ) -> Option<IndexKeys> {
        let mut adder = Adder {
            layout,
            packets,
            index_keys: IndexKeys { masked: MaskedRow::new(layout), src: None, dst: None },
            rest: MaskedRow::new(layout),
            tests: Vec::new(),
            words: &mut self.words,
        };
        let possible = conditions.iter().all(|condition| adder.condition(condition).is_some());
        let Adder { index_keys, rest, mut tests, .. } = adder;
        tests.sort_by_key(Test::cost);
        let merged = merged(&index_keys.masked, &rest);
        let possible = possible && merged.is_some();
        let first = self.words.len() as u32;
        self.words.extend(merged.unwrap_or_default());
        let first_test = self.tests.len() as u32;
        self.tests.extend(tests);
        self.rules
            .push(Checked { words: first..self.words.len() as u32, tests: first_test..self.tests.len() as u32 });
        possible.then_some(index_keys)
    }

    /// True if all conditions of a rule hold.
    #[inline]
    pub(super) fn check(&self, rule: u32, view: &View<'_>, frame: &mut Lazy<'_>) -> bool {
        self.octets_hold(rule, view.row.words()).is_some_and(|rule| self.rest_holds(rule, view, frame))
    }

    /// Returns the rule if the octets match.
    #[inline]
    pub(super) fn octets_hold(&self, rule: u32, row: &[u64]) -> Option<&Checked> {
        let rule = self.rules.get(rule as usize)?;
        range(&self.words, &rule.words).iter().all(|word| word.holds(row)).then_some(rule)
    }

    /// True if the conditions hold that octets cannot express.
    pub(super) fn rest_holds(&self, rule: &Checked, view: &View<'_>, frame: &mut Lazy<'_>) -> bool {
        range(&self.tests, &rule.tests).iter().all(|test| self.test(test, view, frame))
    }

    fn test(&self, test: &Test, view: &View<'_>, frame: &mut Lazy<'_>) -> bool {
        match test {
            Test::Differs(words) => !range(&self.words, words).iter().all(|word| word.holds(view.row.words())),
            Test::Within { start, prefix, negated } => {
                let octets = view.row.bytes().get(*start..).and_then(<[u8]>::first_chunk);
                let address = octets.and_then(Bits::of_row);
                address.is_some_and(|address| address.is_in(prefix) != *negated)
            }
            Test::Communities { start, patterns } => {
                let id = view.row.bytes().get(*start..).and_then(<[u8]>::first_chunk);
                id.is_some_and(|id| condition::fits(patterns, view.strings.get(u32::from_be_bytes(*id))))
            }
            Test::Filter(filter) => filter.filter.matches_view(frame.packet(view)),
        }
    }
}

#[inline]
fn range<'a, T>(all: &'a [T], range: &Range<u32>) -> &'a [T] {
    all.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// The words of both, merged by number; `None` if they contradict each other or themselves.
fn merged(a: &MaskedRow, b: &MaskedRow) -> Option<Vec<Word>> {
    if a.is_contradictory() || b.is_contradictory() {
        return None;
    }
    let mut words = a.words();
    for word in b.words() {
        match words.iter_mut().find(|other| other.number == word.number) {
            Some(other) if (other.value ^ word.value) & other.mask & word.mask != 0 => return None,
            Some(other) => {
                other.mask |= word.mask;
                other.value |= word.value;
            }
            None => words.push(word),
        }
    }
    Some(words)
}

struct Adder<'a> {
    layout: &'a Layout,
    packets: PacketSource,
    index_keys: IndexKeys,
    /// Presence bits, and parts of octets.
    rest: MaskedRow,
    tests: Vec<Test>,
    words: &'a mut Vec<Word>,
}

impl Adder<'_> {
    /// Adds a condition; `None` if it can never hold.
    fn condition(&mut self, condition: &Condition) -> Option<()> {
        match condition {
            Condition::Equal { field, value, presence, negated } => {
                self.needed_presence(*presence)?;
                let masks = [0xff; 16];
                let masks = masks.get(..field.size())?;
                match (value, negated) {
                    (Some(value), false) => {
                        self.index_keys.masked.add(self.layout, *field, masks, value.as_slice()).then_some(())
                    }
                    (None, false) => None,
                    (None, true) => self.layout.offset(*field).map(|_| ()),
                    (Some(value), true) => {
                        let mut masked = MaskedRow::new(self.layout);
                        if !masked.add(self.layout, *field, masks, value.as_slice()) {
                            return None;
                        }
                        let start = self.words.len() as u32;
                        self.words.extend(masked.words());
                        self.tests.push(Test::Differs(start..self.words.len() as u32));
                        Some(())
                    }
                }
            }
            Condition::Within { field, prefix, presence, negated } => {
                self.needed_presence(*presence)?;
                let start = self.layout.offset(*field)?;
                let slot = match field {
                    _ if *negated => None,
                    Field::SrcHost => Some(&mut self.index_keys.src),
                    Field::DstHost => Some(&mut self.index_keys.dst),
                    _ => None,
                };
                if let Some(slot) = slot {
                    longest(slot, *prefix);
                }
                match octets_of(prefix).filter(|_| !negated) {
                    Some((masks, values)) => {
                        self.rest.add(self.layout, *field, &masks, &values);
                    }
                    None => self.tests.push(Test::Within { start, prefix: *prefix, negated: *negated }),
                }
                Some(())
            }
            Condition::Present { presence, wanted } => self.presence(*presence, *wanted),
            Condition::Multicast { group } => {
                self.presence(Presence::DstMac, true)?;
                let value = [u8::from(*group)];
                self.rest.add(self.layout, Field::DstMac, &[1], &value).then_some(())
            }
            Condition::Filter(filter) => {
                self.tests.push(Test::Filter(filter.clone()));
                if self.packets == PacketSource::Rows {
                    filter.filter.hints().iter().for_each(|hint| self.hint(hint));
                }
                Some(())
            }
            Condition::Communities { field, patterns } => {
                let start = self.layout.offset(*field)?;
                self.tests.push(Test::Communities { start, patterns: Arc::clone(patterns) });
                Some(())
            }
        }
    }

    /// Adds what holds for every row whose packet matches the filter.
    fn hint(&mut self, hint: &Hint) {
        let layout = self.layout;
        let mut octets = |field, value: &[u8]| _ = self.index_keys.masked.add(layout, field, &[0xff; 2], value);
        match hint {
            Hint::Proto(number) => octets(Field::Proto, &[*number]),
            Hint::SrcPort(number) => octets(Field::SrcPort, &number.to_be_bytes()),
            Hint::DstPort(number) => octets(Field::DstPort, &number.to_be_bytes()),
            Hint::Vlan(number) => octets(Field::Vlan, &number.to_be_bytes()),
            Hint::SrcNet { octets, len } => self.net(Field::SrcHost, octets, *len),
            Hint::DstNet { octets, len } => self.net(Field::DstHost, octets, *len),
        }
    }

    fn net(&mut self, field: Field, octets: &address::Octets, length: u8) {
        let prefix = self.layout.offset(field).and(prefix::of_row(octets, length));
        let Some(prefix) = prefix else { return };
        let slot = if field == Field::SrcHost { &mut self.index_keys.src } else { &mut self.index_keys.dst };
        longest(slot, prefix);
        if let Some((masks, values)) = octets_of(&prefix) {
            self.rest.add(self.layout, field, &masks, &values);
        }
    }

    fn needed_presence(&mut self, presence: Option<Presence>) -> Option<()> {
        presence.map_or(Some(()), |presence| self.presence(presence, true))
    }

    fn presence(&mut self, presence: Presence, wanted: bool) -> Option<()> {
        let mut mask = PresenceSet::default();
        mask.insert(presence);
        let masks = mask.0.to_be_bytes();
        let values = if wanted { masks } else { [0; 8] };
        self.rest.add(self.layout, Field::Presence, &masks, &values).then_some(())
    }
}

/// Of two prefixes that must both cover an address, the longer is the stricter.
fn longest(slot: &mut Option<Prefix>, prefix: Prefix) {
    if slot.is_none_or(|old| old.length() < prefix.length()) {
        *slot = Some(prefix);
    }
}

/// Mask and value of the 16 octets in which rows store the addresses of a prefix, if these can express it.
pub(super) fn octets_of(prefix: &Prefix) -> Option<([u8; 16], [u8; 16])> {
    match prefix.family() {
        Family::V4 => {
            let mask = mask(96) | mask(prefix.length()) >> 96;
            Some((mask.to_be_bytes(), (0xffff << 32 | prefix.bits() >> 96).to_be_bytes()))
        }
        // A prefix with a zero first half would cover the octets of IPv4 addresses and of absent addresses.
        Family::V6 if prefix.bits() >> 64 == 0 => None,
        Family::V6 => Some((mask(prefix.length()).to_be_bytes(), prefix.bits().to_be_bytes())),
    }
}
