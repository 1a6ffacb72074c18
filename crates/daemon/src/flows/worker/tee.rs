//! The tee plugin in a worker: tags for datagrams or for their records, and the replicas.
//!
//! If tags depend on the exporter alone, a datagram is replicated as a whole and need not be decoded. If they depend on records, its parts
//! and the tags of its rows decide what each pool gets.

use capture::Datagram;
use enrich::{BatchPackets, Enricher, Origin, PacketViews, Stage};
use flow::field::Field;
use flow::part::Part;
use flow::row::{Layout, Rows};
use flow::strings::Strings;
use plugins::tee::Changes;
use runtime::log::{Identity, Limited};
use stats::{Counters, Tally};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tee::Replicator;
use tee::pool::Pools;
use tee::replicator::Received;
use tracing::warn;

/// Minimum time between two lines about receivers without a socket.
const RATE: Duration = Duration::from_secs(60);
/// How long reading a file waits for room in a send buffer.
#[cfg(feature = "pcap")]
const PATIENCE: Duration = Duration::from_secs(10);

/// What tags and filters of a plugin decide about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Tags or filters decide about anything.
    pub(crate) by_tag: bool,
    /// They may differ between records of one datagram.
    pub(crate) by_record: bool,
}

/// All tee plugins of a worker.
pub(crate) struct Tees {
    slots: Vec<TeeSlot>,
    /// A row without values, for the tag of an exporter.
    blank: Rows,
    base: Vec<u64>,
    tag_at: Option<usize>,
}

/// What a worker keeps for one plugin.
pub(crate) struct TeeSlot {
    replicator: Replicator,
    selection: Selection,
    /// Filters and tags of the plugin's own, if any.
    stage: Option<Stage>,
    /// The tags of a datagram's rows; `None` if the row is filtered.
    tags: Vec<Option<u64>>,
    /// Other addresses of receivers.
    changes: Changes,
    counters: Counters,
    tally: Tally,
    identity: Identity,
    failing: Limited,
}

/// What a datagram was decoded to.
#[derive(Clone, Copy)]
pub(super) struct Decoded<'a> {
    /// Number of its first row.
    pub(super) first: usize,
    /// Its parts.
    pub(super) parts: &'a [Part],
    pub(super) rows: &'a Rows,
}

impl TeeSlot {
    pub(crate) fn new(
        replicator: Replicator,
        changes: Changes,
        selection: Selection,
        stage: Option<Stage>,
        identity: Identity,
    ) -> Self {
        Self {
            replicator,
            changes,
            selection,
            stage,
            tags: Vec::new(),
            counters: Counters::new(),
            tally: Tally::default(),
            identity,
            failing: Limited::new(RATE),
        }
    }

    pub(crate) fn reader(&self) -> stats::Reader {
        self.counters.reader()
    }

    /// Replicates the parts of a datagram that pools take.
    fn dissect(
        &mut self,
        received: &Received<'_>,
        decoded: Decoded<'_>,
        tag_at: Option<usize>,
        strings: &mut Strings,
        packets: &dyn PacketViews,
    ) {
        let Decoded { first, parts, rows } = decoded;
        self.tags.clear();
        match &mut self.stage {
            None => self.tags.extend(rows.iter_from(first).map(|row| Some(tag_of(row.bytes(), tag_at)))),
            Some(stage) => {
                self.tags.resize(rows.len().saturating_sub(first), None);
                if rows.len() > first {
                    let origin = Origin { first, exporter: Some(received.exporter) };
                    let (rows, numbers) = stage.apply_numbered(rows, &[origin], strings, packets);
                    for (row, number) in rows.iter().zip(numbers) {
                        if let Some(tag) =
                            (*number as usize).checked_sub(first).and_then(|at| self.tags.get_mut(at))
                        {
                            *tag = Some(tag_of(row.bytes(), tag_at));
                        }
                    }
                }
            }
        }
        let tags = &self.tags;
        self.replicator.dissected(received, parts, self.stage.is_some(), |row| tags.get(row).copied().flatten());
    }

    /// The tag of a datagram, by its exporter; `None` if the plugin's filters exclude it.
    fn tag_of_exporter(
        &mut self,
        exporter: IpAddr,
        blank: &Rows,
        tag_at: Option<usize>,
        strings: &mut Strings,
    ) -> Option<u64> {
        let none = BatchPackets { references: &[], units: &[] };
        let rows = match &mut self.stage {
            None => blank,
            Some(stage) => {
                let origin = Origin { first: 0, exporter: Some(exporter) };
                stage.apply_numbered(blank, &[origin], strings, &none).0
            }
        };
        rows.iter().next().map(|row| tag_of(row.bytes(), tag_at))
    }

