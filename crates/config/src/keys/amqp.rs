//! The amqp plugin, and event logs that daemons send to AMQP brokers.

use crate::daemons::*;
use crate::key::*;
use crate::keys::sql::PreprocessType;
use crate::value::Span;
use crate::value::words;
use std::path::PathBuf;
use std::time::Duration;

words! {
    /// Types of exchanges.
    pub enum ExchangeType {
        /// To the queues bound with exactly the routing key.
        Direct = "direct",
        /// To all queues.
        Fanout = "fanout",
        /// To the queues whose pattern matches the routing key.
        Topic = "topic",
    }
}

words! {
    /// Formats of messages.
    pub enum MessageOutput {
        /// JSON.
        Json = "json",
        /// Avro, binary encoding.
        Avro = "avro" | "avro_bin",
        /// Avro, JSON encoding.
        AvroJson = "avro_json",
        /// The format of a shared library of the user.
        Custom = "custom",
    }
}

keys! {
    /// Seconds between two flushes.
    AMQP_REFRESH_TIME: Duration = seconds(&["amqp_refresh_time"], 1).default("60").both().daemons(FLOW)
        .stored_as("sql_refresh_time").acts();

    /// Length of time bins.
    AMQP_HISTORY: Option<Span> = span(&["amqp_history"]).both().daemons(FLOW).stored_as("sql_history").acts();

    /// Seconds by which the start of time bins is moved back.
    AMQP_HISTORY_OFFSET: Duration = seconds(&["amqp_history_offset"], 0).default("0").both().daemons(FLOW)
        .stored_as("sql_history_offset").acts();

    /// Letters (m, h, d, w, M) that align time bins.
    AMQP_HISTORY_ROUNDOFF: Option<String> = text(&["amqp_history_roundoff", "amqp_time_roundoff"]).both()
        .daemons(FLOW).stored_as("sql_history_roundoff").acts();

    /// Seconds by which the first flush, and therefore all later ones, is delayed.
    AMQP_STARTUP_DELAY: Duration = seconds(&["amqp_startup_delay"], 0).default("0").both().daemons(FLOW)
        .stored_as("sql_startup_delay").acts();

    /// Size of the table of aggregates: at ten times as many aggregates it is sent early.
    AMQP_CACHE_ENTRIES: u32 = integer(&["amqp_cache_entries"], 1, u32::MAX as i128).default("16411").both()
        .daemons(FLOW).stored_as("print_cache_entries").acts();

    /// Limited the number of processes that send at the same time.
    AMQP_MAX_WRITERS: u32 = integer(&["amqp_max_writers"], 1, 99).default("10").both().daemons(FLOW)
        .stored_as("sql_max_writers").no_op("each plugin has a single writer");

    /// Conditions, as `name=number`, that aggregates must meet to be sent.
    AMQP_PREPROCESS: Option<Vec<String>> = list(&["amqp_preprocess"]).both().daemons(FLOW)
        .stored_as("sql_preprocess").acts();

    /// Whether one condition is sufficient or all must be met.
    AMQP_PREPROCESS_TYPE: PreprocessType = words(&["amqp_preprocess_type"]).default("any").both().daemons(FLOW)
        .stored_as("sql_preprocess_type").acts();

    /// Sends protocols as numbers.
    AMQP_NUM_PROTOS: bool = boolean(&["amqp_num_protos"]).default("false").both().daemons(FLOW)
        .stored_as("sql_num_protos").acts();

    /// Sends a message before and one after the aggregates of each flush.
    AMQP_MARKERS: bool = boolean(&["amqp_markers"]).default("false").both().daemons(FLOW).stored_as("print_markers")
        .acts();

    /// Bytes up to which aggregates are combined into one message; with 0 each aggregate is a message of its own.
    AMQP_MULTI_VALUES: u64 = bytes(&["amqp_multi_values"], 0).default("0").both().daemons(FLOW)
        .stored_as("sql_multi_values").acts();

    /// Format of messages.
    AMQP_OUTPUT: MessageOutput = words(&["amqp_output"]).default("json").both().daemons(FLOW).acts();

    /// Program that runs after each flush.
    AMQP_TRIGGER_EXEC: Option<String> = text(&["amqp_trigger_exec"]).both().daemons(FLOW)
        .stored_as("sql_trigger_exec").acts();

    /// Does not wait for that program.
    AMQP_TRIGGER_EXEC_ASYNC: bool = boolean(&["amqp_trigger_exec_async"]).default("false").both().daemons(FLOW)
        .stored_as("sql_trigger_exec_async").acts();

    /// Host of the broker.
    AMQP_HOST: String = text(&["amqp_host"]).default("127.0.0.1").both()
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).daemons(FLOW).stored_as("sql_host").acts();

    /// Port of the broker.
    AMQP_PORT: u16 = port(&["amqp_port"]).default("5672").both()
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).daemons(FLOW).stored_as("sql_port").acts();

    /// User name for the broker.
    AMQP_USER: String = text(&["amqp_user"]).default("guest").both()
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).daemons(FLOW).stored_as("sql_user").acts();

    /// Password for the broker.
    AMQP_PASSWD: String = text(&["amqp_passwd"]).default("guest").both()
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).daemons(FLOW).stored_as("sql_passwd").acts();

    /// Exchange to which messages are published.
    AMQP_EXCHANGE: String = text(&["amqp_exchange"]).default("pmacct").both()
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).daemons(FLOW).stored_as("sql_db").acts();

    /// Routing key of the plugin's messages; may contain variables of the record.
    AMQP_ROUTING_KEY: String = text(&["amqp_routing_key"]).default("acct").both().daemons(FLOW)
       .stored_as("sql_table").acts();

    /// Number of routing keys that are used in turn; 0 disables the rotation.
    AMQP_ROUTING_KEY_RR: u32 = integer(&["amqp_routing_key_rr"], 0, u32::MAX as i128).default("0").both()
        .prefixes(&[
            KeyPrefix::PLUGIN, KeyPrefix::TELEMETRY_DAEMON_MSGLOG, KeyPrefix::TELEMETRY_DUMP, KeyPrefix::BGP_DAEMON_MSGLOG,
            KeyPrefix::BGP_TABLE_DUMP, KeyPrefix::BMP_DAEMON_MSGLOG, KeyPrefix::BMP_DUMP,
        ])
        .daemons(FLOW).acts();

    /// Type of the exchange.
    AMQP_EXCHANGE_TYPE: ExchangeType = words(&["amqp_exchange_type"]).default("direct").both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Asks the broker to keep messages on disk.
    AMQP_PERSISTENT_MSG: bool = boolean(&["amqp_persistent_msg"]).default("false").both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Maximum size of an AMQP frame, in octets.
    AMQP_FRAME_MAX: u64 = bytes(&["amqp_frame_max"], 1).default("131072").both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Seconds between heartbeats; 0 uses the broker's value.
    AMQP_HEARTBEAT_INTERVAL: Duration = seconds(&["amqp_heartbeat_interval"], 0).default("0").both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Virtual host at the broker.
    AMQP_VHOST: String = text(&["amqp_vhost"]).default("/").both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Certificate authority of the broker, for TLS.
    ///
    /// A file of certificates in PEM format. Setting it enables TLS; only these authorities are trusted then. If the host begins with
    /// `amqps://` and this key is not set, the system's authorities are trusted.
    AMQP_CONN_CA_FILE: Option<PathBuf> = path(&["amqp_conn_ca_file"]).both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Client certificate for TLS, with its intermediate certificates.
    ///
    /// A file in PEM format. Requires `amqp_conn_key_file`, and enables TLS.
    AMQP_CONN_CERT_FILE: Option<PathBuf> = path(&["amqp_conn_cert_file"]).both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Private key of that certificate, in PEM format, without a password.
    AMQP_CONN_KEY_FILE: Option<PathBuf> = path(&["amqp_conn_key_file"]).both().daemons(FLOW)
        .prefixes(KeyPrefix::PLUGIN_AND_EVENTS).acts();

    /// Routing key with which the Avro schema of the messages is published to their exchange.
    ///
    /// It is sent when the plugin starts, and then every `amqp_avro_schema_refresh_time`.
    AMQP_AVRO_SCHEMA_ROUTING_KEY: Option<String> = text(&["amqp_avro_schema_routing_key"]).both().daemons(FLOW)
        .acts();

    /// Seconds between two publications of the Avro schema.
    AMQP_AVRO_SCHEMA_REFRESH_TIME: Duration = seconds(&["amqp_avro_schema_refresh_time"], 1).default("60").both()
        .daemons(FLOW).acts();

    /// Routing key of the messages of this event log or dump; setting it enables the output to AMQP.
    DAEMON_AMQP_ROUTING_KEY: Option<String> = text(&["amqp_routing_key"])
        .prefixes(KeyPrefix::EVENTS).acts();

    /// Longest pause, in seconds, before a failed connection is retried: pauses grow from one second up to it.
    DAEMON_AMQP_RETRY: Duration = seconds(&["amqp_retry"], 1).default("60")
        .prefixes(&[
            KeyPrefix::TELEMETRY_DAEMON_MSGLOG, KeyPrefix::SFACCTD_COUNTER, KeyPrefix::BGP_DAEMON_MSGLOG,
            KeyPrefix::BMP_DAEMON_MSGLOG,
        ]).acts();
}
