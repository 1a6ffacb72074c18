//! What is malformed in each attribute, and what is done about it (RFC 7606 section 7, and the RFC of the attribute).

use super::{Outcome, Peering, Reason, Session};
use crate::attribute::{Attributes, Code, Flags, Origin, SegmentType};
use crate::tlv::{Header, Tlvs};
use wire::{Reader, Truncated};

/// What is wrong, and what is done about it.
pub(crate) type Verdict = Result<(), (Reason, Outcome)>;

const WITHDRAW: Outcome = Outcome::TreatedAsWithdraw;
const DISCARD: Outcome = Outcome::AttributeDiscarded;

/// The optional and transitive flags of the attributes that this crate knows; `None` of others.
pub(crate) const fn category(code: Code) -> Option<Flags> {
    Some(match code {
        Code::ORIGIN | Code::AS_PATH | Code::NEXT_HOP | Code::LOCAL_PREF | Code::ATOMIC_AGGREGATE => {
            Flags::WELL_KNOWN
        }
        Code::MULTI_EXIT_DISC
        | Code::ORIGINATOR_ID
        | Code::CLUSTER_LIST
        | Code::MP_REACH_NLRI
        | Code::MP_UNREACH_NLRI
        | Code::TRAFFIC_ENGINEERING
        | Code::AIGP
        | Code::LINK_STATE
        | Code::BGPSEC_PATH => Flags::OPTIONAL_NON_TRANSITIVE,
        Code::AGGREGATOR
        | Code::COMMUNITIES
        | Code::EXTENDED_COMMUNITIES
        | Code::AS4_PATH
        | Code::AS4_AGGREGATOR
        | Code::PMSI_TUNNEL
        | Code::TUNNEL_ENCAPSULATION
        | Code::IPV6_EXTENDED_COMMUNITIES
        | Code::PE_DISTINGUISHER_LABELS
        | Code::LARGE_COMMUNITIES
        | Code::ONLY_TO_CUSTOMER
        | Code::SFP
        | Code::BFD_DISCRIMINATOR
        | Code::PREFIX_SID
        | Code::ATTR_SET => Flags::OPTIONAL_TRANSITIVE,
        _ => return None,
    })
}

