//! Holding a log back: while another daemon writes the same events, they are queued, in case this one has to take over.
//!
//! A [`Gate`] says whether events pass. While it is closed, a log keeps its newest events as they would be written, for a limited time
//! and within limits of number and memory; older ones are dropped, since the other daemon has written them. When the gate opens, what is
//! kept goes out in order. A dump of tables does not begin while the gate is closed.

use crate::{Encoding, Event, Head, Settings};
use config::KeyPrefix;
use runtime::log::Limited;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Minimum time between two log lines about a queue whose memory is exhausted.
const RATE: Duration = Duration::from_secs(60);
/// The memory in bytes that an idle queue keeps.
const IDLE: usize = 1 << 20;
/// Marks a variable that an event does not have.
const ABSENT: u16 = u16::MAX;

/// Whether the daemon writes its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is not known yet: events are kept; at the end they are written.
    Undecided,
    /// It does.
    Open,
    /// Another one does.
    Closed,
}

/// Whether events pass, for all logs and dumps of a daemon.
#[derive(Debug, Default)]
pub struct Gate(AtomicU8);

impl Gate {
    const ALL: [Passage; 3] = [Passage::Undecided, Passage::Open, Passage::Closed];

    /// Opens or closes it.
    pub fn set(&self, passage: Passage) {
        let number = Self::ALL.iter().position(|other| *other == passage).unwrap_or_default();
        self.0.store(u8::try_from(number).unwrap_or_default(), Ordering::Release);
    }

    /// Whether events pass.
    #[must_use]
    pub fn passage(&self) -> Passage {
        Self::ALL.get(usize::from(self.0.load(Ordering::Acquire))).copied().unwrap_or(Passage::Open)
    }

    /// Whether events pass now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.passage() == Passage::Open
    }
}

/// How a log is held back.
#[derive(Clone, Debug)]
pub struct Hold {
    /// When.
    pub gate: Arc<Gate>,
    /// For how long an event is kept.
    pub max_age: Duration,
    /// The maximum number of events that are kept; `None` if only their memory is limited.
    pub max_events: Option<u64>,
    /// What is kept, for others to see.
    pub figures: Arc<Figures>,
}

/// Why a kept event was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was kept for long enough.
    Age,
    /// There were too many.
    Count,
    /// They took too much memory.
    Memory,
    /// The daemon has ended.
    End,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Age, Self::Count, Self::Memory, Self::End];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Count => "count",
            Self::Memory => "memory",
            Self::End => "end",
        }
    }
}

/// The figures of a queue. The thread of the log writes them, once per batch of events.
#[derive(Debug, Default)]
pub struct Figures {
    events: AtomicU64,
    bytes: AtomicU64,
    dropped: [AtomicU64; Reason::ALL.len()],
    released: AtomicU64,
}

impl Figures {
    /// The events that are kept now.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// The memory that they take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The events that were kept and written later.
    #[must_use]
    pub fn released(&self) -> u64 {
        self.released.load(Ordering::Relaxed)
    }

    /// The events that were kept and dropped, by reason.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = Reason::ALL.iter().zip(&self.dropped);
        counts.map(|(reason, count)| (reason.name(), count.load(Ordering::Relaxed)))
    }
}

/// The kept events of a log.
pub(crate) struct Queue {
    hold: Hold,
    prefix: KeyPrefix,
    /// The maximum of [`Queue::bytes`]. What is allocated is up to twice that.
    max_bytes: usize,
    encoding: Encoding,
    /// The variables that names use.
    variables: Box<[&'static str]>,
    /// The events one after the other: the values of their variables, then what is to be written.
    octets: VecDeque<u8>,
    entries: VecDeque<Entry>,
    /// The event at hand.
    scratch: Vec<u8>,
    /// The time, as of the last batch.
    now: Instant,
    is_holding: bool,
    /// Dropped since the figures were last published.
    dropped: [u64; Reason::ALL.len()],
    is_full: Limited,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Bytes of the event in the queue.
    length: usize,
    /// The weight of the event.
    weight: u64,
    /// The position of its Avro schema.
    schema: usize,
    added: Instant,
}

impl Queue {
    pub(crate) fn new(settings: &Settings, hold: &Hold) -> Self {
        let is_holding = !hold.gate.is_open();
        Self {
            hold: hold.clone(),
            prefix: settings.prefix,
            // What goes out must fit into the queues of brokers, which are limited to all of it, next to what is there already.
            max_bytes: usize::try_from(settings.max_bytes / 2).unwrap_or(usize::MAX),
            encoding: settings.encoding,
            variables: settings.used_variables().into(),
            octets: VecDeque::new(),
            entries: VecDeque::new(),
            scratch: Vec::new(),
            now: Instant::now(),
            is_holding,
            dropped: Default::default(),
            is_full: Limited::new(RATE),
        }
    }

    /// Whether events are to be kept. It changes between two batches only.
    pub(crate) fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// Keeps an event; `text` is what is written in all encodings but Avro.
    pub(crate) fn keep(&mut self, event: &impl Event, head: &Head<'_>, text: &[u8]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        for variable in &self.variables {
            let value = event.variable(variable);
            // Longer ones would not fit into names.
            let value = value
                .as_deref()
                .map(|value| value.get(..value.floor_char_boundary(usize::from(ABSENT) - 1)).unwrap_or_default());
            let length = value.and_then(|value| u16::try_from(value.len()).ok()).unwrap_or(ABSENT);
            scratch.extend_from_slice(&length.to_le_bytes());
            scratch.extend_from_slice(value.unwrap_or_default().as_bytes());
        }
        let schema = match self.encoding {
            Encoding::Avro => event.avro(head, &mut scratch),
            _ => {
                scratch.extend_from_slice(text);
                Some(0)
            }
        };
        if let Some(schema) = schema {
            self.octets.extend(&scratch);
            let length = scratch.len();
            self.entries.push_back(Entry { length, weight: event.weight(), schema, added: self.now });
            let max_events = self.hold.max_events.unwrap_or(u64::MAX);
            while self.entries.len() as u64 > max_events {
                self.drop_first(Reason::Count);
            }
            while self.bytes() > self.max_bytes {
                self.drop_first(Reason::Memory);
            }
        }
        self.scratch = scratch;
    }

