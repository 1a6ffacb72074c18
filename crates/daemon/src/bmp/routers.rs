//! The routers and their peers, for other threads: dumps, queries, metrics.

use super::events::Events;
use crate::routing::peer::RoutePeer;
use bmp::peer::{PeerKey, RibType};
use bmp_session::{Counts, Peer};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A router with a session.
pub(crate) struct Listed {
    /// The address of its session, or that which its PROXY header or collector names.
    pub(crate) address: SocketAddr,
    /// As events show it.
    pub(crate) shown: route_log::bmp::Router,
    /// When its session began: microseconds since 1970.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "queries read it"))]
    pub(crate) since: u64,
    /// Its messages come from Kafka.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "queries read it"))]
    pub(crate) is_from_kafka: bool,
    state: RwLock<State>,
    /// Events for the next dump.
    pub(super) events: Mutex<Events>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct State {
    /// What it calls itself.
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    /// Its peers that are up, by number.
    pub(crate) peers: BTreeMap<usize, Arc<MonitoredPeer>>,
    /// Their RIBs that have routes in the RIB of this daemon.
    pub(crate) ribs: Vec<Arc<MonitoredRib>>,
    /// Messages so far.
    pub(crate) counts: Counts,
    pub(crate) bytes: u64,
}

/// A peer of a router.
pub(crate) struct MonitoredPeer {
    /// As the peer up describes it.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "queries read it"))]
    pub(crate) peer: Peer,
    /// When the peer up arrived: microseconds since 1970.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "queries read it"))]
    pub(crate) since: u64,
}

/// A RIB of a peer of a router.
pub(crate) struct MonitoredRib {
    pub(crate) key: PeerKey,
    pub(crate) rib: RibType,
    /// As the RIB and outputs know it.
    pub(crate) route: Arc<RoutePeer>,
}

impl Listed {
    pub(super) fn new(address: SocketAddr, is_from_kafka: bool) -> Arc<Self> {
        Arc::new(Self {
            address,
            shown: route_log::bmp::Router::new(address.ip(), address.port()),
            since: runtime::clock::now(),
            is_from_kafka,
            state: RwLock::default(),
            events: Mutex::default(),
        })
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the state. Keep it short: the session waits.
    pub(super) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its RIBs as they are now.
    pub(super) fn ribs(&self) -> Vec<Arc<MonitoredRib>> {
        self.read(|state| state.ribs.clone())
    }
}
