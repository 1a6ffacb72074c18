//! Log lines about loss counters, each with the increase since the previous line and advice.

use super::input::Input;
use crate::host::{PluginCounters, Readers};
use config::Names;
use config::keys::{input, maps};
use runtime::log::Summed;
use runtime::notice;
use stats::{Counter, Scope, Snapshot};
use std::time::Duration;
use tracing::{info, warn};

/// Minimum time between two lines about one counter.
const RATE: Duration = Duration::from_secs(60);

/// Families of counters of losses.
const FAMILIES: &[&str] = &[
    "kernel_drops_total",
    "interface_drops_total",
    "datagrams_rejected_total",
    "packets_rejected_total",
    "exporters_evicted_total",
    "sequences_evicted_total",
    "options_entries_dropped_total",
    "sets_dropped_total",
    "records_faulty_total",
    "templates_rejected_total",
    "templates_evicted_total",
    "templates_forward_drops_total",
    "sets_over_budget_total",
    "counter_blocks_dropped_total",
    "records_dropped_total",
    "samples_dropped_total",
    "datagrams_unsent_total",
    "aggregates_redirected_total",
    "replicas_dropped_total",
    "parts_unreadable_total",
];

/// Excluded from these: filtering that the configuration asks for, and what has log lines of its own.
const EXCLUDED: &[Counter] = &[Counter::PacketsNotIp, Counter::DatagramsOverBudget];

/// Lines about one counter.
struct Line {
    counter: Counter,
    /// The index of the plugin.
    plugin: Option<usize>,
    advice: String,
    last_value: u64,
    sum: Summed<u64>,
}

/// Loss counters, and how much of each was logged.
pub(crate) struct Losses {
    lines: Vec<Line>,
}

impl Losses {
    /// `input` is where losses occur; `names`: the names of keys in the advice.
    pub(crate) fn new(input: &dyn Input, names: &Names, plugins: usize) -> Self {
        let unchecked = input.is_unchecked();
        let watched = |counter: &&Counter| {
            let foreign = unchecked && **counter == Counter::DatagramsBadVersion;
            FAMILIES.contains(&counter.row().family) && !EXCLUDED.contains(counter) && !foreign
        };
        let mut lines = Vec::new();
        for counter in Counter::ALL.iter().filter(watched) {
            let line = |plugin| Line {
                counter: *counter,
                plugin,
                advice: advice(*counter, input, names),
                last_value: 0,
                sum: Summed::new(RATE),
            };
            match counter.row().scope {
                Scope::Worker => lines.push(line(None)),
                Scope::Plugin => lines.extend((0..plugins).map(|plugin| line(Some(plugin)))),
            }
        }
        Self { lines }
    }

    /// Logs what is due; with `last`, also all that was held back.
    pub(crate) fn check(&mut self, readers: &Readers, last: bool) {
        let Readers { workers, plugins } = readers;
        let workers = Snapshot::sum(workers);
        let of_plugins: Vec<Snapshot> = plugins.iter().map(|plugin| Snapshot::sum(&plugin.readers)).collect();
        for line in &mut self.lines {
            let snapshot = line.plugin.map_or(Some(&workers), |plugin| of_plugins.get(plugin));
            let Some(snapshot) = snapshot else { continue };
            let plugin = line.plugin.and_then(|plugin| plugins.get(plugin));
            for lost in line.update(snapshot[line.counter], last).into_iter().flatten() {
                line.log(lost, plugin);
            }
        }
    }
}

impl Line {
    /// Takes the counter's new value and returns the sums to log.
    fn update(&mut self, value: u64, last: bool) -> [Option<u64>; 2] {
        let more = value.saturating_sub(self.last_value);
        self.last_value = value;
        let due = if more > 0 { self.sum.add(more) } else { self.sum.due() };
        [due, if last { self.sum.rest() } else { None }]
    }

    fn log(&self, lost: u64, plugin: Option<&PluginCounters>) {
        let (key, help, advice) = (self.counter.key(), self.counter.row().help, &self.advice);
        let who = plugin.map(|plugin| format!("{}/{}", plugin.name, plugin.kind));
        let comma = if advice.is_empty() { "" } else { ": " };
        match (self.counter, who) {
            // The operator's list excludes them on purpose.
            (Counter::DatagramsNotAllowed, _) => info!("{lost} more of {key}: {help}{comma}{advice}"),
            // Sets whose template had not arrived at shutdown, and records without a flow, are normal.
            (Counter::SetsAtShutdown | Counter::RecordsFaulty, _) => {
                notice!("{lost} more of {key}: {help}{comma}{advice}")
            }
            (_, Some(who)) => warn!(who, "{lost} more of {key}: {help}{comma}{advice}"),
            (_, None) => warn!("{lost} more of {key}: {help}{comma}{advice}"),
        }
    }
}

