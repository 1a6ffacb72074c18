//! The live table: routes, who announced them, and what validates them.

use crate::directory::Directory;
use crate::peers::{Peer, Peers};
use crate::routers::{Monitored, RouterId, Routers};
use arc_swap::Guard;
use enrich::live::LiveTable;
use rib::{PeerId, ReadGuard, SharedRib};
use rpki::Vrps;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// Routes, and what a flow needs to find its own: those of the peers of BGP, or those that the routers of BMP report.
///
/// Sessions change the RIB through its writer, and the peers through this. A batch of flows sees one state of each ([`State`]).
///
/// A peer is added to the RIB before it is added here, and removed here first. Batches in between find no peer, or a peer without routes:
/// numbers of peers are not used again as long as somebody may keep them.
#[derive(Debug)]
pub struct Routes<D = Peers> {
    rib: Arc<SharedRib>,
    directory: RwLock<Arc<D>>,
    vrps: Option<Arc<rpki::Shared>>,
}

impl<D: Directory> Routes<D> {
    /// Routes in a RIB, of nobody yet. Nothing validates them.
    pub fn new(rib: Arc<SharedRib>) -> Self {
        Self { rib, directory: RwLock::default(), vrps: None }
    }

    /// The same, validated by these VRPs.
    pub fn validated_by(self, vrps: Arc<rpki::Shared>) -> Self {
        Self { vrps: Some(vrps), ..self }
    }

    /// The RIB.
    pub fn rib(&self) -> &Arc<SharedRib> {
        &self.rib
    }

    fn directory(&self) -> Arc<D> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<R>(&self, change: impl FnOnce(&mut D) -> R) -> R {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        // Copied only while a batch uses it.
        change(Arc::make_mut(&mut directory))
    }

    fn read(&self) -> State<'_, D> {
        // Locks are held one at a time, except those of RIBs.
        let (directory, vrps) = (self.directory(), self.vrps.as_ref().map(|vrps| vrps.load()));
        State { rib: self.rib.read(), directory, vrps }
    }
}

impl Routes<Peers> {
    /// The peers.
    pub fn peers(&self) -> Arc<Peers> {
        self.directory()
    }

    /// Flows find this peer from now on: call this when its session is established.
    pub fn add_peer(&self, peer: Peer) {
        self.change(|peers| peers.insert(peer));
    }

    /// Flows do not find this peer any more: call this when its session has ended.
    pub fn remove_peer(&self, id: PeerId) {
        self.change(|peers| _ = peers.remove(id));
    }
}

impl Routes<Routers> {
    /// The routers.
    pub fn routers(&self) -> Arc<Routers> {
        self.directory()
    }

    /// Flows find this router from now on, by the address of its session: call this when that begins.
    pub fn add_router(&self, session: SocketAddr) -> RouterId {
        self.change(|routers| routers.insert(session))
    }

    /// Flows find neither this router nor its RIBs any more: call this when its session has ended.
    pub fn remove_router(&self, id: RouterId) {
        self.change(|routers| routers.remove(id));
    }

    /// Flows find the routes of this RIB of a router from now on: call this when the router reports that a peer is up.
    pub fn add_rib(&self, id: RouterId, rib: Monitored) {
        self.change(|routers| routers.insert_rib(id, rib));
    }

    /// Flows do not find the routes of this RIB any more: call this when the router reports that a peer is down.
    pub fn remove_rib(&self, id: PeerId) {
        self.change(|routers| routers.remove_rib(id));
    }
}

/// One state of the routes, for a batch.
#[derive(Debug)]
pub(crate) struct State<'a, D> {
    pub(crate) rib: ReadGuard<'a>,
    pub(crate) directory: Arc<D>,
    pub(crate) vrps: Option<Guard<Arc<Vrps>>>,
}

/// All routes that flows are looked up in. Where an exporter has a peer of BGP, BMP does not count.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Those of BGP.
    pub bgp: Option<Arc<Routes<Peers>>>,
    /// Those of BMP.
    pub bmp: Option<Arc<Routes<Routers>>>,
}

/// One state of all routes, for a batch.
#[derive(Debug)]
pub struct States<'a> {
    pub(crate) bgp: Option<State<'a, Peers>>,
    pub(crate) bmp: Option<State<'a, Routers>>,
}

impl LiveTable for Tables {
    type State<'a> = States<'a>;

    fn read(&self) -> States<'_> {
        // The RIB of BGP first, always: writers hold one lock only, so nobody waits in a circle.
        States { bgp: self.bgp.as_deref().map(Routes::read), bmp: self.bmp.as_deref().map(Routes::read) }
    }
}
