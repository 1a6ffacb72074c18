//! BGP: sessions with peers, their routes, and what is written about them.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the configuration |
//! | [`service`] | the thread: it accepts connections |
//! | [`connections`] | which addresses have one |
//! | [`connection`] | one connection |
//! | [`collector`] | routes to the RIB, events to the log |
//! | [`messages`], [`dump`] | the message log, and table dumps |
//! | [`peers`] | the peers, for other threads |
//! | [`neighbors`] | `bgp_neighbors_file` |
//! | [`xconnect`] | forwarding of sessions |
//! | [`savefile`], [`mrt_file`], [`observed`] | sessions of a file |
//! | `metrics`, `api` | metrics and queries over HTTP |
//! | [`looking_glass`] | queries over ZeroMQ |
//! | [`figures`] | counters |

#[cfg(feature = "http")]
mod api;
mod collector;
mod connection;
mod connections;
mod dump;
mod figures;
mod looking_glass;
mod messages;
#[cfg(feature = "http")]
mod metrics;
mod mrt_file;
mod neighbors;
mod observed;
mod peers;
mod savefile;
mod service;
mod settings;
mod xconnect;

use crate::host::describe;
use crate::host::part::{Commit, Kind, Part, Prepare, Reading, Services};
use crate::routing::deliver;
use crate::routing::log::RouteLog;
use crate::routing::table::RouteTable;
use crate::routing::validator::Validator;
use collector::{Collector, Tables};
use config::Diagnostics;
use config::keys::bgp;
use config::problem::Severity;
use correlate::Routes;
use dump::Dumps;
use event_log::{Dump, Log};
use listener::{InstalledKeys, Keys};
use looking_glass::LookingGlass;
use messages::MessageLog;
use rib::{Limits, SharedRib};
use runtime::notice;
use service::{Input, Service, Shared};
use settings::Settings;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// BGP in the row of a daemon: with `bgp_daemon: true`, which is the default of pmbgpd.
pub(crate) static ROW: Bgp = Bgp;

/// The kind of this part.
pub(crate) struct Bgp;

struct Daemon {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    /// The RIB, until the thread starts; `None` if nothing reads routes.
    tables: Option<Tables>,
    rpki: Option<Arc<rpki::Shared>>,
    socket: Option<TcpListener>,
    looking_glass: Option<LookingGlass>,
    signing: Arc<Mutex<Signing>>,
    stop: watch::Sender<bool>,
}

impl Kind for Bgp {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        if !reading.config.core(&bgp::BGP_DAEMON) {
            return None;
        }
        let settings = Settings::read(reading);
        let looking_glass = LookingGlass::read(reading.config, reading.problems);
        let loaded = settings.sources.load(&reading.names, reading.problems);
        if reading.problems.is_fatal() {
            return None;
        }
        let shared = Arc::new(Shared::new(loaded, Arc::clone(&reading.reopenings)));
        let rpki = reading.offers.see::<Arc<rpki::Shared>>();
        let tables = settings.keeps_routes().then(|| {
            let (rib, writer) = SharedRib::new(Limits::default());
            let routes = Routes::new(rib);
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
        Some(Box::new(Daemon {
            settings: Arc::new(settings),
            shared,
            tables,
            rpki,
            socket: None,
            looking_glass,
            signing: Arc::default(),
            stop,
        }))
    }
}

impl Daemon {
    #[cfg(feature = "http")]
    fn publish(&self, services: &Services, tables: Option<&Tables>) {
        let routes = tables.map(|tables| Arc::clone(&tables.correlated));
        let metrics = metrics::Metrics { shared: Arc::clone(&self.shared), routes, rpki: self.rpki.clone() };
        if let Some(routes) = metrics.routes.clone() {
            let (shared, validator) = (Arc::clone(&self.shared), Validator::new(self.rpki.clone()));
            let api = api::Api { shared, routes, validator, format: self.settings.format };
            services.board.add_pages(api::PATH, Arc::new(api));
        }
        services.board.add_source(Arc::new(metrics));
    }

    #[cfg(not(feature = "http"))]
    fn publish(&self, _services: &Services, _tables: Option<&Tables>) {}

    #[cfg(feature = "zmq")]
    fn start_looking_glass(&mut self, services: &Services, tables: Option<&Tables>) -> io::Result<()> {
        let (Some(looking_glass), Some(tables)) = (&mut self.looking_glass, tables) else { return Ok(()) };
        let tables = looking_glass::Tables {
            shared: Arc::clone(&self.shared),
            routes: Arc::clone(&tables.correlated),
            validator: Validator::new(self.rpki.clone()),
            format: self.settings.format,
        };
        looking_glass.start(services, tables, self.stop.subscribe())
    }

    #[cfg(not(feature = "zmq"))]
    fn start_looking_glass(&mut self, _services: &Services, _tables: Option<&Tables>) -> io::Result<()> {
        Ok(())
    }
}

/// The keys of the listening socket, which sessions inherit.
#[derive(Default)]
struct Signing {
    /// The same socket as that which accepts.
    socket: Option<TcpListener>,
    installed: InstalledKeys,
}

/// Gives the listening socket the keys of the file. What fails is logged: peers with such a key cannot connect.
fn install(signing: &Mutex<Signing>, keys: &Keys) {
    let mut signing = signing.lock().unwrap_or_else(PoisonError::into_inner);
    let Signing { socket, installed } = &mut *signing;
    if let Some(socket) = socket {
        for error in installed.replace(&*socket, keys) {
            error!("bgp_daemon_md5_file: {error}");
        }
        info!("bgp_daemon_md5_file: {} keys are in use", installed.len());
    }
}

impl Part for Daemon {
    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.settings.owned_files()
    }

