//! Changes of the table.

use crate::cursor::Cursor;
use crate::held::Work;
use crate::rib::Rib;
use crate::route::{Announced, AttributesId, Limits, Nlri, PeerId, Refused, Route, TableKey};
use crate::shared::{Lock, Pace, ReadGuard, SharedRib};
use crate::store::Index;
use std::sync::Arc;
use wire::Prefix;

/// The only writer of a [`SharedRib`].
#[derive(Debug)]
pub struct Writer {
    shared: Arc<SharedRib>,
    pace: Pace,
    index: Index,
    /// References to attribute sets that end when the next changes begin: of routes that were replaced or withdrawn,
    /// and of sets that were interned.
    ending: Vec<AttributesId>,
    /// How far the sweep is, if one is going on.
    sweep: Option<Cursor>,
    /// What a step of the sweep found; kept for its memory.
    found: Vec<(TableKey, Key)>,
}

/// NLRI with routes to be removed.
#[derive(Debug)]
enum Key {
    Prefix(Prefix),
    Octets(Box<[u8]>),
}

impl Key {
    fn nlri(&self) -> Nlri<'_> {
        match self {
            Self::Prefix(prefix) => Nlri::Prefix(*prefix),
            Self::Octets(octets) => Nlri::Octets(octets),
        }
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<SharedRib>) -> Self {
        Self {
            shared,
            pace: Pace::default(),
            index: Index::default(),
            ending: Vec::new(),
            sweep: None,
            found: Vec::new(),
        }
    }

    /// The table, for others to read.
    pub fn shared(&self) -> &Arc<SharedRib> {
        &self.shared
    }

    /// How long the table was locked.
    #[cfg(feature = "held")]
    pub fn held(&mut self) -> &mut crate::held::Held {
        &mut self.pace.held
    }

    /// Enters the table as a reader. This never waits, since nobody else writes.
    pub fn read(&self) -> ReadGuard<'_> {
        self.shared.read()
    }

    /// Sets other limits. Routes that are there stay.
    pub fn set_limits(&mut self, limits: Limits) {
        self.shared.lock(&mut self.pace).rib_mut().peers.set_limits(limits);
    }

    /// Adds a peer; `None` if there are a million.
    pub fn add_peer(&mut self) -> Option<PeerId> {
        self.shared.lock(&mut self.pace).rib_mut().peers.add()
    }

    /// Removes a peer. Its routes are invisible from now on; [`Writer::sweep`] removes them.
    pub fn remove_peer(&mut self, peer: PeerId) {
        self.shared.lock(&mut self.pace).rib_mut().peers.remove(peer);
    }

    /// Begins a number of changes, such as those of an UPDATE message. The table is locked until the end of the result, except
    /// for moments in which readers are let in; so other work, such as logging, belongs behind it.
    pub fn begin(&mut self) -> Changes<'_> {
        let Self { shared, pace, index, ending, .. } = self;
        let mut lock = shared.lock(pace);
        for id in ending.drain(..) {
            lock.note(Work::Release);
            let (rib, trash) = lock.parts();
            index.release(id, &mut rib.store, trash);
            lock.changed();
        }
        Changes { lock, index, ending }
    }

    /// Removes routes of removed peers, after visiting about `budget` prefixes and routes, and returns whether there are more. To be
    /// called whenever there is time, and between other changes: routes of removed peers take memory, and numbers of peers
    /// are given again only after a sweep of the whole table.
    ///
    /// `removed` is called with each route and its attribute set before the route is removed.
    pub fn sweep(&mut self, budget: usize, mut removed: impl FnMut(TableKey, Nlri<'_>, &Route, &[u8])) -> bool {
        let mut cursor = match self.sweep.take() {
            Some(cursor) => cursor,
            None if !self.shared.read().peers.has_unswept() => return false,
            None if self.shared.lock(&mut self.pace).rib_mut().peers.begin_sweep() => Cursor::all(),
            None => return false,
        };
        let mut found = std::mem::take(&mut self.found);
        let more = {
            let rib = self.shared.read();
            rib.visit_lists(&mut cursor, budget.max(1), |table, nlri, list| {
                let mut any = false;
                for route in list.iter().filter(|route| rib.peers.is_swept(route.peer)) {
                    removed(table, nlri, &route, rib.attributes(route.attributes));
                    any = true;
                }
                if any {
                    let key = match nlri {
                        Nlri::Prefix(prefix) => Key::Prefix(prefix),
                        Nlri::Octets(octets) => Key::Octets(octets.into()),
                    };
                    found.push((table, key));
                }
            })
        };
        let mut gone = Vec::new();
        let mut changes = self.begin();
        for (table, key) in &found {
            changes.sweep(*table, key.nlri(), &mut gone);
        }
        if more {
            drop(changes);
            found.clear();
            (self.sweep, self.found) = (Some(cursor), found);
            return true;
        }
        let peers = &mut changes.lock.rib_mut().peers;
        peers.end_sweep();
        let again = peers.begin_sweep();
        drop(changes);
        self.sweep = again.then(Cursor::all);
        self.shrink();
        again
    }

    /// Gives back memory of the index.
    fn shrink(&mut self) {
        self.index.shrink(&self.shared.read().store);
        self.shared.lock(&mut self.pace).rib_mut().store.index_bytes = self.index.bytes();
    }
}

