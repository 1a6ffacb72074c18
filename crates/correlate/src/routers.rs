//! The routers that BMP monitors, and the RIBs that they report.
//!
//! A change is made in a copy as long as a batch of flows uses the old state, so everything that grows with the number of RIBs is in
//! parts that copies share.

use crate::directory::{Directory, Place, Relation};
use crate::peers::{AddPath, Wanted};
use crate::spec::Search;
use rib::{PeerId, Route, TableKey};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use wire::{Afi, Asn, Family, RouteDistinguisher, Safi};

/// The RIBs of a router that BMP reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RibType {
    /// Adj-RIB-In before policies (RFC 7854).
    AdjRibInPre,
    /// Adj-RIB-In after policies (RFC 7854).
    AdjRibInPost,
    /// Adj-RIB-Out before policies (RFC 8671).
    AdjRibOutPre,
    /// Adj-RIB-Out after policies (RFC 8671).
    AdjRibOutPost,
    /// Loc-RIB (RFC 9069).
    LocRib,
}

impl RibType {
    const COUNT: usize = 5;
}

/// Which RIBs of a router are looked up, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference {
    /// By type of RIB, when it is looked up.
    ranks: [Option<u8>; RibType::COUNT],
    /// Number of ranks.
    count: u8,
}

impl Default for Preference {
    /// All RIBs together.
    fn default() -> Self {
        Self { ranks: [Some(0); RibType::COUNT], count: 1 }
    }
}

impl Preference {
    /// Only these RIBs, one after the other: the next one is looked up where no route was found. If there are none, all RIBs together.
    pub fn new(order: impl IntoIterator<Item = RibType>) -> Self {
        let mut preference = Self { ranks: [None; RibType::COUNT], count: 0 };
        for kind in order {
            if let Some(rank @ None) = preference.ranks.get_mut(kind as usize) {
                *rank = Some(preference.count);
                preference.count += 1;
            }
        }
        if preference.count == 0 { Self::default() } else { preference }
    }

    #[inline]
    fn rank(&self, kind: RibType) -> Option<u8> {
        self.ranks.get(kind as usize).copied().flatten()
    }
}

/// A RIB that a router reports: one for each BGP peer and type of RIB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitored {
    /// Its number in the RIB of this daemon.
    pub id: PeerId,
    /// The address of the BGP peer; unspecified for Loc-RIB.
    pub address: IpAddr,
    /// The peer distinguisher: the VPN that all routes belong to. Zero if they belong to the global table.
    pub distinguisher: RouteDistinguisher,
    /// What it is.
    pub kind: RibType,
    /// The router's AS number in the session with that peer.
    pub local_as: Asn,
    /// Where path identifiers are sent.
    pub add_path: AddPath,
}

/// A router with a session, given by [`Routers::insert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouterId {
    slot: u32,
    /// Differs from that of other routers that had the slot.
    serial: u32,
}

/// Whose routes count for an end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    router: RouterId,
    /// Only those of this BGP peer.
    peer: Option<IpAddr>,
}

impl Owner {
    #[inline]
    fn has(&self, rib: &Monitored) -> bool {
        self.peer.is_none_or(|peer| rib.address == peer)
    }
}

/// Which routes of an owner count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    preference: Preference,
    rank: u8,
    members: Members,
}

/// Which RIBs count, by their peer distinguishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Members {
    /// All.
    All,
    /// Those of a VPN.
    Of(RouteDistinguisher),
}

impl Filter {
    #[inline]
    fn has(&self, rib: &Monitored) -> bool {
        let is_member = match self.members {
            Members::All => true,
            Members::Of(distinguisher) => rib.distinguisher == distinguisher,
        };
        is_member && self.preference.rank(rib.kind) == Some(self.rank)
    }
}

/// A router.
#[derive(Clone, Debug)]
struct Router {
    id: RouterId,
    session: SocketAddr,
    ribs: Vec<PeerId>,
    /// RIBs in which path identifiers are sent.
    with_paths: usize,
    /// RIBs by the address of their peers.
    addresses: HashMap<IpAddr, usize>,
}

