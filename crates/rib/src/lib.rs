//! Prefixes and what is known of them: longest-match tries, `networks_file`, `ports_file`.
#![forbid(unsafe_code)]

pub mod networks_file;
pub mod ports_file;
pub mod trie;
