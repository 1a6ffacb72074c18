//! IPFIX over connections: TCP, TLS (RFC 7011 sections 10.4 and 11) and DTLS, besides datagrams of the UDP port.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the configuration |
//! | [`service`], [`connection`] | the thread of TCP and TLS: it accepts connections, reads and frames |
//! | `dtls` | the threads of DTLS, one for each worker |
//! | [`figures`], `metrics` | counters |
//!
//! Messages go to workers through bounded channels ([`super::delivery`]), so a worker that is behind holds back exporters over TCP; those over DTLS
//! fill the buffer of the socket, as over UDP. All sessions of an exporter go to one worker. Each session has a number, by which the worker keeps
//! its templates.

mod connection;
#[cfg(feature = "dtls")]
mod dtls;
#[cfg(not(feature = "dtls"))]
#[path = "dtls_absent.rs"]
mod dtls;
mod figures;
#[cfg(feature = "http")]
mod metrics;
mod service;
mod settings;

use super::delivery::{self, Admission, Feeder};
use super::udp::{self, Udp, wake_of};
use crate::flows::input::{Choice, Intake, Opened, Source};
use crate::flows::worker::Datagrams;
use crate::host::describe;
use crate::host::part::{Commit, Prepare, Reading, Services};
use crate::sessions::tls;
use capture::udp::Receiver;
use config::{AnyKey, Diagnostics};
use enrich::Context;
use figures::{Figures, Transport};
use plugins::outlet::Wake;
use settings::Settings;
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{mpsc, watch};
use tracing::{error, info};

/// Sessions that workers do not want and whose connections are not closed yet. Beyond that, connections stay open without templates.
const UNWANTED: usize = 1024;

/// The UDP port and the others.
struct Ipfix {
    udp: Udp,
    settings: Arc<Settings>,
    loaded: Arc<RwLock<Loaded>>,
    /// Incremented when `loaded` changes.
    version: Arc<AtomicU64>,
    figures: Arc<Figures>,
    opened: Option<Open>,
    stop: watch::Sender<bool>,
    /// Wakes the threads of DTLS.
    wakes: Vec<Wake>,
}

/// What is open before threads start.
struct Open {
    sockets: Vec<(Transport, TcpListener)>,
    dtls: Vec<Receiver>,
    feeders: Vec<Feeder>,
    unwanted: mpsc::Receiver<u64>,
}

/// The files of the certificate, as they were read last.
#[derive(Clone, Default)]
struct Loaded {
    tls: Option<tls::Server>,
    dtls: Option<dtls::Context>,
}

/// The workers, for the threads of sessions.
#[derive(Clone)]
struct Workers {
    feeders: Arc<[Feeder]>,
    sessions: Arc<AtomicU64>,
}

/// What nfacctd reads if one of the ports is configured.
pub(crate) fn choose<P: Datagrams>(reading: &mut Reading<'_>, _: &Context) -> Choice<P> {
    let settings = match Settings::read(reading) {
        Ok(Some(settings)) => settings,
        Ok(None) => return Choice::Other,
        Err(()) => return Choice::Invalid,
    };
    let mut loaded = Loaded::default();
    if settings.files.is_some() && !settings.load(&mut loaded, reading.problems) {
        return Choice::Invalid;
    }
    Choice::This(Box::new(Ipfix {
        udp: udp::read(reading),
        settings: Arc::new(settings),
        loaded: Arc::new(RwLock::new(loaded)),
        version: Arc::default(),
        figures: Arc::default(),
        opened: None,
        stop: watch::channel(false).0,
        wakes: Vec::new(),
    }))
}

impl Settings {
    /// Reads the files of the certificate. False if one of them cannot be used, which was reported.
    fn load(&self, loaded: &mut Loaded, problems: &mut Diagnostics) -> bool {
        let Some(files) = &self.files else { return true };
        loaded.tls = self.tls.and_then(|_| files.load(problems));
        loaded.dtls = self.dtls.and_then(|_| dtls::load(files, problems));
        loaded.tls.is_some() == self.tls.is_some() && loaded.dtls.is_some() == self.dtls.is_some()
    }
}

