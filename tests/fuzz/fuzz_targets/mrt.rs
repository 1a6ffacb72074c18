//! An MRT file.
//!
//! Records lie inside the file, routes inside their record, and what is decoded is written to the same records again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mrt::rib::{From, RibWriter};
use mrt::{Content, Reader, Record, Rib, attributes};

/// Checks the routes of a record, and that they can be written.
fn routes(record: &Record<'_>, rib: &Rib<'_>) {
    let mut octets = 0;
    let mut entries = Vec::new();
    let mut update = Vec::new();
    for entry in rib.entries() {
        let Ok(entry) = entry else { break };
        octets += entry.attributes.len() + 8;
        let before = update.len();
        if attributes::to_update(&mut update, entry.attributes, rib.afi, rib.safi, &[0]).is_err() {
            assert_eq!(update.len(), before);
        }
        assert!(update.len() - before <= entry.attributes.len() + 64);
        let mut table = Vec::new();
        attributes::from_set(&mut table, entry.attributes, rib.afi, rib.safi);
        assert!(table.len() <= entry.attributes.len() + 24);
        entries.push(entry);
    }
    assert!(octets <= record.body.len());
    if rib.asn_octets == 2 {
        return;
    }
    let has_path_ids = entries.iter().any(|entry| entry.path_id.is_some());
    let (time, sequence, afi, safi) = (record.time, rib.sequence, rib.afi, rib.safi);
    let writer = RibWriter { time, sequence, afi, safi, nlri: rib.nlri, has_path_ids };
    let mut file = Vec::new();
    let written = writer.write(&mut file, |writer| {
        entries.iter().try_for_each(|entry| {
            let From::Index(peer) = entry.peer else { panic!("a peer without index") };
            writer.entry(peer, entry.originated, entry.path_id, |out| out.extend_from_slice(entry.attributes))
        })
    });
    written.expect("what was read fits");
    let mut reader = Reader::new(file.as_slice());
    let copy = reader.next_record().expect("no error").expect("a record");
    let Ok(Content::Rib(copy)) = copy.content() else { panic!("not a table record") };
    assert_eq!(copy.entries().collect::<Result<Vec<_>, _>>().expect("what was written"), entries);
}

fuzz_target!(|octets: &[u8]| {
    let mut reader = Reader::new(octets);
    let mut length = 0;
    while let Ok(Some(record)) = reader.next_record() {
        length += 12 + record.body.len();
        assert!(length <= octets.len());
        match record.content() {
            Ok(Content::Rib(rib)) => routes(&record, &rib),
            Ok(Content::PeerIndex(index)) => {
                assert!(index.peers.len() * 11 <= record.body.len());
                let mut file = Vec::new();
                // A view with replaced octets may become too long.
                if index.write(&mut file, record.time).is_ok() {
                    let mut reader = Reader::new(file.as_slice());
                    let copy = reader.next_record().expect("no error").expect("a record");
                    assert_eq!(copy.content(), Ok(Content::PeerIndex(index)));
                }
            }
            Ok(Content::Message(session, message)) => {
                let mut file = Vec::new();
                session.write_message(&mut file, record.time, &message).expect("what was read fits");
            }
            Ok(Content::StateChange(session, change)) => {
                let mut file = Vec::new();
                session.write_state_change(&mut file, record.time, change).expect("it fits");
            }
            Ok(Content::Other) | Err(_) => {}
        }
    }
});
