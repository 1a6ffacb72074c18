//! Segment lists (RFC 9830 section 2.4.4) and the types of segments in them (RFC 9831 for all but A and B).

use super::Sid;
use crate::srv6::Behavior;
use crate::tlv::{Header, Tlv, Tlvs};
use crate::value::{Hex, ItemsOf, Mask, MembersOf, Value};
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::Reader;

const WEIGHT: u16 = 9;

/// A field of a segment, before the SID.
#[derive(Clone, Copy)]
enum Field {
    V4(&'static str),
    V6(&'static str),
    Interface(&'static str),
}

/// A type of segment. All begin with flags and an octet that is the algorithm or reserved.
struct Layout {
    code: u16,
    letter: &'static str,
    has_algorithm: bool,
    fields: &'static [Field],
    is_srv6: bool,
    /// The SID may be absent.
    is_optional: bool,
}

const fn layout(
    code: u16,
    letter: &'static str,
    has_algorithm: bool,
    fields: &'static [Field],
    is_srv6: bool,
    is_optional: bool,
) -> Layout {
    Layout { code, letter, has_algorithm, fields, is_srv6, is_optional }
}

use Field::{Interface, V4, V6};

const SEGMENTS: &[Layout] = &[
    layout(1, "A", false, &[], false, false),
    layout(3, "C", true, &[V4("node")], false, true),
    layout(4, "D", true, &[V6("node")], false, true),
    layout(5, "E", false, &[Interface("local_interface"), V4("node")], false, true),
    layout(6, "F", false, &[V4("local"), V4("remote")], false, true),
    layout(
        7,
        "G",
        false,
        &[Interface("local_interface"), V6("local"), Interface("remote_interface"), V6("remote")],
        false,
        true,
    ),
    layout(8, "H", false, &[V6("local"), V6("remote")], false, true),
    layout(13, "B", false, &[], true, false),
    layout(14, "I", true, &[V6("node")], true, true),
    layout(
        15,
        "J",
        true,
        &[Interface("local_interface"), V6("local"), Interface("remote_interface"), V6("remote")],
        true,
        true,
    ),
    layout(16, "K", true, &[V6("local"), V6("remote")], true, true),
];

/// Passes on a segment list: a reserved octet, and sub-TLVs with a type and a length of one octet each.
pub(super) fn list(octets: &[u8], out: &mut dyn FnMut(Value<'_>)) {
    let tlvs = Tlvs::of(octets.get(1..).unwrap_or_default(), Header::Short);
    if octets.is_empty() || tlvs.check().is_err() {
        return out(Value::Shown(&Hex(octets)));
    }
    let weight = tlvs.first(WEIGHT);
    let members = MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
        match weight {
            Some(&[_, _, a, b, c, d]) => {
                visit("weight", Value::Number(u32::from_be_bytes([a, b, c, d]).into()));
            }
            Some(octets) => visit("weight", Value::Shown(&Hex(octets))),
            None => {}
        }
        let segments = ItemsOf(|out: &mut dyn FnMut(Value<'_>)| {
            let all = tlvs.map_while(Result::ok).filter(|tlv| tlv.code != WEIGHT);
            all.for_each(|tlv| segment(&tlv, out));
        });
        visit("segments", Value::List(&segments));
    });
    out(Value::Object(&members));
}

fn segment(tlv: &Tlv<'_>, out: &mut dyn FnMut(Value<'_>)) {
    let layout = SEGMENTS.iter().find(|layout| layout.code == tlv.code);
    if layout.and_then(|layout| known(layout, Reader::new(tlv.value), out)).is_none() {
        out(Value::Object(&MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
            visit("type", Value::Shown(&tlv.code));
            visit("octets", Value::Shown(&Hex(tlv.value)));
        })));
    }
}

/// Visits the fields, or does nothing but read them. `None` if octets are missing.
fn fields(layout: &Layout, r: &mut Reader<'_>, visit: &mut dyn FnMut(&str, Value<'_>)) -> Option<()> {
    for field in layout.fields {
        match field {
            V4(name) => visit(name, Value::Shown(&Ipv4Addr::from(r.array::<4>().ok()?))),
            V6(name) => visit(name, Value::Shown(&Ipv6Addr::from(r.array::<16>().ok()?))),
            Interface(name) => visit(name, Value::Number(r.u32().ok()?.into())),
        }
    }
    Some(())
}

/// `None` if nothing was passed on.
fn known(layout: &Layout, mut r: Reader<'_>, out: &mut dyn FnMut(Value<'_>)) -> Option<()> {
    let (flags, algorithm) = (r.u8().ok()?, r.u8().ok()?);
    let start = r;
    fields(layout, &mut r, &mut |_, _| ())?;
    let sid = match (r.is_empty() && layout.is_optional, layout.is_srv6) {
        (true, _) => Sid::None,
        (false, true) => Sid::Srv6(r.array::<16>().ok()?.into()),
        (false, false) => Sid::Label(r.u32().ok()? >> 12),
    };
    let endpoint = Endpoint::read(&mut r)?;
    out(Value::Object(&MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
        visit("type", Value::Text(layout.letter));
        visit("flags", Value::Shown(&Mask(flags.into())));
        if layout.has_algorithm {
            visit("algorithm", Value::Number(algorithm.into()));
        }
        _ = fields(layout, &mut start.clone(), visit);
        sid.member(visit);
        endpoint.members(visit);
    })));
    Some(())
}

/// The behavior and the structure that may follow an SRv6 SID (RFC 9830 section 2.4.4.2.3).
pub(super) struct Endpoint(Option<(Behavior, [u8; 4])>);

impl Endpoint {
    /// Reads them, if anything is left. `None` if that is not what it should be.
    pub(super) fn read(r: &mut Reader<'_>) -> Option<Self> {
        if r.is_empty() {
            return Some(Self(None));
        }
        let (behavior, _, lengths) = (r.u16().ok()?, r.u16().ok()?, r.array().ok()?);
        r.is_empty().then_some(Self(Some((Behavior(behavior), lengths))))
    }

    pub(super) fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        let Some((behavior, [block, node, function, argument])) = &self.0 else { return };
        visit("behavior", Value::Shown(behavior));
        let structure = MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
            visit("block_bits", Value::Number((*block).into()));
            visit("node_bits", Value::Number((*node).into()));
            visit("function_bits", Value::Number((*function).into()));
            visit("argument_bits", Value::Number((*argument).into()));
        });
        visit("structure", Value::Object(&structure));
    }
}
