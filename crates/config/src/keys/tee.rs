//! The tee plugin: replicates datagrams.

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;

keys! {
    /// File with the receivers to which datagrams are replicated.
    TEE_RECEIVERS: Option<PathBuf> = path(&["tee_receivers"]).both().daemons(COLLECTORS).usr2().acts();

    /// Keeps the exporter's address as the source of replicated datagrams; requires a raw socket.
    TEE_TRANSPARENT: bool = boolean(&["tee_transparent"]).default("false").both().daemons(COLLECTORS).acts();

    /// Maximum number of receivers in a pool.
    TEE_MAX_RECEIVERS: u32 = integer(&["tee_max_receivers"], 1, u32::MAX as i128).default("32").both()
        .daemons(COLLECTORS).acts();

    /// Maximum number of pools.
    TEE_MAX_RECEIVER_POOLS: u32 = integer(&["tee_max_receiver_pools"], 1, u32::MAX as i128).default("128").both()
        .daemons(COLLECTORS).acts();

    /// Send buffer, in bytes.
    TEE_PIPE_SIZE: Option<u64> = bytes(&["tee_pipe_size"], 1).both().daemons(COLLECTORS).acts();

    /// File with options for the Kafka client of receivers that are topics.
    TEE_KAFKA_CONFIG_FILE: Option<PathBuf> = path(&["tee_kafka_config_file"]).both().daemons(COLLECTORS).acts();
}
