//! Sequence numbers, by which lost datagrams are detected.
//!
//! v5 and v7 count flows, v9 datagrams, IPFIX data records of the domain (RFC 7011 section 3.1).

use recent::Map;

/// Maximum number of domains that are tracked for one exporter. Beyond it the least recently used one is evicted.
pub const MAX_DOMAINS: usize = 4096;
/// A larger jump is a restart rather than a loss.
const MAX_JUMP: u32 = 1 << 20;

/// The result of checking a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first number of its domain, or of one that was evicted.
    First,
    /// The expected number.
    InOrder,
    /// This many units are missing.
    Gap(u32),
    /// A lower number than expected: the datagram is late or duplicated, or the exporter has restarted.
    OutOfOrder,
}

/// The sequence numbers of one exporter.
///
/// Most exporters have one domain, which is stored inline: consecutive datagrams of one domain need no map lookup.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Sequence {
    last: Last,
    /// Datagrams with the expected number.
    pub in_order: u64,
    /// All domains, once there are several. The entry of `last` may be out of date.
    domains: Option<Box<Map<u64, u32>>>,
    /// Forward jumps.
    pub gaps: u64,
    /// Backward jumps.
    pub out_of_order: u64,
    /// Units missing by the forward jumps.
    pub lost: u64,
    /// Domains evicted at the bound: losses before their next datagram go unnoticed.
    pub evicted: u64,
}

/// The domain of the last checked datagram.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    /// 0 if there is none.
    version: u16,
    domain: u32,
    expected: u32,
}

impl Last {
    /// Its key in the map.
    fn key(self) -> Option<u64> {
        (self.version != 0).then(|| key(self.version, self.domain))
    }
}

impl Sequence {
    /// Heap memory in bytes.
    pub fn memory(&self) -> usize {
        self.domains.as_ref().map_or(0, |domains| size_of_val(&**domains) + domains.memory())
    }

    /// Returns true if the domain of the last datagram is tracked, so the datagram had contents.
    pub fn is_tracking(&self) -> bool {
        self.last.key().is_some()
    }

    /// Forgets a domain, as after a datagram whose units could not be counted.
    pub fn forget(&mut self, version: u16, domain: u32) {
        if (self.last.version, self.last.domain) == (version, domain) {
            self.last = Last::default();
        }
        if let Some(domains) = &mut self.domains {
            domains.remove(&key(version, domain));
        }
    }

    /// Forgets all domains, but not the counts so far: datagrams may be missing between the last and the next ones.
    pub fn restart(&mut self) {
        self.last = Last::default();
        self.domains = None;
    }

    /// Checks the number of a datagram that contains `units` of what its version counts. A new domain is tracked only if
    /// `has_content` returns true.
    #[inline]
    pub fn check(
        &mut self,
        (version, domain): (u16, u32),
        sequence: u32,
        units: u32,
        has_content: impl FnOnce() -> bool,
    ) -> Outcome {
        let next = Last { version, domain, expected: sequence.wrapping_add(units) };
        let expected = if (self.last.version, self.last.domain) == (version, domain) {
            self.last.expected
        } else {
            match self.find(key(version, domain)) {
                Some(expected) => expected,
                None => {
                    if has_content() {
                        self.track(next);
                    }
                    return Outcome::First;
                }
            }
        };
        self.last = next;
        if sequence == expected {
            self.in_order += 1;
            Outcome::InOrder
        } else {
            self.jump(expected, sequence)
        }
    }

    /// Returns the expected number of a domain other than the last one.
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

    /// Starts to track a domain.
    #[cold]
    fn track(&mut self, new: Last) {
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
    fn jump(&mut self, expected: u32, sequence: u32) -> Outcome {
        let ahead = sequence.wrapping_sub(expected);
        let late = expected.wrapping_sub(sequence);
        if ahead <= MAX_JUMP {
            self.gaps += 1;
            self.lost += u64::from(ahead);
            return Outcome::Gap(ahead);
        }
        // A late datagram must not make the next one look like a jump.
        if late <= MAX_JUMP {
            self.last.expected = self.last.expected.max(sequence.wrapping_add(late));
        }
        self.out_of_order += 1;
        Outcome::OutOfOrder
    }
}

fn key(version: u16, domain: u32) -> u64 {
    u64::from(version) << 32 | u64::from(domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(sequence: &mut Sequence, version: u16, domain: u32, number: u32, units: u32) -> Outcome {
        sequence.check((version, domain), number, units, || units > 0)
    }

    #[test]
    fn gaps_reordering_and_wraparound_are_recognized() {
        let mut sequence = Sequence::default();
        assert_eq!(check(&mut sequence, 9, 1, 10, 1), Outcome::First);
        assert_eq!(check(&mut sequence, 9, 1, 11, 1), Outcome::InOrder);
        assert_eq!(check(&mut sequence, 9, 1, 15, 1), Outcome::Gap(3));
        assert_eq!(check(&mut sequence, 9, 1, 13, 1), Outcome::OutOfOrder);
        assert_eq!(check(&mut sequence, 9, 1, 16, 1), Outcome::InOrder);
        assert_eq!(check(&mut sequence, 10, 1, u32::MAX - 1, 2), Outcome::First);
        assert_eq!(check(&mut sequence, 10, 1, 0, 5), Outcome::InOrder);
        assert_eq!(sequence.lost, 3);
    }

    #[test]
    fn the_least_recently_used_domain_is_evicted_and_counted() {
        let mut sequence = Sequence::default();
        let (max, live) = (MAX_DOMAINS as u32, u32::MAX);
        check(&mut sequence, 9, live, 0, 1);
        for domain in 0..3 * max {
            assert_eq!(check(&mut sequence, 9, domain, 0, 1), Outcome::First);
            assert_eq!(check(&mut sequence, 9, live, domain + 1, 1), Outcome::InOrder, "it is always in use");
        }
        let domains = sequence.domains.as_ref().map_or(0, |domains| domains.len());
        assert_eq!((domains, sequence.evicted), (MAX_DOMAINS, u64::from(2 * max + 1)));
        assert_eq!(check(&mut sequence, 9, 0, 7, 1), Outcome::First);
        assert_eq!(check(&mut sequence, 9, live, 3 * max + 11, 1), Outcome::Gap(10), "losses are still detected");
        let evicted = sequence.evicted;
        assert_eq!(check(&mut sequence, 10, 5, 0, 0), Outcome::First);
        assert_eq!(sequence.evicted, evicted, "an empty message tracks no domain");
    }

    proptest! {
        /// A plain map of all domains gives the same results.
        #[test]
        fn it_behaves_like_a_plain_map(
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
                let expected = match map.get_mut(&domain) {
                    None => {
                        if units > 0 {
                            map.insert(domain, next);
                        }
                        Outcome::First
                    }
                    Some(expected) => {
                        let was = std::mem::replace(expected, next);
                        match number.cmp(&was) {
                            std::cmp::Ordering::Equal => Outcome::InOrder,
                            std::cmp::Ordering::Greater => Outcome::Gap(number - was),
                            std::cmp::Ordering::Less => {
                                *expected = next.max(was);
                                Outcome::OutOfOrder
                            }
                        }
                    }
                };
                prop_assert_eq!(check(&mut sequence, 9, domain, number, units), expected);
            }
        }
    }
}
