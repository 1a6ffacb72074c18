//! Sequence numbers: what was lost on the way.
//!
//! v5 and v7 count flows, v9 datagrams, IPFIX data records of the domain (RFC 7011 section 3.1).

use recent::Map;

/// Most domains of one exporter that are watched; of more, the one that was silent longest is forgotten.
pub const MAX_DOMAINS: usize = 4096;
/// A jump beyond this is a restart rather than a loss.
const MAX_JUMP: u32 = 1 << 20;

/// What a sequence number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The first of its domain, or of one that was forgotten.
    First,
    /// As expected.
    Good,
    /// So many units are missing.
    Forward(u32),
    /// An older one: reordered, repeated, or the exporter has started again.
    Back,
}

/// The sequence numbers of one exporter.
#[derive(Debug)]
pub struct Sequence {
    expected: Map<u64, u32>,
    /// Numbers as expected.
    pub good: u64,
    /// Jumps forward.
    pub forward: u64,
    /// Jumps back.
    pub back: u64,
    /// Units missing in the jumps forward.
    pub lost: u64,
    /// Domains forgotten at the bound: what they lose until they are seen again is not known.
    pub evicted: u64,
}

impl Default for Sequence {
    fn default() -> Self {
        Self { expected: Map::new(MAX_DOMAINS), good: 0, forward: 0, back: 0, lost: 0, evicted: 0 }
    }
}

impl Sequence {
    /// Bytes that it keeps on the heap.
    pub fn memory(&self) -> usize {
        self.expected.memory()
    }

    /// Expects nothing of a domain, as after a datagram whose units could not be counted.
    pub fn forget(&mut self, version: u16, domain: u32) {
        self.expected.remove(&key(version, domain));
    }

    /// Looks at the number of a datagram that holds `units` of what its version counts. `begins` says of one of an unknown domain
    /// whether it is worth a place, as it holds something.
    pub fn check(
        &mut self,
        (version, domain): (u16, u32),
        sequence: u32,
        units: u32,
        begins: impl FnOnce() -> bool,
    ) -> Seen {
        let key = key(version, domain);
        let next = sequence.wrapping_add(units);
        let Some(expected) = self.expected.get_mut(&key) else {
            if begins() {
                self.evicted += u64::from(self.expected.insert(key, next).is_some());
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

    fn check(sequence: &mut Sequence, version: u16, domain: u32, number: u32, units: u32) -> Seen {
        sequence.check((version, domain), number, units, || units > 0)
    }

    #[test]
    fn gaps_reorder_and_wrap() {
        let mut sequence = Sequence::default();
        assert_eq!(check(&mut sequence, 9, 1, 10, 1), Seen::First);
        assert_eq!(check(&mut sequence, 9, 1, 11, 1), Seen::Good);
        assert_eq!(check(&mut sequence, 9, 1, 15, 1), Seen::Forward(3));
        assert_eq!(check(&mut sequence, 9, 1, 13, 1), Seen::Back);
        assert_eq!(check(&mut sequence, 9, 1, 16, 1), Seen::Good);
        assert_eq!(check(&mut sequence, 10, 1, u32::MAX - 1, 2), Seen::First);
        assert_eq!(check(&mut sequence, 10, 1, 0, 5), Seen::Good);
        assert_eq!(sequence.lost, 3);
    }

    #[test]
    fn many_domains_put_out_the_one_that_was_silent_longest_and_are_counted() {
        let mut sequence = Sequence::default();
        let (most, live) = (MAX_DOMAINS as u32, u32::MAX);
        check(&mut sequence, 9, live, 0, 1);
        for domain in 0..3 * most {
            assert_eq!(check(&mut sequence, 9, domain, 0, 1), Seen::First);
            assert_eq!(check(&mut sequence, 9, live, domain + 1, 1), Seen::Good, "it is never silent");
        }
        assert_eq!((sequence.expected.len(), sequence.evicted), (MAX_DOMAINS, u64::from(2 * most + 1)));
        assert_eq!(check(&mut sequence, 9, 0, 7, 1), Seen::First);
        assert_eq!(
            check(&mut sequence, 9, live, 3 * most + 11, 1),
            Seen::Forward(10),
            "losses are seen all the same"
        );
        let evicted = sequence.evicted;
        assert_eq!(check(&mut sequence, 10, 5, 0, 0), Seen::First);
        assert_eq!(sequence.evicted, evicted, "an empty message begins nothing");
    }
}
