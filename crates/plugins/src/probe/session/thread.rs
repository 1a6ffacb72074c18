//! The thread that keeps a session with the collector.

use super::connection::{Connection, Patience};
use super::{Done, Message, Settings, Shared, TAKEN, Taken};
use crate::probe::target::Target;
use ::probe::Version;
use ::probe::exporter::{first_sequence, renumber};
use runtime::log::Limited;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// The pause before a second attempt to connect. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often the thread looks whether the collector has closed the connection.
const TICK: Duration = Duration::from_secs(1);

/// The thread.
pub(super) struct Thread {
    shared: Arc<Shared>,
    target: Target,
    version: Version,
    settings: Settings,
    failing: Limited,
    unreadable: Limited,
    /// Messages that are being sent.
    batch: VecDeque<Message>,
}

/// How a session ended.
enum End {
    /// There is nothing more to send, or it is given up.
    Over,
    /// It is old, and a new one should take its place.
    Old,
}

impl Thread {
    pub(super) fn new(shared: Arc<Shared>, target: Target, version: Version, settings: Settings) -> Self {
        let failing = Limited::new(LONGEST_PAUSE);
        Self {
            shared,
            target,
            version,
            settings,
            failing,
            unreadable: Limited::new(LONGEST_PAUSE),
            batch: VecDeque::new(),
        }
    }

    pub(super) fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let mut previous: Option<Box<dyn Connection>> = None;
        let mut is_first = true;
        while !self.shared.lock().is_over() {
            if !std::mem::replace(&mut is_first, false) {
                self.reload();
            }
            let patience = Patience { shared: &self.shared, most: self.settings.timeout };
            let Target { host, port, key, .. } = &self.target;
            let transport = self.settings.dialler.name();
            match self.settings.dialler.dial(&self.target, &patience) {
                Ok(mut connection) => {
                    if let Some(mut previous) = previous.take() {
                        previous.close();
                    } else {
                        let collector = connection.peer_address();
                        let address = collector.map_or_else(|| format!("{host}:{port}"), |it| it.to_string());
                        info!("{key}: sending to {address} over {transport}");
                    }
                    let began = Instant::now();
                    let end = self.serve(&mut *connection);
                    self.shared.lock().has_session = false;
                    match end {
                        Ok(End::Over) => {
                            connection.close();
                            break;
                        }
                        Ok(End::Old) => {
                            previous = Some(connection);
                            continue;
                        }
                        Err(error) => self.warn("the session has ended", &error),
                    }
                    if began.elapsed() >= LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(error) => {
                    previous = None;
                    self.warn("cannot connect", &error);
                }
            }
            self.rest(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.shared.lock().has_ended = true;
        self.shared.changed.notify_all();
    }

    /// Reads the files of certificates again, which may be new. If they cannot be read, those that were read before are used.
    fn reload(&mut self) {
        match self.settings.transport.dialler() {
            Ok(Some(dialler)) => self.settings.dialler = dialler,
            Ok(None) => {}
            Err(error) => {
                if let Some(pass) = self.unreadable.pass() {
                    warn!(held_back = pass.held_back, "{error}; what was read before is used");
                }
            }
        }
    }

    fn warn(&self, what: &str, error: &io::Error) {
        self.shared.lock().is_away = true;
        if let Some(pass) = self.failing.pass() {
            let held_back = pass.held_back;
            let (Target { host, port, key, .. }, transport) = (&self.target, self.settings.dialler.name());
            warn!(held_back, "{key}: {what} with {host}:{port} over {transport}: {error}; trying again");
        }
    }

    /// Waits that long, or until the end.
    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.shared.lock();
        while !state.is_over() && Instant::now() < until {
            state = self.shared.wait(state, until.saturating_duration_since(Instant::now()));
        }
    }

    /// Sends messages over a new connection.
    fn serve(&mut self, connection: &mut dyn Connection) -> io::Result<End> {
        let began = Instant::now();
        let mut used = began;
        let mut sequence = first_sequence(self.version);
        let mut announcement = self.begin(&*connection);
        self.send(connection, &mut announcement, &mut sequence)?;
        loop {
            let is_complete = self.take();
            // Messages that are sent over a connection that the collector has closed would be lost.
            connection.check()?;
            if self.batch.is_empty() && is_complete || self.shared.lock().is_abandoned {
                return Ok(End::Over);
            }
            if self.batch.is_empty() {
                continue;
            }
            if connection.is_old(began.elapsed(), used.elapsed()) {
                return Ok(End::Old);
            }
            used = Instant::now();
            let mut batch = std::mem::take(&mut self.batch);
            let result = self.send(connection, &mut batch, &mut sequence);
            self.batch = batch;
            result?;
        }
    }

    /// Returns what the session begins with.
    fn begin(&mut self, connection: &dyn Connection) -> VecDeque<Message> {
        let mut state = self.shared.lock();
        state.has_session = true;
        state.is_away = false;
        state.local = connection.local_address();
        state.limit = connection.limit();
        // They repeat what the session begins with.
        if self.settings.dialler.is_reliable() {
            let waiting = std::mem::take(&mut state.waiting);
            state.waiting = waiting.into_iter().filter(|message| message.contents.flows > 0).collect();
            state.bytes = state.waiting.iter().map(Message::size).sum();
            self.batch.retain(|message| message.contents.flows > 0);
            state.taken = Taken::of(&self.batch);
        }
        state.announcement.iter().cloned().collect()
    }

    /// Waits for messages, and takes some. Returns whether they are the last ones.
    fn take(&mut self) -> bool {
        let mut state = self.shared.lock();
        if state.waiting.is_empty() && self.batch.is_empty() && !state.is_complete {
            state = self.shared.wait(state, TICK);
        }
        if self.batch.is_empty() {
            let count = state.waiting.len().min(TAKEN);
            self.batch.extend(state.waiting.drain(..count));
            state.bytes -= self.batch.iter().map(Message::size).sum::<usize>();
            state.taken = Taken::of(&self.batch);
        }
        let is_complete = state.is_complete && state.waiting.is_empty();
        drop(state);
        // There is room in the queue.
        self.shared.changed.notify_all();
        is_complete
    }

    /// Sends messages, and reports what became of them. After an error, those are left that were not sent.
    fn send(
        &self,
        connection: &mut dyn Connection,
        messages: &mut VecDeque<Message>,
        sequence: &mut u32,
    ) -> io::Result<()> {
        for message in messages.iter_mut() {
            renumber(self.version, &mut message.octets, *sequence);
            *sequence = sequence.wrapping_add(message.units);
        }
        let mut result = Ok(());
        while !messages.is_empty() && result.is_ok() {
            let mut done = Done::default();
            let patience = Patience { shared: &self.shared, most: self.settings.timeout };
            result = connection.send(messages, &patience, &mut done);
            let mut state = self.shared.lock();
            if !state.is_abandoned {
                state.done = state.done.plus(done);
                // Beside an announcement, there may be those that the last session has left.
                state.taken = Taken::of(messages.iter().chain(&self.batch));
            }
        }
        result
    }
}
