//! The thread that talks to Redis: once a second a turn, over one connection.
//!
//! ```text
//!   SETEX key 3 1                            the keys by which the cluster is monitored
//!   GET own; SETEX own 3 MICROSECONDS         of a group: the own key
//!   SCAN … MATCH group+id+*; MGET …          those of all
//! ```
//!
//! SCAN does not block the server, which KEYS does. A turn that is not answered within three seconds has failed. The connection is kept; a
//! new one is tried once a second.

use crate::client::{Connection, Error, TIMEOUT};
use crate::election::{Answer, Command, Election, INTERVAL, Outcome, State, TTL, Write};
use crate::resp::Reply;
use crate::settings::Settings;
use runtime::clock;
use runtime::events::Stop;
use runtime::log::Limited;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Maximum number of keys of a group.
const MAX_KEYS: usize = 1024;
/// The keys that a step of SCAN looks at.
const SCAN_COUNT: &[u8] = b"1000";
/// Minimum time between two log lines about a server that cannot be used.
const RATE: Duration = Duration::from_secs(60);
/// A turn that takes longer has failed: resolving the name of the server has no limit of its own.
const STUCK: Duration = Duration::from_secs(10);
/// Time for the removal of the keys at the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Told of each change of the state, in order.
pub type OnState = Box<dyn Fn(State) + Send + Sync>;

/// What the thread and others share.
pub struct Shared {
    election: Mutex<Turns>,
    on_state: OnState,
    is_connected: AtomicBool,
    failures: AtomicU64,
    changes: AtomicU64,
}

struct Turns {
    /// `None` if this daemon is in no group.
    election: Option<Election>,
    /// When the turn at hand began, and whether it was found to be stuck.
    begun: Instant,
    is_stuck: bool,
}

impl Shared {
    /// The state before the first turn.
    #[must_use]
    pub fn new(settings: &Settings, on_state: OnState) -> Self {
        let turns =
            Turns { election: settings.member.clone().map(Election::new), begun: Instant::now(), is_stuck: false };
        Self {
            election: Mutex::new(turns),
            on_state,
            is_connected: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            changes: AtomicU64::new(0),
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.election.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state; `None` before the first turn has ended, and outside of a group.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.turns().election.as_ref()?.state()
    }

    /// Whether a signal has decided the state.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.turns().election.as_ref().is_some_and(Election::is_forced)
    }

    /// Whether this daemon is in a group.
    #[must_use]
    pub fn is_in_group(&self) -> bool {
        self.turns().election.is_some()
    }

    /// Whether the last turn was answered.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    /// The number of turns that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The number of changes of the state, the first one among them.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Obeys a command of the operator.
    pub fn obey(&self, command: Command) {
        let mut turns = self.turns();
        let Some(election) = &mut turns.election else { return };
        match command {
            Command::ResetTime => {
                info!("BMP-BGP-HA: Local startup timestamp reset triggered.");
                if election.is_forced() {
                    info!("BMP-BGP-HA: The state is forced: the timestamp has no influence on it.");
                }
            }
            Command::ForceActive => info!("Setting daemon to forced-active state."),
            Command::ForceStandby => info!("Setting daemon to forced-standby state."),
            Command::Automatic => info!("Setting daemon back to automatic timestamp-based mode."),
        }
        if let Some(state) = election.obey(command, clock::now(), Instant::now()) {
            self.changed(state);
            log(state);
        }
    }

    /// Called now and then by a thread that is never blocked: notices that the turn at hand is stuck.
    pub fn tick(&self, now: Instant) {
        let mut turns = self.turns();
        if turns.is_stuck || now.saturating_duration_since(turns.begun) < STUCK {
            return;
        }
        turns.is_stuck = true;
        self.is_connected.store(false, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
        warn!("Can't connect to redis server: nothing has come back for {} s", STUCK.as_secs());
        let outcome = turns.election.as_mut().map(|election| election.failed(now));
        self.conclude(outcome);
    }

    fn begin(&self) -> Write {
        let mut turns = self.turns();
        (turns.begun, turns.is_stuck) = (Instant::now(), false);
        turns.election.as_mut().map_or(Write::Nothing, |election| election.begin(clock::now()))
    }

    fn end(&self, answer: Result<&Answer, &Error>) -> Outcome {
        let mut turns = self.turns();
        let now = Instant::now();
        self.is_connected.store(answer.is_ok(), Ordering::Relaxed);
        if answer.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        // Until the next turn, nothing is to be waited for.
        (turns.begun, turns.is_stuck) = (now, false);
        let outcome = turns.election.as_mut().map(|election| match answer {
            Ok(answer) => election.answered(now, answer),
            Err(_) => election.failed(now),
        });
        self.conclude(outcome)
    }

    /// Reports the outcome of a turn. Called with the lock, so that changes are reported in order.
    fn conclude(&self, outcome: Option<Outcome>) -> Outcome {
        let outcome = outcome.unwrap_or_default();
        if let Some(state) = outcome.log {
            if outcome.has_changed {
                self.changed(state);
            }
            log(state);
        }
        outcome
    }

    fn changed(&self, state: State) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        (self.on_state)(state);
    }
}

fn log(state: State) {
    info!("BMP-BGP-HA Daemon state: {}", state.name());
}

/// The thread, before it starts.
pub struct Runner {
    settings: Settings,
    shared: Arc<Shared>,
    connection: Option<Connection>,
    failing: Limited,
    is_failing: bool,
    namesake: Limited,
}