/// Checks an attribute other than MP_REACH_NLRI and MP_UNREACH_NLRI, of which the message has the first occurrence.
pub(crate) fn check(flags: Flags, code: Code, value: &[u8], session: &Session) -> Verdict {
    let is_internal_only =
        matches!(code, Code::LOCAL_PREF | Code::ORIGINATOR_ID | Code::CLUSTER_LIST | Code::AIGP);
    if is_internal_only && session.peering == Some(Peering::External) {
        return Err((Reason::FromExternalPeer, DISCARD));
    }
    if let Some(expected) = category(code)
        && flags.category() != expected
    {
        // Errors in these are never a reason to withdraw routes (RFC 7606 section 3 f, RFC 6793 section 6, RFC 7311 section 3).
        let outcome = match code {
            Code::ATOMIC_AGGREGATE | Code::AGGREGATOR | Code::AS4_PATH | Code::AS4_AGGREGATOR | Code::AIGP => {
                DISCARD
            }
            _ => WITHDRAW,
        };
        return Err((Reason::AttributeFlags, outcome));
    }
    let require = |is_good: bool, reason, outcome| if is_good { Ok(()) } else { Err((reason, outcome)) };
    let list = |size, reason| require(!value.is_empty() && value.len().is_multiple_of(size), reason, WITHDRAW);
    match code {
        Code::ORIGIN => match *value {
            [value] => require(Origin::new(value).is_some(), Reason::OriginValue, WITHDRAW),
            _ => Err((Reason::OriginLength, WITHDRAW)),
        },
        Code::AS_PATH => as_path(value, if session.asn4 { 4 } else { 2 }).map_err(|reason| (reason, WITHDRAW)),
        Code::NEXT_HOP => require(value.len() == 4, Reason::NextHopLength, WITHDRAW),
        Code::MULTI_EXIT_DISC => require(value.len() == 4, Reason::MedLength, WITHDRAW),
        Code::LOCAL_PREF => require(value.len() == 4, Reason::LocalPrefLength, WITHDRAW),
        Code::ATOMIC_AGGREGATE => require(value.is_empty(), Reason::AtomicAggregateLength, DISCARD),
        Code::AGGREGATOR => {
            let asn = if session.asn4 { 4 } else { 2 };
            require(value.len() == asn + 4, Reason::AggregatorLength, DISCARD)?;
            let is_zero = value.iter().take(asn).all(|octet| *octet == 0);
            require(!is_zero, Reason::AggregatorZero, DISCARD)
        }
        Code::COMMUNITIES => list(4, Reason::CommunitiesLength),
        Code::ORIGINATOR_ID => require(value.len() == 4, Reason::OriginatorIdLength, WITHDRAW),
        Code::CLUSTER_LIST => list(4, Reason::ClusterListLength),
        Code::EXTENDED_COMMUNITIES => list(8, Reason::ExtendedCommunitiesLength),
        Code::AS4_PATH => {
            require(!session.asn4, Reason::As4FromNewSpeaker, DISCARD)?;
            let is_good = value.len() >= 6 && as_path(value, 4).is_ok();
            require(is_good, Reason::As4Path, DISCARD)
        }
        Code::AS4_AGGREGATOR => {
            require(!session.asn4, Reason::As4FromNewSpeaker, DISCARD)?;
            require(value.len() == 8 && !value.starts_with(&[0; 4]), Reason::As4Aggregator, DISCARD)
        }
        Code::IPV6_EXTENDED_COMMUNITIES => list(20, Reason::Ipv6ExtendedCommunitiesLength),
        Code::AIGP => require(is_aigp(value), Reason::Aigp, DISCARD),
        Code::LARGE_COMMUNITIES => list(12, Reason::LargeCommunitiesLength),
        Code::PMSI_TUNNEL => require(value.len() >= 5, Reason::PmsiTunnel, WITHDRAW),
        Code::TUNNEL_ENCAPSULATION => {
            let is_good = !value.is_empty() && are_tunnels(value);
            require(is_good, Reason::TunnelEncapsulation, WITHDRAW)
        }
        Code::LINK_STATE => require(Tlvs::of(value, Header::Wide).check().is_ok(), Reason::LinkState, DISCARD),
        Code::PREFIX_SID => prefix_sid(value),
        Code::ATTR_SET => {
            let attributes = value.split_at_checked(4).map(|(_, attributes)| attributes);
            require(attributes.is_some_and(are_whole), Reason::AttrSet, WITHDRAW)
        }
        // Of these attributes only the length is checked (RFC 7606 section 4).
        Code::TRAFFIC_ENGINEERING | Code::PE_DISTINGUISHER_LABELS | Code::SFP | Code::BFD_DISCRIMINATOR => {
            require(!value.is_empty(), Reason::EmptyAttribute, WITHDRAW)
        }
        Code::ONLY_TO_CUSTOMER => require(value.len() == 4, Reason::OnlyToCustomerLength, WITHDRAW),
        _ => Ok(()),
    }
}

/// Checks the segments of a path whose AS numbers have `size` octets (RFC 7606 section 7.2).
fn as_path(value: &[u8], size: usize) -> Result<(), Reason> {
    let mut r = Reader::new(value);
    let whole = |Truncated { .. }| Reason::AsPathLength;
    while !r.is_empty() {
        let [kind, count] = r.array().map_err(whole)?;
        if !SegmentType(kind).is_known() {
            return Err(Reason::AsPathSegmentType);
        }
        if count == 0 {
            return Err(Reason::AsPathEmptySegment);
        }
        let numbers = r.take(usize::from(count) * size).map_err(whole)?;
        let has_zero = match size {
            4 => numbers.as_chunks::<4>().0.contains(&[0; 4]),
            _ => numbers.as_chunks::<2>().0.contains(&[0; 2]),
        };
        if has_zero {
            return Err(Reason::AsPathZero);
        }
    }
    Ok(())
}

