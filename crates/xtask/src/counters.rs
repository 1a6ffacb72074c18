//! Counters that no test increments.
//!
//! Programs built with debug assertions write the counters that they incremented to files in the folder that the environment
//! variable `PMACCT_TEST_COUNTERS` names; `scripts/test.sh` sets it for the whole of the tests.

use stats::Counter;
use std::collections::HashSet;
use std::path::Path;
use std::{fs, io};

/// Counters that tests cannot increment on every machine, and why.
const UNTESTABLE: &[(Counter, &str)] = &[
    (Counter::InterfaceDrops, "libpcap reports it for few network drivers, none of them virtual"),
    (Counter::ReplicasDroppedBuffer, "a send buffer fills up only behind a slow network card"),
    (Counter::ReplicasDroppedError, "it is for errors that are not known"),
    (
        Counter::SamplesDropped,
        "the thread of sfprobe must fall behind its workers by all batches; a unit test does that",
    ),
];

/// One line for each counter of the table that is missing from all files of the folder.
pub(crate) fn uncounted(folder: &Path) -> io::Result<Vec<String>> {
    let mut counted = HashSet::new();
    for entry in fs::read_dir(folder)? {
        counted.extend(fs::read_to_string(entry?.path())?.lines().map(str::to_owned));
    }
    println!("{} of {} counters were counted by tests", counted.len(), Counter::ALL.len());
    let mut lines = Vec::new();
    for counter in Counter::ALL.into_iter().filter(|counter| !counted.contains(&counter.key())) {
        match UNTESTABLE.iter().find(|(other, _)| *other == counter) {
            Some((_, why)) => println!("{}: not counted: {why}", counter.key()),
            None => lines.push(format!("{}: no test counts it", counter.key())),
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_in_no_file_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let half = Counter::ALL.len() / 2;
        let keys = |counters: &[Counter]| counters.iter().map(|counter| counter.key() + "\n").collect::<String>();
        fs::write(folder.path().join("1"), keys(&Counter::ALL[..half])).unwrap();
        fs::write(folder.path().join("2"), keys(&Counter::ALL[2..Counter::ALL.len() - 1])).unwrap();
        let last = Counter::ALL[Counter::ALL.len() - 1].key();
        assert_eq!(uncounted(folder.path()).unwrap(), [format!("{last}: no test counts it")]);
    }
}
