//! Dumps of whole tables, each between a start and an end marker.
//!
//! ```text
//! dump.run(seconds, tables, |run, writer, table| …)   dumps tables; threads share them
//!     run.table(writer, &start, |rows| …, end)        writes a table, such as the routes of a peer
//!         rows.add(&event)                            encodes an entry
//!         rows.write_if_large()                       writes the entries so far
//! ```
//!
//! A file appears when its first table is complete: readers never see a partial table. Where several tables share a file, it grows
//! by whole tables, one after the other. The link to the newest file is set when all tables are written.
//!
//! All events of a dump have one number and one time, that of the dump. Entries are encoded to a buffer, so that the caller can hold
//! the lock of a table meanwhile, and release it before they are written.

use crate::broker::{self, Delivery, Feed};
use crate::encoding::{self, Encoding};
use crate::name::Name;
use crate::{Event, Head, MrtPlace, Settings};
use encode::avro::container::{self, Block, Sync};
use encode::time::Clock;
use jiff::{Timestamp, Zoned};
use runtime::files::{self, Aside};
use runtime::log::Limited;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::error;

/// The interval between log lines about files that cannot be written.
const RATE: Duration = Duration::from_secs(10);
/// Buffered bytes at which [`Rows::write_if_large`] writes.
const CHUNK: usize = 256 << 10;
/// Bytes written at once. The kernel looks for contiguous memory for what is written at once, and moves pages about to get it: writes of
/// 256 KiB and more cost up to twice the time of a row (docs/PERFORMANCE.md, "Routes of BMP").
const PIECE: usize = 64 << 10;
/// Buffered bytes at which [`Rows::add`] writes, if nothing did before.
const MAX_BUFFER: usize = 8 << 20;

/// Writes dumps of tables.
pub struct Dump {
    shared: Shared,
    /// One for each thread that writes.
    writers: Vec<Writer>,
}

struct Shared {
    settings: Settings,
    name: Option<Name>,
    latest: Option<Name>,
    /// The schema of container files.
    schema: String,
    /// The weight of dropped events.
    lost: AtomicU64,
    failing: Limited,
}

/// What one thread needs to write tables.
pub struct Writer {
    feeds: Vec<Feed>,
    out: Vec<u8>,
    block: Block,
    text: Vec<u8>,
}

/// A dump in progress.
pub struct Run<'a> {
    shared: &'a Shared,
    time: Zoned,
    micros: u64,
    timestamp: String,
    sequence: u64,
    /// Files that hold tables of this dump. Whoever writes a table holds the lock of its file.
    files: Mutex<HashMap<String, Arc<Mutex<Progress>>>>,
    /// The newest file, by the name of the link to it.
    links: Mutex<HashMap<String, String>>,
}

/// What a file holds already.
#[derive(Clone, Copy, Default)]
struct Progress {
    exists: bool,
    entries: u32,
    sync: Sync,
}

/// Writes the entries of a table.
pub struct Rows<'a> {
    settings: &'a Settings,
    head: Head<'a>,
    writer: &'a mut Writer,
    /// `None` without a file in the configuration.
    file: Option<io::Result<Table>>,
    progress: Progress,
    count: u64,
    weight: u64,
}

impl Dump {
    /// Opens a dump, and writes its Avro schemas to their files. Each [`Delivery`] sends the events of one thread to one broker and
    /// needs its own thread.
    #[must_use]
    pub fn open(settings: &Settings) -> (Self, Vec<Delivery>) {
        settings.write_schemas();
        let (mut writers, mut deliveries) = (Vec::new(), Vec::new());
        for number in 0..settings.workers.max(1) {
            // The numbers of write batches are unique within a run.
            let run = runtime::clock::now().wrapping_add(number as u64);
            let (feeds, more) = broker::open(settings, run);
            deliveries.extend(more);
            writers.push(Writer { feeds, out: Vec::new(), block: Block::default(), text: Vec::new() });
        }
        let shared = Shared {
            name: settings.dump_name(),
            latest: settings.latest_name(),
            schema: encoding::of_file(&settings.schemas),
            lost: AtomicU64::new(0),
            failing: Limited::new(RATE),
            settings: settings.clone(),
        };
        (Self { shared, writers }, deliveries)
    }

