//! The live table: routes, the peers that announced them, and what validates them.

use crate::peers::{Peer, Peers};
use arc_swap::Guard;
use enrich::live::LiveTable;
use rib::{PeerId, ReadGuard, SharedRib};
use rpki::Vrps;
use std::sync::{Arc, PoisonError, RwLock};

/// Routes, and what a flow needs to find its own.
///
/// Sessions change the RIB through its writer, and the peers through this. A batch of flows sees one state of each ([`State`]).
///
/// A peer is added to the RIB before it is added here, and removed here first. Batches in between find no peer, or a peer without routes:
/// numbers of peers are not used again as long as somebody may keep them.
#[derive(Debug)]
pub struct Routes {
    rib: Arc<SharedRib>,
    peers: RwLock<Arc<Peers>>,
    vrps: Option<Arc<rpki::Shared>>,
}

impl Routes {
    /// Routes in a RIB, without peers yet. Nothing validates them.
    pub fn new(rib: Arc<SharedRib>) -> Self {
        Self { rib, peers: RwLock::default(), vrps: None }
    }

    /// The same, validated by these VRPs.
    pub fn validated_by(self, vrps: Arc<rpki::Shared>) -> Self {
        Self { vrps: Some(vrps), ..self }
    }

    /// The RIB.
    pub fn rib(&self) -> &Arc<SharedRib> {
        &self.rib
    }

    /// The peers.
    pub fn peers(&self) -> Arc<Peers> {
        Arc::clone(&self.peers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Flows find this peer from now on: call this when its session is established.
    pub fn add_peer(&self, peer: Peer) {
        self.change(|peers| peers.insert(peer));
    }

    /// Flows do not find this peer any more: call this when its session has ended.
    pub fn remove_peer(&self, id: PeerId) {
        self.change(|peers| _ = peers.remove(id));
    }

    fn change(&self, change: impl FnOnce(&mut Peers)) {
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        // Copied only while a batch uses them.
        change(Arc::make_mut(&mut peers));
    }
}

/// One state of the routes, for a batch.
#[derive(Debug)]
pub struct State<'a> {
    pub(crate) rib: ReadGuard<'a>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) vrps: Option<Guard<Arc<Vrps>>>,
}

impl LiveTable for Routes {
    type State<'a> = State<'a>;

    fn read(&self) -> State<'_> {
        // Locks are held one at a time, except that of the RIB.
        let (peers, vrps) = (self.peers(), self.vrps.as_ref().map(|vrps| vrps.load()));
        State { rib: self.rib.read(), peers, vrps }
    }
}
