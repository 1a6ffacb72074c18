//! Path attributes of a route, rendered: what events of all routes with one attribute set share.

use crate::avro::{Binary, Text, Writer};
use crate::{Format, json};
use bgp::attribute::any::AnyAttribute;
use bgp::attribute::prefix_sid::PrefixSid;
use bgp::attribute::{AttributeSet, Code, Origin};
use encode::number::decimal;
use event_log::Encoding;
use std::fmt::Display;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use wire::{Afi, Community, LargeCommunity, Safi};

/// The label index of the prefix SID: a member of all routes, so that the attribute does not show it again.
const PSID_LI: &str = "psid_li";

/// A rendered attribute set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    bytes: Vec<u8>,
    /// Where the second part begins.
    split: usize,
}

/// A rendered attribute set, borrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentRef<'a> {
    /// In JSON, all members; in Avro, the fields before `as_path_id`; in MRT, the octets of the set.
    pub(crate) first: &'a [u8],
    /// In Avro, the fields after `as_path_id`, to `otc`.
    pub(crate) second: &'a [u8],
}

impl Fragment {
    /// Removes the content.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.split = 0;
    }

    /// The fragment, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> FragmentRef<'_> {
        let (first, second) = self.bytes.split_at_checked(self.split).unwrap_or((&self.bytes, &[]));
        FragmentRef { first, second }
    }
}

/// Renders attribute sets for one output.
#[derive(Clone, Debug)]
pub struct Renderer {
    format: Format,
    encoding: Encoding,
    text: Vec<u8>,
}

/// Which attributes of a route are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Those that pmacct shows.
    Usual,
    /// These, and those of tunnels and segment routing.
    All,
    /// Those of BGP-LS only.
    LinkState,
}

impl Renderer {
    /// A renderer for an output with that encoding.
    #[must_use]
    pub fn new(format: &Format, encoding: Encoding) -> Self {
        Self { format: *format, encoding, text: Vec::new() }
    }

    /// Renders the attributes of a route of that family. Sets of families with the same [`form`] are rendered the same.
    pub fn render(&mut self, set: AttributeSet<'_>, afi: Afi, safi: Safi, out: &mut Fragment) {
        out.clear();
        let shown = match form((afi, safi)) {
            0 if !self.format.all_attributes => Shown::Usual,
            2 => Shown::LinkState,
            _ => Shown::All,
        };
        let text = &mut self.text;
        match self.encoding {
            Encoding::Json => {
                if !set.is_empty() {
                    members(&self.format, set, shown, &mut out.bytes, text);
                }
                out.split = out.bytes.len();
            }
            Encoding::Avro => {
                out.split = fields(&self.format, set, shown, &mut Binary(&mut out.bytes), text);
            }
            Encoding::AvroJson => {
                out.split = fields(&self.format, set, shown, &mut Text(&mut out.bytes), text);
            }
            Encoding::Mrt => {
                out.bytes.extend_from_slice(set.as_bytes());
                out.split = out.bytes.len();
            }
            // The messages have the attributes.
            Encoding::OpenBmp => {}
        }
    }
}

/// A small number for families whose sets are rendered the same, as part of the key of a cache.
#[must_use]
pub const fn form((afi, safi): (Afi, Safi)) -> u8 {
    match (afi, safi) {
        (Afi::BGP_LS, _) => 2,
        (Afi::IPV4 | Afi::IPV6, Safi::UNICAST | Safi::MULTICAST | Safi::LABELED_UNICAST | Safi::MPLS_VPN) => 0,
        _ => 1,
    }
}

/// The letter or the number of an origin.
fn letter(origin: Origin) -> (u8, u8) {
    match origin {
        Origin::Igp => (b'i', 0),
        Origin::Egp => (b'e', 1),
        Origin::Incomplete => (b'u', 2),
    }
}

/// The label index of the prefix SID (RFC 8669 section 3.1).
fn label_index(set: AttributeSet<'_>) -> Option<u32> {
    PrefixSid::decode(set.get(Code::PREFIX_SID)?).ok()?.label_index()
}

/// The numbers of a set by the name of their member, in their order.
fn numbers(set: AttributeSet<'_>) -> [(&'static str, Option<u64>); 5] {
    [
        ("local_pref", set.local_pref().map(u64::from)),
        ("med", set.med().map(u64::from)),
        ("aigp", set.aigp()),
        ("psid_li", label_index(set).filter(|index| *index > 0).map(u64::from)),
        ("otc", set.otc().filter(|asn| asn.0 > 0).map(|asn| u64::from(asn.0))),
    ]
}

/// The next hop. Routers report routes of their own over BMP without one: 0.0.0.0, as in pmacct.
fn shown_next_hop(set: AttributeSet<'_>, shown: Shown) -> Option<IpAddr> {
    set.next_hop().or((shown == Shown::Usual).then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}

/// Appends the members, each with a comma before it.
fn members(format: &Format, set: AttributeSet<'_>, shown: Shown, out: &mut Vec<u8>, text: &mut Vec<u8>) {
    if shown == Shown::LinkState {
        return others(set, shown, out);
    }
    if let Some(next_hop) = shown_next_hop(set, shown) {
        json::name(out, "bgp_nexthop");
        out.push(b'"');
        json::ip(out, next_hop);
        out.push(b'"');
    }
    json::name(out, "as_path");
    text.clear();
    set.as_path().write(text, b' ');
    words(out, text, format.as_path_as_array);
    for kind in KINDS {
        if kind.text(set, text) {
            json::name(out, kind.name());
            words(out, text, format.comms_as_array);
        }
    }
    if let Some((letter, number)) = set.origin().map(letter) {
        json::name(out, "origin");
        match format.origin_as_number {
            true => decimal(out, u64::from(number)),
            false => out.extend_from_slice(&[b'"', letter, b'"']),
        }
    }
    for (name, number) in numbers(set) {
        if let Some(number) = number {
            json::number(out, name, number);
        }
    }
    if shown == Shown::All {
        others(set, shown, out);
    }
}

/// The three attributes of communities.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Standard,
    Extended,
    Large,
}

