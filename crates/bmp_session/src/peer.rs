//! The peers of a router that are up.

use crate::agreed::{Agreed, add_stateless};
use crate::as_path;
use crate::event::{PeerChange, Rejection, Which};
use bgp::open::Open;
use bgp::update;
use bmp::code::{PeerType, PeerUpTlv};
use bmp::peer::{PeerHeader, PeerKey, RibType, Timestamp};
use bmp::peer_up::PeerUp;
use bmp::route_monitoring::RouteMonitoring;
use bmp::tlv::Tlv;
use bmp::v4::{self, CodePoints};
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use wire::Asn;

/// Octets of names that are kept: the most that RFC 9069 section 5.2.1 permits.
const MAX_NAME: usize = 255;

/// The number of a peer in its session: small, from 0, and free for another peer once the peer is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerNumber(pub u32);

impl PeerNumber {
    /// The number as an index of a table.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A peer that is up, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The number.
    pub number: PeerNumber,
    /// What distinguishes the peer from others of the router.
    pub key: PeerKey,
    /// The AS number of the peer.
    pub asn: Asn,
    /// The BGP identifier of the peer.
    pub bgp_id: Ipv4Addr,
    /// The time in the peer up.
    pub up_since: Timestamp,
    /// The address of the router in the session.
    pub local_address: IpAddr,
    /// The port of the router.
    pub local_port: u16,
    /// The port of the peer.
    pub remote_port: u16,
    /// The AS number of the router, from the OPEN that it sent.
    pub local_as: Asn,
    /// The BGP identifier of the router, likewise.
    pub local_bgp_id: Ipv4Addr,
    /// The name of the VRF or table: text, most likely UTF-8, of at most 255 octets.
    pub vrf_table_name: Option<Box<[u8]>>,
    /// The label that an administrator gave to the peer, likewise.
    pub admin_label: Option<Box<[u8]>>,
    /// RIBs for which a peer up came. Routes may be of others as well: most routers send one peer up for all.
    pub announced_ribs: RibSet,
    agreed: Agreed,
}

impl Peer {
    fn new(number: PeerNumber, message: &PeerUp<'_>) -> Result<Self, Rejection> {
        let header = &message.peer;
        let rejection = |which| move |error| Rejection::Open { peer: *header, which, error };
        let sent = Open::decode_observed(message.sent_open.body()).map_err(rejection(Which::Sent))?;
        let received = Open::decode_observed(message.received_open.body()).map_err(rejection(Which::Received))?;
        let agreed = match header.peer_type {
            PeerType::LOC_RIB => Agreed::of_loc_rib(&sent, &received),
            _ => Agreed::of_peer(&sent, &received),
        };
        let name = |kind: PeerUpTlv| {
            let value = message.tlvs.last(kind.0)?;
            Some(value.get(..MAX_NAME).unwrap_or(value).into())
        };
        let mut announced_ribs = RibSet::default();
        announced_ribs.insert(header.rib_type());
        Ok(Self {
            number,
            key: header.key(),
            asn: header.asn,
            bgp_id: header.bgp_id,
            up_since: header.time,
            local_address: message.local_address,
            local_port: message.local_port,
            remote_port: message.remote_port,
            local_as: sent.asn,
            local_bgp_id: sent.identifier,
            vrf_table_name: name(PeerUpTlv::VRF_TABLE_NAME),
            admin_label: name(PeerUpTlv::ADMIN_LABEL),
            announced_ribs,
            agreed,
        })
    }

    /// What the decoder of UPDATEs has to know for routes of a RIB, unless a message says otherwise.
    pub fn decoding(&self, rib: RibType) -> &update::Session {
        if rib.is_out() { &self.agreed.outbound } else { &self.agreed.inbound }
    }

    /// What the decoder has to know for a message.
    pub(crate) fn decoding_of<'a>(
        &'a self,
        message: &RouteMonitoring<'_>,
        code_points: &CodePoints,
    ) -> Cow<'a, update::Session> {
        let rib = message.peer.rib_type();
        let usual = self.decoding(rib);
        // Without the A flag AS numbers have four octets, whatever the OPENs say (RFC 7854 section 4.2, RFC 9069 section 4.1); but
        // versions of FRR report paths of two octets without it.
        let asn4 = !message.peer.is_two_octet_as() && !as_path::must_be_two_octets(message.update.body());
        // Those of version 3 have no index; their types are other ones.
        let is_stateless = |tlv: &Tlv<'_>| tlv.registered() == Some(code_points.stateless_parsing);
        let has_stateless = message.tlvs.is_indexed() && message.tlvs.into_iter().any(|tlv| is_stateless(&tlv));
        if asn4 == usual.asn4 && !has_stateless {
            return Cow::Borrowed(usual);
        }
        let mut session = update::Session { asn4, ..usual.clone() };
        if has_stateless {
            let tlvs = message.tlvs.filter(is_stateless);
            add_stateless(&mut session, rib, tlvs.flat_map(|tlv| v4::capabilities(tlv.value)));
        }
        Cow::Owned(session)
    }

    /// Whether a peer up is of the same session as this one.
    fn is_same_session(&self, other: &Self) -> bool {
        self.is_same_endpoint(other) && self.agreed == other.agreed
    }

    fn is_same_endpoint(&self, other: &Self) -> bool {
        let of = |peer: &Self| {
            (peer.asn, peer.bgp_id, peer.local_address, peer.local_port, peer.remote_port, peer.local_as)
        };
        of(self) == of(other)
    }
}

