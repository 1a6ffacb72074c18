//! The plugin slot of a worker: its aggregator, and its end of the table channel.

use aggregate::Aggregator;
use aggregate::aggregator::Span;
use enrich::{Origin, PacketViews, Stage};
use flow::row::{self, Rows};
use flow::schema::Schema;
use flow::strings::Strings;
use plugins::outlet::Outlet;
use stats::{Counter, Counters, Tally};
use std::sync::Arc;
use std::time::Duration;

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

/// What a worker keeps for one plugin.
pub(crate) struct PluginSlot {
    aggregator: Aggregator,
    /// Filters and changes of the plugin's rows, if any.
    stage: Option<Stage>,
    outlet: Outlet,
    bound: Bound,
    /// How long to wait for a slow plugin before records are dropped.
    patience: Duration,
    counters: Counters,
    tally: Tally,
}

impl PluginSlot {
    pub(crate) fn new(aggregator: Aggregator, stage: Option<Stage>, outlet: Outlet, bound: Bound) -> Self {
        let patience = Duration::ZERO;
        Self { aggregator, stage, outlet, bound, patience, counters: Counters::new(), tally: Tally::default() }
    }

    /// Switches to rows of another layout, and another stage.
    pub(crate) fn change(&mut self, schema: Arc<Schema>, span: Option<Span>, stage: Option<Stage>) {
        self.aggregator.change_schema(schema, span);
        self.stage = stage;
    }

    /// The input can wait, as a file can: a slow plugin is waited for.
    #[cfg(feature = "pcap")]
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

    /// Hands the table over if the plugin requests it.
    pub(crate) fn answer(&mut self) {
        if self.outlet.is_asked() {
            self.outlet.answer(self.aggregator.take());
            self.tally.add(Counter::TablesHanded, 1);
            self.publish();
        }
    }

    /// Hands over the last table.
    pub(crate) fn finish(mut self) {
        let table = self.aggregator.take();
        self.publish();
        self.outlet.finish(table);
    }
}
