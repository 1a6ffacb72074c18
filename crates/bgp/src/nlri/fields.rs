//! Fields that several families share: addresses with a length, label fields of three octets, Ethernet segment identifiers.

use crate::tlv::Malformed;
use crate::value::Value;
use std::fmt;
use std::net::IpAddr;
use wire::{Reader, RouteDistinguisher, Truncated, Writer};

/// A field of three octets that holds an MPLS label in its upper 20 bits, or a VNI in all 24. Which of them applies follows from the
/// encapsulation that is announced with the route (RFC 8365 section 5.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelField(pub [u8; 3]);

impl LabelField {
    /// The field with an MPLS label below 2^20 that is the last of its stack; upper bits are lost.
    pub const fn of_label(label: u32) -> Self {
        let [_, a, b, c] = (label << 4 | 1).to_be_bytes();
        Self([a, b, c])
    }

    /// The field with a VNI below 2^24; upper bits are lost.
    pub const fn of_vni(vni: u32) -> Self {
        let [_, a, b, c] = vni.to_be_bytes();
        Self([a, b, c])
    }

    /// The field read as a VNI: all 24 bits.
    pub const fn vni(self) -> u32 {
        let [a, b, c] = self.0;
        u32::from_be_bytes([0, a, b, c])
    }

    /// The field read as an MPLS label: its upper 20 bits.
    pub const fn label(self) -> u32 {
        self.vni() >> 4
    }

    /// Reads the field.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        r.array().map(Self)
    }
}

/// An Ethernet segment identifier (RFC 7432 section 5): a type, and nine octets. Displayed as ten octets with colons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Esi(pub [u8; 10]);

impl fmt::Display for Esi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|octet| write!(f, ":{octet:02x}"))
    }
}

/// The system identifier of an IS-IS router, displayed as `0000.0000.0001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IsisId(pub [u8; 6]);

impl fmt::Display for IsisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{g:02x}")
    }
}

/// Reads an address after its length in bits: 0, 32 or 128.
pub(crate) fn optional_address(r: &mut Reader<'_>) -> Result<Option<IpAddr>, Malformed> {
    let at = r.at();
    match r.u8()? {
        0 => Ok(None),
        32 => Ok(Some(r.array::<4>()?.into())),
        128 => Ok(Some(r.array::<16>()?.into())),
        length => Err(Malformed::Length { at, length: length.into() }),
    }
}

/// Reads an address after its length in bits: 32 or 128.
pub(crate) fn address(r: &mut Reader<'_>) -> Result<IpAddr, Malformed> {
    let at = r.at();
    optional_address(r)?.ok_or(Malformed::Length { at, length: 0 })
}

/// Reads an address that fills a reader: 4 or 16 octets.
pub(crate) fn whole_address(r: &mut Reader<'_>) -> Result<IpAddr, Malformed> {
    match r.left() {
        4 => Ok(r.array::<4>()?.into()),
        16 => Ok(r.array::<16>()?.into()),
        length => Err(Malformed::Length { at: r.at(), length }),
    }
}

/// Reads a route distinguisher.
pub(crate) fn rd(r: &mut Reader<'_>) -> Result<RouteDistinguisher, Truncated> {
    r.array().map(RouteDistinguisher)
}

/// The octets of an address.
pub(crate) fn put_address(address: IpAddr, w: &mut Writer) {
    match address {
        IpAddr::V4(v4) => w.put(&v4.octets()),
        IpAddr::V6(v6) => w.put(&v6.octets()),
    };
}

/// An address after its length in bits, which is 0 if there is none.
pub(crate) fn put_sized_address(address: Option<IpAddr>, w: &mut Writer) {
    match address {
        None => _ = w.u8(0),
        Some(address) => {
            w.u8(if address.is_ipv4() { 32 } else { 128 });
            put_address(address, w);
        }
    }
}

/// Visits a member if it has a value.
pub(crate) fn shown<T: fmt::Display>(visit: &mut dyn FnMut(&str, Value<'_>), name: &str, value: Option<T>) {
    if let Some(value) = value {
        visit(name, Value::Shown(&value));
    }
}
