//! BMP: sessions with routers, the routes that their peers announce, and what is written about them.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the configuration |
//! | [`service`] | the thread: it accepts connections |
//! | [`connections`], [`connection`] | the connections |
//! | [`session`] | the session of a router, wherever its octets come from |
//! | [`collector`] | routes to the RIB, events to the log and to the next dump |
//! | [`messages`], [`dump`], [`events`] | the message log, table dumps, and what waits for them |
//! | [`routers`] | the routers and their peers, for other threads |
//! | [`savefile`], [`kafka`] | sessions of a capture file, and of other collectors |
//! | `metrics`, `api` | metrics and queries over HTTP |
//! | [`figures`] | counters |

#[cfg(feature = "http")]
mod api;
mod collector;
mod connection;
mod connections;
mod dump;
mod events;
mod figures;
mod kafka;
mod messages;
#[cfg(feature = "http")]
mod metrics;
mod routers;
mod savefile;
mod service;
mod session;
mod settings;

use crate::host::describe;
use crate::host::part::{Commit, Kind, Part, Prepare, Reading, Services};
use crate::routing::deliver;
use crate::routing::log::RouteLog;
use crate::routing::table::RouteTable;
use crate::routing::validator::Validator;
use crate::sessions::memory::Memory;
use ::bmp::v4::CodePoints;
use collector::{Collector, Tables};
use config::Diagnostics;
use config::keys::bmp;
use config::problem::Severity;
use correlate::Routes;
use correlate::routers::Routers;
use dump::Dumps;
use event_log::{Dump, Log};
use messages::MessageLog;
use rib::{Limits, SharedRib};
use route_log::bmp::Times;
use runtime::notice;
use service::{Input, Service, Shared};
use settings::Settings;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::watch;
use tracing::{error, info, warn};

/// BMP in the row of a daemon: with `bmp_daemon: true`, which is the default of pmbmpd.
pub(crate) static ROW: Bmp = Bmp;

/// The kind of this part.
pub(crate) struct Bmp;

struct Daemon {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    /// The RIB, until the thread starts; `None` if nothing reads routes.
    tables: Option<Tables>,
    rpki: Option<Arc<rpki::Shared>>,
    socket: Option<TcpListener>,
    stop: watch::Sender<bool>,
}

impl Kind for Bmp {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        if !reading.config.core(&bmp::BMP_DAEMON) {
            return None;
        }
        let settings = Settings::read(reading);
        let loaded = settings.sources.load(&reading.names, reading.problems);
        if reading.problems.is_fatal() {
            return None;
        }
        let shared = Arc::new(Shared::new(loaded, Arc::clone(&reading.reopenings)));
        let rpki = reading.offers.see::<Arc<rpki::Shared>>();
        let tables = settings.keeps_routes().then(|| {
            let (rib, writer) = SharedRib::new(Limits::default());
            let routes = Routes::<Routers>::new(rib);
            let routes = match &rpki {
                Some(rpki) => routes.validated_by(Arc::clone(rpki)),
                None => routes,
            };
            Tables { table: RouteTable::new(writer), correlated: Arc::new(routes) }
        });
        if let Some(tables) = &tables {
            reading.offers.put(Arc::clone(&tables.correlated));
        }
        let (stop, _) = watch::channel(false);
        Some(Box::new(Daemon { settings: Arc::new(settings), shared, tables, rpki, socket: None, stop }))
    }
}

impl Daemon {
    #[cfg(feature = "http")]
    fn publish(&self, services: &Services, tables: Option<&Tables>) {
        let rib = tables.map(|tables| Arc::clone(tables.correlated.rib()));
        if let Some(rib) = rib.clone() {
            let (shared, validator) = (Arc::clone(&self.shared), Validator::new(self.rpki.clone()));
            let api = api::Api { shared, rib, validator, format: self.settings.format.routes };
            services.board.add_pages(api::PATH, Arc::new(api));
        }
        services.board.add_source(Arc::new(metrics::Metrics { shared: Arc::clone(&self.shared), rib }));
    }

    #[cfg(not(feature = "http"))]
    fn publish(&self, _services: &Services, _tables: Option<&Tables>) {}

    /// Starts the thread of dumps, if there are any. Returns the memory of events that wait for them.
    fn start_dumps(&self, services: &Services, tables: Option<&Tables>) -> io::Result<Option<Arc<Memory>>> {
        let (Some(schedule), Some(tables)) = (&self.settings.dump, tables) else { return Ok(None) };
        let memory = Arc::new(Memory::new(self.settings.max_event_bytes));
        let dumps = Dumps {
            settings: Arc::clone(&self.settings),
            schedule: schedule.clone(),
            shared: Arc::clone(&self.shared),
            rib: Arc::clone(tables.correlated.rib()),
            validator: Validator::new(self.rpki.clone()),
            memory: Arc::clone(&memory),
        };
        let (dump, deliveries) = Dump::open(&schedule.log);
        deliver(services, "bmp/dump", deliveries)?;
        let (shared, stop) = (Arc::clone(&self.shared), services.stop.clone());
        services.threads.spawn("bmp/dump", services.identity.clone(), move || {
            shared.unlogged.add(dumps.run(dump, &stop));
        })?;
        Ok(Some(memory))
    }

