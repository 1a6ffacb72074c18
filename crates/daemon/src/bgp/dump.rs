//! Table dumps: the routes of all peers, at times on the clock, on a thread of their own.

use super::peers::Listed;
use super::service::Shared;
use super::settings::Settings;
use crate::routing::dump::{RibReader, TableRows};
use crate::routing::settings::DumpSettings;
use crate::routing::tags::tags;
use crate::routing::validator::Validator;
use correlate::Routes;
use event_log::dump::{Run, Writer};
use event_log::{Dump, Encoding};
use mrt::PeerIndex;
use route_log::{Marker, MarkerKind};
use runtime::events::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing::info;

/// What the thread of dumps needs.
pub(super) struct Dumps {
    pub(super) settings: Arc<Settings>,
    pub(super) schedule: DumpSettings,
    pub(super) shared: Arc<Shared>,
    pub(super) routes: Arc<Routes>,
    pub(super) validator: Validator,
}

/// A peer, and its position among the peers of a dump.
struct Table {
    peer: Arc<Listed>,
    shown: route_log::Peer,
}

impl Dumps {
    /// Dumps tables until the daemon stops. Returns the number of rows that could not be written.
    pub(super) fn run(self, dump: Dump, stop: &Stop) -> u64 {
        crate::routing::dump::run(dump, &self.schedule.schedule, stop, |dump, due| {
            if self.schedule.is_active() {
                self.dump(dump, due.seconds, due.slot, stop);
            }
        })
    }

    /// Dumps the tables of the peers of a slot.
    fn dump(&self, dump: &mut Dump, seconds: u64, slot: u32, stop: &Stop) {
        let schedule = &self.schedule.schedule;
        let peers = self.shared.peers();
        let peers = peers.into_iter().filter(|peer| schedule.slot_of(peer.address.ip()) == slot);
        let tables: Vec<Table> = (0..).zip(peers).map(|(index, peer)| self.table(index, peer)).collect();
        // As in pmacct, a dump without peers is not logged.
        if tables.is_empty() {
            return;
        }
        let index = (dump.encoding() == Encoding::Mrt).then(|| self.index(&tables));
        let pid = std::process::id();
        info!("*** Dumping BGP tables - START (PID: {pid}, SLOT: {}/{}) ***", slot + 1, schedule.slots);
        let (begun, entries) = (Instant::now(), AtomicU64::new(0));
        let encoding = dump.encoding();
        dump.run(seconds, &tables, |run, writer, table| {
            let count = self.write(run, writer, table, encoding, index.as_ref(), stop);
            entries.fetch_add(count, Ordering::Relaxed);
        });
        info!(
            "*** Dumping BGP tables - END (PID: {pid}, PEERS: {} ENTRIES: {} ET: {}) ***",
            tables.len(),
            entries.into_inner(),
            begun.elapsed().as_secs()
        );
    }

    fn table(&self, index: u16, peer: Arc<Listed>) -> Table {
        let since = u32::try_from(peer.since / 1_000_000).unwrap_or(u32::MAX);
        let shown = peer.route.shown.clone().with_mrt(index, since);
        Table { peer, shown }
    }

    /// The peers of a dump in MRT.
    fn index(&self, tables: &[Table]) -> PeerIndex {
        let peers = tables.iter().map(|Table { peer, .. }| mrt::Peer {
            bgp_id: peer.router_id,
            address: peer.address.ip(),
            asn: peer.asn,
        });
        PeerIndex { collector: self.settings.router_id, view: String::new(), peers: peers.collect() }
    }

    /// Writes the table of a peer. Returns the number of its routes.
    fn write(
        &self,
        run: &Run<'_>,
        writer: &mut Writer,
        table: &Table,
        encoding: Encoding,
        index: Option<&PeerIndex>,
        stop: &Stop,
    ) -> u64 {
        let format = &self.settings.format;
        let map = self.shared.tagger.map();
        let tags = tags(map.as_deref(), table.peer.address.ip(), &[]);
        let mark = |kind| Marker { format, peer: &table.shown, kind, tags };
        let begin = mark(MarkerKind::DumpInit { period: self.schedule.schedule.refresh, peers: index });
        let reader = RibReader { rib: self.routes.rib(), validator: &self.validator, map: map.as_deref(), format };
        let mut rows = TableRows::new(reader, encoding);
        let mut count = 0;
        run.table(
            writer,
            &begin,
            |out| {
                rows.write(&table.peer.route, &table.shown, out, stop);
                count = out.count();
            },
            |entries| mark(MarkerKind::DumpClose { entries, tables: 1 }),
        );
        count
    }
}
