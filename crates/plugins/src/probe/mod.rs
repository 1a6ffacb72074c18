//! The plugins `nfprobe` and `sfprobe`: export of flows to a collector.
//!
//! sfprobe takes samples of packets, which workers encode ([`packets`]), and sends them as an sFlow agent.
//!
//! nfprobe takes the tables of the workers once a second, merges them in its flow cache, and sends the flows that have
//! ended ([`::probe`]). A collector that is away costs datagrams, which are counted with the flows in them, and nothing else.

pub mod packets;
mod sender;
mod settings;
pub(crate) mod sfprobe;

pub use sender::Target;
pub use settings::{Nfprobe, Sfprobe};

use crate::outlet::{Event, Inlet};
use crate::sink::{Accounting, DropReason, PATIENCE};
use ::probe::options::About;
use ::probe::{Cache, Contents, Datagram, Exporter};
use aggregate::Table;
use delivery::Sum;
use flow::schema::Schema;
use flow::strings::Strings;
use runtime::clock;
use sender::{Pace, Sender};
use stats::Counters;
use std::path::Path;
use std::time::{Duration, Instant};
use tracing::warn;

/// How often the tables of workers are taken.
const TICK: Duration = Duration::from_secs(1);
/// The same where nothing is cached.
const UNCACHED_TICK: Duration = Duration::from_millis(100);
/// How often the names of interfaces are read.
const NAMES: Duration = Duration::from_secs(60);
/// Maximum number of interfaces that are named.
const MAX_NAMES: usize = 256;
/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// The thread of nfprobe: takes tables until all workers have ended.
pub fn run(settings: &Nfprobe, schema: &Schema, mut inlet: Inlet, counters: Counters) {
    let mut probe = Probe::new(settings, schema, counters);
    let tick = if settings.caches { TICK } else { UNCACHED_TICK };
    let mut due = Instant::now() + tick;
    loop {
        match inlet.wait(due) {
            Event::Early(table) => probe.take(table),
            Event::Due => {
                if let Some(table) = inlet.collect(PATIENCE) {
                    probe.take(table);
                }
                probe.tick();
                due = Instant::now() + tick;
            }
            Event::Ended => {
                if let Some(table) = inlet.collect(PATIENCE) {
                    probe.take(table);
                }
                probe.end();
                return;
            }
        }
    }
}

/// Where complete datagrams go, and what is counted.
struct Output {
    sender: Sender,
    accounting: Accounting,
    /// The kernel refused a datagram because of its length.
    is_too_long: bool,
}

impl Output {
    fn send(&mut self, datagram: Datagram<'_>) {
        let Contents { flows, packets, bytes } = datagram.contents;
        let outcome = self.sender.send(datagram.octets);
        self.accounting.handed(flows);
        self.accounting.datagram(outcome.is_sent, outcome.refused);
        if outcome.is_sent {
            self.accounting.written(flows);
        } else {
            self.is_too_long |= outcome.is_too_long;
            self.accounting.dropped(Sum { aggregates: flows, packets, bytes }, DropReason::Refused);
        }
    }
}

struct Probe<'a> {
    settings: &'a Nfprobe,
    cache: Cache,
    exporter: Exporter,
    output: Output,
    /// When flows were examined: microseconds since 1970.
    examined: u64,
    /// When the names of interfaces were read.
    named: Option<Instant>,
    /// IPv6 flows of v5 were mentioned.
    has_warned: bool,
}

impl<'a> Probe<'a> {
    fn new(settings: &'a Nfprobe, schema: &Schema, counters: Counters) -> Self {
        // Flows end together; packets come one by one, but from a file.
        let pace = if settings.caches || settings.is_replay { Pace::Limited } else { Pace::Free };
        let sender = Sender::new(settings.target.clone(), pace);
        let exporter = Exporter::new(settings.export.clone(), schema, sender.limit());
        for name in exporter.unsupported() {
            let version = settings.version;
            warn!("aggregate: '{name}' is not exported: nfprobe_version {version} has no field for it.");
        }
        Self {
            settings,
            cache: Cache::new(schema, settings.timeouts, settings.max_flows),
            exporter,
            output: Output { sender, accounting: Accounting::new(counters), is_too_long: false },
            examined: clock::now(),
            named: None,
            has_warned: false,
        }
    }

    /// Takes the flows of a table.
    fn take(&mut self, table: Table) {
        self.introduce();
        let now = clock::now();
        let Self { cache, exporter, output, .. } = self;
        let mut export = |key: &[u8], values: &[u64], strings: &Strings| {
            exporter.add(key, values, strings, now, &mut |datagram| output.send(datagram));
        };
        if self.settings.caches {
            cache.add(table, &mut export);
        } else {
            table.iter().for_each(|flow| export(flow.key, flow.values, table.strings()));
        }
        self.flush(now);
    }

    /// Ends the flows that are due.
    fn tick(&mut self) {
        let now = clock::now();
        if now.abs_diff(self.examined) >= u64::from(self.settings.timeouts.expint) * SECOND {
            self.examined = now;
            // The packets of a file have times of their own.
            let time = if self.settings.is_replay { self.cache.latest() } else { now };
            let Self { cache, exporter, output, .. } = self;
            cache.expire(time, &mut |key, values, strings| {
                exporter.add(key, values, strings, now, &mut |datagram| output.send(datagram));
            });
        }
        self.flush(now);
    }

    /// Ends all flows.
    fn end(&mut self) {
        let now = clock::now();
        let Self { cache, exporter, output, .. } = self;
        cache.drain(&mut |key, values, strings| {
            exporter.add(key, values, strings, now, &mut |datagram| output.send(datagram));
        });
        self.flush(now);
    }

    fn flush(&mut self, now: u64) {
        let Self { cache, exporter, output, .. } = self;
        exporter.flush(now, &mut |datagram| output.send(datagram));
        output.accounting.open_flows(cache.len() as u64, cache.size() as u64);
        let skipped = exporter.take_skipped().flows;
        if skipped > 0 {
            output.accounting.handed(skipped);
            output.accounting.filtered(skipped);
            if !std::mem::replace(&mut self.has_warned, true) {
                warn!("nfprobe_version: NetFlow v5 cannot express IPv6 flows; they are not exported.");
            }
        }
        if std::mem::take(&mut output.is_too_long) {
            exporter.set_limit(sender::SAFE_LENGTH);
        }
    }

    /// Sets the exporter's address and the names of interfaces, which may change.
    fn introduce(&mut self) {
        if self.settings.version == 5 || self.named.is_some_and(|named| named.elapsed() < NAMES) {
            return;
        }
        self.named = Some(Instant::now());
        let address = self.settings.target.source.or_else(|| self.output.sender.local_address());
        let interfaces = if self.settings.names_interfaces { interfaces() } else { Vec::new() };
        self.exporter.set_about(About { address, interfaces });
    }
}

/// The interfaces of the system, by index.
fn interfaces() -> Vec<(u32, String)> {
    let Ok(entries) = std::fs::read_dir("/sys/class/net") else { return Vec::new() };
    let index = |path: &Path| std::fs::read_to_string(path.join("ifindex")).ok()?.trim().parse().ok();
    let named = |entry: std::fs::DirEntry| Some((index(&entry.path())?, entry.file_name().into_string().ok()?));
    let mut interfaces: Vec<(u32, String)> = entries.flatten().filter_map(named).take(MAX_NAMES).collect();
    interfaces.sort();
    interfaces
}