    /// The encoding of the events.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.shared.settings.encoding
    }

    /// Dumps tables: calls `write` for each of them, which calls [`Run::table`]. With several threads in the configuration, they share
    /// the tables. `seconds` since 1970 is the time of the dump. Returns when all tables are written.
    pub fn run<T: std::marker::Sync>(
        &mut self,
        seconds: u64,
        tables: &[T],
        write: impl Fn(&Run<'_>, &mut Writer, &T) + std::marker::Sync,
    ) {
        let run = self.shared.begin(seconds);
        let next = AtomicUsize::new(0);
        let work = |writer: &mut Writer| {
            while let Some(table) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
                write(&run, writer, table);
            }
        };
        if let Some((first, others)) = self.writers.split_first_mut() {
            let identity = runtime::log::current();
            let spare = tables.len().saturating_sub(1).min(others.len());
            std::thread::scope(|scope| {
                for (number, writer) in others.iter_mut().take(spare).enumerate() {
                    let (work, identity) = (&work, identity.clone());
                    let name = format!("{}{}", self.shared.settings.prefix.0, number + 1);
                    // Without this thread, the others write its tables.
                    let _ = std::thread::Builder::new().name(name).spawn_scoped(scope, move || {
                        runtime::log::enter(identity);
                        work(writer);
                    });
                }
                work(first);
            });
        }
        run.end();
    }

    /// Waits until the brokers have confirmed all messages, within the shutdown timeout. Returns the total weight of the events
    /// that were dropped.
    #[must_use]
    pub fn end(self) -> u64 {
        let feeds = self.writers.into_iter().flat_map(|writer| writer.feeds);
        self.shared.lost.into_inner() + feeds.map(Feed::end).sum::<u64>()
    }
}

impl Shared {
    fn begin(&self, seconds: u64) -> Run<'_> {
        let style = &self.settings.style;
        let shown = i64::try_from(seconds).unwrap_or(i64::MAX).min(Timestamp::MAX.as_second());
        let mut timestamp = Vec::new();
        Clock::new(style).seconds(&mut timestamp, seconds);
        Run {
            shared: self,
            time: Timestamp::from_second(shown).unwrap_or_default().to_zoned(style.zone.clone()),
            micros: seconds.saturating_mul(1_000_000),
            timestamp: String::from_utf8(timestamp).unwrap_or_default(),
            sequence: self.settings.sequence.take(),
            files: Mutex::default(),
            links: Mutex::default(),
        }
    }

    fn log_error(&self, path: &str, what: &io::Error) {
        if let Some(pass) = self.failing.pass() {
            error!(held_back = pass.held_back, "{}file: {path}: {what}", self.settings.prefix.0);
        }
    }
}

impl Run<'_> {
    /// Writes a table. The variables of `start` name its file; `end` gets the number of entries.
    pub fn table<S: Event, E: Event>(
        &self,
        writer: &mut Writer,
        start: &S,
        rows: impl FnOnce(&mut Rows<'_>),
        end: impl FnOnce(u64) -> E,
    ) {
        let settings = &self.shared.settings;
        let path = self.shared.name.as_ref().map(|name| name.fill(start, Some(&self.time)));
        let progress = path.as_deref().map(|path| {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(files.entry(path.to_owned()).or_default())
        });
        // Tables of one file follow each other.
        let mut progress = progress.as_deref().map(|file| file.lock().unwrap_or_else(PoisonError::into_inner));
        let before = progress.as_deref().copied().unwrap_or_default();
        let mut all = Rows {
            settings,
            head: Head {
                sequence: self.sequence,
                timestamp: &self.timestamp,
                micros: self.micros,
                writer_id: settings.writer_id.as_deref().unwrap_or_default(),
            },
            file: path.as_deref().map(|path| Table::open(path, &before, settings)),
            writer,
            progress: before,
            count: 0,
            weight: 0,
        };
        all.open(&self.shared.schema);
        all.event(start, !before.exists);
        rows(&mut all);
        let count = all.count;
        all.event(&end(count), false);
        let (written, after, weight) = all.close();
        let Some(path) = path else { return };
        match written {
            Ok(()) => {
                if let Some(progress) = &mut progress {
                    **progress = after;
                }
                if let Some(name) = &self.shared.latest {
                    let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
                    links.insert(name.fill(start, None), path);
                }
            }
            Err(error) => {
                self.shared.lost.fetch_add(weight, Ordering::Relaxed);
                self.shared.log_error(&path, &error);
            }
        }
    }

    /// Points the links to the newest files.
    fn end(self) {
        let links = self.links.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (link, path) in links {
            let files = &self.shared.settings.files;
            if let Err(error) = files::swap_link(Path::new(&link), Path::new(&path), files) {
                self.shared.log_error(&link, &error);
            }
        }
    }
}

