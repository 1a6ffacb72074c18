//! `sfacctd_counter_file` and related keys: sFlow counter samples, one event for each block of counters.
//!
//! Workers make the events ([`Lines`]) and hand them over in batches; one thread writes them ([`Log::run`]). A slow
//! writer costs events, which are counted, never samples.

mod part;

pub(crate) use part::ROW;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use event_log::{Delivery, Event, Head, Settings};
use recent::Map;
use sflow::{CounterBlock, CounterHead, CounterSample};
use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Variables in file and topic names: the agent.
pub(crate) const VARIABLES: &[&str] = &["peer_src_ip"];
/// Maximum number of lines that a worker keeps while the writer is slow.
const MAX_LINES: usize = 16_384;
/// Maximum number of agents and sub-agents whose logs have begun; beyond it, the longest silent one begins again.
const MAX_AGENTS: usize = 65_536;
/// Batches that may wait for the writer.
const BATCHES: usize = 64;

/// Kinds of blocks whose counters are written. For other kinds only the header is.
const KINDS: &[&str] = &["generic", "ethernet", "vlan"];

/// A block as JSON, from its exporter on; without text, the start of an agent's log.
struct Line {
    agent: IpAddr,
    text: Option<String>,
}

impl Event for Line {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        VARIABLES.contains(&name).then(|| self.agent.to_string().into())
    }

    fn json(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        // Writing to a `Vec` cannot fail.
        let _ = write!(out, "{{\"seq\": {}, \"timestamp\": \"{}\", ", head.sequence, head.timestamp);
        let _ = match &self.text {
            Some(text) => write!(out, "{text}"),
            None => write!(out, "\"peer_src_ip\": \"{}\", \"event_type\": \"log_init\"}}", self.agent),
        };
    }

    fn weight(&self) -> u64 {
        u64::from(self.text.is_some())
    }
}

/// Lines of one worker.
pub(crate) struct Lines {
    lines: Vec<Line>,
    /// Agents and sub-agents whose logs have begun.
    begun: Map<(IpAddr, u32), ()>,
    lost: u64,
    /// Blocks that were not written, of all workers.
    unwritten: Arc<AtomicU64>,
    sender: Sender<Vec<Line>>,
}

/// The writer's end.
pub(crate) struct Log {
    log: event_log::Log,
    receiver: Receiver<Vec<Line>>,
    /// Number of requests to reopen files.
    reopenings: Arc<AtomicU64>,
    /// Blocks that were not written.
    unwritten: Arc<AtomicU64>,
}

/// The workers' ends, before the workers start. The writer ends when all of them are dropped.
pub(crate) struct Ends {
    unwritten: Arc<AtomicU64>,
    sender: Sender<Vec<Line>>,
}

impl Ends {
    /// Creates the end of one worker.
    pub(crate) fn lines(&self) -> Lines {
        Lines {
            lines: Vec::new(),
            begun: Map::new(MAX_AGENTS),
            lost: 0,
            unwritten: Arc::clone(&self.unwritten),
            sender: self.sender.clone(),
        }
    }
}

/// Creates both ends, and the deliveries to brokers, which need a thread each. When `reopenings` changes, the writer reopens its
/// files.
pub(crate) fn open(
    settings: &Settings,
    reopenings: &Arc<AtomicU64>,
    unwritten: &Arc<AtomicU64>,
) -> (Ends, Log, Vec<Delivery>) {
    let (sender, receiver) = crossbeam_channel::bounded(BATCHES);
    let (log, deliveries) = event_log::Log::open(settings);
    let log = Log { log, receiver, reopenings: Arc::clone(reopenings), unwritten: Arc::clone(unwritten) };
    (Ends { unwritten: Arc::clone(unwritten), sender }, log, deliveries)
}

impl Lines {
    /// Notes a datagram of an agent and sub-agent: the first one begins the log.
    pub(crate) fn begin(&mut self, agent: IpAddr, sub_agent: u32) {
        let who = (agent, sub_agent);
        if self.begun.get_mut(&who).is_some() || self.lines.len() >= MAX_LINES {
            return;
        }
        self.begun.insert(who, ());
        self.lines.push(Line { agent, text: None });
    }

