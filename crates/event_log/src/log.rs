//! Logs of events as they happen.

use crate::broker::{self, Delivery, Feed};
use crate::file::Files;
use crate::hold::{Kept, Queue};
use crate::{Encoding, Event, Head, Sequence, Settings};
use encode::time::Clock;

/// A log of events. [`Log::flush`] sends what was added.
pub struct Log {
    outputs: Outputs,
    /// What is kept while another daemon writes the events.
    held: Option<Queue>,
    numbers: Numbers,
    line: Vec<u8>,
    events: u64,
}

/// Where events go.
struct Outputs {
    encoding: Encoding,
    files: Option<Files>,
    feeds: Vec<Feed>,
}

impl Log {
    /// Opens a log, and writes its Avro schemas to their files. Each [`Delivery`] sends its events to one broker and needs its own
    /// thread.
    #[must_use]
    pub fn open(settings: &Settings) -> (Self, Vec<Delivery>) {
        settings.write_schemas();
        let (feeds, deliveries) = broker::open(settings, runtime::clock::now());
        let log = Self {
            outputs: Outputs { encoding: settings.encoding, files: Files::new(settings), feeds },
            held: settings.hold.as_ref().map(|hold| Queue::new(settings, hold)),
            numbers: Numbers::new(settings),
            line: Vec::new(),
            events: 0,
        };
        (log, deliveries)
    }

    /// The encoding of the events, by which a caller may choose what to log.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.outputs.encoding
    }

    /// The number of events that were added so far, by which a caller may bound how much it logs at once.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Adds an event that happens now.
    pub fn add(&mut self, event: &impl Event) {
        self.add_at(runtime::clock::now(), event);
    }

    /// Adds an event that happened at this time, in microseconds since 1970.
    pub fn add_at(&mut self, micros: u64, event: &impl Event) {
        let Self { outputs, held, numbers, line, events } = self;
        *events += 1;
        line.clear();
        let head = numbers.next(micros);
        match outputs.encoding {
            Encoding::Json => event.json(&head, line),
            Encoding::AvroJson if !event.avro_json(&head, line) => return,
            Encoding::Mrt => {
                event.mrt(&head, crate::MrtPlace::default(), line);
                if line.is_empty() {
                    return;
                }
            }
            Encoding::OpenBmp => {
                event.openbmp(&head, line);
                if line.is_empty() {
                    return;
                }
            }
            Encoding::AvroJson | Encoding::Avro => {}
        }
        match held {
            Some(held) if held.is_holding() => held.keep(event, &head, line),
            _ => outputs.push(event, &head, line),
        }
    }

    /// Ends a batch of events: writes them to the file and queues them for the brokers. A log that may be held back is to be flushed now
    /// and then without events, too.
    pub fn flush(&mut self) {
        let Self { outputs, held, line, .. } = self;
        if let Some(held) = held {
            held.turn(|event| outputs.release(event, line));
        }
        outputs.feeds.iter_mut().for_each(Feed::flush);
        if let Some(files) = &mut outputs.files {
            files.flush();
        }
    }

    /// Reopens the files after a rotation.
    pub fn reopen(&mut self) {
        if let Some(files) = &mut self.outputs.files {
            files.reopen();
        }
    }

    /// Writes the remaining events and waits for the brokers, within the shutdown timeout. Returns the total weight of the
    /// dropped events, once for each file or broker that lacks them.
    #[must_use]
    pub fn end(self) -> u64 {
        let Self { mut outputs, held, mut line, .. } = self;
        if let Some(held) = held {
            held.end(|event| outputs.release(event, &mut line));
        }
        let files = outputs.files.map_or(0, Files::end);
        files + outputs.feeds.into_iter().map(Feed::end).sum::<u64>()
    }
}

impl Outputs {
    /// Writes an event to all of them. `line`: the event, in all encodings but Avro.
    fn push(&mut self, event: &impl Event, head: &Head<'_>, line: &mut Vec<u8>) {
        let Self { encoding, files, feeds } = self;
        feeds.iter_mut().for_each(|feed| feed.push(event, head, line));
        match (files, encoding) {
            (Some(files), Encoding::Json | Encoding::AvroJson) => {
                line.push(b'\n');
                files.push(event, line);
            }
            (Some(files), Encoding::Mrt | Encoding::OpenBmp) => files.push(event, line),
            (Some(files), Encoding::Avro) => files.push_record(event, head),
            (None, _) => {}
        }
    }

    /// Writes an event that was held back.
    fn release(&mut self, event: &Kept<'_>, line: &mut Vec<u8>) {
        line.clear();
        line.extend_from_slice(event.text());
        // What was kept has its number and its time already.
        let head = Head { sequence: 0, timestamp: "", micros: 0, writer_id: "" };
        self.push(event, &head, line);
    }
}

/// Assigns sequence numbers and timestamps to events.
struct Numbers {
    clock: Clock,
    sequence: Sequence,
    writer_id: String,
    /// The time of the last event, which those of a batch share, and its text.
    micros: Option<u64>,
    timestamp: Vec<u8>,
}

impl Numbers {
    fn new(settings: &Settings) -> Self {
        Self {
            clock: Clock::new(&settings.style),
            sequence: settings.sequence.clone(),
            writer_id: settings.writer_id.clone().unwrap_or_default(),
            micros: None,
            timestamp: Vec::new(),
        }
    }

