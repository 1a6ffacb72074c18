//! Messages of capture files.

use super::{Reading, ours, theirs};
use bmp::frame::{Frame, Version};
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
        StreamEvent::Opened => done.extend(open.remove(&id)),
        StreamEvent::Closed | StreamEvent::Broken => {}
    };
    while all.advance(&mut take).unwrap_or(false) {}
    done.extend(open.into_values());
    done
}

/// What they refuse or read otherwise for a reason that was looked into.
fn explanation(ours: &Reading, theirs: &Result<Reading, String>) -> Option<&'static str> {
    let Ok(theirs) = theirs else { return None };
    let mut same = ours.clone();
    let (Some(peer), Some(other)) = (same.peer.as_mut(), &theirs.peer) else { return None };
    if peer.flags & 0x20 != 0 && peer.asn & 0xffff == other.asn {
        peer.asn = other.asn;
    }
    (same == *theirs).then_some("the A flag is taken for one about the AS number in the header as well")
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
    let mut different = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&folder).unwrap_or(file).to_string_lossy();
        for stream in streams(file) {
            let (mut octets, mut context) = (&stream[..], BmpParsingContext::default());
            while let Ok(Some(frame)) = Frame::first(octets, 100_000) {
                octets = &octets[frame.octets().len()..];
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
                        different.push(format!("{name}: {decoder}: {ours:?} {theirs:?}"));
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
