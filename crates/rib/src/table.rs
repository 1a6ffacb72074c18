//! Look-ups in one table.

use crate::address::Address;
use crate::body::Body;
use crate::peers::Peers;
use crate::route::{Nlri, Route};
use crate::routes::{List, Units};
use crate::tree::Tree;
use std::hint::black_box;
use std::net::IpAddr;
use wire::{Family, Prefix};

/// The routes of one prefix whose peers are present, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Routes<'a> {
    units: Units<'a>,
    peers: &'a Peers,
}

impl<'a> Routes<'a> {
    #[inline]
    pub(crate) fn new(list: &'a List, peers: &'a Peers) -> Self {
        Self { units: list.iter(), peers }
    }
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
impl<'a> Table<'a> {
    pub(crate) const fn new(body: &'a Body, peers: &'a Peers) -> Self {
        Self { body, peers }
    }

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
        Routes::new(list, self.peers)
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
/// An address as a trie takes it.
fn bits(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(v4) => (Family::V4, u128::from(v4.to_bits()) << 96),
        IpAddr::V6(v6) => (Family::V6, v6.to_bits()),
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
