//! The table: one line for each counter.
//!
//! A counter's line has its variant, scope, kind, family, reason and help. Counters of one family differ by reason only and
//! become one metric with a label; a family with reasons has its own help in [`FAMILIES`].

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A thread that receives and decodes datagrams, packets or messages.
    Worker,
    /// The workers' slots of one plugin, and the plugin's own thread.
    Plugin,
}

/// What the number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Increases only, from the start of the process.
    Total,
    /// The current value.
    Gauge,
}

/// A counter's line in the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The counter.
    pub counter: Counter,
    /// Who counts it.
    pub scope: Scope,
    /// Total or gauge.
    pub kind: Kind,
    /// Name of the metric without the prefix `pmacct_`. A base unit is at its end, before `_total`: `_bytes`,
    /// `_seconds`.
    pub family: &'static str,
    /// Value of the label `reason`, or nothing.
    pub reason: &'static str,
    /// What is counted.
    pub help: &'static str,
}

macro_rules! counters {
    ($($counter:ident = $scope:ident $kind:ident $family:literal $reason:literal: $help:literal;)*) => {
        /// A counter; its line in the table is [`Counter::row`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Counter {
            $(#[doc = $help] $counter,)*
        }

        /// All lines, in the order of [`Counter`].
        pub static ROWS: &[Row] = &[$(Row {
            counter: Counter::$counter,
            scope: Scope::$scope,
            kind: Kind::$kind,
            family: $family,
            reason: $reason,
            help: $help,
        },)*];

        /// Number of counters.
        pub(crate) const COUNT: usize = [$(Counter::$counter),*].len();

        impl Counter {
            /// All counters.
            pub const ALL: [Self; COUNT] = [$(Self::$counter),*];
        }
    };
}

