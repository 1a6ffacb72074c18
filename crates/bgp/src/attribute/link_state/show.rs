//! The values of TLVs.

use super::table::{self, Kind};
use crate::nlri::fields::{self, IsisId};
use crate::srv6::Behavior;
use crate::tlv::{Header, Tlv, Tlvs};
use crate::value::{Hex, Items, ItemsOf, Lossy, Mask, MembersOf, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::Reader;

/// TLVs in TLVs in TLVs (a segment in a segment list, a SID structure in a SID of a link in a bundle); what is deeper is shown in
/// hexadecimal, so that no attribute can make us recurse further.
const MAX_DEPTH: u8 = 3;

type Visit<'v> = dyn FnMut(&str, Value<'_>) + 'v;
type Out<'v> = dyn FnMut(Value<'_>) + 'v;

/// Visits a member for each type of TLV.
pub(super) fn tlvs(tlvs: Tlvs<'_>, depth: u8, visit: &mut Visit<'_>) {
    // Sorting costs less than it seems: producers have to sort TLVs by type (RFC 9552 section 5.1).
    for same in tlvs.sorted().chunk_by(|a, b| a.code == b.code) {
        let Some(first) = same.first() else { continue };
        match table::find(first.code) {
            Some(row) if row.is_list => {
                let items = ItemsOf(|out: &mut Out<'_>| {
                    same.iter().for_each(|tlv| value(row.kind, tlv, depth, out));
                });
                visit(row.name, Value::List(&items));
            }
            Some(row) => value(row.kind, first, depth, &mut |value| visit(row.name, value)),
            None if same.len() == 1 => {
                visit(&format!("attr_{}", first.code), Value::Shown(&Hex(first.value)));
            }
            None => {
                let items = ItemsOf(|out: &mut Out<'_>| {
                    same.iter().for_each(|tlv| out(Value::Shown(&Hex(tlv.value))));
                });
                visit(&format!("attr_{}", first.code), Value::List(&items));
            }
        }
    }
}

/// Passes on the value of a TLV, which is in hexadecimal if it does not have the layout of its kind.
fn value(kind: Kind, tlv: &Tlv<'_>, depth: u8, out: &mut Out<'_>) {
    let mut r = Reader::new(tlv.value);
    if simple(kind, &mut r, out).or_else(|| structured(kind, Reader::new(tlv.value), depth, out)).is_none() {
        out(Value::Shown(&Hex(tlv.value)));
    }
}

/// Values without members. `None` if nothing was passed on.
fn simple(kind: Kind, r: &mut Reader<'_>, out: &mut Out<'_>) -> Option<()> {
    let octets = r.rest();
    match kind {
        Kind::Text => out(Value::Shown(&Lossy(octets))),
        Kind::Hex => out(Value::Shown(&Hex(octets))),
        Kind::WideMask if !octets.is_empty() => out(Value::Shown(&format_args!("{:#}", Hex(octets)))),
        Kind::Mask if octets.len() <= 4 => {
            let number = number(octets)?;
            out(Value::Shown(&Mask(u32::try_from(number).ok()?)));
        }
        Kind::Number => out(Value::Number(number(octets)?)),
        Kind::Present if octets.is_empty() => out(Value::Bool(true)),
        Kind::Address => out(Value::Shown(&fields::whole_address(r).ok()?)),
        Kind::Bandwidth => out(Value::Number(bits_a_second(octets.try_into().ok()?)?)),
        Kind::Bandwidths => {
            let all = whole::<4>(octets)?;
            if all.iter().any(|number| bits_a_second(*number).is_none()) {
                return None;
            }
            let number = |octets: &[u8; 4]| bits_a_second(*octets).unwrap_or_default();
            out(Value::List(&numbers(all, number)));
        }
        Kind::Numbers8 => out(Value::List(&numbers(whole::<1>(octets)?, |[octet]| u64::from(*octet)))),
        Kind::Numbers32 => {
            out(Value::List(&numbers(whole::<4>(octets)?, |octets| u32::from_be_bytes(*octets).into())));
        }
        Kind::Numbers64 => out(Value::List(&numbers(whole::<8>(octets)?, |octets| u64::from_be_bytes(*octets)))),
        Kind::MultiTopology => out(Value::List(&numbers(whole::<2>(octets)?, multi_topology))),
        Kind::Sid => out(Value::Number(sid(r)?)),
        Kind::Srv6Capabilities => out(Value::Shown(&Mask(r.u16().ok()?.into()))),
        Kind::DelayVariation => out(Value::Number(flag_and_24_bits(r)?.1.into())),
        _ => return None,
    }
    Some(())
}

