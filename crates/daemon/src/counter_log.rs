//! `sfacctd_counter_file` and its kin: counter samples of sFlow, one JSON object for each block of counters, as lines of a file and as
//! messages to brokers.
//!
//! Workers make the lines ([`Lines`]) and hand them over batch by batch; one thread numbers and writes them ([`Log::run`]), into a
//! file for each agent where the name asks for it. A thread that is behind costs lines, which are counted, never samples.

mod part;

pub(crate) use part::ROW;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use encode::Style;
use encode::time::Clock;
use recent::Map;
use runtime::files;
use runtime::log::Limited;
use sflow::{CounterBlock, CounterHead, CounterSample};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tracing::error;

/// The variable of the name that stands for the agent.
const AGENT: &str = "$peer_src_ip";
/// Most lines that a worker keeps while the writer is behind.
const MOST_LINES: usize = 16_384;
/// Most agents and sub-agents that are known to have begun; of more, the one that was silent longest begins again.
const MOST_AGENTS: usize = 65_536;
/// Batches that may wait for the writer.
const BATCHES: usize = 64;
/// Most files that are open at once.
const MOST_FILES: usize = 256;
/// A line in the daemon's log about a file that cannot be written: one in so many seconds.
const RATE: Duration = Duration::from_secs(10);

/// Kinds of blocks whose counters are written. Of others the head alone is.
const KINDS: &[&str] = &["generic", "ethernet", "vlan"];

/// Where counters go.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file, with the agent's address for [`AGENT`].
    pub(crate) path: Option<PathBuf>,
    /// Brokers that get the same objects.
    #[cfg(all(feature = "amqp", feature = "kafka"))]
    pub(crate) feeds: Vec<brokers::feed::Settings>,
    pub(crate) files: files::Settings,
    pub(crate) style: Style,
}

/// A block, as JSON from its exporter on; without text, the agent itself.
struct Line {
    agent: IpAddr,
    text: Option<String>,
}

/// Lines of one worker.
pub(crate) struct Lines {
    lines: Vec<Line>,
    /// Agents and sub-agents whose logs have begun.
    begun: Map<(IpAddr, u32), ()>,
    lost: u64,
    /// As in [`Log`].
    unwritten: Arc<AtomicU64>,
    sender: Sender<Vec<Line>>,
}

/// The writer's end.
pub(crate) struct Log {
    settings: Settings,
    #[cfg(all(feature = "amqp", feature = "kafka"))]
    feeds: Vec<brokers::feed::Feed>,
    receiver: Receiver<Vec<Line>>,
    /// How often files were to be opened again.
    reopenings: Arc<AtomicU64>,
    /// Blocks that were not written.
    unwritten: Arc<AtomicU64>,
}

/// The workers' ends, before there are workers. The writer ends when nobody has one any more.
pub(crate) struct Ends {
    unwritten: Arc<AtomicU64>,
    sender: Sender<Vec<Line>>,
}

impl Ends {
    /// The end of one more worker.
    pub(crate) fn lines(&self) -> Lines {
        Lines {
            lines: Vec::new(),
            begun: Map::new(MOST_AGENTS),
            lost: 0,
            unwritten: Arc::clone(&self.unwritten),
            sender: self.sender.clone(),
        }
    }
}

/// Both ends. A change of the number of `reopenings` makes the writer open its files again.
pub(crate) fn open(settings: Settings, reopenings: &Arc<AtomicU64>, unwritten: &Arc<AtomicU64>) -> (Ends, Log) {
    let (sender, receiver) = crossbeam_channel::bounded(BATCHES);
    let log = Log {
        settings,
        #[cfg(all(feature = "amqp", feature = "kafka"))]
        feeds: Vec::new(),
        receiver,
        reopenings: Arc::clone(reopenings),
        unwritten: Arc::clone(unwritten),
    };
    (Ends { unwritten: Arc::clone(unwritten), sender }, log)
}

impl Lines {
    /// A datagram of an agent and sub-agent: its first one begins its log.
    pub(crate) fn begin(&mut self, agent: IpAddr, sub_agent: u32) {
        let who = (agent, sub_agent);
        if self.begun.get_mut(&who).is_some() || self.lines.len() >= MOST_LINES {
            return;
        }
        self.begun.insert(who, ());
        self.lines.push(Line { agent, text: None });
    }

