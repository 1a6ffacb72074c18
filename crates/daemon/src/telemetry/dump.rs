//! Dumps: the messages of all nodes since the last dump, at times on the clock, on a thread of their own.

use super::collector::Tagging;
use super::node::Node;
use super::record::{Mark, Marker, Record};
use super::service::Shared;
use super::settings::Settings;
use crate::routing::settings::DumpSettings;
use event_log::Dump;
use event_log::dump::{Run, Writer};
use runtime::events::Stop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use tracing::info;

/// What the thread of dumps needs.
pub(super) struct Dumps {
    pub(super) settings: Arc<Settings>,
    pub(super) schedule: DumpSettings,
    pub(super) shared: Arc<Shared>,
}

impl Dumps {
    /// Dumps until the daemon stops. Returns the number of messages that could not be written.
    pub(super) fn run(self, dump: Dump, stop: &Stop) -> u64 {
        crate::routing::dump::run(dump, &self.schedule.schedule, stop, |dump, due| {
            self.dump(dump, due.seconds, due.slot);
        })
    }

    /// Dumps the messages of the nodes of a slot.
    fn dump(&self, dump: &mut Dump, seconds: u64, slot: u32) {
        let schedule = &self.schedule.schedule;
        let is_due = |node: &Arc<Node>| schedule.slot_of(node.address.ip()) == slot;
        let mut nodes = self.shared.take_departed(is_due);
        nodes.extend(self.shared.nodes().into_iter().filter(is_due));
        // As in pmacct, a dump without nodes is not logged.
        if nodes.is_empty() {
            return;
        }
        let pid = std::process::id();
        info!("*** Dumping telemetry data - START (PID: {pid}, SLOT: {}/{}) ***", slot + 1, schedule.slots);
        let (begun, entries) = (Instant::now(), AtomicU64::new(0));
        dump.run(seconds, &nodes, |run, writer, node| {
            entries.fetch_add(self.write(run, writer, node), Ordering::Relaxed);
        });
        info!(
            "*** Dumping telemetry data - END (PID: {pid}, PEERS: {} ENTRIES: {} ET: {}) ***",
            nodes.len(),
            entries.into_inner(),
            begun.elapsed().as_secs()
        );
    }

    /// Writes the messages of a node. Returns their number.
    fn write(&self, run: &Run<'_>, writer: &mut Writer, node: &Node) -> u64 {
        let Some(memory) = &self.shared.memory else { return 0 };
        let (format, period) = (&self.settings.format, self.schedule.schedule.refresh);
        let (generation, loaded) = self.shared.loaded();
        let tagging = Tagging { loaded: &loaded, generation, format };
        let events = node.events.lock().unwrap_or_else(PoisonError::into_inner).take(memory);
        let mut count = 0;
        tagging.with(node, |tags| {
            let mark = |mark| Marker { node, tags, mark };
            run.table(
                writer,
                &mark(Mark::DumpInit(period)),
                |out| {
                    for payload in events.iter() {
                        out.add(&Record { format, node, tags, payload, is_dump: true });
                        out.write_if_large();
                    }
                    count = out.count();
                },
                |_| mark(Mark::DumpClose),
            );
        });
        count
    }
}