/// A number of 1 to 8 octets.
fn number(octets: &[u8]) -> Option<u64> {
    let is_number = (1..=8).contains(&octets.len());
    is_number.then(|| octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
}

/// Bits a second from octets a second in single precision; `None` if it is not a number from zero.
fn bits_a_second(octets: [u8; 4]) -> Option<u64> {
    let octets = f64::from(f32::from_be_bytes(octets));
    // The cast saturates.
    (octets.is_finite() && octets >= 0.0).then(|| (octets * 8.0).round() as u64)
}

/// Octets that are a whole number of items.
fn whole<const N: usize>(octets: &[u8]) -> Option<&[[u8; N]]> {
    let (items, left) = octets.as_chunks::<N>();
    left.is_empty().then_some(items)
}

fn numbers<const N: usize>(items: &[[u8; N]], number: impl Fn(&[u8; N]) -> u64) -> impl Items {
    ItemsOf(move |out: &mut Out<'_>| items.iter().for_each(|item| out(Value::Number(number(item)))))
}

/// The lower 12 bits; the others are reserved.
fn multi_topology(octets: &[u8; 2]) -> u64 {
    u64::from(u16::from_be_bytes(*octets) & 0x0fff)
}

/// A label of three octets, of which 20 bits count, or an index of four, until the end of the reader.
fn sid(r: &mut Reader<'_>) -> Option<u64> {
    match r.left() {
        3 => {
            let [a, b, c] = r.array().ok()?;
            Some(u64::from(u32::from_be_bytes([0, a, b, c]) & 0xf_ffff))
        }
        4 => r.u32().ok().map(u64::from),
        _ => None,
    }
}

/// Four octets: the first bit, and the lower 24.
fn flag_and_24_bits(r: &mut Reader<'_>) -> Option<(bool, u32)> {
    let number = r.u32().ok()?;
    Some((number >> 31 != 0, number & 0xff_ffff))
}

fn member(visit: &mut Visit<'_>, name: &str, number: impl Into<u64>) {
    visit(name, Value::Number(number.into()));
}

fn flags(visit: &mut Visit<'_>, flags: impl Into<u32>) {
    visit("flags", Value::Shown(&Mask(flags.into())));
}

/// Passes on an object.
fn object(out: &mut Out<'_>, members: impl Fn(&mut Visit<'_>)) -> Option<()> {
    let members = MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| members(visit));
    out(Value::Object(&members));
    Some(())
}

/// Values with members. `None` if nothing was passed on.
fn structured(kind: Kind, mut r: Reader<'_>, depth: u8, out: &mut Out<'_>) -> Option<()> {
    let r = &mut r;
    match kind {
        Kind::SidDepths => {
            let all = whole::<2>(r.rest())?;
            let items = ItemsOf(|out: &mut Out<'_>| {
                for [kind, depth] in all {
                    _ = object(out, |visit| {
                        member(visit, "type", *kind);
                        member(visit, "value", *depth);
                    });
                }
            });
            out(Value::List(&items));
            Some(())
        }
        Kind::LabelRanges => label_ranges(r, out),
        Kind::AdjacencySid => {
            let (bits, weight, _) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
            let sid = sid(r)?;
            object(out, |visit| {
                flags(visit, bits);
                member(visit, "weight", weight);
                member(visit, "sid", sid);
            })
        }
        Kind::LanAdjacencySid => {
            let (bits, weight, _) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
            let neighbor = match r.left() {
                7 | 8 => Neighbor::Ospf(r.array::<4>().ok()?.into()),
                _ => Neighbor::Isis(r.array().ok()?),
            };
            let sid = sid(r)?;
            object(out, |visit| {
                flags(visit, bits);
                member(visit, "weight", weight);
                neighbor.member(visit);
                member(visit, "sid", sid);
            })
        }
        Kind::PrefixSid => {
            let (bits, algorithm, _) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
            let sid = sid(r)?;
            object(out, |visit| {
                flags(visit, bits);
                member(visit, "algorithm", algorithm);
                member(visit, "sid", sid);
            })
        }
        Kind::Delay => {
            let (is_anomalous, delay) = flag_and_24_bits(r)?;
            object(out, |visit| {
                visit("anomalous", Value::Bool(is_anomalous));
                member(visit, "us", delay);
            })
        }
        Kind::DelayRange => {
            let ((is_anomalous, min), (_, max)) = (flag_and_24_bits(r)?, flag_and_24_bits(r)?);
            object(out, |visit| {
                visit("anomalous", Value::Bool(is_anomalous));
                member(visit, "min_us", min);
                member(visit, "max_us", max);
            })
        }
        Kind::Loss => {
            let (is_anomalous, loss) = flag_and_24_bits(r)?;
            object(out, |visit| {
                visit("anomalous", Value::Bool(is_anomalous));
                // Millionths of a percent are whole numbers.
                visit("percent", Value::Real(f64::from(loss) * 3.0 / 1e6));
            })
        }
        Kind::Srv6EndX | Kind::Srv6IsisLanEndX | Kind::Srv6OspfLanEndX => end_x(kind, r, depth, out),
        Kind::Srv6Behavior => {
            let (behavior, bits, algorithm) = (Behavior(r.u16().ok()?), r.u8().ok()?, r.u8().ok()?);
            object(out, |visit| {
                visit("behavior", Value::Shown(&behavior));
                flags(visit, bits);
                member(visit, "algorithm", algorithm);
            })
        }
        Kind::Srv6Peer => {
            let (bits, weight, _) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
            let (asn, id) = (r.u32().ok()?, Ipv4Addr::from_bits(r.u32().ok()?));
            object(out, |visit| {
                flags(visit, bits);
                member(visit, "weight", weight);
                member(visit, "peer_asn", asn);
                visit("peer_id", Value::Shown(&id));
            })
        }
        Kind::Srv6Structure => {
            let [block, node, function, argument] = r.array().ok()?;
            object(out, |visit| {
                member(visit, "block_bits", block);
                member(visit, "node_bits", node);
                member(visit, "function_bits", function);
                member(visit, "argument_bits", argument);
            })
        }
        Kind::MetricConstraint | Kind::SegmentListMetric => metric(kind, r, out),
        Kind::BindingSid | Kind::Srv6BindingSid => binding_sid(kind, r, depth, out),
        Kind::PathState => {
            let (priority, _) = (r.u8().ok()?, r.u8().ok()?);
            let (bits, preference) = (r.u16().ok()?, r.u32().ok()?);
            object(out, |visit| {
                member(visit, "priority", priority);
                flags(visit, bits);
                member(visit, "preference", preference);
            })
        }
        _ => nested(kind, r, depth, out),
    }
}

