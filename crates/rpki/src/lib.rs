//! Route origin validation: VRPs from ROA files and from RTR caches.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod aspas;
pub mod caches;
pub mod client;
mod records;
pub mod rtr;
mod validity;
mod vrps;

pub use aspas::Aspas;
pub use validity::{Judgement, Validity};
pub use vrps::{MAX_VRPS, Vrp, Vrps};
