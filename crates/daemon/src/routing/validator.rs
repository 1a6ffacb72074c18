//! Validity of routes by RPKI, as messages and dumps show it.

use super::peer::RoutePeer;
use bgp::attribute::AttributeSet;
use rib::{Rib, TableKey};
use rpki::{Judgement, Shared, Vrps};
use std::sync::Arc;
use wire::{Asn, Prefix, RouteDistinguisher, Safi};

/// Knows the VRPs, if RPKI is configured.
#[derive(Clone, Default)]
pub(crate) struct Validator(Option<Arc<Shared>>);

/// The VRPs at one moment.
pub(crate) struct Validation(Arc<Vrps>);

impl Validator {
    pub(crate) fn new(shared: Option<Arc<Shared>>) -> Self {
        Self(shared)
    }

    /// The VRPs as they are now.
    pub(crate) fn enter(&self) -> Option<Validation> {
        self.0.as_ref().map(|shared| Validation(shared.vrps()))
    }
}

impl Validation {
    /// The letter of a route. An invalid route is shown as `V` or `U` if the peer has a valid or unknown route for a shorter prefix.
    pub(crate) fn letter(
        &self,
        peer: &RoutePeer,
        (safi, rd): (Safi, Option<RouteDistinguisher>),
        prefix: &Prefix,
        set: AttributeSet<'_>,
        rib: Option<&Rib>,
    ) -> u8 {
        let of = |prefix: &Prefix, set: AttributeSet<'_>| self.0.validity(prefix, origin(set, peer.local_as));
        let mut validities = vec![of(prefix, set)];
        let table = match (safi, rd) {
            (Safi::UNICAST, _) => Some(TableKey::Unicast(prefix.family())),
            (Safi::LABELED_UNICAST, _) => Some(TableKey::Labelled(prefix.family())),
            (Safi::MPLS_VPN, Some(rd)) => Some(TableKey::Vpn(prefix.family(), rd)),
            _ => None,
        };
        if validities.first() == Some(&rpki::Validity::Invalid)
            && let (Some(rib), Some(id), Some(table)) = (rib, peer.id, table)
            && let Some(table) = rib.table(table)
        {
            let _ = table.covering_prefix(*prefix, |length, mut routes| {
                let route = routes.find(|route| route.peer == id).filter(|_| length < prefix.length())?;
                let shorter = Prefix::new(prefix.address(), length)?;
                let validity = of(&shorter, AttributeSet::new(rib.attributes(route.attributes)));
                validities.push(validity);
                (validity != rpki::Validity::Invalid).then_some(())
            });
        }
        Judgement::of(validities).letter()
    }
}

/// The AS that originates a route: the last of the path if it ends in a sequence, and this side's if the path is empty.
fn origin(set: AttributeSet<'_>, local_as: Asn) -> Option<Asn> {
    let path = set.as_path();
    if path.is_empty() { Some(local_as) } else { path.origin_asn() }
}
