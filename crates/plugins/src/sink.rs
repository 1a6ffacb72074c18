//! Common parts of sinks that flush on a schedule: when they flush, and what they count.
//!
//! The contract of such a sink:
//!
//! * It receives whole tables: those of its workers, merged, at each time of its [`Schedule`] and at the end; and
//!   single ones before their time, when a worker's table reached its bound. The latter belong to the same period.
//! * It may block as long as its store does. The workers continue meanwhile to fill their tables.
//! * An aggregate that it receives is counted as handed, and then as one of written, filtered, dropped (by
//!   reason, with its packets and bytes), or waiting; see [`Accounting`]. The sums agree at any time.
//! * What could not be written waits for the next flush, up to the plugin's bound of aggregates; beyond it, the
//!   oldest are dropped.
//! * What it has written is not written again, unless the store failed before it confirmed; then duplicates can be detected by the key
//!   of the rows or the id of the message (`docs/stores.md`).
//! * When the workers have ended, it writes the rest, once, and ends within `plugin_exit_timeout`. A kill loses what
//!   waits in memory, and what was written to a temporary file and not yet renamed; renamed files stay whole, and so
//!   does the spool.
//!
//! `tests/suite/sink_contract.rs` checks this for every sink, with a running daemon; a new sink is added in
//! `tests/suite/sinks.rs`.

use aggregate::Table;
use aggregate::time_bin::{Bins, Roundoff, Width};
use config::keys::{encoding, output, print, time};
use config::{Diagnostics, Plugin, Span};
use delivery::Sum;
use delivery::queue::Backlog;
use encode::Style;
use flow::schema::{VALUE_BYTES, VALUE_PACKETS};
use jiff::tz::TimeZone;
use runtime::privileges::{self, Umask};
use stats::{Counter, Counters, Tally};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Maximum wait: a change of the wall clock is noticed within this time.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How long workers may take to hand over their tables. The table of one that takes longer is part of the next
/// period.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The times of a plugin's flushes.
///
/// They are one refresh time apart, counted from the start of the daemon rounded down to a full minute or, with a
/// round-off (`*_history_roundoff`), hour, day, week or month; all of them later by the startup delay.
#[derive(Clone, Debug)]
pub struct Schedule {
    bins: Bins,
    delay: u64,
    /// The next flush, seconds since 1970.
    next: u64,
}

impl Schedule {
    /// The schedule of a plugin that starts at `now` (seconds since 1970). `refresh` and `delay` are in seconds.
    pub fn new(refresh: u32, delay: u32, roundoff: Roundoff, now: u64, zone: TimeZone) -> Self {
        let start = i64::try_from(now).unwrap_or(i64::MAX);
        let bins = Bins::new(Width::Seconds(refresh.max(1)), roundoff, 0, start, zone);
        let mut schedule = Self { bins, delay: u64::from(delay), next: 0 };
        schedule.next = schedule.after(now) + schedule.delay;
        schedule
    }

    /// The next flush, seconds since 1970.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// True when the flush is due at `now` (seconds since 1970).
    pub fn is_due(&self, now: u64) -> bool {
        now >= self.next
    }

    /// Until when to wait. It may be earlier than the flush, so ask [`Self::is_due`] then.
    pub fn wait_until(&self, now_micros: u64) -> Instant {
        let left = Duration::from_micros(self.next.saturating_mul(1_000_000).saturating_sub(now_micros));
        Instant::now() + left.min(MAX_WAIT)
    }

    /// Sets the flush after `now`. Missed flushes are skipped.
    pub fn advance(&mut self, now: u64) {
        self.next = self.after(now.saturating_sub(self.delay)) + self.delay;
    }

    fn after(&mut self, seconds: u64) -> u64 {
        let (_, end) = self.bins.bounds(i64::try_from(seconds).unwrap_or(i64::MAX));
        u64::try_from(end).unwrap_or(u64::MAX / 2)
    }
}

/// The format of values, as the plugin's settings define it.
pub fn style(plugin: &Plugin) -> Style {
    let zone = if plugin.get(&time::TIMESTAMPS_UTC) { TimeZone::UTC } else { TimeZone::system() };
    Style {
        zone,
        since_epoch: plugin.get(&time::TIMESTAMPS_SINCE_EPOCH),
        rfc3339: plugin.get(&time::TIMESTAMPS_RFC9557),
        client_times: false,
        whole_seconds: plugin.get(&time::TIMESTAMPS_SECS),
        num_protos: plugin.get(&print::PRINT_NUM_PROTOS),
        tcpflags_as_array: plugin.get(&encoding::TCPFLAGS_ENCODE_AS_ARRAY),
        fwd_status_as_string: plugin.get(&encoding::FWD_STATUS_ENCODE_AS_STRING),
        mpls_label_stack_as_array: plugin.get(&encoding::MPLS_LABEL_STACK_ENCODE_AS_ARRAY),
        label_as_map: plugin.get(&encoding::PRE_TAG_LABEL_ENCODE_AS_MAP),
        comms_as_array: plugin.get(&encoding::BGP_COMMS_ENCODE_AS_ARRAY),
        as_path_as_array: plugin.get(&encoding::AS_PATH_ENCODE_AS_ARRAY),
        separator: plugin.get(&print::PRINT_OUTPUT_SEPARATOR),
    }
}