/// All of them, in their order.
const KINDS: [Kind; 3] = [Kind::Standard, Kind::Extended, Kind::Large];

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Standard => "comms",
            Self::Extended => "ecomms",
            Self::Large => "lcomms",
        }
    }

    /// Writes the communities, separated by blanks. False if there are none.
    fn text(self, set: AttributeSet<'_>, text: &mut Vec<u8>) -> bool {
        text.clear();
        match self {
            // The communities with names are few: numbers are written without formatting.
            Self::Standard => set.communities().for_each(|community| match community {
                Community(0 | 0xffff_0000..) => word(text, &community),
                _ => numbers_of(text, &[community.asn().into(), community.value().into()]),
            }),
            Self::Extended => {
                set.extended_communities().for_each(|community| word(text, &community));
            }
            Self::Large => set.large_communities().for_each(|LargeCommunity { global, local1, local2 }| {
                numbers_of(text, &[global.0, local1, local2]);
            }),
        }
        !text.is_empty()
    }
}

fn word(text: &mut Vec<u8>, word: &impl Display) {
    if !text.is_empty() {
        text.push(b' ');
    }
    // Writing to a `Vec` cannot fail.
    let _ = write!(text, "{word}");
}

/// Appends a word of numbers separated by colons.
fn numbers_of(text: &mut Vec<u8>, numbers: &[u32]) {
    let mut separator = (!text.is_empty()).then_some(b' ');
    for number in numbers {
        text.extend(separator);
        decimal(text, u64::from(*number));
        separator = Some(b':');
    }
}

/// The words of a text; none of an empty one.
fn words_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// Appends words as one string or as an array of strings. Nothing in them needs to be escaped.
fn words(out: &mut Vec<u8>, text: &[u8], as_array: bool) {
    if !as_array {
        out.push(b'"');
        out.extend_from_slice(text);
        return out.push(b'"');
    }
    out.push(b'[');
    for (number, word) in words_of(text).enumerate() {
        if number > 0 {
            out.extend_from_slice(b", ");
        }
        out.push(b'"');
        out.extend_from_slice(word);
        out.push(b'"');
    }
    out.push(b']');
}

/// The attributes that show members of their own.
fn own(set: AttributeSet<'_>, shown: Shown) -> impl Iterator<Item = AnyAttribute<'_>> {
    let is_shown = move |code: Code| match shown {
        Shown::LinkState => code == Code::LINK_STATE,
        _ => matches!(code, Code::PMSI_TUNNEL | Code::TUNNEL_ENCAPSULATION | Code::PREFIX_SID),
    };
    set.iter()
        .filter(move |attribute| is_shown(attribute.code))
        .map(|attribute| AnyAttribute::lenient(attribute.code, attribute.value))
}

/// Appends these as members.
fn others(set: AttributeSet<'_>, shown: Shown, out: &mut Vec<u8>) {
    for attribute in own(set, shown) {
        json::members(out, &attribute, |name| name != PSID_LI);
    }
}

/// Appends the fields of an Avro record from `bgp_nexthop` to `lcomms` and, after `split`, from `origin` to `attributes`.
fn fields(
    format: &Format,
    set: AttributeSet<'_>,
    shown: Shown,
    out: &mut impl Writer,
    text: &mut Vec<u8>,
) -> usize {
    let has_usual = !set.is_empty() && shown != Shown::LinkState;
    let usual = if has_usual { set } else { AttributeSet::new(&[]) };
    text.clear();
    let next_hop = has_usual.then(|| shown_next_hop(set, shown)).flatten();
    if let Some(next_hop) = next_hop {
        json::ip(text, next_hop);
    }
    out.optional_string("bgp_nexthop", next_hop.map(|_| text.as_slice()));
    text.clear();
    usual.as_path().write(text, b' ');
    match format.as_path_as_array {
        true => out.array("as_path", words_of(text)),
        false => out.optional_string("as_path", has_usual.then_some(text.as_slice())),
    }
    let split = out.len();
    for kind in KINDS {
        let is_present = kind.text(usual, text);
        match format.comms_as_array {
            true => out.array(kind.name(), words_of(text)),
            false => out.optional_string(kind.name(), is_present.then_some(text.as_slice())),
        }
    }
    let origin = usual.origin().map(letter);
    match format.origin_as_number {
        true => out.optional_long("origin", origin.map(|(_, number)| i64::from(number))),
        false => {
            let letter = origin.map(|(letter, _)| [letter]);
            out.optional_string("origin", letter.as_ref().map(<[u8; 1]>::as_slice));
        }
    }
    for (name, number) in numbers(usual) {
        // Avro has no unsigned numbers: those from 2^63 keep their bits.
        out.optional_long(name, number.map(u64::cast_signed));
    }
    let mut members = Vec::new();
    for attribute in own(set, shown) {
        json::texts(&attribute, |name, value| {
            if name != PSID_LI {
                members.push((name.to_owned(), value));
            }
        });
    }
    out.optional_map("attributes", &members);
    split
}
