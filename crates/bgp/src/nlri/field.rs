//! Fields with NLRI of one family: where each begins and ends, and what is malformed (RFC 7606 section 5.3).

use super::{Label, Labels, Nlri, Opaque};
use crate::update::Reason;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::{Afi, Family, Prefix, Reader, RouteDistinguisher, Safi, Truncated};

/// How the NLRI of a family are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Length in bits, prefix.
    Prefix(Family),
    /// Length in bits, labels, prefix (RFC 8277).
    Labelled(Family),
    /// Length in bits, labels, route distinguisher, prefix (RFC 4364).
    Vpn(Family),
    /// Length in bits, route distinguisher, prefix (RFC 6513 section 5.1.1).
    VpnWithoutLabels(Family),
    /// Length in bits of one octet, at most the number given, and as many octets as it requires.
    Bits(u8),
    /// Type and length of one octet each (EVPN, multicast VPN).
    TypeLength8,
    /// Type and length of two octets each (BGP-LS).
    TypeLength16,
    /// A length of two octets (VPLS).
    Length16,
    /// A length of one octet below 240, or of two whose first four bits are set (FlowSpec).
    FlowSpec,
    /// Unknown: the whole field is one.
    Whole,
}

impl Layout {
    pub(crate) const fn new(afi: Afi, safi: Safi) -> Self {
        match (afi, safi) {
            (Afi::IPV4 | Afi::IPV6, _) => {
                let family = match afi {
                    Afi::IPV4 => Family::V4,
                    _ => Family::V6,
                };
                match safi {
                    Safi::UNICAST | Safi::MULTICAST => Self::Prefix(family),
                    Safi::LABELED_UNICAST => Self::Labelled(family),
                    Safi::MPLS_VPN => Self::Vpn(family),
                    Safi::MULTICAST_MPLS_VPN => Self::VpnWithoutLabels(family),
                    Safi::MCAST_VPN => Self::TypeLength8,
                    // RFC 4684 section 4: an AS number and a route target.
                    Safi::ROUTE_TARGET => Self::Bits(96),
                    // RFC 9830 section 2.1: distinguisher, color and endpoint.
                    Safi::SR_POLICY => Self::Bits(192),
                    Safi::FLOWSPEC | Safi::FLOWSPEC_VPN => Self::FlowSpec,
                    _ => Self::Whole,
                }
            }
            (Afi::L2VPN, Safi::EVPN) => Self::TypeLength8,
            (Afi::L2VPN, Safi::VPLS) => Self::Length16,
            (Afi::L2VPN, Safi::FLOWSPEC | Safi::FLOWSPEC_VPN) => Self::FlowSpec,
            (Afi::BGP_LS, Safi::BGP_LS | Safi::BGP_LS_VPN) => Self::TypeLength16,
            _ => Self::Whole,
        }
    }
}

/// How to read a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) layout: Layout,
    /// A path identifier precedes each NLRI (RFC 7911 section 3).
    pub(crate) add_path: bool,
    /// Labels end with one marked as the bottom of the stack (RFC 8277 section 2.3). Otherwise there is one, and the mark has
    /// no meaning (section 2.2); so also in withdrawals (section 2.4).
    pub(crate) label_stacks: bool,
}

/// Malformed NLRI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) reason: Reason,
    pub(crate) at: usize,
}

impl From<Truncated> for Malformed {
    #[cold]
    fn from(truncated: Truncated) -> Self {
        Self { reason: Reason::NlriTruncated, at: truncated.at }
    }
}

impl Format {
    /// Checks that the field consists of whole NLRI.
    pub(crate) fn check(self, mut r: Reader<'_>) -> Result<(), Malformed> {
        if let Layout::Prefix(family) = self.layout {
            // Most routes: only the lengths matter.
            while !r.is_empty() {
                if self.add_path {
                    r.array::<4>()?;
                }
                let at = r.at();
                let bits = r.u8()?;
                if bits > family.width() {
                    return Err(Malformed { reason: Reason::PrefixLength, at });
                }
                r.take(usize::from(bits.div_ceil(8)))?;
            }
            return Ok(());
        }
        while !r.is_empty() {
            self.read(&mut r)?;
        }
        Ok(())
    }