/// Values with fixed members, and TLVs after them.
fn nested(kind: Kind, r: &mut Reader<'_>, depth: u8, out: &mut Out<'_>) -> Option<()> {
    match kind {
        Kind::SidRange => {
            let (bits, _, size) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
            with_tlvs(r, depth, out, |visit| {
                flags(visit, bits);
                member(visit, "size", size);
            })
        }
        Kind::BundleMember => {
            let link = r.u32().ok()?;
            with_tlvs(r, depth, out, |visit| member(visit, "member", link))
        }
        Kind::ApplicationSpecific => {
            let (standard, user, _) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
            let (standard, user) = (r.take(standard.into()).ok()?, r.take(user.into()).ok()?);
            with_tlvs(r, depth, out, |visit| {
                visit("standard_applications", Value::Shown(&format_args!("{:#}", Hex(standard))));
                visit("user_applications", Value::Shown(&format_args!("{:#}", Hex(user))));
            })
        }
        Kind::FlexibleAlgorithm => {
            let [algorithm, metric_type, calculation_type, priority] = r.array().ok()?;
            with_tlvs(r, depth, out, |visit| {
                member(visit, "algorithm", algorithm);
                member(visit, "metric_type", metric_type);
                member(visit, "calculation_type", calculation_type);
                member(visit, "priority", priority);
            })
        }
        Kind::FlexibleAlgorithmMetric => {
            let (algorithm, bits, _) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
            let metric = r.u32().ok()?;
            object(out, |visit| {
                member(visit, "algorithm", algorithm);
                flags(visit, bits);
                member(visit, "metric", metric);
            })
        }
        Kind::Srv6Locator => {
            let (bits, algorithm, _) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
            let metric = r.u32().ok()?;
            with_tlvs(r, depth, out, |visit| {
                flags(visit, bits);
                member(visit, "algorithm", algorithm);
                member(visit, "metric", metric);
            })
        }
        Kind::PathConstraints | Kind::SegmentList => {
            let (bits, _, mt_id) = (r.u16().ok()?, r.u16().ok()?, r.array().ok()?);
            let (algorithm, _) = (r.u8().ok()?, r.u8().ok()?);
            let weight = if kind == Kind::SegmentList { Some(r.u32().ok()?) } else { None };
            with_tlvs(r, depth, out, |visit| {
                flags(visit, bits);
                member(visit, "mt_id", multi_topology(&mt_id));
                member(visit, "algorithm", algorithm);
                if let Some(weight) = weight {
                    member(visit, "weight", weight);
                }
            })
        }
        Kind::Segment => {
            let (kind, _, bits) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
            let octets = r.rest();
            object(out, |visit| {
                member(visit, "type", kind);
                flags(visit, bits);
                // The SID and the descriptor: which of them is there, and how long, depends on flags and type.
                visit("segment", Value::Shown(&Hex(octets)));
            })
        }
        _ => None,
    }
}

