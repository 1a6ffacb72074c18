//! UDP-notif: a sequence of datagrams of two senders, with time passing between them.
//!
//! Each datagram follows three octets: the sender and the variant of the header, the time since the last one in 64th of a second, and its
//! length. Memory stays within the bounds, and each segment that is kept is in a message or in a loss that is counted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::{Ipv4Addr, SocketAddr};
use telemetry::udp_notif::{Limits, Outcome, Reassembler, Variant, decode};

const LIMITS: Limits = Limits { messages: 5, bytes: 4096, message_octets: 512, timeout_us: 1_000_000 };
/// Memory beyond the limit: what a segment adds before others are evicted, buffers that are kept for later, and indexes.
const BEYOND: usize = 256 << 10;

fuzz_target!(|input: &[u8]| {
    let (mut reassembler, mut now_us, mut left) = (Reassembler::new(LIMITS), 0, input);
    let (mut kept, mut used) = (0, 0);
    while let Some(([flags, time, len], after)) = left.split_first_chunk() {
        let (octets, after) = after.split_at_checked(usize::from(*len)).unwrap_or((after, &[]));
        left = after;
        now_us += u64::from(*time) * 15_625;
        let sender = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from(flags & 1)));
        let variant = if flags & 2 == 0 { Variant::Current } else { Variant::Legacy };
        let Ok(datagram) = decode(variant, octets) else { continue };
        assert!(datagram.payload.len() + 12 <= octets.len());
        match reassembler.push(now_us, sender, &datagram) {
            Outcome::Message(message) => {
                assert!(message.octets.len() <= LIMITS.message_octets);
                if datagram.segment.is_some() {
                    used += message.octets.len();
                    kept += datagram.payload.len();
                }
            }
            Outcome::Kept => kept += datagram.payload.len(),
            Outcome::Dropped(_) => {}
        }
        assert!(used <= kept);
        assert!(reassembler.len() <= LIMITS.messages);
        assert!(reassembler.memory() <= LIMITS.bytes + BEYOND);
        assert!(reassembler.deadline_us().is_none_or(|deadline| deadline > now_us || datagram.segment.is_none()));
    }
    // Whatever is incomplete is lost and counted in the end.
    let (before, incomplete) = (reassembler.losses(), reassembler.len());
    reassembler.expire(u64::MAX);
    assert!(reassembler.is_empty());
    let after = reassembler.losses();
    assert_eq!((after[0] - before[0]) + (after[3] - before[3]), incomplete as u64);
    assert_eq!(after[1..3], before[1..3]);
});
