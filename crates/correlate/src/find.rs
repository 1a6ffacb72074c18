//! The search for the routes of both ends of flows.
//!
//! All ends of a batch that are looked up in the same table for the same peer are looked up together. What found nothing goes on to the
//! next table, and a default route may be followed to another peer, until every end has its route or none.

use crate::peers::{Peers, Slot, Wanted};
use crate::shown::Origin;
use crate::spec::Search;
use bgp::attribute::AttributeSet;
use flow::address::{self, Octets};
use maps::routes::NextHopMap;
use rib::{AttributesId, Match, Rib, Route, TableKey};
use std::net::IpAddr;
use wire::{Family, RouteDistinguisher};

/// The most steps along next hops or default routes, whatever loops there are.
pub(crate) const MAX_STEPS: u32 = 20;

/// Which end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Src,
    Dst,
}

/// Tables, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Unicast, or the VPN of the flow.
    First,
    /// Labelled unicast.
    Labelled,
}

/// The route of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The peer that announced it.
    pub(crate) slot: Slot,
    /// Where it is.
    pub(crate) table: TableKey,
    pub(crate) attributes: AttributesId,
    /// Length of its prefix.
    pub(crate) length: u8,
}

/// One end of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) address: IpAddr,
    pub(crate) side: Side,
    /// The peer whose routes count.
    slot: Slot,
    /// Zero for the global table.
    distinguisher: RouteDistinguisher,
    /// The next hop of the record.
    next_hop: Octets,
    stage: Stage,
    /// Default routes that were followed.
    followed: u32,
    pub(crate) found: Option<Found>,
}

impl End {
    /// An end whose route is not known yet.
    pub(crate) fn new(
        address: IpAddr,
        side: Side,
        slot: Slot,
        distinguisher: RouteDistinguisher,
        next_hop: Octets,
    ) -> Self {
        Self { address, side, slot, distinguisher, next_hop, stage: Stage::First, followed: 0, found: None }
    }

    fn family(&self) -> Family {
        if self.address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    pub(crate) fn is_vpn(&self) -> bool {
        self.distinguisher.0 != [0; 8]
    }

    fn table(&self) -> TableKey {
        match self.stage {
            Stage::First if self.is_vpn() => TableKey::Vpn(self.family(), self.distinguisher),
            Stage::First => TableKey::Unicast(self.family()),
            Stage::Labelled => TableKey::Labelled(self.family()),
        }
    }
}

/// What is looked up in one state of the routes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finder<'a> {
    pub(crate) rib: &'a Rib,
    pub(crate) peers: &'a Peers,
    pub(crate) search: &'a Search,
    pub(crate) next_hops: Option<&'a NextHopMap>,
}

/// Memory that is reused from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pending: Vec<u32>,
    others: Vec<u32>,
    later: Vec<u32>,
    together: Vec<u32>,
    addresses: Vec<IpAddr>,
    results: Vec<Option<Found>>,
}

