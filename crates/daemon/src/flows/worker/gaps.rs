//! Log lines about gaps in sequence numbers: which exporters, and how much is missing.
//!
//! A few lost datagrams are a notice; from [`MANY`] on it is a warning.

use super::report::ExporterReport;
use config::Names;
use config::keys::input;
use foldhash::HashMap;
use runtime::notice;
use std::fmt::Write;
use std::net::IpAddr;
use tracing::warn;

/// Microseconds between two lines of a worker.
const RATE: u64 = 60_000_000;
/// Maximum number of exporters in one line.
const NAMED: usize = 10;

/// Gaps, or missing units, in one line from which on they are not normal.
const MANY: [u64; 2] = [100, 1000];

/// Gaps of one worker's exporters.
#[derive(Default)]
pub(crate) struct Gaps {
    /// Gaps of all exporters at the last line.
    reported: u64,
    /// When the next line may be logged.
    next: u64,
    /// Gaps and missing units of exporters at the last line.
    last: HashMap<(IpAddr, u32), [u64; 2]>,
}

impl Gaps {
    /// True when there are new gaps and a line is due. `gaps`: the total so far.
    pub(crate) fn is_due(&self, gaps: u64, now: u64) -> bool {
        gaps > self.reported && now >= self.next
    }

    /// Logs the gaps since the last line.
    pub(crate) fn report(&mut self, exporters: &[ExporterReport], gaps: u64, now: u64, names: &Names) {
        let jumps = gaps.saturating_sub(self.reported);
        self.reported = gaps;
        self.next = now.saturating_add(RATE);
        let Some((missing, exporters)) = self.news(exporters) else { return };
        let what = "sequence numbers jumped, flows, datagrams or records (by version) are missing";
        let (buffer, workers) = (names.of(&input::NFACCTD_PIPE_SIZE), names.of(&input::NFACCTD_WORKERS));
        let advice = format!(
            "if kernel_drops grow as well, they were lost on this host: raise {buffer} or {workers}; otherwise at the exporter or on the way"
        );
        if jumps >= MANY[0] || missing >= MANY[1] {
            warn!(missing, "{what}: {exporters}; {advice}");
        } else {
            notice!(missing, "{what}: {exporters}; {advice}");
        }
    }

    /// Returns what is missing since the last call, with its exporters.
    fn news(&mut self, exporters: &[ExporterReport]) -> Option<(u64, String)> {
        let mut news = Vec::new();
        let mut known = HashMap::default();
        for exporter in exporters.iter().filter(|exporter| exporter.forward > 0) {
            let key = (exporter.address, exporter.domain);
            let now = [exporter.forward, exporter.lost];
            // An exporter that was evicted meanwhile counts from zero again.
            let before = self.last.get(&key).filter(|[gaps, _]| *gaps <= exporter.forward);
            let [gaps, lost] = before.copied().unwrap_or_default();
            if exporter.forward > gaps {
                news.push((exporter.lost.saturating_sub(lost), exporter.forward - gaps, key));
            }
            known.insert(key, now);
        }
        self.last = known;
        news.sort_unstable_by(|a, b| b.cmp(a));
        let missing = news.iter().fold(0_u64, |sum, (lost, ..)| sum.saturating_add(*lost));
        let mut text = String::new();
        for (lost, gaps, (address, domain)) in news.iter().take(NAMED) {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{address} domain {domain}: {lost} in {gaps} gaps");
        }
        if news.len() > NAMED {
            let _ = write!(text, ", and {} more exporters", news.len() - NAMED);
        }
        (!news.is_empty()).then_some((missing, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn exporter(number: u32, forward: u64, lost: u64) -> ExporterReport {
        let address = IpAddr::V4(Ipv4Addr::from(0xc000_0200 + number));
        ExporterReport { address, domain: 7, datagrams: 9, bytes: 9, records: 9, good: 9, forward, back: 0, lost }
    }

    #[test]
    fn each_line_has_the_gaps_since_the_previous_line() {
        let mut gaps = Gaps::default();
        assert!(!gaps.is_due(0, 5) && gaps.is_due(1, 5));
        let mut exporters = vec![exporter(1, 1, 5), exporter(2, 2, 50), exporter(3, 0, 0)];
        let (missing, text) = gaps.news(&exporters).unwrap();
        assert_eq!(missing, 55);
        assert_eq!(text, "192.0.2.2 domain 7: 50 in 2 gaps, 192.0.2.1 domain 7: 5 in 1 gaps");
        assert_eq!(gaps.news(&exporters), None);
        exporters[0] = exporter(1, 3, 9);
        // This one was evicted and has returned.
        exporters[1] = exporter(2, 1, 2);
        let (missing, text) = gaps.news(&exporters).unwrap();
        assert_eq!(
            (missing, text.as_str()),
            (6, "192.0.2.1 domain 7: 4 in 2 gaps, 192.0.2.2 domain 7: 2 in 1 gaps")
        );
    }

    #[test]
    fn lines_are_rare_and_of_bounded_length() {
        let mut gaps = Gaps::default();
        let exporters: Vec<_> = (0..100).map(|number| exporter(number, 1, 1)).collect();
        gaps.report(&exporters, 100, 1000, &Names::new(config::Daemon::Nfacctd));
        assert!(
            !gaps.is_due(200, 1000 + RATE - 1) && gaps.is_due(200, 1000 + RATE) && !gaps.is_due(100, u64::MAX)
        );
        let (_, text) = Gaps::default().news(&exporters).unwrap();
        assert!(text.ends_with("and 90 more exporters") && text.len() < 1000, "{text}");
    }
}
