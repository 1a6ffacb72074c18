//! The decoder.

use super::attributes::{self, category};
use super::canonical::{self, As4, NextHop, Scratch};
use super::{Action, Block, Fault, Outcome, Reason, Session, Update, UpdateError};
use crate::attribute::{AttributeSet, Code, Flags};
use crate::message::HEADER_LEN;
use crate::nlri::format::{Format, Layout, Malformed};
use wire::{Afi, Reader, Safi};

/// Decodes UPDATEs. Keeps its buffers from one message to the next, so that none are allocated.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The attributes that are kept, without MP_REACH_NLRI and MP_UNREACH_NLRI.
    kept: Vec<Span>,
    /// Canonical attributes of one or two blocks.
    canonical: Vec<u8>,
    faults: Vec<Fault>,
    scratch: Scratch,
}

/// Where an attribute is, as offsets in the body, which the decoder must not borrow.
#[derive(Clone, Copy, Debug)]
struct Span {
    flags: Flags,
    code: Code,
    /// First octet of the attribute.
    at: usize,
    /// First octet of its value.
    value: usize,
    end: usize,
}

impl Span {
    fn value<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        body.get(self.value..self.end).unwrap_or_default()
    }

    #[cold]
    fn error(&self, reason: Reason, at: usize) -> UpdateError {
        UpdateError::new(reason, Some(self.code), self.at, at, self.end - self.at)
    }
}

/// NLRI of one family in a field that was checked.
#[derive(Clone, Copy, Debug)]
struct Field<'a> {
    afi: Afi,
    safi: Safi,
    format: Format,
    r: Reader<'a>,
}

impl<'a> Field<'a> {
    fn new(afi: Afi, safi: Safi, r: Reader<'a>, session: &Session, action: Action) -> Result<Self, Malformed> {
        let format = Format {
            layout: Layout::new(afi, safi),
            add_path: session.add_path.contains(afi, safi),
            label_stacks: action == Action::Announce && session.multiple_labels.contains(afi, safi),
        };
        format.check(r)?;
        Ok(Self { afi, safi, format, r })
    }

    fn block(self, action: Action) -> Option<Block<'a>> {
        let Self { afi, safi, format, r } = self;
        let attributes = AttributeSet::default();
        let block = Block { afi, safi, action, is_treated_as_withdraw: false, attributes, format, field: r };
        (!r.is_empty()).then_some(block)
    }
}

/// What the walk over the attributes finds.
#[derive(Default)]
struct Found<'a> {
    reach: Option<(Field<'a>, Option<NextHop>)>,
    unreach: Option<Field<'a>>,
    /// Codes of attributes that occurred, and of those that occurred again.
    seen: Codes,
    repeated: Codes,
    /// The first error that makes withdrawals of announcements.
    withdraw: Option<UpdateError>,
    is_sorted: bool,
    highest: u8,
}

/// A set of codes.
#[derive(Clone, Copy, Default)]
struct Codes([u64; 4]);

impl Codes {
    /// Adds a code; false if it was in the set.
    #[inline]
    fn insert(&mut self, code: Code) -> bool {
        let bit = 1u64 << (code.0 & 63);
        let Some(word) = self.0.get_mut(usize::from(code.0 >> 6)) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn contains(self, code: Code) -> bool {
        self.0.get(usize::from(code.0 >> 6)).is_some_and(|word| word >> (code.0 & 63) & 1 == 1)
    }
}

impl UpdateError {
    /// An error in the octet `at` of the body, in an attribute of `len` octets that begins at `attribute`.
    #[cold]
    fn new(reason: Reason, code: Option<Code>, attribute: usize, at: usize, len: usize) -> Self {
        let mut error = Self { reason, code, offset: at + HEADER_LEN, data_from: attribute, data_len: 0 };
        if error.has_attribute_as_data() {
            error.data_len = len;
        }
        error
    }

    /// An error outside of attributes.
    #[cold]
    fn outside(reason: Reason, at: usize) -> Self {
        Self { reason, code: None, offset: at + HEADER_LEN, data_from: 0, data_len: 0 }
    }
}

impl Decoder {
    /// A decoder with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that the buffers have room for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        size_of::<Span>() * self.kept.capacity()
            + size_of::<Fault>() * self.faults.capacity()
            + self.canonical.capacity()
            + self.scratch.capacity()
    }

