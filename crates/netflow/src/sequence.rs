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
///
/// Most exporters have one domain, whose number lies here: a datagram of the same domain as the one before visits no map.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Sequence {
    last: Last,
    /// Numbers as expected.
    pub good: u64,
    /// All domains, once there are several. The number of `last` may be an older one here.
    domains: Option<Box<Map<u64, u32>>>,
    /// Jumps forward.
    pub forward: u64,
    /// Jumps back.
    pub back: u64,
    /// Units missing in the jumps forward.
    pub lost: u64,
    /// Domains forgotten at the bound: what they lose until they are seen again is not known.
    pub evicted: u64,
}

/// The domain of the last datagram that was checked.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    /// 0 when there is none.
    version: u16,
    domain: u32,
    expected: u32,
}

impl Last {
    /// Its key among all domains.
    fn key(self) -> Option<u64> {
        (self.version != 0).then(|| key(self.version, self.domain))
    }
}

impl Sequence {
    /// Bytes that it keeps on the heap.
    pub fn memory(&self) -> usize {
        self.domains.as_ref().map_or(0, |domains| size_of_val(&**domains) + domains.memory())
    }

    /// True when the number of the last datagram's domain is watched, so that the datagram held something.
    pub fn is_begun(&self) -> bool {
        self.last.key().is_some()
    }

    /// Expects nothing of a domain, as after a datagram whose units could not be counted.
    pub fn forget(&mut self, version: u16, domain: u32) {
        if (self.last.version, self.last.domain) == (version, domain) {
            self.last = Last::default();
        }
        if let Some(domains) = &mut self.domains {
            domains.remove(&key(version, domain));
        }
    }

    /// Looks at the number of a datagram that holds `units` of what its version counts. `begins` says of one of an unknown domain
    /// whether it is worth a place, as it holds something.
    #[inline]
    pub fn check(
        &mut self,
        (version, domain): (u16, u32),
        sequence: u32,
        units: u32,
        begins: impl FnOnce() -> bool,
    ) -> Seen {
        let next = Last { version, domain, expected: sequence.wrapping_add(units) };
        let expected = if (self.last.version, self.last.domain) == (version, domain) {
            self.last.expected
        } else {
            match self.find(key(version, domain)) {
                Some(expected) => expected,
                None => {
                    if begins() {
                        self.begin(next);
                    }
                    return Seen::First;
                }
            }
        };
        self.last = next;
        if sequence == expected {
            self.good += 1;
            Seen::Good
        } else {
            self.jump(expected, sequence)
        }
    }

    /// What is expected of another domain than the last one.
    #[cold]
    fn find(&mut self, key: u64) -> Option<u32> {
        let domains = self.domains.as_mut()?;
        if let Some(last) = self.last.key()
            && let Some(expected) = domains.get_mut(&last)
        {
            *expected = self.last.expected;
        }
        domains.get_mut(&key).copied()
    }

    /// Watches another domain from now on.
    #[cold]
    fn begin(&mut self, new: Last) {
        if let Some(last) = self.last.key()
            && self.domains.is_none()
        {
            let mut domains = Map::new(MAX_DOMAINS);
            domains.insert(last, self.last.expected);
            self.domains = Some(Box::new(domains));
        }
        if let Some(domains) = &mut self.domains {
            self.evicted += u64::from(domains.insert(key(new.version, new.domain), new.expected).is_some());
        }
        self.last = new;
    }

    #[cold]
    fn jump(&mut self, expected: u32, sequence: u32) -> Seen {
        let ahead = sequence.wrapping_sub(expected);
        let behind = expected.wrapping_sub(sequence);
        if ahead <= MAX_JUMP {
            self.forward += 1;
            self.lost += u64::from(ahead);
            return Seen::Forward(ahead);
        }
        // A datagram that was only late must not make the next one look like a jump.
        if behind <= MAX_JUMP {
            self.last.expected = self.last.expected.max(sequence.wrapping_add(behind));
        }
        self.back += 1;
        Seen::Back
    }
}

fn key(version: u16, domain: u32) -> u64 {
    u64::from(version) << 32 | u64::from(domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let domains = sequence.domains.as_ref().map_or(0, |domains| domains.len());
        assert_eq!((domains, sequence.evicted), (MAX_DOMAINS, u64::from(2 * most + 1)));
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

    proptest! {
        /// One map of all domains says the same.
        #[test]
        fn it_says_what_a_plain_map_does(
            steps in prop::collection::vec((0..5_u32, 0..40_u32, 0..4_u32, 0..10_u8), 1..200),
        ) {
            let mut sequence = Sequence::default();
            let mut map = std::collections::HashMap::<u32, u32>::new();
            for (domain, number, units, step) in steps {
                if step == 0 {
                    sequence.forget(9, domain);
                    map.remove(&domain);
                    continue;
                }
                let number = map.get(&domain).filter(|_| step > 5).copied().unwrap_or(number);
                let next = number + units;
                let seen = match map.get_mut(&domain) {
                    None => {
                        if units > 0 {
                            map.insert(domain, next);
                        }
                        Seen::First
                    }
                    Some(expected) => {
                        let was = std::mem::replace(expected, next);
                        match number.cmp(&was) {
                            std::cmp::Ordering::Equal => Seen::Good,
                            std::cmp::Ordering::Greater => Seen::Forward(number - was),
                            std::cmp::Ordering::Less => {
                                *expected = next.max(was);
                                Seen::Back
                            }
                        }
                    }
                };
                prop_assert_eq!(check(&mut sequence, 9, domain, number, units), seen);
            }
        }
    }
}