impl Rows<'_> {
    /// Writes an entry of the table.
    #[inline]
    pub fn add(&mut self, entry: &impl Event) {
        self.count += 1;
        self.event(entry, false);
        self.progress.entries = self.progress.entries.wrapping_add(1);
    }

    /// The number of entries so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Writes the head of a new container file.
    fn open(&mut self, schema: &str) {
        self.writer.out.clear();
        self.writer.block.discard();
        if self.settings.encoding == Encoding::Avro && self.file.is_some() && !self.progress.exists {
            self.progress.sync = fastrand::u128(..).to_le_bytes();
            container::head(&mut self.writer.out, schema, &self.progress.sync);
        }
    }

    #[inline]
    fn event(&mut self, event: &impl Event, is_first: bool) {
        let Writer { feeds, out, block, text } = &mut *self.writer;
        let head = &self.head;
        let is_filed = matches!(self.file, Some(Ok(_)));
        match self.settings.encoding {
            Encoding::Json if is_filed => {
                let start = out.len();
                event.json(head, out);
                if !feeds.is_empty() {
                    let text = out.get(start..).unwrap_or_default();
                    feeds.iter_mut().for_each(|feed| feed.push(event, head, text));
                }
                out.push(b'\n');
            }
            Encoding::Json => {
                text.clear();
                event.json(head, text);
                feeds.iter_mut().for_each(|feed| feed.push(event, head, text));
            }
            Encoding::AvroJson => {
                text.clear();
                if event.avro_json(head, text) {
                    feeds.iter_mut().for_each(|feed| feed.push(event, head, text));
                    if is_filed {
                        out.extend_from_slice(text);
                        out.push(b'\n');
                    }
                }
            }
            Encoding::Avro => {
                let schemas = &self.settings.schemas;
                if is_filed && encoding::record(schemas, &mut block.records, |out| event.avro(head, out)).is_some()
                {
                    block.count += 1;
                }
                feeds.iter_mut().for_each(|feed| feed.push(event, head, &[]));
            }
            Encoding::Mrt => event.mrt(head, MrtPlace { is_first, entries: self.progress.entries }, out),
            // `Settings::check` has rejected that.
            Encoding::OpenBmp => {}
        }
        self.weight += event.weight();
        if out.len() + block.records.len() >= MAX_BUFFER {
            self.write();
        }
    }

    /// Writes the buffered entries to the file if they are many. Call it from time to time where a slow file harms nobody, such as after
    /// the lock of a table was released: entries are buffered until then.
    pub fn write_if_large(&mut self) {
        if self.writer.out.len() + self.writer.block.records.len() >= CHUNK {
            self.write();
        }
    }

    /// Writes the buffered entries.
    fn write(&mut self) {
        let Writer { out, block, .. } = &mut *self.writer;
        block.end(out, &self.progress.sync);
        if let Some(Ok(file)) = &mut self.file
            && let Err(error) = file.write_all(out)
        {
            file.undo();
            self.file = Some(Err(error));
        }
        out.clear();
    }

    /// Completes the table. Returns its outcome, what the file holds then, and the weight of all events.
    fn close(mut self) -> (io::Result<()>, Progress, u64) {
        self.write();
        self.writer.feeds.iter_mut().for_each(Feed::flush);
        let written = match self.file {
            Some(Ok(file)) => file.commit(),
            Some(Err(error)) => Err(error),
            None => Ok(()),
        };
        (written, Progress { exists: true, ..self.progress }, self.weight)
    }
}

/// The file to which a table is being written.
enum Table {
    /// A new file, which appears when the table is complete.
    Create(Aside),
    /// A file that already holds tables of the same dump, and its length with these.
    Append(File, u64),
}