    /// Decodes the body of a message, without its header.
    ///
    /// # Errors
    /// If the session must be reset.
    pub fn decode<'a>(&'a mut self, body: &'a [u8], session: &Session) -> Result<Update<'a>, UpdateError> {
        self.kept.clear();
        self.canonical.clear();
        self.faults.clear();
        let mut r = Reader::new(body);
        let len = r.u16().map_err(|truncated| UpdateError::outside(Reason::Truncated, truncated.at))?;
        let withdrawn = r.within(len.into());
        let withdrawn = withdrawn.map_err(|_| UpdateError::outside(Reason::WithdrawnRoutesLength, 0))?;
        let lengths_at = r.at();
        let len = r.u16().map_err(|_| UpdateError::outside(Reason::WithdrawnRoutesLength, 0))?;
        let attributes = r.within(len.into());
        let attributes = attributes.map_err(|_| UpdateError::outside(Reason::TotalAttributeLength, lengths_at))?;

        let unicast = |r, action| {
            Field::new(Afi::IPV4, Safi::UNICAST, r, session, action)
                .map_err(|malformed| UpdateError::outside(malformed.reason, malformed.at))
        };
        let withdrawn = unicast(withdrawn, Action::Withdraw)?;
        let mut found = self.walk(body, attributes, session, !r.is_empty())?;
        let announced = unicast(r, Action::Announce)?;

        let reach = found.reach.filter(|(field, _)| !field.r.is_empty());
        let is_reachable = reach.is_some() || !announced.r.is_empty();
        if is_reachable {
            let needs_next_hop = !announced.r.is_empty() && !session.next_hop_optional;
            self.require(&mut found, attributes.at(), needs_next_hop);
        } else if let Some(error) = found.withdraw {
            // Nothing is left that could be withdrawn, so routes may have been missed (RFC 7606 section 5.2).
            return Err(error);
        }

        let mut blocks = [
            withdrawn.block(Action::Withdraw),
            found.unreach.and_then(|field| field.block(Action::Withdraw)),
            reach.and_then(|(field, _)| field.block(Action::Announce)),
            announced.block(Action::Announce),
        ];
        let end_of_rib = match (&blocks, found.unreach) {
            ([None, None, None, None], None) if attributes.is_empty() => Some((Afi::IPV4, Safi::UNICAST)),
            ([None, None, None, None], Some(field)) if found.seen.is_only(Code::MP_UNREACH_NLRI) => {
                Some((field.afi, field.safi))
            }
            _ => None,
        };

        let mut of_reach = 0;
        if found.withdraw.is_none() && is_reachable {
            let next_hop = reach.as_ref().map(|(_, next_hop)| next_hop.as_ref());
            match self.write_sets(body, session, found.is_sorted, next_hop, !announced.r.is_empty()) {
                Some(len) => of_reach = len,
                None => self.as_path_too_long(&mut found),
            }
        }
        let (of_reach, of_ipv4) = self.canonical.split_at_checked(of_reach).unwrap_or_default();
        let [_, _, reach, announced] = &mut blocks;
        for (block, octets) in [(reach, of_reach), (announced, of_ipv4)] {
            match block {
                Some(block) if found.withdraw.is_some() => {
                    block.action = Action::Withdraw;
                    block.is_treated_as_withdraw = true;
                }
                Some(block) => block.attributes = AttributeSet::new(octets),
                None => {}
            }
        }
        Ok(Update { blocks, end_of_rib, faults: &self.faults })
    }

    /// Writes the attributes of the routes of MP_REACH_NLRI, if there are any, with their next hop, and then those of IPv4 routes outside
    /// of attributes. Returns the length of the first. `None` if the AS path is too long.
    fn write_sets(
        &mut self,
        body: &[u8],
        session: &Session,
        is_sorted: bool,
        reach: Option<Option<&NextHop>>,
        has_ipv4_routes: bool,
    ) -> Option<usize> {
        if !is_sorted {
            self.kept.sort_unstable_by_key(|span| span.code);
        }
        if let Some(next_hop) = reach {
            self.write(body, session, next_hop)?;
        }
        let len = self.canonical.len();
        if has_ipv4_routes {
            let next_hop = self.kept.iter().find(|span| span.code == Code::NEXT_HOP);
            let next_hop = next_hop.and_then(|span| canonical::next_hop(span.value(body)));
            self.write(body, session, next_hop.as_ref())?;
        }
        Some(len)
    }

