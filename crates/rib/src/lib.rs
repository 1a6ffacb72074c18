//! Prefixes and what is known of them: longest-match tries, `networks_file`, `ports_file`.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod networks_file;
pub mod ports_file;
pub mod trie;
