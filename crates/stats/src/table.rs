//! The table: one line for each counter.
//!
//! A counter's line has its variant, scope, kind, family, reason and help. Counters of one family differ by reason only and
//! become one metric with a label; a family with reasons has its own help in [`FAMILIES`].

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A thread that takes in datagrams, packets or messages, and decodes them.
    Worker,
    /// What workers do for one plugin, and the plugin's own thread.
    Plugin,
}

/// What the number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Grows only, from the start of the process.
    Total,
    /// What there is now.
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
    /// Name of the metric without the prefix `pmacct_`; its unit is in it.
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

        /// How many counters there are.
        pub(crate) const COUNT: usize = [$(Counter::$counter),*].len();

        impl Counter {
            /// All counters.
            pub const ALL: [Self; COUNT] = [$(Self::$counter),*];
        }
    };
}

counters! {
    DatagramsReceived = Worker Total "datagrams_received_total" "": "Datagrams taken from the network, a file or a broker";
    OctetsReceived = Worker Total "octets_received_total" "": "Octets of the datagrams received, without the headers below";
    DatagramsDecoded = Worker Total "datagrams_decoded_total" "": "Datagrams that were decoded, wholly or up to a fault";
    DatagramsTooShort = Worker Total "datagrams_rejected_total" "too_short": "Shorter than the header of their version";
    DatagramsBadVersion = Worker Total "datagrams_rejected_total" "version": "Of a version that is not known";
    DatagramsBadCount = Worker Total "datagrams_rejected_total" "count": "With a count of records that the version does not allow";
    DatagramsBadLength = Worker Total "datagrams_rejected_total" "length": "With a length that contradicts their header";
    DatagramsNotAllowed = Worker Total "datagrams_rejected_total" "not_allowed": "From a source that the configuration does not allow";
    DatagramsOverBudget = Worker Total "datagrams_rejected_total" "over_budget": "From an exporter that took more than its share of a worker's time while others waited";
    DatagramsAtShutdown = Worker Total "datagrams_rejected_total" "shutdown": "Still in the socket's buffer when the time for the last ones was over";
    KernelDrops = Worker Total "kernel_drops_total" "": "Datagrams or packets that the kernel dropped before they were read";
    Exporters = Worker Gauge "exporters" "": "Exporters known now";
    ExportersEvictedNumber = Worker Total "exporters_evicted_total" "number": "Silent longest when nfacctd_exporters_max was reached";
    ExportersEvictedMemory = Worker Total "exporters_evicted_total" "memory": "Silent longest, or taking most, when peer_state_memory was reached";
    PeerStateBytes = Worker Gauge "peer_state_bytes" "": "Memory that the state of exporters takes now, in bytes";
    SetsHeld = Worker Total "sets_held_total" "": "Data sets put aside until their template comes";
    SetsPending = Worker Gauge "sets_pending" "": "Data sets that wait for their template now";
    SetsRecovered = Worker Total "sets_recovered_total" "": "Data sets decoded after their template came";
    SetsExpired = Worker Total "sets_dropped_total" "no_template_expired": "Their template did not come in time";
    SetsCrowded = Worker Total "sets_dropped_total" "no_template_bound": "Put out by others at the bound of what may wait";
    SetsAtShutdown = Worker Total "sets_dropped_total" "no_template_shutdown": "Still without template at the end";
    SetsForgotten = Worker Total "sets_dropped_total" "exporter_evicted": "Their exporter was forgotten";
    OctetsWithoutTemplate = Worker Total "octets_without_template_total" "": "Octets of the data sets dropped for want of a template; how many records that is cannot be known";
    TemplatesLearned = Worker Total "templates_learned_total" "": "Templates that were new";
    TemplatesChanged = Worker Total "templates_changed_total" "": "Templates that replaced another of the same number";
    TemplatesWithdrawn = Worker Total "templates_withdrawn_total" "": "Templates that their exporter withdrew";
    TemplatesRejected = Worker Total "templates_rejected_total" "": "Templates that cannot be used";
    TemplatesEvicted = Worker Total "templates_evicted_total" "": "Templates forgotten at the bound of templates";
    OptionsRecords = Worker Total "options_records_total" "": "Options data records read";
    FactsDropped = Worker Total "options_facts_dropped_total" "": "Facts of options data (names, rates, distinguishers) beyond the bound of an exporter, which are not kept";
    RecordsDecoded = Worker Total "records_decoded_total" "": "Flow records, flow samples or packets decoded";
    RecordsFaulty = Worker Total "records_faulty_total" "": "Records that could not be decoded or hold no flow, and sets that are not read or end inside a record";
    OctetsBehind = Worker Total "octets_behind_message_total" "": "Octets behind the length that an IPFIX message gives, which are not read";
    SetsWithdrawn = Worker Total "sets_withdrawn_total" "": "Data sets of templates that were withdrawn, which are not read";
    SetsOverBudget = Worker Total "sets_over_budget_total" "": "Data sets not read, or not to their end, as that costs more than the octets received allow: of ever new templates, and options records of very short fields";
    SequenceGaps = Worker Total "sequence_gaps_total" "": "Jumps forward in sequence numbers";
    SequenceLost = Worker Total "sequence_lost_units_total" "": "Units (datagrams or records, by version) missing by sequence numbers";
    SequenceRestarts = Worker Total "sequence_restarts_total" "": "Jumps backward in sequence numbers: restarts, or datagrams out of order";
    FlowTimesOutside = Worker Total "flow_times_outside_total" "": "Records counted to the time bin of their arrival or export, as their own time is outside the window of flow times";

    SequencesEvicted = Worker Total "sequences_evicted_total" "": "Domains or sub-agents whose sequence numbers were forgotten at their bound: what they lost until they were seen again is not counted";

    PacketsReceived = Worker Total "packets_received_total" "": "Packets taken from an interface, from netfilter or from a file";
    PacketOctets = Worker Total "packet_octets_received_total" "": "Octets that the packets received had on the wire";
    PacketsDecoded = Worker Total "packets_decoded_total" "": "Packets that became records";
    PacketsFiltered = Worker Total "packets_filtered_total" "": "Packets of a file that pcap_filter keeps out";
    PacketsNotIp = Worker Total "packets_rejected_total" "not_ip": "Without an IP header, where only such packets are counted";
    PacketsShort = Worker Total "packets_rejected_total" "short": "Captured in part only, without all that is to be counted";
    PacketsBadLength = Worker Total "packets_rejected_total" "length": "With an IPv6 payload length of 0 before hop-by-hop options that give no other";
    InterfaceDrops = Worker Total "interface_drops_total" "": "Packets that the interface or its driver dropped";
    FragmentsWaiting = Worker Gauge "fragments_waiting" "": "Fragments that wait for the first one of their packet now";
    FragmentsJoined = Worker Total "fragments_joined_total" "": "Fragments that came before the first one of their packet, and were joined with it";
    FragmentsOrphaned = Worker Total "fragments_orphaned_total" "": "Fragments counted without ports, as the first one of their packet did not come or there was no room to wait";
    FlowsEvicted = Worker Total "flows_evicted_total" "": "Flows forgotten at the bound of flows";
    CounterSamples = Worker Total "counter_samples_total" "": "sFlow counter samples read";
    SamplesUnknown = Worker Total "samples_skipped_total" "unknown": "Of a format that is not known";
    SamplesDiscarded = Worker Total "samples_skipped_total" "discarded_packets": "Of packets that the agent discarded, which are no traffic";
    SamplesWithoutPacket = Worker Total "samples_skipped_total" "no_packet": "Flow samples that tell of no packet that is counted";
    CounterBlocksLogged = Worker Total "counter_blocks_logged_total" "": "Blocks of sFlow counters handed to the file of counters";
    CounterBlocksLost = Worker Total "counter_blocks_lost_total" "": "Blocks of sFlow counters that could not be handed to it";
    SampleRecordsUnknown = Worker Total "sample_records_skipped_total" "": "Records inside samples that are of an unknown format";

    RecordsReceived = Plugin Total "records_received_total" "": "Records offered to the plugin";
    RecordsAggregated = Plugin Total "records_aggregated_total" "": "Records added to an aggregate";
    RecordsFilteredTag = Plugin Total "records_filtered_total" "tag": "Kept out by the plugin's filter of tags";
    RecordsFilteredExpression = Plugin Total "records_filtered_total" "expression": "Kept out by the plugin's filter expression";
    RecordsFilteredMap = Plugin Total "records_filtered_total" "map": "Kept out by a map";
    RecordsFilteredSampling = Plugin Total "records_filtered_total" "sampling": "Left out by the sampling that the plugin asks for";
    RecordsFilteredEmpty = Plugin Total "records_filtered_total" "no_packets": "Without packets and bytes to count";
    RecordsDroppedBound = Plugin Total "records_dropped_total" "table_bound": "The table was at its bound and the plugin behind";
    RecordsNotSpread = Plugin Total "records_not_spread_total" "": "Records kept whole though nfacctd_pro_rating is on, as they span too many time bins or begin outside the window of flow times";
    AggregatesCreated = Plugin Total "aggregates_created_total" "": "Aggregates begun in a worker's table";
    TablesHanded = Plugin Total "tables_handed_total" "": "Tables that changed hands from a worker to the plugin";
    FlushEarly = Plugin Total "flushes_early_total" "": "Tables handed over before their time, at the bound of aggregates";
    AggregatesHanded = Plugin Total "aggregates_handed_total" "": "Aggregates handed to the sink";
    AggregatesWaiting = Plugin Gauge "aggregates_waiting" "": "Aggregates handed to the sink and neither written nor given up yet";
    AggregatesWritten = Plugin Total "aggregates_written_total" "": "Aggregates that the sink wrote";
    AggregatesLeftOut = Plugin Total "aggregates_left_out_total" "": "Aggregates that the configuration keeps out of the output, such as those under preprocess limits";
    AggregatesRedirected = Plugin Total "aggregates_redirected_total" "": "Aggregates written to the file or table of the time of the flush, as those of their time bins were too many";
    AggregatesGivenUpRefused = Plugin Total "aggregates_given_up_total" "refused": "The sink refused them, and trying again cannot help";
    AggregatesGivenUpRetries = Plugin Total "aggregates_given_up_total" "retries": "The sink failed too often";
    AggregatesGivenUpShutdown = Plugin Total "aggregates_given_up_total" "shutdown": "Not written before the end";
    AggregatesGivenUpNames = Plugin Total "aggregates_given_up_total" "too_many_names": "For more files or tables than one flush may write";
    PacketsGivenUp = Plugin Total "packets_given_up_total" "": "Packets counted by aggregates that were given up";
    BytesGivenUp = Plugin Total "bytes_given_up_total" "": "Bytes counted by aggregates that were given up";
    PacketsDropped = Plugin Total "packets_dropped_total" "": "Packets counted by records that were dropped";
    BytesDropped = Plugin Total "bytes_dropped_total" "": "Bytes counted by records that were dropped";
    WriteErrors = Plugin Total "write_errors_total" "": "Failed attempts of the sink to write";
    FilesUnwritten = Plugin Total "files_unwritten_total" "": "Files without aggregates, such as an Avro schema, that could not be written";
    WriteRetries = Plugin Total "write_retries_total" "": "Further attempts after a failed one";
    TriggersEnded = Plugin Total "triggers_ended_total" "": "Triggers that ran too long and were ended";
    QueriesAnswered = Plugin Total "queries_answered_total" "": "Queries of clients that were answered to the end";
    QueriesRefusedClients = Plugin Total "queries_refused_total" "clients": "Clients beyond imt_clients_max or imt_clients_user_max";
    QueriesRefusedLines = Plugin Total "queries_refused_total" "lines": "With more lines than imt_query_lines allows";
    QueriesRefusedRequest = Plugin Total "queries_refused_total" "request": "With a wrong password, with values that cannot be, or no request at all";
    QueriesCutTime = Plugin Total "queries_cut_total" "time": "Longer than imt_query_timeout, or not sent in time";
    QueriesCutMemory = Plugin Total "queries_cut_total" "memory": "Of slow clients, as older states of the table took as much as imt_memory";
    QueriesCutShutdown = Plugin Total "queries_cut_total" "shutdown": "At the end of the daemon";
    QueriesCutClient = Plugin Total "queries_cut_total" "client": "The client broke off";
}

