//! What an RTR cache sends, in two ways of cutting it.
//!
//! The first octet chooses the version, the second the size of pieces, and the third when time passes; the rest is what the cache sends, over as many
//! connections as the router opens. Both ways give the same data and ends; memory and output are bounded; and PDUs that can be read are written
//! as they were.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rpki::Vrps;
use rpki::client::{Client, Fault, Settings};
use rpki::rtr::{MAX_ASPA, Pdu, Version};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Writer;

const MAX_RECORDS: usize = 1000;

/// Checks the PDUs at the start, and returns how many octets they have.
fn check_pdus(octets: &[u8]) -> usize {
    let mut left = octets;
    while let Ok(Some((version, pdu, length))) = Pdu::read(left) {
        let (this, rest) = left.split_at(length);
        let mut w = Writer::new();
        pdu.write(version, &mut w);
        let written = w.finish();
        // Octets that must be zero, and other flags, are not kept; nor are address bits after a prefix.
        assert_eq!(written.len(), this.len());
        let again = Pdu::read(&written).expect("what was written");
        assert_eq!(again, Some((version, pdu, length)));
        left = rest;
    }
    octets.len() - left.len()
}

/// What queries are: PDUs, all of them queries or error reports.
fn check_output(octets: &[u8]) {
    let mut left = octets;
    while !left.is_empty() {
        match Pdu::read(left) {
            Ok(Some((_, Pdu::SerialQuery { .. } | Pdu::ResetQuery | Pdu::ErrorReport { .. }, length))) => {
                left = &left[length..];
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The faults, and the data at the end.
fn run(version: Version, octets: &[u8], piece: usize, gap: Duration) -> (Vec<Fault>, Option<Arc<Vrps>>) {
    let mut now = Instant::now();
    let settings = Settings { version, max_records: MAX_RECORDS, ..Settings::default() };
    let mut client = Client::new(settings, now);
    let mut faults = Vec::new();
    let mut since = 0;
    for (number, chunk) in octets.chunks(piece).enumerate() {
        // Time passes after a number of octets that does not depend on their pieces.
        if (number * piece) / 64 > since {
            since = (number * piece) / 64;
            now += gap;
            faults.extend(client.elapse(now).err());
        }
        if !client.is_connected() {
            let deadline = client.deadline().expect("there is always one");
            now = now.max(deadline);
            faults.extend(client.elapse(now).err());
            while !client.wants_to_connect(now) {
                now = now.max(client.deadline().expect("there is always one"));
                faults.extend(client.elapse(now).err());
            }
            client.connecting(now);
            client.opened(now);
        }
        faults.extend(client.receive(chunk, now).err());
        let output = client.take_output();
        assert!(output.len() < 2000);
        check_output(&output);
        client.take_notices();
        if let Some(snapshot) = client.snapshot() {
            assert!(snapshot.vrps.len() <= MAX_RECORDS && snapshot.aspas.len() <= MAX_RECORDS);
        }
    }
    (faults, client.snapshot().map(|snapshot| Arc::clone(&snapshot.vrps)))
}

fuzz_target!(|octets: &[u8]| {
    let [version, piece, time, stream @ ..] = octets else { return };
    assert!(check_pdus(stream) <= stream.len());
    assert!(matches!(Pdu::read(&stream[..stream.len().min(8)]), Ok(_) | Err(_)));
    let version = Version::of_number(version % 3).expect("three versions");
    let gap = Duration::from_secs(u64::from(*time) * 16);
    let piece = usize::from(*piece).max(1);
    let (faults, vrps) = run(version, stream, piece, gap);
    assert!(faults.len() <= 1 + 3 * stream.len().div_ceil(piece) && stream.len() < MAX_ASPA * 8);
    // A PDU after a fault goes to the next connection only at the start of a piece, so only streams without faults and
    // gaps are comparable.
    let (other_faults, other_vrps) = run(version, stream, stream.len().max(1), Duration::ZERO);
    if gap.is_zero() && faults.is_empty() {
        assert!(other_faults.is_empty());
        assert_eq!(vrps.map(|vrps| vrps.len()), other_vrps.map(|vrps| vrps.len()));
    }
});
