//! The encoder.

use super::canonical::put;
use super::{Action, Entry, Session};
use crate::attribute::{AsPath, AttributeSet, Code, Flags};
use crate::message::HEADER_LEN;
use crate::nlri::format::{Format, Layout};
use crate::nlri::{Labels, Nlri};
use std::fmt;
use wire::{Afi, Asn, Safi};

/// Encodes UPDATEs of a session: bodies of messages, without their headers.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'s> {
    /// What the session agreed on.
    pub session: &'s Session,
    /// Octets of the longest message, header included: 4096, or 65535 with extended messages (RFC 8654).
    pub max_len: usize,
    /// Encodes unicast routes of IPv4 as those of other families. Without it, this is done only if their next hop is not an IPv4
    /// address (RFC 8950).
    pub ipv4_as_multiprotocol: bool,
}

/// Why routes cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// A message of the largest size has no room for the attributes and one route.
    TooLong,
    /// A route is not of the family, has more labels than its length can count, or not the labels that the session agreed on.
    Nlri,
    /// The attributes are malformed.
    Attributes,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the attributes and one route exceed a message",
            Self::Nlri => "a route is not of its family, or has wrong labels",
            Self::Attributes => "the attributes are malformed",
        })
    }
}

impl std::error::Error for EncodeError {}

/// Octets that the lengths of withdrawn routes and of attributes take.
const LENGTHS: usize = 4;
/// Octets of flags, code and extended length of MP_REACH_NLRI and MP_UNREACH_NLRI.
const MP_HEADER: usize = 4;

impl<'s> Encoder<'s> {
    /// An encoder for messages of at most 4096 octets.
    pub const fn new(session: &'s Session) -> Self {
        Self { session, max_len: crate::message::MAX_LEN, ipv4_as_multiprotocol: false }
    }

