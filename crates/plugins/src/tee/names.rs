//! Names of receivers, whose addresses may change while the plugin runs.
//!
//! A thread resolves them again and again, since resolving may take long, and tells workers if an address has changed. A name that cannot be
//! resolved for a while keeps its address, and so does one with several addresses as long as its address is among them.

use maps::tee_receivers::Pool as Rule;
use runtime::log::Identity;
use runtime::threads::Threads;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::{info, warn};

/// How often names are resolved.
const PERIOD: Duration = Duration::from_secs(60);
/// The same while a name has no address.
const RETRY: Duration = Duration::from_secs(5);

/// Addresses of the names of one plugin.
#[derive(Debug, Default)]
pub(super) struct Names {
    state: Mutex<State>,
    /// Of the newest reading of the file.
    editions: AtomicU64,
    /// Increases when addresses have changed.
    version: AtomicU64,
    is_running: AtomicBool,
    /// Ends the thread when it is dropped.
    stop: Mutex<Option<mpsc::Sender<()>>>,
}

#[derive(Debug, Default)]
struct State {
    /// The file as it is in use, and the number of its reading.
    rules: Vec<Rule>,
    edition: u64,
    known: HashMap<(String, u16), SocketAddr>,
}

/// Chooses the address of a receiver.
///
/// # Errors
/// There is none.
fn choose(
    known: Option<SocketAddr>,
    answer: io::Result<Vec<SocketAddr>>,
    is_usable: impl Fn(&SocketAddr) -> bool,
) -> Result<SocketAddr, String> {
    let known = known.filter(&is_usable);
    match answer {
        Ok(answer) => {
            let usable = || answer.iter().copied().filter(&is_usable);
            let same = usable().find(|address| Some(*address) == known);
            same.or_else(|| usable().next())
                .ok_or_else(|| "has no address of the same family as tee_source_ip. It gets nothing.".to_owned())
        }
        Err(error) => known.ok_or_else(|| format!("{error}. It gets nothing until its name can be resolved.")),
    }
}

impl Names {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a new reading of the file.
    pub(super) fn new_edition(&self) -> u64 {
        self.editions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The address of a receiver.
    ///
    /// # Errors
    /// There is none: why.
    pub(super) fn address(
        &self,
        host: &str,
        port: u16,
        is_usable: impl Fn(&SocketAddr) -> bool,
    ) -> Result<SocketAddr, String> {
        let name = (host.to_owned(), port);
        let known = self.state().known.get(&name).copied();
        // Not under the lock: this may take long.
        let answer = (host, port).to_socket_addrs().map(Iterator::collect);
        let address = choose(known, answer, is_usable).map_err(|what| format!("receiver {host}: {what}"))?;
        self.state().known.insert(name, address);
        Ok(address)
    }

    /// The address that was found last.
    pub(super) fn known(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.state().known.get(&(host.to_owned(), port)).copied()
    }

    /// Resolves the names of a file from now on.
    pub(super) fn follow(&self, rules: &[Rule], edition: u64) {
        let mut state = self.state();
        let State { known, .. } = &mut *state;
        known.retain(|(host, port), _| names_of(rules).any(|(name, of)| (name, of) == (host, *port)));
        (state.rules, state.edition) = (rules.to_vec(), edition);
    }

    /// The file, if it is of this reading and addresses have changed. `seen` is the version of the last call.
    pub(super) fn changed(&self, edition: u64, seen: &mut u64) -> Option<Vec<Rule>> {
        let version = self.version.load(Ordering::Acquire);
        if std::mem::replace(seen, version) == version {
            return None;
        }
        let state = self.state();
        // Another reading comes with tags and filters that were read with it.
        (state.edition == edition).then(|| state.rules.clone())
    }

    /// Starts the thread, if these receivers have names and it does not run.
    pub(super) fn start(
        self: &Arc<Self>,
        rules: &[Rule],
        threads: &Threads,
        identity: &Identity,
        is_usable: impl Fn(&SocketAddr) -> bool + Send + 'static,
    ) -> io::Result<()> {
        let has_names = names_of(rules).any(|(host, _)| host.parse::<std::net::IpAddr>().is_err());
        if !has_names || self.is_running.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let (stop, stopped) = mpsc::channel::<()>();
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        let names = Arc::downgrade(self);
        // Resolving cannot be interrupted.
        threads.spawn_aside("tee/names", identity.clone(), move || {
            let mut period = RETRY;
            let mut failing = false;
            while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                let Some(names) = names.upgrade() else { return };
                let is_complete = names.resolve_again(&is_usable, &mut failing);
                period = if is_complete { PERIOD } else { RETRY };
            }
        })
    }

    /// Resolves all names, and tells workers if an address has changed. False if a name has no address.
    fn resolve_again(&self, is_usable: impl Fn(&SocketAddr) -> bool, failing: &mut bool) -> bool {
        let rules = self.state().rules.clone();
        let (mut is_complete, mut is_changed) = (true, false);
        for (host, port) in names_of(&rules) {
            let before = self.known(host, port);
            match self.address(host, port, &is_usable) {
                Ok(address) if before == Some(address) => {}
                Ok(address) => {
                    is_changed = true;
                    info!("tee_receivers: receiver {host}:{port} is {address} from now on.");
                }
                Err(what) => {
                    is_complete = false;
                    if !*failing {
                        warn!("tee_receivers: {what}");
                    }
                }
            }
        }
        *failing = !is_complete;
        if is_changed {
            self.version.fetch_add(1, Ordering::Release);
        }
        is_complete
    }
}

/// Hosts and ports of the receivers.
fn names_of(rules: &[Rule]) -> impl Iterator<Item = (&String, u16)> {
    use maps::tee_receivers::Target;
    rules.iter().flat_map(|rule| match &rule.target {
        Target::Udp(hosts) => hosts.iter().map(|(host, port)| (host, *port)).collect::<Vec<_>>(),
        Target::Kafka { .. } | Target::ZeroMq(_) => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_kept_as_long_as_it_is_an_answer_or_there_is_none() {
        let (one, two, three) = (at("192.0.2.1:1"), at("192.0.2.2:1"), at("[2001:db8::1]:1"));
        let all = |_: &SocketAddr| true;
        let answer = |addresses: &[SocketAddr]| Ok(addresses.to_vec());
        let failed = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(choose(None, answer(&[one, two]), all), Ok(one));
        assert_eq!(choose(Some(two), answer(&[one, two]), all), Ok(two));
        assert_eq!(choose(Some(three), answer(&[one, two]), all), Ok(one));
        assert_eq!(choose(Some(two), failed(), all), Ok(two));
        assert!(choose(None, failed(), all).is_err());
        assert!(choose(Some(one), answer(&[one]), SocketAddr::is_ipv6).is_err());
        assert_eq!(choose(None, answer(&[one, three]), SocketAddr::is_ipv6), Ok(three));
    }

    #[test]
    fn addresses_of_another_reading_are_not_taken() {
        let names = Names::default();
        let mut seen = 0;
        names.follow(&[], 2);
        names.version.fetch_add(1, Ordering::Release);
        assert!(names.changed(1, &mut seen).is_none());
        names.version.fetch_add(1, Ordering::Release);
        assert!(names.changed(2, &mut seen).is_some());
        assert!(names.changed(2, &mut seen).is_none());
    }
}
