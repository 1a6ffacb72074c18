//! Telemetry over gRPC: routers that dial out (`telemetry_daemon_grpc_collector_conf`), and gNMI targets that this daemon dials
//! (`telemetry_gnmi_targets`).
//!
//! One thread has the connections (`telemetry_grpc`), another one hands their messages to the collector. A node is the address of a
//! router, however many streams it has; it is gone with the last of them.

use super::figures::Ending;
use super::input::{Input, Reload};
use super::node::{Node, Transport};
use super::service::Service;
use super::settings::size;
use crate::host::part::{Reading, Services};
use ::telemetry::payload::Form;
use ::telemetry::{Encoding, Message};
use config::Diagnostics;
use config::keys::{ha, telemetry};
use runtime::clock;
use runtime::log::Limited;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use telemetry_grpc::collector_file::{self, CollectorFile};
use telemetry_grpc::{
    Event, Handle, Intake, Limits, Listener, Payload, Service as GrpcService, Settings, Source, Target,
    targets_file, tls,
};
use tokio::sync::mpsc::Receiver;
use tracing::{error, info, warn};

/// Interval of regular work.
const REGULAR: Duration = Duration::from_millis(200);
/// Minimum time between two log lines of a kind.
const RATE: Duration = Duration::from_secs(10);
/// Events that are handled together.
const BATCH: usize = 64;

/// The input.
struct Grpc {
    file: CollectorFile,
    /// Other daemons may listen on the same ports.
    is_shared: bool,
    targets_file: Option<PathBuf>,
    targets: Vec<Arc<Target>>,
    limits: Limits,
    listeners: Vec<Listener>,
    handle: Option<Handle>,
}

/// Listens for routers, and dials targets, if any are configured.
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    let (config, problems) = (reading.config, &mut *reading.problems);
    let dial_out = config.core(&telemetry::TELEMETRY_DAEMON_GRPC_COLLECTOR_CONF);
    let targets_file = config.core(&telemetry::TELEMETRY_GNMI_TARGETS);
    if dial_out.is_none() && targets_file.is_none() {
        return None;
    }
    let file = dial_out.and_then(|path| collector_file::load(&path, problems)).unwrap_or_default();
    let targets = targets_file.as_deref().map(|path| targets_file::load(path, problems)).unwrap_or_default();
    let limits = Limits {
        message: size(config.core(&telemetry::TELEMETRY_DAEMON_MAX_MESSAGE)),
        connections: usize::try_from(config.core(&telemetry::TELEMETRY_DAEMON_MAX_PEERS)).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let is_shared = config.core(&ha::CLUSTER_NAME).is_some();
    Some(Box::new(Grpc { file, is_shared, targets_file, targets, limits, listeners: Vec::new(), handle: None }))
}

impl Input for Grpc {
    fn open(&mut self) -> Result<(), String> {
        const KEY: &str = "telemetry_daemon_grpc_collector_conf";
        let tls = self.file.tls.as_ref().map(tls::Server::load).transpose();
        let tls = tls.map_err(|error| format!("{KEY}: {error}"))?;
        let options = listener::Options {
            interface: self.file.interface.clone(),
            is_shared: self.is_shared,
            ..listener::Options::default()
        };
        for (address, services) in &self.file.sockets {
            let opened =
                listener::open(*address, &options).map_err(|error| format!("{KEY}: {address}: {error}"))?;
            self.listeners.push(Listener { socket: opened.listener, services: *services, tls: tls.clone() });
        }
        Ok(())
    }

    fn start(&mut self, service: &Arc<Service>, services: &Services) -> io::Result<()> {
        let shared = Arc::clone(&service.shared);
        let settings = Settings {
            listeners: std::mem::take(&mut self.listeners),
            targets: self.targets.clone(),
            limits: self.limits,
            cisco_form: self.file.cisco_form,
            replies: self.file.replies,
            admit: Arc::new(move |peer: SocketAddr| {
                shared.loaded().1.allow.is_none_or(|allow| allow.allows(peer.ip().to_canonical()))
            }),
        };
        let (intake, handle, events) = Intake::new(settings)?;
        #[cfg(feature = "http")]
        services.board.add_source(Arc::new(super::metrics::GrpcMetrics(Arc::clone(handle.counters()))));
        self.handle = Some(handle);
        service.spawn(services, "telemetry/grpc", move |_| {
            if let Err(error) = intake.run() {
                error!("telemetry over gRPC: {error}");
            }
        })?;
        service.spawn(services, "telemetry/grpc-in", move |service| {
            if let Err(error) = Consumer::new(service).run(events) {
                error!("telemetry over gRPC: {error}");
            }
        })
    }