    /// Ends a batch: drops what is too old, or hands out all that is kept if the gate has opened.
    pub(crate) fn turn(&mut self, write: impl FnMut(&Kept<'_>)) {
        self.now = Instant::now();
        let passage = self.hold.gate.passage();
        self.is_holding = passage != Passage::Open;
        match passage {
            Passage::Open => self.release(write),
            Passage::Closed => self.expire(),
            Passage::Undecided => {}
        }
        self.publish();
    }

    /// The log ends: hands out what is kept if it was never decided who writes it.
    pub(crate) fn end(mut self, write: impl FnMut(&Kept<'_>)) {
        match self.hold.gate.passage() {
            Passage::Open | Passage::Undecided => self.release(write),
            Passage::Closed => {
                while !self.entries.is_empty() {
                    self.drop_first(Reason::End);
                }
            }
        }
        self.publish();
    }

    fn bytes(&self) -> usize {
        self.octets.len() + self.entries.len() * size_of::<Entry>()
    }

    fn drop_first(&mut self, reason: Reason) {
        let Some(first) = self.entries.pop_front() else { return };
        self.octets.drain(..first.length.min(self.octets.len()));
        if let Some(dropped) = self.dropped.get_mut(reason as usize) {
            *dropped += 1;
        }
    }

    fn expire(&mut self) {
        let is_old = |entry: &Entry| self.now.saturating_duration_since(entry.added) >= self.hold.max_age;
        let old = self.entries.iter().take_while(|entry| is_old(entry)).count();
        (0..old).for_each(|_| self.drop_first(Reason::Age));
        // After a flood, its memory is given back.
        let needed = self.octets.len() * 2;
        if self.octets.capacity() > needed.max(IDLE) * 2 {
            self.octets.shrink_to(needed);
        }
    }

    fn release(&mut self, mut write: impl FnMut(&Kept<'_>)) {
        if self.entries.is_empty() {
            return;
        }
        // The memory is needed no longer.
        let (entries, mut octets) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.octets));
        let mut rest: &[u8] = octets.make_contiguous();
        for entry in &entries {
            let (event, after) = rest.split_at_checked(entry.length).unwrap_or((rest, &[]));
            write(&Kept::new(&self.variables, entry, event));
            rest = after;
        }
        let released = entries.len();
        info!(messages = released, "{}*: what was kept on stand-by goes out", self.prefix.0);
        self.hold.figures.released.fetch_add(released as u64, Ordering::Relaxed);
    }

    fn publish(&mut self) {
        let [.., by_memory, _] = self.dropped;
        if by_memory > 0
            && let Some(first) = self.entries.front()
            && let Some(pass) = self.is_full.pass()
        {
            warn!(
                held_back = pass.held_back,
                "{}*: on stand-by, only the events of the last {} s are kept: more would exceed half of plugin_queue_memory",
                self.prefix.0,
                self.now.saturating_duration_since(first.added).as_secs()
            );
        }
        let figures = &self.hold.figures;
        figures.events.store(self.entries.len() as u64, Ordering::Relaxed);
        figures.bytes.store(self.bytes() as u64, Ordering::Relaxed);
        for (figure, dropped) in figures.dropped.iter().zip(&mut self.dropped) {
            if *dropped > 0 {
                figure.fetch_add(std::mem::take(dropped), Ordering::Relaxed);
            }
        }
    }
}

/// A kept event. It is an event itself, which renders what was kept.
pub(crate) struct Kept<'a> {
    variables: &'a [&'static str],
    /// The values of the variables, then what is written.
    octets: &'a [u8],
    /// Where the latter begins.
    start: usize,
    weight: u64,
    schema: usize,
}

impl<'a> Kept<'a> {
    fn new(variables: &'a [&'static str], entry: &Entry, octets: &'a [u8]) -> Self {
        let mut start = 0;
        for _ in variables {
            start = next_value(octets, start).1;
        }
        Self { variables, octets, start, weight: entry.weight, schema: entry.schema }
    }

    /// What is written, in all encodings but Avro.
    pub(crate) fn text(&self) -> &'a [u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }
}

/// The value at that place, if the event has it, and the place of the next one.
fn next_value(octets: &[u8], start: usize) -> (Option<&[u8]>, usize) {
    let rest = octets.get(start..).unwrap_or_default();
    match rest.split_first_chunk() {
        Some((length, rest)) => match u16::from_le_bytes(*length) {
            ABSENT => (None, start + 2),
            length => (rest.get(..usize::from(length)), start + 2 + usize::from(length)),
        },
        None => (None, start),
    }
}

impl Event for Kept<'_> {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut start = 0;
        for variable in self.variables {
            let (value, next) = next_value(self.octets, start);
            if *variable == name {
                return value.map(String::from_utf8_lossy);
            }
            start = next;
        }
        None
    }

    fn json(&self, _head: &Head<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text());
    }

    fn avro(&self, _head: &Head<'_>, out: &mut Vec<u8>) -> Option<usize> {
        out.extend_from_slice(self.text());
        Some(self.schema)
    }

    fn weight(&self) -> u64 {
        self.weight
    }
}

#[cfg(test)]
mod tests;
