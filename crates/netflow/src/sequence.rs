//! Sequence numbers: what was lost on the way.
//!
//! v5 and v7 count flows, v9 datagrams, IPFIX data records of the domain (RFC 7011 section 3.1).

use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Most domains of one exporter that are watched; more than these are not.
const MAX_DOMAINS: usize = 4096;
/// A jump beyond this is a restart rather than a loss.
const MAX_JUMP: u32 = 1 << 20;

/// What a sequence number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The first of its domain.
    First,
    /// As expected.
    Good,
    /// So many units are missing.
    Forward(u32),
    /// An older one: reordered, repeated, or the exporter has started again.
    Back,
}

/// The sequence numbers of one exporter.
#[derive(Debug, Default)]
pub struct Sequence {
    expected: HashMap<u64, u32, RandomState>,
    /// Numbers as expected.
    pub good: u64,
    /// Jumps forward.
    pub forward: u64,
    /// Jumps back.
    pub back: u64,
    /// Units missing in the jumps forward.
    pub lost: u64,
}

impl Sequence {
    /// Expects nothing of a domain, as after a datagram whose units could not be counted.
    pub fn forget(&mut self, version: u16, domain: u32) {
        self.expected.remove(&key(version, domain));
    }

    /// Looks at the number of a datagram that holds `units` of what its version counts.
    pub fn check(&mut self, version: u16, domain: u32, sequence: u32, units: u32) -> Seen {
        let key = key(version, domain);
        let next = sequence.wrapping_add(units);
        let Some(expected) = self.expected.get_mut(&key) else {
            if self.expected.len() < MAX_DOMAINS {
                self.expected.insert(key, next);
            }
            return Seen::First;
        };
        let ahead = sequence.wrapping_sub(*expected);
        let behind = expected.wrapping_sub(sequence);
        *expected = next;
        if ahead == 0 {
            self.good += 1;
            Seen::Good
        } else if ahead <= MAX_JUMP {
            self.forward += 1;
            self.lost += u64::from(ahead);
            Seen::Forward(ahead)
        } else {
            // A datagram that was only late must not make the next one look like a jump.
            if behind <= MAX_JUMP {
                *expected = next.max(sequence.wrapping_add(behind));
            }
            self.back += 1;
            Seen::Back
        }
    }
}

fn key(version: u16, domain: u32) -> u64 {
    u64::from(version) << 32 | u64::from(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_reorder_and_wrap() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.check(9, 1, 10, 1), Seen::First);
        assert_eq!(sequence.check(9, 1, 11, 1), Seen::Good);
        assert_eq!(sequence.check(9, 1, 15, 1), Seen::Forward(3));
        assert_eq!(sequence.check(9, 1, 13, 1), Seen::Back);
        assert_eq!(sequence.check(9, 1, 16, 1), Seen::Good);
        assert_eq!(sequence.check(10, 1, u32::MAX - 1, 2), Seen::First);
        assert_eq!(sequence.check(10, 1, 0, 5), Seen::Good);
        assert_eq!(sequence.lost, 3);
    }
}