/// Advice to the operator.
fn advice(counter: Counter, input: &dyn Input, names: &Names) -> String {
    let (allow, buffer) = (names.of(&maps::NFACCTD_ALLOW_FILE), input.buffer());
    let (exporters, workers) = (names.of(&input::NFACCTD_EXPORTERS_MAX), names.of(&input::NFACCTD_WORKERS));
    let fixed = match counter {
        Counter::KernelDrops if input.is_packets() => {
            return format!(
                "raise {buffer}, aggregate less, or exclude packets with pcap_filter or sampling_rate"
            );
        }
        Counter::KernelDrops => {
            return format!("raise {buffer} (and the system's net.core.rmem_max), or {workers}");
        }
        Counter::DatagramsTooShort
        | Counter::DatagramsBadVersion
        | Counter::DatagramsBadCount
        | Counter::DatagramsBadLength => {
            return format!("other lines name the senders; {allow} excludes those that are not exporters");
        }
        Counter::MessagesTooShort
        | Counter::MessagesNotIp
        | Counter::MessagesNotUdp
        | Counter::MessagesFragment
        | Counter::MessagesBadLength => {
            let (topic, address) = (names.of(&input::NFACCTD_KAFKA_TOPIC), names.of(&input::NFACCTD_ZMQ_ADDRESS));
            return format!("{topic} or {address} has messages that no tee plugin has sent");
        }
        Counter::DatagramsNotAllowed => return format!("to accept them, add their source to {allow}"),
        Counter::ExportersEvictedNumber => return format!("raise {exporters}, or exclude others with {allow}"),
        Counter::ExportersEvictedMemory | Counter::SetsOfEvicted => {
            return format!("raise peer_state_memory, or exclude others with {allow}");
        }
        Counter::InterfaceDrops => "enlarge the interface's receive ring (ethtool -G)",
        Counter::RecordsFaulty | Counter::TemplatesRejected => "other lines name the exporters and errors",
        Counter::DatagramsAtShutdown => "more arrived than could be decoded before shutdown",
        Counter::PacketsShort => "raise snaplen",
        // Only NetFlow and IPFIX have templates.
        Counter::SetsExpired | Counter::SetsAtShutdown => {
            "configure exporters to send templates more often, or set nfacctd_templates_file"
        }
        Counter::SetsCrowded => "configure exporters to send templates more often, or raise nfacctd_pending_bytes",
        Counter::TemplatesEvicted => "raise nfacctd_templates_max",
        Counter::TemplatesUnforwarded => {
            "check routes and firewall rules to nfacctd_templates_receiver, which must have an address of the exporters' family"
        }
        Counter::RecordsDroppedBound => {
            "raise plugin_memory or plugin_tables_max, aggregate less, or write to faster storage"
        }
        Counter::ReplicasDroppedBuffer => "raise tee_pipe_size (and the system's net.core.wmem_max)",
        Counter::ReplicasDroppedLength => {
            "the path's MTU is too small for packets that keep the exporter's address"
        }
        Counter::ReplicasDroppedUnreachable => "check routes to the receivers",
        Counter::ReplicasDroppedDenied => "check firewall rules",
        Counter::ReplicasDroppedFamily => {
            "with tee_transparent, exporters and receivers must have addresses of one family"
        }
        Counter::ReplicasDroppedQueue => "check the brokers, and who reads from them",
        Counter::PartsUnreadable => {
            "set nfacctd_templates_file, or configure exporters to send templates more often"
        }
        Counter::SamplesDropped => "sample fewer packets (sampling_rate)",
        Counter::DatagramsUnsent => "other lines name the receiver and the error",
        Counter::DatagramsRefused => "start the collector, or correct nfprobe_receiver or sfprobe_receiver",
        Counter::AggregatesRedirected => {
            "check the clocks of exporters, or raise print_max_files or sql_max_tables"
        }
        _ => "",
    };
    fixed.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(counter: Counter) -> Line {
        Line { counter, plugin: None, advice: String::new(), last_value: 0, sum: Summed::new(Duration::MAX) }
    }

    #[test]
    fn each_loss_is_logged_once_and_the_rest_at_the_end() {
        let mut line = line(Counter::KernelDrops);
        assert_eq!(line.update(0, false), [None, None]);
        assert_eq!(line.update(5, false), [Some(5), None]);
        assert_eq!(line.update(7, false), [None, None]);
        assert_eq!(line.update(1007, false), [None, None]);
        assert_eq!(line.update(1008, true), [None, Some(1003)]);
        assert_eq!(line.update(1008, true), [None, None]);
    }

    #[test]
    fn families_are_in_the_table() {
        for family in FAMILIES {
            assert!(stats::ROWS.iter().any(|row| row.family == *family), "{family}");
        }
        for row in stats::ROWS {
            let is_loss = row.family.contains("drop") || row.family.contains("rejected");
            // Packets and bytes belong to another counter; plugins log dropped aggregates themselves.
            let is_sum = ["_packets_total", "_bytes_total"].iter().any(|end| row.family.ends_with(end));
            let is_logged = is_sum || row.family == "aggregates_dropped_total";
            assert!(!is_loss || is_logged || FAMILIES.contains(&row.family), "no line reports {}", row.family);
        }
    }
}
