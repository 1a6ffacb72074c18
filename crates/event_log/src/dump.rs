//! Dumps of whole tables, each between a start and an end marker.
//!
//! ```text
//! dump.begin(seconds)                     starts a dump; the time is part of the names of its files
//!     .table(&start, entries, end)        writes a table, such as the routes of a peer; repeated for each table
//!     .end()                              updates the link to the newest file
//! ```
//!
//! A file appears when its table is complete: readers never see a partial table. Where several tables share a file, it grows by
//! whole tables.

use crate::broker::{self, Delivery, Feed};
use crate::log::Numbers;
use crate::name::Name;
use crate::{Event, Settings};
use jiff::{Timestamp, Zoned};
use runtime::files::{self, Aside};
use runtime::log::Limited;
use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;
use tracing::error;

/// The interval between log lines about files that cannot be written.
const RATE: Duration = Duration::from_secs(10);

/// Writes dumps of tables.
pub struct Dump {
    settings: Settings,
    name: Option<Name>,
    feeds: Vec<Feed>,
    numbers: Numbers,
    lost: u64,
    failing: Limited,
}

/// A dump in progress.
pub struct Running<'a> {
    dump: &'a mut Dump,
    time: Zoned,
    /// Files that already hold tables of this dump.
    done: HashSet<String>,
    newest: Option<String>,
}

impl Dump {
    /// Opens a dump. Each [`Delivery`] sends its events to one broker and needs its own thread.
    #[must_use]
    pub fn open(settings: &Settings) -> (Self, Vec<Delivery>) {
        let (feeds, deliveries) = broker::open(settings, runtime::clock::now());
        let dump = Self {
            name: settings.dump_name(),
            feeds,
            numbers: Numbers::new(settings),
            lost: 0,
            failing: Limited::new(RATE),
            settings: settings.clone(),
        };
        (dump, deliveries)
    }

    /// Begins a dump. `seconds` since 1970 is the time in the names of its files.
    pub fn begin(&mut self, seconds: u64) -> Running<'_> {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX).min(Timestamp::MAX.as_second());
        let time = Timestamp::from_second(seconds).unwrap_or_default().to_zoned(self.settings.style.zone.clone());
        Running { dump: self, time, done: HashSet::new(), newest: None }
    }

    /// Waits until the brokers have confirmed all messages, within the shutdown timeout. Returns the total weight of the events
    /// that were dropped.
    #[must_use]
    pub fn end(self) -> u64 {
        self.lost + self.feeds.into_iter().map(Feed::end).sum::<u64>()
    }

    fn log_error(&self, path: &str, what: &io::Error) {
        if let Some(pass) = self.failing.pass() {
            error!(held_back = pass.held_back, "{}file: {path}: {what}", self.settings.prefix.0);
        }
    }
}

impl Running<'_> {
    /// Writes a table. The variables of `start` name its file; `end` gets the number of entries.
    pub fn table<E: Event>(
        &mut self,
        start: &E,
        entries: impl IntoIterator<Item = E>,
        end: impl FnOnce(u64) -> E,
    ) {
        let path = self.dump.name.as_ref().map(|name| name.fill(start, Some(&self.time)));
        let mut file = path.as_deref().map(|path| self.open(path)).transpose();
        let mut weight = 0;
        let mut write = |dump: &mut Dump, event: &E| {
            let mut line = Vec::new();
            let head = dump.numbers.next();
            event.json(&head, &mut line);
            dump.feeds.iter_mut().for_each(|feed| feed.push(event, &head, &line));
            line.push(b'\n');
            weight += event.weight();
            if let Ok(Some(writer)) = &mut file
                && let Err(error) = writer.write_all(&line)
            {
                file = Err(error);
            }
        };
        write(self.dump, start);
        let mut count = 0;
        for entry in entries {
            write(self.dump, &entry);
            count += 1;
        }
        write(self.dump, &end(count));
        self.dump.feeds.iter_mut().for_each(Feed::flush);
        let Some(path) = path else { return };
        match file.and_then(|file| file.map_or(Ok(()), Table::commit)) {
            Ok(()) => {
                self.done.insert(path.clone());
                self.newest = Some(path);
            }
            Err(error) => {
                self.dump.lost += weight;
                self.dump.log_error(&path, &error);
            }
        }
    }

    fn open(&self, path: &str) -> io::Result<Table> {
        let settings = &self.dump.settings.files;
        Ok(match self.done.contains(path) {
            true => Table::Append(BufWriter::new(files::append(Path::new(path), settings)?)),
            false => Table::Create(Aside::create(Path::new(path), settings)?),
        })
    }

    /// Ends the dump and points the link to its newest file, unless the link already points to a newer one.
    pub fn end(self) {
        let Some((link, path)) = self.dump.settings.latest.as_deref().zip(self.newest) else { return };
        if let Err(error) = files::advance_link(link, Path::new(&path), &self.dump.settings.files) {
            self.dump.log_error(&link.display().to_string(), &error);
        }
    }
}

