//! Flow specifications (RFC 8955; RFC 8956 for IPv6): which packets an action applies to. The actions are extended
//! communities.
//!
//! One NLRI is a length of one or two octets, in VPNs a route distinguisher, and components in ascending order of their types, each at
//! most once. A component has no length, so that an unknown one makes the rest unreadable: it is an error.
//!
//! The text form has the components in their order, separated by blanks: `dst 10.0.0.0/8 proto =6 dst-port >=80&<=90|=443`.
//! `&` binds more tightly than `|`. Bits are named, or numbers: `tcp-flags =syn+ack`, `fragment !is`; `=` compares all bits, without it any of them
//! suffices, and `!` inverts. A prefix of IPv6 with an offset is `dst ::1234:0:0/64-96`: bits 64 to 95.

mod text;

use crate::tlv::{Malformed, end};
use crate::value::{Members, Value};
use std::net::{IpAddr, Ipv6Addr};
use wire::{Family, Prefix, PrefixError, Reader, RouteDistinguisher, TooLong, Writer};

pub use text::FlowspecError;

/// The type of a component (IANA "Flow Spec Component Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentType(pub u8);

impl ComponentType {
    /// Destination prefix.
    pub const DESTINATION: Self = Self(1);
    /// Source prefix.
    pub const SOURCE: Self = Self(2);
    /// IP protocol; in IPv6, the upper-layer protocol.
    pub const PROTOCOL: Self = Self(3);
    /// Source or destination port.
    pub const PORT: Self = Self(4);
    /// Destination port.
    pub const DESTINATION_PORT: Self = Self(5);
    /// Source port.
    pub const SOURCE_PORT: Self = Self(6);
    /// ICMP type.
    pub const ICMP_TYPE: Self = Self(7);
    /// ICMP code.
    pub const ICMP_CODE: Self = Self(8);
    /// TCP flags.
    pub const TCP_FLAGS: Self = Self(9);
    /// Packet length.
    pub const LENGTH: Self = Self(10);
    /// DSCP.
    pub const DSCP: Self = Self(11);
    /// Fragment.
    pub const FRAGMENT: Self = Self(12);
    /// Flow label, in IPv6 only.
    pub const FLOW_LABEL: Self = Self(13);

    /// The word of the text form, and the name of the member.
    pub const fn names(self) -> Option<(&'static str, &'static str)> {
        Some(match self.0 {
            1 => ("dst", "dst"),
            2 => ("src", "src"),
            3 => ("proto", "proto"),
            4 => ("port", "port"),
            5 => ("dst-port", "dst_port"),
            6 => ("src-port", "src_port"),
            7 => ("icmp-type", "icmp_type"),
            8 => ("icmp-code", "icmp_code"),
            9 => ("tcp-flags", "tcp_flags"),
            10 => ("length", "length"),
            11 => ("dscp", "dscp"),
            12 => ("fragment", "fragment"),
            13 => ("flow-label", "flow_label"),
            _ => return None,
        })
    }

    /// The type with a word of the text form.
    pub fn named(word: &str) -> Option<Self> {
        (1..=13).map(Self).find(|kind| kind.names().is_some_and(|(name, _)| name == word))
    }

    /// True if the operators of the component match bits, not numbers.
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::TCP_FLAGS | Self::FRAGMENT)
    }
}

/// An operator and a value of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// The operator: [`Term::AND`] and the bits of the comparison.
    pub operator: u8,
    /// The value.
    pub value: u64,
}

impl Term {
    /// The term and the one before it must both match; else either suffices.
    pub const AND: u8 = 0x40;
    /// Numbers: less than.
    pub const LESS: u8 = 4;
    /// Numbers: greater than.
    pub const GREATER: u8 = 2;
    /// Numbers: equal.
    pub const EQUAL: u8 = 1;
    /// Bits: inverted.
    pub const NOT: u8 = 2;
    /// Bits: all of them.
    pub const MATCH: u8 = 1;
    const END: u8 = 0x80;
    const LENGTH_SHIFT: u8 = 4;
    const COMPARISON: u8 = 7;
}

