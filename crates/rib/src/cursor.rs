//! Visits of many prefixes in steps, between which the table may change.

use crate::address::Address;
use crate::body::Body;
use crate::rib::Rib;
use crate::route::{Nlri, PeerId, Route, TableKey};
use crate::routes::List;
use crate::table::Routes;
use crate::tree::{Range, Tree};
use std::net::IpAddr;
use std::ops::Bound;
use wire::{Family, Prefix};

/// Calls a function with the routes of all prefixes in a part of the table: see [`Rib::visit`].
#[derive(Clone, Debug)]
pub struct Cursor {
    /// Only this table.
    only: Option<TableKey>,
    /// Only prefixes that this one covers.
    within: Option<Prefix>,
    /// What was visited last.
    last: Option<(TableKey, Last)>,
    done: bool,
}

#[derive(Clone, Debug)]
enum Last {
    Prefix(Prefix),
    Octets(Box<[u8]>),
}
impl Cursor {
    /// Over all tables.
    pub fn all() -> Self {
        Self { only: None, within: None, last: None, done: false }
    }

    /// Over one table.
    pub fn table(key: TableKey) -> Self {
        Self { only: Some(key), ..Self::all() }
    }

    /// Over a prefix and more specific ones, in one table.
    pub fn within(key: TableKey, prefix: Prefix) -> Self {
        Self { within: Some(prefix), ..Self::table(key) }
    }
}
impl Rib {
    /// Visits the prefixes from the cursor on, with all their routes, and moves the cursor. Stops after about `budget` prefixes and
    /// routes, so that a reader can leave the table and let the writer in. False when there is nothing left.
    ///
    /// The order is that of tables, then of prefixes. A route that is present during all calls is visited exactly once,
    /// whatever changes in between.
    pub fn visit<'a>(
        &'a self,
        cursor: &mut Cursor,
        budget: usize,
        mut f: impl FnMut(TableKey, Nlri<'a>, Routes<'a>),
    ) -> bool {
        self.visit_lists(cursor, budget, |key, nlri, list| {
            f(key, nlri, Routes::new(list, &self.peers));
        })
    }

    /// As [`Rib::visit`], for the routes of one peer.
    pub fn visit_peer<'a>(
        &'a self,
        cursor: &mut Cursor,
        budget: usize,
        peer: PeerId,
        mut f: impl FnMut(TableKey, Nlri<'a>, Route),
    ) -> bool {
        if !self.peers.has(peer) {
            cursor.done = true;
        }
        self.visit_lists(cursor, budget, |key, nlri, list| {
            for route in list.iter().filter(|route| route.peer == peer) {
                f(key, nlri, route);
            }
        })
    }

    /// As [`Rib::visit`], with the routes of removed peers.
    pub(crate) fn visit_lists<'a>(
        &'a self,
        cursor: &mut Cursor,
        budget: usize,
        mut f: impl FnMut(TableKey, Nlri<'a>, &'a List),
    ) -> bool {
        if cursor.done {
            return false;
        }
        let mut left = budget;
        let first = cursor.last.as_ref().map(|(key, _)| *key).or(cursor.only);
        let first = first.map_or(Bound::Unbounded, Bound::Included);
        for (key, body) in self.tables.map.range((first, Bound::Unbounded)) {
            if cursor.only.is_some_and(|only| only != *key) {
                break;
            }
            let after = cursor.last.take().filter(|(last, _)| last == key).map(|(_, last)| last);
            let mut last = None;
            let mut visit = |nlri, list: &'a List| {
                f(*key, nlri, list);
                left = left.saturating_sub(1 + list.iter().count());
                if left == 0 {
                    last = Some(nlri);
                }
                left > 0
            };
            match &**body {
                Body::V4(tree) => walk(tree, Family::V4, cursor.within, after.as_ref(), &mut visit),
                Body::V6(tree) => walk(tree, Family::V6, cursor.within, after.as_ref(), &mut visit),
                Body::Octets(_) if cursor.within.is_some() => {}
                Body::Octets(octets) => {
                    let after = match &after {
                        Some(Last::Octets(octets)) => Bound::Excluded(&**octets),
                        _ => Bound::Unbounded,
                    };
                    octets
                        .map
                        .range::<[u8], _>((after, Bound::Unbounded))
                        .all(|(octets, list)| visit(Nlri::Octets(octets), list));
                }
            }
            if let Some(nlri) = last {
                let last = match nlri {
                    Nlri::Prefix(prefix) => Last::Prefix(prefix),
                    Nlri::Octets(octets) => Last::Octets(octets.into()),
                };
                cursor.last = Some((*key, last));
                return true;
            }
        }
        cursor.done = true;
        false
    }
}

/// Visits the prefixes of a tree.
fn walk<'a, A: Address>(
    tree: &'a Tree<A>,
    family: Family,
    within: Option<Prefix>,
    after: Option<&Last>,
    visit: &mut impl FnMut(Nlri<'a>, &'a List) -> bool,
) {
    let within = within.unwrap_or(Prefix::default_route(family));
    if within.family() != family {
        return;
    }
    let bits = |prefix: &Prefix| (A::of_bits(prefix.bits()), prefix.length());
    let after = match after {
        Some(Last::Prefix(prefix)) => Some(bits(prefix)),
        _ => None,
    };
    tree.walk(Range { within: bits(&within), after }, |address, length, list| {
        let address = match family {
            Family::V4 => IpAddr::V4(((address.bits() >> 96) as u32).into()),
            Family::V6 => IpAddr::V6(address.bits().into()),
        };
        Prefix::new(address, length).is_none_or(|prefix| visit(Nlri::Prefix(prefix), list))
    });
}