/// Help of the families whose counters differ by reason.
pub static FAMILIES: &[(&str, &str)] = &[
    ("datagrams_rejected_total", "Datagrams of which nothing was taken, by reason"),
    ("packets_rejected_total", "Packets of which nothing was counted, by reason"),
    ("samples_skipped_total", "sFlow samples that became no record, by reason"),
    ("exporters_evicted_total", "Exporters forgotten with all that they had announced, by reason"),
    ("sets_dropped_total", "Data sets that waited for a template in vain, by reason"),
    ("records_filtered_total", "Records kept out on purpose, by reason"),
    ("records_dropped_total", "Records lost, by reason"),
    ("aggregates_given_up_total", "Aggregates lost on the way to the sink's store, by reason"),
    ("queries_refused_total", "Queries of clients that were not answered, by reason"),
    ("queries_cut_total", "Queries whose answers were not taken to the end, by reason"),
];

/// One side of an equation is a sum of these.
#[derive(Clone, Copy, Debug)]
pub enum Term {
    /// A counter.
    One(Counter),
    /// All counters of a family, whatever their reason.
    Family(&'static str),
}

/// Two sums that are equal whenever no batch is half counted.
#[derive(Clone, Copy, Debug)]
pub struct Equation {
    /// Whose counters.
    pub scope: Scope,
    /// What came in.
    pub left: Counter,
    /// What became of it.
    pub right: &'static [Term],
}

/// What must close: whatever comes in is found again.
pub static EQUATIONS: &[Equation] = &[
    Equation {
        scope: Scope::Worker,
        left: Counter::DatagramsReceived,
        right: &[Term::One(Counter::DatagramsDecoded), Term::Family("datagrams_rejected_total")],
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
            Term::Family("records_filtered_total"),
            Term::Family("records_dropped_total"),
        ],
    },
    Equation {
        scope: Scope::Plugin,
        left: Counter::AggregatesHanded,
        right: &[
            Term::One(Counter::AggregatesWritten),
            Term::One(Counter::AggregatesLeftOut),
            Term::Family("aggregates_given_up_total"),
            Term::One(Counter::AggregatesWaiting),
        ],
    },
];

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
