//! Telemetry over gRPC: routers that dial out, and gNMI targets that are dialled.
//!
//! ```text
//!  routers ──▶ TCP, TLS ──▶ HTTP/2 (hyper) ──▶ frames ─┐
//!                                                      ├─▶ protobuf to JSON ──▶ queue ──▶ Receiver<Event>
//!  targets ◀── TCP, TLS ◀── HTTP/2 (hyper) ──▶ frames ─┘    (telemetry_gpb)
//! ```
//!
//! One thread drives everything on a runtime of its own ([`Intake::run`]). Events come from a bounded channel.
//!
//! gRPC is HTTP/2 with a frame of five octets before each message, and a status at the end. The frames are read here instead of by tonic,
//! whose decoder reserves as much memory as a peer says that it will send: here a message takes its share of a budget first
//! ([`Limits::receiving`]), and memory as it arrives. A consumer that is slow holds back the routers: the queue is bounded in events and in
//! bytes, a stream that cannot deliver its message reads no further, and HTTP/2's flow control reaches the router.
//!
//! Each thing that a peer can make grow has a bound in [`Limits`], and each reason for which something ends or is lost a counter in
//! [`Counters`].
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod collector_file;
mod counters;
mod dial_in;
mod event;
mod frames;
mod limits;
mod outlet;
mod server;
mod service;
pub mod targets_file;
pub mod tls;

pub use counters::Counters;
pub use dial_in::{Credentials, Encoding, Mode, Target};
pub use event::{End, Event, Message, Payload, Source};
pub use limits::Limits;
pub use server::Listener;
pub use service::{Service, Services};

use outlet::Outlet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

/// The time in which streams and events end after [`Handle::stop`].
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Decides whether a router may connect. Called for each connection, before TLS.
pub type Admit = Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>;

/// What to do.
pub struct Settings {
    /// Sockets on which routers dial out.
    pub listeners: Vec<Listener>,
    /// Targets to dial.
    pub targets: Vec<Arc<Target>>,
    /// Bounds.
    pub limits: Limits,
    /// How self-describing data of Cisco becomes JSON.
    pub cisco_form: telemetry_gpb::cisco::Form,
    /// The most messages of a stream, by service; 0 is any number.
    pub replies: [u32; Service::COUNT],
    /// Who may connect.
    pub admit: Admit,
}

/// The sockets and targets, ready to run.
pub struct Intake {
    settings: Settings,
    outlet: Arc<Outlet>,
    stop: watch::Receiver<bool>,
    targets: watch::Receiver<Vec<Arc<Target>>>,
}

/// Controls an [`Intake`] from other threads. When all handles are dropped, it stops too.
#[derive(Clone, Debug)]
pub struct Handle {
    stop: watch::Sender<bool>,
    targets: watch::Sender<Vec<Arc<Target>>>,
    counters: Arc<Counters>,
}

impl Intake {
    /// Prepares sockets, and returns the end of the channel of events with it.
    ///
    /// # Errors
    /// A socket cannot be set to non-blocking mode.
    pub fn new(settings: Settings) -> io::Result<(Self, Handle, mpsc::Receiver<Event>)> {
        for listener in &settings.listeners {
            listener.socket.set_nonblocking(true)?;
        }
        let (stop, stopped) = watch::channel(false);
        let (targets, wanted) = watch::channel(settings.targets.clone());
        let counters = Arc::new(Counters::default());
        let (outlet, receiver) = Outlet::new(&settings, Arc::clone(&counters));
        let intake = Self { settings, outlet: Arc::new(outlet), stop: stopped, targets: wanted };
        Ok((intake, Handle { stop, targets, counters }, receiver))
    }

    /// Runs until [`Handle::stop`], or until the receiver of events is dropped, on this thread.
    ///
    /// # Errors
    /// The runtime cannot be created, or a socket cannot be registered with it.
    pub fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let result = runtime.block_on(self.serve());
        // Lookups of names, which cannot be interrupted, go on without anybody who waits.
        runtime.shutdown_background();
        result
    }

    async fn serve(self) -> io::Result<()> {
        let Self { settings, outlet, mut stop, targets } = self;
        let (done, mut idle) = mpsc::channel::<()>(1);
        let limits = settings.limits;
        let budget = limits.receiving.max(limits.message).min(Semaphore::MAX_PERMITS);
        let receiving = Arc::new(Semaphore::new(budget));
        let server = server::Shared {
            limits,
            replies: settings.replies,
            admit: settings.admit,
            outlet: Arc::clone(&outlet),
            stop: stop.clone(),
            _done: done.clone(),
            connections: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            receiving: Arc::clone(&receiving),
        };
        let server = Arc::new(server);
        for listener in settings.listeners {
            tokio::spawn(server::accept(listener.register()?, Arc::clone(&server)));
        }
        let dialler =
            dial_in::Dialler { outlet: Arc::clone(&outlet), limits, stop: stop.clone(), receiving, _done: done };
        tokio::spawn(dial_in::run(targets, Arc::new(dialler)));
        drop(server);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = outlet.closed() => {}
        }
        // Tasks hold a sender each: the channel ends with the last of them.
        let _ = tokio::time::timeout(SHUTDOWN, idle.recv()).await;
        Ok(())
    }
}

impl Handle {
    /// Ends all streams and connections within a second.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Replaces the targets. Subscriptions of those that did not change go on.
    pub fn set_targets(&self, targets: Vec<Arc<Target>>) {
        self.targets.send_replace(targets);
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}
