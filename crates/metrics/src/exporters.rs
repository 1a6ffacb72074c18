//! Metrics of exporters, for a bounded number of them: the rest is one series.
//!
//! A series must not decrease, or it looks like a restart. So an exporter that has a series keeps it until it is evicted or
//! another one has sent twice as much, and the series of the rest grows by what its exporters have sent since the last report: it
//! does not decrease when one of them gets a series of its own.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// Exporters with a series of their own.
pub(crate) const NAMED: usize = 100;

/// What one exporter has sent since it was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exporter {
    /// Its address.
    pub address: IpAddr,
    /// Datagrams received.
    pub datagrams: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Flow records or flow samples.
    pub records: u64,
    /// Forward jumps in sequence numbers.
    pub gaps: u64,
    /// Units missing in these jumps.
    pub lost: u64,
}

impl Exporter {
    /// In the order of [`crate::family::EXPORTERS`].
    fn values(&self) -> Values {
        [self.datagrams, self.bytes, self.records, self.gaps, self.lost]
    }
}

pub(crate) type Values = [u64; 5];

/// All exporters of the last report, and those with a series.
#[derive(Debug, Default)]
pub(crate) struct Exporters {
    /// Values of the last report.
    known: HashMap<IpAddr, Values>,
    named: HashSet<IpAddr>,
    /// What all others have sent.
    rest: Values,
    /// Some exporter had no series.
    has_rest: bool,
}

impl Exporters {
    /// Updates the series from a report of all workers. An exporter may occur more than once, with a part of its sums each time.
    pub(crate) fn update(&mut self, report: impl IntoIterator<Item = Exporter>) {
        let mut now: HashMap<IpAddr, Values> = HashMap::new();
        for exporter in report {
            let sums = now.entry(exporter.address).or_default();
            for (sum, value) in sums.iter_mut().zip(exporter.values()) {
                *sum = sum.wrapping_add(value);
            }
        }
        self.choose(&now);
        for (address, values) in now.iter().filter(|(address, _)| !self.named.contains(address)) {
            self.has_rest = true;
            let before = self.known.get(address).copied().unwrap_or_default();
            for ((sum, value), before) in self.rest.iter_mut().zip(values).zip(before) {
                // An exporter that was evicted meanwhile counts from zero again.
                *sum = sum.wrapping_add(value.checked_sub(before).unwrap_or(*value));
            }
        }
        self.known = now;
    }

    /// Assigns series to the busiest exporters.
    fn choose(&mut self, now: &HashMap<IpAddr, Values>) {
        self.named.retain(|address| now.contains_key(address));
        let datagrams = |values: &Values| values[0];
        let mut others: Vec<(u64, IpAddr)> = now
            .iter()
            .filter(|(address, _)| !self.named.contains(address))
            .map(|(address, values)| (datagrams(values), *address))
            .collect();
        others.sort_unstable_by(|one, other| other.cmp(one));
        let mut others = others.into_iter();
        let free = NAMED.saturating_sub(self.named.len());
        self.named.extend(others.by_ref().take(free).map(|(_, address)| address));
        let mut quiet: Vec<(u64, IpAddr)> =
            self.named.iter().map(|address| (now.get(address).map_or(0, datagrams), *address)).collect();
        quiet.sort_unstable();
        for ((busy, newcomer), (least, named)) in others.zip(quiet) {
            if busy / 2 <= least {
                break;
            }
            self.named.remove(&named);
            self.named.insert(newcomer);
        }
    }

    /// The series: label and values, the rest last.
    pub(crate) fn series(&self) -> Vec<(String, Values)> {
        let mut named: Vec<(IpAddr, Values)> =
            self.named.iter().filter_map(|address| Some((*address, *self.known.get(address)?))).collect();
        named.sort_unstable();
        let rest = self.has_rest.then(|| ("other".to_owned(), self.rest));
        named.into_iter().map(|(address, values)| (address.to_string(), values)).chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn exporter(number: u32, datagrams: u64) -> Exporter {
        let address = IpAddr::V4(Ipv4Addr::from(number));
        Exporter { address, datagrams, bytes: 10 * datagrams, records: 2 * datagrams, gaps: 0, lost: 1 }
    }

    fn label(number: u32) -> String {
        Ipv4Addr::from(number).to_string()
    }

    fn datagrams(exporters: &Exporters, label: &str) -> Option<u64> {
        exporters.series().into_iter().find(|(name, _)| name == label).map(|(_, values)| values[0])
    }

    #[test]
    fn domains_of_one_exporter_are_summed() {
        let mut exporters = Exporters::default();
        exporters.update([exporter(7, 3), exporter(7, 4)]);
        assert_eq!(exporters.series(), [("0.0.0.7".to_owned(), [7, 70, 14, 0, 2])]);
    }

    #[test]
    fn the_busiest_have_series_and_the_rest_is_one() {
        let mut exporters = Exporters::default();
        exporters.update((1..=250).map(|number| exporter(number, u64::from(number))));
        assert_eq!(exporters.series().len(), NAMED + 1);
        assert_eq!((datagrams(&exporters, &label(250)), datagrams(&exporters, &label(150))), (Some(250), None));
        assert_eq!(datagrams(&exporters, "other"), Some((1..=150).sum()));
    }

    #[test]
    fn no_series_decreases_while_its_exporter_is_known() {
        let mut exporters = Exporters::default();
        let mut before: HashMap<String, Values> = HashMap::new();
        for round in 1..=50u64 {
            // Later ones gradually become the busiest.
            let report =
                (1..=300u32).map(|number| exporter(number, round * round * u64::from(number) / 7 + 300 / round));
            let report: Vec<Exporter> = report
                .map(|exporter| Exporter { datagrams: exporter.datagrams.max(round * 50), ..exporter })
                .collect();
            exporters.update(report);
            let now: HashMap<String, Values> = exporters.series().into_iter().collect();
            assert!(now.len() <= NAMED + 1);
            for (label, values) in &now {
                if let Some(before) = before.get(label) {
                    assert!(label != "other" || values >= before, "{label}: {before:?} {values:?}");
                }
            }
            before = now;
        }
    }

    #[test]
    fn one_that_becomes_much_busier_takes_the_series_of_the_quietest() {
        let mut exporters = Exporters::default();
        exporters.update((1..=101).map(|number| exporter(number, 100)));
        let unnamed = (1..=101).find(|number| datagrams(&exporters, &label(*number)).is_none()).unwrap();
        assert_eq!(datagrams(&exporters, "other"), Some(100));
        let report =
            |of_one| (1..=101).map(move |number| exporter(number, if number == unnamed { of_one } else { 100 }));
        exporters.update(report(200));
        assert_eq!((datagrams(&exporters, &label(unnamed)), datagrams(&exporters, "other")), (None, Some(200)));
        exporters.update(report(300));
        assert_eq!(
            (datagrams(&exporters, &label(unnamed)), datagrams(&exporters, "other")),
            (Some(300), Some(200))
        );
    }

    #[test]
    fn evicted_exporters_lose_their_series() {
        let mut exporters = Exporters::default();
        exporters.update([exporter(1, 5), exporter(2, 6)]);
        exporters.update([exporter(2, 7)]);
        assert_eq!((datagrams(&exporters, &label(1)), datagrams(&exporters, &label(2))), (None, Some(7)));
        assert_eq!(datagrams(&exporters, "other"), None);
    }
}
