//! The operator's files: keyed maps, which are compiled to matchers over rows, and lists of networks and ports.
//!
//! | map | module |
//! |---|---|
//! | `pre_tag_map`, and filters on the tags and labels it sets | [`pre_tag`] |
//! | `sampling_map`, `flow_to_rd_map` | [`by_exporter`] |
//! | `bgp_agent_map`, `bgp_peer_src_as_map` and the two like it, `bgp_peer_dst_ip_map` | [`routes`] |
//! | `pcap_interfaces_map` | [`interfaces`] |
//! | `networks_file` | [`networks_file`] |
//! | `ports_file` | [`ports_file`] |
//! | rules that have matched | [`usage`] |
//! | `bgp_daemon_tag_map`, `bmp_daemon_tag_map`, `telemetry_daemon_tag_map` | [`routing_tag`] |
//! | `bgp_daemon_xconnect_map` | [`xconnect`] |
//! | `tee_receivers` | [`tee_receivers`] |
//!
//! Keyed maps share a syntax ([`grammar`]), tables of keys ([`key`]), the loader of rules ([`load`]) and the search for the first
//! matching rule ([`matcher`]).
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod by_exporter;
pub mod condition;
pub mod grammar;
pub mod interfaces;
pub mod key;
pub mod load;
pub mod matcher;
pub mod networks_file;
pub mod ports_file;
pub mod pre_tag;
pub mod prefix;
pub mod review;
pub mod routes;
pub mod routing_tag;
pub mod tee_receivers;
pub mod usage;
pub mod value;
pub mod xconnect;
