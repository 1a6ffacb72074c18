//! Export over connections: TCP, TLS and DTLS.
//!
//! The thread of the probe puts messages into a queue ([`Outlet`]). A thread of its own ([`thread`]) connects to the collector, sends them, and connects again
//! after an error. A transport session (RFC 7011 section 2) begins with the latest announcement: all templates and the options data. So a
//! collector that restarts can read what follows, whatever it has received before.
//!
//! The probe never waits for the collector, unless its input is a file. While the collector is away, or too slow, messages wait in the queue; beyond
//! `plugin_queue_memory` the oldest are dropped, and counted with their flows. What the kernel has accepted counts as sent: if a
//! connection breaks, what was on its way is lost, as IPFIX has no acknowledgements.

mod connection;
#[cfg(feature = "dtls")]
mod datagrams;
pub(super) mod settings;
mod stream;
mod thread;

pub(crate) use self::connection::Dialler;
use self::settings::Transport;
use super::batch::sum;
use super::target::Target;
use crate::sink::{Accounting, Datagrams, DropReason};
use ::probe::{Contents, Datagram, Exporter, Version};
use delivery::Sum;
use runtime::log::Identity;
use runtime::threads::Threads;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Messages that the thread takes at a time.
const TAKEN: usize = 64;
/// What a message takes in the queue beside its octets.
const OVERHEAD: usize = size_of::<Message>() + 16;

/// What a session needs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How the collector is reached.
    pub(crate) dialler: Dialler,
    /// What that was made from.
    pub(crate) transport: Transport,
    /// `plugin_queue_memory`.
    pub(crate) queue_bytes: usize,
    /// `plugin_write_timeout`: how long the collector may take for a connection, or to read anything.
    pub(crate) timeout: Duration,
    /// `plugin_exit_timeout`.
    pub(crate) exit: Duration,
    /// The input is a file, which waits for the collector.
    pub(crate) is_patient: bool,
}

/// A message that waits.
#[derive(Clone, Debug)]
struct Message {
    octets: Vec<u8>,
    contents: Contents,
    /// By how much it advances the sequence number.
    units: u32,
}

impl Message {
    /// Memory in the queue.
    fn size(&self) -> usize {
        self.octets.len() + OVERHEAD
    }
}

impl From<Datagram<'_>> for Message {
    fn from(datagram: Datagram<'_>) -> Self {
        Self { octets: datagram.octets.to_vec(), contents: datagram.contents, units: datagram.units }
    }
}

/// What became of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Done {
    datagrams: Datagrams,
    sent: Sum,
    unsent: Sum,
}

/// Messages, and the flows in them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Taken {
    messages: u64,
    flows: Sum,
}

impl Taken {
    fn plus(self, message: &Message) -> Self {
        Self { messages: self.messages + 1, flows: self.flows.plus(sum(message.contents)) }
    }

    fn of<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Self {
        messages.into_iter().fold(Self::default(), Self::plus)
    }
}

/// What both threads see.
#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Message>,
    /// Memory that they take.
    bytes: usize,
    /// What the thread has taken, and not reported.
    taken: Taken,
    has_session: bool,
    /// The last attempt to connect has failed, or the session has ended.
    is_away: bool,
    /// What a session begins with.
    announcement: Vec<Message>,
    /// The address of the session's socket.
    local: Option<IpAddr>,
    /// The maximum length of messages, if the session has one.
    limit: Option<usize>,
    done: Done,
    /// No more messages will come.
    is_complete: bool,
    /// What has not been sent is given up.
    is_abandoned: bool,
    has_ended: bool,
}

impl State {
    /// Messages are to be sent.
    fn has_work(&self) -> bool {
        !self.waiting.is_empty() || self.taken.messages > 0
    }