impl Runner {
    /// Prepares the thread.
    #[must_use]
    pub fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        let (failing, namesake) = (Limited::new(RATE), Limited::new(RATE));
        Self { settings, shared, connection: None, failing, is_failing: true, namesake }
    }

    /// Takes turns until the daemon stops; then removes the keys, so that others need not wait until they expire.
    pub fn run(mut self, stop: &Stop) {
        loop {
            let begun = Instant::now();
            let write = self.shared.begin();
            let answer = self.turn(write);
            self.report(answer.as_ref().err());
            if self.shared.end(answer.as_ref()).has_namesake {
                self.report_namesake();
            }
            if stop.pause(INTERVAL.saturating_sub(begun.elapsed())) {
                break;
            }
        }
        // What fails here fails for good: the keys expire.
        let _ = self.remove_keys();
    }

    /// Logs that the server cannot be used, or can be used again.
    fn report(&mut self, error: Option<&Error>) {
        let server = &self.settings.server;
        match error {
            None if std::mem::take(&mut self.is_failing) => {
                info!("redis server: connected to {server}");
                self.failing = Limited::new(RATE);
            }
            None => {}
            Some(error) => {
                self.is_failing = true;
                self.connection = None;
                let Some(pass) = self.failing.pass() else { return };
                let held_back = pass.held_back;
                match error {
                    Error::Connect(_) => warn!(held_back, "Can't connect to redis server: {error}"),
                    error => warn!(held_back, "redis server {server}: {error}"),
                }
            }
        }
    }

    fn report_namesake(&self) {
        let (Some(member), Some(pass)) = (&self.settings.member, self.namesake.pass()) else { return };
        warn!(
            held_back = pass.held_back,
            "BMP-BGP-HA: another daemon writes the key {}: each daemon of a group needs its own core_proc_name",
            member.key()
        );
    }

    fn turn(&mut self, write: Write) -> Result<Answer, Error> {
        let Self { settings, connection, .. } = self;
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(&settings.server)?),
        };
        let deadline = Instant::now() + TIMEOUT;
        let ttl = TTL.as_secs().to_string();
        let mut set = |key: &str, value: &str| {
            connection.request(&[b"SETEX", key.as_bytes(), ttl.as_bytes(), value.as_bytes()]);
        };
        settings.presence.iter().for_each(|(key, value)| set(key, value));
        let Some(member) = &settings.member else {
            return connection.exchange(deadline).map(|_| Answer::default());
        };
        let key = member.key().as_bytes();
        connection.request(&[b"GET", key]);
        match write {
            Write::Set(time) => {
                connection.request(&[b"SETEX", key, ttl.as_bytes(), time.to_string().as_bytes()]);
            }
            Write::Remove => connection.request(&[b"DEL", key]),
            Write::Nothing => {}
        }
        let replies = connection.exchange(deadline)?;
        let before = replies.get(settings.presence.len()).and_then(time_of);
        Ok(Answer { before, others: others(connection, member.pattern(), deadline)? })
    }

    fn remove_keys(&mut self) -> Result<(), Error> {
        let (Some(connection), Settings { presence, member, .. }) = (&mut self.connection, &self.settings) else {
            return Ok(());
        };
        let keys = presence.iter().map(|(key, _)| key.as_bytes());
        let keys = keys.chain(member.iter().map(|member| member.key().as_bytes()));
        let words: Vec<&[u8]> = std::iter::once(b"DEL".as_slice()).chain(keys).collect();
        connection.request(&words);
        connection.exchange(Instant::now() + FAREWELL).map(drop)
    }
}

/// The times in the keys that the pattern names.
fn others(connection: &mut Connection, pattern: &str, deadline: Instant) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let mut keys = BTreeSet::new();
    let mut cursor = b"0".to_vec();
    // A scan may return a key several times.
    loop {
        connection.request(&[b"SCAN", &cursor, b"MATCH", pattern.as_bytes(), b"COUNT", SCAN_COUNT]);
        let found;
        (cursor, found) = page(connection.exchange(deadline)?).ok_or(Error::Unexpected)?;
        keys.extend(found);
        if keys.len() > MAX_KEYS {
            return Err(Error::TooManyKeys(MAX_KEYS));
        }
        if cursor == b"0" {
            break;
        }
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let words: Vec<&[u8]> = std::iter::once(b"MGET".as_slice()).chain(keys.iter().map(Vec::as_slice)).collect();
    connection.request(&words);
    match connection.exchange(deadline)?.pop() {
        // A key may have expired since.
        Some(Reply::Array(Some(values))) if values.len() == keys.len() => {
            let times = values.iter().zip(keys).filter_map(|(value, key)| Some((time_of(value)?, key)));
            Ok(times.collect())
        }
        _ => Err(Error::Unexpected),
    }
}

/// The cursor and the keys in a reply to SCAN.
fn page(mut replies: Vec<Reply>) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let Reply::Array(Some(parts)) = replies.pop()? else { return None };
    let [Reply::Value(Some(cursor)), Reply::Array(Some(keys))] = <[Reply; 2]>::try_from(parts).ok()? else {
        return None;
    };
    let key = |reply| match reply {
        Reply::Value(Some(key)) => Some(key),
        _ => None,
    };
    Some((cursor, keys.into_iter().map(key).collect::<Option<_>>()?))
}

/// The time in a value, in microseconds since 1970. Other values are not those of a daemon.
fn time_of(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Value(Some(value)) => std::str::from_utf8(value).ok()?.parse().ok(),
        _ => None,
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("state", &self.state()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