/// The file to which a table is being written.
enum Table {
    /// A new file, which appears when the table is complete.
    Create(Aside),
    /// A file that already holds tables of the same dump.
    Append(BufWriter<std::fs::File>),
}

impl Table {
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Create(file) => file.write_all(line),
            Self::Append(file) => file.write_all(line),
        }
    }

    fn commit(self) -> io::Result<()> {
        match self {
            Self::Create(file) => file.commit(),
            Self::Append(mut file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests::{TestEvent, settings};
    use std::fs;

    /// 2023-11-14 22:13:20 UTC.
    const TIME: u64 = 1_700_000_000;

    fn texts(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let quoted = text.lines().map(|line| line.rsplit('"').nth(1).unwrap_or_default().to_owned());
        quoted.collect()
    }

    fn table(running: &mut Running<'_>, peer: &str, entries: &[&str]) {
        let entries: Vec<TestEvent> = entries.iter().map(|text| TestEvent::of(peer, text)).collect();
        running
            .table(&TestEvent::of(peer, "start"), entries, |count| TestEvent::of(peer, &format!("end {count}")));
    }

    #[test]
    fn a_table_is_written_between_markers_to_a_file_named_after_peer_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let latest = folder.path().join("latest");
        let file = folder.path().join("%Y%m%d/$peer_src_ip-%H%M");
        let (mut dump, _) = Dump::open(&Settings { latest: Some(latest.clone()), ..settings(&file) });
        let mut running = dump.begin(TIME);
        table(&mut running, "192.0.2.1", &["a", "b"]);
        table(&mut running, "192.0.2.2", &[]);
        running.end();
        assert_eq!(dump.end(), 0);
        assert_eq!(texts(&folder.path().join("20231114/192_0_2_1-2213")), ["start", "a", "b", "end 2"]);
        let second = folder.path().join("20231114/192_0_2_2-2213");
        assert_eq!(texts(&second), ["start", "end 0"]);
        assert_eq!(fs::read_link(latest).unwrap(), second);
    }

    #[test]
    fn tables_of_one_dump_share_a_file_and_the_next_dump_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dump");
        let (mut dump, _) = Dump::open(&settings(&file));
        for _ in 0..2 {
            let mut running = dump.begin(TIME);
            table(&mut running, "a", &["x"]);
            table(&mut running, "b", &["y"]);
            running.end();
            assert_eq!(texts(&file), ["start", "x", "end 1", "start", "y", "end 1"]);
        }
        assert_eq!(dump.end(), 0);
    }

    #[test]
    fn a_table_that_cannot_be_written_is_counted_as_dropped_and_the_next_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("folder");
        fs::write(&folder, "a file").unwrap();
        let file = folder.join("dump");
        let (mut dump, _) = Dump::open(&settings(&file));
        let mut running = dump.begin(TIME);
        table(&mut running, "a", &["x"]);
        running.end();
        fs::remove_file(&folder).unwrap();
        let mut running = dump.begin(TIME);
        table(&mut running, "a", &["x"]);
        running.end();
        assert_eq!(texts(&file), ["start", "x", "end 1"]);
        assert_eq!(dump.end(), 3);
    }
}
