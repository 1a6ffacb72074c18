//! Conditions on aggregates, and changes to them, before they are written: `sql_preprocess`, `print_preprocess` and so on.
//!
//! The list is one of `name=number`:
//!
//! | name | meaning |
//! |---|---|
//! | `qnum` | the other entries apply only to flushes of at least this many aggregates |
//! | `minp` `minb` `minf` | condition: at least this many packets, bytes, flows |
//! | `maxp` `maxb` `maxf` | condition: fewer packets, bytes, flows |
//! | `minbpp` `maxbpp` | condition: at least this many, or fewer, bytes per packet |
//! | `minppf` `maxppf` | condition: at least this many, or fewer, packets per flow |
//! | `fss` | samples: an aggregate of fewer bytes is kept with a probability in proportion to its bytes, and then counts as this many bytes |
//! | `fsrc` | samples: keeps this many aggregates, preferably large ones, with bytes scaled so that sums are right on average |
//! | `usrf` | multiplies packets and bytes: the exporters sampled at this rate |
//! | `adjb` | adds this many bytes per packet, such as those of headers below IP |
//! | `recover` | aggregates that the conditions filter out go to the backup server of a database |
//!
//! An aggregate is kept when one condition is met, or all (`sql_preprocess_type`); without conditions, all are kept. Sampling
//! follows, then the changes. Sampling with a threshold: Duffield, Lund, Thorup, "Learn more, sample less" (2005);
//! with a fixed number: the same, "Priority sampling" (2007).

use aggregate::Table;
use config::keys::sql::{PreprocessType, SQL_BACKUP_HOST, SQL_PREPROCESS, SQL_PREPROCESS_TYPE};
use config::{Diagnostics, Plugin, PluginKind};
use flow::column::Id;
use flow::schema::{At, Schema, VALUE_BYTES, VALUE_PACKETS};

/// Names of conditions, and what they measure.
const CONDITIONS: &[(&str, Condition)] = &[
    ("minp", Condition::AtLeast(Measure::Packets)),
    ("minb", Condition::AtLeast(Measure::Octets)),
    ("minf", Condition::AtLeast(Measure::Flows)),
    ("minbpp", Condition::AtLeast(Measure::OctetsPerPacket)),
    ("minppf", Condition::AtLeast(Measure::PacketsPerFlow)),
    ("maxp", Condition::Below(Measure::Packets)),
    ("maxb", Condition::Below(Measure::Octets)),
    ("maxf", Condition::Below(Measure::Flows)),
    ("maxbpp", Condition::Below(Measure::OctetsPerPacket)),
    ("maxppf", Condition::Below(Measure::PacketsPerFlow)),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    AtLeast(Measure),
    Below(Measure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Packets,
    Octets,
    Flows,
    OctetsPerPacket,
    PacketsPerFlow,
}

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `qnum`.
    gate: usize,
    conditions: Vec<(Condition, u64)>,
    /// All conditions must be met.
    all: bool,
    /// `fss`: the threshold in bytes.
    threshold: Option<u64>,
    /// `fsrc`: how many aggregates are kept.
    count: Option<usize>,
    /// `usrf`.
    factor: Option<u64>,
    /// `adjb`.
    header: Option<u64>,
    /// `recover`: aggregates that the conditions filter out go to the backup server.
    recover: bool,
}

impl Settings {
    /// Reads a plugin's settings. Invalid entries are reported and ignored.
    pub fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Self {
        let mut settings =
            Self { all: plugin.get(&SQL_PREPROCESS_TYPE) == PreprocessType::All, ..Self::default() };
        for word in plugin.get(&SQL_PREPROCESS).unwrap_or_default() {
            if let Err((what, hint)) = settings.add(&word) {
                let what = format!("preprocess[{}]: {what}. Ignored.", plugin.name);
                problems.warn(plugin.blame(&SQL_PREPROCESS), what, Some(hint));
            }
        }
        let is_database = matches!(
            plugin.kind,
            PluginKind::Sqlite3 | PluginKind::Pgsql | PluginKind::Mysql | PluginKind::Clickhouse
        );
        if settings.recover && !(is_database && plugin.get(&SQL_BACKUP_HOST).is_some()) {
            settings.recover = false;
            let what = format!("preprocess[{}]: recover needs a backup server. Ignored.", plugin.name);
            let hint =
                "Set sql_backup_host; without it, aggregates that the conditions filter out are only counted."
                    .to_owned();
            problems.warn(plugin.blame(&SQL_PREPROCESS), what, Some(hint));
        }
        settings
    }

