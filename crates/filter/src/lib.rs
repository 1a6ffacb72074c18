//! libpcap's expressions: `filter` in maps, `aggregate_filter`, `pcap_filter`.
//!
//! libpcap compiles the text to a program for the Berkeley Packet Filter (McCanne and Jacobson, 1993). The program is run here,
//! in safe code ([`bpf`]), over packets as they are or over the packet that a flow record stands for ([`Synthetic`]).
//!
//! A few conditions that each matching packet fulfils are read from the text ([`Hint`]), so that who has thousands of filters
//! need not run them all.
#![forbid(unsafe_code)]

mod advice;
pub mod bpf;
mod compile;
mod hints;
mod synthetic;

pub use compile::{ETHERNET, Error, Filter, MAX_LEN, Seen};
pub use hints::Hint;
pub use synthetic::Synthetic;