    fn open(&mut self) -> Result<(), String> {
        if let Some(looking_glass) = &mut self.looking_glass {
            looking_glass.open()?;
        }
        let Settings { address, names, file, .. } = &*self.settings;
        if file.is_some() {
            return Ok(());
        }
        let (ip_key, port_key) = (names.of(&bgp::BGP_DAEMON_IP), names.of(&bgp::BGP_DAEMON_PORT));
        let opened = listener::open(*address, &self.settings.options)
            .map_err(|error| format!("{ip_key}, {port_key}: {address}: {error}"))?;
        self.settings.sharing.join(&[opened.listener.as_fd()])?;
        if let (Some(wanted), Some(granted)) = (self.settings.options.receive_buffer, opened.receive_buffer) {
            info!("bgp_daemon_pipe_size: obtained={granted} target={wanted}.");
        }
        let signing = Signing { socket: opened.listener.try_clone().ok(), installed: InstalledKeys::new() };
        self.signing = Arc::new(Mutex::new(signing));
        if let Some(keys) = self.shared.loaded().keys {
            install(&self.signing, &keys);
        }
        self.socket = Some(opened.listener);
        Ok(())
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        let input = match (&self.settings.file, self.socket.take()) {
            (Some(file), _) => Input::File(file.clone()),
            (None, Some(socket)) => Input::Socket(socket),
            (None, None) => return Err(ErrorKind::NotConnected.into()),
        };
        let tables = self.tables.take();
        let validator = Validator::new(self.rpki.clone());
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        self.publish(services, tables.as_ref());
        self.start_looking_glass(services, tables.as_ref())?;
        if let (Some(schedule), Some(tables)) = (&settings.dump, &tables) {
            let dumps = Dumps {
                settings: Arc::clone(&settings),
                schedule: schedule.clone(),
                shared: Arc::clone(&shared),
                routes: Arc::clone(&tables.correlated),
                validator: validator.clone(),
            };
            let (dump, deliveries) = Dump::open(&schedule.log);
            deliver(services, "bgp/dump", deliveries)?;
            let (shared, stop) = (Arc::clone(&shared), services.stop.clone());
            services.threads.spawn("bgp/dump", services.identity.clone(), move || {
                shared.unlogged.add(dumps.run(dump, &stop));
            })?;
        }
        let log = match &settings.log {
            Some(log) => {
                let (log, deliveries) = Log::open(log);
                deliver(services, "bgp/log", deliveries)?;
                let (filter, tagger) = (settings.label_filter.clone(), shared.tagger.clone());
                Some(MessageLog { routes: RouteLog::new(log, settings.format, filter, tagger, validator) })
            }
            None => None,
        };
        let (stop, bell) = (self.stop.subscribe(), services.bell.clone());
        services.threads.spawn("bgp", services.identity.clone(), move || {
            let collector = Collector::new(Arc::clone(&shared), tables, log, settings.format);
            let service = Service::new(settings, Arc::clone(&shared), collector, stop);
            if let Err(error) = service.run(input) {
                error!("BGP: {error}");
            }
            shared.ended.store(true, Ordering::Release);
            bell.ring();
        })
    }

    fn announce(&self) {
        if let Some(looking_glass) = &self.looking_glass {
            looking_glass.announce();
        }
        let Settings { address, limits, file, .. } = &*self.settings;
        if file.is_some() {
            return;
        }
        info!("maximum BGP peers allowed: {}", limits.max_peers);
        info!("waiting for BGP data on {}:{}", address.ip(), address.port());
    }

    fn is_working(&self) -> bool {
        // Daemons of flows go on as long as flows come; then sessions are closed.
        let goes_on = self.settings.keeps_running || *self.stop.borrow();
        goes_on && !self.shared.ended.load(Ordering::Acquire)
    }

    fn rereads(&self) -> Option<&'static str> {
        (!self.settings.sources.paths().is_empty()).then_some("maps and lists of BGP")
    }

    fn watched(&self) -> Vec<PathBuf> {
        self.settings.sources.paths()
    }

    fn prepare_reload(&self) -> Option<Prepare> {
        if self.settings.sources.paths().is_empty() {
            return None;
        }
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        let signing = Arc::clone(&self.signing);
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
            Some(Box::new(move || {
                if let Some(keys) = &loaded.keys {
                    install(&signing, keys);
                }
                shared.reload(loaded);
            }) as Commit)
        }))
    }

    fn report(&mut self, now: u64) {
        let figures = &self.shared.figures;
        let texts = |counts: &mut dyn Iterator<Item = (&'static str, u64)>, family: &str| -> String {
            counts.map(|(reason, count)| format!(" {family}[{reason}]={count}")).collect()
        };
        notice!(
            "stats [{}] time={now} bgp_sessions={} bgp_connections_accepted={}{}{}{} bgp_received_bytes={}",
            self.settings.address,
            figures.sessions.get(),
            figures.accepted.get(),
            texts(&mut figures.rejected(), "bgp_connections_rejected"),
            texts(&mut figures.closed(), "bgp_sessions_closed"),
            texts(&mut figures.messages(), "bgp_messages_received"),
            figures.bytes.get(),
        );
        if self.looking_glass.is_some() {
            notice!(
                "stats [looking glass] time={now}{}{}",
                texts(&mut figures.looking_glass.queries(), "bgp_looking_glass_queries"),
                texts(&mut figures.looking_glass.closed(), "bgp_looking_glass_closed"),
            );
        }
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
            error!("{unlogged} events of BGP were not written");
        }
        finite && (unlogged > 0 || self.shared.incomplete.load(Ordering::Acquire))
    }
}
