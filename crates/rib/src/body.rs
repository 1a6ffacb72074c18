//! The routes of one table: a tree of prefixes, or a map for families whose NLRI are not prefixes.

use crate::address::Address;
use crate::route::{Nlri, TableKey};
use crate::routes::List;
use crate::trash::Trash;
use crate::tree::Tree;
use std::collections::BTreeMap;
use wire::Family;

/// The routes of one table.
#[derive(Debug)]
pub(crate) enum Body {
    V4(Tree<u32>),
    V6(Tree<u128>),
    /// By the octets of NLRI.
    Octets(Octets),
}

#[derive(Debug, Default)]
pub(crate) struct Octets {
    pub(crate) map: BTreeMap<Box<[u8]>, List>,
    pub(crate) bytes: usize,
}
/// How large a table is, or all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) prefixes: usize,
    /// Estimate of the bytes of memory.
    pub(crate) bytes: usize,
}

impl Size {
    /// Takes `before` off, and adds `after`.
    #[inline]
    pub(crate) const fn replace(&mut self, before: Self, after: Self) {
        self.prefixes = self.prefixes + after.prefixes - before.prefixes;
        self.bytes = self.bytes + after.bytes - before.bytes;
    }
}

impl Body {
    /// A table without routes.
    pub(crate) fn new(key: TableKey) -> Self {
        match key.ip() {
            Some(Family::V4) => Self::V4(Tree::default()),
            Some(Family::V6) => Self::V6(Tree::default()),
            None => Self::Octets(Octets::default()),
        }
    }

    /// How large it is.
    #[inline]
    pub(crate) fn size(&self) -> Size {
        let (prefixes, bytes) = match self {
            Self::V4(tree) => (tree.len(), tree.bytes()),
            Self::V6(tree) => (tree.len(), tree.bytes()),
            Self::Octets(octets) => (octets.map.len(), octets.bytes),
        };
        Size { prefixes, bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::V4(tree) => tree.is_empty(),
            Self::V6(tree) => tree.is_empty(),
            Self::Octets(octets) => octets.map.is_empty(),
        }
    }

    /// The routes of NLRI.
    pub(crate) fn get(&self, nlri: Nlri<'_>) -> Option<&List> {
        match (self, nlri) {
            (Self::V4(tree), Nlri::Prefix(prefix)) => tree.get(u32::of_bits(prefix.bits()), prefix.length()),
            (Self::V6(tree), Nlri::Prefix(prefix)) => tree.get(prefix.bits(), prefix.length()),
            (Self::Octets(octets), Nlri::Octets(nlri)) => octets.map.get(nlri),
            _ => None,
        }
    }

    /// Changes the routes of NLRI, which are added if they are missing. `f` must not leave the list empty.
    pub(crate) fn update<R>(
        &mut self,
        nlri: Nlri<'_>,
        trash: &mut Trash,
        f: impl FnOnce(&mut List, &mut Trash) -> R,
    ) -> Option<R> {
        match (self, nlri) {
            (Self::V4(tree), Nlri::Prefix(prefix)) => {
                tree.update(u32::of_bits(prefix.bits()), prefix.length(), trash, f)
            }
            (Self::V6(tree), Nlri::Prefix(prefix)) => tree.update(prefix.bits(), prefix.length(), trash, f),
            (Self::Octets(octets), Nlri::Octets(nlri)) => Some(octets.update(nlri, trash, f)),
            _ => None,
        }
    }

    /// Changes the routes of NLRI, if there are any, and removes the NLRI if `f` leaves none.
    pub(crate) fn change<R>(
        &mut self,
        nlri: Nlri<'_>,
        trash: &mut Trash,
        f: impl FnOnce(&mut List, &mut Trash) -> R,
    ) -> Option<R> {
        match (self, nlri) {
            (Self::V4(tree), Nlri::Prefix(prefix)) => {
                tree.change(u32::of_bits(prefix.bits()), prefix.length(), trash, f)
            }
            (Self::V6(tree), Nlri::Prefix(prefix)) => tree.change(prefix.bits(), prefix.length(), trash, f),
            (Self::Octets(octets), Nlri::Octets(nlri)) => octets.change(nlri, trash, f),
            _ => None,
        }
    }
}

impl Octets {
    /// Estimate of the bytes that NLRI take beside their list: a key of 16 bytes and the list of 16 in nodes that are two thirds full, and
    /// the octets.
    fn cost(nlri: &[u8]) -> usize {
        64 + nlri.len()
    }

    fn update<R>(&mut self, nlri: &[u8], trash: &mut Trash, f: impl FnOnce(&mut List, &mut Trash) -> R) -> R {
        if let Some(list) = self.map.get_mut(nlri) {
            self.bytes -= list.heap();
            let result = f(list, trash);
            self.bytes += list.heap();
            return result;
        }
        let mut list = List::default();
        let result = f(&mut list, trash);
        self.bytes += Self::cost(nlri) + list.heap();
        self.map.insert(nlri.into(), list);
        result
    }

    fn change<R>(
        &mut self,
        nlri: &[u8],
        trash: &mut Trash,
        f: impl FnOnce(&mut List, &mut Trash) -> R,
    ) -> Option<R> {
        let list = self.map.get_mut(nlri)?;
        self.bytes -= list.heap();
        let result = f(list, trash);
        self.bytes += list.heap();
        if list.is_empty() {
            self.bytes -= Self::cost(nlri);
            trash.octets.extend(self.map.remove_entry(nlri).map(|(octets, _)| octets));
        }
        Some(result)
    }
}