/// RIBs of a page.
const PAGE: usize = 64;

/// A RIB and its router.
type Entry = Option<(RouterId, Monitored)>;

/// All RIBs, by the slots of their numbers.
#[derive(Clone, Debug, Default)]
struct Ribs(Vec<Arc<[Entry; PAGE]>>);

impl Ribs {
    /// The RIB that a route is in.
    #[inline]
    fn of(&self, id: PeerId) -> Option<&(RouterId, Monitored)> {
        let slot = id.slot();
        self.0.get(slot / PAGE)?.get(slot % PAGE)?.as_ref().filter(|(_, rib)| rib.id == id)
    }

    /// The entry of a number.
    fn entry(&mut self, id: PeerId) -> Option<&mut Entry> {
        let slot = id.slot();
        if slot / PAGE >= self.0.len() {
            self.0.resize_with(slot / PAGE + 1, || Arc::new([None; PAGE]));
        }
        Arc::make_mut(self.0.get_mut(slot / PAGE)?).get_mut(slot % PAGE)
    }
}

/// The routers with sessions, in slots: a new one takes the first that is free.
#[derive(Clone, Debug, Default)]
pub struct Routers {
    slots: Vec<Option<Arc<Router>>>,
    /// The serial number of the next router.
    serial: u32,
    /// By session address: the routers with it, in order.
    by_session: HashMap<IpAddr, Vec<RouterId>>,
    /// By address of a BGP peer: the first router that has it.
    by_peer: HashMap<IpAddr, RouterId>,
    ribs: Ribs,
}

impl Routers {
    /// Adds a router, by the address and port of its session.
    pub fn insert(&mut self, session: SocketAddr) -> RouterId {
        let session = SocketAddr::new(session.ip().to_canonical(), session.port());
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let id = RouterId { slot: u32::try_from(free).unwrap_or(u32::MAX), serial: self.serial };
        self.serial = self.serial.wrapping_add(1);
        let router = Arc::new(Router { id, session, ribs: Vec::new(), with_paths: 0, addresses: HashMap::new() });
        match self.slots.get_mut(free) {
            Some(place) => *place = Some(router),
            None => self.slots.push(Some(router)),
        }
        let ids = self.by_session.entry(session.ip()).or_default();
        ids.insert(ids.partition_point(|other| other.slot < id.slot), id);
        id
    }

    /// Removes a router and its RIBs.
    pub fn remove(&mut self, id: RouterId) {
        let Some(router) = self.router(id).cloned() else { return };
        for rib in &router.ribs {
            self.remove_rib(*rib);
        }
        if let Some(place) = self.slots.get_mut(id.slot as usize) {
            *place = None;
        }
        if let Some(ids) = self.by_session.get_mut(&router.session.ip()) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_session.remove(&router.session.ip());
            }
        }
        while self.slots.last().is_some_and(Option::is_none) {
            self.slots.pop();
        }
    }

    /// Adds a RIB of a router, in place of one with the same number. Nothing happens if the router was removed.
    pub fn insert_rib(&mut self, id: RouterId, rib: Monitored) {
        self.remove_rib(rib.id);
        let rib = Monitored { address: rib.address.to_canonical(), ..rib };
        let Some(router) = self.router_mut(id) else { return };
        router.ribs.push(rib.id);
        router.with_paths += usize::from(!rib.add_path.is_empty());
        *router.addresses.entry(rib.address).or_default() += 1;
        if let Some(entry) = self.ribs.entry(rib.id) {
            *entry = Some((id, rib));
        }
        if !rib.address.is_unspecified() {
            let first = self.by_peer.entry(rib.address).or_insert(id);
            if id.slot < first.slot {
                *first = id;
            }
        }
    }

    /// Removes a RIB.
    pub fn remove_rib(&mut self, number: PeerId) {
        let Some((id, rib)) = self.ribs.of(number).copied() else { return };
        if let Some(entry) = self.ribs.entry(number) {
            *entry = None;
        }
        let Some(router) = self.router_mut(id) else { return };
        router.ribs.retain(|other| *other != number);
        router.with_paths -= usize::from(!rib.add_path.is_empty());
        let left = router.addresses.get_mut(&rib.address).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            router.addresses.remove(&rib.address);
            self.peer_left(rib.address, id);
        }
    }

    /// A router has no RIB of a BGP peer any more.
    fn peer_left(&mut self, address: IpAddr, id: RouterId) {
        if self.by_peer.get(&address) != Some(&id) {
            return;
        }
        let mut routers = self.slots.iter().flatten();
        match routers.find(|router| router.addresses.contains_key(&address)).map(|router| router.id) {
            Some(next) => self.by_peer.insert(address, next),
            None => self.by_peer.remove(&address),
        };
    }

    /// Number of routers.
    pub fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// True if there are no routers.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn router(&self, id: RouterId) -> Option<&Arc<Router>> {
        self.slots.get(id.slot as usize)?.as_ref().filter(|router| router.id == id)
    }

    fn router_mut(&mut self, id: RouterId) -> Option<&mut Router> {
        let router = self.slots.get_mut(id.slot as usize)?.as_mut().filter(|router| router.id == id)?;
        Some(Arc::make_mut(router))
    }
}