/// The format of values that the core writes.
pub fn core_style(config: &config::Config) -> Style {
    let zone = if config.core(&time::TIMESTAMPS_UTC) { TimeZone::UTC } else { TimeZone::system() };
    Style {
        zone,
        since_epoch: config.core(&time::TIMESTAMPS_SINCE_EPOCH),
        rfc3339: config.core(&time::TIMESTAMPS_RFC9557),
        whole_seconds: config.core(&time::TIMESTAMPS_SECS),
        ..Style::default()
    }
}

/// Mask and owners of the files that the plugin creates. An unknown name is a warning.
pub fn files(plugin: &Plugin, problems: &mut Diagnostics) -> runtime::files::Settings {
    let uid = plugin.get(&output::FILES_UID);
    let gid = plugin.get(&output::FILES_GID);
    let settings = runtime::files::Settings {
        umask: Umask::new(plugin.get(&output::FILES_UMASK)),
        uid: uid.as_deref().and_then(privileges::uid),
        gid: gid.as_deref().and_then(privileges::gid),
        follow_links: plugin.get(&output::FILES_FOLLOW_LINKS),
    };
    if let (Some(name), None) = (&uid, settings.uid) {
        problems.warn(
            plugin.blame(&output::FILES_UID),
            format!("files_uid: no such user: '{name}'. Ignored."),
            None,
        );
    }
    if let (Some(name), None) = (&gid, settings.gid) {
        problems.warn(
            plugin.blame(&output::FILES_GID),
            format!("files_gid: no such group: '{name}'. Ignored."),
            None,
        );
    }
    settings
}

/// Writes a plugin's Avro schema to its own file (`avro_schema_file`), whole or not at all.
pub(crate) fn write_schema(path: &Path, schema: &str, files: &runtime::files::Settings) -> io::Result<()> {
    let mut file = runtime::files::Aside::create(path, files)?;
    io::Write::write_all(&mut file, schema.as_bytes())?;
    file.commit()
}

/// The width of time bins (`*_history`), if there are any.
pub fn width(span: Option<Span>) -> Option<Width> {
    Some(match span? {
        Span::Seconds(seconds) => Width::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX)),
        Span::Months(months) => Width::Months(months),
    })
}

/// Why aggregates were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The sink rejected them, or part of its store is broken: a retry cannot help.
    Refused,
    /// They belong to more files or tables than one flush may write.
    Names,
    /// They waited until the bound was reached.
    Retries,
    /// The daemon ended.
    Shutdown,
}

/// The counters of one aggregate.
pub fn sum_of_one(values: &[u64]) -> Sum {
    let value = |at: usize| values.get(at).copied().unwrap_or(0);
    Sum::one(value(VALUE_PACKETS), value(VALUE_BYTES))
}

/// The counters of a table.
pub fn sum_of(table: &Table) -> Sum {
    table.iter().fold(Sum::default(), |sum, row| sum.plus(sum_of_one(row.values)))
}

/// Datagrams of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagrams {
    /// The kernel took them.
    pub sent: u64,
    /// It did not, or they were not offered to it.
    pub unsent: u64,
    /// Reports of the receiver's host that no program had listened to earlier ones.
    pub refused: u64,
}

/// Accounting of the aggregates that a sink has received.
#[derive(Debug)]
pub struct Accounting {
    counters: Counters,
    tally: Tally,
    waiting: u64,
}

impl Accounting {
    /// Accounting in `counters`.
    pub fn new(counters: Counters) -> Self {
        Self { counters, tally: Tally::default(), waiting: 0 }
    }

    /// Aggregates that are neither written nor dropped.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// The sink received this many aggregates. Those that were merged into a waiting one of the same key are not counted
    /// again.
    pub fn handed(&mut self, aggregates: u64) {
        self.tally.add(Counter::AggregatesHanded, aggregates);
        self.waiting += aggregates;
        self.publish();
    }

    /// Whether the last attempt to reach the store succeeded.
    pub fn set_reachable(&mut self, is_up: bool) {
        self.tally.set(Counter::SinkUp, u64::from(is_up));
        self.publish();
    }

    /// The current backlog of the store.
    pub fn queued(&mut self, backlog: &Backlog) {
        self.tally.set(Counter::QueueBatches, backlog.batches as u64);
        self.tally.set(Counter::QueueBytes, backlog.memory_bytes);
        self.tally.set(Counter::SpoolBytes, backlog.spool_bytes);
        self.publish();
    }

    /// This many aggregates were written.
    pub fn written(&mut self, aggregates: u64) {
        if aggregates > 0 {
            self.tally.set(Counter::LastWrite, runtime::clock::now() / 1_000_000);
            self.tally.set(Counter::SinkUp, 1);
        }
        self.leave(Counter::AggregatesWritten, aggregates);
    }

