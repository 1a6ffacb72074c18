//! End-to-end tests: the real programs, with real sockets, files and signals.
//!
//! Each test has a daemon, an address and a folder of its own. It sends datagrams, waits for conditions (never for time to
//! pass), ends the daemon and looks at what it wrote.

#[path = "suite/aggregates.rs"]
mod aggregates;
#[path = "suite/beyond.rs"]
mod beyond;
#[path = "suite/checks.rs"]
mod checks;
#[path = "suite/classes.rs"]
mod classes;
#[path = "suite/clients.rs"]
mod clients;
#[path = "suite/configuration.rs"]
mod configuration;
#[path = "suite/confinement.rs"]
mod confinement;
#[path = "suite/counters.rs"]
mod counters;
#[path = "suite/enrichment.rs"]
mod enrichment;
#[path = "suite/faults.rs"]
mod faults;
#[path = "suite/formats.rs"]
mod formats;
#[path = "suite/golden.rs"]
mod golden;
#[path = "suite/hostile.rs"]
mod hostile;
#[path = "suite/layers.rs"]
mod layers;
#[path = "suite/life.rs"]
mod life;
#[path = "suite/maps.rs"]
mod maps;
#[path = "suite/memory.rs"]
mod memory;
#[path = "suite/metrics.rs"]
mod metrics;
#[path = "suite/operators.rs"]
mod operators;
#[path = "suite/options.rs"]
mod options;
#[path = "suite/outages.rs"]
mod outages;
#[path = "suite/packets.rs"]
mod packets;
#[path = "suite/peer_state.rs"]
mod peer_state;
#[path = "suite/planted.rs"]
mod planted;
#[path = "suite/programs.rs"]
mod programs;
#[path = "suite/records.rs"]
mod records;
#[path = "suite/sessions.rs"]
mod sessions;
#[path = "suite/sflow.rs"]
mod sflow;
#[path = "suite/sink_contract.rs"]
mod sink_contract;
#[path = "suite/sinks.rs"]
mod sinks;
#[path = "suite/stalls.rs"]
mod stalls;
#[path = "suite/stores.rs"]
mod stores;
#[path = "suite/support.rs"]
mod support;
#[path = "suite/tls.rs"]
mod tls;
#[path = "suite/workers.rs"]
mod workers;