impl Table {
    fn open(path: &str, progress: &Progress, settings: &Settings) -> io::Result<Self> {
        Ok(match progress.exists {
            true => {
                let file = files::append(Path::new(path), &settings.files)?;
                let length = file.metadata()?.len();
                Self::Append(file, length)
            }
            false => Self::Create(Aside::create(Path::new(path), &settings.files)?),
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(PIECE).try_for_each(|piece| match self {
            Self::Create(file) => file.write_all(piece),
            Self::Append(file, _) => file.write_all(piece),
        })
    }

    /// Removes the beginning of a table from a file with other tables.
    fn undo(&self) {
        if let Self::Append(file, length) = self {
            // Fails for pipes, which keep nothing.
            let _ = file.set_len(*length);
        }
    }

    fn commit(self) -> io::Result<()> {
        match self {
            Self::Create(file) => file.commit(),
            Self::Append(mut file, _) => file.flush(),
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

    /// A peer and its entries.
    type Entries<'a> = (&'a str, &'a [&'a str]);

    fn run(dump: &mut Dump, tables: &[Entries<'_>]) {
        dump.run(TIME, tables, |run, writer, (peer, entries)| {
            let add = |rows: &mut Rows<'_>| {
                for text in *entries {
                    rows.add(&TestEvent::of(peer, text));
                    rows.write_if_large();
                }
            };
            let start = TestEvent::of(peer, "start");
            run.table(writer, &start, add, |count| TestEvent::of(peer, &format!("end {count}")));
        });
    }

    #[test]
    fn a_table_is_written_between_markers_to_a_file_named_after_peer_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("%Y%m%d/$peer_src_ip-%H%M");
        let latest = folder.path().join("latest-$peer_src_ip");
        let (mut dump, _) = Dump::open(&Settings { latest: Some(latest), ..settings(&file) });
        run(&mut dump, &[("192.0.2.1", &["a", "b"]), ("fd00::1", &[])]);
        assert_eq!(dump.end(), 0);
        let first = folder.path().join("20231114/192_0_2_1-2213");
        assert_eq!(texts(&first), ["start", "a", "b", "end 2"]);
        let second = folder.path().join("20231114/fd00--1-2213");
        assert_eq!(texts(&second), ["start", "end 0"]);
        assert_eq!(fs::read_link(folder.path().join("latest-192_0_2_1")).unwrap(), first);
        assert_eq!(fs::read_link(folder.path().join("latest-fd00--1")).unwrap(), second);
    }

    #[test]
    fn tables_of_one_dump_share_a_file_and_a_number_and_the_next_dump_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dump");
        let (mut dump, _) = Dump::open(&settings(&file));
        for number in 0..2 {
            run(&mut dump, &[("a", &["x"]), ("b", &["y"])]);
            assert_eq!(texts(&file), ["start", "x", "end 1", "start", "y", "end 1"]);
            let text = fs::read_to_string(&file).unwrap();
            assert_eq!(text.matches(&format!("{{\"seq\": {number}, ")).count(), 6);
        }
        assert_eq!(dump.end(), 0);
    }

    #[test]
    fn threads_share_the_tables_and_do_not_mix_those_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let entries: Vec<String> = (0..3000).map(|number| format!("{number:0200}")).collect();
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        let tables: Vec<Entries<'_>> = ["a", "b", "c", "d", "e"].map(|peer| (peer, entries.as_slice())).to_vec();
        for name in ["one", "$peer_src_ip"] {
            let (mut dump, _) = Dump::open(&Settings { workers: 3, ..settings(&folder.path().join(name)) });
            run(&mut dump, &tables);
            assert_eq!(dump.end(), 0);
        }
        let expected = [&["start"], entries.as_slice(), &["end 3000"]].concat();
        for (peer, _) in &tables {
            assert!(texts(&folder.path().join(peer)) == expected, "{peer}");
        }
        assert!(texts(&folder.path().join("one")) == expected.repeat(5));
    }

    #[test]
    fn each_encoding_has_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let write = |encoding| {
            let (mut dump, _) = Dump::open(&Settings { encoding, ..settings(&path) });
            run(&mut dump, &[("p", &["a", "-"]), ("q", &["b"])]);
            assert_eq!(dump.end(), 0);
        };
        write(Encoding::AvroJson);
        let lines = fs::read_to_string(&path).unwrap();
        let expected = ["start", "a", "end 2", "start", "b", "end 1"];
        assert_eq!(lines, expected.map(|text| format!("{{\"avro\": \"{text}\"}}\n")).concat());
        write(Encoding::Mrt);
        assert_eq!(fs::read_to_string(&path).unwrap(), "^start0;a0;-1;end 22;start2;b2;end 13;");
        write(Encoding::Avro);
        let bytes = fs::read(&path).unwrap();
        let mut rest = bytes.as_slice();
        let head = container::read_head(&mut rest).unwrap();
        assert_eq!(head.schema, r#"["lower","upper"]"#);
        // A block for each table.
        let block = |texts: &[&str]| {
            let records: Vec<u8> =
                texts.iter().flat_map(|text| [&[0], format!("avro {text}").as_bytes()].concat()).collect();
            let count = u8::try_from(texts.len()).unwrap() * 2;
            [&[count, u8::try_from(records.len()).unwrap() * 2], records.as_slice(), &head.sync].concat()
        };
        assert_eq!(rest, [block(&["start", "a", "end 2"]), block(&["start", "b", "end 1"])].concat());
    }

    #[test]
    fn a_table_that_cannot_be_written_is_counted_as_dropped_and_the_next_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("folder");
        fs::write(&folder, "a file").unwrap();
        let file = folder.join("dump");
        let (mut dump, _) = Dump::open(&settings(&file));
        run(&mut dump, &[("a", &["x"])]);
        fs::remove_file(&folder).unwrap();
        run(&mut dump, &[("a", &["x"])]);
        assert_eq!(texts(&file), ["start", "x", "end 1"]);
        assert_eq!(dump.end(), 3);
    }
}