/// Passes on an object of fixed members, and of the TLVs that follow them.
fn with_tlvs(r: &Reader<'_>, depth: u8, out: &mut Out<'_>, members: impl Fn(&mut Visit<'_>)) -> Option<()> {
    let inner = Tlvs::new(*r, Header::Wide);
    inner.check().ok()?;
    object(out, |visit| {
        members(visit);
        if depth < MAX_DEPTH {
            tlvs(inner, depth + 1, visit);
        } else if !r.is_empty() {
            visit("tlvs", Value::Shown(&Hex(r.rest())));
        }
    })
}

/// The neighbor on a LAN.
enum Neighbor {
    Isis([u8; 6]),
    Ospf(Ipv4Addr),
}

impl Neighbor {
    fn member(&self, visit: &mut Visit<'_>) {
        match self {
            Self::Isis(id) => visit("neighbor", Value::Shown(&IsisId(*id))),
            Self::Ospf(id) => visit("neighbor", Value::Shown(id)),
        }
    }
}

fn label_ranges(r: &mut Reader<'_>, out: &mut Out<'_>) -> Option<()> {
    /// A range, and what is left.
    fn range(r: &mut Reader<'_>) -> Option<(u32, u64)> {
        let [a, b, c] = r.array().ok()?;
        // A SID/Label TLV (1161) holds the first of the range.
        let (_, length) = (r.u16().ok()?, r.u16().ok()?);
        let first = sid(&mut r.within(length.into()).ok()?)?;
        Some((u32::from_be_bytes([0, a, b, c]), first))
    }
    let (bits, _) = (r.u8().ok()?, r.u8().ok()?);
    let start = *r;
    while !r.is_empty() {
        range(r)?;
    }
    object(out, |visit| {
        flags(visit, bits);
        let ranges = ItemsOf(|out: &mut Out<'_>| {
            let mut r = start;
            while let Some((size, first)) = range(&mut r) {
                _ = object(out, |visit| {
                    member(visit, "first", first);
                    member(visit, "size", size);
                });
            }
        });
        visit("ranges", Value::List(&ranges));
    })
}

fn end_x(kind: Kind, r: &mut Reader<'_>, depth: u8, out: &mut Out<'_>) -> Option<()> {
    let behavior = Behavior(r.u16().ok()?);
    let [bits, algorithm, weight, _] = r.array().ok()?;
    let neighbor = match kind {
        Kind::Srv6IsisLanEndX => Some(Neighbor::Isis(r.array().ok()?)),
        Kind::Srv6OspfLanEndX => Some(Neighbor::Ospf(r.array::<4>().ok()?.into())),
        _ => None,
    };
    let sid = Ipv6Addr::from(r.array::<16>().ok()?);
    with_tlvs(r, depth, out, |visit| {
        visit("behavior", Value::Shown(&behavior));
        flags(visit, bits);
        member(visit, "algorithm", algorithm);
        member(visit, "weight", weight);
        if let Some(neighbor) = &neighbor {
            neighbor.member(visit);
        }
        visit("sid", Value::Shown(&sid));
    })
}

fn metric(kind: Kind, r: &mut Reader<'_>, out: &mut Out<'_>) -> Option<()> {
    let (metric_type, bits, _) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
    let (margin, bound) = (r.u32().ok()?, r.u32().ok()?);
    let value = if kind == Kind::SegmentListMetric { Some(r.u32().ok()?) } else { None };
    object(out, |visit| {
        member(visit, "type", metric_type);
        flags(visit, bits);
        member(visit, "margin", margin);
        member(visit, "bound", bound);
        if let Some(value) = value {
            member(visit, "value", value);
        }
    })
}

fn binding_sid(kind: Kind, r: &mut Reader<'_>, depth: u8, out: &mut Out<'_>) -> Option<()> {
    let (bits, _) = (r.u16().ok()?, r.u16().ok()?);
    let is_v6 = kind == Kind::Srv6BindingSid || r.left() >= 32;
    if is_v6 {
        let (sid, provisioned) = (r.array::<16>().ok()?, r.array::<16>().ok()?);
        let (sid, provisioned) = (IpAddr::from(sid), IpAddr::from(provisioned));
        return with_tlvs(r, depth, out, |visit| {
            flags(visit, bits);
            visit("sid", Value::Shown(&sid));
            visit("provisioned_sid", Value::Shown(&provisioned));
        });
    }
    // An MPLS label is in the upper 20 bits.
    let (sid, provisioned) = (r.u32().ok()? >> 12, r.u32().ok()? >> 12);
    with_tlvs(r, depth, out, |visit| {
        flags(visit, bits);
        visit("sid", Value::Shown(&sid));
        visit("provisioned_sid", Value::Shown(&provisioned));
    })
}
