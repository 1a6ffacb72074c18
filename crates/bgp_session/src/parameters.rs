//! What both sides agreed on in their OPENs, and our OPEN.
//!
//! The answer echoes the capabilities of the peer that we have as well, in the peer's order, and with a parameter for
//! each of the peer's that has any.

use crate::Config;
use bgp::capability::{self, AddPath, Capability, Code, ExtendedNextHop, MultipleLabels, Tlv};
use bgp::message::HEADER_LEN;
use bgp::open::{Builder, Open};
use bgp::update::{Families, Peering, Session as Decoding};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::{Afi, Asn, Safi, TooLong, Writer};

/// The smallest hold time in seconds that we answer, unless the peer has none. As ours is never below the
/// peer's, the peer's is the negotiated one (RFC 4271 section 4.2).
pub const MIN_ANSWERED_HOLD_TIME: u16 = 5;

/// What both sides of a session agreed on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parameters {
    /// The AS number of the peer.
    pub peer_as: Asn,
    /// Our AS number: the configured one, or that of the peer.
    pub local_as: Asn,
    /// The BGP identifier of the peer.
    pub peer_identifier: Ipv4Addr,
    /// The negotiated hold time; `None` if there is none.
    pub hold_time: Option<Duration>,
    /// AS numbers have four octets in AS_PATH and AGGREGATOR (RFC 6793).
    pub asn4: bool,
    /// The families of routes that the peer may send (RFC 4760); IPv4 unicast if it announced none.
    pub families: Families,
    /// Families whose NLRI have path identifiers in what we receive (RFC 7911).
    pub add_path: Families,
    /// Families whose NLRI may have several labels (RFC 8277).
    pub multiple_labels: Families,
    /// Families whose next hops may be of another address family (RFC 8950).
    pub extended_next_hop: Vec<ExtendedNextHop>,
    /// Messages may have up to 65535 octets (RFC 8654).
    pub extended_message: bool,
    /// The peer answers requests of ours (RFC 2918), whether we announced the capability or not.
    pub route_refresh: bool,
    /// The peer marks begin and end of a refresh (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// The peer's OPEN: the whole message.
    pub received_open: Box<[u8]>,
    /// Our OPEN: the whole message.
    pub sent_open: Box<[u8]>,
}

impl Parameters {
    /// Whether both sides are in one AS (RFC 4271 section 1.1).
    pub fn peering(&self) -> Peering {
        if self.peer_as == self.local_as { Peering::Internal } else { Peering::External }
    }

    /// What the decoder of UPDATEs has to know.
    ///
    /// It leaves open whether the peer is external. From an external one LOCAL_PREF and others would be discarded (RFC 7606
    /// section 7), so that they choose no route; a collector chooses none, and shows what the peer sent, as pmacct does.
    pub fn decoding(&self) -> Decoding {
        Decoding {
            asn4: self.asn4,
            add_path: self.add_path.clone(),
            multiple_labels: self.multiple_labels.clone(),
            peering: None,
            next_hop_optional: false,
        }
    }

