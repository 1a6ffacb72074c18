//! High availability: one of several collectors with the same BGP or BMP sessions writes its output; and the keys by which a cluster is
//! monitored.
//!
//! The crate `ha` decides who that is. This part drives it, obeys signals, and opens or closes the gate of the logs and dumps of the
//! parts that follow it ([`Standby`]).

#[cfg(feature = "http")]
mod metrics;

use crate::host::part::{Bell, Kind, Part, Reading, Services};
use ::ha::{Command, Runner, Settings, Shared, State, settings};
use config::KeyPrefix;
use event_log::Gate;
use event_log::hold::{Figures, Hold, Passage};
use runtime::events::Signal;
use runtime::notice;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// High availability in the row of a daemon; it precedes the parts whose output is held back.
pub(crate) static ROW: HighAvailability = HighAvailability;

/// How long the end of the daemon waits for the keys to be removed.
const FAREWELL: Duration = Duration::from_secs(2);

/// The kind of this part.
pub(crate) struct HighAvailability;

/// Holds back the logs and dumps of other parts on stand-by.
#[derive(Clone)]
pub(crate) struct Standby {
    gate: Arc<Gate>,
    queue: settings::Queue,
    queues: Arc<Queues>,
}

/// The figures of the logs that are held back, with the names of their logs.
#[derive(Default)]
pub(crate) struct Queues(Mutex<Vec<(&'static str, Arc<Figures>)>>);

impl Standby {
    /// Open while the daemon is active.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// How the log with the keys of this prefix is held back.
    pub(crate) fn hold(&self, prefix: KeyPrefix) -> Hold {
        let figures = Arc::<Figures>::default();
        let log = prefix.0.split('_').next().unwrap_or_default();
        self.queues.0.lock().unwrap_or_else(PoisonError::into_inner).push((log, Arc::clone(&figures)));
        Hold { gate: self.gate(), max_age: self.queue.max_age, max_events: self.queue.max_messages, figures }
    }
}

impl Queues {
    fn all(&self) -> Vec<(&'static str, Arc<Figures>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Daemon {
    settings: Settings,
    shared: Arc<Shared>,
    queues: Arc<Queues>,
    /// When shutdown was requested.
    stopped: Option<Instant>,
    has_ended: Arc<AtomicBool>,
}

impl Kind for HighAvailability {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        let settings = settings::read(reading.config, reading.problems)?;
        let (gate, queues) = (Arc::<Gate>::default(), Arc::<Queues>::default());
        if settings.member.is_some() {
            let standby = Standby { gate: Arc::clone(&gate), queue: settings.queue, queues: Arc::clone(&queues) };
            reading.offers.put(standby);
        }
        let on_state = move |state| {
            gate.set(match state {
                State::Active => Passage::Open,
                State::Standby => Passage::Closed,
            });
        };
        let shared = Arc::new(Shared::new(&settings, Box::new(on_state)));
        Some(Box::new(Daemon { settings, shared, queues, stopped: None, has_ended: Arc::default() }))
    }
}

/// Rings when the thread ends, however it does.
struct Ended(Arc<AtomicBool>, Bell);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
        self.1.ring();
    }
}

impl Daemon {
    #[cfg(feature = "http")]
    fn publish(&self, services: &Services) {
        let metrics = metrics::Metrics { shared: Arc::clone(&self.shared), queues: Arc::clone(&self.queues) };
        services.board.add_source(Arc::new(metrics));
    }

    #[cfg(not(feature = "http"))]
    fn publish(&self, _services: &Services) {}
}

impl Part for Daemon {
    fn start(&mut self, services: &Services) -> io::Result<()> {
        self.publish(services);
        let runner = Runner::new(self.settings.clone(), Arc::clone(&self.shared));
        let stop = services.stop.clone();
        let ended = Ended(Arc::clone(&self.has_ended), services.bell.clone());
        // Resolving the name of the server may take long, and nothing waits for it.
        services.threads.spawn_aside("redis", services.identity.clone(), move || {
            let _ended = ended;
            runner.run(&stop);
        })
    }

    fn is_working(&self) -> bool {
        let waits = self.stopped.is_some_and(|stopped| stopped.elapsed() < FAREWELL);
        waits && !self.has_ended.load(Ordering::Acquire)
    }

    fn tick(&mut self) {
        self.shared.tick(Instant::now());
    }

    fn takes_signal(&mut self, signal: Signal) -> bool {
        let Signal::Realtime(number) = signal else { return false };
        let command = match number {
            0 => Command::ResetTime,
            1 => Command::ForceActive,
            2 => Command::ForceStandby,
            _ => Command::Automatic,
        };
        if self.shared.is_in_group() {
            self.shared.obey(command);
        }
        self.shared.is_in_group()
    }

    fn report(&mut self, now: u64) {
        let server = &self.settings.server;
        let (connected, failures) = (u8::from(self.shared.is_connected()), self.shared.failures());
        notice!("stats [redis] server={server} time={now} redis_connected={connected} redis_failures={failures}");
        if !self.shared.is_in_group() {
            return;
        }
        let state = self.shared.state().map_or("undecided", state_name);
        let (forced, changes) = (u8::from(self.shared.is_forced()), self.shared.changes());
        notice!("stats [ha] time={now} state={state} forced={forced} ha_state_changes={changes}");
        for (log, figures) in self.queues.all() {
            let dropped: String =
                figures.dropped().map(|(reason, count)| format!(" ha_queue_dropped[{reason}]={count}")).collect();
            notice!(
                "stats [ha/{log}] time={now} ha_queue_messages={} ha_queue_bytes={} ha_queue_released={}{dropped}",
                figures.events(),
                figures.bytes(),
                figures.released()
            );
        }
    }

    fn stop(&mut self) {
        self.stopped = Some(Instant::now());
    }

    fn has_failed(&mut self, _finite: bool) -> bool {
        false
    }
}

/// The state in statistics and answers.
fn state_name(state: State) -> &'static str {
    match state {
        State::Active => "active",
        State::Standby => "standby",
    }
}
