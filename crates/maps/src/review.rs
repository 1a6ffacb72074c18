//! Finds rules that can never match, because an earlier rule matches all of their records.

use crate::load::Entry;
use config::problem::{Diagnostics, Origin};
use std::collections::HashMap;
use wire::Prefix;

/// What the review needs of a rule.
#[derive(Clone, Debug)]
pub struct Reviewed {
    origin: Origin,
    exporter: Option<Prefix>,
    /// Its conditions, sorted, without repetitions.
    conditions: Vec<String>,
    /// Rules to which it may jump; if empty, the search ends at it.
    jumps: Vec<u32>,
}

impl Reviewed {
    /// A rule that ends the search.
    pub fn new(entry: &Entry) -> Self {
        let mut conditions: Vec<String> = entry.rule.conditions.iter().map(|c| c.identity()).collect();
        conditions.sort();
        conditions.dedup();
        let (origin, exporter) = (entry.origin.clone(), entry.rule.exporter);
        Self { origin, exporter, conditions, jumps: Vec::new() }
    }

    /// The line of the rule.
    pub fn line(&self) -> u32 {
        self.origin.line.unwrap_or_default()
    }

    /// A rule that may jump to these.
    pub fn jumps_to(&mut self, targets: impl IntoIterator<Item = u32>) {
        self.jumps.extend(targets);
    }
}

/// Up to this many conditions of a rule, all subsets are looked up; beyond it, only some.
const MAX_CONDITIONS: usize = 8;

/// Warns about each rule whose records all match an earlier one: one with the same or fewer conditions, for the same or more exporters.
///
/// A rule that a jump may skip is not certain to match first, so it does not count against later ones.
pub fn review(rules: &[Reviewed], problems: &mut Diagnostics) {
    let skipped = skipped(rules);
    let mut taken: HashMap<(Vec<&str>, Option<Prefix>), u32> = HashMap::new();
    // Few lengths occur, and only these are looked up.
    let mut lengths: Vec<u8> =
        rules.iter().filter_map(|rule| rule.exporter).map(|prefix| prefix.length()).collect();
    lengths.sort_unstable();
    lengths.dedup();
    for (number, rule) in (0..).zip(rules) {
        let conditions: Vec<&str> = rule.conditions.iter().map(String::as_str).collect();
        let earlier = subsets(&conditions)
            .flat_map(|subset| covering(rule.exporter, &lengths).map(move |exporter| (subset.clone(), exporter)))
            .filter_map(|key| taken.get(&key).copied())
            .min();
        if let Some(earlier) = earlier.and_then(|earlier| rules.get(earlier as usize)) {
            let line = earlier.origin.line.unwrap_or(0);
            let what = if earlier.conditions == rule.conditions && earlier.exporter == rule.exporter {
                format!("The rule never matches: the rule in line {line} has the same conditions.")
            } else {
                format!("The rule never matches: the rule in line {line} matches all of its records.")
            };
            problems.warn(&rule.origin, what, Some("Remove one of them, or change their order.".to_owned()));
        } else if rule.jumps.is_empty() && !skipped.contains(&number) {
            taken.entry((conditions, rule.exporter)).or_insert(number);
        }
    }
}

/// Rules that a jump may skip.
fn skipped(rules: &[Reviewed]) -> std::collections::HashSet<u32> {
    // The furthest target of the jumps so far.
    let mut furthest = 0;
    let mut skipped = std::collections::HashSet::new();
    for (number, rule) in (0..).zip(rules) {
        if number < furthest {
            skipped.insert(number);
        }
        furthest = rule.jumps.iter().copied().fold(furthest, u32::max);
    }
    skipped
}

/// All subsets of a few conditions; for many, the empty one, the single conditions and the whole.
fn subsets<'a>(conditions: &[&'a str]) -> impl Iterator<Item = Vec<&'a str>> {
    let count = conditions.len();
    let masks: Vec<u64> = if count <= MAX_CONDITIONS {
        (0..1 << count).collect()
    } else {
        let whole = u64::MAX >> 64usize.saturating_sub(count).min(63);
        (0..count.min(64)).map(|bit| 1 << bit).chain([0, whole]).collect()
    };
    let conditions = conditions.to_vec();
    masks.into_iter().map(move |mask| {
        let is_in = |bit: usize| mask >> bit.min(63) & 1 == 1;
        conditions.iter().enumerate().filter(|(bit, _)| is_in(*bit)).map(|(_, condition)| *condition).collect()
    })
}

/// The prefixes of these lengths that cover `exporter`, including itself, and "all exporters".
fn covering(exporter: Option<Prefix>, lengths: &[u8]) -> impl Iterator<Item = Option<Prefix>> {
    let shorter = exporter.map(|prefix| {
        let fits = lengths.iter().copied().take_while(move |length| *length <= prefix.length());
        fits.map(move |length| Prefix::new(prefix.address(), length))
    });
    shorter.into_iter().flatten().chain([None])
}