/// True for whole TLVs of tunnels with whole sub-TLVs (RFC 9012 section 13).
fn are_tunnels(value: &[u8]) -> bool {
    Tlvs::of(value, Header::Wide)
        .all(|tunnel| tunnel.is_ok_and(|tunnel| Tlvs::of(tunnel.value, Header::Split).check().is_ok()))
}

/// Checks the TLVs of a prefix SID (RFC 8669 section 6). A malformed SRv6 service makes withdrawals (RFC 9252 section 7), as the
/// routes cannot be used without it.
fn prefix_sid(value: &[u8]) -> Verdict {
    let mut r = Reader::new(value);
    let mut verdict = if r.is_empty() { Err((Reason::PrefixSid, DISCARD)) } else { Ok(()) };
    while !r.is_empty() {
        let (Ok(kind), Ok(len)) = (r.u8(), r.u16()) else { return Err((Reason::PrefixSid, DISCARD)) };
        let value = r.take(len.into());
        let is_srv6 = matches!(kind, SRV6_L3_SERVICE | SRV6_L2_SERVICE);
        let is_good = value.is_ok_and(|value| match kind {
            LABEL_INDEX => len == 7,
            ORIGINATOR_SRGB => len >= 8 && (len - 2).is_multiple_of(6),
            _ if is_srv6 => is_srv6_service(value),
            _ => true,
        });
        match (is_good, is_srv6) {
            (true, _) => {}
            (false, true) => return Err((Reason::Srv6Service, WITHDRAW)),
            (false, false) => verdict = Err((Reason::PrefixSid, DISCARD)),
        }
        if value.is_err() {
            break;
        }
    }
    verdict
}

/// Types of TLVs of a prefix SID (RFC 8669 section 3, RFC 9252 section 2).
const LABEL_INDEX: u8 = 1;
const ORIGINATOR_SRGB: u8 = 3;
const SRV6_L3_SERVICE: u8 = 5;
const SRV6_L2_SERVICE: u8 = 6;

/// True for a reserved octet and whole sub-TLVs, of which those with a SID have all fields and whole TLVs after them (RFC 9252
/// section 7).
fn is_srv6_service(value: &[u8]) -> bool {
    const SID_INFORMATION: u16 = 1;
    let Some((_, sub_tlvs)) = value.split_first() else { return false };
    Tlvs::of(sub_tlvs, Header::Octet).all(|tlv| {
        tlv.is_ok_and(|tlv| {
            let after_fields = tlv.value.get(21..).map(|octets| Tlvs::of(octets, Header::Octet).check());
            tlv.code != SID_INFORMATION || after_fields.is_some_and(|tlvs| tlvs.is_ok())
        })
    })
}

/// True if the octets are whole attributes.
fn are_whole(octets: &[u8]) -> bool {
    let mut attributes = Attributes::new(octets);
    while attributes.next().is_some() {}
    attributes.is_at_end()
}

/// True for whole TLVs, whose length counts the three octets before it, and which have eight octets if they have the type of a
/// metric (RFC 7311 section 3).
fn is_aigp(value: &[u8]) -> bool {
    const METRIC: u8 = 1;
    let mut r = Reader::new(value);
    while !r.is_empty() {
        let (Ok(kind), Ok(len)) = (r.u8(), r.u16()) else { return false };
        let Some(Ok(value)) = usize::from(len).checked_sub(3).map(|len| r.take(len)) else { return false };
        if kind == METRIC && value.len() != 8 {
            return false;
        }
    }
    !value.is_empty()
}