    /// The sequence number and the timestamp of an event of this time.
    fn next(&mut self, micros: u64) -> Head<'_> {
        if self.micros.replace(micros) != Some(micros) {
            self.timestamp.clear();
            self.clock.micros(&mut self.timestamp, micros);
        }
        Head {
            sequence: self.sequence.take(),
            timestamp: std::str::from_utf8(&self.timestamp).unwrap_or_default(),
            micros,
            writer_id: &self.writer_id,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Schema;
    use config::KeyPrefix;
    use std::borrow::Cow;
    use std::io::Write;
    use std::path::Path;

    /// An event for tests. In Avro, texts in capitals have a different schema, and `-` has no Avro form.
    #[derive(Clone, Debug)]
    pub(crate) struct TestEvent {
        peer: String,
        pub(crate) text: String,
    }

    impl TestEvent {
        pub(crate) fn of(peer: &str, text: &str) -> Self {
            Self { peer: peer.to_owned(), text: text.to_owned() }
        }
    }

    impl Event for TestEvent {
        fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
            (name == "peer_src_ip").then(|| self.peer.as_str().into())
        }

        fn json(&self, head: &Head<'_>, out: &mut Vec<u8>) {
            write!(out, "{{\"seq\": {}, \"text\": \"{}\"}}", head.sequence, self.text).unwrap();
        }

        fn avro(&self, _head: &Head<'_>, out: &mut Vec<u8>) -> Option<usize> {
            if self.text == "-" {
                return None;
            }
            write!(out, "avro {}", self.text).unwrap();
            Some(usize::from(self.text.chars().all(char::is_uppercase)))
        }

        fn avro_json(&self, _head: &Head<'_>, out: &mut Vec<u8>) -> bool {
            write!(out, "{{\"avro\": \"{}\"}}", self.text).unwrap();
            self.text != "-"
        }

        fn openbmp(&self, head: &Head<'_>, out: &mut Vec<u8>) {
            if self.text != "-" {
                write!(out, "{}:{};", head.sequence, self.text).unwrap();
            }
        }

        fn mrt(&self, head: &Head<'_>, place: crate::MrtPlace, out: &mut Vec<u8>) {
            let micros = if head.micros > 0 { "" } else { "?" };
            write!(out, "{}{}{}{micros};", if place.is_first { "^" } else { "" }, self.text, place.entries)
                .unwrap();
        }
    }

    /// Settings for one file.
    pub(crate) fn settings(path: &Path) -> Settings {
        let settings = Settings::without_brokers(KeyPrefix::BMP_DAEMON_MSGLOG, &["peer_src_ip"]);
        let schemas = [("lower", "\"lower\""), ("upper", "\"upper\"")];
        let schemas = schemas.map(|(name, text)| Schema { name, text: text.to_owned() });
        Settings { file: Some(path.to_owned()), schemas: schemas.into(), ..settings }
    }

    #[test]
    fn each_encoding_has_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for (encoding, expected) in [
            (Encoding::Json, "{\"seq\": 0, \"text\": \"a\"}\n{\"seq\": 1, \"text\": \"-\"}\n"),
            (Encoding::AvroJson, "{\"avro\": \"a\"}\n"),
            (Encoding::Mrt, "a0;-0;"),
            (Encoding::OpenBmp, "0:a;"),
        ] {
            let settings = Settings { encoding, ..settings(&path) };
            let (mut log, _) = Log::open(&settings);
            log.add(&TestEvent::of("", "a"));
            log.add(&TestEvent::of("", "-"));
            assert_eq!(log.end(), 0);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn schemas_are_written_to_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder.path().join("log"));
        settings.schema_file = Some(folder.path().join("new/schema"));
        drop(Log::open(&settings));
        assert!(!folder.path().join("new").exists(), "JSON has no schema");
        settings.encoding = Encoding::AvroJson;
        drop(Log::open(&settings));
        for name in ["lower", "upper"] {
            let text = std::fs::read_to_string(folder.path().join(format!("new/schema-{name}"))).unwrap();
            assert_eq!(text, format!("\"{name}\""));
        }
    }

    #[test]
    fn a_log_and_its_copies_count_together() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder.path().join("log"));
        let (mut first, _) = Log::open(&settings);
        let (mut second, _) = Log::open(&settings);
        first.add(&TestEvent::of("", "a"));
        second.add(&TestEvent::of("", "b"));
        first.add(&TestEvent::of("", "c"));
        assert_eq!(first.end() + second.end(), 0);
        let text = std::fs::read_to_string(folder.path().join("log")).unwrap();
        let numbers: Vec<_> = text.lines().filter_map(|line| line.get(8..9)).collect();
        assert_eq!(numbers, ["0", "2", "1"]);
    }

    #[test]
    fn events_are_numbered_and_go_to_all_outputs() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder.path().join("log"));
        let (mut log, _) = Log::open(&settings);
        let (feed, delivery, got) = broker::tests::feed(&settings, "t");
        log.outputs.feeds.push(feed);
        let thread = std::thread::spawn(move || delivery.run(|what| panic!("{what}")));
        log.add(&TestEvent::of("", "a"));
        log.add(&TestEvent::of("", "b"));
        log.flush();
        let begun = std::time::Instant::now();
        while got.lock().unwrap().len() < 2 {
            assert!(begun.elapsed().as_secs() < 20);
            std::thread::yield_now();
        }
        assert_eq!(log.end(), 0);
        thread.join().unwrap();
        let lines = "{\"seq\": 0, \"text\": \"a\"}\n{\"seq\": 1, \"text\": \"b\"}\n";
        assert_eq!(std::fs::read_to_string(folder.path().join("log")).unwrap(), lines);
        let texts: Vec<_> = got.lock().unwrap().iter().map(|(_, _, text)| format!("{text}\n")).collect();
        assert_eq!(texts.concat(), lines);
    }
}
