//! What both OPENs of a session agreed on.

use bgp::capability::{self, AddPath, Capability};
use bgp::open::Open;
use bgp::update::{Families, Session};
use bmp::peer::RibType;
use wire::{Afi, Safi};

/// What both OPENs of a session agreed on, for each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// What the peer announces.
    pub(crate) inbound: Session,
    /// What the router announces.
    pub(crate) outbound: Session,
    /// Families that the router has announced by the multiprotocol capability.
    families: Families,
}

/// The capabilities of an OPEN that decide how UPDATEs are read.
#[derive(Default)]
struct Offer {
    asn4: bool,
    sends_paths: Families,
    receives_paths: Families,
    /// Whatever the direction.
    paths: Families,
    multiple_labels: Families,
    families: Families,
}

impl Offer {
    fn of(open: &Open<'_>) -> Self {
        let mut offer = Self { asn4: open.asn4, ..Self::default() };
        for tlv in open.capabilities() {
            match tlv.capability() {
                Capability::AddPath(list) => {
                    for family in list.iter() {
                        offer.paths.insert(family.afi, family.safi);
                        if family.send {
                            offer.sends_paths.insert(family.afi, family.safi);
                        }
                        if family.receive {
                            offer.receives_paths.insert(family.afi, family.safi);
                        }
                    }
                }
                Capability::Multiprotocol(afi, safi) => offer.families.insert(afi, safi),
                Capability::MultipleLabels(list) => {
                    list.iter().for_each(|family| offer.multiple_labels.insert(family.afi, family.safi));
                }
                _ => {}
            }
        }
        offer
    }
}

fn both(these: &Families, those: &Families) -> Families {
    these.iter().filter(|&(afi, safi)| those.contains(afi, safi)).collect()
}

impl Agreed {
    /// Of the session of a peer.
    pub(crate) fn of_peer(sent: &Open<'_>, received: &Open<'_>) -> Self {
        let (router, peer) = (Offer::of(sent), Offer::of(received));
        let multiple_labels = both(&router.multiple_labels, &peer.multiple_labels);
        let session = |add_path| Session {
            asn4: router.asn4 && peer.asn4,
            add_path,
            multiple_labels: multiple_labels.clone(),
            // What the peer sent is shown as it is.
            peering: None,
            next_hop_optional: true,
        };
        Self {
            inbound: session(both(&peer.sends_paths, &router.receives_paths)),
            outbound: session(both(&router.sends_paths, &peer.receives_paths)),
            families: router.families,
        }
    }

    /// Of a Loc-RIB. The router made both OPENs, so that the direction of ADD-PATH means nothing.
    pub(crate) fn of_loc_rib(sent: &Open<'_>, received: &Open<'_>) -> Self {
        let (sent, received) = (Offer::of(sent), Offer::of(received));
        let mut add_path = both(&sent.paths, &received.paths);
        imply_labeled(&mut add_path, &sent.families);
        let session = Session {
            asn4: true,
            add_path,
            multiple_labels: both(&sent.multiple_labels, &received.multiple_labels),
            peering: None,
            next_hop_optional: true,
        };
        Self { inbound: session.clone(), outbound: session, families: sent.families }
    }

    /// Whether another one has a family that is not in this one.
    pub(crate) fn lacks_family_of(&self, other: &Self) -> bool {
        other.families.iter().any(|(afi, safi)| !self.families.contains(afi, safi))
    }

    /// Adds the families of another one, of a Loc-RIB as well.
    pub(crate) fn add(&mut self, other: &Self) {
        let mut families = self.families.clone();
        other.families.iter().for_each(|(afi, safi)| families.insert(afi, safi));
        for (to, from) in [(&mut self.inbound, &other.inbound), (&mut self.outbound, &other.outbound)] {
            // What was implied may be named now.
            to.add_path =
                named(&to.add_path, &self.families).chain(named(&from.add_path, &other.families)).collect();
            imply_labeled(&mut to.add_path, &families);
            from.multiple_labels.iter().for_each(|(afi, safi)| to.multiple_labels.insert(afi, safi));
        }
        self.families = families;
    }
}

/// Adds families of labeled routes that the OPENs of a Loc-RIB do not name, if the unicast ones are there: VRP (Huawei) reports such routes
/// of a VRF, with path identifiers like the others.
fn imply_labeled(add_path: &mut Families, families: &Families) {
    for afi in [Afi::IPV4, Afi::IPV6] {
        if add_path.contains(afi, Safi::UNICAST) && !families.contains(afi, Safi::LABELED_UNICAST) {
            add_path.insert(afi, Safi::LABELED_UNICAST);
        }
    }
}

/// Without the families that [`imply_labeled`] has added.
fn named<'a>(add_path: &'a Families, families: &'a Families) -> impl Iterator<Item = (Afi, Safi)> + 'a {
    add_path.iter().filter(|&(afi, safi)| safi != Safi::LABELED_UNICAST || families.contains(afi, safi))
}

/// Families that capabilities in the TLVs of one message may add: a message has routes of two families at most, and each family
/// costs a search through those before.
const MAX_STATELESS: usize = 64;

/// Adds what capabilities in stateless parsing TLVs say about a message with routes of a RIB. They are those of the router, as IOS XR
/// sends them: with a family that it only receives path identifiers in, there are none in the Adj-RIB-Out. A Loc-RIB has no direction.
pub(crate) fn add_stateless<'a>(
    session: &mut Session,
    rib: RibType,
    capabilities: impl Iterator<Item = capability::Tlv<'a>>,
) {
    let applies = |family: &AddPath| match rib {
        RibType::LocRib => family.send || family.receive,
        rib if rib.is_out() => family.send,
        _ => family.receive,
    };
    let mut left = MAX_STATELESS;
    let mut insert = |families: &mut Families, afi: Afi, safi: Safi| {
        if left > 0 {
            left -= 1;
            families.insert(afi, safi);
        }
    };
    for tlv in capabilities {
        match tlv.capability() {
            Capability::FourOctetAs(_) => session.asn4 = true,
            Capability::AddPath(list) => {
                list.iter().filter(applies).for_each(|f| insert(&mut session.add_path, f.afi, f.safi));
            }
            Capability::MultipleLabels(list) => {
                list.iter().for_each(|f| insert(&mut session.multiple_labels, f.afi, f.safi));
            }
            _ => {}
        }
    }
}
