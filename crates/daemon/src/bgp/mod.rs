//! BGP: sessions with peers, their routes, and what is written about them.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the configuration |
//! | [`service`] | the thread: it accepts connections |
//! | [`admission`], [`connections`] | which connections become sessions |
//! | [`connection`] | one connection |
//! | [`collector`] | routes to the RIB, events to the log |
//! | [`messages`] | the message log |
//! | [`peers`] | the peers, for other threads |
//! | [`neighbors`] | `bgp_neighbors_file` |
//! | [`xconnect`] | forwarding of sessions |
//! | [`savefile`], [`observed`] | sessions of a capture file |
//! | [`figures`] | counters |

mod admission;
mod collector;
mod connection;
mod connections;
mod figures;
mod messages;
mod neighbors;
mod observed;
mod peers;
mod savefile;
mod service;
mod settings;
mod xconnect;

use crate::host::describe;
use crate::host::part::{Commit, Kind, Part, Prepare, Reading, Services};
use collector::{Collector, Tables};
use config::Diagnostics;
use config::keys::bgp;
use config::problem::Severity;
use correlate::Routes;
use rib::{Limits, SharedRib};
use runtime::notice;
use service::{Input, Service, Shared};
use settings::Settings;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
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
    socket: Option<TcpListener>,
    stop: watch::Sender<bool>,
}

impl Kind for Bgp {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        if !reading.config.core(&bgp::BGP_DAEMON) {
            return None;
        }
        let settings = Settings::read(reading);
        let loaded = settings.sources.load(&reading.names, reading.problems);
        if reading.problems.is_fatal() {
            return None;
        }
        let shared = Arc::new(Shared::new(loaded, Arc::clone(&reading.reopenings)));
        let tables = settings.keeps_routes().then(|| {
            let (rib, writer) = SharedRib::new(Limits::default());
            Tables { writer, correlated: Arc::new(Routes::new(rib)) }
        });
        if let Some(tables) = &tables {
            reading.offers.put(Arc::clone(&tables.correlated));
        }
        let (stop, _) = watch::channel(false);
        Some(Box::new(Daemon { settings: Arc::new(settings), shared, tables, socket: None, stop }))
    }
}

impl Part for Daemon {
    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.settings.owned_files()
    }

    fn open(&mut self) -> Result<(), String> {
        let Settings { address, names, file, .. } = &*self.settings;
        if file.is_some() {
            return Ok(());
        }
        let (ip_key, port_key) = (names.of(&bgp::BGP_DAEMON_IP), names.of(&bgp::BGP_DAEMON_PORT));
        let described = |error| format!("{ip_key}, {port_key}: cannot listen on {address}: {error}");
        let socket = TcpListener::bind(address).map_err(described)?;
        socket.set_nonblocking(true).map_err(described)?;
        self.socket = Some(socket);
        Ok(())
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        let input = match (&self.settings.file, self.socket.take()) {
            (Some(file), _) => Input::File(file.clone()),
            (None, Some(socket)) => Input::Socket(socket),
            (None, None) => return Err(ErrorKind::NotConnected.into()),
        };
        let tables = self.tables.take();
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        let (stop, bell) = (self.stop.subscribe(), services.bell.clone());
        services.threads.spawn("bgp", services.identity.clone(), move || {
            let collector = Collector::new(Arc::clone(&shared), tables, None);
            let service = Service::new(settings, Arc::clone(&shared), collector, stop);
            if let Err(error) = service.run(input) {
                error!("BGP: {error}");
            }
            shared.ended.store(true, Ordering::Release);
            bell.ring();
        })
    }

    fn announce(&self) {
        let Settings { address, limits, file, .. } = &*self.settings;
        if file.is_some() {
            return;
        }
        info!("maximum BGP peers allowed: {}", limits.max_peers);
        info!("waiting for BGP data on {}:{}", address.ip(), address.port());
    }

    fn is_working(&self) -> bool {
        !self.shared.ended.load(Ordering::Acquire)
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
                *shared.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
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
