//! A set of VRPs in little memory, to which announcements and withdrawals are applied.
//!
//! A cache announces and withdraws records one by one, and a record is identified by all of its values. They are kept as sorted
//! arrays, with 10 bytes for an IPv4 record and 22 for an IPv6 record; a batch of changes is merged in one pass.

use crate::vrps::Vrp;
use std::collections::HashMap;
use std::net::IpAddr;
#[cfg(test)]
use wire::{Asn, Prefix};

/// A VRP with an address of `N` octets. The order of records is that of a [`lpm::Sorted`] list, then by AS number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packed<const N: usize> {
    pub(crate) address: [u8; N],
    pub(crate) length: u8,
    asn: [u8; 4],
    pub(crate) max_length: u8,
}

impl<const N: usize> Packed<N> {
    pub(crate) fn asn(&self) -> u32 {
        u32::from_be_bytes(self.asn)
    }
}

/// A record of either family.
enum Either {
    V4(Packed<4>),
    V6(Packed<16>),
}

fn pack(vrp: &Vrp) -> Either {
    let (length, asn, max_length) = (vrp.prefix().length(), vrp.asn().0.to_be_bytes(), vrp.max_length());
    match vrp.prefix().address() {
        IpAddr::V4(v4) => Either::V4(Packed { address: v4.octets(), length, asn, max_length }),
        IpAddr::V6(v6) => Either::V6(Packed { address: v6.octets(), length, asn, max_length }),
    }
}

#[cfg(test)]
fn unpack<const N: usize>(record: &Packed<N>) -> Option<Vrp>
where
    [u8; N]: Into<IpAddr>,
{
    let prefix = Prefix::new(record.address.into(), record.length)?;
    Vrp::new(prefix, record.max_length, Asn(record.asn()))
}

/// VRPs, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    v4: Vec<Packed<4>>,
    v6: Vec<Packed<16>>,
}

impl Records {
    /// The records of both families, sorted.
    pub(crate) fn families(&self) -> (&[Packed<4>], &[Packed<16>]) {
        (&self.v4, &self.v6)
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// All records.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Vrp> {
        self.v4.iter().filter_map(unpack).chain(self.v6.iter().filter_map(unpack))
    }

    /// True if the set has exactly this record.
    pub(crate) fn contains(&self, vrp: &Vrp) -> bool {
        match pack(vrp) {
            Either::V4(record) => self.v4.binary_search(&record).is_ok(),
            Either::V6(record) => self.v6.binary_search(&record).is_ok(),
        }
    }

    /// Applies changes: for each record, whether it is in the set afterwards.
    pub(crate) fn apply(&mut self, changes: &HashMap<Vrp, bool>) {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (vrp, present) in changes {
            match pack(vrp) {
                Either::V4(record) => v4.push((record, *present)),
                Either::V6(record) => v6.push((record, *present)),
            }
        }
        self.v4 = merged(std::mem::take(&mut self.v4), v4);
        self.v6 = merged(std::mem::take(&mut self.v6), v6);
    }
}

fn merged<T: Ord + Copy>(old: Vec<T>, mut changes: Vec<(T, bool)>) -> Vec<T> {
    if changes.is_empty() {
        return old;
    }
    changes.sort_unstable();
    let mut result = Vec::with_capacity(old.len() + changes.iter().filter(|(_, present)| *present).count());
    let mut old = old.into_iter().peekable();
    for (record, present) in changes {
        while let Some(before) = old.next_if(|other| *other < record) {
            result.push(before);
        }
        while old.next_if(|other| *other == record).is_some() {}
        if present {
            result.push(record);
        }
    }
    result.extend(old);
    result
}

/// Collects records in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector {
    records: Records,
}

impl Collector {
    /// Adds a record.
    pub(crate) fn push(&mut self, vrp: &Vrp) {
        match pack(vrp) {
            Either::V4(record) => self.records.v4.push(record),
            Either::V6(record) => self.records.v6.push(record),
        }
    }

    /// Number of records, with duplicates.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The set, and how many duplicates were dropped.
    pub(crate) fn finish(self) -> (Records, usize) {
        let collected = self.len();
        let Records { mut v4, mut v6 } = self.records;
        sort(&mut v4);
        sort(&mut v6);
        let records = Records { v4, v6 };
        let duplicates = collected - records.len();
        (records, duplicates)
    }
}

fn sort<T: Ord>(records: &mut Vec<T>) {
    records.sort_unstable();
    records.dedup();
    records.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrps::tests::any_vrp;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn records_are_small() {
        assert_eq!((size_of::<Packed<4>>(), size_of::<Packed<16>>()), (10, 22));
    }

    proptest! {
        #[test]
        fn a_set_with_changes_equals_a_naive_one(
            first in prop::collection::vec(any_vrp(), 0..40),
            changes in prop::collection::hash_map(any_vrp(), any::<bool>(), 0..40),
        ) {
            let mut collector = Collector::default();
            first.iter().for_each(|vrp| collector.push(vrp));
            let (mut records, duplicates) = collector.finish();
            let mut naive: BTreeSet<Vrp> = first.iter().copied().collect();
            prop_assert_eq!(duplicates, first.len() - naive.len());
            records.apply(&changes);
            for (vrp, present) in &changes {
                if *present { naive.insert(*vrp); } else { naive.remove(vrp); }
                prop_assert_eq!(records.contains(vrp), *present);
            }
            prop_assert_eq!(records.len(), naive.len());
            prop_assert_eq!(records.iter().collect::<BTreeSet<_>>(), naive);
        }
    }
}
