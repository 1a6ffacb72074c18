//! Events as they come.

use crate::broker::{self, Delivery, Feed};
use crate::file::Files;
use crate::{Event, Head, Settings};
use encode::time::Clock;

/// A log of events. What is added goes on its way with [`Log::flush`].
pub struct Log {
    files: Option<Files>,
    feeds: Vec<Feed>,
    numbers: Numbers,
    line: Vec<u8>,
}

impl Log {
    /// A log, and the other ends of its ways to brokers, which need a thread each.
    #[must_use]
    pub fn open(settings: &Settings) -> (Self, Vec<Delivery>) {
        let (feeds, deliveries) = broker::open(settings, runtime::clock::now());
        let log = Self { files: Files::new(settings), feeds, numbers: Numbers::new(settings), line: Vec::new() };
        (log, deliveries)
    }

    /// Writes an event.
    pub fn add(&mut self, event: &impl Event) {
        let Self { files, feeds, numbers, line } = self;
        line.clear();
        let head = numbers.next();
        event.json(&head, line);
        feeds.iter_mut().for_each(|feed| feed.push(event, &head, line));
        if let Some(files) = files {
            line.push(b'\n');
            files.push(event, line);
        }
    }

    /// Ends a batch of events: they leave for the file and for the brokers.
    pub fn flush(&mut self) {
        self.feeds.iter_mut().for_each(Feed::flush);
        if let Some(files) = &mut self.files {
            files.flush();
        }
    }

    /// Opens files again, after a rotation.
    pub fn reopen(&mut self) {
        if let Some(files) = &mut self.files {
            files.reopen();
        }
    }

    /// Writes what is left, and waits for that, but not longer than the end may take. The weight of all events that were not
    /// written everywhere: once for each file or broker that does not have them.
    #[must_use]
    pub fn end(self) -> u64 {
        let files = self.files.map_or(0, Files::end);
        files + self.feeds.into_iter().map(Feed::end).sum::<u64>()
    }
}

/// Numbers and times of events.
pub(crate) struct Numbers {
    clock: Clock,
    sequence: u64,
    timestamp: String,
    text: Vec<u8>,
}

impl Numbers {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { clock: Clock::new(&settings.style), sequence: 0, timestamp: String::new(), text: Vec::new() }
    }

    /// The number and the time of an event that is written now.
    pub(crate) fn next(&mut self) -> Head<'_> {
        self.text.clear();
        self.clock.micros(&mut self.text, runtime::clock::now());
        self.timestamp.clear();
        self.timestamp.push_str(std::str::from_utf8(&self.text).unwrap_or_default());
        let sequence = self.sequence;
        self.sequence += 1;
        Head { sequence, timestamp: &self.timestamp }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use config::KeyPrefix;
    use std::io::Write;
    use std::path::Path;

    /// An event for tests. In Avro, texts with capitals have another schema, and `-` has none.
    #[derive(Clone, Debug)]
    pub(crate) struct Note {
        peer: String,
        pub(crate) text: String,
    }

    impl Note {
        pub(crate) fn of(peer: &str, text: &str) -> Self {
            Self { peer: peer.to_owned(), text: text.to_owned() }
        }
    }

    impl Event for Note {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "peer_src_ip").then(|| self.peer.clone())
        }

        fn json(&self, head: &Head<'_>, out: &mut Vec<u8>) {
            write!(out, "{{\"seq\": {}, \"text\": \"{}\"}}", head.sequence, self.text).unwrap();
        }

        fn avro(&self, _head: &Head<'_>, out: &mut Vec<u8>) -> Option<&'static str> {
            write!(out, "avro {}", self.text).unwrap();
            match self.text.as_str() {
                "-" => None,
                text if text.chars().all(char::is_uppercase) => Some("\"upper\""),
                _ => Some("\"lower\""),
            }
        }
    }

    /// Settings for one file.
    pub(crate) fn settings(path: &Path) -> Settings {
        let settings = Settings::without_brokers(KeyPrefix::BMP_DAEMON_MSGLOG, &["peer_src_ip"]);
        Settings { file: Some(path.to_owned()), ..settings }
    }

    #[test]
    fn events_are_numbered_and_go_everywhere() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder.path().join("log"));
        let (mut log, _) = Log::open(&settings);
        let (feed, delivery, got) = broker::tests::feed(&settings, "t");
        log.feeds.push(feed);
        let thread = std::thread::spawn(move || delivery.run(|what| panic!("{what}")));
        log.add(&Note::of("", "a"));
        log.add(&Note::of("", "b"));
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