counters! {
    DatagramsReceived = Worker Total "datagrams_received_total" "": "Datagrams received from the network, a file or a broker";
    DatagramBytes = Worker Total "datagrams_received_bytes_total" "": "Payload bytes of the datagrams received, without UDP and IP headers";
    DatagramsDecoded = Worker Total "datagrams_decoded_total" "": "Datagrams that were decoded, in full or up to the first error";
    DatagramsUndecoded = Worker Total "datagrams_undecoded_total" "": "Datagrams that were only replicated, and not decoded";
    DatagramsTooShort = Worker Total "datagrams_rejected_total" "too_short": "Shorter than the header of their version";
    DatagramsBadVersion = Worker Total "datagrams_rejected_total" "version": "Of an unknown version";
    DatagramsBadCount = Worker Total "datagrams_rejected_total" "count": "With a record count that the version does not allow";
    DatagramsBadLength = Worker Total "datagrams_rejected_total" "length": "With a length that contradicts their header";
    MessagesTooShort = Worker Total "datagrams_rejected_total" "message_too_short": "Messages of a broker that end within their IP and UDP headers";
    MessagesNotIp = Worker Total "datagrams_rejected_total" "message_not_ip": "Messages of a broker that do not begin with an IP header";
    MessagesNotUdp = Worker Total "datagrams_rejected_total" "message_not_udp": "Messages of a broker with a packet of another protocol than UDP";
    MessagesFragment = Worker Total "datagrams_rejected_total" "message_fragment": "Messages of a broker with a fragment of a packet";
    MessagesBadLength = Worker Total "datagrams_rejected_total" "message_length": "Messages of a broker whose headers state a length that they do not have";
    DatagramsNotAllowed = Worker Total "datagrams_rejected_total" "not_allowed": "From a source that the configuration does not allow";
    DatagramsOverBudget = Worker Total "datagrams_rejected_total" "over_budget": "From an exporter that took more than its share of a worker's time while others were waiting";
    DatagramsAtShutdown = Worker Total "datagrams_rejected_total" "shutdown": "Still in the socket's buffer when the time for the last ones was up";
    StreamBytesForeign = Worker Total "file_stream_dropped_bytes_total" "not_ipfix": "Of connections that are not IPFIX, or between an error and the next message";
    StreamBytesMissing = Worker Total "file_stream_dropped_bytes_total" "missing": "Of IPFIX connections, and not in the file";
    StreamBytesIncomplete = Worker Total "file_stream_dropped_bytes_total" "incomplete": "Of messages whose rest is not in the file";
    KernelDrops = Worker Total "kernel_drops_total" "": "Datagrams or packets that the kernel dropped before they were read";
    Exporters = Worker Gauge "exporters" "": "Exporters or agents known now";
    ExportersEvictedNumber = Worker Total "exporters_evicted_total" "number": "Silent longest when nfacctd_exporters_max was reached";
    ExportersEvictedMemory = Worker Total "exporters_evicted_total" "memory": "Silent longest, or using most memory, when peer_state_memory was reached";
    PeerStateBytes = Worker Gauge "peer_state_bytes" "": "Memory that the state of exporters takes now";
    SetsHeld = Worker Total "sets_held_total" "": "Data sets held back until their template arrives";
    SetsPending = Worker Gauge "sets_pending" "": "Data sets that wait for their template now";
    SetsRecovered = Worker Total "sets_recovered_total" "": "Data sets decoded after their template arrived";
    SetsExpired = Worker Total "sets_dropped_total" "no_template_expired": "Their template did not arrive in time";
    SetsCrowded = Worker Total "sets_dropped_total" "no_template_bound": "Displaced by others at the bound of waiting sets";
    SetsAtShutdown = Worker Total "sets_dropped_total" "no_template_shutdown": "Still without a template at shutdown";
    SetsOfEvicted = Worker Total "sets_dropped_total" "exporter_evicted": "Their exporter was evicted";
    SetsDroppedBytes = Worker Total "sets_dropped_bytes_total" "": "Bytes of the data sets that were dropped for want of a template; how many records that is cannot be known";
    Templates = Worker Gauge "templates" "": "Templates known now";
    TemplatesForwarded = Worker Total "templates_forwarded_total" "": "Datagrams with templates that were forwarded to nfacctd_templates_receiver";
    TemplatesUnforwarded = Worker Total "templates_forward_drops_total" "": "Datagrams with templates that could not be forwarded to nfacctd_templates_receiver";
    TemplatesLearned = Worker Total "templates_learned_total" "": "Templates that were new";
    TemplatesChanged = Worker Total "templates_changed_total" "": "Templates that replaced another one with the same id";
    TemplatesShared = Worker Total "templates_shared_total" "": "Templates that were taken over from other collectors";
    TemplatesWithdrawn = Worker Total "templates_withdrawn_total" "": "Templates that their exporter withdrew";
    TemplatesRejected = Worker Total "templates_rejected_total" "": "Templates that cannot be used";
    TemplatesEvicted = Worker Total "templates_evicted_total" "": "Templates evicted at the bound of templates";
    OptionsRecords = Worker Total "options_records_total" "": "Options data records decoded";
    OptionsEntriesDropped = Worker Total "options_entries_dropped_total" "": "Entries of options data (names, rates, distinguishers) beyond the bound of an exporter, which are not kept";
    RecordsDecoded = Worker Total "records_decoded_total" "": "Flow records, flow samples or packets decoded";
    RecordsFaulty = Worker Total "records_faulty_total" "": "Records that could not be decoded or contain no flow, and sets that are not read or end inside a record";
    TrailingBytes = Worker Total "datagrams_trailing_bytes_total" "": "Bytes after the length that an IPFIX message states, which are not read";
    SetsWithdrawn = Worker Total "sets_withdrawn_total" "": "Data sets of withdrawn templates, which are not read";
    SetsOverBudget = Worker Total "sets_over_budget_total" "": "Data sets not read, or not to their end, as that costs more than the octets received allow: of ever new templates, and options records of very short fields";
    SequenceGaps = Worker Total "sequence_gaps_total" "": "Forward jumps in sequence numbers";
    SequenceLost = Worker Total "sequence_lost_total" "": "Datagrams or records (by version) missing according to sequence numbers";
    SequenceRestarts = Worker Total "sequence_restarts_total" "": "Backward jumps in sequence numbers: restarts, or datagrams out of order";
    FlowTimesOutside = Worker Total "flow_times_outside_total" "": "Records counted in the time bin of their arrival or export, because their own time is outside the window of flow times";

    SequencesEvicted = Worker Total "sequences_evicted_total" "": "Domains or sub-agents whose sequence numbers were evicted at their bound: what they lost until they were seen again is not counted";

    PacketsReceived = Worker Total "packets_received_total" "": "Packets received from an interface, from netfilter or from a file";
    PacketBytes = Worker Total "packets_received_bytes_total" "": "Bytes that the packets received had on the wire";
    PacketsDecoded = Worker Total "packets_decoded_total" "": "Packets that became records";
    PacketsFiltered = Worker Total "packets_filtered_total" "": "Packets of a file that pcap_filter does not match";
    PacketsNotIp = Worker Total "packets_rejected_total" "not_ip": "Without an IP header, where only packets with one are counted";
    PacketsShort = Worker Total "packets_rejected_total" "short": "Captured without all the bytes that are needed";
    PacketsBadLength = Worker Total "packets_rejected_total" "length": "With an IPv6 payload length of 0 before hop-by-hop options that give no other";
    InterfaceDrops = Worker Total "interface_drops_total" "": "Packets that the interface or its driver dropped";
    FragmentsWaiting = Worker Gauge "fragments_waiting" "": "Fragments that wait for the first one of their packet now";
    FragmentsJoined = Worker Total "fragments_joined_total" "": "Fragments that came before the first one of their packet and were joined with it";
    FragmentsOrphaned = Worker Total "fragments_orphaned_total" "": "Fragments counted without ports, because the first one of their packet did not come or there was no room to wait";
    FlowsEvicted = Worker Total "flows_evicted_total" "": "Flows evicted at the bound of flows";
    CounterSamples = Worker Total "counter_samples_total" "": "sFlow counter samples decoded";
    SamplesUnknown = Worker Total "samples_skipped_total" "unknown": "Of an unknown format";
    SamplesDiscarded = Worker Total "samples_skipped_total" "discarded_packets": "Of packets that the agent discarded, which are no traffic";
    SamplesWithoutPacket = Worker Total "samples_skipped_total" "no_packet": "Flow samples that describe no packet that is counted";
    CounterBlocksLogged = Worker Total "counter_blocks_logged_total" "": "Blocks of sFlow counters handed to the event log";
    CounterBlocksLost = Worker Total "counter_blocks_dropped_total" "": "Blocks of sFlow counters that could not be handed to the event log";
    SampleRecordsUnknown = Worker Total "sample_records_skipped_total" "": "Records of an unknown format inside samples";

    RecordsReceived = Plugin Total "records_received_total" "": "Records offered to the plugin";
    RecordsAggregated = Plugin Total "records_aggregated_total" "": "Records added to an aggregate";
    RecordsFilteredTag = Plugin Total "records_filtered_total" "tag": "By the plugin's tag filter";
    RecordsFilteredExpression = Plugin Total "records_filtered_total" "expression": "By the plugin's filter expression";
    RecordsFilteredSampling = Plugin Total "records_filtered_total" "sampling": "By the plugin's sampling";
    RecordsDroppedBound = Plugin Total "records_dropped_total" "table_bound": "The worker's table was at its bound and the plugin could not take it";
    RecordsDroppedNoPacket = Plugin Total "records_dropped_total" "no_packet": "Fragments that waited for the first one of their packet, and of which sfprobe cannot send the octets";
    RecordsDroppedPackets = Plugin Total "records_dropped_packets_total" "": "Packets counted by the records and samples that were dropped";
    RecordsDroppedBytes = Plugin Total "records_dropped_bytes_total" "": "Bytes counted by the records and samples that were dropped";
    RecordsSampled = Plugin Total "records_sampled_total" "": "Records of which sfprobe made a sample";
    SamplesDropped = Plugin Total "samples_dropped_total" "": "Samples that sfprobe could not take in time; it reports them in the drops of later samples";
    RecordsNotSpread = Plugin Total "records_not_spread_total" "": "Records kept whole despite nfacctd_pro_rating, because they span too many time bins or begin outside the window of flow times";
    AggregatesCreated = Plugin Total "aggregates_created_total" "": "Aggregates created in a worker's table";
    TableAggregates = Plugin Gauge "table_aggregates" "": "Aggregates in the tables of workers now, and in that of a memory plugin or probe";
    TableBytes = Plugin Gauge "table_bytes" "": "Memory that these tables take now";
    TablesHanded = Plugin Total "tables_handed_total" "": "Tables handed over from a worker to the plugin";
    FlushEarly = Plugin Total "flushes_early_total" "": "Tables handed over before their time, at the bound of a table";
    AggregatesHanded = Plugin Total "aggregates_handed_total" "": "Aggregates handed to the sink";
    AggregatesWaiting = Plugin Gauge "aggregates_waiting" "": "Aggregates handed to the sink that are neither written nor dropped yet";
    QueueBatches = Plugin Gauge "queue_batches" "": "Write batches that wait for the store now, in memory or in the spool";
    QueueBytes = Plugin Gauge "queue_bytes" "": "Bytes of these write batches in memory";
    SpoolBytes = Plugin Gauge "spool_bytes" "": "Bytes of these write batches in the spool";
    AggregatesWritten = Plugin Total "aggregates_written_total" "": "Aggregates that the sink wrote";
    AggregatesFiltered = Plugin Total "aggregates_filtered_total" "": "Aggregates that the configuration excludes from the output, such as those below the limits of preprocessing";
    AggregatesRedirected = Plugin Total "aggregates_redirected_total" "": "Aggregates written to the file or table of the time of the flush, because there were too many files or tables for their time bins";
    AggregatesDroppedRefused = Plugin Total "aggregates_dropped_total" "refused": "Refused by the sink, so that another attempt cannot help";
    AggregatesDroppedRetries = Plugin Total "aggregates_dropped_total" "retries": "Not written in time, and displaced at the bound of what may wait";
    AggregatesDroppedShutdown = Plugin Total "aggregates_dropped_total" "shutdown": "Not written before the end of the daemon";
    AggregatesDroppedNames = Plugin Total "aggregates_dropped_total" "too_many_names": "For more files or tables than one flush may write";
    AggregatesDroppedPackets = Plugin Total "aggregates_dropped_packets_total" "": "Packets counted by the aggregates that were dropped";
    AggregatesDroppedBytes = Plugin Total "aggregates_dropped_bytes_total" "": "Bytes counted by the aggregates that were dropped";
    LastWrite = Plugin Gauge "last_write_timestamp_seconds" "": "When the sink last wrote aggregates, in seconds since 1970; 0 if it has not";
    SinkUp = Plugin Gauge "sink_up" "": "1 if the last attempt to reach the sink's store or files succeeded, 0 if it failed or there was none";
    WriteErrors = Plugin Total "write_errors_total" "": "Failed attempts of the sink to write";
    FilesUnwritten = Plugin Total "files_unwritten_total" "": "Files without aggregates, such as an Avro schema, that could not be written";
    WriteRetries = Plugin Total "write_retries_total" "": "Further attempts after a failed one";
    DatagramsSent = Plugin Total "datagrams_sent_total" "": "Datagrams that a probe sent";
    DatagramsUnsent = Plugin Total "datagrams_unsent_total" "error": "Not sent, because the receiver cannot be reached or the kernel did not take them";
    DatagramsRefused = Plugin Total "datagrams_unsent_total" "refused": "Sent, and refused by the receiver's host, where no program listens; the host may report one for several";
    TriggersEnded = Plugin Total "triggers_ended_total" "": "Triggers that were terminated because they ran too long";
    QueriesAnswered = Plugin Total "queries_answered_total" "": "Client queries that were answered in full";
    QueriesRefusedClients = Plugin Total "queries_refused_total" "clients": "From clients beyond imt_clients_max or imt_clients_user_max";
    QueriesRefusedLines = Plugin Total "queries_refused_total" "lines": "With more lines than imt_query_lines allows";
    QueriesRefusedRequest = Plugin Total "queries_refused_total" "request": "With a wrong password, with impossible values, or not a request at all";
    QueriesCutTime = Plugin Total "queries_cut_total" "time": "Took longer than imt_query_timeout, or were not sent in time";
    QueriesCutMemory = Plugin Total "queries_cut_total" "memory": "Of slow clients, when older versions of the table took as much as imt_memory";
    QueriesCutShutdown = Plugin Total "queries_cut_total" "shutdown": "At the end of the daemon";
    QueriesCutClient = Plugin Total "queries_cut_total" "client": "Closed by the client";
    DatagramsOffered = Plugin Total "datagrams_offered_total" "": "Datagrams offered to the tee plugin";
    DatagramsReplicated = Plugin Total "datagrams_replicated_total" "": "Datagrams of which at least one receiver was to get a replica";
    DatagramsFilteredTag = Plugin Total "datagrams_filtered_total" "tag": "Without anything that the tag filter of a pool matches";
    DatagramsFilteredSampling = Plugin Total "datagrams_filtered_total" "sampling": "Left out by the sampling of a pool";
    DatagramsFilteredRate = Plugin Total "datagrams_filtered_total" "rate": "Beyond the rate that a pool allows an exporter";
    ReplicasMade = Plugin Total "replicas_made_total" "": "Replicas of datagrams, one for each receiver";
    ReplicasRebuilt = Plugin Total "replicas_rebuilt_total" "": "Replicas with some of the records of their datagram";
    ReplicasSent = Plugin Total "replicas_sent_total" "": "Replicas that the kernel, or the client of a broker, accepted";
    ReplicasSentBytes = Plugin Total "replicas_sent_bytes_total" "": "Payload bytes of the replicas sent, without UDP and IP headers";
    ReplicasRefused = Plugin Total "replicas_refused_total" "": "Replicas sent that their receiver's host refused, because nothing listened there, or that a broker did not confirm";
    ReplicasDroppedBuffer = Plugin Total "replicas_dropped_total" "buffer": "The socket's send buffer was full";
    ReplicasDroppedLength = Plugin Total "replicas_dropped_total" "length": "Longer than the path allows where packets are not fragmented";
    ReplicasDroppedUnreachable = Plugin Total "replicas_dropped_total" "unreachable": "No route to the receiver, or no socket for it";
    ReplicasDroppedDenied = Plugin Total "replicas_dropped_total" "denied": "The kernel does not permit sending, for instance by a firewall rule";
    ReplicasDroppedFamily = Plugin Total "replicas_dropped_total" "family": "The exporter's address is to be kept, and is of another address family than the receiver's";
    ReplicasDroppedQueue = Plugin Total "replicas_dropped_total" "queue": "The queue to a broker was full, or nobody was connected";
    ReplicasDroppedError = Plugin Total "replicas_dropped_total" "error": "Any other error of the system";
    PartsUnreadable = Plugin Total "parts_unreadable_total" "": "Data sets and samples that could not be divided into records, and were left out of replicas with some of the records";
}

