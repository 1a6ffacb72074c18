//! Names of receivers, whose addresses may change while the plugin runs.
//!
//! A thread resolves them again and again, since resolving may take long. If an address has changed, it publishes new pools, which each
//! worker takes over between two batches. A name that cannot be resolved for a while keeps its address, and so does one with several
//! addresses as long as its address is among them.

use ::tee::pool::Pools;
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
    /// Increases with each change of the pools.
    version: AtomicU64,
    is_running: AtomicBool,
    /// Ends the thread when it is dropped.
    stop: Mutex<Option<mpsc::Sender<()>>>,
}

#[derive(Debug, Default)]
struct State {
    /// The file as it is in use.
    rules: Vec<Rule>,
    pools: Arc<Pools>,
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

    /// Resolves the names of a file from now on, of which the workers have these pools.
    pub(super) fn follow(&self, rules: &[Rule], pools: &Arc<Pools>) {
        let mut state = self.state();
        let State { known, .. } = &mut *state;
        known.retain(|(host, port), _| names_of(rules).any(|(name, of)| (name, of) == (host, *port)));
        (state.rules, state.pools) = (rules.to_vec(), Arc::clone(pools));
    }

    /// The pools that replace these, if names have other addresses. `seen` is the version of the last call.
    pub(super) fn newer(&self, current: &Arc<Pools>, seen: &mut u64) -> Option<Arc<Pools>> {
        let version = self.version.load(Ordering::Acquire);
        if std::mem::replace(seen, version) == version {
            return None;
        }
        let pools = Arc::clone(&self.state().pools);
        // Those of another reading come with the tags and filters that were read with them.
        (pools.edition() == current.edition() && !Arc::ptr_eq(&pools, current)).then_some(pools)
    }

    /// Starts the thread, if these receivers have names and it does not run.
    pub(super) fn start(
        self: &Arc<Self>,
        rules: &[Rule],
        threads: &Threads,
        identity: &Identity,
        resolve: impl Fn(&Arc<Self>, &[Rule], u64) -> (Arc<Pools>, Vec<String>) + Send + 'static,
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
                let resolve = |rules: &[Rule], edition| resolve(&names, rules, edition);
                let is_complete = names.resolve_again(resolve, &mut failing);
                period = if is_complete { PERIOD } else { RETRY };
            }
        })
    }

    /// Resolves all names, and publishes the pools if an address has changed. False if a name has no address.
    fn resolve_again(
        &self,
        resolve: impl Fn(&[Rule], u64) -> (Arc<Pools>, Vec<String>),
        failing: &mut bool,
    ) -> bool {
        let (rules, before, known) = {
            let state = self.state();
            (state.rules.clone(), Arc::clone(&state.pools), state.known.clone())
        };
        let (pools, problems) = resolve(&rules, before.edition());
        let was_failing = std::mem::replace(failing, !problems.is_empty());
        if !was_failing {
            problems.iter().for_each(|problem| warn!("tee_receivers: {problem}"));
        }
        let mut state = self.state();
        // The file was read again meanwhile.
        if !Arc::ptr_eq(&state.pools, &before) {
            return problems.is_empty();
        }
        let changed: Vec<_> = (state.known.iter())
            .filter(|(name, address)| known.get(*name) != Some(address))
            .map(|((host, port), address)| (format!("{host}:{port}"), *address))
            .collect();
        if !changed.is_empty() {
            for (name, address) in changed {
                info!("tee_receivers: receiver {name} is {address} from now on.");
            }
            state.pools = pools;
            self.version.fetch_add(1, Ordering::Release);
        }
        problems.is_empty()
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
    fn pools_of_another_reading_are_not_taken() {
        let names = Names::default();
        let pools = |edition| Arc::new(Pools::new(Vec::new(), edition));
        let (old, new) = (pools(1), pools(2));
        let mut seen = 0;
        names.follow(&[], &new);
        names.version.fetch_add(1, Ordering::Release);
        assert!(names.newer(&old, &mut seen).is_none());
        names.version.fetch_add(1, Ordering::Release);
        assert!(names.newer(&pools(2), &mut seen).is_some_and(|pools| Arc::ptr_eq(&pools, &new)));
        assert!(names.newer(&new, &mut seen).is_none());
    }
}
