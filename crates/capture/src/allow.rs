//! The allow list: the files of `nfacctd_allow_file` and similar keys.
//!
//! One address or prefix per line, IPv4 or IPv6. Empty lines and lines that begin with `!` are comments. Other lines are ignored and
//! reported. If a file has no valid line, no address may send.
//!
//! ```text
//! ! the core routers
//! 192.0.2.0/24
//! 2001:db8::1
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::Prefix;

/// A line that is not an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: \"{}\" is neither an address nor a prefix, such as 192.0.2.0/24", self.line, self.text)
    }
}

/// A set of addresses: sorted ranges that neither touch nor overlap. A lookup is one binary search,
/// about ten nanoseconds for a thousand lines. A reload creates a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl AllowList {
    /// Parses the text of a file: returns the list of the valid lines, and the invalid ones.
    pub fn parse(text: &str) -> (Self, Vec<LineError>) {
        let mut list = Self::default();
        let mut problems = Vec::new();
        for (line, entry) in (1..).zip(text.lines()) {
            let entry = entry.trim();
            if entry.is_empty() || entry.starts_with('!') {
                continue;
            }
            if list.insert(entry).is_none() {
                problems.push(LineError { line, text: entry.to_owned() });
            }
        }
        list.v4 = merged(list.v4, |end| end.checked_add(1));
        list.v6 = merged(list.v6, |end| end.checked_add(1));
        (list, problems)
    }

    fn insert(&mut self, entry: &str) -> Option<()> {
        // Senders within ::ffff:0:0/96 are compared as IPv4.
        let prefix = entry.parse::<Prefix>().ok()?.to_canonical();
        match (prefix.address(), prefix.last_address()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => self.v4.push((first.to_bits(), last.to_bits())),
            (IpAddr::V6(first), IpAddr::V6(last)) => self.v6.push((first.to_bits(), last.to_bits())),
            _ => return None,
        }
        Some(())
    }

    /// True if this address may send. IPv4-mapped IPv6 addresses count as IPv4.
    #[inline]
    pub fn allows(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, Ipv4Addr::to_bits(address)),
            IpAddr::V6(address) => holds(&self.v6, Ipv6Addr::to_bits(address)),
        }
    }

    /// True if no address may send.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

fn merged<T: Copy + Ord>(mut ranges: Vec<(T, T)>, after: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if after(*end).is_none_or(|next| first <= next) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

fn holds<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= address);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|&(_, last)| address <= last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> AllowList {
        let (list, problems) = AllowList::parse(text);
        assert_eq!(problems, []);
        list
    }

    fn allows(list: &AllowList, address: &str) -> bool {
        list.allows(address.parse().unwrap())
    }

    #[test]
    fn addresses_and_prefixes_of_both_families_match() {
        let list =
            list("! comment\n\n10.0.0.1\n 192.0.2.77/24 \r\n2001:db8::/32\n2001:db9::5\n::ffff:198.51.100.1\n");
        for good in [
            "10.0.0.1",
            "192.0.2.0",
            "192.0.2.255",
            "2001:db8:ffff::1",
            "2001:db9::5",
            "198.51.100.1",
            "::ffff:10.0.0.1",
        ] {
            assert!(allows(&list, good), "{good}");
        }
        for bad in [
            "10.0.0.0",
            "10.0.0.2",
            "192.0.3.0",
            "192.0.1.255",
            "2001:db9::4",
            "2001:db7:ffff::",
            "::1",
            "0.0.0.0",
        ] {
            assert!(!allows(&list, bad), "{bad}");
        }
    }

    #[test]
    fn an_empty_file_allows_no_address() {
        let list = list("\n! nobody\n");
        assert!(list.is_empty());
        assert!(!allows(&list, "127.0.0.1"));
    }

    #[test]
    fn invalid_lines_are_reported_and_do_not_affect_others() {
        let (list, problems) = AllowList::parse("#c2\n10.0.0.0/33\n10.0.0.0/8\n10.0.0.0/x\n::/129\n10.0.0\n");
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 4, 5, 6]);
        assert_eq!(
            problems[0].to_string(),
            "line 1: \"#c2\" is neither an address nor a prefix, such as 192.0.2.0/24"
        );
        assert!(allows(&list, "10.1.2.3"));
    }

    #[test]
    fn everything_can_be_allowed() {
        let list = list("0.0.0.0/0\n::/0\n255.255.255.255\n");
        assert!(allows(&list, "255.255.255.255") && allows(&list, "0.0.0.0") && allows(&list, "::"));
        assert_eq!((list.v4.len(), list.v6.len()), (1, 1));
    }

    proptest! {
        #[test]
        fn the_list_agrees_with_its_lines(
            prefixes in prop::collection::vec((any::<u8>(), 24u32..=32), 0..20),
            address in any::<u8>(),
        ) {
            let text: String = prefixes.iter().map(|(last, length)| format!("10.0.0.{last}/{length}\n")).collect();
            let expected = prefixes.iter().any(|&(last, length)| u32::from(last ^ address) >> (32 - length) == 0);
            prop_assert_eq!(list(&text).allows(IpAddr::from([10, 0, 0, address])), expected);
        }
    }
}