    /// Adds the blocks of a sample. `sequence` is that of its datagram.
    pub(crate) fn add(&mut self, agent: IpAddr, sequence: u32, sample: &CounterSample<'_>) {
        for block in sample.blocks() {
            match block {
                Ok(_) if self.lines.len() >= MOST_LINES => {
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

    /// Gives the writer what there is, if it takes it. How many blocks it took, and how many were lost since the last call.
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
        // The end can wait for the writer.
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

/// The writer at work.
struct Writer {
    settings: Settings,
    #[cfg(all(feature = "amqp", feature = "kafka"))]
    feeds: Vec<brokers::feed::Feed>,
    clock: Clock,
    /// By agent; by nobody where one file has all.
    files: HashMap<Option<IpAddr>, BufWriter<File>>,
    sequence: u64,
    unwritten: u64,
    failing: Limited,
}

impl Log {
    /// Prepares the ways to brokers. The delivery workers want a thread each.
    #[cfg(all(feature = "amqp", feature = "kafka"))]
    pub(crate) fn open_feeds(&mut self) -> Vec<(brokers::feed::Settings, delivery::worker::Worker)> {
        let mut delivery_workers = Vec::new();
        for settings in &self.settings.feeds {
            let (feed, worker) = settings.open(runtime::clock::now());
            self.feeds.push(feed);
            delivery_workers.push((settings.clone(), worker));
        }
        delivery_workers
    }

    /// Writes until all workers have ended.
    pub(crate) fn run(self) {
        let clock = Clock::new(&self.settings.style);
        let mut writer = Writer {
            settings: self.settings,
            #[cfg(all(feature = "amqp", feature = "kafka"))]
            feeds: self.feeds,
            clock,
            files: HashMap::new(),
            sequence: 0,
            unwritten: 0,
            failing: Limited::new(RATE),
        };
        let mut opened = self.reopenings.load(Ordering::Acquire);
        while let Ok(lines) = self.receiver.recv() {
            let asked = self.reopenings.load(Ordering::Acquire);
            if asked != opened {
                opened = asked;
                writer.reopen();
            }
            writer.write(&lines);
        }
        #[cfg(all(feature = "amqp", feature = "kafka"))]
        for feed in writer.feeds {
            writer.unwritten += feed.end();
        }
        self.unwritten.fetch_add(writer.unwritten, Ordering::Relaxed);
    }
}

impl Writer {
    fn write(&mut self, lines: &[Line]) {
        let mut out = Vec::new();
        for line in lines {
            out.clear();
            self.head(&mut out);
            let _ = match &line.text {
                Some(text) => write!(out, "{text}"),
                None => write!(out, "\"peer_src_ip\": \"{}\", \"event_type\": \"log_init\"}}", line.agent),
            };
            #[cfg(all(feature = "amqp", feature = "kafka"))]
            self.feeds.iter_mut().for_each(|feed| feed.push(line.agent, &out));
            out.push(b'\n');
            if let Err(fault) = self.append(line.agent, &out) {
                self.unwritten += u64::from(line.text.is_some());
                self.complain(&fault);
            }
        }
        #[cfg(all(feature = "amqp", feature = "kafka"))]
        self.feeds.iter_mut().for_each(brokers::feed::Feed::flush);
        let faults: Vec<_> = self.files.values_mut().filter_map(|file| file.flush().err()).collect();
        // How many of the lines that wait together got lost is not known: one at least.
        self.unwritten += faults.len() as u64;
        faults.iter().for_each(|fault| self.complain(fault));
    }

    fn head(&mut self, out: &mut Vec<u8>) {
        let _ = write!(out, "{{\"seq\": {}, \"timestamp\": \"", self.sequence);
        self.clock.micros(out, runtime::clock::now());
        let _ = write!(out, "\", ");
        self.sequence += 1;
    }

    /// Opens files again, after a rotation. One that cannot be opened any more is written to as long as it is open.
    fn reopen(&mut self) {
        let agents: Vec<_> = self.files.keys().copied().collect();
        for agent in agents {
            match self.open(agent) {
                Ok(file) => drop(self.files.insert(agent, file)),
                Err(fault) => self.complain(&fault),
            }
        }
    }

    /// Opens the file of an agent, or the one of all.
    fn open(&self, agent: Option<IpAddr>) -> std::io::Result<BufWriter<File>> {
        let name = self.settings.path.as_deref().unwrap_or(Path::new("")).to_string_lossy();
        let path = match agent {
            Some(agent) => name.replace(AGENT, &agent.to_string().replace(['.', ':'], "_")),
            None => name.into_owned(),
        };
        files::append(Path::new(&path), &self.settings.files).map(BufWriter::new)
    }

    fn append(&mut self, agent: IpAddr, line: &[u8]) -> std::io::Result<()> {
        let Some(path) = &self.settings.path else { return Ok(()) };
        let key = path.to_string_lossy().contains(AGENT).then_some(agent);
        if !self.files.contains_key(&key) {
            if self.files.len() >= MOST_FILES {
                self.files.clear();
            }
            let file = self.open(key)?;
            self.files.insert(key, file);
        }
        self.files.get_mut(&key).map_or(Ok(()), |file| file.write_all(line))
    }

    fn complain(&self, fault: &std::io::Error) {
        if let Some(pass) = self.failing.pass() {
            let path = self.settings.path.as_deref().unwrap_or(Path::new("")).display();
            error!(held_back = pass.held_back, "sfacctd_counter_file: {path}: {fault}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_opened_again_is_written_to_as_long_as_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counters");
        let agent = IpAddr::from([192, 0, 2, 1]);
        let style = Style::default();
        let mut writer = Writer {
            clock: Clock::new(&style),
            settings: Settings {
                path: Some(path.clone()),
                #[cfg(all(feature = "amqp", feature = "kafka"))]
                feeds: Vec::new(),
                files: files::Settings::default(),
                style,
            },
            #[cfg(all(feature = "amqp", feature = "kafka"))]
            feeds: Vec::new(),
            files: HashMap::new(),
            sequence: 0,
            unwritten: 0,
            failing: Limited::new(RATE),
        };
        let line = || Line { agent, text: None };
        writer.write(&[line()]);
        let rotated = folder.path().join("counters.1");
        std::fs::rename(&path, &rotated).unwrap();
        std::fs::create_dir(&path).unwrap();
        writer.reopen();
        writer.write(&[line()]);
        assert_eq!(std::fs::read_to_string(&rotated).unwrap().lines().count(), 2);
        std::fs::remove_dir(&path).unwrap();
        writer.reopen();
        writer.write(&[line()]);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}