/// Help of the families whose counters differ by reason.
pub static FAMILIES: &[(&str, &str)] = &[
    ("datagrams_rejected_total", "Datagrams of which nothing was decoded, by reason"),
    ("packets_rejected_total", "Packets that were not counted, by reason"),
    ("samples_skipped_total", "sFlow samples that became no record, by reason"),
    ("exporters_evicted_total", "Exporters evicted with all the state that they had announced, by reason"),
    ("sets_dropped_total", "Data sets dropped while they waited for a template, by reason"),
    ("records_filtered_total", "Records excluded on purpose, by reason"),
    ("records_dropped_total", "Records lost, by reason"),
    ("aggregates_dropped_total", "Aggregates lost on the way to the sink's store, by reason"),
    (
        "file_stream_dropped_bytes_total",
        "Octets of TCP connections of a capture file that were not decoded, by reason",
    ),
    ("datagrams_unsent_total", "Datagrams of a probe that did not reach its receiver, by reason"),
    ("queries_refused_total", "Client queries that were refused, by reason"),
    ("queries_cut_total", "Client queries whose answers were cut off, by reason"),
    ("datagrams_filtered_total", "Datagrams of which no receiver was to get anything, by reason"),
    ("replicas_dropped_total", "Replicas of datagrams that could not be sent, by reason"),
];