/// Changes in progress: see [`Writer::begin`].
#[derive(Debug)]
pub struct Changes<'a> {
    lock: Lock<'a>,
    index: &'a mut Index,
    ending: &'a mut Vec<AttributesId>,
}

impl Changes<'_> {
    /// The present state.
    pub fn rib(&self) -> &Rib {
        self.lock.rib()
    }

    /// Interns an attribute set in canonical form, for routes that are announced before the next changes begin.
    ///
    /// # Errors
    /// If it has more than 65535 octets, or there are about 67 million sets of its size.
    pub fn intern(&mut self, octets: &[u8]) -> Result<AttributesId, Refused> {
        if self.index.is_full() {
            self.lock.grow(self.index);
        }
        self.lock.note(Work::Intern);
        let id = self.index.intern(octets, &mut self.lock.rib_mut().store).ok_or(Refused::Full)?;
        self.ending.push(id);
        Ok(id)
    }

    /// Adds a route, or replaces the route of the same peer with the same path identifier, which keeps its place in the order of
    /// routes.
    ///
    /// # Errors
    /// If the route is not stored. One that it would have replaced is still there then.
    pub fn announce<'n>(
        &mut self,
        table: TableKey,
        nlri: impl Into<Nlri<'n>>,
        route: Route,
    ) -> Result<Announced, Refused> {
        let nlri = nlri.into();
        self.lock.note(Work::Announce);
        let (rib, trash) = self.lock.parts();
        let mut units = 0;
        if !table.fits(nlri) {
            return Err(Refused::WrongTable);
        }
        if rib.store.references(route.attributes) == 0 {
            return Err(Refused::UnknownAttributes);
        }
        match rib.peers.check(route.peer) {
            Ok(()) => {}
            Err(Refused::UnknownPeer) => return Err(Refused::UnknownPeer),
            Err(full) => {
                let list = rib.tables.get(table).and_then(|body| body.get(nlri));
                list.and_then(|list| list.get(route.peer, route.path_id)).ok_or(full)?;
            }
        }
        let old = rib
            .tables
            .update(table, nlri, trash, |list, trash| {
                units = list.room();
                list.set(&route, trash)
            })
            .ok_or(Refused::WrongTable)?
            .map_err(|()| Refused::TooManyPaths)?;
        rib.store.refer(route.attributes, 1);
        let announced = match old {
            Some(old) => {
                self.ending.push(old.attributes);
                Announced::Replaced(old)
            }
            None => {
                rib.peers.count(route.peer, table.family());
                Announced::New
            }
        };
        self.lock.changed_list(units);
        Ok(announced)
    }

    /// Removes the route of a peer with a path identifier, and returns it. Its attributes can be read until the next changes
    /// begin.
    pub fn withdraw<'n>(
        &mut self,
        table: TableKey,
        nlri: impl Into<Nlri<'n>>,
        peer: PeerId,
        path_id: u32,
    ) -> Option<Route> {
        let nlri = nlri.into();
        self.lock.note(Work::Withdraw);
        let (rib, trash) = self.lock.parts();
        let mut units = 0;
        if !rib.peers.has(peer) || !table.fits(nlri) {
            return None;
        }
        let removed = rib.tables.change(table, nlri, trash, |list, trash| {
            units = list.room();
            list.remove(peer, path_id, trash)
        });
        let route = removed??;
        rib.peers.uncount(peer, table.family());
        self.ending.push(route.attributes);
        self.lock.changed_list(units);
        Some(route)
    }

    /// Removes the routes of NLRI whose peers are swept.
    fn sweep(&mut self, table: TableKey, nlri: Nlri<'_>, gone: &mut Vec<Route>) {
        self.lock.note(Work::Sweep);
        let (rib, trash) = self.lock.parts();
        let mut units = 0;
        rib.tables.change(table, nlri, trash, |list, trash| {
            units = list.room();
            list.remove_all(
                |route| {
                    let is_gone = rib.peers.is_swept(route.peer);
                    if is_gone {
                        gone.push(*route);
                    }
                    is_gone
                },
                trash,
            );
        });
        self.lock.changed_list(units);
        for route in gone.drain(..) {
            self.lock.note(Work::Sweep);
            let (rib, trash) = self.lock.parts();
            rib.peers.uncount(route.peer, table.family());
            self.index.release(route.attributes, &mut rib.store, trash);
            self.lock.changed();
        }
    }
}
