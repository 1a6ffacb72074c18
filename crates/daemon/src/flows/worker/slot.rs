//! The plugin slot of a worker: its aggregator, and its end of the table channel.

use ::packet::LinkType;
use aggregate::Aggregator;
use aggregate::aggregator::Span;
use enrich::{Origin, PacketViews, Stage};
use flow::row::{self, Rows};
use flow::schema::Schema;
use flow::strings::Strings;
use plugins::outlet::Outlet;
#[cfg(any(feature = "kafka", feature = "zmq"))]
use plugins::outlet::Progress;
use plugins::probe::packets;
use probe::samples::Frame;
use stats::{Counter, Counters, Tally};
use std::sync::Arc;
use std::time::Duration;

/// How long the last samples wait for room.
const LAST: Duration = Duration::from_secs(1);

/// How far a worker's table may grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Number of aggregates from which on the table is offered before the flush.
    pub(crate) aggregates: usize,
    /// Bytes from which on it is.
    pub(crate) bytes: usize,
}

impl Bound {
    /// The table is full: offer it.
    fn is_reached(&self, aggregates: usize, bytes: usize) -> bool {
        aggregates >= self.aggregates || bytes >= self.bytes
    }

    /// The table was not taken and has grown to twice its bound: no more is added.
    fn is_exceeded(&self, aggregates: usize, bytes: usize) -> bool {
        aggregates / 2 >= self.aggregates || bytes / 2 >= self.bytes
    }
}

/// The worker's ends of the channels to one plugin.
pub(crate) struct Ends {
    pub(crate) tables: Outlet,
    pub(crate) packets: Option<packets::Outlet>,
}

/// What a worker keeps for one plugin.
pub(crate) struct PluginSlot {
    aggregator: Aggregator,
    /// Filters and changes of the plugin's rows, if any.
    stage: Option<Stage>,
    outlet: Outlet,
    /// Where packets go, if the plugin takes these instead of tables.
    packets: Option<packets::Outlet>,
    bound: Bound,
    /// How long to wait for a slow plugin before records are dropped.
    patience: Duration,
    counters: Counters,
    tally: Tally,
}

impl PluginSlot {
    pub(crate) fn new(aggregator: Aggregator, stage: Option<Stage>, ends: Ends, bound: Bound) -> Self {
        let Ends { tables: outlet, packets } = ends;
        let patience = Duration::ZERO;
        let (counters, tally) = (Counters::new(), Tally::default());
        Self { aggregator, stage, outlet, packets, bound, patience, counters, tally }
    }

    /// Switches to rows of another layout, and another stage.
    pub(crate) fn change(&mut self, schema: Arc<Schema>, span: Option<Span>, stage: Option<Stage>) {
        if let Some(packets) = &mut self.packets {
            packets.change_schema(&schema);
        }
        self.aggregator.change_schema(schema, span);
        self.stage = stage;
    }

    /// The input can wait, as a file can: a slow plugin is waited for.
    #[cfg(any(feature = "kafka", feature = "pcap", feature = "zmq"))]
    pub(crate) fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// `plugin_memory`.
    pub(crate) fn max_bytes(&self) -> usize {
        self.bound.bytes
    }

    pub(crate) fn reader(&self) -> stats::Reader {
        self.counters.reader()
    }

    pub(crate) fn add(
        &mut self,
        rows: &Rows,
        origins: &[Origin],
        strings: &mut Strings,
        packets: &dyn PacketViews,
    ) {
        self.tally.add(Counter::RecordsReceived, rows.len() as u64);
        if self.packets.is_some() {
            return self.sample(rows, origins, strings, packets);
        }
        let Some(mut stage) = self.stage.take() else { return self.take_in(rows, strings) };
        let (rows, filtered) = stage.apply(rows, origins, strings, packets);
        self.tally.add(Counter::RecordsFilteredSampling, filtered.sampling);
        self.tally.add(Counter::RecordsFilteredTag, filtered.tag);
        self.tally.add(Counter::RecordsFilteredExpression, filtered.expression);
        if !rows.is_empty() {
            self.take_in(rows, strings);
        }
        self.stage = Some(stage);
    }

    /// Samples the packets of rows.
    fn sample(&mut self, rows: &Rows, origins: &[Origin], strings: &mut Strings, views: &dyn PacketViews) {
        let Some(mut outlet) = self.packets.take() else { return };
        outlet.sampler().1.pool += rows.len() as u64;
        match &mut self.stage {
            None => (0..).zip(rows.iter()).for_each(|(number, row)| {
                add_sample(&mut outlet, row, number, strings, views, self.patience, &mut self.tally);
            }),
            Some(stage) => {
                let (_, filtered) = stage.apply(rows, origins, strings, views);
                self.tally.add(Counter::RecordsFilteredSampling, filtered.sampling);
                self.tally.add(Counter::RecordsFilteredTag, filtered.tag);
                self.tally.add(Counter::RecordsFilteredExpression, filtered.expression);
                let (rows, numbers) = (stage.rows(), stage.numbers());
                for (row, number) in rows.iter().zip(numbers) {
                    add_sample(&mut outlet, row, *number as usize, strings, views, self.patience, &mut self.tally);
                }
            }
        }
        self.packets = Some(outlet);
    }