/// One side of an equation is a sum of these.
#[derive(Clone, Copy, Debug)]
pub enum Term {
    /// A counter.
    One(Counter),
    /// All counters of a family, whatever their reason.
    Family(&'static str),
}

/// Two sums that are equal whenever no batch is partially counted.
#[derive(Clone, Copy, Debug)]
pub struct Equation {
    /// Whose counters.
    pub scope: Scope,
    /// The input.
    pub left: Counter,
    /// Its outcomes.
    pub right: &'static [Term],
}

/// What must add up: all input is accounted for.
pub static EQUATIONS: &[Equation] = &[
    Equation {
        scope: Scope::Worker,
        left: Counter::DatagramsReceived,
        right: &[
            Term::One(Counter::DatagramsDecoded),
            Term::One(Counter::DatagramsUndecoded),
            Term::Family("datagrams_rejected_total"),
        ],
    },
    Equation {
        scope: Scope::Worker,
        left: Counter::PacketsReceived,
        right: &[
            Term::One(Counter::PacketsDecoded),
            Term::One(Counter::PacketsFiltered),
            Term::Family("packets_rejected_total"),
            Term::One(Counter::FragmentsWaiting),
        ],
    },
    Equation {
        scope: Scope::Worker,
        left: Counter::SetsHeld,
        right: &[
            Term::One(Counter::SetsRecovered),
            Term::Family("sets_dropped_total"),
            Term::One(Counter::SetsPending),
        ],
    },
    Equation {
        scope: Scope::Plugin,
        left: Counter::RecordsReceived,
        right: &[
            Term::One(Counter::RecordsAggregated),
            Term::One(Counter::RecordsSampled),
            Term::Family("records_filtered_total"),
            Term::Family("records_dropped_total"),
        ],
    },
    Equation {
        scope: Scope::Plugin,
        left: Counter::AggregatesHanded,
        right: &[
            Term::One(Counter::AggregatesWritten),
            Term::One(Counter::AggregatesFiltered),
            Term::Family("aggregates_dropped_total"),
            Term::One(Counter::AggregatesWaiting),
        ],
    },
    Equation {
        scope: Scope::Plugin,
        left: Counter::DatagramsOffered,
        right: &[Term::One(Counter::DatagramsReplicated), Term::Family("datagrams_filtered_total")],
    },
    Equation {
        scope: Scope::Plugin,
        left: Counter::ReplicasMade,
        right: &[Term::One(Counter::ReplicasSent), Term::Family("replicas_dropped_total")],
    },
];

impl Row {
    /// The base unit at the end of the name, as OpenMetrics requires: `bytes` or `seconds`. Counts of things have none.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        let name = self.family.strip_suffix("_total").unwrap_or(self.family);
        UNITS.iter().copied().find(|unit| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
    }

