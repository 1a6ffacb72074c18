//! libpcap expressions: `filter` in maps, `aggregate_filter`, `pcap_filter`.
//!
//! libpcap compiles the text to a program for the Berkeley Packet Filter (McCanne and Jacobson, 1993). The program is interpreted here,
//! in safe code ([`bpf`]), on captured packets or on packets synthesized from flow records ([`Synthetic`]).
//!
//! Conditions that each matching packet fulfils are derived from the text ([`Hint`]), so that a caller with thousands of filters
//! need not run them all.
#![forbid(unsafe_code)]

mod advice;
pub mod bpf;
mod compile;
mod hints;
mod synthetic;

pub use compile::{ETHERNET, Error, Filter, MAX_LEN, PacketView};
pub use hints::Hint;
pub use synthetic::Synthetic;
