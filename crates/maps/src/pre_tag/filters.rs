//! Filters on the tags and labels that pre_tag_map sets: `pre_tag_filter`, `pre_tag2_filter`, `pre_tag_label_filter`.
//!
//! Entries are evaluated from left to right. The first that covers the value decides: the record passes, or, if the entry begins with
//! `-`, is filtered. An entry with `-` that does not cover the value lets the record pass at once, so `-1,2` is equivalent to `-1`. A
//! record that no entry decides about is filtered.

use config::problem::{Diagnostics, Origin};
use std::ops::RangeInclusive;

/// A filter on tags. Records without a tag have tag 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagFilter {
    entries: Vec<(bool, RangeInclusive<u64>)>,
}

impl TagFilter {
    /// Reads `N`, `N-M` and `-N`, separated by commas. Invalid entries are reported and ignored.
    pub fn parse(text: &str, origin: &Origin, problems: &mut Diagnostics) -> Self {
        let mut entries = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match entry(word) {
                Some(entry) => entries.push(entry),
                None => problems.warn(
                    origin,
                    format!("bad tag or range '{word}' in a filter. Ignored."),
                    Some("Use a value such as 10, 10-19 or -10.".to_owned()),
                ),
            }
        }
        Self { entries }
    }

    /// True if a record with this tag passes.
    #[inline]
    pub fn matches(&self, tag: u64) -> bool {
        for (negated, range) in &self.entries {
            let covers = range.contains(&tag);
            if covers || *negated {
                return covers != *negated;
            }
        }
        false
    }
}

fn entry(word: &str) -> Option<(bool, RangeInclusive<u64>)> {
    let (negated, range) = match word.strip_prefix('-') {
        Some(range) => (true, range),
        None => (false, word),
    };
    let range = match range.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(first..=last)?
        }
        None => {
            let tag = range.trim().parse().ok()?;
            tag..=tag
        }
    };
    Some((negated, range))
}

/// The separator of the parts of a label.
pub(super) const SEPARATOR: u8 = b',';

/// A filter on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    /// Empty: no label.
    entries: Vec<(bool, Box<[u8]>)>,
}

impl LabelFilter {
    /// Reads labels separated by commas; `null` means no label.
    pub fn parse(text: &str) -> Self {
        let entry = |word: &str| {
            let (negated, label) = match word.strip_prefix('-') {
                Some(label) => (true, label),
                None => (false, word),
            };
            let label = if label == "null" { "" } else { label };
            (negated, label.as_bytes().into())
        };
        Self { entries: text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(entry).collect() }
    }

    /// True if a record with this label, which is empty if it has none, passes. A label that several rules appended to
    /// (`jeq`) has several parts, and an entry covers it if it equals any of them.
    #[inline]
    pub fn matches(&self, label: &[u8]) -> bool {
        for (negated, entry) in &self.entries {
            let covers = match entry.is_empty() {
                true => label.is_empty(),
                false => label.split(|octet| *octet == SEPARATOR).any(|part| *part == **entry),
            };
            if covers || *negated {
                return covers != *negated;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(text: &str) -> Vec<u64> {
        let mut problems = Diagnostics::new();
        let filter = TagFilter::parse(text, &Origin::whole("c"), &mut problems);
        (0..12).filter(|tag| filter.matches(*tag)).collect()
    }

    #[test]
    fn the_first_entry_that_covers_the_value_decides() {
        assert_eq!(passing("1"), [1]);
        assert_eq!(passing("2-4, 7"), [2, 3, 4, 7]);
        assert_eq!(passing("0"), [0]);
        assert_eq!(passing("-1"), [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(passing("-1,2"), passing("-1"));
        assert_eq!(passing("3,-2-11"), [0, 1, 3]);
        assert_eq!(passing("x,5-4,6"), [6]);
    }

    #[test]
    fn labels_match_by_whole_parts_and_null_means_no_label() {
        let passes = |text, label: &str| LabelFilter::parse(text).matches(label.as_bytes());
        assert!(passes("web,dns", "dns") && !passes("web,dns", "") && passes("web,dns", "web,dns"));
        // Each part of a label is compared, at any position, but only as a whole.
        for label in ["cust,two", "two,cust", "a,,two,b", "two"] {
            assert!(passes("two", label) && !passes("-two", label), "{label}");
            assert!(passes("three,two", label) && !passes("tw", label) && passes("-tw", label), "{label}");
            assert!(passes("-three", label) && !passes("three", label), "{label}");
            assert!(passes("-null", label) && !passes("null", label), "{label}");
        }
        assert!(passes("two,-cust", "cust,two") && !passes("-cust,two", "cust,two"));
        assert!(passes("null", "") && !passes("null", "web"));
        assert!(passes("-null", "web") && !passes("-null", ""));
        assert!(passes("web,null", "") && passes("-web", "dns") && !passes("-web", "web"));
    }
}