    /// The help of the metric, for all reasons together.
    #[must_use]
    pub fn family_help(&self) -> &'static str {
        let family = FAMILIES.iter().find(|(name, _)| *name == self.family);
        family.map_or(self.help, |(_, help)| help)
    }
}

/// Units of metrics.
const UNITS: [&str; 2] = ["bytes", "seconds"];

impl Counter {
    /// This counter's line.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name in log lines: the family without `_total`, and the reason in brackets.
    #[must_use]
    pub fn key(self) -> String {
        let row = self.row();
        let family = row.family.strip_suffix("_total").unwrap_or(row.family);
        if row.reason.is_empty() { family.to_owned() } else { format!("{family}[{}]", row.reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn rows_stand_in_the_order_of_the_counters() {
        for (place, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, place);
            assert_eq!(counter.row().counter, counter);
        }
    }

    #[test]
    fn no_name_and_reason_is_given_twice() {
        let mut seen = HashSet::new();
        for row in ROWS {
            assert!(seen.insert((row.family, row.reason)), "{} {}", row.family, row.reason);
        }
    }

    #[test]
    fn names_are_in_prometheus_style_and_totals_say_so() {
        for row in ROWS {
            let plain = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(plain(row.family) && plain(row.reason), "{}", row.family);
            assert_eq!(row.family.ends_with("_total"), row.kind == Kind::Total, "{}", row.family);
            assert!(!row.help.is_empty() && !row.help.ends_with('.'), "{}", row.family);
        }
    }

    #[test]
    fn units_are_base_units_at_the_end_of_names() {
        assert_eq!(Counter::DatagramBytes.row().unit(), Some("bytes"));
        assert_eq!(Counter::PeerStateBytes.row().unit(), Some("bytes"));
        assert_eq!(Counter::DatagramsReceived.row().unit(), None);
        for row in ROWS {
            let name = row.family.strip_suffix("_total").unwrap_or(row.family);
            let is_odd = |word: &str| ["octets", "kilobytes", "milliseconds", "minutes"].contains(&word);
            assert!(!name.split('_').any(is_odd), "{name} is not in base units");
            let inside = name.split('_').rev().skip(1).any(|word| UNITS.contains(&word));
            assert!(!inside, "{name} has its unit in the middle");
        }
    }

    #[test]
    fn a_family_has_one_scope_and_kind_and_help_when_it_has_reasons() {
        let mut families: HashMap<&str, Vec<&Row>> = HashMap::new();
        for row in ROWS {
            families.entry(row.family).or_default().push(row);
        }
        for (name, rows) in &families {
            let with_reasons = rows.iter().any(|row| !row.reason.is_empty());
            assert_eq!(with_reasons, FAMILIES.iter().any(|(family, _)| family == name), "{name}");
            assert!(with_reasons || rows.len() == 1, "{name}");
            assert!(rows.iter().all(|row| (row.scope, row.kind) == (rows[0].scope, rows[0].kind)), "{name}");
            assert!(!with_reasons || rows.iter().all(|row| !row.reason.is_empty()), "{name}");
        }
        assert_eq!(FAMILIES.len(), FAMILIES.iter().map(|(name, _)| name).collect::<HashSet<_>>().len());
    }

    #[test]
    fn families_stand_together_so_that_a_metric_is_one_block() {
        let mut closed = HashSet::new();
        for pair in ROWS.windows(2) {
            if pair[0].family != pair[1].family {
                assert!(closed.insert(pair[0].family), "{} is split", pair[0].family);
            }
        }
    }

    #[test]
    fn an_equation_stays_within_its_scope() {
        for equation in EQUATIONS {
            assert_eq!(equation.left.row().scope, equation.scope);
            for term in equation.right {
                match term {
                    Term::One(counter) => assert_eq!(counter.row().scope, equation.scope),
                    Term::Family(family) => {
                        assert!(ROWS.iter().any(|row| row.family == *family && row.scope == equation.scope));
                    }
                }
            }
        }
    }
}
