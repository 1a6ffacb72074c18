//! Route origin validation: VRPs from ROA files and from RTR caches.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod aspas;
pub mod caches;
pub mod client;
mod records;
pub mod roas_file;
pub mod rtr;
pub mod runner;
pub mod settings;
mod shared;
mod validity;
mod vrps;

pub use aspas::Aspas;
pub use shared::{Counters, Shared};
pub use validity::{Judgement, Validity};
pub use vrps::{MAX_VRPS, Vrp, Vrps};
