//! Messages of capture files.

use super::{Reading, ours, theirs};
use bgp::update::Decoder;
use bmp::frame::{Frame, Version};
use bmp_session::{Config, Event, Session};
use capture::pcap_file::{Settings, StreamEvent, StreamId, Streams};
use netgauze_bmp_pkt::wire::deserializer::BmpParsingContext;
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
    let mut take = |id: StreamId, _: u64, event: StreamEvent<'_>| match event {
        StreamEvent::Data(octets) => open.entry(id).or_default().extend_from_slice(octets),
        StreamEvent::Opened { .. } => done.extend(open.remove(&id)),
        StreamEvent::Closed | StreamEvent::Missing(_) => {}
    };
    while all.advance(&mut take).unwrap_or(false) {}
    done.extend(open.into_values());
    done
}

/// What netgauze-bmp-pkt refuses for a reason that was looked into: parts of its error, and why it is not followed. In all of these
/// bgpkit-parser agrees with us about the message, and the UPDATE is decoded without a fault.
const REFUSED: &[(&str, &str)] = &[
    (
        "MplsLabelError(Parse(UnexpectedEof",
        "each peer up of a Loc-RIB for a further family ends ADD-PATH in the ones before",
    ),
    ("UnparseableBytes", "TLVs after the UPDATE in version 3"),
    ("InvalidBgpId", "a BGP identifier of 0 in the OPENs of a Loc-RIB"),
    ("InvalidAsPathLength", "AS numbers of two octets without the A flag"),
    ("InvalidUnicastNetwork", "multicast prefixes in a unicast RIB"),
    (
        "address_type: Ipv4MplsLabeledVpn, error: InvalidLength",
        "IPv6 next hops of labeled VPN-IPv4 routes (RFC 8950)",
    ),
];

/// What they refuse or read otherwise for a reason that was looked into.
fn explanation(ours: &Reading, theirs: &Result<Reading, String>) -> Option<&'static str> {
    let theirs = match theirs {
        Ok(theirs) => theirs,
        Err(error) => return REFUSED.iter().find(|(part, _)| error.contains(part)).map(|(_, why)| *why),
    };
    let mut same = ours.clone();
    let (Some(peer), Some(other)) = (same.peer.as_mut(), &theirs.peer) else { return None };
    if peer.flags & 0x20 != 0 && peer.asn & 0xffff == other.asn {
        peer.asn = other.asn;
    }
    (same == *theirs).then_some("the A flag is taken for one about the AS number in the header as well")
}

/// Nothing can be told from routes without the capabilities of the peer.
const NO_PEER_UP: &str = "the capture begins after the peer up";

/// Decodes the UPDATE of a message of a session. What is wrong with it.
fn decode_update(session: &mut Session, decoder: &mut Decoder, frame: Frame<'_>) -> Option<String> {
    let received = session.next(&mut frame.octets())?;
    if let Some(fault) = received.fault {
        return Some(fault.to_string());
    }
    match received.event {
        Event::Routes { decoding, message, .. } => match decoder.decode(message.update.body(), &decoding) {
            Ok(update) => update.faults.first().map(ToString::to_string),
            Err(error) => Some(error.to_string()),
        },
        Event::UnknownPeer(_) => Some(NO_PEER_UP.to_owned()),
        Event::Rejected(rejection) => Some(rejection.to_string()),
        _ => None,
    }
}

#[test]
fn captured_messages_read_the_same() {
    let Some(folder) = std::env::var_os("BMP_CAPTURES").map(PathBuf::from) else {
        println!("skipped: BMP_CAPTURES names no folder of capture files");
        return;
    };
    let mut files = Vec::new();
    find_files(&folder, &mut files);
    files.sort();
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    let (mut different, mut decoder) = (Vec::new(), Decoder::new());
    for file in &files {
        let name = file.strip_prefix(&folder).unwrap_or(file).to_string_lossy();
        for stream in streams(file) {
            let (mut octets, mut context) = (&stream[..], BmpParsingContext::default());
            let mut session = Session::new(Config::default());
            while let Ok(Some(frame)) = Frame::first(octets, 100_000) {
                octets = &octets[frame.octets().len()..];
                let update = decode_update(&mut session, &mut decoder, frame);
                let outcome = update.as_deref().unwrap_or("no fault");
                *count.entry(format!("ours: {}: {outcome}", frame.kind())).or_default() += 1;
                if update.as_deref().is_some_and(|fault| fault != NO_PEER_UP) {
                    different.push(format!("{name}: {}: {outcome}", frame.kind()));
                }
                let without_routes = |reading: Reading| Reading {
                    announced: Default::default(),
                    withdrawn: Default::default(),
                    ..reading
                };
                let netgauze = theirs::netgauze(frame.octets(), false, &mut context);
                let bgpkit = (frame.version() == Version::V3).then(|| theirs::bgpkit(frame.octets()));
                let ours = match ours(frame.octets(), false) {
                    Ok((_, ours)) => ours,
                    Err(error) => {
                        different.push(format!("{name}: {} ours: {error}", frame.kind()));
                        continue;
                    }
                };
                for (decoder, theirs) in [("netgauze", Some(netgauze)), ("bgpkit", bgpkit)] {
                    let Some(theirs) = theirs.map(|theirs| theirs.map(without_routes)) else { continue };
                    let result = if theirs.as_ref() == Ok(&ours) {
                        "same"
                    } else if let Some(explanation) = explanation(&ours, &theirs) {
                        explanation
                    } else {
                        different.push(format!("{name}: {decoder}: {theirs:?} {:02x?}", frame.octets()));
                        "different"
                    };
                    *count.entry(format!("{decoder}: {}: {result}", frame.kind())).or_default() += 1;
                }
            }
        }
    }
    for (what, count) in count {
        println!("{what}: {count}");
    }
    assert!(different.is_empty(), "{} differences:\n{}", different.len(), different.join("\n"));
}