    /// Checks the attributes, and notes which are kept.
    fn walk<'a>(
        &mut self,
        body: &'a [u8],
        mut r: Reader<'a>,
        session: &Session,
        has_ipv4_routes: bool,
    ) -> Result<Found<'a>, UpdateError> {
        let mut found = Found { is_sorted: true, ..Found::default() };
        while !r.is_empty() {
            let at = r.at();
            let Some((flags, code, len)) = header(&mut r) else {
                self.fault(&mut found, Reason::AttributeUnderrun, None, (at, at), Outcome::TreatedAsWithdraw);
                break;
            };
            let span = Span { flags, code, at, value: r.at(), end: r.at() + len };
            let Ok(value) = r.within(len) else {
                if matches!(code, Code::MP_REACH_NLRI | Code::MP_UNREACH_NLRI) {
                    // Its routes cannot be found (RFC 7606 section 3 j).
                    return Err(span.error(Reason::AttributeOverrun, at));
                }
                self.fault(&mut found, Reason::AttributeOverrun, Some(code), (at, at), Outcome::TreatedAsWithdraw);
                break;
            };
            match code {
                Code::MP_REACH_NLRI | Code::MP_UNREACH_NLRI => {
                    if !found.seen.insert(code) {
                        return Err(span.error(Reason::DuplicateMultiprotocol, at));
                    }
                    multiprotocol(&mut found, span, value, session)?;
                }
                _ if !found.seen.insert(code) => {
                    if found.repeated.insert(code) {
                        let outcome = Outcome::AttributeDiscarded;
                        self.fault(&mut found, Reason::DuplicateAttribute, Some(code), (at, span.end), outcome);
                    }
                }
                _ if category(code).is_none() && !flags.is_optional() => {
                    return Err(span.error(Reason::UnrecognizedWellKnown, at));
                }
                // Ignored unless it is the next hop of routes (RFC 4760 section 3).
                Code::NEXT_HOP if !has_ipv4_routes => {}
                _ => match attributes::check(flags, code, span.value(body), session) {
                    Ok(()) => {
                        found.is_sorted &= code.0 >= found.highest;
                        found.highest = found.highest.max(code.0);
                        self.kept.push(span);
                    }
                    Err((reason, outcome)) => {
                        self.fault(&mut found, reason, Some(code), (at, span.end), outcome);
                    }
                },
            }
        }
        Ok(found)
    }

    /// Notes a fault in the octets of the body from `at` to `end`.
    #[cold]
    fn fault(
        &mut self,
        found: &mut Found<'_>,
        reason: Reason,
        code: Option<Code>,
        (at, end): (usize, usize),
        outcome: Outcome,
    ) {
        self.faults.push(Fault { reason, code, offset: at + HEADER_LEN, outcome });
        if outcome == Outcome::TreatedAsWithdraw {
            found.withdraw.get_or_insert_with(|| UpdateError::new(reason, code, at, at, end - at));
        }
    }

    /// Notes well-known mandatory attributes that are missing (RFC 7606 section 3 d).
    fn require(&mut self, found: &mut Found<'_>, at: usize, needs_next_hop: bool) {
        for (code, reason, is_required) in [
            (Code::ORIGIN, Reason::MissingOrigin, true),
            (Code::AS_PATH, Reason::MissingAsPath, true),
            (Code::NEXT_HOP, Reason::MissingNextHop, needs_next_hop),
        ] {
            if is_required && !found.seen.contains(code) {
                self.fault(found, reason, Some(code), (at, at), Outcome::TreatedAsWithdraw);
            }
        }
    }

    #[cold]
    fn as_path_too_long(&mut self, found: &mut Found<'_>) {
        let span = self.kept.iter().find(|span| span.code == Code::AS_PATH).copied();
        let range = span.map_or((0, 0), |span| (span.at, span.end));
        self.fault(found, Reason::AsPathTooLong, Some(Code::AS_PATH), range, Outcome::TreatedAsWithdraw);
    }

    /// Appends the attributes in canonical form, with this next hop. `None` if the AS path is too long for that.
    fn write(&mut self, body: &[u8], session: &Session, next_hop: Option<&NextHop>) -> Option<()> {
        let Self { kept, canonical: out, scratch, .. } = self;
        let value = |code| kept.iter().find(|span| span.code == code).map(|span| span.value(body));
        let as4 = match session.asn4 {
            true => As4::default(),
            false => As4::new(value(Code::AS4_PATH), value(Code::AGGREGATOR), value(Code::AS4_AGGREGATOR)),
        };
        let mut next_hop = next_hop;
        for span in kept.iter() {
            let (flags, code, value) = (span.flags, span.code, span.value(body));
            if code >= Code::NEXT_HOP
                && let Some(next_hop) = next_hop.take()
            {
                canonical::put(out, Flags::WELL_KNOWN, Code::NEXT_HOP, next_hop.as_bytes())?;
            }
            match code {
                Code::NEXT_HOP | Code::AS4_PATH | Code::AS4_AGGREGATOR => {}
                Code::AS_PATH if !session.asn4 => {
                    scratch.put_wide_as_path(out, flags, value, as4.path)?;
                }
                Code::AGGREGATOR if !session.asn4 => {
                    canonical::put_wide_aggregator(out, flags, value, as4.aggregator)?;
                }
                _ => scratch.put(out, flags, code, value)?,
            }
        }
        if let Some(next_hop) = next_hop {
            canonical::put(out, Flags::WELL_KNOWN, Code::NEXT_HOP, next_hop.as_bytes())?;
        }
        Some(())
    }
}