impl Directory for Routers {
    type Owner = Owner;
    type Filter = Filter;
    const HAS_SEVERAL_RIBS: bool = true;

    /// A router by the address of its session. If there is none, the first router that has a BGP peer with that address: then only the
    /// routes of that peer count.
    fn find(&self, wanted: &Wanted, _search: &Search) -> Option<Owner> {
        let address = wanted.address.to_canonical();
        if let Some(ids) = self.by_session.get(&address) {
            let port = |id: &RouterId| self.router(*id).map(|router| router.session.port());
            let is_wanted = |id: &&RouterId| wanted.port.is_none_or(|wanted| port(id) == Some(wanted));
            return ids.iter().find(is_wanted).map(|id| Owner { router: *id, peer: None });
        }
        self.by_peer.get(&address).map(|id| Owner { router: *id, peer: Some(address) })
    }

    fn place(
        step: u8,
        family: Family,
        distinguisher: RouteDistinguisher,
        search: &Search,
    ) -> Option<Place<Filter>> {
        let is_vpn = distinguisher.0 != [0; 8];
        let tables = if is_vpn { 3 } else { 2 };
        let (rank, table) = (step / tables, step % tables);
        let (table, members) = match (is_vpn, table) {
            (true, 0) => (TableKey::Vpn(family, distinguisher), Members::All),
            (true, 1) => (TableKey::Unicast(family), Members::Of(distinguisher)),
            (false, 0) => (TableKey::Unicast(family), Members::All),
            _ => (TableKey::Labelled(family), Members::All),
        };
        let preference = search.preference;
        (rank < preference.count).then_some(Place { table, filter: Filter { preference, rank, members } })
    }

    #[inline]
    fn relation(
        &self,
        owner: Owner,
        filter: Filter,
        (afi, safi): (Afi, Safi),
    ) -> Option<impl Fn(&Route) -> Relation> {
        self.router(owner.router)?;
        Some(move |route: &Route| match self.ribs.of(route.peer) {
            Some((router, rib)) if *router == owner.router && owner.has(rib) && filter.has(rib) => {
                if rib.add_path.has(afi, safi) { Relation::Path } else { Relation::Route }
            }
            _ => Relation::Other,
        })
    }

    fn has_paths(&self, owner: Owner, _family: (Afi, Safi)) -> bool {
        self.router(owner.router).is_some_and(|router| router.with_paths > 0)
    }

    fn local_as(&self, _owner: Owner, peer: PeerId) -> Asn {
        self.ribs.of(peer).map_or(Asn(0), |(_, rib)| rib.local_as)
    }
}
