//! End-to-end tests: the real programs, with real sockets, files and signals.
//!
//! Each test has a daemon, an address and a folder of its own. It sends datagrams, waits for conditions (never for time to
//! pass), stops the daemon and checks its output.

#[path = "suite/aggregates.rs"]
mod aggregates;
#[path = "suite/bgp.rs"]
mod bgp;
#[path = "suite/bgp_documents.rs"]
mod bgp_documents;
#[path = "suite/bgp_files.rs"]
mod bgp_files;
#[path = "suite/bgp_flows.rs"]
mod bgp_flows;
#[path = "suite/bgp_hostile.rs"]
mod bgp_hostile;
#[path = "suite/bgp_log.rs"]
mod bgp_log;
#[path = "suite/bgp_looking_glass.rs"]
mod bgp_looking_glass;
#[path = "suite/bgp_queries.rs"]
mod bgp_queries;
#[path = "suite/bgp_routers.rs"]
mod bgp_routers;
#[path = "suite/bgp_sessions.rs"]
mod bgp_sessions;
#[path = "suite/bgp_xconnect.rs"]
mod bgp_xconnect;
#[path = "suite/bmp.rs"]
mod bmp;
#[path = "suite/bmp_flows.rs"]
mod bmp_flows;
#[path = "suite/bmp_hostile.rs"]
mod bmp_hostile;
#[path = "suite/bmp_outputs.rs"]
mod bmp_outputs;
#[path = "suite/bmp_queries.rs"]
mod bmp_queries;
#[path = "suite/bmp_routers.rs"]
mod bmp_routers;
#[path = "suite/bmp_sessions.rs"]
mod bmp_sessions;
#[path = "suite/bmp_tls.rs"]
mod bmp_tls;
#[path = "suite/checks.rs"]
mod checks;
#[path = "suite/classes.rs"]
mod classes;
#[path = "suite/clients.rs"]
mod clients;
#[path = "suite/clusters.rs"]
mod clusters;
#[path = "suite/configuration.rs"]
mod configuration;
#[path = "suite/confinement.rs"]
mod confinement;
#[path = "suite/correlation.rs"]
mod correlation;
#[path = "suite/counters.rs"]
mod counters;
#[path = "suite/differences.rs"]
mod differences;
#[path = "suite/enrichment.rs"]
mod enrichment;
#[path = "suite/event_brokers.rs"]
mod event_brokers;
#[path = "suite/formats.rs"]
mod formats;
#[path = "suite/golden.rs"]
mod golden;
#[path = "suite/high_availability.rs"]
mod high_availability;
#[path = "suite/hostile.rs"]
mod hostile;
#[path = "suite/intakes.rs"]
mod intakes;
#[cfg(feature = "dtls")]
#[path = "suite/ipfix_sessions.rs"]
mod ipfix_sessions;
#[path = "suite/layers.rs"]
mod layers;
#[path = "suite/lifecycle.rs"]
mod lifecycle;
#[path = "suite/local_attacks.rs"]
mod local_attacks;
#[path = "suite/malformed.rs"]
mod malformed;
#[path = "suite/maps.rs"]
mod maps;
#[path = "suite/memory.rs"]
mod memory;
#[path = "suite/metrics.rs"]
mod metrics;
#[path = "suite/nfprobe.rs"]
mod nfprobe;
#[path = "suite/nfprobe_sessions.rs"]
mod nfprobe_sessions;
#[path = "suite/operator_errors.rs"]
mod operator_errors;
#[path = "suite/options.rs"]
mod options;
#[path = "suite/packets.rs"]
mod packets;
#[path = "suite/peer_state.rs"]
mod peer_state;
#[path = "suite/probe_routes.rs"]
mod probe_routes;
#[path = "suite/programs.rs"]
mod programs;
#[path = "suite/records.rs"]
mod records;
#[path = "suite/scale_out.rs"]
mod scale_out;
#[path = "suite/sessions.rs"]
mod sessions;
#[path = "suite/sflow.rs"]
mod sflow;
#[path = "suite/sfprobe.rs"]
mod sfprobe;
#[path = "suite/sink_contract.rs"]
mod sink_contract;
#[path = "suite/sinks.rs"]
mod sinks;
#[path = "suite/startup_errors.rs"]
mod startup_errors;
#[path = "suite/stores.rs"]
mod stores;
#[path = "suite/support.rs"]
mod support;
#[path = "suite/tee.rs"]
mod tee;
#[path = "suite/tee_brokers.rs"]
mod tee_brokers;
#[path = "suite/telemetry.rs"]
mod telemetry;
#[cfg(feature = "grpc")]
#[path = "suite/telemetry_grpc.rs"]
mod telemetry_grpc;
#[path = "suite/telemetry_hostile.rs"]
mod telemetry_hostile;
#[path = "suite/telemetry_inputs.rs"]
mod telemetry_inputs;
#[path = "suite/telemetry_outputs.rs"]
mod telemetry_outputs;
#[path = "suite/tls.rs"]
mod tls;
#[path = "suite/unresponsive.rs"]
mod unresponsive;
#[path = "suite/workers.rs"]
mod workers;
