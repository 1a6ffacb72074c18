//! One state of the table, as its readers see it.

use crate::address::Address;
use crate::peers::Peers;
use crate::route::{AttributesId, AttributesKey, Nlri, PeerId, Route, TableKey};
use crate::routes::{List, Units};
use crate::store::Store;
use crate::tree::{Range, Tree};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::IpAddr;
use std::ops::Bound;
use wire::{Afi, Family, Prefix, Safi};

/// The routes of all peers.
///
/// Readers reach it through [`SharedRib::read`](crate::SharedRib::read); only the [`Writer`](crate::Writer) changes it.
#[derive(Debug, Default)]
pub struct Rib {
    pub(crate) tables: BTreeMap<TableKey, Box<Body>>,
    pub(crate) store: Store,
    pub(crate) peers: Peers,
}

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

/// How much memory the table takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Estimate of the bytes of prefixes and routes.
    pub tables: usize,
    /// Bytes of the attribute sets.
    pub attributes: usize,
    /// Tables that have routes.
    pub table_count: usize,
    /// Prefixes, or NLRI of other families, that have routes.
    pub prefixes: usize,
    /// Distinct attribute sets.
    pub attribute_sets: usize,
    /// Routes of all peers, without removed peers.
    pub routes: u64,
    /// Routes of removed peers, which readers do not see, and [`Writer::sweep`](crate::Writer::sweep) removes.
    pub swept_later: u64,
}

/// The routes of one prefix whose peers are present, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Routes<'a> {
    units: Units<'a>,
    peers: &'a Peers,
}

impl Iterator for Routes<'_> {
    type Item = Route;

    #[inline]
    fn next(&mut self) -> Option<Route> {
        self.units.by_ref().find(|route| self.peers.has(route.peer))
    }
}

/// A prefix that was found, and its routes.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The route that was accepted.
    pub route: Route,
    /// Length of the prefix.
    pub length: u8,
    /// All routes of the prefix.
    pub routes: Routes<'a>,
}

impl Match<'_> {
    /// The prefix; `address` is the one that was looked up.
    pub fn prefix(&self, address: IpAddr) -> Option<Prefix> {
        Prefix::new(address, self.length)
    }
}

/// One table: the routes of a family, or of a VPN.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    body: &'a Body,
    peers: &'a Peers,
}

impl Rib {
    /// A table; `None` if it has no routes.
    pub fn table(&self, key: TableKey) -> Option<Table<'_>> {
        Some(Table { body: self.tables.get(&key)?, peers: &self.peers })
    }

    /// The keys of all tables that have routes, those of removed peers included.
    pub fn tables(&self) -> impl Iterator<Item = TableKey> {
        self.tables.keys().copied()
    }

    /// The octets of an attribute set in canonical form. A number that was kept for longer than the read guard may have been given to
    /// another set, or to none; then the octets are any.
    #[inline]
    pub fn attributes(&self, id: AttributesId) -> &[u8] {
        self.store.get(id)
    }

    /// What a cache must remember of an attribute set, if it is kept longer than the read guard: the number alone may be given to
    /// another set later.
    #[inline]
    pub fn attributes_key(&self, id: AttributesId) -> AttributesKey {
        self.store.key(id)
    }

    /// Whether a peer is present.
    pub fn has_peer(&self, peer: PeerId) -> bool {
        self.peers.has(peer)
    }

    /// Routes of a peer; 0 if it was removed.
    pub fn routes_of_peer(&self, peer: PeerId) -> u64 {
        self.peers.routes(peer)
    }

    /// Routes of a peer by family, in the order in which families first came.
    pub fn families_of_peer(&self, peer: PeerId) -> impl Iterator<Item = ((Afi, Safi), u64)> {
        self.peers.families(peer).iter().copied()
    }

    /// How much there is of everything. Its cost grows with the number of tables alone.
    pub fn memory(&self) -> Memory {
        let mut memory = Memory {
            attributes: self.store.bytes(),
            table_count: self.tables.len(),
            attribute_sets: self.store.len(),
            routes: self.peers.all_routes(),
            swept_later: self.peers.removed_routes(),
            ..Memory::default()
        };
        for body in self.tables.values() {
            let (prefixes, bytes) = match &**body {
                Body::V4(tree) => (tree.len(), tree.bytes()),
                Body::V6(tree) => (tree.len(), tree.bytes()),
                Body::Octets(octets) => (octets.map.len(), octets.bytes),
            };
            memory.prefixes += prefixes;
            memory.tables += bytes + size_of::<TableKey>() + size_of::<Body>();
        }
        memory
    }

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
            f(key, nlri, Routes { units: list.iter(), peers: &self.peers });
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
        for (key, body) in self.tables.range((first, Bound::Unbounded)) {
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

/// An address as a trie takes it.
fn bits(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(v4) => (Family::V4, u128::from(v4.to_bits()) << 96),
        IpAddr::V6(v6) => (Family::V6, v6.to_bits()),
    }
}