    /// Nothing is left to send, or it is given up.
    fn is_over(&self) -> bool {
        self.is_abandoned || self.is_complete && !self.has_work()
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, at most that long.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Done {
    fn plus(self, other: Self) -> Self {
        let (a, b) = (self.datagrams, other.datagrams);
        Self {
            datagrams: Datagrams {
                sent: a.sent + b.sent,
                unsent: a.unsent + b.unsent,
                refused: a.refused + b.refused,
            },
            sent: self.sent.plus(other.sent),
            unsent: self.unsent.plus(other.unsent),
        }
    }
}

/// The end of the probe's thread.
pub(super) struct Outlet {
    shared: Arc<Shared>,
    settings: Settings,
    accounting: Accounting,
    /// Maximum length of messages, in octets.
    most: usize,
    /// Waiting for the collector has not helped.
    is_stalled: bool,
}

impl Outlet {
    /// Starts the thread `name`.
    ///
    /// # Errors
    /// The kernel allows no more threads.
    pub(super) fn start(
        target: Target,
        version: Version,
        settings: Settings,
        accounting: Accounting,
        (name, identity, threads): (String, Identity, &Threads),
    ) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let most = settings.dialler.message_size(target.datagram_size);
        let thread = thread::Thread::new(Arc::clone(&shared), target, version, settings.clone());
        // A collector may block it, for instance in the resolver.
        threads.spawn_aside(name, identity, move || thread.run())?;
        Ok(Self { shared, settings, accounting, most, is_stalled: false })
    }

    /// The maximum length of messages, in octets.
    pub(super) fn limit(&self) -> usize {
        self.shared.lock().limit.map_or(self.most, |limit| limit.min(self.most))
    }

    /// The address that messages come from, once there was a session.
    pub(super) fn local_address(&self) -> Option<IpAddr> {
        self.shared.lock().local
    }

    pub(super) fn accounting(&mut self) -> &mut Accounting {
        &mut self.accounting
    }

    /// Whether templates must be left to [`Self::announce`]: the transport is reliable.
    pub(super) fn keeps_templates(&self) -> bool {
        self.settings.dialler.is_reliable()
    }

    /// Whether [`Self::announce`] was called.
    pub(super) fn has_announcement(&self) -> bool {
        !self.shared.lock().announcement.is_empty()
    }

    /// Changes what sessions begin with to what the exporter announces now. A session that has begun gets what has changed.
    pub(super) fn announce(&mut self, exporter: &mut Exporter, now_us: u64) {
        exporter.flush(now_us, &mut |datagram| self.push(datagram));
        let (mut changes, mut announcement) = (Vec::new(), Vec::new());
        if self.keeps_templates() {
            exporter.changes(now_us, &mut |datagram| changes.push(Message::from(datagram)));
        }
        exporter.announcement(now_us, &mut |datagram| announcement.push(Message::from(datagram)));
        let mut state = self.shared.lock();
        state.announcement = announcement;
        if state.has_session {
            state.bytes += changes.iter().map(Message::size).sum::<usize>();
            state.waiting.extend(changes);
        }
    }

    /// Takes a message. At the bound, the oldest are dropped.
    pub(super) fn push(&mut self, datagram: Datagram<'_>) {
        let message = Message::from(datagram);
        self.accounting.handed(message.contents.flows);
        let needed = message.size();
        let mut state = self.shared.lock();
        self.is_stalled &= !state.has_session;
        if self.settings.is_patient && !self.is_stalled {
            let mut progress = Instant::now();
            while state.bytes + needed > self.settings.queue_bytes && !state.has_ended {
                let before = state.bytes;
                state = self.shared.wait(state, Duration::from_millis(100));
                if state.bytes < before {
                    progress = Instant::now();
                } else if progress.elapsed() >= self.settings.exit {
                    self.is_stalled = true;
                    break;
                }
            }
        }
        let mut dropped = Sum::default();
        let mut messages = 0;
        while state.bytes + needed > self.settings.queue_bytes
            // Templates that the session lacks must not be lost.
            && let Some(at) = state.waiting.iter().position(|message| message.contents.flows > 0)
            && let Some(oldest) = state.waiting.remove(at)
        {
            state.bytes -= oldest.size();
            dropped = dropped.plus(sum(oldest.contents));
            messages += 1;
        }
        state.bytes += needed;
        state.waiting.push_back(message);
        drop(state);
        self.shared.changed.notify_all();
        if messages > 0 {
            self.accounting.datagrams(Datagrams { unsent: messages, ..Datagrams::default() });
            self.accounting.dropped(dropped, DropReason::Retries);
        }
    }

    /// Counts what the thread has reported.
    pub(super) fn collect(&mut self) {
        let (done, is_away) = {
            let mut state = self.shared.lock();
            (std::mem::take(&mut state.done), state.is_away)
        };
        if done != Done::default() {
            self.accounting.datagrams(done.datagrams);
            self.accounting.written(done.sent.aggregates);
            self.accounting.dropped(done.unsent, DropReason::Refused);
        }
        if is_away {
            self.accounting.set_reachable(false);
        }
    }

    /// Lets the thread send what waits, and drops the rest after `plugin_exit_timeout`; if the input is a file, after such a time without progress.
    pub(super) fn finish(&mut self) {
        let mut deadline = Instant::now() + self.settings.exit;
        let mut state = self.shared.lock();
        state.is_complete = true;
        self.shared.changed.notify_all();
        // Without a session, the thread may be in the middle of an attempt to get one.
        while !state.has_ended && (state.has_session || state.has_work()) && Instant::now() < deadline {
            let before = (state.waiting.len(), state.taken);
            state = self.shared.wait(state, Duration::from_millis(100));
            if self.settings.is_patient && before != (state.waiting.len(), state.taken) {
                deadline = Instant::now() + self.settings.exit;
            }
        }
        state.is_abandoned = true;
        let taken = state.taken;
        let Taken { messages, flows } = state.waiting.drain(..).fold(taken, |taken, message| taken.plus(&message));
        drop(state);
        self.shared.changed.notify_all();
        self.collect();
        if messages > 0 {
            self.accounting.datagrams(Datagrams { unsent: messages, ..Datagrams::default() });
            self.accounting.dropped(flows, DropReason::Shutdown);
        }
    }
}
