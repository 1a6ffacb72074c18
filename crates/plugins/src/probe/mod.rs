//! The plugins `nfprobe` and `sfprobe`: export of flows to a collector.
//!
//! sfprobe takes samples of packets, which workers encode ([`packets`]), and sends them as an sFlow agent.
//!
//! nfprobe takes the tables of the workers once a second, merges them in its flow cache, and sends the flows that have
//! ended ([`::probe`]). A collector that is away costs datagrams, which are counted with the flows in them, and nothing else.

mod batch;
mod output;
pub mod packets;
mod sender;
mod session;
mod settings;
pub(crate) mod sfprobe;
mod target;

pub use settings::{Nfprobe, Sfprobe};
pub use target::Target;

use crate::outlet::{Event, Inlet};
use crate::sink::{Accounting, PATIENCE};
use ::probe::options::About;
use ::probe::{Cache, Exporter};
use aggregate::Table;
use flow::schema::Schema;
use flow::strings::Strings;
use output::Output;
use runtime::clock;
use runtime::log::Identity;
use runtime::threads::Threads;
use sender::{Pace, Sender};
use session::Outlet;
use stats::Counters;
use std::io;
use std::path::Path;
use std::sync::Arc;
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

/// Starts the thread of nfprobe `name`, and that of its session, if it has one.
///
/// # Errors
/// The kernel allows no more threads.
pub fn start(
    name: &str,
    settings: Nfprobe,
    schema: Arc<Schema>,
    inlet: Inlet,
    counters: Counters,
    (identity, threads): (Identity, &Threads),
) -> io::Result<()> {
    let accounting = Accounting::new(counters);
    let (target, version) = (settings.target.clone(), settings.export.version);
    // A socket is opened by the thread, since that asks the resolver.
    let outlet = match settings.session() {
        None => Err(accounting),
        Some(session) => {
            let of_session = (format!("nfprobe[{name}]/session"), identity.clone(), threads);
            Ok(Outlet::start(target, version, session, accounting, of_session)?)
        }
    };
    threads.spawn(format!("nfprobe[{name}]"), identity, move || {
        let output = match outlet {
            Ok(outlet) => Output::Session(Box::new(outlet)),
            Err(accounting) => {
                // Flows end together; packets come one by one, but from a file.
                let pace = if settings.caches || settings.is_replay { Pace::Limited } else { Pace::Free };
                Output::Datagrams(Box::new(Sender::new(settings.target.clone(), pace, accounting)))
            }
        };
        run(&settings, &schema, inlet, output);
    })
}

/// The thread of nfprobe: takes tables until all workers have ended.
fn run(settings: &Nfprobe, schema: &Schema, mut inlet: Inlet, output: Output) {
    let mut probe = Probe::new(settings, schema, output);
    let tick = if settings.caches { TICK } else { UNCACHED_TICK };
    let mut due = Instant::now() + tick;
    loop {
        match inlet.wait(due) {
            Event::Early(table) => probe.take(table),
            Event::Due | Event::Flush => {
                if let Some(table) = inlet.collect(PATIENCE) {
                    probe.take(table);
                }
                // Open flows are in memory only.
                inlet.checkpoint().confirm();
                probe.tick();
                due = Instant::now() + tick;
            }
            Event::Ended => {
                if let Some(table) = inlet.collect(PATIENCE) {
                    probe.take(table);
                }
                inlet.checkpoint().confirm();
                probe.end();
                return;
            }
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
    /// The contents of options data.
    about: About,
    /// When the names of interfaces were read.
    named: Option<Instant>,
    /// IPv6 flows of v5 were mentioned.
    has_warned: bool,
}

impl<'a> Probe<'a> {
    fn new(settings: &'a Nfprobe, schema: &Schema, output: Output) -> Self {
        let mut exporter = Exporter::new(settings.export.clone(), schema, output.limit());
        if let Output::Session(outlet) = &output
            && outlet.keeps_templates()
        {
            exporter.leave_out_templates();
        }
        for name in exporter.unsupported() {
            let version = settings.version;
            warn!("aggregate: '{name}' is not exported: nfprobe_version {version} has no field for it.");
        }
        Self {
            settings,
            cache: Cache::new(schema, settings.timeouts, settings.max_flows),
            exporter,
            output,
            examined: clock::now(),
            about: About::default(),
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
            exporter.add(key, values, strings, now, &mut |datagram| output.push(datagram));
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
        self.introduce();
        let now = clock::now();
        if now.abs_diff(self.examined) >= u64::from(self.settings.timeouts.expint) * SECOND {
            self.examined = now;
            // The packets of a file have times of their own.
            let time = if self.settings.is_replay { self.cache.latest() } else { now };
            let Self { cache, exporter, output, .. } = self;
            cache.expire(time, &mut |key, values, strings| {
                exporter.add(key, values, strings, now, &mut |datagram| output.push(datagram));
            });
        }
        self.flush(now);
    }

    /// Ends all flows.
    fn end(&mut self) {
        let now = clock::now();
        let Self { cache, exporter, output, .. } = self;
        cache.drain(&mut |key, values, strings| {
            exporter.add(key, values, strings, now, &mut |datagram| output.push(datagram));
        });
        self.flush(now);
        self.output.finish();
    }

    fn flush(&mut self, now: u64) {
        let Self { cache, exporter, output, .. } = self;
        exporter.flush(now, &mut |datagram| output.push(datagram));
        output.flush();
        exporter.set_limit(output.limit());
        let accounting = output.accounting();
        accounting.open_flows(cache.len() as u64, cache.size() as u64);
        let skipped = exporter.take_skipped().flows;
        if skipped > 0 {
            accounting.handed(skipped);
            accounting.filtered(skipped);
            if !std::mem::replace(&mut self.has_warned, true) {
                warn!("nfprobe_version: NetFlow v5 cannot express IPv6 flows; they are not exported.");
            }
        }
    }

    /// Sets the exporter's address and the names of interfaces, which may change.
    fn introduce(&mut self) {
        if self.settings.version == 5 {
            return;
        }
        let address = self.settings.target.source.or_else(|| self.output.local_address());
        let is_due = self.named.is_none_or(|named| named.elapsed() >= NAMES);
        if !is_due && self.about.address == address {
            return;
        }
        self.named = Some(Instant::now());
        self.about.address = address;
        if self.settings.names_interfaces {
            self.about.interfaces = interfaces();
        }
        let has_changed = self.exporter.set_about(self.about.clone());
        if let Output::Session(outlet) = &mut self.output
            && (has_changed || !outlet.has_announcement())
        {
            outlet.announce(&mut self.exporter, clock::now());
        }
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
