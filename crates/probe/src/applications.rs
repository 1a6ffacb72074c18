//! Numbers for the applications that the daemon recognises (`class`).
//!
//! Records carry an application as a number of four octets (applicationId, RFC 6759): the engine that classified it, and a selector.
//! Options data tell collectors its name. The engine is 6, *user-defined*: the numbers are the exporter's own. They follow from the
//! names, so that a restart, and other probes, give the same number to the same application.

use std::collections::{HashMap, HashSet};

/// Maximum number of applications. Others have the number 0, which has no name.
pub(crate) const MAX: usize = 4096;
/// Classification engine *user-defined* (RFC 6759 section 4.1).
const ENGINE: u32 = 6 << 24;
/// Bits of a selector.
const SELECTOR: u32 = 0x00ff_ffff;

/// The applications of the flows so far.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    ids: HashMap<Box<[u8]>, u32>,
    used: HashSet<u32>,
    /// In the order of their first flow.
    names: Vec<(u32, Box<[u8]>)>,
    /// How many of these were announced to collectors.
    announced: usize,
}

impl Applications {
    /// The number of an application; 0 if it has no name, or if there are too many.
    pub(crate) fn id(&mut self, name: &[u8]) -> u32 {
        match self.ids.get(name) {
            Some(id) => *id,
            None if name.is_empty() || self.names.len() >= MAX => 0,
            None => self.add(name),
        }
    }

    #[cold]
    fn add(&mut self, name: &[u8]) -> u32 {
        // FNV-1a, folded to 24 bits.
        let hash =
            name.iter().fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193));
        let mut selector = (hash >> 24) ^ (hash & SELECTOR);
        while selector == 0 || !self.used.insert(selector) {
            selector = (selector + 1) & SELECTOR;
        }
        let id = ENGINE | selector;
        self.ids.insert(name.into(), id);
        self.names.push((id, name.into()));
        id
    }

    /// Whether there are applications that collectors do not know.
    pub(crate) fn has_new(&self) -> bool {
        self.announced < self.names.len()
    }

    /// Announces all of them again.
    pub(crate) fn repeat(&mut self) {
        self.announced = 0;
    }

    /// Those that were not announced; from now on they count as announced.
    pub(crate) fn take_new(&mut self) -> &[(u32, Box<[u8]>)] {
        let from = std::mem::replace(&mut self.announced, self.names.len());
        self.names.get(from..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_names_and_are_announced_once() {
        let mut applications = Applications::default();
        let first = ["TLS/Google", "DNS", "TLS/Google"].map(|name| applications.id(name.as_bytes()));
        assert_eq!((first[0], first[0] >> 24), (first[2], 6));
        assert_ne!(first[0], first[1]);
        assert_eq!(applications.take_new().len(), 2);
        assert!(!applications.has_new());
        // Another order, another process.
        let mut other = Applications::default();
        assert_eq!(["DNS", "TLS/Google"].map(|name| other.id(name.as_bytes())), [first[1], first[0]]);
        applications.repeat();
        assert_eq!(applications.take_new().len(), 2);
        assert_eq!(applications.id(b""), 0);
    }

    #[test]
    fn their_number_is_bounded_and_no_two_are_equal() {
        let mut applications = Applications::default();
        let ids: Vec<u32> = (0..MAX + 5).map(|n| applications.id(format!("app {n}").as_bytes())).collect();
        assert_eq!(ids.iter().filter(|id| **id == 0).count(), 5);
        assert_eq!(ids.iter().filter(|id| **id != 0).collect::<HashSet<_>>().len(), MAX);
    }
}