    /// The bodies of the messages that announce routes of one family with the same attributes, as few as possible.
    ///
    /// # Errors
    /// If the attributes and one route do not fit a message, or a route is not of the family.
    pub fn announce<'a>(
        &self,
        afi: Afi,
        safi: Safi,
        attributes: AttributeSet<'_>,
        entries: impl IntoIterator<Item = Entry<'a>>,
    ) -> Result<Vec<Vec<u8>>, EncodeError> {
        let next_hop = attributes.get(Code::NEXT_HOP).unwrap_or_default();
        let is_classic = self.is_classic(afi, safi) && next_hop.len() == 4;
        let mut head = Vec::new();
        if !is_classic {
            put_family(&mut head, afi, safi);
            put_next_hop(&mut head, Layout::new(afi, safi), safi, next_hop)?;
        }
        let others = self.attributes(attributes, is_classic)?;
        let code = (!is_classic).then_some(Code::MP_REACH_NLRI);
        self.split((afi, safi), Action::Announce, code, &head, &others, entries)
    }

    /// The bodies of the messages that withdraw routes of one family, as few as possible. A route without labels of a family with
    /// labels gets the one that RFC 8277 section 2.4 recommends.
    ///
    /// # Errors
    /// If a route is not of the family.
    pub fn withdraw<'a>(
        &self,
        afi: Afi,
        safi: Safi,
        entries: impl IntoIterator<Item = Entry<'a>>,
    ) -> Result<Vec<Vec<u8>>, EncodeError> {
        let is_classic = self.is_classic(afi, safi);
        let mut head = Vec::new();
        if !is_classic {
            put_family(&mut head, afi, safi);
        }
        let code = (!is_classic).then_some(Code::MP_UNREACH_NLRI);
        self.split((afi, safi), Action::Withdraw, code, &head, &[], entries)
    }

    /// The body of an End-of-RIB marker (RFC 4724 section 2).
    pub fn end_of_rib(&self, afi: Afi, safi: Safi) -> Vec<u8> {
        if self.is_classic(afi, safi) {
            return vec![0; LENGTHS];
        }
        let mut value = Vec::new();
        put_family(&mut value, afi, safi);
        let mut body = vec![0, 0, 0, 6];
        // Three octets fit.
        _ = put(&mut body, Flags::OPTIONAL_NON_TRANSITIVE, Code::MP_UNREACH_NLRI, &value);
        body
    }

    /// True for routes that are written outside of attributes.
    fn is_classic(&self, afi: Afi, safi: Safi) -> bool {
        (afi, safi) == (Afi::IPV4, Safi::UNICAST) && !self.ipv4_as_multiprotocol
    }

    fn split<'a>(
        &self,
        (afi, safi): (Afi, Safi),
        action: Action,
        code: Option<Code>,
        head: &[u8],
        others: &[u8],
        entries: impl IntoIterator<Item = Entry<'a>>,
    ) -> Result<Vec<Vec<u8>>, EncodeError> {
        let format = Format {
            layout: Layout::new(afi, safi),
            add_path: self.session.add_path.contains(afi, safi),
            label_stacks: action == Action::Announce && self.session.multiple_labels.contains(afi, safi),
        };
        let of_mp = if code.is_some() { MP_HEADER + head.len() } else { 0 };
        let room = self.max_len.checked_sub(HEADER_LEN + LENGTHS + of_mp + others.len());
        let room = room.ok_or(EncodeError::TooLong)?;
        let mut bodies = Vec::new();
        let mut field = Vec::new();
        for entry in entries {
            let before = field.len();
            let nlri = match action {
                Action::Announce => entry.nlri,
                Action::Withdraw => entry.nlri.withdrawn(),
            };
            format.write(&mut field, entry.path_id, &nlri).ok_or(EncodeError::Nlri)?;
            if field.len() > room {
                let last = field.split_off(before);
                if before == 0 || last.len() > room {
                    return Err(EncodeError::TooLong);
                }
                bodies.push(body(action, code, head, others, &field)?);
                field = last;
            }
        }
        if !field.is_empty() {
            bodies.push(body(action, code, head, others, &field)?);
        }
        Ok(bodies)
    }

    /// The attributes as the session writes them.
    fn attributes(&self, attributes: AttributeSet<'_>, with_next_hop: bool) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        let mut iter = attributes.iter();
        for attribute in &mut iter {
            let (flags, code, value) = (attribute.flags, attribute.code, attribute.value);
            match code {
                Code::NEXT_HOP if !with_next_hop => Some(()),
                Code::AS_PATH if !self.session.asn4 => {
                    let mut narrow = Vec::new();
                    for segment in AsPath::new(value).segments() {
                        narrow.extend([segment.kind.0, u8::try_from(segment.len()).unwrap_or(u8::MAX)]);
                        narrow.extend(segment.asns().flat_map(|asn| narrowed(asn).to_be_bytes()));
                    }
                    put(&mut out, flags, code, &narrow)
                }
                Code::AGGREGATOR if !self.session.asn4 => {
                    let (asn, address) = attributes.aggregator().ok_or(EncodeError::Attributes)?;
                    let [a, b] = narrowed(asn).to_be_bytes();
                    let [c, d, e, f] = address.octets();
                    put(&mut out, flags, code, &[a, b, c, d, e, f])
                }
                _ => put(&mut out, flags, code, value),
            }
            .ok_or(EncodeError::TooLong)?;
        }
        if !iter.is_at_end() {
            return Err(EncodeError::Attributes);
        }
        if !self.session.asn4 {
            put_as4(&mut out, attributes).ok_or(EncodeError::TooLong)?;
        }
        Ok(out)
    }
}

/// Appends AS4_PATH and AS4_AGGREGATOR if they say more than AS_PATH and AGGREGATOR (RFC 6793 section 4.2.2).
fn put_as4(out: &mut Vec<u8>, attributes: AttributeSet<'_>) -> Option<()> {
    let path = attributes.as_path();
    if path.asns().any(|asn| asn.to_u16().is_none()) {
        let mut value = Vec::new();
        for segment in path.segments().filter(|segment| !segment.kind.is_confederation()) {
            value.extend([segment.kind.0, u8::try_from(segment.len()).ok()?]);
            value.extend(segment.asns().flat_map(|asn| asn.0.to_be_bytes()));
        }
        if !value.is_empty() {
            put(out, Flags::OPTIONAL_TRANSITIVE, Code::AS4_PATH, &value)?;
        }
    }
    if attributes.aggregator().is_some_and(|(asn, _)| asn.to_u16().is_none()) {
        put(out, Flags::OPTIONAL_TRANSITIVE, Code::AS4_AGGREGATOR, attributes.get(Code::AGGREGATOR)?)?;
    }
    Some(())
}