    fn announce(&self) {
        for (address, services) in &self.file.sockets {
            let with = if self.file.tls.is_some() { ", with TLS" } else { "" };
            let names: Vec<&str> =
                GrpcService::ALL.into_iter().filter(|of| services.has(*of)).map(GrpcService::name).collect();
            info!("waiting for telemetry data on {address}/grpc ({}{with})", names.join(", "));
        }
        if self.targets_file.is_some() {
            info!("gNMI targets: {}", self.targets.len());
        }
    }

    fn stop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.stop();
        }
    }

    fn watched(&self) -> Vec<PathBuf> {
        self.targets_file.iter().cloned().collect()
    }

    fn reload(&self) -> Option<Reload> {
        let (path, handle) = (self.targets_file.clone()?, self.handle.clone()?);
        Some(Box::new(move |problems: &mut Diagnostics| {
            let targets = targets_file::load(&path, problems);
            Box::new(move || handle.set_targets(targets))
        }))
    }
}

/// Hands messages to the collector.
struct Consumer<'a> {
    service: &'a Service,
    /// Open streams.
    streams: HashMap<(Transport, IpAddr), usize>,
    closed: Limited,
    undecoded: Limited,
    refused: Limited,
}

/// How messages of a source arrive.
fn transport(source: &Source) -> Transport {
    match source {
        Source::DialOut(_) => Transport::Grpc,
        Source::Target(_) => Transport::Gnmi,
    }
}

impl<'a> Consumer<'a> {
    fn new(service: &'a Service) -> Self {
        Self {
            service,
            streams: HashMap::new(),
            closed: Limited::new(RATE),
            undecoded: Limited::new(RATE),
            refused: Limited::new(RATE),
        }
    }

    /// Handles events until there are no more.
    fn run(mut self, mut events: Receiver<Event>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        loop {
            let first = runtime.block_on(async { tokio::time::timeout(REGULAR, events.recv()).await });
            let service = self.service;
            match first {
                Err(_) => service.idle(),
                Ok(None) => return Ok(()),
                Ok(Some(first)) => {
                    let now = clock::now();
                    service.batch(|collector| {
                        let mut next = Some(first);
                        for _ in 0..BATCH {
                            let Some(event) = next else { break };
                            self.handle(collector, event, now);
                            next = events.try_recv().ok();
                        }
                        if let Some(event) = next {
                            self.handle(collector, event, now);
                        }
                    });
                }
            }
        }
    }

    fn handle(&mut self, collector: &mut super::collector::Collector, event: Event, now: u64) {
        match event {
            Event::Opened { peer, source } => {
                let key = (transport(&source), peer.ip().to_canonical());
                *self.streams.entry(key).or_insert(0) += 1;
                drop(self.node(collector, &source, peer, now));
            }
            Event::Message(message) => {
                let Some(node) = self.node(collector, &message.source, message.peer, now) else {
                    return self.service.figures().datagrams_refused.add(1);
                };
                let (encoding, octets) = match &message.payload {
                    Payload::Json(octets) => (Encoding::Json, octets),
                    Payload::Undecoded { octets, fault } => {
                        if let Some(pass) = self.undecoded.pass() {
                            let (held_back, ip) = (pass.held_back, message.peer.ip());
                            warn!(held_back, "[{ip}] {} message shown in base64: {fault}", message.source.name());
                        }
                        (Encoding::Gpb, octets)
                    }
                };
                collector.receive(&node, &Message { encoding, octets }, Form::Value, now);
            }
            Event::Closed { peer, source, why } => {
                let key = (transport(&source), peer.ip().to_canonical());
                let left = self.streams.get_mut(&key).map_or(0, |count| {
                    *count = count.saturating_sub(1);
                    *count
                });
                if left == 0 {
                    self.streams.remove(&key);
                    let ending =
                        if why == telemetry_grpc::End::Stopped { Ending::Shutdown } else { Ending::Disconnected };
                    collector.leave(key.0, key.1, ending, now);
                }
                if why.is_fault()
                    && let Some(pass) = self.closed.pass()
                {
                    warn!(held_back = pass.held_back, "[{}] {} stream ended: {why}", peer.ip(), source.name());
                }
            }
            Event::Refused { peer, why } => {
                if let Some(pass) = self.refused.pass() {
                    info!(held_back = pass.held_back, "[{}] gRPC connection refused: {why}", peer.ip());
                }
            }
            Event::Unreachable { target, why } => {
                if let Some(pass) = self.refused.pass() {
                    warn!(held_back = pass.held_back, "gNMI target {target} cannot be reached: {why}");
                }
            }
        }
    }

    fn node(
        &self,
        collector: &mut super::collector::Collector,
        source: &Source,
        peer: SocketAddr,
        now: u64,
    ) -> Option<Arc<Node>> {
        collector.node(transport(source), SocketAddr::new(peer.ip().to_canonical(), peer.port()), now)
    }
}