    fn open_log(&self, services: &Services) -> io::Result<Option<MessageLog>> {
        let Some(settings) = &self.settings.log else { return Ok(None) };
        let (log, deliveries) = Log::open(settings);
        deliver(services, "bmp/log", deliveries)?;
        let (format, filter) = (self.settings.format, self.settings.label_filter.clone());
        let validator = Validator::new(self.rpki.clone());
        Ok(Some(MessageLog {
            routes: RouteLog::new(log, format.routes, filter, self.shared.tagger.clone(), validator),
            times: Times::new(&settings.style),
            format,
            collector: self.settings.collector.clone(),
            code_points: CodePoints::default(),
        }))
    }
}

impl Part for Daemon {
    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.settings.owned_files()
    }

    fn open(&mut self) -> Result<(), String> {
        let Settings { address, names, file, options, sharing, .. } = &*self.settings;
        if file.is_some() {
            return Ok(());
        }
        let (ip_key, port_key) = (names.of(&bmp::BMP_DAEMON_IP), names.of(&bmp::BMP_DAEMON_PORT));
        let opened = listener::open(*address, options)
            .map_err(|error| format!("{ip_key}, {port_key}: {address}: {error}"))?;
        sharing.join(&[opened.listener.as_fd()])?;
        if let (Some(wanted), Some(granted)) = (options.receive_buffer, opened.receive_buffer) {
            info!("bmp_daemon_pipe_size: obtained={granted} target={wanted}.");
        }
        self.socket = Some(opened.listener);
        Ok(())
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        let input = match (&self.settings.file, self.socket.take()) {
            (Some(file), _) => Input::File(file.clone()),
            (None, Some(socket)) => {
                let kafka = self.settings.kafka.as_ref().map(|settings| kafka::start(settings, services));
                Input::Socket(socket, kafka.transpose()?)
            }
            (None, None) => return Err(ErrorKind::NotConnected.into()),
        };
        let tables = self.tables.take();
        self.publish(services, tables.as_ref());
        let memory = self.start_dumps(services, tables.as_ref())?;
        let log = self.open_log(services)?;
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        let (stop, bell) = (self.stop.subscribe(), services.bell.clone());
        services.threads.spawn("bmp", services.identity.clone(), move || {
            let excludes_statistics = settings.excludes_statistics;
            let collector =
                Collector::new(Arc::clone(&shared), tables, log, settings.format, memory, excludes_statistics);
            let service = Service::new(settings, Arc::clone(&shared), collector, stop);
            if let Err(error) = service.run(input) {
                error!("BMP: {error}");
            }
            shared.ended.store(true, Ordering::Release);
            bell.ring();
        })
    }

    fn announce(&self) {
        let Settings { address, limits, file, kafka, .. } = &*self.settings;
        if file.is_some() {
            return;
        }
        info!("maximum BMP peers allowed: {}", limits.max_peers);
        let over = if self.shared.loaded().tls.is_some() { ", over TLS" } else { "" };
        info!("waiting for BMP data on {}:{}{over}", address.ip(), address.port());
        if let Some(kafka) = kafka {
            info!("reading BMP data from topic {} of {}", kafka.topic, kafka.brokers);
        }
    }

    fn is_working(&self) -> bool {
        // Daemons of flows go on as long as flows come; then sessions are closed.
        let goes_on = self.settings.keeps_running || *self.stop.borrow();
        goes_on && !self.shared.ended.load(Ordering::Acquire)
    }

    fn rereads(&self) -> Option<&'static str> {
        (!self.settings.sources.paths().is_empty()).then_some("maps, lists and certificates of BMP")
    }

    fn watched(&self) -> Vec<PathBuf> {
        self.settings.sources.paths()
    }

    fn prepare_reload(&self) -> Option<Prepare> {
        if self.settings.sources.paths().is_empty() {
            return None;
        }
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        Some(Box::new(move || {
            let mut problems = Diagnostics::new();
            let loaded = settings.sources.load(&settings.names, &mut problems);
            if problems.is_fatal() {
                problems.joined().iter().for_each(|problem| error!("{}", describe(problem)));
                return None;
            }
            let remarks = problems.joined();
            let remarks = remarks.iter().filter(|problem| problem.severity > Severity::Debug);
            remarks.for_each(|remark| warn!("{}", describe(remark)));
            Some(Box::new(move || shared.reload(loaded)) as Commit)
        }))
    }

    fn report(&mut self, now: u64) {
        let figures = &self.shared.figures;
        let texts = |counts: &mut dyn Iterator<Item = (&'static str, u64)>, family: &str| -> String {
            counts.map(|(reason, count)| format!(" {family}[{reason}]={count}")).collect()
        };
        notice!(
            "stats [{}] time={now} bmp_sessions={} bmp_connections_accepted={}{}{}{}{} bmp_received_bytes={}",
            self.settings.address,
            figures.sessions.get(),
            figures.accepted.get(),
            texts(&mut figures.refused(), "bmp_connections_rejected"),
            texts(&mut figures.closed(), "bmp_sessions_closed"),
            texts(&mut figures.messages(), "bmp_messages_received"),
            texts(&mut figures.errors(), "bmp_message_errors"),
            figures.bytes.get(),
        );
    }

    fn stop(&mut self) {
        self.stop.send_replace(true);
    }

    fn is_finite(&self) -> bool {
        self.settings.file.is_some()
    }

    fn has_failed(&mut self, finite: bool) -> bool {
        let unlogged = self.shared.unlogged.get();
        if unlogged > 0 {
            error!("{unlogged} events of BMP were not written");
        }
        finite && (unlogged > 0 || self.shared.incomplete.load(Ordering::Acquire))
    }
}