    fn take_in(&mut self, rows: &Rows, strings: &Strings) {
        let count = rows.len() as u64;
        let table = self.aggregator.table();
        if self.bound.is_reached(table.len(), table.size()) && !self.make_room() {
            let sum = |word| rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.head(word)));
            self.tally.add(Counter::RecordsDroppedBound, count);
            self.tally.add(Counter::RecordsDroppedPackets, sum(row::PACKETS));
            self.tally.add(Counter::RecordsDroppedBytes, sum(row::BYTES));
            return;
        }
        let new = self.aggregator.add(rows, strings);
        self.tally.add(Counter::RecordsAggregated, count);
        self.tally.add(Counter::RecordsNotSpread, self.aggregator.take_unspread_rows());
        self.tally.add(Counter::AggregatesCreated, new as u64);
    }

    /// Offers the full table. Returns false when it was not taken and must not grow any more.
    #[cold]
    fn make_room(&mut self) -> bool {
        if self.outlet.has_room() {
            match self.outlet.offer(self.aggregator.take()) {
                Ok(()) => {
                    self.tally.add(Counter::FlushEarly, 1);
                    self.tally.add(Counter::TablesHanded, 1);
                    return true;
                }
                Err(table) => self.aggregator.give_back(table),
            }
        }
        let table = self.aggregator.table();
        if !self.bound.is_exceeded(table.len(), table.size()) {
            return true;
        }
        !self.patience.is_zero() && self.wait_for_room()
    }

    fn wait_for_room(&mut self) -> bool {
        match self.outlet.offer_patiently(self.aggregator.take(), self.patience) {
            Ok(()) => {
                self.tally.add(Counter::FlushEarly, 1);
                self.tally.add(Counter::TablesHanded, 1);
                true
            }
            Err(table) => {
                self.aggregator.give_back(table);
                let asked = self.outlet.is_asked();
                self.answer();
                asked
            }
        }
    }

    pub(crate) fn forget_strings(&mut self) {
        self.aggregator.forget_strings();
        if let Some(stage) = &mut self.stage {
            stage.forget_strings();
        }
    }

    pub(crate) fn publish(&mut self) {
        let table = self.aggregator.table();
        self.tally.set(Counter::TableAggregates, table.len() as u64);
        self.tally.set(Counter::TableBytes, table.size() as u64);
        self.counters.publish(&mut self.tally);
    }

    /// How much of the worker's input is safe at the plugin.
    #[cfg(any(feature = "kafka", feature = "zmq"))]
    pub(crate) fn progress(&self) -> Progress {
        self.outlet.progress()
    }

    /// Requests that the plugin writes now.
    #[cfg(any(feature = "kafka", feature = "zmq"))]
    pub(crate) fn request_flush(&self) {
        self.outlet.request_flush();
    }

    /// The worker's position in its input.
    #[inline]
    pub(crate) fn reach(&mut self, position: u64) {
        self.outlet.reach(position);
    }

    /// Hands the table over if the plugin requests it.
    pub(crate) fn answer(&mut self) {
        if let Some(packets) = &mut self.packets {
            lose(packets.hand_over(self.patience), &mut self.tally);
            self.publish();
        }
        if self.outlet.is_asked() {
            self.outlet.answer(self.aggregator.take());
            self.tally.add(Counter::TablesHanded, 1);
            self.publish();
        }
    }

    /// Hands over the last table.
    pub(crate) fn finish(mut self) {
        if let Some(packets) = &mut self.packets {
            lose(packets.hand_over(LAST), &mut self.tally);
        }
        let table = self.aggregator.take();
        self.publish();
        self.outlet.finish(table);
    }
}

/// Adds the sample of one row, and hands the batch over if it is full.
#[inline]
fn add_sample(
    outlet: &mut packets::Outlet,
    row: row::Row<'_>,
    number: usize,
    strings: &Strings,
    views: &dyn PacketViews,
    patience: Duration,
    tally: &mut Tally,
) {
    let (packets, bytes) = (row.head(row::PACKETS), row.head(row::BYTES));
    let (sampler, batch) = outlet.sampler();
    let is_added = views.view(number).is_some_and(|view| {
        let frame = Frame { link: LinkType(view.link as u32), octets: view.octets, length: view.length };
        sampler.add(row.bytes(), strings, &frame, batch).is_ok()
    });
    if !is_added {
        // A fragment that waited for the first one of its packet is no longer in memory.
        tally.add(Counter::RecordsDroppedNoPacket, 1);
        tally.add(Counter::RecordsDroppedPackets, packets);
        tally.add(Counter::RecordsDroppedBytes, bytes);
        return;
    }
    tally.add(Counter::RecordsSampled, 1);
    outlet.added(packets, bytes);
    if outlet.is_full() {
        lose(outlet.hand_over(patience), tally);
    }
}

/// Counts samples that the plugin could not take.
fn lose(lost: packets::Lost, tally: &mut Tally) {
    tally.add(Counter::SamplesDropped, lost.samples);
    tally.add(Counter::RecordsDroppedPackets, lost.packets);
    tally.add(Counter::RecordsDroppedBytes, lost.bytes);
}
