//! Which daemon of a group is active: a state machine without I/O and clock.
//!
//! Once a second, a turn: [`Election::begin`] says what to write to the own key; then [`Election::answered`] gets what the keys of the
//! group say, or [`Election::failed`] is called. The key of each daemon holds the time of its start and expires [`TTL`] after it was
//! written. A daemon is active if no key of the group has an earlier time. Of equal times, the one whose key comes first in the order
//! of octets is earlier, so all daemons agree.
//!
//! Duplicates are better than gaps: a daemon that does not know what the others do is active. It knows for [`TTL`] after the last
//! answer, since that is how long their keys live without Redis being asked; so a short outage of Redis changes nothing.

use std::time::{Duration, Instant};

/// The lifetime of keys in Redis.
pub const TTL: Duration = Duration::from_secs(3);
/// The interval of turns.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// Turns after which the state is logged again.
const REPEAT: u32 = 600;

/// A member of a group: the keys by which it takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    key: String,
    pattern: String,
}

impl Member {
    /// The daemon `process` of the group with this name and number.
    #[must_use]
    pub fn new(group: &str, id: u32, process: &str) -> Self {
        const SUFFIX: &str = "ha_daemon_startup_time";
        let mut pattern = String::new();
        crate::resp::escape(&mut pattern, group);
        pattern.push_str(&format!("+{id}+*{SUFFIX}"));
        Self { key: format!("{group}+{id}+{process}+{SUFFIX}"), pattern }
    }

    /// The key that holds the time of its start, in microseconds since 1970, in decimal digits.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The pattern of SCAN for the keys of all members.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// Whether a daemon writes its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Active,
    /// Another one does.
    Standby,
}

impl State {
    /// Its name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Standby => "STANDBY",
        }
    }
}

/// What the operator wants: one of the signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take the present time as that of the start.
    ResetTime,
    /// Be active, whatever the others do.
    ForceActive,
    /// Be on stand-by, whatever the others do, and let them know.
    ForceStandby,
    /// Follow the times again.
    Automatic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Automatic,
    Forced(State),
}

/// What to do with the own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Set it to this time, to expire after [`TTL`].
    Set(u64),
    /// Remove it.
    Remove,
    /// Nothing.
    Nothing,
}

/// What the keys of the group said in a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The value of the own key before it was written, if it is a time.
    pub before: Option<u64>,
    /// Times of other keys, with the keys. What is not a time is left out.
    pub others: Vec<(u64, Vec<u8>)>,
}

/// What a turn has led to, for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The state to be logged: it is the first one, it has changed, or it was not logged for long.
    pub log: Option<State>,
    /// It is the first one, or has changed.
    pub has_changed: bool,
    /// Another daemon writes the same key.
    pub has_namesake: bool,
}

/// The state of one daemon.
#[derive(Debug)]
pub struct Election {
    member: Member,
    mode: Mode,
    /// `None` before the first turn has ended.
    state: Option<State>,
    /// From the first turn on.
    started: Option<u64>,
    /// What the own key was set to by the last turn that was answered.
    written: Option<u64>,
    /// What this turn does with it.
    writing: Write,
    /// Whether a member with an earlier time was there at the last answer, and when that came.
    answer: Option<(bool, Instant)>,
    /// The time of another daemon with the same key, and when it was seen.
    namesake: Option<(u64, Instant)>,
    /// Turns since the state was logged.
    turns: u32,
}

impl Election {
    /// A daemon that has not begun its first turn.
    #[must_use]
    pub fn new(member: Member) -> Self {
        Self {
            member,
            mode: Mode::Automatic,
            state: None,
            started: None,
            written: None,
            writing: Write::Nothing,
            answer: None,
            namesake: None,
            turns: 0,
        }
    }

    /// The keys.
    #[must_use]
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// The state; `None` before the first turn has ended.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.state
    }

    /// Whether a signal has decided the state.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.mode != Mode::Automatic
    }

    /// Begins a turn. `micros`: the time in microseconds since 1970.
    pub fn begin(&mut self, micros: u64) -> Write {
        let started = *self.started.get_or_insert(micros);
        self.writing = match (self.mode, self.written) {
            (Mode::Forced(State::Standby), Some(_)) => Write::Remove,
            (Mode::Forced(State::Standby), None) => Write::Nothing,
            _ => Write::Set(started),
        };
        self.writing
    }

    /// Ends a turn that was answered.
    pub fn answered(&mut self, now: Instant, answer: &Answer) -> Outcome {
        // At the first turn, the key may be left over from before a restart.
        let foreign = answer.before.filter(|time| Some(*time) != self.written && Some(*time) != self.started);
        let foreign = foreign.filter(|_| self.written.is_some());
        if let Some(time) = foreign {
            self.namesake = Some((time, now));
        }
        match self.writing {
            Write::Set(time) => self.written = Some(time),
            Write::Remove => self.written = None,
            Write::Nothing => {}
        }
        let own = (self.started.unwrap_or(u64::MAX), self.member.key.as_bytes());
        let is_earlier = |(time, key): &(u64, Vec<u8>)| key != own.1 && (*time, key.as_slice()) < own;
        self.answer = Some((answer.others.iter().any(is_earlier), now));
        Outcome { has_namesake: foreign.is_some(), ..self.end(now) }
    }

    /// Ends a turn that Redis did not answer.
    pub fn failed(&mut self, now: Instant) -> Outcome {
        self.end(now)
    }

    fn end(&mut self, now: Instant) -> Outcome {
        self.turns = self.turns.saturating_add(1);
        let has_changed = self.settle(now).is_some();
        let is_due = has_changed || self.turns >= REPEAT;
        if is_due {
            self.turns = 0;
        }
        Outcome { log: self.state.filter(|_| is_due), has_changed, has_namesake: false }
    }

    /// Obeys a command. Returns the state if it has changed. `micros`: the time in microseconds since 1970.
    pub fn obey(&mut self, command: Command, micros: u64, now: Instant) -> Option<State> {
        match command {
            Command::ResetTime => {
                // The next turn shows whether others are earlier now.
                self.started = Some(micros);
                return None;
            }
            Command::ForceActive => self.mode = Mode::Forced(State::Active),
            Command::ForceStandby => self.mode = Mode::Forced(State::Standby),
            Command::Automatic => {
                self.mode = Mode::Automatic;
                // Without a turn, nothing is known.
                self.state?;
            }
        }
        self.settle(now)
    }

    /// Decides the state. Returns it if it has changed.
    fn settle(&mut self, now: Instant) -> Option<State> {
        let is_fresh = |seen: Instant| now.saturating_duration_since(seen) < TTL;
        let started = self.started.unwrap_or(u64::MAX);
        let is_second = self.answer.is_some_and(|(has_earlier, at)| has_earlier && is_fresh(at))
            || self.namesake.is_some_and(|(time, seen)| time < started && is_fresh(seen));
        let state = match self.mode {
            Mode::Forced(state) => state,
            Mode::Automatic if is_second => State::Standby,
            Mode::Automatic => State::Active,
        };
        (self.state.replace(state) != Some(state)).then_some(state)
    }
}

#[cfg(test)]
mod tests;