/// The number in two octets, or AS_TRANS.
fn narrowed(asn: Asn) -> u16 {
    asn.to_u16().or(Asn::TRANS.to_u16()).unwrap_or_default()
}

fn put_family(out: &mut Vec<u8>, afi: Afi, safi: Safi) {
    out.extend_from_slice(&afi.0.to_be_bytes());
    out.push(safi.0);
}

/// Appends the length of a next hop, the next hop, with distinguishers of zero in VPN families, and the reserved octet.
fn put_next_hop(out: &mut Vec<u8>, layout: Layout, safi: Safi, next_hop: &[u8]) -> Result<(), EncodeError> {
    let has_rd = matches!(layout, Layout::Vpn(_) | Layout::VpnWithoutLabels(_)) || safi == Safi::BGP_LS_VPN;
    let rd: &[u8] = if has_rd { &[0; 8] } else { &[] };
    match next_hop.len() {
        0 if layout == Layout::FlowSpec => {}
        4 | 16 | 32 => {}
        _ => return Err(EncodeError::Attributes),
    }
    // Of 32 octets, each half is an address.
    let addresses = next_hop.chunks(16);
    let len = next_hop.len() + addresses.len() * rd.len();
    out.push(u8::try_from(len).map_err(|_| EncodeError::Attributes)?);
    for address in addresses {
        out.extend_from_slice(rd);
        out.extend_from_slice(address);
    }
    out.push(0);
    Ok(())
}

/// A body with one field of routes: in an attribute if there is a `code`.
fn body(
    action: Action,
    code: Option<Code>,
    head: &[u8],
    others: &[u8],
    field: &[u8],
) -> Result<Vec<u8>, EncodeError> {
    let length = |len: usize| u16::try_from(len).map(u16::to_be_bytes).map_err(|_| EncodeError::TooLong);
    let mut body = Vec::with_capacity(LENGTHS + MP_HEADER + head.len() + others.len() + field.len());
    match (code, action) {
        (Some(code), _) => {
            let len = length(head.len() + field.len())?;
            body.extend([0, 0]);
            body.extend(length(MP_HEADER + head.len() + field.len() + others.len())?);
            // The first attribute, so that its routes are found whatever follows (RFC 7606 section 5.1).
            body.extend([Flags::OPTIONAL | Flags::EXTENDED_LENGTH, code.0]);
            body.extend(len);
            body.extend_from_slice(head);
            body.extend_from_slice(field);
            body.extend_from_slice(others);
        }
        (None, Action::Announce) => {
            body.extend([0, 0]);
            body.extend(length(others.len())?);
            body.extend_from_slice(others);
            body.extend_from_slice(field);
        }
        (None, Action::Withdraw) => {
            body.extend(length(field.len())?);
            body.extend_from_slice(field);
            body.extend([0, 0]);
        }
    }
    Ok(body)
}

impl<'a> Nlri<'a> {
    /// What a withdrawal says: without a label, the one that RFC 8277 section 2.4 recommends.
    fn withdrawn(self) -> Self {
        let one = |labels: Labels<'a>| match labels.as_bytes().first_chunk::<3>() {
            Some(label) => Labels::new(label),
            None => Labels::new(&[0x80, 0, 0]),
        };
        match self {
            Self::Labelled { labels, prefix } => Self::Labelled { labels: one(labels), prefix },
            Self::Vpn { rd, labels, prefix } => Self::Vpn { rd, labels: one(labels), prefix },
            other => other,
        }
    }
}
