//! Which rules of a map have matched since the map was loaded.
//!
//! All workers share one flag per rule. The first match sets it; later matches only read it, which costs a load from a cache line that
//! is no longer written. Matches are not counted: that would be a write per record.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Limit on the lines that a report lists.
const MAX_SHOWN: usize = 20;

/// The usage of the rules of a loaded map.
#[derive(Debug)]
pub struct Usage {
    file: Arc<str>,
    /// The line of each rule.
    lines: Arc<[u32]>,
    matched: Box<[AtomicBool]>,
}

impl Usage {
    /// Rules of a file, none of which has matched yet; `lines` has the line of each.
    pub(crate) fn new(file: &Arc<str>, lines: &Arc<[u32]>) -> Self {
        let matched = lines.iter().map(|_| AtomicBool::new(false)).collect();
        Self { file: Arc::clone(file), lines: Arc::clone(lines), matched }
    }

    /// Records that a rule has matched.
    #[inline]
    pub(crate) fn mark(&self, rule: u32) {
        if let Some(matched) = self.matched.get(rule as usize)
            && !matched.load(Ordering::Relaxed)
        {
            matched.store(true, Ordering::Relaxed);
        }
    }

    /// Lines of the rules that have not matched, in order.
    pub fn unmatched(&self) -> impl Iterator<Item = u32> {
        let rules = self.lines.iter().zip(&self.matched);
        rules.filter(|(_, matched)| !matched.load(Ordering::Relaxed)).map(|(line, _)| *line)
    }
}

/// As in statistics: `map=FILE rules=12 unmatched=2 lines=3,7`, with the first lines only.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unmatched = self.unmatched().count();
        write!(f, "map={} rules={} unmatched={unmatched}", self.file, self.lines.len())?;
        for (number, line) in self.unmatched().take(MAX_SHOWN).enumerate() {
            write!(f, "{}{line}", if number == 0 { " lines=" } else { "," })?;
        }
        if unmatched > MAX_SHOWN { f.write_str(",...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_a_limited_number_of_unmatched_rules() {
        let usage = |count: u32| Usage::new(&"m".into(), &(1..=count).map(|rule| rule * 2).collect());
        let few = usage(3);
        assert_eq!(few.to_string(), "map=m rules=3 unmatched=3 lines=2,4,6");
        [1, 1, 99].into_iter().for_each(|rule| few.mark(rule));
        assert_eq!(few.to_string(), "map=m rules=3 unmatched=2 lines=2,6");
        [0, 2].into_iter().for_each(|rule| few.mark(rule));
        assert_eq!(few.to_string(), "map=m rules=3 unmatched=0");
        let text = usage(100).to_string();
        assert!(text.ends_with(",38,40,...") && text.contains("unmatched=100 "), "{text}");
    }
}