/// One component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component<'a> {
    /// A destination or source prefix.
    Prefix {
        /// The type.
        kind: ComponentType,
        /// The prefix; the bits before the offset are zero.
        prefix: Prefix,
        /// The first bit that is compared (RFC 8956 section 3.1); 0 in IPv4.
        offset: u8,
    },
    /// Operators and values.
    Terms {
        /// The type.
        kind: ComponentType,
        /// The terms.
        terms: Terms<'a>,
    },
}

impl Component<'_> {
    /// The type.
    pub const fn kind(&self) -> ComponentType {
        match self {
            Self::Prefix { kind, .. } | Self::Terms { kind, .. } => *kind,
        }
    }
}

/// The terms of a component.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    r: Reader<'a>,
    is_first: bool,
}

impl PartialEq for Terms<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.is_first == other.is_first && self.r.rest() == other.r.rest()
    }
}

impl Eq for Terms<'_> {}

impl Iterator for Terms<'_> {
    type Item = Term;

    fn next(&mut self) -> Option<Term> {
        let (mut term, _) = term(&mut self.r).ok()?;
        if self.is_first {
            // RFC 8955 section 4.2.1.1: the bit has no meaning in the first operator.
            term.operator &= !Term::AND;
        }
        self.is_first = false;
        Some(term)
    }
}

/// A term, and whether it is the last of its component.
fn term(r: &mut Reader<'_>) -> Result<(Term, bool), Malformed> {
    let operator = r.u8()?;
    let value = match operator >> Term::LENGTH_SHIFT & 3 {
        0 => r.u8()?.into(),
        1 => r.u16()?.into(),
        2 => r.u32()?.into(),
        _ => r.u64()?,
    };
    let kept = operator & (Term::AND | Term::COMPARISON);
    Ok((Term { operator: kept, value }, operator & Term::END != 0))
}

/// A flow specification whose components were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flowspec<'a> {
    family: Family,
    rd: Option<RouteDistinguisher>,
    octets: &'a [u8],
}

impl<'a> Flowspec<'a> {
    /// Decodes one NLRI: length, in VPNs the route distinguisher, and components.
    ///
    /// # Errors
    /// If there is no component, if one is unknown, repeated, out of order or of the other family, or octets are missing or left over.
    pub fn decode(family: Family, in_vpn: bool, octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        let length = match r.u8()? {
            short @ ..0xf0 => usize::from(short),
            high => usize::from(high & 0x0f) << 8 | usize::from(r.u8()?),
        };
        let mut body = r.within(length)?;
        end(&r)?;
        let rd = if in_vpn { Some(super::fields::rd(&mut body)?) } else { None };
        let octets = body.rest();
        if octets.is_empty() {
            return Err(Malformed::Length { at: body.at(), length: 0 });
        }
        let mut last = 0;
        while !body.is_empty() {
            let at = body.at();
            let kind = component(family, &mut body)?.kind();
            if kind.0 <= last {
                return Err(Malformed::Value { at, value: kind.0.into() });
            }
            last = kind.0;
        }
        Ok(Self { family, rd, octets })
    }

    /// The route distinguisher in VPNs.
    pub const fn rd(&self) -> Option<RouteDistinguisher> {
        self.rd
    }

    /// The family of the prefixes.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The components, in ascending order of their types.
    pub fn components(&self) -> impl Iterator<Item = Component<'a>> + use<'a> {
        let (family, mut r) = (self.family, Reader::new(self.octets));
        std::iter::from_fn(move || if r.is_empty() { None } else { component(family, &mut r).ok() })
    }
}

