//! The peers of BGP whose routes flows meet.

use crate::directory::{Directory, Place, Relation};
use crate::spec::Search;
use rib::{PeerId, Route, TableKey};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use wire::{Afi, Asn, Family, RouteDistinguisher, Safi};

/// The families in which a peer sends several paths for one prefix (ADD-PATH, RFC 7911).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddPath(u8);

impl AddPath {
    /// The bit of a family; 0 for families that are not looked up.
    const fn bit(afi: Afi, safi: Safi) -> u8 {
        let shift = match safi {
            Safi(1) => 0,
            Safi(4) => 2,
            Safi(128) => 4,
            _ => return 0,
        };
        match afi {
            Afi(1) => 1 << shift,
            Afi(2) => 2 << shift,
            _ => 0,
        }
    }

    /// Adds a family. Only those that flows are looked up in matter: IPv4 and IPv6, unicast, labelled unicast and VPN.
    pub const fn insert(&mut self, afi: Afi, safi: Safi) {
        self.0 |= Self::bit(afi, safi);
    }

    /// True if there are no such families.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if ADD-PATH was agreed on for the family.
    pub const fn has(self, afi: Afi, safi: Safi) -> bool {
        self.0 & Self::bit(afi, safi) != 0
    }
}

impl FromIterator<(Afi, Safi)> for AddPath {
    fn from_iter<I: IntoIterator<Item = (Afi, Safi)>>(families: I) -> Self {
        let mut all = Self::default();
        families.into_iter().for_each(|(afi, safi)| all.insert(afi, safi));
        all
    }
}

/// A peer with an established session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number in the RIB.
    pub id: PeerId,
    /// The address of the session.
    pub address: IpAddr,
    /// The peer's TCP port of the session.
    pub port: u16,
    /// Its router ID (BGP Identifier).
    pub router_id: Ipv4Addr,
    /// Our AS number in the session.
    pub local_as: Asn,
    /// Where ADD-PATH was agreed on.
    pub add_path: AddPath,
}

/// Number of a peer in [`Peers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u32);

/// A peer that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Address of its session, or its router ID.
    pub address: IpAddr,
    /// Its TCP port, if it matters.
    pub port: Option<u16>,
}

/// The peers with established sessions, in slots: a new one takes the first that is free.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    slots: Vec<Option<Peer>>,
    /// By session address and router ID: the slots of the peers with it, in order.
    by_address: HashMap<IpAddr, Vec<Slot>>,
}

impl Peers {
    /// Adds a peer, in place of one with the same number.
    pub fn insert(&mut self, peer: Peer) {
        self.remove(peer.id);
        let peer = Peer { address: peer.address.to_canonical(), ..peer };
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let Ok(slot) = u32::try_from(free).map(Slot) else { return };
        match self.slots.get_mut(free) {
            Some(place) => *place = Some(peer),
            None => self.slots.push(Some(peer)),
        }
        for address in addresses(&peer) {
            let slots = self.by_address.entry(address).or_default();
            if let Err(at) = slots.binary_search(&slot) {
                slots.insert(at, slot);
            }
        }
    }

    /// Removes a peer. Returns it, if it was there.
    pub fn remove(&mut self, id: PeerId) -> Option<Peer> {
        let found = self.slots.iter().position(|peer| peer.is_some_and(|peer| peer.id == id))?;
        let peer = self.slots.get_mut(found)?.take()?;
        for address in addresses(&peer) {
            if let Some(slots) = self.by_address.get_mut(&address) {
                slots.retain(|slot| slot.0 as usize != found);
                if slots.is_empty() {
                    self.by_address.remove(&address);
                }
            }
        }
        while self.slots.last().is_some_and(Option::is_none) {
            self.slots.pop();
        }
        Some(peer)
    }

    /// Number of peers.
    pub fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// True if there are no peers.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The peers, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.slots.iter().flatten()
    }

    /// The peer in a slot.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&Peer> {
        self.slots.get(slot.0 as usize)?.as_ref()
    }
}

impl Directory for Peers {
    type Owner = Slot;
    type Filter = ();
    const HAS_SEVERAL_RIBS: bool = false;

    /// The first peer, in the order of slots, with that session address or, unless sessions alone count, that router ID.
    fn find(&self, wanted: &Wanted, search: &Search) -> Option<Slot> {
        let address = wanted.address.to_canonical();
        let slots = self.by_address.get(&address)?;
        slots.iter().copied().find(|slot| {
            self.get(*slot).is_some_and(|peer| {
                (!search.by_session_only || peer.address == address)
                    && wanted.port.is_none_or(|port| port == peer.port)
            })
        })
    }

    fn place(step: u8, family: Family, distinguisher: RouteDistinguisher, _search: &Search) -> Option<Place<()>> {
        let table = match step {
            0 if distinguisher.0 != [0; 8] => TableKey::Vpn(family, distinguisher),
            0 => TableKey::Unicast(family),
            1 => TableKey::Labelled(family),
            _ => return None,
        };
        Some(Place { table, filter: () })
    }

    #[inline]
    fn relation(&self, slot: Slot, (): (), (afi, safi): (Afi, Safi)) -> Option<impl Fn(&Route) -> Relation> {
        let peer = self.get(slot)?;
        let (id, relation) =
            (peer.id, if peer.add_path.has(afi, safi) { Relation::Path } else { Relation::Route });
        Some(move |route: &Route| if route.peer == id { relation } else { Relation::Other })
    }

    fn has_paths(&self, slot: Slot, (afi, safi): (Afi, Safi)) -> bool {
        self.get(slot).is_some_and(|peer| peer.add_path.has(afi, safi))
    }

    fn local_as(&self, slot: Slot, _peer: PeerId) -> Asn {
        self.get(slot).map_or(Asn(0), |peer| peer.local_as)
    }
}

/// The addresses by which a peer is found. A router ID that is 0 names nobody.
fn addresses(peer: &Peer) -> impl Iterator<Item = IpAddr> {
    let router_id = IpAddr::V4(peer.router_id);
    let other = (router_id != peer.address && !peer.router_id.is_unspecified()).then_some(router_id);
    std::iter::once(peer.address).chain(other)
}
