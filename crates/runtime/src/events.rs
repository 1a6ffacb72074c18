//! Events for the main loop, and the request to stop for the other threads.
//!
//! The main loop reads one channel: signals, ends of threads, and a regular tick. Sending never blocks. The other threads are
//! asked to end by a [`Stop`], which they poll, wait on, or pause with.

use crate::threads::End;
use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, bounded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Events that may be queued. The main loop does nothing that takes long, so there are never more than a few.
const WAITING: usize = 1024;

/// A signal that a daemon acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGINT: end.
    Interrupt,
    /// SIGTERM: end.
    Terminate,
    /// SIGHUP: reopen files.
    Hangup,
    /// SIGUSR1: print statistics.
    User1,
    /// SIGUSR2: reload maps.
    User2,
    /// SIGRTMIN and the three signals after it, by their distance from it: commands for high availability.
    Realtime(u8),
}

impl Signal {
    /// True for the signals that end the daemon.
    #[must_use]
    pub fn is_stop(self) -> bool {
        matches!(self, Self::Interrupt | Self::Terminate)
    }

    /// The signal's name, such as `SIGINT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::User1 => "SIGUSR1",
            Self::User2 => "SIGUSR2",
            Self::Realtime(0) => "SIGRTMIN",
            Self::Realtime(1) => "SIGRTMIN+1",
            Self::Realtime(2) => "SIGRTMIN+2",
            Self::Realtime(_) => "SIGRTMIN+3",
        }
    }
}

/// An event for the main loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A signal. Several of one kind may be merged, as in the kernel.
    Signal(Signal),
    /// SIGINT or SIGTERM again while the daemon was ending: abandon all work in progress.
    Force,
    /// A thread ended.
    ThreadEnded {
        /// Its name.
        name: String,
        /// Whether it returned or panicked.
        how: End,
    },
    /// The daemon cannot continue, for example because a database does not have the table.
    Fatal(String),
    /// A tick is due: time for regular work and for the watchdog.
    Tick,
}

/// An event or a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken<T> {
    /// An event.
    Event(Event),
    /// A message of another channel.
    Message(T),
}

/// The sending end.
#[derive(Clone, Debug)]
pub struct Sender(crossbeam_channel::Sender<Event>);

impl Sender {
    /// Sends without waiting. With more than a thousand events unread the new one is dropped.
    pub fn send(&self, event: Event) {
        let _ = self.0.try_send(event);
    }
}

/// The main loop's end.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
    tick: Option<Duration>,
    due: Option<Instant>,
}

/// The channel of events. With `tick`, an [`Event::Tick`] is read at least that often.
#[must_use]
pub fn channel(tick: Option<Duration>) -> (Sender, Events) {
    let (sender, receiver) = bounded(WAITING);
    let due = tick.and_then(|tick| Instant::now().checked_add(tick));
    (Sender(sender), Events { receiver, tick, due })
}

impl Events {
    /// Waits for the next event.
    pub fn wait(&mut self) -> Event {
        loop {
            if let Some(event) = self.receive(self.due) {
                return event;
            }
        }
    }

    /// Waits for the next event, but not after `deadline`.
    pub fn wait_until(&mut self, deadline: Instant) -> Option<Event> {
        let until = self.due.map_or(deadline, |due| due.min(deadline));
        self.receive(Some(until))
    }

    /// Waits for the next event or message, but not after `deadline`. Events go first. The sender of `messages`
    /// must exist: a wait on a disconnected channel would return at once.
    pub fn wait_with<T>(&mut self, messages: &Receiver<T>, deadline: Option<Instant>) -> Option<Woken<T>> {
        if let Some(tick) = self.tick() {
            return Some(Woken::Event(tick));
        }
        let until = [self.due, deadline].into_iter().flatten().min();
        let timeout = until.map_or_else(crossbeam_channel::never, crossbeam_channel::at);
        crossbeam_channel::select_biased! {
            recv(self.receiver) -> event => Some(Woken::Event(event.unwrap_or(Event::Force))),
            recv(messages) -> message => message.ok().map(Woken::Message),
            recv(timeout) -> _ => None,
        }
    }

    /// The tick, when it is due.
    fn tick(&mut self) -> Option<Event> {
        let (due, tick) = (self.due?, self.tick?);
        let now = Instant::now();
        if now < due {
            return None;
        }
        self.due = now.checked_add(tick);
        Some(Event::Tick)
    }

    fn receive(&mut self, until: Option<Instant>) -> Option<Event> {
        // The tick goes first, or a flood of events would starve the watchdog.
        if let Some(tick) = self.tick() {
            return Some(tick);
        }
        let received = match until {
            Some(until) => self.receiver.recv_deadline(until),
            None => self.receiver.recv().map_err(RecvTimeoutError::from),
        };
        match received {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            // All senders are gone: only the end can follow.
            Err(RecvTimeoutError::Disconnected) => Some(Event::Force),
        }
    }
}

/// A gate that opens once, and stays open.
#[derive(Debug)]
struct Gate {
    open: AtomicBool,
    /// Dropped when the gate opens; that wakes all who wait on `receiver`.
    sender: Mutex<Option<crossbeam_channel::Sender<()>>>,
    receiver: Receiver<()>,
}

