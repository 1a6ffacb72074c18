//! Streaming telemetry: messages of routers and other nodes about their state, and what is written about them.
//!
//! ```text
//!   tcp    udp    udp-notif    kafka    zmq         threads, each with its input ([`input`])
//!    │      │         │          │       │
//!    └──────┴─────────┴──────────┴───────┘
//!                     ▼                             a lock, taken once for each batch ([`service`])
//!                 Collector                         payload as JSON, tags, subscription ([`collector`])
//!                  │     │
//!        message log     Events ──▶ dumps           records ([`record`]), written by `event_log`
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the configuration that inputs share |
//! | [`input`] | the contract of an input |
//! | [`tcp`], [`udp`] | connections; datagrams, with and without UDP-notif |
//! | [`savefile`] | the streams and datagrams of a capture file |
//! | `grpc` | routers that dial out over gRPC, and gNMI targets |
//! | [`kafka`], [`zmq`], `broker` | messages of a Kafka topic, of a ZeroMQ socket, and what they have in common |
//! | [`service`] | what inputs share |
//! | [`collector`] | from messages to the log and to the next dump |
//! | [`node`] | the exporters |
//! | [`record`] | records as JSON |
//! | [`events`], [`dump`] | what waits for a dump; dumps |
//! | `metrics`, `api` | metrics and queries over HTTP |
//! | [`figures`] | counters |

#[cfg(feature = "http")]
mod api;
#[cfg(any(feature = "kafka", feature = "zmq"))]
mod broker;
mod collector;
mod dump;
mod events;
mod figures;
#[cfg_attr(not(feature = "grpc"), path = "grpc_absent.rs")]
mod grpc;
mod input;
mod kafka;
#[cfg(feature = "http")]
mod metrics;
mod node;
mod record;
mod savefile;
mod service;
mod settings;
mod tcp;
mod udp;
mod zmq;

use crate::host::describe;
use crate::host::part::{Commit, Kind, Part, Prepare, Reading, Services};
use crate::routing::deliver;
use crate::sessions::memory::Memory;
use collector::Collector;
use config::Diagnostics;
use config::keys::telemetry;
use config::problem::Severity;
use dump::Dumps;
use event_log::{Dump, Log};
use input::{Choose, Input};
use runtime::notice;
use service::{Running, Service, Shared};
use settings::Settings;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::{error, info, warn};

/// Telemetry in the row of a daemon: with `telemetry_daemon: true`, which is the default of pmtelemetryd.
pub(crate) static ROW: Row =
    Row { inputs: &[savefile::choose, tcp::choose, udp::choose, udp::choose_notif, kafka::choose, zmq::choose] };

/// The same with gRPC, which only pmtelemetryd has: its libraries are as large as the rest of the part.
pub(crate) static ROW_WITH_GRPC: Row = Row {
    inputs: &[
        savefile::choose,
        tcp::choose,
        udp::choose,
        udp::choose_notif,
        kafka::choose,
        zmq::choose,
        grpc::choose,
    ],
};

/// The kind of this part, with the inputs that a daemon can have.
pub(crate) struct Row {
    inputs: &'static [Choose],
}

struct Daemon {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    inputs: Vec<Box<dyn Input>>,
    is_stopping: bool,
}

impl Kind for Row {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        if !reading.config.core(&telemetry::TELEMETRY_DAEMON) {
            return None;
        }
        let settings = Settings::read(reading);
        let inputs: Vec<_> = self.inputs.iter().filter_map(|choose| choose(reading)).collect();
        if inputs.is_empty() && !reading.problems.is_fatal() {
            let what = "telemetry_daemon: no input is configured.";
            let hint = "Set telemetry_daemon_port_tcp, telemetry_daemon_port_udp, telemetry_daemon_udp_notif_port, \
                        telemetry_daemon_kafka_topic, telemetry_daemon_zmq_address or, in pmtelemetryd, \
                        telemetry_daemon_grpc_collector_conf or telemetry_gnmi_targets.";
            let origin = crate::host::blame(reading.config, &telemetry::TELEMETRY_DAEMON);
            reading.problems.fatal(origin, what, Some(hint.to_owned()));
        }
        let loaded = settings.sources.load(&reading.names, reading.problems);
        if reading.problems.is_fatal() {
            return None;
        }
        let memory = settings.dump.as_ref().map(|_| Memory::new(settings.max_event_bytes));
        let shared = Arc::new(Shared::new(loaded, memory, Arc::clone(&reading.reopenings)));
        Some(Box::new(Daemon { settings: Arc::new(settings), shared, inputs, is_stopping: false }))
    }
}

impl Daemon {
    #[cfg(feature = "http")]
    fn publish(&self, services: &Services) {
        services.board.add_pages(api::PATH, Arc::new(api::Api(Arc::clone(&self.shared))));
        services.board.add_source(Arc::new(metrics::Metrics(Arc::clone(&self.shared))));
    }

    #[cfg(not(feature = "http"))]
    fn publish(&self, _services: &Services) {}