impl Codes {
    fn is_only(self, code: Code) -> bool {
        let mut only = Self::default();
        only.insert(code);
        self.0 == only.0
    }
}

/// Reads flags, code and length of an attribute; `None` if octets are missing.
#[inline]
fn header(r: &mut Reader<'_>) -> Option<(Flags, Code, usize)> {
    let [flags, code] = r.array().ok()?;
    let flags = Flags(flags);
    let len = match flags.has_extended_length() {
        true => r.u16().ok()?.into(),
        false => r.u8().ok()?.into(),
    };
    Some((flags, Code(code), len))
}

/// Reads MP_REACH_NLRI or MP_UNREACH_NLRI (RFC 4760 sections 3 and 4).
fn multiprotocol<'a>(
    found: &mut Found<'a>,
    span: Span,
    mut r: Reader<'a>,
    session: &Session,
) -> Result<(), UpdateError> {
    if span.flags.category() != Flags::OPTIONAL_NON_TRANSITIVE {
        return Err(span.error(Reason::MultiprotocolFlags, span.at));
    }
    let too_short = |_| span.error(Reason::MultiprotocolLength, span.at);
    let (afi, safi) = (Afi(r.u16().map_err(too_short)?), Safi(r.u8().map_err(too_short)?));
    let malformed = |malformed: Malformed| span.error(malformed.reason, malformed.at);
    if span.code == Code::MP_UNREACH_NLRI {
        found.unreach = Some(Field::new(afi, safi, r, session, Action::Withdraw).map_err(malformed)?);
        return Ok(());
    }
    // A length of a next hop and a reserved octet.
    let mut ahead = r;
    ahead.array::<2>().map_err(too_short)?;
    let at = r.at();
    let len = usize::from(r.u8().map_err(too_short)?);
    let wrong_next_hop = || span.error(Reason::MultiprotocolNextHop, at);
    let (Ok(next_hop), Ok(_reserved)) = (r.take(len), r.u8()) else { return Err(wrong_next_hop()) };
    if !is_next_hop(afi, safi, len) {
        return Err(wrong_next_hop());
    }
    let field = Field::new(afi, safi, r, session, Action::Announce).map_err(malformed)?;
    found.reach = Some((field, canonical::next_hop(next_hop)));
    Ok(())
}

/// True if next hops of the family can have the length.
///
/// An IPv4 route may have an IPv6 next hop (RFC 8950), whose session need not be known here. VPN next hops have a route
/// distinguisher, except those of old implementations (RFC 5549). A flow specification may have none (RFC 8955 section 4).
fn is_next_hop(afi: Afi, safi: Safi, len: usize) -> bool {
    match (Layout::new(afi, safi), len) {
        (Layout::Whole, _) | (_, 4 | 16 | 32) | (Layout::FlowSpec, 0) => true,
        (Layout::Vpn(_) | Layout::VpnWithoutLabels(_), 12 | 24 | 48) => true,
        (Layout::FlowSpec | Layout::TypeLength16, 12 | 24 | 48) => {
            matches!(safi, Safi::FLOWSPEC_VPN | Safi::BGP_LS_VPN)
        }
        _ => false,
    }
}