fn component<'a>(family: Family, r: &mut Reader<'a>) -> Result<Component<'a>, Malformed> {
    let at = r.at();
    let kind = ComponentType(r.u8()?);
    match (kind, family) {
        (ComponentType(1 | 2), Family::V4) => {
            let at = r.at();
            let length = r.rest().first().copied();
            let prefix = Prefix::read(r, Family::V4).map_err(|error| Malformed::prefix(error, at, length))?;
            Ok(Component::Prefix { kind, prefix, offset: 0 })
        }
        (ComponentType(1 | 2), Family::V6) => {
            let at = r.at();
            let (length, offset) = (r.u8()?, r.u8()?);
            let width = match length.checked_sub(offset) {
                Some(width @ 1..=128) if length <= 128 => width,
                Some(0) if length == 0 => 0,
                _ => return Err(Malformed::Length { at, length: length.into() }),
            };
            let mut bits = [0; 16];
            for (to, octet) in bits.iter_mut().zip(r.take(usize::from(width.div_ceil(8)))?) {
                *to = *octet;
            }
            let bits = u128::from_be_bytes(bits).checked_shr(offset.into()).unwrap_or(0);
            let wrong = Malformed::prefix(PrefixError::Length(128), at, Some(length));
            let prefix = Prefix::new(Ipv6Addr::from_bits(bits).into(), length).ok_or(wrong)?;
            Ok(Component::Prefix { kind, prefix, offset })
        }
        (ComponentType(3..=12), _) | (ComponentType::FLOW_LABEL, Family::V6) => {
            let start = *r;
            while !term(r)?.1 {}
            let mut terms = start;
            let r = terms.within(r.at() - start.at())?;
            Ok(Component::Terms { kind, terms: Terms { r, is_first: true } })
        }
        (ComponentType(other), _) => Err(Malformed::Value { at, value: other.into() }),
    }
}

impl Members for Flowspec<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        super::fields::shown(visit, "rd", self.rd);
        visit("flowspec", Value::Shown(self));
        let components = crate::value::MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
            for component in self.components() {
                let (_, name) = component.kind().names().unwrap_or_default();
                visit(name, Value::Shown(&component));
            }
        });
        visit("match", Value::Object(&components));
    }
}

/// Components for one NLRI, in the order in which they are added, which has to be ascending.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    components: Writer,
}

impl Builder {
    /// No components.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a prefix. The offset is used in IPv6 only, and less than the length of the prefix.
    pub fn prefix(&mut self, kind: ComponentType, prefix: Prefix, offset: u8) -> &mut Self {
        self.components.u8(kind.0);
        match prefix.address() {
            IpAddr::V4(_) => prefix.write(&mut self.components),
            IpAddr::V6(address) => {
                let width = prefix.length().saturating_sub(offset);
                let bits = address.to_bits().checked_shl(offset.into()).unwrap_or(0).to_be_bytes();
                self.components.u8(prefix.length()).u8(offset);
                self.components.put(bits.get(..usize::from(width.div_ceil(8))).unwrap_or(&bits));
            }
        }
        self
    }

    /// Adds terms, each in as few octets as its value needs; nothing is added if there are none.
    pub fn terms(&mut self, kind: ComponentType, terms: &[Term]) -> &mut Self {
        let Some((last, others)) = terms.split_last() else { return self };
        self.components.u8(kind.0);
        others.iter().for_each(|term| self.term(*term, 0));
        self.term(*last, Term::END);
        self
    }

    fn term(&mut self, Term { operator, value }: Term, end: u8) {
        let operator = operator & (Term::AND | Term::COMPARISON) | end;
        let of = |length: u8| operator | length << Term::LENGTH_SHIFT;
        let w = &mut self.components;
        if let Ok(value) = u8::try_from(value) {
            w.u8(of(0)).u8(value);
        } else if let Ok(value) = u16::try_from(value) {
            w.u8(of(1)).u16(value);
        } else if let Ok(value) = u32::try_from(value) {
            w.u8(of(2)).u32(value);
        } else {
            w.u8(of(3)).u64(value);
        }
    }

    /// One NLRI.
    ///
    /// # Errors
    /// If it exceeds 4095 octets.
    pub fn finish(self, rd: Option<RouteDistinguisher>) -> Result<Vec<u8>, TooLong> {
        let components = self.components.finish();
        let len = components.len() + if rd.is_some() { 8 } else { 0 };
        let mut w = Writer::new();
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(length @ ..0xf0), _) => _ = w.u8(length),
            (_, Ok(length @ ..0x1000)) => _ = w.u16(0xf000 | length),
            _ => return Err(TooLong { len }),
        }
        if let Some(rd) = rd {
            w.put(&rd.0);
        }
        w.put(&components);
        Ok(w.finish())
    }
}

#[cfg(test)]
mod tests;
