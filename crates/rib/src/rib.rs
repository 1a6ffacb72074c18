//! One state of the table, as its readers see it.

use crate::body::{Body, Size};
use crate::peers::Peers;
use crate::route::{AttributesId, AttributesKey, Nlri, PeerId, TableKey};
use crate::routes::List;
use crate::store::Store;
use crate::table::Table;
use crate::trash::Trash;
use std::collections::BTreeMap;
use wire::{Afi, Safi};

/// The routes of all peers.
///
/// Readers reach it through [`SharedRib::read`](crate::SharedRib::read); only the [`Writer`](crate::Writer) changes it.
#[derive(Debug, Default)]
pub struct Rib {
    pub(crate) tables: Tables,
    pub(crate) store: Store,
    pub(crate) peers: Peers,
}
/// All tables that have routes.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) map: BTreeMap<TableKey, Box<Body>>,
    /// Of all together.
    size: Size,
}

/// Bytes of a table beside its body.
const TABLE: usize = size_of::<TableKey>() + 16;

/// How much memory the table takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Estimate of the bytes of prefixes and routes.
    pub tables: usize,
    /// Bytes of the attribute sets.
    pub attributes: usize,
    /// Tables that have routes.
    pub table_count: usize,
    /// Prefixes, or NLRI of other families, that have routes.
    pub prefixes: usize,
    /// Distinct attribute sets.
    pub attribute_sets: usize,
    /// Routes of all peers, without removed peers.
    pub routes: u64,
    /// Routes of removed peers, which readers do not see, and [`Writer::sweep`](crate::Writer::sweep) removes.
    pub swept_later: u64,
}
impl Rib {
    /// A table; `None` if it has no routes.
    pub fn table(&self, key: TableKey) -> Option<Table<'_>> {
        Some(Table::new(self.tables.get(key)?, &self.peers))
    }

    /// The keys of all tables that have routes, those of removed peers included.
    pub fn tables(&self) -> impl Iterator<Item = TableKey> {
        self.tables.map.keys().copied()
    }

    /// The octets of an attribute set in canonical form. A number that was kept for longer than the read guard may have been given to
    /// another set, or to none; then the octets are any.
    #[inline]
    pub fn attributes(&self, id: AttributesId) -> &[u8] {
        self.store.get(id)
    }

    /// What a cache must remember of an attribute set, if it is kept longer than the read guard: the number alone may be given to
    /// another set later.
    #[inline]
    pub fn attributes_key(&self, id: AttributesId) -> AttributesKey {
        self.store.key(id)
    }

    /// Whether a peer is present.
    pub fn has_peer(&self, peer: PeerId) -> bool {
        self.peers.has(peer)
    }

    /// Routes of a peer; 0 if it was removed.
    pub fn routes_of_peer(&self, peer: PeerId) -> u64 {
        self.peers.routes(peer)
    }

    /// Routes of a peer by family, in the order in which families first came.
    pub fn families_of_peer(&self, peer: PeerId) -> impl Iterator<Item = ((Afi, Safi), u64)> {
        self.peers.families(peer).iter().copied()
    }

    /// How much there is of everything.
    pub fn memory(&self) -> Memory {
        Memory {
            tables: self.tables.size.bytes,
            prefixes: self.tables.size.prefixes,
            attributes: self.store.bytes(),
            table_count: self.tables.map.len(),
            attribute_sets: self.store.len(),
            routes: self.peers.all_routes(),
            swept_later: self.peers.removed_routes(),
        }
    }
}

impl Tables {
    pub(crate) fn get(&self, key: TableKey) -> Option<&Body> {
        self.map.get(&key).map(|body| &**body)
    }

    /// Changes the routes of NLRI, which are added if they are missing. `f` must not leave the list empty. `None` if the NLRI do not belong
    /// into the table.
    pub(crate) fn update<R>(
        &mut self,
        table: TableKey,
        nlri: Nlri<'_>,
        trash: &mut Trash,
        f: impl FnOnce(&mut List, &mut Trash) -> R,
    ) -> Option<R> {
        let Self { map, size } = self;
        let body = map.entry(table).or_insert_with(|| {
            let body = Body::new(table);
            size.bytes += TABLE + body.size().bytes;
            Box::new(body)
        });
        let before = body.size();
        let result = body.update(nlri, trash, f);
        size.replace(before, body.size());
        result
    }

    /// Changes the routes of NLRI, if there are any. Removes the NLRI if `f` leaves none, and a table without NLRI.
    pub(crate) fn change<R>(
        &mut self,
        table: TableKey,
        nlri: Nlri<'_>,
        trash: &mut Trash,
        f: impl FnOnce(&mut List, &mut Trash) -> R,
    ) -> Option<R> {
        let body = self.map.get_mut(&table)?;
        let before = body.size();
        let result = body.change(nlri, trash, f);
        self.size.replace(before, body.size());
        if body.is_empty() {
            self.size.bytes -= TABLE + body.size().bytes;
            trash.bodies.extend(self.map.remove(&table));
        }
        result
    }
}
