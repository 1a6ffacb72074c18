//! The plugin amqp, and what daemons send to AMQP brokers by themselves.

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
        /// By the whole routing key.
        Direct = "direct",
        /// To all queues.
        Fanout = "fanout",
        /// By patterns.
        Topic = "topic",
    }
}

words! {
    /// Formats of messages.
    pub enum MessageOutput {
        /// JSON.
        Json = "json",
        /// Avro, binary.
        Avro = "avro" | "avro_bin",
        /// Avro in its JSON encoding.
        AvroJson = "avro_json",
        /// The format of a library of one's own.
        Custom = "custom",
    }
}

keys! {
    /// Seconds between two times of sending.
    AMQP_REFRESH_TIME: Duration = seconds(&["amqp_refresh_time"], 1).default("60").both().daemons(FLOW)
        .shares("sql_refresh_time").acts();

    /// Length of time bins.
    AMQP_HISTORY: Option<Span> = span(&["amqp_history"]).both().daemons(FLOW).shares("sql_history").acts();

    /// Seconds by which the start of time bins is moved back.
    AMQP_HISTORY_OFFSET: Duration = seconds(&["amqp_history_offset"], 0).default("0").both().daemons(FLOW)
        .shares("sql_history_offset").acts();

    /// Letters (m, h, d, w, M) that align time bins.
    AMQP_HISTORY_ROUNDOFF: Option<String> = text(&["amqp_history_roundoff", "amqp_time_roundoff"]).both()
        .daemons(FLOW).shares("sql_history_roundoff").acts();

    /// Seconds by which sending is shifted.
    AMQP_STARTUP_DELAY: Duration = seconds(&["amqp_startup_delay"], 0).default("0").both().daemons(FLOW)
        .shares("sql_startup_delay").acts();

    /// Sizes the table of aggregates: at ten times as many aggregates it is sent before its time.
    AMQP_CACHE_ENTRIES: u32 = integer(&["amqp_cache_entries"], 1, u32::MAX as i128).default("16411").both()
        .daemons(FLOW).shares("print_cache_entries").acts();

    /// Bounded the processes that send at a time.
    AMQP_MAX_WRITERS: u32 = integer(&["amqp_max_writers"], 1, 99).default("10").both().daemons(FLOW)
        .shares("sql_max_writers").no_op("one writer per plugin takes table after table");

    /// Conditions, as `name=number`, that aggregates must meet to be sent.
    AMQP_PREPROCESS: Option<Vec<String>> = list(&["amqp_preprocess"]).both().daemons(FLOW)
        .shares("sql_preprocess").acts();

    /// Whether one condition is sufficient or all must be met.
    AMQP_PREPROCESS_TYPE: PreprocessType = words(&["amqp_preprocess_type"]).default("any").both().daemons(FLOW)
        .shares("sql_preprocess_type").acts();

    /// Sends protocols as numbers.
    AMQP_NUM_PROTOS: bool = boolean(&["amqp_num_protos"]).default("false").both().daemons(FLOW)
        .shares("sql_num_protos").acts();

    /// Sends a message before and one after the aggregates of each time.
    AMQP_MARKERS: bool = boolean(&["amqp_markers"]).default("false").both().daemons(FLOW).shares("print_markers")
        .acts();

    /// Octets up to which aggregates are gathered into one message; 0 for a message each.
    AMQP_MULTI_VALUES: u64 = bytes(&["amqp_multi_values"], 0).default("0").both().daemons(FLOW)
        .shares("sql_multi_values").acts();

    /// Format of messages.
    AMQP_OUTPUT: MessageOutput = words(&["amqp_output"]).default("json").both().daemons(FLOW).acts();

    /// Program that is run after sending.
    AMQP_TRIGGER_EXEC: Option<String> = text(&["amqp_trigger_exec"]).both().daemons(FLOW)
        .shares("sql_trigger_exec").acts();

    /// Does not wait for that program.
    AMQP_TRIGGER_EXEC_ASYNC: bool = boolean(&["amqp_trigger_exec_async"]).default("false").both().daemons(FLOW)
        .shares("sql_trigger_exec_async").acts();

    /// Host of the broker.
    AMQP_HOST: String = text(&["amqp_host"]).default("127.0.0.1").both()
        .places(Place::PLUGIN_AND_EVENTS).daemons(FLOW).shares("sql_host").acts();

    /// Port of the broker.
    AMQP_PORT: u16 = port(&["amqp_port"]).default("5672").both()
        .places(Place::PLUGIN_AND_EVENTS).daemons(FLOW).shares("sql_port").acts();

    /// User at the broker.
    AMQP_USER: String = text(&["amqp_user"]).default("guest").both()
        .places(Place::PLUGIN_AND_EVENTS).daemons(FLOW).shares("sql_user").acts();

    /// Password at the broker.
    AMQP_PASSWD: String = text(&["amqp_passwd"]).default("guest").both()
        .places(Place::PLUGIN_AND_EVENTS).daemons(FLOW).shares("sql_passwd").acts();

    /// Exchange at the broker.
    AMQP_EXCHANGE: String = text(&["amqp_exchange"]).default("pmacct").both()
        .places(Place::PLUGIN_AND_EVENTS).daemons(FLOW).shares("sql_db").acts();

    /// Routing key of the plugin's messages, with variables of records in it.
    AMQP_ROUTING_KEY: String = text(&["amqp_routing_key"]).default("acct").both().daemons(FLOW)
       .shares("sql_table").acts();

    /// Number of routing keys that take turns; 0 for one.
    AMQP_ROUTING_KEY_RR: u32 = integer(&["amqp_routing_key_rr"], 0, u32::MAX as i128).default("0").both()
        .places(&[
            Place::PLUGIN, Place::TELEMETRY_DAEMON_MSGLOG, Place::TELEMETRY_DUMP, Place::BGP_DAEMON_MSGLOG,
            Place::BGP_TABLE_DUMP, Place::BMP_DAEMON_MSGLOG, Place::BMP_DUMP,
        ])
        .daemons(FLOW).acts();

    /// Type of the exchange.
    AMQP_EXCHANGE_TYPE: ExchangeType = words(&["amqp_exchange_type"]).default("direct").both().daemons(FLOW)
        .places(Place::PLUGIN_AND_EVENTS).acts();

    /// Asks the broker to keep messages on disk.
    AMQP_PERSISTENT_MSG: bool = boolean(&["amqp_persistent_msg"]).default("false").both().daemons(FLOW)
        .places(Place::PLUGIN_AND_EVENTS).acts();

    /// Octets of the largest frame.
    AMQP_FRAME_MAX: u64 = bytes(&["amqp_frame_max"], 1).default("131072").both().daemons(FLOW)
        .places(Place::PLUGIN_AND_EVENTS).acts();

    /// Seconds between heartbeats; 0 leaves them to the broker.
    AMQP_HEARTBEAT_INTERVAL: Duration = seconds(&["amqp_heartbeat_interval"], 0).default("0").both().daemons(FLOW)
        .places(Place::PLUGIN_AND_EVENTS).acts();

    /// Virtual host at the broker.
    AMQP_VHOST: String = text(&["amqp_vhost"]).default("/").both().daemons(FLOW)
        .places(Place::PLUGIN_AND_EVENTS).acts();

    /// Certificate authority of the broker, for TLS.
    ///
    /// A file of certificates in PEM. Setting it turns TLS on; then these authorities are trusted, and no others. With
    /// `amqps://` before the host and without this key, those of the system are.
    AMQP_CONN_CA_FILE: Option<PathBuf> = path(&["amqp_conn_ca_file"]).both().daemons(FLOW)
        .places(Place::PLUGIN_AND_EVENTS).acts();

    /// Certificate, with those between it and its authority, by which the broker knows the client.
    ///
    /// A file in PEM. It needs `amqp_conn_key_file`, and turns TLS on.
    AMQP_CONN_CERT_FILE: Option<PathBuf> = path(&["amqp_conn_cert_file"]).both().daemons(FLOW)
        .places(Place::PLUGIN_AND_EVENTS).acts();

    /// Private key of that certificate, in PEM and without a password.
    AMQP_CONN_KEY_FILE: Option<PathBuf> = path(&["amqp_conn_key_file"]).both().daemons(FLOW)
        .places(Place::PLUGIN_AND_EVENTS).acts();

    /// Routing key by which the Avro schema of the messages is sent to their exchange.
    ///
    /// It is sent when the plugin starts, and every `amqp_avro_schema_refresh_time` from then on.
    AMQP_AVRO_SCHEMA_ROUTING_KEY: Option<String> = text(&["amqp_avro_schema_routing_key"]).both().daemons(FLOW)
        .acts();

    /// Seconds between two times of sending the Avro schema.
    AMQP_AVRO_SCHEMA_REFRESH_TIME: Duration = seconds(&["amqp_avro_schema_refresh_time"], 1).default("60").both()
        .daemons(FLOW).acts();

    /// Routing key of what the daemon sends by itself; setting it turns that on.
    DAEMON_AMQP_ROUTING_KEY: Option<String> = text(&["amqp_routing_key"])
        .places(Place::EVENTS).acts();

    /// Seconds before a broken connection is tried again.
    DAEMON_AMQP_RETRY: Duration = seconds(&["amqp_retry"], 1).default("60")
        .places(&[
            Place::TELEMETRY_DAEMON_MSGLOG, Place::SFACCTD_COUNTER, Place::BGP_DAEMON_MSGLOG,
            Place::BMP_DAEMON_MSGLOG,
        ])
        .no_op("what fails is tried again after pauses that grow from a second to a minute");
}