    fn publish(&mut self) {
        plugins::tee::count(&self.replicator.take_counts(), &mut self.tally);
        self.counters.publish(&mut self.tally);
    }
}

fn tag_of(row: &[u8], at: Option<usize>) -> u64 {
    at.and_then(|at| row.get(at..)?.first_chunk()).map_or(0, |octets| u64::from_be_bytes(*octets))
}

impl Tees {
    pub(crate) fn new(slots: Vec<TeeSlot>, layout: &Layout) -> Self {
        let mut tees = Self { slots, blank: Rows::new(layout), base: Vec::new(), tag_at: None };
        tees.change_layout(layout);
        tees
    }

    fn change_layout(&mut self, layout: &Layout) {
        self.blank = Rows::new(layout);
        self.base = vec![0; layout.words()];
        self.tag_at = layout.offset(Field::Tag);
    }

    /// Switches to rows of another layout, and to other pools, of each plugin in order.
    pub(super) fn change(
        &mut self,
        layout: &Layout,
        plugins: impl Iterator<Item = (Option<Arc<Pools>>, Selection, Option<Stage>)>,
    ) {
        self.change_layout(layout);
        for (slot, (pools, selection, stage)) in self.slots.iter_mut().zip(plugins) {
            if let Some(pools) = pools {
                slot.replicator.change(pools);
            }
            slot.selection = selection;
            slot.stage = stage;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether records must be distinguished.
    pub(super) fn need_parts(&self) -> bool {
        self.slots.iter().any(|slot| slot.selection.by_record)
    }

    #[cfg(feature = "pcap")]
    pub(super) fn be_patient(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.replicator.be_patient(PATIENCE));
    }

    pub(super) fn forget_strings(&mut self) {
        self.slots.iter_mut().filter_map(|slot| slot.stage.as_mut()).for_each(Stage::forget_strings);
    }

    /// Takes a datagram. `decoded`: what it was decoded to, if it was.
    pub(super) fn take(
        &mut self,
        (unit, datagram, exporter): (u32, &Datagram<'_>, IpAddr),
        decoded: Option<Decoded<'_>>,
        enricher: &mut Enricher,
        strings: &mut Strings,
        packets: &dyn PacketViews,
    ) {
        let Self { slots, blank, base, tag_at, .. } = self;
        let received = Received {
            unit,
            source: datagram.source,
            exporter,
            payload: datagram.payload,
            arrival_us: datagram.arrival_us,
        };
        let mut is_tagged = false;
        for slot in slots {
            match (slot.selection, decoded) {
                (Selection { by_tag: false, .. }, _) => slot.replicator.whole(&received, Some(0)),
                (Selection { by_record: true, .. }, Some(decoded)) => {
                    slot.dissect(&received, decoded, *tag_at, strings, packets);
                }
                (Selection { by_tag: true, .. }, _) => {
                    if !is_tagged {
                        blank.clear();
                        blank.push(base);
                        let none = BatchPackets { references: &[], units: &[] };
                        enricher.apply(Origin { first: 0, exporter: Some(exporter) }, blank, strings, &none);
                        is_tagged = true;
                    }
                    let tag = slot.tag_of_exporter(exporter, blank, *tag_at, strings);
                    slot.replicator.whole(&received, tag);
                }
            }
        }
    }

    /// Sends what is queued if that is much.
    #[inline]
    pub(super) fn relieve(&mut self, units: &[&[u8]]) {
        self.slots
            .iter_mut()
            .filter(|slot| slot.replicator.is_full())
            .for_each(|slot| slot.replicator.flush(units));
    }

    /// Sends the replicas of a batch.
    pub(super) fn flush(&mut self, units: &[&[u8]]) {
        for slot in &mut self.slots {
            slot.replicator.flush(units);
            slot.publish();
        }
    }

    /// Switches to other addresses of receivers, and tries again to open sockets that could not be opened.
    pub(super) fn reopen(&mut self) {
        for slot in &mut self.slots {
            if let Some(pools) = slot.changes.next(slot.replicator.pools()) {
                slot.replicator.change(pools);
            }
            for (receiver, error) in slot.replicator.reopen() {
                if let Some(pass) = slot.failing.pass() {
                    let (who, held_back) = (slot.identity.to_string(), pass.held_back);
                    warn!(who, held_back, "tee_receivers: no socket to {receiver}: {error}");
                }
            }
        }
    }
}
