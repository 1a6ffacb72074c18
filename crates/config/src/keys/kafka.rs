//! The kafka plugin, and event logs that daemons send to Kafka brokers.

use crate::daemons::*;
use crate::key::*;
use crate::value::Span;
use std::path::PathBuf;
use std::time::Duration;

use crate::keys::amqp::MessageOutput;
use crate::keys::sql::PreprocessType;

keys! {
    /// Seconds between two flushes.
    KAFKA_REFRESH_TIME: Duration = seconds(&["kafka_refresh_time"], 1).default("60").both().daemons(FLOW)
        .stored_as("sql_refresh_time").acts();

    /// Length of time bins.
    KAFKA_HISTORY: Option<Span> = span(&["kafka_history"]).both().daemons(FLOW).stored_as("sql_history").acts();

    /// Seconds by which the start of time bins is moved back.
    KAFKA_HISTORY_OFFSET: Duration = seconds(&["kafka_history_offset"], 0).default("0").both().daemons(FLOW)
        .stored_as("sql_history_offset").acts();

    /// Letters (m, h, d, w, M) that align time bins.
    KAFKA_HISTORY_ROUNDOFF: Option<String> = text(&["kafka_history_roundoff"]).both().daemons(FLOW)
        .stored_as("sql_history_roundoff").acts();

    /// Seconds by which the first flush, and therefore all later ones, is delayed.
    KAFKA_STARTUP_DELAY: Duration = seconds(&["kafka_startup_delay"], 0).default("0").both().daemons(FLOW)
        .stored_as("sql_startup_delay").acts();

    /// Size of the table of aggregates: at ten times as many aggregates it is sent early.
    KAFKA_CACHE_ENTRIES: u32 = integer(&["kafka_cache_entries"], 1, u32::MAX as i128).default("16411").both()
        .daemons(FLOW).stored_as("print_cache_entries").acts();

    /// Limited the number of processes that send at the same time.
    KAFKA_MAX_WRITERS: u32 = integer(&["kafka_max_writers"], 1, 99).default("10").both().daemons(FLOW)
        .stored_as("sql_max_writers").no_op("each plugin has a single writer");

    /// Conditions, as `name=number`, that aggregates must meet to be sent.
    KAFKA_PREPROCESS: Option<Vec<String>> = list(&["kafka_preprocess"]).both().daemons(FLOW)
        .stored_as("sql_preprocess").acts();

    /// Whether one condition is sufficient or all must be met.
    KAFKA_PREPROCESS_TYPE: PreprocessType = words(&["kafka_preprocess_type"]).default("any").both().daemons(FLOW)
        .stored_as("sql_preprocess_type").acts();

    /// Sends protocols as numbers.
    KAFKA_NUM_PROTOS: bool = boolean(&["kafka_num_protos"]).default("false").both().daemons(FLOW)
        .stored_as("sql_num_protos").acts();

    /// Sends a message before and one after the aggregates of each flush.
    KAFKA_MARKERS: bool = boolean(&["kafka_markers"]).default("false").both().daemons(FLOW)
        .stored_as("print_markers").acts();

    /// Bytes up to which aggregates are combined into one message; with 0 each aggregate is a message of its own.
    KAFKA_MULTI_VALUES: u64 = bytes(&["kafka_multi_values"], 0).default("0").both().daemons(FLOW)
        .stored_as("sql_multi_values").acts();

    /// Format of messages.
    KAFKA_OUTPUT: MessageOutput = words(&["kafka_output"]).default("json").both().daemons(FLOW)
        .stored_as("amqp_output").acts();

    /// Program that runs after each flush.
    KAFKA_TRIGGER_EXEC: Option<String> = text(&["kafka_trigger_exec"]).both().daemons(FLOW)
        .stored_as("sql_trigger_exec").acts();

    /// Does not wait for that program.
    KAFKA_TRIGGER_EXEC_ASYNC: bool = boolean(&["kafka_trigger_exec_async"]).default("false").both().daemons(FLOW)
        .stored_as("sql_trigger_exec_async").acts();

    /// Broker, or several separated by commas.
    KAFKA_BROKER_HOST: String = text(&["kafka_broker_host"]).default("127.0.0.1").both()
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).daemons(FLOW)
        .stored_as("sql_host").acts();

    /// Topic of the plugin's messages; may contain variables of the record.
    KAFKA_TOPIC: String = text(&["kafka_topic"]).default("pmacct.acct").both().daemons(FLOW)
        .stored_as("sql_table").acts();

    /// Number of topics that are used in turn; 0 disables the rotation.
    KAFKA_TOPIC_RR: u32 = integer(&["kafka_topic_rr"], 0, u32::MAX as i128).default("0").both()
        .prefixes(&[
            KeyPrefix::PLUGIN, KeyPrefix::TELEMETRY_DAEMON_MSGLOG, KeyPrefix::TELEMETRY_DUMP, KeyPrefix::BGP_DAEMON_MSGLOG,
            KeyPrefix::BGP_TABLE_DUMP, KeyPrefix::BMP_DAEMON_MSGLOG, KeyPrefix::BMP_DUMP,
        ]).daemons(FLOW)
        .stored_as("amqp_routing_key_rr").acts();

    /// Port of the broker.
    KAFKA_BROKER_PORT: u16 = port(&["kafka_broker_port"]).default("9092").both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Partition to which messages are sent; -1 lets the client library choose.
    KAFKA_PARTITION: i32 = integer(&["kafka_partition"], -1, 2147483647).default("-1").both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Selects the partition of a message by its key.
    KAFKA_PARTITION_DYNAMIC: bool = boolean(&["kafka_partition_dynamic"]).default("false").both().daemons(FLOW)
        .acts();

    /// Key of the messages; may contain variables of the record.
    KAFKA_PARTITION_KEY: Option<String> = text(&["kafka_partition_key"]).both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// File with options for librdkafka.
    KAFKA_CONFIG_FILE: Option<PathBuf> = path(&["kafka_config_file"]).both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Address of the schema registry for Avro messages.
    KAFKA_AVRO_SCHEMA_REGISTRY: Option<String> = text(&["kafka_avro_schema_registry"]).both().daemons(FLOW)
        .prefixes(&[
            KeyPrefix::PLUGIN, KeyPrefix::BGP_DAEMON_MSGLOG, KeyPrefix::BGP_TABLE_DUMP, KeyPrefix::BMP_DAEMON_MSGLOG,
            KeyPrefix::BMP_DUMP,
        ]).acts();

    /// Topic of the messages of this event log or dump; setting it enables the output to Kafka.
    DAEMON_KAFKA_TOPIC: Option<String> = text(&["kafka_topic"])
        .prefixes(KeyPrefix::EVENTS).acts();

    /// Longest pause, in seconds, before a failed connection is retried: pauses grow from one second up to it.
    DAEMON_KAFKA_RETRY: Duration = seconds(&["kafka_retry"], 1).default("60")
        .prefixes(&[
            KeyPrefix::TELEMETRY_DAEMON_MSGLOG, KeyPrefix::SFACCTD_COUNTER, KeyPrefix::BGP_DAEMON_MSGLOG,
            KeyPrefix::BMP_DAEMON_MSGLOG,
        ]).acts();
}