    /// Reads one, with its path identifier.
    #[inline]
    pub(crate) fn read<'a>(self, r: &mut Reader<'a>) -> Result<(Option<u32>, Nlri<'a>), Malformed> {
        let path_id = if self.add_path { Some(r.u32()?) } else { None };
        let nlri = match self.layout {
            Layout::Prefix(family) => {
                let at = r.at();
                let bits = r.u8()?;
                Nlri::Unicast(prefix(r, family, bits, at)?)
            }
            Layout::Labelled(_) | Layout::Vpn(_) | Layout::VpnWithoutLabels(_) => self.labelled(r)?,
            layout => Nlri::Other(Opaque::new(opaque(r, layout)?)),
        };
        Ok((path_id, nlri))
    }

    fn labelled<'a>(self, r: &mut Reader<'a>) -> Result<Nlri<'a>, Malformed> {
        let at = r.at();
        let bits = r.u8()?;
        let mut r = r.within(usize::from(bits.div_ceil(8)))?;
        // From here on the length is known to be there, but may be too small for what the family requires.
        let short = Malformed { reason: Reason::NlriLength, at };
        let labels = match self.layout {
            Layout::VpnWithoutLabels(_) => Labels::default(),
            _ => labels(&mut r, self.label_stacks).ok_or(short)?,
        };
        let used = labels.as_bytes().len() * 8;
        let (rd, used, family) = match self.layout {
            Layout::Vpn(family) | Layout::VpnWithoutLabels(family) => {
                (Some(RouteDistinguisher(r.array().map_err(|_| short)?)), used + 64, family)
            }
            Layout::Labelled(Family::V6) => (None, used, Family::V6),
            _ => (None, used, Family::V4),
        };
        let left = usize::from(bits).checked_sub(used).and_then(|left| u8::try_from(left).ok()).ok_or(short)?;
        let prefix = prefix(&mut r, family, left, at)?;
        Ok(match rd {
            Some(rd) => Nlri::Vpn { rd, labels, prefix },
            None => Nlri::Labelled { labels, prefix },
        })
    }
}

/// Reads labels: one, or all to the bottom of the stack. `None` if octets are missing.
fn labels<'a>(r: &mut Reader<'a>, is_stack: bool) -> Option<Labels<'a>> {
    let octets = r.rest();
    let mut len = 0;
    loop {
        let [a, b, c] = r.array().ok()?;
        len += 3;
        if !is_stack || Label(u32::from_be_bytes([0, a, b, c])).is_bottom() {
            return octets.get(..len).map(Labels::new);
        }
    }
}

/// Reads the octets of a prefix whose length was read at the offset `at`.
#[inline]
fn prefix(r: &mut Reader<'_>, family: Family, bits: u8, at: usize) -> Result<Prefix, Malformed> {
    let octets = r.take(usize::from(bits.div_ceil(8)))?;
    let too_long = Malformed { reason: Reason::PrefixLength, at };
    let address = match family {
        Family::V4 => Ipv4Addr::from(padded::<4>(octets).ok_or(too_long)?).into(),
        Family::V6 => Ipv6Addr::from(padded::<16>(octets).ok_or(too_long)?).into(),
    };
    Prefix::new(address, bits).ok_or(too_long)
}

/// The octets, with zeros after them; `None` if there are too many.
#[inline]
fn padded<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    let mut padded = [0; N];
    padded.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(padded)
}

/// Reads the octets of one NLRI of a family that is decoded elsewhere.
fn opaque<'a>(r: &mut Reader<'a>, layout: Layout) -> Result<&'a [u8], Malformed> {
    let mut ahead = *r;
    let at = r.at();
    let (header, len) = match layout {
        Layout::Bits(max) => match ahead.u8()? {
            bits if bits > max => return Err(Malformed { reason: Reason::PrefixLength, at }),
            bits => (1, usize::from(bits.div_ceil(8))),
        },
        Layout::TypeLength8 => {
            let [_, len] = ahead.array()?;
            (2, usize::from(len))
        }
        Layout::TypeLength16 => {
            let [_, _, len @ ..] = ahead.array::<4>()?;
            (4, usize::from(u16::from_be_bytes(len)))
        }
        Layout::Length16 => (2, usize::from(ahead.u16()?)),
        Layout::FlowSpec => match ahead.u8()? {
            len @ ..240 => (1, usize::from(len)),
            high => (2, usize::from(u16::from_be_bytes([high & 0x0f, ahead.u8()?]))),
        },
        _ => (0, ahead.left()),
    };
    Ok(r.take(header + len)?)
}
