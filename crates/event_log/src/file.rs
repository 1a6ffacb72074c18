//! The files of a log: one for each value of a variable in the name.

use crate::encoding::{self, Encoding, Schema};
use crate::name::Name;
use crate::{Event, Head, Settings, container};
use encode::avro::container::{Block, Sync};
use runtime::files;
use runtime::log::Limited;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::error;

/// The maximum number of files that are open at once.
const MAX_FILES: usize = 256;
/// Buffered bytes at which the lines of a file are written before the end of their batch.
const BUFFER: usize = 64 * 1024;
/// The interval between log lines about files that cannot be written.
const RATE: Duration = Duration::from_secs(10);
/// The time after which a write that failed is retried.
const RETRY: Duration = Duration::from_secs(1);

/// The files of a log.
pub(crate) struct Files {
    name: Name,
    /// For log lines: the key, and the name as the configuration has it.
    label: String,
    settings: files::Settings,
    /// For container files.
    avro: Option<Avro>,
    targets: HashMap<String, Target>,
    /// The name of the file of the event at hand.
    path: String,
    /// Bytes that are not yet written, over all files.
    waiting: usize,
    /// The maximum of `waiting`.
    bound: usize,
    /// The weight of the dropped events.
    lost: u64,
    failing: Limited,
}

/// What the container files of a log have in common.
struct Avro {
    schemas: Arc<[Schema]>,
    /// The schema of the files.
    schema: String,
    /// The marker of new files.
    sync: Sync,
}

/// One file.
#[derive(Default)]
struct Target {
    file: Option<File>,
    out: Vec<u8>,
    /// The lines in `out`: the bytes of each that are not yet written, and its weight.
    lines: VecDeque<(usize, u64)>,
    /// The beginning of the first line is already in the file.
    is_cut: bool,
    /// After a failure: when to retry.
    retry: Option<Instant>,
    /// Of a container file: the records that are in no block of `out` yet, their weight, and the marker of the opened file.
    block: Block,
    weight: u64,
    sync: Sync,
}

impl Files {
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let name = settings.file_name()?;
        let path = settings.file.as_deref().unwrap_or(Path::new("")).display();
        Some(Self {
            name,
            label: format!("{}file: {path}", settings.prefix.0),
            settings: settings.files,
            avro: (settings.encoding == Encoding::Avro).then(|| Avro {
                schemas: Arc::clone(&settings.schemas),
                schema: encoding::of_file(&settings.schemas),
                sync: fastrand::u128(..).to_le_bytes(),
            }),
            targets: HashMap::new(),
            path: String::new(),
            waiting: 0,
            bound: usize::try_from(settings.max_bytes).unwrap_or(usize::MAX),
            lost: 0,
            failing: Limited::new(RATE),
        })
    }

    /// Adds a line, with its newline, or any other piece of a file that is written as a whole.
    pub(crate) fn push(&mut self, event: &impl Event, line: &[u8]) {
        let path = std::mem::take(&mut self.path);
        self.path = self.push_to(path, event, line.len(), |target, _| {
            target.out.extend_from_slice(line);
            target.lines.push_back((line.len(), event.weight()));
            Some(line.len())
        });
    }

    /// Adds a record of a container file.
    pub(crate) fn push_record(&mut self, event: &impl Event, head: &Head<'_>) {
        let path = std::mem::take(&mut self.path);
        self.path = self.push_to(path, event, 0, |target, avro| {
            let Block { records, count } = &mut target.block;
            let start = records.len();
            encoding::record(&avro?.schemas, records, |out| event.avro(head, out))?;
            *count += 1;
            target.weight += event.weight();
            Some(records.len() - start)
        });
    }

    /// Finds the file of an event and calls `push`, which returns the bytes that it added. Returns `path`, a buffer.
    fn push_to(
        &mut self,
        mut path: String,
        event: &impl Event,
        length: usize,
        push: impl FnOnce(&mut Target, Option<&Avro>) -> Option<usize>,
    ) -> String {
        match self.name.constant() {
            Some(name) if name == path => {}
            Some(name) => path = name.to_owned(),
            None => _ = self.name.fill_into(event, None, &mut path),
        }
        let full = self.waiting.saturating_add(length) > self.bound;
        if full || !self.make_room(&path) {
            self.lost += event.weight();
            let what = if full {
                "event dropped: the lines that cannot be written exceed plugin_queue_memory"
            } else {
                "event dropped: too many files cannot be written"
            };
            self.log_error(&what);
            return path;
        }
        let target = match self.targets.get_mut(&path) {
            Some(target) => target,
            None => self.targets.entry(path.clone()).or_default(),
        };
        let added = push(target, self.avro.as_ref()).unwrap_or(0);
        self.waiting += added;
        if target.unwritten() >= BUFFER {
            self.write(&path, false);
        }
        path
    }

    /// Writes all buffered lines.
    pub(crate) fn flush(&mut self) {
        self.write_all(false);
    }

    fn write_all(&mut self, at_once: bool) {
        let paths: Vec<String> = self
            .targets
            .iter()
            .filter(|(_, target)| target.unwritten() > 0)
            .map(|(path, _)| path.clone())
            .collect();
        paths.iter().for_each(|path| self.write(path, at_once));
    }

    fn write(&mut self, path: &str, at_once: bool) {
        let Some(target) = self.targets.get_mut(path) else { return };
        if !at_once && target.retry.is_some_and(|retry| Instant::now() < retry) {
            return;
        }
        let before = target.unwritten();
        let written = target.write(path, &self.settings, self.avro.as_ref());
        self.waiting = (self.waiting + target.unwritten()).saturating_sub(before);
        target.retry = written.is_err().then(|| Instant::now() + RETRY);
        if let Err(error) = written {
            self.log_error(&error);
        }
    }

    /// Closes files without unwritten lines if the limit does not allow one more. False when all of them have such lines.
    fn make_room(&mut self, path: &str) -> bool {
        if self.targets.len() >= MAX_FILES && !self.targets.contains_key(path) {
            self.write_all(false);
            self.targets.retain(|_, target| target.unwritten() > 0);
            return self.targets.len() < MAX_FILES;
        }
        true
    }

    /// Reopens the files after a rotation. If a file cannot be reopened, writing continues to the old one.
    pub(crate) fn reopen(&mut self) {
        let mut failed = Vec::new();
        for (path, target) in self.targets.iter_mut().filter(|(_, target)| target.file.is_some()) {
            let sync = target.sync;
            match target.open(path, &self.settings, self.avro.as_ref()) {
                Ok(file) => {
                    target.file = Some(file);
                    // The rest of a line is useless when its beginning is in the old file, and so is a block with another marker.
                    while (target.is_cut || target.sync != sync)
                        && let Some((length, weight)) = target.drop_first()
                    {
                        self.waiting = self.waiting.saturating_sub(length);
                        self.lost += weight;
                    }
                }
                Err(error) => failed.push(error),
            }
        }
        failed.iter().for_each(|error| self.log_error(error));
    }

    /// Writes the remaining lines. Returns the total weight of the dropped events.
    pub(crate) fn end(mut self) -> u64 {
        self.write_all(true);
        let left = |target: &Target| target.weight + target.lines.iter().map(|(_, weight)| weight).sum::<u64>();
        self.lost + self.targets.values().map(left).sum::<u64>()
    }

    fn log_error(&self, what: &dyn std::fmt::Display) {
        if let Some(pass) = self.failing.pass() {
            error!(held_back = pass.held_back, "{}: {what}", self.label);
        }
    }
}

