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
    /// Type and length of one octet each (EVPN, multicast VPN and VPLS).
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

/// Multicast distribution trees (RFC 6037).
const MDT: Safi = Safi(66);
/// Multicast VPLS (RFC 7117).
const MCAST_VPLS: Safi = Safi(8);

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
                    // RFC 6037 section 3: distinguisher, address and group.
                    MDT => Self::Bits(128),
                    // RFC 4684 section 4: an AS number and a route target.
                    Safi::ROUTE_TARGET => Self::Bits(96),
                    // RFC 9830 section 2.1: distinguisher, color and endpoint.
                    Safi::SR_POLICY => Self::Bits(192),
                    Safi::FLOWSPEC | Safi::FLOWSPEC_VPN => Self::FlowSpec,
                    _ => Self::Whole,
                }
            }
            (Afi::L2VPN, Safi::EVPN | MCAST_VPLS) => Self::TypeLength8,
            (Afi::L2VPN, Safi::VPLS) => Self::Length16,
            (Afi::L2VPN, Safi::FLOWSPEC | Safi::FLOWSPEC_VPN) => Self::FlowSpec,
            (Afi::BGP_LS, Safi::BGP_LS | Safi::BGP_LS_VPN | Safi::BGP_LS_SPF) => Self::TypeLength16,
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
    /// Appends one, with its path identifier. `None` if it is not of the family, has more than 255 bits, or has labels that cannot be
    /// read back.
    pub(crate) fn write(self, out: &mut Vec<u8>, path_id: Option<u32>, nlri: &Nlri<'_>) -> Option<()> {
        if self.add_path {
            out.extend_from_slice(&path_id.unwrap_or(0).to_be_bytes());
        }
        match (self.layout, nlri) {
            (Layout::Prefix(family), Nlri::Unicast(prefix)) if prefix.family() == family => {
                put_prefix(out, &[&[]], prefix)
            }
            (Layout::Labelled(family), Nlri::Labelled { labels, prefix }) if prefix.family() == family => {
                put_prefix(out, &[self.labels(*labels)?], prefix)
            }
            (Layout::Vpn(family), Nlri::Vpn { rd, labels, prefix }) if prefix.family() == family => {
                put_prefix(out, &[self.labels(*labels)?, &rd.0], prefix)
            }
            (Layout::VpnWithoutLabels(family), Nlri::Vpn { rd, prefix, .. }) if prefix.family() == family => {
                put_prefix(out, &[&rd.0], prefix)
            }
            (Layout::Prefix(_) | Layout::Labelled(_) | Layout::Vpn(_) | Layout::VpnWithoutLabels(_), _)
            | (_, Nlri::Unicast(_) | Nlri::Labelled { .. } | Nlri::Vpn { .. }) => None,
            (layout, Nlri::Other(nlri)) => {
                let mut r = Reader::new(nlri.as_bytes());
                out.extend_from_slice(opaque(&mut r, layout).ok()?);
                r.is_empty().then_some(())
            }
        }
    }

    /// The octets of labels: one, or a stack of which only the last is marked as its bottom.
    fn labels(self, labels: Labels<'_>) -> Option<&[u8]> {
        let octets = labels.as_bytes();
        let count = labels.iter().len();
        let bottoms = labels.iter().filter(|label| label.is_bottom()).count();
        let is_good = match self.label_stacks {
            true => bottoms == 1 && labels.last().is_some_and(Label::is_bottom),
            false => count == 1,
        };
        (is_good && octets.len() == 3 * count).then_some(octets)
    }

    /// Checks that the field consists of whole NLRI.
    pub(crate) fn check(self, mut r: Reader<'_>) -> Result<(), Malformed> {
        // For most routes only the lengths matter: bits before the prefix, and those of an address.
        let (before, family) = match self.layout {
            Layout::Prefix(family) => (0, family),
            Layout::Labelled(family) if !self.label_stacks => (24, family),
            Layout::Vpn(family) if !self.label_stacks => (24 + 64, family),
            Layout::VpnWithoutLabels(family) => (64, family),
            _ => {
                while !r.is_empty() {
                    self.read(&mut r)?;
                }
                return Ok(());
            }
        };
        while !r.is_empty() {
            if self.add_path {
                r.array::<4>()?;
            }
            let (at, start) = (r.at(), r);
            let bits = r.u8()?;
            match bits.checked_sub(before) {
                None => return Err(Malformed { reason: Reason::NlriLength, at }),
                Some(length) if length > family.width() => match self.layout {
                    Layout::Labelled(_) | Layout::Vpn(_) => {
                        r = start;
                        self.labelled(&mut r)?;
                    }
                    _ => return Err(Malformed { reason: Reason::PrefixLength, at }),
                },
                Some(_) => _ = r.take(usize::from(bits.div_ceil(8)))?,
            };
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

    /// Reads labelled NLRI. With one label, a prefix may be longer than an address: then the speaker sends stacks of labels as in RFC 3107,
    /// which needed no agreement.
    #[inline]
    fn labelled<'a>(self, r: &mut Reader<'a>) -> Result<Nlri<'a>, Malformed> {
        let start = *r;
        match self.labelled_as_agreed(r) {
            Err(error) if error.reason == Reason::PrefixLength && !self.label_stacks => {
                *r = start;
                let stack = Self { label_stacks: true, ..self };
                stack.labelled_as_agreed(r).map_err(|_| error)
            }
            read => read,
        }
    }

    fn labelled_as_agreed<'a>(self, r: &mut Reader<'a>) -> Result<Nlri<'a>, Malformed> {
        let at = r.at();
        let bits = r.u8()?;
        let mut inside = *r;
        r.take(usize::from(bits.div_ceil(8)))?;
        // The octets of the length are there, but may be too few for what the family requires. What is read beyond them makes
        // the rest negative.
        let short = Malformed { reason: Reason::NlriLength, at };
        let labels = match self.layout {
            Layout::VpnWithoutLabels(_) => Labels::default(),
            _ => labels(&mut inside, self.label_stacks).ok_or(short)?,
        };
        let mut used = labels.as_bytes().len() * 8;
        let (rd, family) = match self.layout {
            Layout::Vpn(family) | Layout::VpnWithoutLabels(family) => {
                used += 64;
                (Some(RouteDistinguisher(inside.array().map_err(|_| short)?)), family)
            }
            Layout::Labelled(family) | Layout::Prefix(family) => (None, family),
            _ => return Err(short),
        };
        let left = bits.checked_sub(u8::try_from(used).map_err(|_| short)?).ok_or(short)?;
        let prefix = prefix(&mut inside, family, left, at)?;
        Ok(match rd {
            Some(rd) => Nlri::Vpn { rd, labels, prefix },
            None => Nlri::Labelled { labels, prefix },
        })
    }
}

/// Appends a length in bits, octets, and the octets of a prefix.
fn put_prefix(out: &mut Vec<u8>, before: &[&[u8]], prefix: &Prefix) -> Option<()> {
    let before_len: usize = before.iter().map(|octets| octets.len()).sum();
    out.push(u8::try_from(before_len * 8 + usize::from(prefix.length())).ok()?);
    before.iter().for_each(|octets| out.extend_from_slice(octets));
    let octets = prefix.bits().to_be_bytes();
    out.extend_from_slice(octets.get(..usize::from(prefix.length().div_ceil(8)))?);
    Some(())
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
    let following = r.rest();
    let octets = r.take(usize::from(bits.div_ceil(8)))?;
    // An address can be read in one piece if enough octets follow, as all bits after the prefix are cleared.
    let address = match family {
        Family::V4 => {
            following.first_chunk().copied().or_else(|| padded(octets)).map(|v4| Ipv4Addr::from(v4).into())
        }
        Family::V6 => {
            following.first_chunk().copied().or_else(|| padded(octets)).map(|v6| Ipv6Addr::from(v6).into())
        }
    };
    let prefix = address.and_then(|address| Prefix::new(address, bits));
    prefix.ok_or(Malformed { reason: Reason::PrefixLength, at })
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