impl<'a> Table<'a> {
    /// Prefixes, or NLRI of other families, in the table; those of removed peers included.
    pub fn len(self) -> usize {
        match self.body {
            Body::V4(tree) => tree.len(),
            Body::V6(tree) => tree.len(),
            Body::Octets(octets) => octets.map.len(),
        }
    }

    /// Whether the table has no prefixes. Such tables are removed, so this is false.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn routes(self, list: &'a List) -> Routes<'a> {
        Routes { units: list.iter(), peers: self.peers }
    }

    /// The first route of a list that is accepted, and whose peer is present.
    #[inline]
    fn matching(
        self,
        length: u8,
        routes: Routes<'a>,
        mut accept: impl FnMut(&Route) -> bool,
    ) -> Option<Match<'a>> {
        // Most routes are not of the wanted peer: whether the peer is present is asked last.
        let mut units = routes.units;
        let route = units.find(|route| accept(route) && self.peers.has(route.peer))?;
        Some(Match { route, length, routes })
    }

    /// The longest prefix that covers an address and has a route that `accept` returns true for, and the oldest such route. Prefixes
    /// are tried from the longest to the shortest. `accept` may be asked about routes of removed peers, but they are not found.
    #[inline]
    pub fn longest(self, address: IpAddr, mut accept: impl FnMut(&Route) -> bool) -> Option<Match<'a>> {
        self.covering(address, |length, routes| self.matching(length, routes, &mut accept))
    }

    /// Calls `f` with the length and the routes of each prefix that covers an address, from the longest to the shortest, until it returns
    /// something. The routes may be none, if their peers were removed.
    #[inline]
    pub fn covering<R>(self, address: IpAddr, f: impl FnMut(u8, Routes<'a>) -> Option<R>) -> Option<R> {
        let (family, bits) = bits(address);
        self.find(family, bits, family.width(), f)
    }

    /// As [`Table::covering`], for the prefixes that cover a prefix, itself included.
    pub fn covering_prefix<R>(self, prefix: Prefix, f: impl FnMut(u8, Routes<'a>) -> Option<R>) -> Option<R> {
        self.find(prefix.family(), prefix.bits(), prefix.length(), f)
    }

    #[inline]
    fn find<R>(
        self,
        family: Family,
        bits: u128,
        max: u8,
        mut f: impl FnMut(u8, Routes<'a>) -> Option<R>,
    ) -> Option<R> {
        let f = |length, list: &'a List| f(length, self.routes(list));
        match (self.body, family) {
            (Body::V4(tree), Family::V4) => tree.find(u32::of_bits(bits), max, f),
            (Body::V6(tree), Family::V6) => tree.find(bits, max, f),
            _ => None,
        }
    }

    /// As [`Table::longest`] for many addresses, which takes less time, since memory accesses overlap. Both functions get
    /// the index of the address. `found` is called for each address, in order.
    pub fn longest_many(
        self,
        addresses: &[IpAddr],
        mut accept: impl FnMut(usize, &Route) -> bool,
        mut found: impl FnMut(usize, Option<Match<'a>>),
    ) {
        for (chunk, addresses) in addresses.chunks(CHUNK).enumerate() {
            let first = chunk * CHUNK;
            let mut lists = [None; CHUNK];
            match self.body {
                Body::V4(tree) => chunk_of(tree, Family::V4, addresses, &mut lists),
                Body::V6(tree) => chunk_of(tree, Family::V6, addresses, &mut lists),
                Body::Octets(_) => {}
            }
            // In two loops, so that the memory accesses of the first overlap: the second one waits for each result.
            let mut routes = [None; CHUNK];
            for (routes, list) in routes.iter_mut().zip(lists) {
                *routes = list.map(|(length, list)| (length, self.routes(list)));
            }
            black_box(routes.map(|routes| routes.map_or(0, |(_, routes)| routes.units.touch())));
            for ((i, address), routes) in addresses.iter().enumerate().zip(routes) {
                let i = first + i;
                let longest =
                    routes.and_then(|(length, routes)| self.matching(length, routes, |route| accept(i, route)));
                // Rare: no route of the longest prefix is accepted.
                found(i, longest.or_else(|| self.longest(*address, |route| accept(i, route))));
            }
        }
    }

    /// The routes of a prefix, oldest first; none if there is no such prefix.
    pub fn exact(self, nlri: Nlri<'_>) -> Option<Routes<'a>> {
        let list = match (self.body, nlri) {
            (Body::V4(tree), Nlri::Prefix(prefix)) if prefix.family() == Family::V4 => {
                tree.get(u32::of_bits(prefix.bits()), prefix.length())
            }
            (Body::V6(tree), Nlri::Prefix(prefix)) if prefix.family() == Family::V6 => {
                tree.get(prefix.bits(), prefix.length())
            }
            (Body::Octets(map), Nlri::Octets(octets)) => map.map.get(octets),
            _ => None,
        }?;
        Some(self.routes(list))
    }
}

/// Addresses whose lookups are interleaved.
const CHUNK: usize = 16;

fn chunk_of<'a, A: Address>(
    tree: &'a Tree<A>,
    family: Family,
    addresses: &[IpAddr],
    lists: &mut [Option<(u8, &'a List)>; CHUNK],
) {
    let mut keys = [A::default(); CHUNK];
    let mut other = false;
    for (key, address) in keys.iter_mut().zip(addresses) {
        let (of, bits) = bits(*address);
        *key = A::of_bits(bits);
        other |= of != family;
    }
    tree.longest_many(&keys, lists);
    if other {
        for (list, address) in lists.iter_mut().zip(addresses) {
            if bits(*address).0 != family {
                *list = None;
            }
        }
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
    pub(crate) fn update<R>(&mut self, nlri: Nlri<'_>, f: impl FnOnce(&mut List) -> R) -> Option<R> {
        match (self, nlri) {
            (Self::V4(tree), Nlri::Prefix(prefix)) => tree.update(u32::of_bits(prefix.bits()), prefix.length(), f),
            (Self::V6(tree), Nlri::Prefix(prefix)) => tree.update(prefix.bits(), prefix.length(), f),
            (Self::Octets(octets), Nlri::Octets(nlri)) => Some(octets.update(nlri, f)),
            _ => None,
        }
    }

    /// Changes the routes of NLRI, if there are any, and removes the NLRI if `f` leaves none.
    pub(crate) fn change<R>(&mut self, nlri: Nlri<'_>, f: impl FnOnce(&mut List) -> R) -> Option<R> {
        match (self, nlri) {
            (Self::V4(tree), Nlri::Prefix(prefix)) => tree.change(u32::of_bits(prefix.bits()), prefix.length(), f),
            (Self::V6(tree), Nlri::Prefix(prefix)) => tree.change(prefix.bits(), prefix.length(), f),
            (Self::Octets(octets), Nlri::Octets(nlri)) => octets.change(nlri, f),
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

    fn update<R>(&mut self, nlri: &[u8], f: impl FnOnce(&mut List) -> R) -> R {
        if let Some(list) = self.map.get_mut(nlri) {
            self.bytes -= list.heap();
            let result = f(list);
            self.bytes += list.heap();
            return result;
        }
        let mut list = List::default();
        let result = f(&mut list);
        self.bytes += Self::cost(nlri) + list.heap();
        self.map.insert(nlri.into(), list);
        result
    }

    fn change<R>(&mut self, nlri: &[u8], f: impl FnOnce(&mut List) -> R) -> Option<R> {
        let list = self.map.get_mut(nlri)?;
        self.bytes -= list.heap();
        let result = f(list);
        self.bytes += list.heap();
        if list.is_empty() {
            self.bytes -= Self::cost(nlri);
            self.map.remove(nlri);
        }
        Some(result)
    }
}
