//! How values are represented in outputs with types.

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;

keys! {
    /// Shows TCP flags as a list of their names instead of a number, in JSON and Avro.
    TCPFLAGS_ENCODE_AS_ARRAY: bool = boolean(&["tcpflags_encode_as_array"]).default("false").both().daemons(FLOW)
        .acts();

    /// Shows communities as lists of strings instead of one string, in JSON and Avro.
    BGP_COMMS_ENCODE_AS_ARRAY: bool = boolean(&["bgp_comms_encode_as_array"]).default("false").both().acts();

    /// Shows well-known communities as numbers instead of names.
    BGP_COMMS_NUM: bool = boolean(&["bgp_comms_num"]).default("false").both().acts();

    /// Shows AS paths as lists instead of one string, in JSON and Avro.
    AS_PATH_ENCODE_AS_ARRAY: bool = boolean(&["as_path_encode_as_array"]).default("false").both().acts();

    /// Shows the forwarding status in words instead of a number (RFC 7270 section 4.12), in JSON and Avro.
    FWD_STATUS_ENCODE_AS_STRING: bool = boolean(&["fwd_status_encode_as_string"]).default("false").both()
        .daemons(FLOW).acts();

    /// Uses only the upper six bits of the type of service (the DSCP), for aggregation and in the output.
    TOS_ENCODE_AS_DSCP: bool = boolean(&["tos_encode_as_dscp"]).default("false").both().daemons(FLOW).acts();

    /// Shows label stacks as lists of position and label instead of one string, in JSON and Avro.
    MPLS_LABEL_STACK_ENCODE_AS_ARRAY: bool = boolean(&["mpls_label_stack_encode_as_array"]).default("false").both()
        .daemons(FLOW).acts();

    /// Shows labels of the form `name%value,...` as an object of names and values, in JSON and Avro.
    PRE_TAG_LABEL_ENCODE_AS_MAP: bool = boolean(&["pre_tag_label_encode_as_map"]).default("false").both().acts();

    /// Bytes of Avro records at which a block of a file, or a message of several records, ends; a longer record has its own.
    AVRO_BUFFER_SIZE: u64 = bytes(&["avro_buffer_size"], 1).default("8224").both().daemons(FLOW)
        .acts();

    /// File to which the Avro schema is written at the start of the plugin.
    AVRO_SCHEMA_FILE: Option<PathBuf> = path(&["avro_schema_file", "avro_schema_output_file"]).both()
        .daemons(FLOW).acts();
}