    /// Adds one `name=number`. The error has the problem and a hint.
    fn add(&mut self, word: &str) -> Result<(), (String, String)> {
        let (name, number) = word.split_once('=').unwrap_or((word, ""));
        let (name, number) = (name.trim().to_ascii_lowercase(), number.trim());
        let number: u64 =
            number.parse().map_err(|_| (format!("'{word}' has no number"), "For example minp=10.".to_owned()))?;
        let size = usize::try_from(number).unwrap_or(usize::MAX);
        match name.as_str() {
            "qnum" => self.gate = size,
            "fss" if number > 0 => self.threshold = Some(number),
            "fsrc" if number > 0 => self.count = Some(size),
            "usrf" if number > 0 => self.factor = Some(number),
            "fss" | "fsrc" | "usrf" => {
                return Err((format!("{name}=0 would drop everything"), "Use a number above 0.".to_owned()));
            }
            "adjb" => self.header = Some(number),
            "recover" => self.recover = number > 0,
            name => {
                let condition = CONDITIONS.iter().find(|(known, _)| *known == name);
                let (_, condition) = condition.ok_or_else(|| {
                    let known = CONDITIONS.iter().map(|(known, _)| *known);
                    let known: Vec<&str> =
                        known.chain(["qnum", "fss", "fsrc", "usrf", "adjb", "recover"]).collect();
                    (format!("'{name}' is unknown"), format!("Use one of {}.", known.join(", ")))
                })?;
                self.conditions.push((*condition, number));
            }
        }
        Ok(())
    }

    /// True when there is nothing to do.
    pub fn is_idle(&self) -> bool {
        *self == Self { gate: self.gate, all: self.all, recover: self.recover, ..Self::default() }
    }
}

/// The settings, bound to a plugin's tables.
#[derive(Debug)]
pub struct Preprocess {
    settings: Settings,
    /// Index of the flow counter among an aggregate's values.
    flows: Option<usize>,
    random: fastrand::Rng,
}

impl Preprocess {
    /// Compiles the settings.
    pub fn new(settings: Settings, schema: &Schema) -> Self {
        let flows = schema.columns.iter().find(|column| column.id == Id::Flows);
        let flows = flows.and_then(|column| match column.at {
            At::Value(at) => Some(at),
            _ => None,
        });
        Self { settings, flows, random: fastrand::Rng::new() }
    }

    /// A function that returns, by its values, whether the conditions filter out an aggregate of the table; `None` unless such
    /// aggregates go to the backup server.
    pub fn rejects(&self, table: &Table) -> Option<impl Fn(&[u64]) -> bool + use<>> {
        let Self { settings, flows, .. } = self;
        let has_any = settings.recover && !settings.conditions.is_empty() && table.len() >= settings.gate;
        let (settings, flows) = (settings.clone(), *flows);
        has_any.then_some(move |values: &[u64]| !settings.keeps(values, flows))
    }

