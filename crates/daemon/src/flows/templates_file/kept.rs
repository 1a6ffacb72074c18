//! Templates within a bound: those that go to the file, and those of a topic.

use super::{Line, MAX_AGE, StoredTemplate, Time};
use netflow::template::Template;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

/// Approximate bytes of a line without its fields.
const LINE: usize = 120;
/// Approximate bytes of a field in a line.
const FIELD: usize = 12;

type Key = (bool, u32, u16);

#[derive(Debug)]
struct Entry {
    template: Template,
    seen: Time,
}

#[derive(Debug, Default)]
struct Exporter {
    entries: BTreeMap<Key, Entry>,
    size: usize,
}

/// Templates by exporter.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    exporters: BTreeMap<IpAddr, Exporter>,
    /// Approximate bytes of all lines.
    size: usize,
    bound: usize,
}

fn key(template: &Template) -> Key {
    (template.ipfix, template.domain, template.id)
}

fn size(template: &Template) -> usize {
    LINE + FIELD * template.fields.len()
}

impl Kept {
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound, ..Self::default() }
    }

    /// Inserts a template. Returns true when that changes the templates after a restart.
    pub(crate) fn insert(&mut self, known: StoredTemplate) -> bool {
        let StoredTemplate { exporter, template, seen } = known;
        let exporter = self.exporters.entry(exporter).or_default();
        let (key, added) = (key(&template), size(&template));
        let before = exporter.entries.insert(key, Entry { template, seen });
        let removed = before.as_ref().map_or(0, |entry| size(&entry.template));
        exporter.size = exporter.size + added - removed;
        self.size = self.size + added - removed;
        let now = exporter.entries.get(&key);
        before.map(|entry| entry.template).as_ref() != now.map(|entry| &entry.template)
    }

    /// The template of an exporter with the version, domain and id of this one, and when it was announced.
    #[cfg(feature = "kafka")]
    pub(crate) fn find(&self, exporter: IpAddr, template: &Template) -> Option<(&Template, Time)> {
        let entry = self.exporters.get(&exporter)?.entries.get(&key(template))?;
        Some((&entry.template, entry.seen))
    }

    /// The templates of an exporter.
    #[cfg(feature = "kafka")]
    pub(crate) fn of(&self, exporter: IpAddr) -> impl Iterator<Item = &Template> {
        self.exporters
            .get(&exporter)
            .into_iter()
            .flat_map(|known| known.entries.values())
            .map(|entry| &entry.template)
    }

    /// Keeps only those that are known at the end; the others were withdrawn.
    pub(crate) fn replace(&mut self, all: Vec<(IpAddr, Template)>, now: Time) {
        let before = std::mem::replace(self, Self::new(self.bound));
        for (exporter, template) in all {
            let entry = before.exporters.get(&exporter).and_then(|known| known.entries.get(&key(&template)));
            let seen = entry.map_or(now, |entry| entry.seen);
            self.insert(StoredTemplate { exporter, template, seen });
        }
    }

    /// The number of templates, and the approximate bytes of their lines.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.exporters.values().map(|exporter| exporter.entries.len()).sum(), self.size)
    }

    /// True when the size exceeds the bound so far that it should not wait for the next write.
    pub(crate) fn is_crowded(&self) -> bool {
        self.size > self.bound + self.bound / 4
    }

    /// Drops what is too old at `now`, and what exceeds the bound: the oldest templates of the exporters with most bytes.
    /// Returns how many of either.
    pub(crate) fn trim(&mut self, now: Time) -> (u64, u64) {
        let is_old = |seen: Time| now.saturating_sub(seen) > MAX_AGE;
        let old = self.remove(|_, _, entry| is_old(entry.seen));
        if self.size <= self.bound {
            return (old, 0);
        }
        let share = self.share();
        let mut excess: Vec<(Time, IpAddr, Key, usize)> = Vec::new();
        for (address, exporter) in self.exporters.iter().filter(|(_, exporter)| exporter.size > share) {
            let mut entries: Vec<_> = exporter
                .entries
                .iter()
                .map(|(key, entry)| (entry.seen, *address, *key, size(&entry.template)))
                .collect();
            entries.sort_unstable();
            let mut left = exporter.size;
            excess.extend(entries.into_iter().take_while(|(.., size)| {
                let goes = left > share;
                left = left.saturating_sub(*size);
                goes
            }));
        }
        let gone: std::collections::HashSet<(IpAddr, Key)> =
            excess.into_iter().map(|(_, address, key, _)| (address, key)).collect();
        (old, self.remove(|address, key, _| gone.contains(&(address, key))))
    }

    /// The fair share of an exporter: all together keep the bound, and none loses templates to a larger one.
    fn share(&self) -> usize {
        let mut sizes: Vec<usize> = self.exporters.values().map(|exporter| exporter.size).collect();
        sizes.sort_unstable();
        let (mut room, mut left) = (self.bound, sizes.len());
        for size in sizes {
            if size > room / left.max(1) {
                break;
            }
            room -= size;
            left -= 1;
        }
        room / left.max(1)
    }

    fn remove(&mut self, goes: impl Fn(IpAddr, Key, &Entry) -> bool) -> u64 {
        let (mut count, mut freed) = (0, 0);
        self.exporters.retain(|address, exporter| {
            exporter.entries.retain(|key, entry| {
                let goes = goes(*address, *key, entry);
                if goes {
                    count += 1;
                    let size = size(&entry.template);
                    exporter.size -= size;
                    freed += size;
                }
                !goes
            });
            !exporter.entries.is_empty()
        });
        self.size -= freed;
        count
    }

    pub(crate) fn write(&self, mut file: impl Write) -> io::Result<()> {
        for (address, exporter) in &self.exporters {
            for entry in exporter.entries.values() {
                serde_json::to_writer(&mut file, &Line::of(*address, &entry.template, entry.seen))?;
                file.write_all(b"\n")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netflow::template::{Field, Kind};

    const NOW: Time = 1_700_000_000_000_000;

    fn known(host: u8, id: u16, fields: usize, seen: Time) -> StoredTemplate {
        let field = Field { enterprise: 29_305, element: 1_234, length: 65_535 };
        let template = Template::new(4_000_000_000, id, Kind::Options { scopes: 1 }, vec![field; fields]);
        StoredTemplate { exporter: IpAddr::from([192, 0, 2, host]), template, seen }
    }

    fn of(kept: &Kept, host: u8) -> Vec<u16> {
        let exporter = kept.exporters.get(&IpAddr::from([192, 0, 2, host]));
        exporter.into_iter().flat_map(|exporter| exporter.entries.keys().map(|(_, _, id)| *id)).collect()
    }

    #[test]
    fn only_a_different_layout_is_a_change() {
        let mut kept = Kept::new(1 << 20);
        assert!(kept.insert(known(1, 300, 2, NOW)));
        assert!(!kept.insert(known(1, 300, 2, NOW + 1)));
        assert!(kept.insert(known(1, 300, 3, NOW + 2)));
        assert_eq!(kept.len(), (1, size(&known(1, 300, 3, NOW).template)));
    }

    #[test]
    fn at_the_bound_the_largest_exporter_loses_its_oldest_templates() {
        let one = size(&known(1, 300, 1, NOW).template);
        let mut kept = Kept::new(20 * one);
        for id in 300..303 {
            kept.insert(known(1, id, 1, NOW - 1000));
        }
        for id in 300..1300 {
            kept.insert(known(2, id, 1, NOW + u64::from(id)));
        }
        assert!(kept.is_crowded());
        assert_eq!(kept.trim(NOW), (0, 983));
        assert_eq!((of(&kept, 1), of(&kept, 2)), ((300..303).collect(), (1283..1300).collect::<Vec<u16>>()));
        assert_eq!(kept.len(), (20, 20 * one));
        // Exporters of equal size keep equally much.
        for host in 3..=12 {
            (300..310).for_each(|id| _ = kept.insert(known(host, id, 1, NOW)));
        }
        kept.trim(NOW);
        assert!(kept.size <= kept.bound);
        assert!((1..=12).all(|host| of(&kept, host).len() == 1), "{kept:?}");
    }

    #[test]
    fn the_bound_holds_for_the_file() {
        let mut kept = Kept::new(10_000);
        (300..1300).for_each(|id| _ = kept.insert(known(1, id, usize::from(id % 40), NOW)));
        kept.trim(NOW);
        let mut file = Vec::new();
        kept.write(&mut file).unwrap();
        // Numbers of fields are of different lengths.
        assert!(file.len() > 5_000 && file.len() < 15_000, "{}", file.len());
    }

    #[test]
    fn at_the_end_known_templates_keep_their_time() {
        let mut kept = Kept::new(1 << 20);
        kept.insert(known(1, 300, 1, NOW - 5));
        kept.insert(known(1, 301, 1, NOW - 5));
        let all = [known(1, 301, 1, 0), known(1, 302, 1, 0)].map(|known| (known.exporter, known.template));
        kept.replace(all.to_vec(), NOW);
        let exporter = kept.exporters.values().next().unwrap();
        let seen: Vec<_> = exporter.entries.iter().map(|((.., id), entry)| (*id, entry.seen)).collect();
        assert_eq!(seen, [(301, NOW - 5), (302, NOW)]);
        assert_eq!(kept.trim(NOW + MAX_AGE - 2), (1, 0));
    }
}
