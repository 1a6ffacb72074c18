//! The search for the routes of both ends of flows.
//!
//! All ends of a batch that are looked up in the same table for the same owner are looked up together. What found nothing goes on to the
//! next table, and a default route may be followed to another peer, until every end has its route or none.

use crate::directory::{Directory, Place, Relation};
use crate::peers::Wanted;
use crate::shown::Origin;
use crate::spec::Search;
use bgp::attribute::AttributeSet;
use flow::address::{self, Octets};
use maps::routes::NextHopMap;
use rib::{AttributesId, Match, PeerId, Rib, Route, TableKey};
use rpki::Vrps;
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

/// The route of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whose it is in the RIB.
    pub(crate) peer: PeerId,
    pub(crate) attributes: AttributesId,
    /// Length of its prefix.
    pub(crate) length: u8,
}

/// One end of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<O> {
    pub(crate) address: IpAddr,
    pub(crate) side: Side,
    /// Whose routes count.
    pub(crate) owner: O,
    /// Zero for the global table.
    distinguisher: RouteDistinguisher,
    /// The next hop of the record.
    next_hop: Octets,
    /// Number of the place where it is looked up.
    step: u8,
    /// Default routes that were followed.
    followed: u32,
    pub(crate) found: Option<Found>,
}

impl<O> End<O> {
    /// An end whose route is not known yet.
    pub(crate) fn new(
        address: IpAddr,
        side: Side,
        owner: O,
        distinguisher: RouteDistinguisher,
        next_hop: Octets,
    ) -> Self {
        Self { address, side, owner, distinguisher, next_hop, step: 0, followed: 0, found: None }
    }

    pub(crate) fn is_vpn(&self) -> bool {
        self.distinguisher.0 != [0; 8]
    }

    /// True if the next hop of the record chooses among several paths: it tells which one its exporter has chosen. Others chose
    /// their own.
    fn chooses(&self) -> bool {
        self.side == Side::Dst && self.followed == 0
    }
}