impl Finder<'_> {
    /// The peer with a session address or router ID.
    pub(crate) fn peer(&self, wanted: &Wanted) -> Option<Slot> {
        self.peers.find(wanted, !self.search.by_session_only)
    }

    /// The next hop of a route.
    pub(crate) fn next_hop(&self, attributes: AttributesId) -> Option<IpAddr> {
        AttributeSet::new(self.rib.attributes(attributes)).next_hop().map(|next_hop| next_hop.to_canonical())
    }

    /// Finds the routes of all ends.
    pub(crate) fn find(&self, ends: &mut [End], scratch: &mut Scratch) {
        let Scratch { pending, others, later, together, addresses, results } = scratch;
        pending.clear();
        pending.extend(0..ends.len() as u32);
        while let Some(first) = pending.first().and_then(|first| ends.get(*first as usize)) {
            let (slot, table, followed) = (first.slot, first.table(), first.followed > 0);
            together.clear();
            others.clear();
            addresses.clear();
            for number in pending.drain(..) {
                let Some(end) = ends.get(number as usize) else { continue };
                if (end.slot, end.table(), end.followed > 0) == (slot, table, followed) {
                    together.push(number);
                    addresses.push(end.address);
                } else {
                    others.push(number);
                }
            }
            self.find_together((slot, table, followed), (ends, together), addresses, results);
            for (number, found) in together.iter().zip(results.iter()) {
                if let Some(end) = ends.get_mut(*number as usize)
                    && self.goes_on(end, *found)
                {
                    later.push(*number);
                }
            }
            pending.append(others);
            if pending.is_empty() {
                pending.append(later);
            }
        }
    }

    /// Takes what was found. True if the end must be looked up again, in another table or for another peer.
    fn goes_on(&self, end: &mut End, found: Option<Found>) -> bool {
        end.found = found;
        match found {
            None if end.stage == Stage::First => {
                end.stage = Stage::Labelled;
                true
            }
            Some(Found { length: 0, attributes, .. })
                if end.followed < self.search.follow_default.min(MAX_STEPS) && !end.is_vpn() =>
            {
                end.found = None;
                // A default route without a peer at its end leads nowhere.
                let next_hop = self.next_hop(attributes);
                let next = next_hop.and_then(|address| self.peer(&Wanted { address, port: None }));
                let Some(slot) = next else { return false };
                (end.slot, end.stage, end.followed) = (slot, Stage::First, end.followed + 1);
                true
            }
            _ => false,
        }
    }

    /// Looks up ends in one table, for one peer.
    fn find_together(
        &self,
        (slot, key, followed): (Slot, TableKey, bool),
        (ends, together): (&[End], &[u32]),
        addresses: &[IpAddr],
        results: &mut Vec<Option<Found>>,
    ) {
        results.clear();
        let table = self.rib.table(key);
        let (Some(owner), Some(table)) = (self.peers.owner(slot), table) else {
            results.resize(addresses.len(), None);
            return;
        };
        let found = |route: &Route, length| Found { slot, table: key, attributes: route.attributes, length };
        if !self.peers.has_paths(slot, key.family()) {
            let accept = |_, route: &Route| owner.has(route);
            table.longest_many(addresses, accept, |_, matched| {
                results.push(matched.map(|matched| found(&matched.route, matched.length)));
            });
            return;
        }
        let end = |number: usize| together.get(number).and_then(|number| ends.get(*number as usize));
        // The record's next hop tells which path its exporter chose; other peers chose their own.
        let accept = |number: usize, route: &Route| {
            owner.has(route)
                && (followed
                    || end(number).is_none_or(|end| {
                        end.side == Side::Src || self.is_next_hop(&end.next_hop, route.attributes)
                    }))
        };
        table.longest_many(addresses, accept, |number, matched| {
            results.push(matched.map(|matched| {
                let route = newest_of_host(&matched, key, |route| accept(number, route));
                found(&route, matched.length)
            }));
        });
    }

    /// True if the route has the next hop of the record, or one that a map turns into it.
    fn is_next_hop(&self, record: &Octets, attributes: AttributesId) -> bool {
        let Some(next_hop) = self.next_hop(attributes) else { return false };
        let mapped = || self.next_hops.and_then(|map| map.find(next_hop));
        address::octets(next_hop) == *record || mapped().is_some_and(|mapped| address::octets(mapped) == *record)
    }

    /// The longest route of a peer to an address in the global tables, for the chase of next hops.
    pub(crate) fn find_one(&self, slot: Slot, address: IpAddr) -> Option<Found> {
        let owner = self.peers.owner(slot)?;
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        [TableKey::Unicast(family), TableKey::Labelled(family)].into_iter().find_map(|key| {
            let matched = self.rib.table(key)?.longest(address, |route| owner.has(route))?;
            let (attributes, length) = (matched.route.attributes, matched.length);
            Some(Found { slot, table: key, attributes, length })
        })
    }

    /// Calls `f` with the lengths and attributes of the shorter routes of the same peer that cover an end, from the longest to the
    /// shortest, until it returns something.
    pub(crate) fn covering<R>(
        &self,
        end: &End,
        found: &Found,
        mut f: impl FnMut(u8, AttributesId) -> Option<R>,
    ) -> Option<R> {
        let owner = self.peers.owner(found.slot)?;
        let has_paths = self.peers.has_paths(found.slot, found.table.family());
        let chooses = has_paths && end.side == Side::Dst && end.followed == 0;
        self.rib.table(found.table)?.covering(end.address, |length, mut routes| {
            if length >= found.length {
                return None;
            }
            let route = routes.find(|route| {
                owner.has(route) && (!chooses || self.is_next_hop(&end.next_hop, route.attributes))
            })?;
            f(length, route.attributes)
        })
    }

    /// The AS that originated a route.
    pub(crate) fn origin(&self, attributes: AttributesId) -> Origin {
        Origin::of(AttributeSet::new(self.rib.attributes(attributes)).as_path())
    }
}

/// The route that a match stands for: of several paths to a host the newest counts, as in pmacct; to a network the oldest.
fn newest_of_host(matched: &Match<'_>, key: TableKey, accept: impl FnMut(&Route) -> bool) -> Route {
    let is_host = key.ip().is_some_and(|family| family.width() == matched.length);
    let newest = is_host.then(|| matched.routes.filter(accept).last()).flatten();
    newest.unwrap_or(matched.route)
}
