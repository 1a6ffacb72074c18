//! Several caches in order of preference, as one state machine without I/O.
//!
//! The first cache is always tried. The next one is tried as long as all before it fail, and so on. When a more preferred cache has
//! delivered its data, the others are disconnected, and theirs are discarded.
//!
//! Published are the data of the most preferred cache that is connected and has delivered. If there is none, the last data
//! remain until they expire.

use crate::client::{Client, Fault, Notice, Settings, Snapshot, Tally};
use std::time::Instant;

/// What the driver should do with the connection of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open one.
    Connect(usize),
    /// Send what is left of the output, and close it.
    Close(usize),
}

/// Caches in order of preference.
#[derive(Debug)]
pub struct Caches {
    clients: Vec<Client>,
    /// The cache whose data are published.
    serving: Option<usize>,
    changed: bool,
    faults: Vec<(usize, Fault)>,
    notices: Vec<(usize, Notice)>,
    closing: Vec<usize>,
}

impl Caches {
    /// `count` caches; the first is the most preferred.
    pub fn new(count: usize, settings: &Settings, now: Instant) -> Self {
        let clients = (0..count).map(|_| Client::new(settings.clone(), now)).collect();
        Self {
            clients,
            serving: None,
            changed: false,
            faults: Vec::new(),
            notices: Vec::new(),
            closing: Vec::new(),
        }
    }

    /// The index of the cache whose data are published.
    pub fn serving(&self) -> Option<usize> {
        self.serving
    }

    /// The data to be published, if they have changed since the last call; `Some(None)` if there are none any more.
    pub fn take_snapshot(&mut self) -> Option<Option<Snapshot>> {
        let serving = self.serving.and_then(|index| self.clients.get(index));
        std::mem::take(&mut self.changed).then(|| serving.and_then(Client::snapshot).cloned())
    }

    /// Faults since the last call, by cache.
    pub fn take_faults(&mut self) -> Vec<(usize, Fault)> {
        std::mem::take(&mut self.faults)
    }

    /// Notices since the last call, by cache.
    pub fn take_notices(&mut self) -> Vec<(usize, Notice)> {
        std::mem::take(&mut self.notices)
    }

    /// What was counted since the last call, of all caches.
    pub fn take_tally(&mut self) -> Tally {
        self.clients.iter_mut().map(Client::take_tally).fold(Tally::default(), Tally::plus)
    }

    /// The octets to send to a cache.
    pub fn take_output(&mut self, index: usize) -> Vec<u8> {
        self.clients.get_mut(index).map(Client::take_output).unwrap_or_default()
    }

    /// When [`Caches::elapse`] must be called.
    pub fn deadline(&self) -> Option<Instant> {
        // A cache that is not wanted keeps quiet.
        let active = self.clients.iter().enumerate().filter(|(index, client)| {
            client.is_connected() || client.snapshot().is_some() || self.is_wanted(*index)
        });
        active.filter_map(|(_, client)| client.deadline()).min()
    }

    /// The connection is open.
    pub fn opened(&mut self, index: usize, now: Instant) {
        self.with(index, |client| {
            client.opened(now);
            Ok(())
        });
    }

    /// Octets have arrived.
    pub fn receive(&mut self, index: usize, octets: &[u8], now: Instant) {
        self.with(index, |client| client.receive(octets, now));
    }

    /// The connection could not be opened, or has ended.
    pub fn closed(&mut self, index: usize, now: Instant) {
        self.with(index, |client| {
            client.closed(now);
            Ok(())
        });
    }

    /// Time has passed.
    pub fn elapse(&mut self, now: Instant) {
        for index in 0..self.clients.len() {
            self.with(index, |client| client.elapse(now));
        }
    }

    /// What the driver should do. To be called after each of the others until it returns `None`.
    pub fn command(&mut self, now: Instant) -> Option<Command> {
        if let Some(index) = self.closing.pop() {
            return Some(Command::Close(index));
        }
        for index in 0..self.clients.len() {
            let is_wanted = self.is_wanted(index);
            let Some(client) = self.clients.get_mut(index) else { break };
            if is_wanted && client.wants_to_connect(now) {
                client.connecting(now);
                return Some(Command::Connect(index));
            }
            // A connection that is being opened may be one to a cache that another has just replaced.
            if !is_wanted && client.is_connected() {
                client.abandon(now);
                return Some(Command::Close(index));
            }
        }
        None
    }

    /// True if all caches before this one fail.
    fn is_wanted(&self, index: usize) -> bool {
        self.clients.iter().take(index).all(|client| client.is_failing() && !client.is_current())
    }

    fn with(&mut self, index: usize, act: impl FnOnce(&mut Client) -> Result<(), Fault>) {
        let Some(client) = self.clients.get_mut(index) else { return };
        if let Err(fault) = act(client) {
            self.faults.push((index, fault));
            self.closing.push(index);
        }
        self.notices.extend(client.take_notices().into_iter().map(|notice| (index, notice)));
        self.choose(index);
    }

    /// Chooses whose data are published, after something happened to a cache.
    fn choose(&mut self, touched: usize) {
        let has_data = |client: &Client| client.snapshot().is_some();
        let current = self.clients.iter().position(Client::is_current);
        let last = self.serving.filter(|index| self.clients.get(*index).is_some_and(has_data));
        let chosen = current.or(last).or_else(|| self.clients.iter().position(has_data));
        let replaced = self.clients.get_mut(touched).is_some_and(Client::take_changed);
        self.changed |= chosen != self.serving || (replaced && chosen == Some(touched));
        self.serving = chosen;
        let Some(current) = current else { return };
        for client in self.clients.iter_mut().skip(current + 1) {
            // Disconnected by the next command.
            client.forget();
            client.take_changed();
        }
    }
}

#[cfg(test)]
mod tests;