impl Gate {
    fn new() -> Self {
        let (sender, receiver) = bounded(0);
        Self { open: AtomicBool::new(false), sender: Mutex::new(Some(sender)), receiver }
    }

    fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
}

/// The request to end, as all threads see it.
#[derive(Clone, Debug)]
pub struct Stop {
    requested: Arc<Gate>,
    forced: Arc<Gate>,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Not requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self { requested: Arc::new(Gate::new()), forced: Arc::new(Gate::new()) }
    }

    /// Asks all threads to end in good order.
    pub fn request(&self) {
        self.requested.open();
    }

    /// Asks all threads to end now, whatever is lost by that.
    pub fn force(&self) {
        self.forced.open();
        self.requested.open();
    }

    /// True from [`Stop::request`] on. One atomic load.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requested.is_open()
    }

    /// True from [`Stop::force`] on.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.forced.is_open()
    }

    /// Waits, as before a retry, but at most until the stop is requested; returns true then.
    #[must_use]
    pub fn pause(&self, time: Duration) -> bool {
        self.requested.receiver.recv_timeout(time) == Err(RecvTimeoutError::Disconnected)
    }

    /// As [`Stop::pause`], for work that continues after the request: only force ends the wait early.
    #[must_use]
    pub fn pause_until_forced(&self, time: Duration) -> bool {
        self.forced.receiver.recv_timeout(time) == Err(RecvTimeoutError::Disconnected)
    }

    /// Never receives anything, and is disconnected by the request: an arm for `select!`.
    #[must_use]
    pub fn receiver(&self) -> &Receiver<()> {
        &self.requested.receiver
    }

    /// As [`Stop::receiver`], for force.
    #[must_use]
    pub fn forced_receiver(&self) -> &Receiver<()> {
        &self.forced.receiver
    }
}

/// True when nothing more can come from a receiver of [`Stop`].
#[must_use]
pub fn is_closed(receiver: &Receiver<()>) -> bool {
    receiver.try_recv() == Err(TryRecvError::Disconnected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order() {
        let (sender, mut events) = channel(None);
        sender.send(Event::Signal(Signal::Hangup));
        sender.send(Event::Force);
        assert_eq!(events.wait(), Event::Signal(Signal::Hangup));
        assert_eq!(events.wait(), Event::Force);
        assert_eq!(events.wait_until(Instant::now()), None);
    }

    #[test]
    fn ticks_come_while_nothing_happens_and_while_much_does() {
        let (sender, mut events) = channel(Some(Duration::from_millis(5)));
        assert_eq!(events.wait(), Event::Tick);
        let start = Instant::now();
        let mut ticks = 0;
        while start.elapsed() < Duration::from_millis(100) {
            sender.send(Event::Signal(Signal::User1));
            ticks += u32::from(events.wait() == Event::Tick);
        }
        assert!(ticks >= 2, "{ticks}");
    }

    #[test]
    fn a_full_channel_does_not_block_the_sender() {
        let (sender, mut events) = channel(None);
        for _ in 0..WAITING * 2 {
            sender.send(Event::Tick);
        }
        for _ in 0..WAITING {
            assert_eq!(events.wait(), Event::Tick);
        }
        assert_eq!(events.wait_until(Instant::now()), None);
    }

    #[test]
    fn messages_wake_the_main_loop_after_events_and_ticks() {
        let (sender, mut events) = channel(Some(Duration::from_millis(20)));
        let (messages, received) = bounded(4);
        messages.send(1).unwrap();
        sender.send(Event::Signal(Signal::User1));
        let first = events.wait_with(&received, None);
        assert_eq!(first, Some(Woken::Event(Event::Signal(Signal::User1))));
        assert_eq!(events.wait_with(&received, None), Some(Woken::Message(1)));
        assert_eq!(events.wait_with(&received, Some(Instant::now())), None);
        // A flood of messages does not delay the tick.
        let mut flood = 0;
        loop {
            messages.try_send(2).unwrap();
            match events.wait_with(&received, None) {
                Some(Woken::Message(2)) => flood += 1,
                woken => break assert_eq!((woken, flood > 0), (Some(Woken::Event(Event::Tick)), true)),
            }
        }
    }

    #[test]
    fn a_main_loop_without_senders_ends() {
        let (sender, mut events) = channel(None);
        drop(sender);
        assert_eq!(events.wait(), Event::Force);
    }

    #[test]
    fn a_pause_ends_at_the_request() {
        let stop = Stop::new();
        assert!(!stop.pause(Duration::from_millis(1)));
        let other = stop.clone();
        let start = Instant::now();
        let waiting = std::thread::spawn(move || other.pause(Duration::from_secs(60)));
        stop.request();
        assert!(waiting.join().unwrap());
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(stop.is_requested() && !stop.is_forced() && is_closed(stop.receiver()));
        assert!(!stop.pause_until_forced(Duration::from_millis(1)));
        stop.force();
        assert!(stop.pause_until_forced(Duration::from_secs(60)) && stop.is_forced());
    }
}