    /// Starts the thread of dumps, if there are any.
    fn start_dumps(&self, services: &Services) -> io::Result<()> {
        let Some(schedule) = &self.settings.dump else { return Ok(()) };
        let dumps = Dumps {
            settings: Arc::clone(&self.settings),
            schedule: schedule.clone(),
            shared: Arc::clone(&self.shared),
        };
        let (dump, deliveries) = Dump::open(&schedule.log);
        deliver(services, "telemetry/dump", deliveries)?;
        let (shared, stop) = (Arc::clone(&self.shared), services.stop.clone());
        services.threads.spawn("telemetry/dump", services.identity.clone(), move || {
            shared.unlogged.add(dumps.run(dump, &stop));
        })
    }

    fn open_log(&self, services: &Services) -> io::Result<Option<Log>> {
        let Some(settings) = &self.settings.log else { return Ok(None) };
        let (log, deliveries) = Log::open(settings);
        deliver(services, "telemetry/log", deliveries)?;
        Ok(Some(log))
    }
}

impl Part for Daemon {
    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.settings.owned_files()
    }

    fn open(&mut self) -> Result<(), String> {
        self.inputs.iter_mut().try_for_each(|input| input.open())
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        self.publish(services);
        self.start_dumps(services)?;
        let log = self.open_log(services)?;
        let collector = Collector::new(Arc::clone(&self.settings), Arc::clone(&self.shared), log);
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        let service = Arc::new(Service::new(settings, shared, collector, services));
        let _running = Running::new(&service);
        self.inputs.iter_mut().try_for_each(|input| input.start(&service, services))
    }

    fn announce(&self) {
        info!("maximum telemetry peers allowed: {}", self.settings.max_peers);
        info!("telemetry peers timeout: {}", self.settings.peer_timeout.as_secs());
        self.inputs.iter().for_each(|input| input.announce());
    }

    fn is_working(&self) -> bool {
        // Daemons of flows go on as long as flows come; then connections are closed.
        let goes_on = self.settings.keeps_running || self.is_stopping;
        goes_on && !self.shared.ended.load(Ordering::Acquire)
    }

    fn rereads(&self) -> Option<&'static str> {
        (!self.watched().is_empty()).then_some("maps, lists, targets and SID files of telemetry")
    }

    fn watched(&self) -> Vec<PathBuf> {
        let of_inputs = self.inputs.iter().flat_map(|input| input.watched());
        self.settings.sources.paths().into_iter().chain(of_inputs).collect()
    }

    fn prepare_reload(&self) -> Option<Prepare> {
        if self.watched().is_empty() {
            return None;
        }
        let reloads: Vec<_> = self.inputs.iter().filter_map(|input| input.reload()).collect();
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        Some(Box::new(move || {
            let mut problems = Diagnostics::new();
            let loaded = settings.sources.load(&settings.names, &mut problems);
            let commits: Vec<Commit> = reloads.into_iter().map(|reload| reload(&mut problems)).collect();
            if problems.is_fatal() {
                problems.joined().iter().for_each(|problem| error!("{}", describe(problem)));
                return None;
            }
            let remarks = problems.joined();
            let remarks = remarks.iter().filter(|problem| problem.severity > Severity::Debug);
            remarks.for_each(|remark| warn!("{}", describe(remark)));
            Some(Box::new(move || {
                shared.reload(loaded);
                commits.into_iter().for_each(|commit| commit());
            }) as Commit)
        }))
    }

    fn report(&mut self, now: u64) {
        let figures = &self.shared.figures;
        let texts = |counts: &mut dyn Iterator<Item = (&'static str, u64)>, family: &str| -> String {
            counts.map(|(reason, count)| format!(" {family}[{reason}]={count}")).collect()
        };
        let dropped: String = figures
            .dropped()
            .filter(|(_, _, count)| *count > 0)
            .map(|(transport, reason, count)| format!(" telemetry_dropped[{transport},{reason}]={count}"))
            .collect();
        notice!(
            "stats [telemetry] time={now} telemetry_nodes={} telemetry_nodes_accepted={}{}{}{}{}{}{dropped}",
            figures.nodes.get(),
            figures.accepted.get(),
            texts(&mut figures.refused(), "telemetry_nodes_rejected"),
            texts(&mut figures.closed(), "telemetry_nodes_closed"),
            texts(&mut figures.messages(), "telemetry_messages_received"),
            texts(&mut figures.bytes(), "telemetry_received_bytes"),
            texts(&mut figures.payloads_invalid(), "telemetry_payloads_invalid"),
        );
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        self.inputs.iter_mut().for_each(|input| input.stop());
    }

    fn is_finite(&self) -> bool {
        self.inputs.iter().any(|input| input.is_finite())
    }

    fn has_failed(&mut self, finite: bool) -> bool {
        let unlogged = self.shared.unlogged.get();
        if unlogged > 0 {
            error!("{unlogged} messages of telemetry were not written");
        }
        finite && (unlogged > 0 || self.shared.incomplete.load(Ordering::Acquire))
    }
}
