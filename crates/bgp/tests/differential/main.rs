//! The UPDATE decoder compared with two others: netgauze-bgp-pkt and bgpkit-parser.
//!
//! Each decoder's result becomes a [`Reading`], in a form in which representation does not matter: NLRI are octets again, and
//! communities are sets. Messages are generated, or come from capture files in the folder that `BGP_CAPTURES` names.

#![allow(clippy::print_stdout, reason = "figures of the comparison with captures")]
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod captures;
mod flowspec;
mod generated;
mod theirs;

use bgp::attribute::AttributeSet;
use bgp::nlri::Nlri;
use bgp::nlri::any::AnyNlri;
use bgp::update::{Action, Decoder, Entry, Session, Update};
use bgp::value::Hex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use wire::{Afi, Prefix, Safi, Writer};

/// AFI and SAFI.
pub(crate) type Family = (u16, u8);

/// Octets, shown in hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Octets(pub(crate) Vec<u8>);

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hex(&self.0), f)
    }
}

/// What a decoder found in an UPDATE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Octets of NLRI.
    pub(crate) announced: BTreeSet<(Family, Octets)>,
    pub(crate) withdrawn: BTreeSet<(Family, Octets)>,
    /// Of families with announcements.
    pub(crate) next_hops: BTreeMap<Family, IpAddr>,
    /// Types and AS numbers of segments.
    pub(crate) as_path: Option<Vec<(u8, Vec<u32>)>>,
    pub(crate) origin: Option<u8>,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) communities: BTreeSet<u32>,
    pub(crate) extended: BTreeSet<[u8; 8]>,
    pub(crate) large: BTreeSet<[u32; 3]>,
}

impl Reading {
    /// Joins sequences, and sorts sets: how a path is split into segments has no meaning (RFC 4271 section 5.1.2).
    pub(crate) fn with_plain_path(mut self) -> Self {
        let mut plain: Vec<(u8, Vec<u32>)> = Vec::new();
        for (kind, mut asns) in self.as_path.take().into_iter().flatten() {
            let is_set = matches!(kind, 1 | 4);
            if is_set {
                asns.sort_unstable();
                asns.dedup();
            }
            match plain.last_mut() {
                Some((last, all)) if *last == kind && !is_set => all.extend(asns),
                _ => plain.push((kind, asns)),
            }
        }
        self.as_path = (!self.announced.is_empty()).then_some(plain);
        self
    }

    /// Keeps attributes only if they are attributes of something.
    pub(crate) fn without_idle_attributes(self) -> Self {
        if self.announced.is_empty() { Self { withdrawn: self.withdrawn, ..Self::default() } } else { self }
    }
}

/// The octets of one NLRI.
pub(crate) fn nlri_octets(path_id: Option<u32>, labels: &[u8], rd: &[u8], prefix: Prefix) -> Octets {
    let mut w = Writer::new();
    if let Some(id) = path_id {
        w.u32(id);
    }
    let bits = (labels.len() + rd.len()) * 8 + usize::from(prefix.length());
    let mut octets = Writer::new();
    prefix.write(&mut octets);
    w.u8(u8::try_from(bits).unwrap()).put(labels).put(rd).put(&octets.finish()[1..]);
    Octets(w.finish())
}

/// The octets of an NLRI after decoding and encoding, if that is possible.
fn rewritten(afi: Afi, safi: Safi, octets: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    match AnyNlri::decode(afi, safi, octets) {
        Ok(AnyNlri::Evpn(route)) => route.write(&mut w),
        Ok(AnyNlri::LinkState(nlri)) => nlri.write(&mut w),
        Ok(AnyNlri::RouteTarget(target)) => target.write(&mut w),
        _ => _ = w.put(octets),
    }
    w.finish()
}

fn entry_octets(afi: Afi, safi: Safi, entry: &Entry<'_>) -> Octets {
    match &entry.nlri {
        Nlri::Unicast(prefix) => nlri_octets(entry.path_id, &[], &[], *prefix),
        Nlri::Labelled { labels, prefix } => nlri_octets(entry.path_id, labels.as_bytes(), &[], *prefix),
        Nlri::Vpn { rd, labels, prefix } => nlri_octets(entry.path_id, labels.as_bytes(), &rd.0, *prefix),
        Nlri::Other(octets) => {
            let id = entry.path_id.map(u32::to_be_bytes);
            let octets = rewritten(afi, safi, octets.as_bytes());
            Octets([id.as_ref().map_or(&[][..], |id| id), &octets].concat())
        }
    }
}

fn put_attributes(reading: &mut Reading, set: AttributeSet<'_>) {
    let segments = set.as_path().segments();
    reading.as_path = set
        .get(bgp::attribute::Code::AS_PATH)
        .map(|_| segments.map(|s| (s.kind.0, s.asns().map(|asn| asn.0).collect())).collect());
    reading.origin = set.get(bgp::attribute::Code::ORIGIN).and_then(|value| value.first().copied());
    reading.med = set.med();
    reading.local_pref = set.local_pref();
    reading.communities = set.communities().map(|community| community.0).collect();
    reading.extended = set.extended_communities().map(|community| community.0).collect();
    reading.large = set.large_communities().map(|c| [c.global.0, c.local1, c.local2]).collect();
}

/// Our reading.
pub(crate) fn ours(update: &Update<'_>) -> Reading {
    let mut reading = Reading::default();
    for block in update.blocks() {
        let family = (block.afi.0, block.safi.0);
        let routes = block.entries().map(|entry| (family, entry_octets(block.afi, block.safi, &entry)));
        match block.action {
            Action::Withdraw => reading.withdrawn.extend(routes),
            Action::Announce => {
                reading.announced.extend(routes);
                reading.next_hops.extend(block.attributes.next_hop().map(|address| (family, address)));
                put_attributes(&mut reading, block.attributes);
            }
        }
    }
    reading
}

/// How a message compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Same,
    /// They do not decode the family, or refuse the message.
    Theirs(String),
    /// We found a fault.
    Fault {
        ours: String,
        /// They refuse the message or the attribute, too.
        refused: bool,
    },
    Different {
        ours: Box<Reading>,
        theirs: Box<Reading>,
    },
}

/// Decodes the body of an UPDATE with ours and theirs.
pub(crate) fn compare(
    body: &[u8],
    session: &Session,
    theirs: impl Fn(&[u8], &Session, &Reading) -> Result<Reading, String>,
) -> Outcome {
    let mut decoder = Decoder::new();
    let fault = |ours| Outcome::Fault { ours, refused: theirs(body, session, &Reading::default()).is_err() };
    let update = match decoder.decode(body, session) {
        Ok(update) if update.faults.is_empty() => update,
        Ok(update) => return fault(format!("{:?}", update.faults)),
        Err(error) => return fault(format!("{error:?}")),
    };
    let ours = ours(&update).with_plain_path();
    let theirs = theirs(body, session, &ours);
    match theirs.map(|theirs| theirs.without_idle_attributes().with_plain_path()) {
        Err(error) => Outcome::Theirs(error),
        Ok(theirs) if theirs == ours => Outcome::Same,
        Ok(theirs) => Outcome::Different { ours: Box::new(ours), theirs: Box::new(theirs) },
    }
}

/// True if path identifiers are received in the family.
pub(crate) fn has_path_ids(session: &Session, (afi, safi): Family) -> bool {
    session.add_path.contains(Afi(afi), Safi(safi))
}
