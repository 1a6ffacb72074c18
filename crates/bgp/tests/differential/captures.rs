//! Messages of capture files.

use super::{Outcome, compare, theirs};
use bgp::capability::Capability;
use bgp::message::{Message, MessageType};
use bgp::open::Open;
use bgp::update::{Decoder, Session};
use capture::pcap_file::{Settings, StreamEvent, StreamId, Streams};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// All pcap files in a folder and the folders in it.
fn find_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            find_files(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "pcap") {
            files.push(path);
        }
    }
}

/// The octets of each stream in a file.
fn streams(file: &Path) -> Vec<Vec<u8>> {
    let mut open: HashMap<StreamId, Vec<u8>> = HashMap::new();
    let mut done = Vec::new();
    let Ok(mut all) = Streams::open(&Settings { path: file.to_owned(), ..Settings::default() }) else {
        return done;
    };
    let take = |id: StreamId, _: u64, event: StreamEvent<'_>| match event {
        StreamEvent::Data(octets) => open.entry(id).or_default().extend_from_slice(octets),
        StreamEvent::Opened { .. } => done.extend(open.remove(&id)),
        StreamEvent::Closed | StreamEvent::Missing(_) => {}
    };
    let mut take = take;
    while all.advance(&mut take).unwrap_or(false) {}
    done.extend(open.into_values());
    done
}

/// The bodies of the UPDATEs of a stream, with what its OPEN offers: the other side is taken to have agreed.
fn updates(mut octets: &[u8]) -> Vec<(Session, Vec<u8>)> {
    let (mut session, mut all) = (Session::default(), Vec::new());
    while let Ok(Some(message)) = Message::first(octets, true) {
        octets = octets.get(message.octets().len()..).unwrap_or_default();
        if message.kind() == MessageType::UPDATE {
            all.push((session.clone(), message.body().to_vec()));
        }
        let Ok(open) = Open::decode(message.body()) else { continue };
        if message.kind() != MessageType::OPEN {
            continue;
        }
        session = Session::default();
        for capability in open.capabilities() {
            match capability.capability() {
                Capability::FourOctetAs(_) => session.asn4 = true,
                Capability::AddPath(families) => {
                    families.iter().filter(|f| f.send).for_each(|f| session.add_path.insert(f.afi, f.safi));
                }
                _ => {}
            }
        }
    }
    all
}

/// Some captures have one direction only, or an OPEN that was made up: the width of AS numbers is the one with fewer faults.
fn with_best_width(all: Vec<(Session, Vec<u8>)>) -> Vec<(Session, Vec<u8>)> {
    let with = |asn4| -> Vec<_> {
        all.iter().map(|(session, body)| (Session { asn4, ..session.clone() }, body.clone())).collect()
    };
    let faults = |all: &[(Session, Vec<u8>)]| {
        let mut decoder = Decoder::new();
        let is_faulty = |(session, body): &&(Session, Vec<u8>)| {
            !decoder.decode(body, session).is_ok_and(|u| u.faults.is_empty())
        };
        all.iter().filter(is_faulty).count()
    };
    let (wide, narrow) = (with(true), with(false));
    match faults(&wide).cmp(&faults(&narrow)) {
        Ordering::Less => wide,
        Ordering::Equal => all,
        Ordering::Greater => narrow,
    }
}

/// What they refuse for a reason that was looked into: a part of their error, and why they are not followed.
const REFUSED: &[(&str, &str)] = &[
    ("is not decoded", "the family is not decoded"),
    ("path identifiers in some families", "one setting for the path identifiers of all families"),
    ("UndefinedAsPathSegmentType", "segments of confederations (RFC 5065) are not known"),
    ("UndefinedAigpAttributeType", "TLVs of unknown types in AIGP are not skipped (RFC 7311 section 3)"),
    (
        "InvalidMulticastNetwork",
        "SAFI 2 is taken to have groups, but has prefixes of sources (RFC 4760 section 6)",
    ),
    ("Ipv6MplsLabeledVpn, error: InvalidLength { offset: 24, len: 48 }", "48 octets of next hop (RFC 4659)"),
    ("RouteTargetMembershipAddressError", "a partial route target is not rounded up to octets (RFC 4684)"),
    // Not malformed for us either until it is shown: the length of the NLRI is right.
    ("MacIpAdvertisementError(InvalidMacAddressLength", "an EVPN route that is malformed in itself"),
];

/// Why a difference is none, or theirs.
fn explanation(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Theirs(reason) => {
            REFUSED.iter().find(|(part, _)| reason.contains(part)).map(|(_, explanation)| *explanation)
        }
        Outcome::Different { ours, theirs } => {
            // RFC 7432 section 7.5: two octets of the ESI label community are reserved; a writer sets them to zero.
            let without_reserved = |octets: &[u8; 8]| match *octets {
                [6, 1, flags, _, _, a, b, c] => [6, 1, flags, 0, 0, a, b, c],
                other => other,
            };
            let mut ours = (**ours).clone();
            ours.extended = ours.extended.iter().map(without_reserved).collect();
            (ours == **theirs).then_some("reserved octets of a community")
        }
        Outcome::Same | Outcome::Fault { .. } => None,
    }
}

#[test]
fn captured_messages_read_the_same() {
    let Some(folder) = std::env::var_os("BGP_CAPTURES").map(PathBuf::from) else {
        println!("skipped: BGP_CAPTURES names no folder of capture files");
        return;
    };
    let mut files = Vec::new();
    find_files(&folder, &mut files);
    files.sort();
    let mut count = BTreeMap::new();
    let mut different = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&folder).unwrap_or(file).to_string_lossy();
        for (session, body) in streams(file).iter().flat_map(|octets| with_best_width(updates(octets))) {
            for (decoder, outcome) in [
                ("netgauze-bgp-pkt", compare(&body, &session, theirs::netgauze)),
                ("bgpkit-parser", compare(&body, &session, theirs::bgpkit)),
            ] {
                let kind = match (&outcome, explanation(&outcome)) {
                    (Outcome::Same, _) => "same".to_owned(),
                    (Outcome::Fault { refused: true, .. }, _) => "both found a fault".to_owned(),
                    (Outcome::Fault { ours, .. }, _) => format!("only we found a fault: {name} {ours}"),
                    (_, Some(explanation)) => explanation.to_owned(),
                    (_, None) => {
                        different.push(format!("{name} {decoder} {outcome:?} {body:02x?}"));
                        "different".to_owned()
                    }
                };
                *count.entry((decoder, kind)).or_insert(0u64) += 1;
            }
        }
    }
    for ((decoder, kind), count) in &count {
        println!("{decoder}: {kind}: {count}");
    }
    assert!(different.is_empty(), "{} differences, such as\n{}", different.len(), different.join("\n"));
}
