//! Table dumps: the routes of all routers, and their other messages since the last dump, at times on the clock, on a thread of their own.

use super::routers::Listed;
use super::service::Shared;
use super::settings::Settings;
use crate::routing::dump::{RibReader, TableRows};
use crate::routing::settings::DumpSettings;
use crate::routing::tags::tags;
use crate::routing::validator::Validator;
use crate::sessions::memory::Memory;
use ::bmp::v4::CodePoints;
use event_log::dump::{Run, Writer};
use event_log::{Dump, Encoding};
use rib::SharedRib;
use route_log::bmp::{Context, Stored, Times};
use route_log::{Marker, MarkerKind};
use runtime::events::Stop;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use tracing::info;

/// What the thread of dumps needs.
pub(super) struct Dumps {
    pub(super) settings: Arc<Settings>,
    pub(super) schedule: DumpSettings,
    pub(super) shared: Arc<Shared>,
    pub(super) rib: Arc<SharedRib>,
    pub(super) validator: Validator,
    pub(super) memory: Arc<Memory>,
}

impl Dumps {
    /// Dumps tables until the daemon stops. Returns the number of rows that could not be written.
    pub(super) fn run(self, dump: Dump, stop: &Stop) -> u64 {
        crate::routing::dump::run(dump, &self.schedule.schedule, stop, |dump, due| {
            let routers = self.routers(due.slot);
            match self.schedule.is_active() {
                true => self.dump(dump, due.seconds, due.slot, &routers, stop),
                // Another daemon dumps them, with their events.
                false => routers.iter().for_each(|router| drop(self.take_events(router))),
            }
        })
    }

    /// The routers of a slot.
    fn routers(&self, slot: u32) -> Vec<Arc<Listed>> {
        let is_due = |router: &Arc<Listed>| self.schedule.schedule.slot_of(router.address.ip()) == slot;
        self.shared.routers().into_iter().filter(is_due).collect()
    }

    /// Takes the events of a router since the last dump.
    fn take_events(&self, router: &Listed) -> VecDeque<Stored> {
        router.events.lock().unwrap_or_else(PoisonError::into_inner).take(&self.memory)
    }

    /// Dumps the tables of these routers, which are those of the slot.
    fn dump(&self, dump: &mut Dump, seconds: u64, slot: u32, routers: &[Arc<Listed>], stop: &Stop) {
        let schedule = &self.schedule.schedule;
        // As in pmacct, a dump without routers is not logged.
        if routers.is_empty() {
            return;
        }
        let pid = std::process::id();
        info!("*** Dumping BMP tables - START (PID: {pid}, SLOT: {}/{}) ***", slot + 1, schedule.slots);
        let (begun, entries, encoding) = (Instant::now(), AtomicU64::new(0), dump.encoding());
        dump.run(seconds, routers, |run, writer, router| {
            entries.fetch_add(self.write(run, writer, router, encoding, stop), Ordering::Relaxed);
        });
        info!(
            "*** Dumping BMP tables - END (PID: {pid}, PEERS: {} ENTRIES: {} ET: {}) ***",
            routers.len(),
            entries.into_inner(),
            begun.elapsed().as_secs()
        );
    }

    /// Writes the routes and the events of a router. Returns their number.
    fn write(&self, run: &Run<'_>, writer: &mut Writer, router: &Listed, encoding: Encoding, stop: &Stop) -> u64 {
        let format = &self.settings.format;
        let map = self.shared.tagger.map();
        let tags = tags(map.as_deref(), router.address.ip(), &[]);
        let mark = |kind| Marker { format: &format.routes, peer: router.shown.marker(), kind, tags };
        let begin = mark(MarkerKind::DumpInit { period: self.schedule.schedule.refresh, peers: None });
        let reader =
            RibReader { rib: &self.rib, validator: &self.validator, map: map.as_deref(), format: &format.routes };
        let mut rows = TableRows::new(reader, encoding);
        let mut times = Times::new(&self.schedule.log.style);
        let ribs = router.ribs();
        let mut count = 0;
        run.table(
            writer,
            &begin,
            |out| {
                for rib in &ribs {
                    rows.write(&rib.route, &rib.route.shown, out, stop);
                }
                let events = self.take_events(router);
                let context = Context { format, router: &router.shown, tags };
                for event in events {
                    event.dump(out, &mut times, &context, &CodePoints::default());
                }
                count = out.count();
            },
            |entries| {
                mark(MarkerKind::DumpClose { entries, tables: u32::try_from(ribs.len()).unwrap_or(u32::MAX) })
            },
        );
        count
    }
}