    /// Applies them, and returns the number of filtered aggregates.
    pub fn apply(&mut self, table: &mut Table) -> u64 {
        let before = table.len();
        if self.settings.is_idle() || before < self.settings.gate {
            return 0;
        }
        if !self.settings.conditions.is_empty() {
            table.retain(|_, values, _| self.settings.keeps(values, self.flows));
        }
        if let Some(threshold) = self.settings.threshold {
            table.retain(|_, values, _| sample(values, threshold, &mut self.random));
        }
        if let Some(count) = self.settings.count {
            sample_count(table, count, &mut self.random);
        }
        if self.settings.factor.is_some() || self.settings.header.is_some() {
            let (factor, header) = (self.settings.factor.unwrap_or(1), self.settings.header.unwrap_or(0));
            table.retain(|_, values, _| {
                // Flows are not multiplied: sampling packets does not sample flows.
                for at in [VALUE_PACKETS, VALUE_BYTES] {
                    if let Some(value) = values.get_mut(at) {
                        *value = value.saturating_mul(factor);
                    }
                }
                let packets = value(values, Some(VALUE_PACKETS));
                if let Some(octets) = values.get_mut(VALUE_BYTES) {
                    *octets = octets.saturating_add(packets.saturating_mul(header));
                }
                true
            });
        }
        (before - table.len()) as u64
    }
}

impl Settings {
    fn keeps(&self, values: &[u64], flows: Option<usize>) -> bool {
        let packets = value(values, Some(VALUE_PACKETS));
        let octets = value(values, Some(VALUE_BYTES));
        let measure = |measure| match measure {
            Measure::Packets => packets,
            Measure::Octets => octets,
            Measure::Flows => value(values, flows),
            Measure::OctetsPerPacket => octets / packets.max(1),
            Measure::PacketsPerFlow => packets / value(values, flows).max(1),
        };
        let mut met = self.conditions.iter().map(|(condition, number)| match condition {
            Condition::AtLeast(what) => measure(*what) >= *number,
            Condition::Below(what) => measure(*what) < *number,
        });
        if self.all { met.all(|met| met) } else { met.any(|met| met) }
    }
}

fn value(values: &[u64], at: Option<usize>) -> u64 {
    at.and_then(|at| values.get(at)).copied().unwrap_or(0)
}

/// Keeps aggregates above the threshold, and the others at random; those then count as the threshold's bytes.
fn sample(values: &mut [u64], threshold: u64, random: &mut fastrand::Rng) -> bool {
    let octets = value(values, Some(VALUE_BYTES));
    if octets >= threshold {
        return true;
    }
    let stays = random.u64(0..threshold) < octets;
    if let Some(octets) = values.get_mut(VALUE_BYTES).filter(|_| stays) {
        *octets = threshold;
    }
    stays
}

