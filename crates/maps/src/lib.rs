//! The operator's files: keyed maps, which become matchers over rows, and lists of networks and ports.
//!
//! | map | module |
//! |---|---|
//! | `pre_tag_map`, and filters on what it sets | [`pre_tag`] |
//! | `sampling_map`, `flow_to_rd_map` | [`by_exporter`] |
//! | `pcap_interfaces_map` | [`interfaces`] |
//! | `networks_file` | [`networks_file`] |
//! | `ports_file` | [`ports_file`] |
//! | which rules have matched anything | [`usage`] |
//! | maps of the correlation with routes, `tee_receivers`, tag maps of other daemons | [`checked`] |
//!
//! Keyed maps share one grammar ([`grammar`]), tables of keys ([`key`]), the reading of rules ([`load`]) and the search for the first
//! rule that matches ([`matcher`]).
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod by_exporter;
pub mod checked;
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
pub mod usage;
pub mod value;