/// A set of RIBs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RibSet(u8);

impl RibSet {
    /// True if the RIB is in the set.
    pub const fn contains(self, rib: RibType) -> bool {
        self.0 >> rib.index() & 1 == 1
    }

    fn insert(&mut self, rib: RibType) {
        self.0 |= 1 << rib.index();
    }
}

/// The peers that are up.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// By number; `None` for numbers that are free.
    peers: Vec<Option<Box<Peer>>>,
    free: Vec<PeerNumber>,
    numbers: HashMap<PeerKey, PeerNumber>,
    /// The peer of the last message: most messages come in rows for one peer.
    last: Option<(PeerKey, PeerNumber)>,
}

impl Peers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// All of them, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().flatten().map(|peer| &**peer)
    }

    /// The peer with a number.
    pub(crate) fn get(&self, number: PeerNumber) -> Option<&Peer> {
        self.peers.get(number.index())?.as_deref()
    }

    /// The number of the peer that a message is about.
    ///
    /// For routes of a Loc-RIB without a peer up of its type this is the peer of another type at its address: versions of FRR announce
    /// a Loc-RIB as a global peer.
    #[inline]
    pub(crate) fn find(&mut self, key: &PeerKey) -> Option<PeerNumber> {
        match self.last {
            Some((last, number)) if last == *key => Some(number),
            _ => {
                let known = self.numbers.get(key).copied();
                let number = known.or_else(|| self.find_loc_rib(key))?;
                self.last = Some((*key, number));
                Some(number)
            }
        }
    }

    #[cold]
    fn find_loc_rib(&self, key: &PeerKey) -> Option<PeerNumber> {
        let of = |peer_type| self.numbers.get(&PeerKey { peer_type, ..*key }).copied();
        let others = [PeerType::GLOBAL, PeerType::RD, PeerType::LOCAL];
        (key.peer_type == PeerType::LOC_RIB).then(|| others.into_iter().find_map(of)).flatten()
    }

    /// Takes up a peer.
    pub(crate) fn up(&mut self, message: &PeerUp<'_>, max: usize) -> Result<(PeerNumber, PeerChange), Rejection> {
        let key = message.peer.key();
        self.last = None;
        if let Some(number) = self.numbers.get(&key).copied() {
            let mut peer = Peer::new(number, message)?;
            let Some(Some(known)) = self.peers.get_mut(number.index()) else {
                return Ok((number, PeerChange::New));
            };
            let rib = message.peer.rib_type();
            let mut change = PeerChange::Replaced;
            if !known.announced_ribs.contains(rib) && known.is_same_session(&peer) {
                change = PeerChange::FurtherRib;
                peer.announced_ribs = known.announced_ribs;
                peer.announced_ribs.insert(rib);
            } else if key.peer_type == PeerType::LOC_RIB
                && known.is_same_endpoint(&peer)
                && known.agreed.lacks_family_of(&peer.agreed)
            {
                change = PeerChange::FurtherRib;
                peer.announced_ribs = known.announced_ribs;
                peer.agreed.add(&known.agreed);
            }
            **known = peer;
            return Ok((number, change));
        }
        if self.len() >= max {
            return Err(Rejection::TooManyPeers { peer: message.peer });
        }
        let next = || u32::try_from(self.peers.len()).ok().map(PeerNumber);
        let number =
            self.free.last().copied().or_else(next).ok_or(Rejection::TooManyPeers { peer: message.peer })?;
        let peer = Box::new(Peer::new(number, message)?);
        match self.peers.get_mut(number.index()) {
            Some(place) => {
                *place = Some(peer);
                self.free.pop();
            }
            None => self.peers.push(Some(peer)),
        }
        self.numbers.insert(key, number);
        Ok((number, PeerChange::New))
    }

    /// Removes a peer.
    pub(crate) fn down(&mut self, header: &PeerHeader) -> Option<Box<Peer>> {
        self.last = None;
        let number = self.numbers.remove(&header.key())?;
        self.free.push(number);
        self.peers.get_mut(number.index())?.take()
    }
}