    /// A probe sent datagrams, or could not.
    pub fn datagrams(&mut self, datagrams: Datagrams) {
        let Datagrams { sent, unsent, refused } = datagrams;
        self.tally.add(Counter::DatagramsSent, sent);
        self.tally.add(Counter::DatagramsUnsent, unsent);
        self.tally.add(Counter::DatagramsRefused, refused);
        self.tally.set(Counter::SinkUp, u64::from(unsent == 0));
        self.publish();
    }

    /// The flows that are open in a probe's cache, and the memory that they take.
    pub fn open_flows(&mut self, flows: u64, bytes: u64) {
        self.tally.set(Counter::TableAggregates, flows);
        self.tally.set(Counter::TableBytes, bytes);
        self.publish();
    }

    /// This many aggregates were filtered as configured.
    pub fn filtered(&mut self, aggregates: u64) {
        self.leave(Counter::AggregatesFiltered, aggregates);
    }

    /// This many aggregates go to the file or table of the time of the flush.
    pub fn redirected(&mut self, aggregates: u64) {
        self.tally.add(Counter::AggregatesRedirected, aggregates);
    }

    /// This many triggers were ended because they ran too long.
    pub fn triggers_ended(&mut self, count: u64) {
        if count > 0 {
            self.tally.add(Counter::TriggersEnded, count);
            self.publish();
        }
    }

    /// Aggregates were dropped.
    pub fn dropped(&mut self, sum: Sum, reason: DropReason) {
        self.tally.add(Counter::AggregatesDroppedPackets, sum.packets);
        self.tally.add(Counter::AggregatesDroppedBytes, sum.bytes);
        let counter = match reason {
            DropReason::Refused => Counter::AggregatesDroppedRefused,
            DropReason::Names => Counter::AggregatesDroppedNames,
            DropReason::Retries => Counter::AggregatesDroppedRetries,
            DropReason::Shutdown => Counter::AggregatesDroppedShutdown,
        };
        self.leave(counter, sum.aggregates);
    }

    /// An attempt to write failed.
    pub fn failed(&mut self) {
        self.tally.add(Counter::WriteErrors, 1);
        self.tally.set(Counter::SinkUp, 0);
        self.publish();
    }

    /// A file without aggregates could not be written; it is not retried.
    pub fn failed_for_good(&mut self) {
        self.tally.add(Counter::FilesUnwritten, 1);
        self.failed();
    }

    /// A failed attempt is repeated.
    pub fn retried(&mut self) {
        self.tally.add(Counter::WriteRetries, 1);
        self.publish();
    }

    fn leave(&mut self, counter: Counter, aggregates: u64) {
        self.tally.add(counter, aggregates);
        self.waiting = self.waiting.saturating_sub(aggregates);
        self.publish();
    }

    fn publish(&mut self) {
        self.tally.set(Counter::AggregatesWaiting, self.waiting);
        self.counters.publish(&mut self.tally);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_420_026; // 2026-11-23 07:47:06 UTC

    #[test]
    fn flushes_are_a_refresh_time_apart() {
        let minute = NOW - 6;
        let mut schedule = Schedule::new(90, 0, Roundoff::default(), NOW, TimeZone::UTC);
        assert_eq!(schedule.next(), minute + 90);
        assert!(!schedule.is_due(minute + 89) && schedule.is_due(minute + 90));
        schedule.advance(minute + 91);
        assert_eq!(schedule.next(), minute + 180);
        schedule.advance(minute + 900);
        assert_eq!(schedule.next(), minute + 990);
    }

    #[test]
    fn a_roundoff_aligns_and_a_delay_shifts_them() {
        let schedule = Schedule::new(60, 0, Roundoff::parse("m"), NOW, TimeZone::UTC);
        assert_eq!(schedule.next(), 1_795_420_080);
        let mut schedule = Schedule::new(300, 7, Roundoff::parse("h"), NOW, TimeZone::UTC);
        assert_eq!(schedule.next(), 1_795_420_207);
        schedule.advance(1_795_420_207);
        assert_eq!(schedule.next(), 1_795_420_507);
    }

    #[test]
    fn waiting_is_cut_in_slices() {
        let schedule = Schedule::new(86_400, 0, Roundoff::default(), NOW, TimeZone::UTC);
        let wait = schedule.wait_until(NOW * 1_000_000) - Instant::now();
        assert!(wait <= MAX_WAIT);
        assert!(schedule.wait_until(u64::MAX) <= Instant::now());
    }

    #[test]
    fn the_sums_always_agree() {
        let counters = Counters::new();
        let reader = counters.reader();
        let mut accounting = Accounting::new(counters);
        accounting.handed(10);
        accounting.written(4);
        accounting.dropped(Sum { aggregates: 2, packets: 5, bytes: 500 }, DropReason::Refused);
        let snapshot = reader.snapshot();
        assert_eq!((accounting.waiting(), snapshot[Counter::AggregatesWaiting]), (4, 4));
        assert_eq!(
            (snapshot[Counter::AggregatesDroppedPackets], snapshot[Counter::AggregatesDroppedBytes]),
            (5, 500)
        );
        assert!(stats::check(&snapshot, stats::Scope::Plugin).is_empty());
    }
}