    /// Adds the blocks of a sample. `sequence` is that of its datagram.
    pub(crate) fn add(&mut self, agent: IpAddr, sequence: u32, sample: &CounterSample<'_>) {
        for block in sample.blocks() {
            match block {
                Ok(_) if self.lines.len() >= MAX_LINES => {
                    self.lost += 1;
                    self.unwritten.fetch_add(1, Ordering::Relaxed);
                }
                Ok(block) => {
                    self.lines.push(Line { agent, text: Some(text(agent, sequence, &sample.head, &block)) })
                }
                Err(_) => self.lost += 1,
            }
        }
    }

    /// Sends the lines to the writer, if it has room. Returns the blocks handed over and those lost since the last call.
    pub(crate) fn hand_over(&mut self) -> (u64, u64) {
        let lost = std::mem::take(&mut self.lost);
        if self.lines.is_empty() {
            return (0, lost);
        }
        let count = self.lines.len() as u64;
        match self.sender.try_send(std::mem::take(&mut self.lines)) {
            Ok(()) => (count, lost),
            Err(TrySendError::Full(lines)) => {
                self.lines = lines;
                (0, lost)
            }
            Err(TrySendError::Disconnected(_)) => (0, lost + count),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // At the end, waiting for the writer does no harm.
        let _ = self.sender.send(std::mem::take(&mut self.lines));
    }
}

fn text(agent: IpAddr, sequence: u32, head: &CounterHead, block: &CounterBlock<'_>) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "\"peer_ip_src\": \"{agent}\", \"event_type\": \"log\", \"source_id_index\": {}, \"sflow_seq\": {sequence}, \
         \"sflow_cnt_seq\": {}",
        head.source.index, head.sequence
    );
    if let Some(name) = block.name().filter(|name| KINDS.contains(name)) {
        let _ = write!(text, ", \"sf_cnt_type\": \"sflow_cnt_{name}\"");
        for (name, value) in block.fields() {
            // Readers of this log know signed numbers of 64 bits only.
            let _ = write!(text, ", \"{name}\": {}", value as i64);
        }
    }
    text.push('}');
    text
}

impl Log {
    /// Writes until all workers have ended.
    pub(crate) fn run(self) {
        let Self { mut log, receiver, reopenings, unwritten } = self;
        let mut opened = reopenings.load(Ordering::Acquire);
        while let Ok(lines) = receiver.recv() {
            let asked = reopenings.load(Ordering::Acquire);
            if asked != opened {
                opened = asked;
                log.reopen();
            }
            lines.iter().for_each(|line| log.add(line));
            log.flush();
        }
        unwritten.fetch_add(log.end(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_written_to_the_file_of_its_agent_and_opened_again_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut settings = Settings::without_brokers(config::KeyPrefix::SFACCTD_COUNTER, VARIABLES);
        settings.file = Some(path("$peer_src_ip.json"));
        let (reopenings, unwritten) = (Arc::default(), Arc::default());
        let (ends, log, _) = open(&settings, &reopenings, &unwritten);
        let writer = std::thread::spawn(move || log.run());
        let agent = IpAddr::from([192, 0, 2, 1]);
        let mut lines = ends.lines();
        drop(ends);
        lines.begin(agent, 0);
        lines.begin(agent, 0);
        assert_eq!(lines.hand_over(), (1, 0));
        let began = std::time::Instant::now();
        while std::fs::metadata(path("192_0_2_1.json")).map_or(0, |file| file.len()) == 0 {
            assert!(began.elapsed().as_secs() < 20);
            std::thread::yield_now();
        }
        std::fs::rename(path("192_0_2_1.json"), path("old")).unwrap();
        reopenings.fetch_add(1, Ordering::AcqRel);
        lines.begin(agent, 1);
        drop(lines);
        writer.join().unwrap();
        for (name, sequence) in [("old", 0), ("192_0_2_1.json", 1)] {
            let text = std::fs::read_to_string(path(name)).unwrap();
            let end = "\"peer_src_ip\": \"192.0.2.1\", \"event_type\": \"log_init\"}\n";
            assert!(text.starts_with(&format!("{{\"seq\": {sequence}, \"timestamp\": \"")), "{text}");
            assert!(text.ends_with(end) && text.lines().count() == 1, "{text}");
        }
        assert_eq!(unwritten.load(Ordering::Relaxed), 0);
    }
}