fn family(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// What is looked up in one state of the routes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finder<'a, D> {
    pub(crate) rib: &'a Rib,
    pub(crate) directory: &'a D,
    pub(crate) vrps: Option<&'a Vrps>,
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

impl<D: Directory> Finder<'_, D> {
    /// The owner of routes with an address.
    pub(crate) fn owner(&self, wanted: &Wanted) -> Option<D::Owner> {
        self.directory.find(wanted, self.search)
    }

    /// The next hop of a route.
    pub(crate) fn next_hop(&self, attributes: AttributesId) -> Option<IpAddr> {
        AttributeSet::new(self.rib.attributes(attributes)).next_hop().map(|next_hop| next_hop.to_canonical())
    }

    /// Where an end is looked up now.
    fn place(&self, end: &End<D::Owner>) -> Option<Place<D::Filter>> {
        D::place(end.step, family(end.address), end.distinguisher, self.search)
    }

    /// Finds the routes of all ends.
    pub(crate) fn find(&self, ends: &mut [End<D::Owner>], scratch: &mut Scratch) {
        let Scratch { pending, others, later, together, addresses, results } = scratch;
        pending.clear();
        pending.extend(0..ends.len() as u32);
        let group = |end: &End<D::Owner>| (end.owner, self.place(end), end.followed > 0);
        while let Some(first) = pending.first().and_then(|first| ends.get(*first as usize)).map(group) {
            together.clear();
            others.clear();
            addresses.clear();
            for number in pending.drain(..) {
                let Some(end) = ends.get(number as usize) else { continue };
                if group(end) == first {
                    together.push(number);
                    addresses.push(end.address);
                } else {
                    others.push(number);
                }
            }
            let (owner, place, _) = first;
            self.find_together((owner, place), (ends, together), addresses, results);
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

    /// Takes what was found. True if the end must be looked up again, elsewhere or for another owner.
    fn goes_on(&self, end: &mut End<D::Owner>, found: Option<Found>) -> bool {
        end.found = found;
        match found {
            None => {
                end.step += 1;
                self.place(end).is_some()
            }
            Some(Found { length: 0, attributes, .. })
                if end.followed < self.search.follow_default.min(MAX_STEPS) && !end.is_vpn() =>
            {
                end.found = None;
                // A default route without a peer at its end leads nowhere.
                let next_hop = self.next_hop(attributes);
                let next = next_hop.and_then(|address| self.owner(&Wanted { address, port: None }));
                let Some(owner) = next else { return false };
                (end.owner, end.step, end.followed) = (owner, 0, end.followed + 1);
                true
            }
            Some(_) => false,
        }
    }

    /// Looks up ends in one place, for one owner.
    fn find_together(
        &self,
        (owner, place): (D::Owner, Option<Place<D::Filter>>),
        (ends, together): (&[End<D::Owner>], &[u32]),
        addresses: &[IpAddr],
        results: &mut Vec<Option<Found>>,
    ) {
        results.clear();
        let in_table = place.and_then(|Place { table, filter }| {
            let relation = self.directory.relation(owner, filter, table.family())?;
            Some((table, relation, self.rib.table(table)?))
        });
        let Some((key, relation, table)) = in_table else {
            results.resize(addresses.len(), None);
            return;
        };
        let found = |route: &Route, length| Found { peer: route.peer, attributes: route.attributes, length };
        if !D::HAS_SEVERAL_RIBS && !self.directory.has_paths(owner, key.family()) {
            let accept = |_, route: &Route| relation(route) != Relation::Other;
            table.longest_many(addresses, accept, |_, matched| {
                results.push(matched.map(|matched| found(&matched.route, matched.length)));
            });
            return;
        }
        let end = |number: usize| together.get(number).and_then(|number| ends.get(*number as usize));
        let accept = |number: usize, route: &Route| match relation(route) {
            Relation::Other => false,
            Relation::Route => true,
            Relation::Path => end(number).is_none_or(|end| self.chooses(end, route.attributes)),
        };
        table.longest_many(addresses, accept, |number, matched| {
            results.push(matched.map(|matched| {
                let route = newest_of_host(&matched, key, |route| accept(number, route));
                found(&route, matched.length)
            }));
        });
    }

    /// True if a path may be that of an end.
    fn chooses(&self, end: &End<D::Owner>, path: AttributesId) -> bool {
        !end.chooses() || self.is_next_hop(&end.next_hop, path)
    }

    /// True if the route has the next hop of the record, or one that a map turns into it.
    fn is_next_hop(&self, record: &Octets, attributes: AttributesId) -> bool {
        let Some(next_hop) = self.next_hop(attributes) else { return false };
        let mapped = || self.next_hops.and_then(|map| map.find(next_hop));
        address::octets(next_hop) == *record || mapped().is_some_and(|mapped| address::octets(mapped) == *record)
    }

    /// The longest route of an owner to an address in the global tables, for the chase of next hops.
    pub(crate) fn find_one(&self, owner: D::Owner, address: IpAddr) -> Option<Found> {
        let place = |step| D::place(step, family(address), RouteDistinguisher::default(), self.search);
        (0..).map_while(place).find_map(|Place { table, filter }| {
            let relation = self.directory.relation(owner, filter, table.family())?;
            let accept = |route: &Route| relation(route) != Relation::Other;
            let matched = self.rib.table(table)?.longest(address, accept)?;
            let Route { peer, attributes, .. } = matched.route;
            Some(Found { peer, attributes, length: matched.length })
        })
    }

    /// Calls `f` with the shorter routes of the same owner that cover an end, from the longest to the shortest, until it returns
    /// something.
    pub(crate) fn covering<R>(
        &self,
        end: &End<D::Owner>,
        found: &Found,
        mut f: impl FnMut(&Found) -> Option<R>,
    ) -> Option<R> {
        let Place { table, filter } = self.place(end)?;
        let relation = self.directory.relation(end.owner, filter, table.family())?;
        self.rib.table(table)?.covering(end.address, |length, mut routes| {
            if length >= found.length {
                return None;
            }
            let Route { peer, attributes, .. } = routes.find(|route| match relation(route) {
                Relation::Other => false,
                Relation::Route => true,
                Relation::Path => self.chooses(end, route.attributes),
            })?;
            f(&Found { peer, attributes, length })
        })
    }

    /// The AS that originated a route; for an empty path that of the session.
    pub(crate) fn origin(&self, attributes: AttributesId) -> Origin {
        Origin::of(AttributeSet::new(self.rib.attributes(attributes)).as_path())
    }
}

/// The route that a match stands for: of several routes to a host the newest counts, as in pmacct; to a network the oldest.
fn newest_of_host(matched: &Match<'_>, key: TableKey, accept: impl FnMut(&Route) -> bool) -> Route {
    let is_host = key.ip().is_some_and(|family| family.width() == matched.length);
    let newest = is_host.then(|| matched.routes.filter(accept).last()).flatten();
    newest.unwrap_or(matched.route)
}
