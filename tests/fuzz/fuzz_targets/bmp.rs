//! The stream of a router to a BMP session, in two ways of cutting it, and each UPDATE in it to the decoder of BGP.
//!
//! The first octet chooses the configuration, and whether a peer is up at the start; the second is the size of pieces; the rest is
//! what the router sends. Both ways give the same events and the same end; memory and peers are bounded; and what was
//! decoded without a fault is written to a message that decodes to the same.
#![no_main]

use bgp::update::Decoder;
use bmp::frame::{Frame, Version};
use bmp::message::Message;
use bmp::statistics::Counters;
use bmp::v4::{CodePoints, PathMarking, capabilities, group_members};
use bmp_session::{Config, Event, MAX_PROXY_HEADER, Session};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A peer up of 192.0.2.1, AS 65001, with ADD-PATH in both directions and AS numbers of four octets.
const PEER_UP: &[u8] = b"\x03\x00\x00\x00\xa5\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\xc0\x00\x02\x01\x00\x00\xfd\xe9\x0a\x00\x00\x01\x65\x53\xf1\x00\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc0\x00\x02\xfe\x00\xb3\x82\x35\
    \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x34\x01\x04\xfc\x00\x00\xb4\x0a\xff\x00\x01\
    \x17\x02\x06\x41\x04\x00\x00\xfc\x00\x02\x06\x45\x04\x00\x01\x01\x03\x02\x05\x08\x03\x00\x01\x01\
    \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x2d\x01\x04\xfd\xe9\x00\xb4\x0a\x00\x00\x01\
    \x10\x02\x06\x41\x04\x00\x00\xfd\xe9\x02\x06\x45\x04\x00\x01\x01\x03";

const MAX_MESSAGE: usize = 4096;
const MAX_PEERS: usize = 8;

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

/// What was decoded without a fault can be written, and is the same then.
fn check_encoder(octets: &[u8], code_points: &CodePoints) {
    let frame = Frame::first(octets, MAX_MESSAGE).expect("it was located").expect("it is whole");
    assert_eq!(frame.octets(), octets);
    let Ok(message) = Message::decode(frame, code_points) else { return };
    message.peer().into_iter().for_each(|peer| _ = (peer.rib_type(), peer.time.since_epoch()));
    if let Message::Statistics(statistics) = &message {
        let counters: Counters<'_> = statistics.counters;
        assert!(counters.count() <= octets.len() / 4);
        counters.for_each(|counter| _ = counter.value());
    }
    if message.fault().is_some() {
        return;
    }
    let mut written = Vec::new();
    message.write(&mut written, frame.version(), code_points).expect("it is not longer than it was by much");
    let again = Frame::first(&written, usize::MAX).expect("the header is valid").expect("it is whole");
    let again = Message::decode(again, code_points).expect("it can be read");
    match (&message, &again) {
        // The UPDATE moves behind the other TLVs.
        (Message::RouteMonitoring(a), Message::RouteMonitoring(b)) if frame.version() == Version::V4 => {
            assert_eq!((a.peer.key(), a.update), (b.peer.key(), b.update));
            let others = |tlvs: bmp::tlv::Tlvs<'_>| {
                tlvs.filter(|tlv| tlv.registered() != Some(code_points.bgp_message)).count()
            };
            assert_eq!(others(a.tlvs), others(b.tlvs));
        }
        // The V flag of an address decides, and a Loc-RIB may have an address, which is not kept.
        (a, b) => assert_eq!((a, a.fault()), (b, b.fault())),
    }
}

/// Gives octets to a session; each event is hashed.
fn feed(session: &mut Session, octets: &[u8], code_points: &CodePoints, check: bool, seen: &mut Vec<u64>) {
    let mut input = octets;
    while let Some(received) = session.next(&mut input) {
        let mut hash = DefaultHasher::new();
        (received.position, received.octets, received.fault.map(|fault| fault.at)).hash(&mut hash);
        std::mem::discriminant(&received.event).hash(&mut hash);
        if check && !received.octets.is_empty() {
            check_encoder(received.octets, code_points);
        }
        match &received.event {
            Event::Source(source) => source.is_some().hash(&mut hash),
            Event::Rejected(rejection) => rejection.index().hash(&mut hash),
            Event::PeerUp { peer, .. } => {
                assert!(peer.number.index() < MAX_PEERS);
                peer.number.hash(&mut hash);
            }
            Event::PeerDown { peer, .. } => peer.is_some().hash(&mut hash),
            Event::Routes { peer, decoding, message } => {
                peer.number.hash(&mut hash);
                (decoding.asn4, decoding.add_path.iter().count()).hash(&mut hash);
                if check {
                    for tlv in message.tlvs {
                        _ = (PathMarking::decode(tlv.value), group_members(tlv.value).count());
                        _ = capabilities(tlv.value).count();
                    }
                    DECODER.with_borrow_mut(|decoder| {
                        if let Ok(update) = decoder.decode(message.update.body(), decoding) {
                            update.blocks().for_each(|block| _ = (block.afi, block.safi));
                        }
                    });
                }
            }
            Event::RouteMirroring { message, .. } => message.items().count().hash(&mut hash),
            _ => {}
        }
        seen.push(hash.finish());
    }
    assert!(input.is_empty());
    // A vector doubles.
    assert!(session.input_bytes() <= 2 * MAX_MESSAGE.max(MAX_PROXY_HEADER).max(8192));
    assert!(session.peer_count() <= MAX_PEERS && session.peers().count() == session.peer_count());
}

fuzz_target!(|octets: &[u8]| {
    let [flags, piece, stream @ ..] = octets else { return };
    let code_points = match flags >> 6 {
        0 | 1 => CodePoints::REVISION_13,
        2 => CodePoints::REVISION_20,
        _ => CodePoints::REVISION_21,
    };
    let config = Config {
        proxy_header: flags & 1 != 0,
        max_message: MAX_MESSAGE,
        skip_long: flags & 2 != 0,
        max_peers: MAX_PEERS,
        code_points,
    };
    let (mut whole, mut pieces) = (Session::new(config), Session::new(config));
    let (mut expected, mut seen) = (Vec::new(), Vec::new());
    if flags & 4 != 0 {
        feed(&mut whole, PEER_UP, &code_points, true, &mut expected);
        feed(&mut pieces, PEER_UP, &code_points, false, &mut seen);
        assert_eq!(whole.peer_count(), 1);
    }
    feed(&mut whole, stream, &code_points, true, &mut expected);
    for piece in stream.chunks(usize::from(*piece).max(1)) {
        feed(&mut pieces, piece, &code_points, false, &mut seen);
    }
    whole.disconnected();
    pieces.disconnected();
    assert_eq!(seen, expected);
    assert_eq!((pieces.closed(), pieces.counts()), (whole.closed(), whole.counts()));
    let numbers = |session: &Session| session.peers().map(|peer| peer.number).collect::<Vec<_>>();
    assert_eq!(numbers(&pieces), numbers(&whole));
    assert!(whole.closed().is_some_and(|closed| !closed.to_string().is_empty()));
});
