//! Snapshots of ASPAs: the providers that ASes have authorized (draft-ietf-sidrops-aspa-profile).
//!
//! Nothing validates AS paths by them yet.

use std::collections::BTreeMap;
use wire::{Afi, Asn};

/// What an ASPA is identified by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) customer: Asn,
    /// As in [`crate::rtr::Aspa::family`].
    pub(crate) family: Option<Afi>,
}

/// An immutable set of ASPAs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aspas {
    by_customer: BTreeMap<Key, Box<[Asn]>>,
    /// Providers, and one for each customer.
    size: usize,
}

impl Aspas {
    /// The providers of an AS for routes of a family; `None` if it has not published any. AS 0 alone means that it has none.
    pub fn providers(&self, customer: Asn, family: Afi) -> Option<&[Asn]> {
        let of = |family| self.by_customer.get(&Key { customer, family });
        of(None).or_else(|| of(Some(family))).map(|providers| &**providers)
    }

    /// Number of ASPAs.
    pub fn len(&self) -> usize {
        self.by_customer.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.by_customer.is_empty()
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.by_customer.contains_key(key)
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The set after changes.
    pub(crate) fn with(mut self, changes: BTreeMap<Key, Option<Box<[Asn]>>>) -> Self {
        for (key, providers) in changes {
            match providers {
                Some(providers) => _ = self.by_customer.insert(key, providers),
                None => _ = self.by_customer.remove(&key),
            }
        }
        self.size = self.by_customer.values().map(|providers| 1 + providers.len()).sum();
        self
    }
}
