//! The length of one NLRI: a table record has no length for it.

use crate::MrtError;
use wire::{Afi, Reader, Safi};

/// Takes one NLRI of a family, without path identifier. Only its length is understood.
pub(crate) fn take<'a>(r: &mut Reader<'a>, afi: Afi, safi: Safi) -> Result<&'a [u8], MrtError> {
    let mut ahead = *r;
    let length = match safi {
        // A length in bits; those of labels and route distinguishers are counted (RFC 4271, 8277, 4364, 4684, 9830).
        Safi::UNICAST
        | Safi::MULTICAST
        | Safi::LABELED_UNICAST
        | Safi::MPLS_VPN
        | Safi::MULTICAST_MPLS_VPN
        | Safi::ROUTE_TARGET
        | Safi::SR_POLICY => 1 + usize::from(ahead.u8()?.div_ceil(8)),
        // A type and a length in octets (RFC 7432 section 7, RFC 6514 section 4).
        Safi::EVPN | Safi::MCAST_VPN => {
            ahead.u8()?;
            2 + usize::from(ahead.u8()?)
        }
        // A length of one octet, or of two that begin with 0xf (RFC 8955 section 4.1).
        Safi::FLOWSPEC | Safi::FLOWSPEC_VPN => match ahead.u8()? {
            high @ 0xf0.. => 2 + (usize::from(high & 0x0f) << 8 | usize::from(ahead.u8()?)),
            length => 1 + usize::from(length),
        },
        // A type of two octets and a length in octets (RFC 9552 section 5.2).
        Safi::BGP_LS | Safi::BGP_LS_VPN => {
            ahead.u16()?;
            4 + usize::from(ahead.u16()?)
        }
        // A length in octets (RFC 4761 section 3.2.2).
        Safi::VPLS => 2 + usize::from(ahead.u16()?),
        Safi(safi) => return Err(MrtError::Nlri(afi.0, safi)),
    };
    Ok(r.take(length)?)
}