    /// All capabilities of the peer, with those that are unknown.
    pub fn capabilities(&self) -> impl Iterator<Item = Tlv<'_>> {
        let open = self.received_open.get(HEADER_LEN..).and_then(|body| Open::decode(body).ok());
        open.into_iter().flat_map(|open| open.capabilities())
    }

    /// Answers an OPEN. `received`: the whole message.
    pub(crate) fn negotiate(config: &Config, open: &Open<'_>, received: &[u8]) -> Result<Self, TooLong> {
        let local_as = config.local_as.unwrap_or(open.asn);
        let mut agreed = Self {
            peer_as: open.asn,
            local_as,
            peer_identifier: open.identifier,
            hold_time: (open.hold_time != 0).then(|| Duration::from_secs(open.hold_time.into())),
            asn4: false,
            families: Families::new(),
            add_path: Families::new(),
            multiple_labels: Families::new(),
            extended_next_hop: Vec::new(),
            extended_message: false,
            route_refresh: false,
            enhanced_route_refresh: false,
            received_open: received.into(),
            sent_open: Box::default(),
        };
        let hold_time = if open.hold_time == 0 { 0 } else { open.hold_time.max(MIN_ANSWERED_HOLD_TIME) };
        let mut answer = Builder::new(local_as, hold_time, config.identifier);
        for parameter in open.parameters() {
            let mut fits = Ok(());
            answer.capabilities(|w| {
                for tlv in parameter.capabilities() {
                    fits = fits.and(agreed.answer(config, tlv, w));
                }
            });
            fits?;
        }
        agreed.sent_open = match &config.observed {
            Some(observed) => {
                agreed.restrict_to(observed);
                observed.clone()
            }
            None => answer.finish()?.into(),
        };
        if agreed.families.is_empty() {
            agreed.families.insert(Afi::IPV4, Safi::UNICAST);
        }
        Ok(agreed)
    }

    /// Takes a capability of the peer into account, and writes our answer, if any.
    fn answer(&mut self, config: &Config, tlv: Tlv<'_>, w: &mut Writer) -> Result<(), TooLong> {
        match tlv.capability() {
            Capability::Multiprotocol(afi, safi) if insert(&mut self.families, afi, safi) => {
                capability::write_multiprotocol(w, afi, safi);
            }
            Capability::FourOctetAs(_) if !self.asn4 => {
                self.asn4 = true;
                capability::write_four_octet_as(w, self.local_as);
            }
            Capability::AddPath(list) if config.add_path => {
                let mut ours = Vec::new();
                for AddPath { afi, safi, send, .. } in list.iter() {
                    if send && insert(&mut self.add_path, afi, safi) {
                        ours.push(AddPath { afi, safi, receive: true, send: false });
                    }
                }
                if !ours.is_empty() {
                    capability::write_list(w, Code::ADD_PATH, &ours)?;
                }
            }
            Capability::MultipleLabels(list) if config.multiple_labels => {
                let mut ours = Vec::new();
                for MultipleLabels { afi, safi, .. } in list.iter() {
                    if insert(&mut self.multiple_labels, afi, safi) {
                        ours.push(MultipleLabels { afi, safi, count: MultipleLabels::UNLIMITED });
                    }
                }
                if !ours.is_empty() {
                    capability::write_list(w, Code::MULTIPLE_LABELS, &ours)?;
                }
            }
            Capability::ExtendedNextHop(list) => {
                let mut new = Vec::new();
                for family in list.iter().filter(|family| !self.extended_next_hop.contains(family)) {
                    if !new.contains(&family) {
                        new.push(family);
                    }
                }
                if !new.is_empty() {
                    capability::write_list(w, Code::EXTENDED_NEXT_HOP, &new)?;
                }
                self.extended_next_hop.append(&mut new);
            }
            Capability::RouteRefresh if !self.route_refresh => {
                self.route_refresh = true;
                if config.route_refresh {
                    capability::write_empty(w, Code::ROUTE_REFRESH);
                }
            }
            Capability::EnhancedRouteRefresh if config.enhanced_route_refresh && !self.enhanced_route_refresh => {
                self.enhanced_route_refresh = true;
                capability::write_empty(w, Code::ENHANCED_ROUTE_REFRESH);
            }
            Capability::ExtendedMessage if config.extended_message && !self.extended_message => {
                self.extended_message = true;
                capability::write_empty(w, Code::EXTENDED_MESSAGE);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Parameters {
    /// Leaves what the OPEN of an observed speaker has as well.
    fn restrict_to(&mut self, observed: &[u8]) {
        let Some(open) = observed.get(HEADER_LEN..).and_then(|body| Open::decode(body).ok()) else { return };
        self.local_as = open.asn;
        let (mut asn4, mut extended_message) = (false, false);
        let (mut add_path, mut multiple_labels) = (Families::new(), Families::new());
        for tlv in open.capabilities() {
            match tlv.capability() {
                Capability::FourOctetAs(_) => asn4 = true,
                Capability::ExtendedMessage => extended_message = true,
                Capability::AddPath(list) => {
                    list.iter().filter(|family| family.receive).for_each(|f| add_path.insert(f.afi, f.safi));
                }
                Capability::MultipleLabels(list) => {
                    list.iter().for_each(|family| multiple_labels.insert(family.afi, family.safi));
                }
                _ => {}
            }
        }
        self.asn4 &= asn4;
        self.extended_message &= extended_message;
        let both = |ours: &Families, other: &Families| {
            ours.iter().filter(|(afi, safi)| other.contains(*afi, *safi)).collect()
        };
        self.add_path = both(&self.add_path, &add_path);
        self.multiple_labels = both(&self.multiple_labels, &multiple_labels);
    }
}

/// Adds a family; true if it is new. An OPEN has at most some 680.
fn insert(families: &mut Families, afi: Afi, safi: Safi) -> bool {
    let is_new = !families.contains(afi, safi);
    families.insert(afi, safi);
    is_new
}
