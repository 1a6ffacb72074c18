//! The statistics that a daemon logs on SIGUSR1: lines of `key=value` between one with `+++` and one with `---`.

/// One report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Its lines, without the first and the last.
    pub lines: Vec<String>,
}

impl Statistics {
    /// All complete reports in a log, in order.
    pub fn in_log(log: &str) -> Vec<Self> {
        let mut reports = Vec::new();
        let mut open: Option<Self> = None;
        for line in log.lines() {
            if line.ends_with("+++") {
                open = Some(Self::default());
            } else if line.ends_with("---") {
                reports.extend(open.take());
            } else if let Some(report) = &mut open {
                report.lines.push(line.to_owned());
            }
        }
        reports
    }

    /// The counter of that name, summed over all lines; 0 if no line has it (zeros may be omitted).
    pub fn value(&self, key: &str) -> u64 {
        self.lines.iter().filter_map(|line| number(line, key)).sum()
    }

    /// The counter in lines that contain `who`, such as `agent=127.0.1.1:` or `plugin=p/print`.
    pub fn value_of(&self, who: &str, key: &str) -> u64 {
        self.lines.iter().filter(|line| line.contains(who)).filter_map(|line| number(line, key)).sum()
    }

    /// The sum of all counters with that name prefix, such as `datagrams_rejected[`.
    pub fn family(&self, prefix: &str) -> u64 {
        let pairs =
            self.lines.iter().flat_map(|line| line.split_whitespace()).filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| key.starts_with(prefix)).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
    }

    /// Asserts that all input is accounted for.
    ///
    /// # Panics
    ///
    /// If an equation between counters does not hold.
    #[track_caller]
    pub fn assert_all_accounted(&self) {
        let report = self.lines.join("\n");
        assert!(!report.contains("does not add up"), "{report}");
        let datagrams = self.value("datagrams_received");
        let read = self.value("datagrams_decoded") + self.value("datagrams_undecoded");
        assert_eq!(datagrams, read + self.family("datagrams_rejected["), "{report}");
        let held = self.value("sets_held");
        let gone = self.value("sets_recovered") + self.family("sets_dropped[");
        assert_eq!(held, gone + self.value("sets_pending"), "{report}");
        let records = self.value("records_received");
        let dropped = self.family("records_filtered[") + self.family("records_dropped[");
        let used = self.value("records_aggregated") + self.value("records_sampled");
        assert_eq!(records, used + dropped, "{report}");
    }
}

fn number(line: &str, key: &str) -> Option<u64> {
    let pairs = line.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == key).find_map(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "INFO ( default/core ): waiting\n\
        NOTICE ( default/core ): +++\n\
        NOTICE ( default/core ): stats [127.0.0.1:2100] agent=127.0.1.1:7 packets=3 seq_good=2\n\
        NOTICE ( default/core ): stats worker=0 datagrams_received=2 datagrams_decoded=2\n\
        NOTICE ( default/core ): stats worker=1 datagrams_received=1 datagrams_rejected[version]=1\n\
        NOTICE ( default/core ): stats plugin=p/print records_received=4 records_aggregated=4\n\
        NOTICE ( default/core ): stats plugin=q/print records_received=4 records_aggregated=3 records_filtered[tag]=1\n\
        NOTICE ( default/core ): ---\n\
        NOTICE ( default/core ): +++\n";

    #[test]
    fn values_are_found_by_line_and_summed() {
        let [report] = &Statistics::in_log(LOG)[..] else { panic!("one whole report") };
        assert_eq!(report.value("records_received"), 8);
        assert_eq!(report.value_of("plugin=p/print", "records_received"), 4);
        assert_eq!(report.value_of("agent=127.0.1.1:", "seq_good"), 2);
        assert_eq!(report.value("received"), 0);
        report.assert_all_accounted();
    }

    #[test]
    #[should_panic(expected = "datagrams_received=2")]
    fn a_lost_datagram_is_detected() {
        Statistics::in_log(&LOG.replace("rejected[version]=1", "rejected[version]=0"))[0].assert_all_accounted();
    }
}