/// Keeps `count` aggregates: those whose bytes, divided by a random number between 0 and 1, are largest.
fn sample_count(table: &mut Table, count: usize, random: &mut fastrand::Rng) {
    if table.len() <= count {
        return;
    }
    let priorities: Vec<f64> =
        (table.iter()).map(|row| value(row.values, Some(VALUE_BYTES)) as f64 / (1.0 - random.f64())).collect();
    let mut order: Vec<u32> = (0..).take(priorities.len()).collect();
    let priority = |at: &u32| priorities.get(*at as usize).copied().unwrap_or(0.0);
    order.select_nth_unstable_by(count, |a, b| priority(b).total_cmp(&priority(a)));
    let threshold = order.get(count).map_or(0.0, priority);
    let mut stays = vec![false; priorities.len()];
    for at in order.iter().take(count) {
        if let Some(stays) = stays.get_mut(*at as usize) {
            *stays = true;
        }
    }
    let mut stays = stays.into_iter();
    table.retain(|_, values, _| {
        let stays = stays.next().unwrap_or(false);
        if let Some(octets) = values.get_mut(VALUE_BYTES).filter(|_| stays) {
            *octets = (*octets).max(threshold as u64);
        }
        stays
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::row::{FieldSet, Layout};
    use flow::schema::{Options, Selection};
    use foldhash::fast::RandomState;
    use std::sync::Arc;

    fn table(rows: &[(u64, u64, u64)]) -> (Table, Arc<Schema>) {
        let selection = Selection::parse(["tag", "flows"], &[]).unwrap();
        let mut fields = FieldSet::default();
        selection.require(&Options::default(), &mut fields);
        let schema = Arc::new(Schema::new(&selection, &[], &Layout::new(&fields, &[]), &Options::default()));
        let mut table = Table::new(Arc::clone(&schema), RandomState::default(), 0);
        for (number, (packets, octets, flows)) in (0u64..).zip(rows) {
            let mut key = vec![0; schema.key_words];
            key[0] = number;
            table.add(&key, &[*packets, *octets, *flows]);
        }
        (table, schema)
    }

    fn applied(words: &str, all: bool, rows: &[(u64, u64, u64)]) -> (Vec<Vec<u64>>, u64) {
        let (mut table, schema) = table(rows);
        let mut settings = Settings { all, ..Settings::default() };
        words.split(',').for_each(|word| settings.add(word).unwrap());
        let filtered = Preprocess::new(settings, &schema).apply(&mut table);
        (table.iter().map(|row| row.values.to_vec()).collect(), filtered)
    }

    #[test]
    fn conditions_filter() {
        let rows = [(10, 1000, 1), (2, 3000, 2)];
        assert_eq!(applied("minp=10", false, &rows), (vec![vec![10, 1000, 1]], 1));
        assert_eq!(applied("maxp=10", false, &rows), (vec![vec![2, 3000, 2]], 1));
        assert_eq!(applied("minbpp=1500", false, &rows).0, [[2, 3000, 2]]);
        assert_eq!(applied("maxppf=2", false, &rows).0, [[2, 3000, 2]]);
        assert_eq!(applied("minf=2,minp=10", false, &rows).1, 0);
        assert_eq!(applied("minf=2,minp=10", true, &rows).1, 2);
        assert_eq!(applied("qnum=3,minp=100", true, &rows).1, 0);
        assert_eq!(applied("qnum=2,minp=100", true, &rows).1, 2);
    }

    #[test]
    fn counters_are_changed() {
        assert_eq!(applied("usrf=10,adjb=18", false, &[(2, 100, 1)]).0, [[20, 1360, 1]]);
    }

    #[test]
    fn samplings_keep_sums_on_average() {
        let rows: Vec<_> = (1..=10_000).map(|n| (1, n, 1)).collect();
        let total: u64 = rows.iter().map(|row| row.1).sum();
        for words in ["fss=20000", "fsrc=2000"] {
            let (kept, filtered) = applied(words, false, &rows);
            assert_eq!(kept.len() as u64 + filtered, 10_000);
            assert!(kept.len() < 4000, "{words}: {}", kept.len());
            let sum: u64 = kept.iter().map(|values| values[VALUE_BYTES]).sum();
            assert!(sum.abs_diff(total) < total / 10, "{words}: {sum} for {total}");
        }
        assert_eq!(applied("fsrc=2000", false, &rows).0.len(), 2000);
    }

    #[test]
    fn invalid_settings_are_reported() {
        let mut settings = Settings::default();
        assert!(settings.add("minx=3").unwrap_err().1.contains("minppf"));
        assert!(settings.add("minp").is_err() && settings.add("usrf=0").is_err());
        assert!(settings.is_idle());
    }

    #[test]
    fn filtered_aggregates_can_be_recovered() {
        let rows = [(10, 1000, 1), (2, 3000, 2)];
        let rejected = |words: &str| {
            let (table, schema) = table(&rows);
            let mut settings = Settings::default();
            words.split(',').for_each(|word| settings.add(word).unwrap());
            let preprocess = Preprocess::new(settings, &schema);
            let rejects = preprocess.rejects(&table)?;
            Some(table.iter().filter(|row| rejects(row.values)).map(|row| row.values[0]).collect::<Vec<_>>())
        };
        assert_eq!(rejected("minp=5,recover=1"), Some(vec![2]));
        assert_eq!(rejected("minp=5"), None);
        assert_eq!(rejected("minp=5,recover=0"), None);
        // Without a condition, and below the number of aggregates from which conditions apply, none is filtered.
        assert_eq!(rejected("fss=2000,recover=1"), None);
        assert_eq!(rejected("qnum=3,minp=5,recover=1"), None);
    }
}