impl Target {
    /// Bytes that are not yet written.
    fn unwritten(&self) -> usize {
        self.out.len() + self.block.records.len()
    }

    fn open(&mut self, path: &str, settings: &files::Settings, avro: Option<&Avro>) -> io::Result<File> {
        let path = Path::new(path);
        let Some(avro) = avro else { return files::append(path, settings) };
        let (file, sync) = container::append(path, settings, &avro.schema, avro.sync)?;
        self.sync = sync;
        Ok(file)
    }

    fn write(&mut self, path: &str, settings: &files::Settings, avro: Option<&Avro>) -> io::Result<()> {
        while self.unwritten() > 0 {
            if self.file.is_none() {
                self.file = Some(self.open(path, settings, avro)?);
            }
            let Some(file) = &mut self.file else { return Ok(()) };
            if self.out.is_empty() {
                self.block.end(&mut self.out, &self.sync);
                self.lines.push_back((self.out.len(), std::mem::take(&mut self.weight)));
            }
            match file.write(&self.out) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, count: usize) {
        self.out.drain(..count.min(self.out.len()));
        let mut left = count;
        while let Some((length, _)) = self.lines.front_mut() {
            if *length > left {
                *length -= left;
                self.is_cut |= left > 0;
                return;
            }
            left -= *length;
            self.is_cut = false;
            self.lines.pop_front();
        }
    }

    /// Removes the rest of the first line. Returns its length and its weight.
    fn drop_first(&mut self) -> Option<(usize, u64)> {
        let (length, weight) = self.lines.pop_front()?;
        self.out.drain(..length.min(self.out.len()));
        self.is_cut = false;
        Some((length, weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests::{TestEvent, settings};
    use std::fs;

    fn files(path: &Path) -> Files {
        Files::new(&settings(path)).unwrap()
    }

    fn push(files: &mut Files, peer: &str, line: &str) {
        files.push(&TestEvent::of(peer, line), format!("{line}\n").as_bytes());
        files.flush();
    }

    /// Flushes as if the retry time had passed.
    fn retry_now(files: &mut Files) {
        files.targets.values_mut().for_each(|target| target.retry = None);
        files.flush();
    }

    #[test]
    fn each_value_has_its_own_file_and_folders_are_created() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(&folder.path().join("new/$peer_src_ip/log"));
        push(&mut files, "192.0.2.1", "a");
        push(&mut files, "192.0.2.2", "b");
        push(&mut files, "192.0.2.1", "c");
        assert_eq!(files.end(), 0);
        let read = |peer: &str| fs::read_to_string(folder.path().join("new").join(peer).join("log")).unwrap();
        assert_eq!((read("192_0_2_1").as_str(), read("192_0_2_2").as_str()), ("a\nc\n", "b\n"));
    }

    #[test]
    fn nothing_is_lost_with_more_values_than_open_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(&folder.path().join("$peer_src_ip"));
        for round in 0..2 {
            for peer in 0..MAX_FILES + 10 {
                push(&mut files, &peer.to_string(), &round.to_string());
                assert!(files.targets.len() <= MAX_FILES);
            }
        }
        assert_eq!(files.end(), 0);
        for peer in 0..MAX_FILES + 10 {
            assert_eq!(fs::read_to_string(folder.path().join(peer.to_string())).unwrap(), "0\n1\n", "{peer}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_reopened_is_still_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut files = files(&path);
        push(&mut files, "", "a");
        let rotated = folder.path().join("log.1");
        fs::rename(&path, &rotated).unwrap();
        fs::create_dir(&path).unwrap();
        files.reopen();
        push(&mut files, "", "b");
        assert_eq!(fs::read_to_string(&rotated).unwrap(), "a\nb\n");
        fs::remove_dir(&path).unwrap();
        files.reopen();
        push(&mut files, "", "c");
        assert_eq!(fs::read_to_string(&path).unwrap(), "c\n");
    }

    #[test]
    fn lines_are_kept_until_their_file_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::create_dir(&path).unwrap();
        let mut files = files(&path);
        push(&mut files, "", "a");
        push(&mut files, "", "b");
        fs::remove_dir(&path).unwrap();
        // Not before the retry time.
        files.flush();
        assert!(!path.exists());
        retry_now(&mut files);
        assert_eq!((files.waiting, fs::read_to_string(&path).unwrap().as_str()), (0, "a\nb\n"));
        assert_eq!(files.end(), 0);
    }

    #[test]
    fn unwritten_lines_are_bounded_and_dropped_ones_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::create_dir(&path).unwrap();
        let mut files = files(&path);
        files.bound = 4;
        for line in ["a", "b", "c"] {
            push(&mut files, "", line);
        }
        assert_eq!((files.waiting, files.lost), (4, 1));
        assert_eq!(files.end(), 3);
    }

    /// The records of a container file, as text.
    fn records(path: &Path) -> (String, Vec<u8>) {
        let bytes = fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let head = encode::avro::container::read_head(&mut rest).unwrap();
        assert!(bytes.ends_with(&head.sync));
        (head.schema, rest.to_vec())
    }

    #[test]
    fn container_files_have_a_union_of_all_schemas_and_are_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut settings = settings(&path);
        settings.encoding = Encoding::Avro;
        let head = Head { sequence: 0, timestamp: "", micros: 0, writer_id: "" };
        for text in ["a", "B"] {
            let mut files = Files::new(&settings).unwrap();
            files.push_record(&TestEvent::of("", text), &head);
            // Has no Avro form.
            files.push_record(&TestEvent::of("", "-"), &head);
            assert_eq!(files.end(), 0);
        }
        let (schema, blocks) = records(&path);
        assert_eq!(schema, r#"["lower","upper"]"#);
        let sync = &blocks[blocks.len() - 16..];
        // Count 1, size 7, branch, record, marker.
        let block = |branch: u8, text: &str| [&[2, 14, branch], text.as_bytes(), sync].concat();
        assert_eq!(blocks, [block(0, "avro a"), block(2, "avro B")].concat());
        // A file with another schema is not continued.
        settings.schemas = [Schema { name: "other", text: "\"other\"".to_owned() }].into();
        let mut files = Files::new(&settings).unwrap();
        files.push_record(&TestEvent::of("", "a"), &head);
        assert_eq!(files.end(), 1);
    }

    #[test]
    fn a_container_file_is_reopened_with_its_head() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let settings = Settings { encoding: Encoding::Avro, ..settings(&path) };
        let head = Head { sequence: 0, timestamp: "", micros: 0, writer_id: "" };
        let mut files = Files::new(&settings).unwrap();
        files.push_record(&TestEvent::of("", "a"), &head);
        files.flush();
        let rotated = folder.path().join("old");
        fs::rename(&path, &rotated).unwrap();
        files.reopen();
        files.push_record(&TestEvent::of("", "b"), &head);
        assert_eq!(files.end(), 0);
        for (path, text) in [(&rotated, b"avro a"), (&path, b"avro b")] {
            let (_, blocks) = records(path);
            assert!(blocks.windows(6).any(|part| part == text) && blocks.len() == 2 + 1 + 6 + 16, "{blocks:?}");
        }
    }

    #[test]
    fn a_partly_written_line_is_not_continued_in_another_file() {
        let mut target = Target { out: b"ab\ncd\n".to_vec(), lines: [(3, 1), (3, 1)].into(), ..Target::default() };
        target.written(4);
        assert_eq!((target.out.as_slice(), target.is_cut), (b"d\n".as_slice(), true));
        assert_eq!(target.drop_first(), Some((2, 1)));
        assert!(target.out.is_empty() && target.lines.is_empty() && !target.is_cut);
    }
}