impl<P: Datagrams> Intake<P> for Ipfix {
    fn open(&mut self) -> Result<Vec<Opened<P>>, String> {
        let workers = self.udp.open()?;
        let ports = [
            ("nfacctd_tcp_port", Transport::Tcp, self.settings.tcp),
            ("nfacctd_tls_port", Transport::Tls, self.settings.tls),
        ];
        let mut sockets = Vec::new();
        for (key, transport, address) in ports {
            let Some(address) = address else { continue };
            let opened = listener::open(address, &self.settings.options)
                .map_err(|error| format!("nfacctd_ip, {key}: {address}: {error}"))?;
            sockets.push((transport, opened.listener));
        }
        let dtls = match self.settings.dtls {
            Some(port) => self.udp.open_other(port, "nfacctd_dtls_port")?,
            None => Vec::new(),
        };
        self.wakes = dtls.iter().map(wake_of).collect();
        let (unwant, unwanted) = mpsc::channel(UNWANTED);
        let mut feeders = Vec::new();
        let sources = workers.into_iter().map(|mut sockets| {
            let wake = sockets.wake();
            let unwant = unwant.clone();
            let (feeder, feed) = delivery::channel(Arc::clone(&wake), move |session| _ = unwant.try_send(session));
            feeders.push(feeder);
            sockets.feed = Some(feed);
            (Box::new(sockets) as Box<dyn Source<P>>, wake)
        });
        let sources = sources.collect();
        self.opened = Some(Open { sockets, dtls, feeders, unwanted });
        Ok(sources)
    }

    fn start(&mut self, services: &Services, admission: &Admission) -> io::Result<()> {
        let Some(Open { sockets, dtls, feeders, unwanted }) = self.opened.take() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        #[cfg(feature = "http")]
        services.board.add_source(Arc::new(metrics::Metrics(Arc::clone(&self.figures))));
        let workers = Workers { feeders: feeders.into(), sessions: Arc::default() };
        for (number, receiver) in dtls.into_iter().enumerate() {
            let start = dtls::Start {
                number,
                receiver,
                settings: Arc::clone(&self.settings),
                loaded: Arc::clone(&self.loaded),
                version: Arc::clone(&self.version),
                figures: Arc::clone(&self.figures),
                workers: workers.clone(),
                admission: admission.clone(),
                stop: services.stop.clone(),
            };
            services
                .threads
                .spawn(format!("dtls/{number}"), services.identity.clone(), move || dtls::run(start))?;
        }
        if sockets.is_empty() {
            return Ok(());
        }
        let start = service::Start {
            settings: Arc::clone(&self.settings),
            loaded: Arc::clone(&self.loaded),
            figures: Arc::clone(&self.figures),
            workers,
            admission: admission.clone(),
            unwanted,
            stop: self.stop.subscribe(),
        };
        services.threads.spawn("ipfix", services.identity.clone(), move || {
            if let Err(error) = service::run(start, sockets) {
                error!("IPFIX over TCP: {error}");
            }
        })
    }

    fn stop(&mut self) {
        self.stop.send_replace(true);
        self.wakes.iter().for_each(|wake| wake());
    }

    fn files(&self) -> Vec<PathBuf> {
        self.settings.files.iter().flat_map(tls::Files::paths).collect()
    }

    fn prepare_reload(&self) -> Option<Prepare> {
        self.settings.files.as_ref()?;
        let (settings, to, version) =
            (Arc::clone(&self.settings), Arc::clone(&self.loaded), Arc::clone(&self.version));
        Some(Box::new(move || {
            let (mut problems, mut loaded) = (Diagnostics::new(), Loaded::default());
            if !settings.load(&mut loaded, &mut problems) {
                problems.joined().iter().for_each(|problem| error!("{}", describe(problem)));
                return None;
            }
            Some(Box::new(move || {
                *to.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                version.fetch_add(1, Ordering::AcqRel);
            }) as Commit)
        }))
    }

    fn announce(&self, what: &str) {
        self.udp.announce(what);
        let Settings { tcp, tls, dtls, .. } = &*self.settings;
        let dtls = dtls.map(|port| SocketAddr::new(self.udp.address(), port));
        for (over, protocol, address) in [("TCP", "tcp", *tcp), ("TLS", "tcp", *tls), ("DTLS", "udp", dtls)] {
            if let Some(address) = address {
                info!("waiting for IPFIX over {over} on ip={} port={}/{protocol}", address.ip(), address.port());
            }
        }
    }

    fn buffer(&self) -> Option<&'static dyn AnyKey> {
        Some(udp::BUFFER)
    }

    fn line(&self) -> Option<String> {
        Some(self.figures.line())
    }
}

impl Workers {
    /// The number of a new session.
    fn new_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The worker of an exporter that is connected.
    fn of(&self, exporter: IpAddr) -> &Feeder {
        // It need not be random: addresses of connections cannot be forged.
        let hash = foldhash::fast::FixedState::default().hash_one(exporter);
        let index = usize::try_from(hash).unwrap_or(usize::MAX) % self.feeders.len().max(1);
        #[expect(
            clippy::indexing_slicing,
            reason = "there is a worker at least, and the index is below their number"
        )]
        &self.feeders[index]
    }
}
