//! Adds to the rows what operators know of their network: tags, labels, networks, sampling, locations, filters.
//!
//! The files that the configuration names ([`spec`]) are read completely ([`Loaded`]). They become an ordered list of steps ([`step`]),
//! which is compiled for the layout of rows and passed to workers as one snapshot ([`Compiled`]), so that no row sees half of a change. A
//! worker applies the steps to the rows of each datagram ([`Enricher`]), and then those of each plugin ([`Stage`]). The order of
//! steps is declared in `steps/mod.rs` alone.
//!
//! Tables that change while rows are enriched, such as routes, are not snapshots: see [`live`].
#![forbid(unsafe_code)]

mod enricher;
pub mod lists;
pub mod live;
mod load;
mod packets;
mod read;
pub mod spec;
mod stage;
pub mod step;
mod steps;
#[cfg(test)]
mod tests;

/// Where networks and AS numbers come from.
pub mod networks {
    pub use crate::steps::Sources;
}

pub use enricher::Enricher;
pub use load::{Compiled, Loaded};
pub use maps::load::Context;
pub use packets::{BatchPackets, PacketViews, RowPackets};
pub use read::{RouteFiles, Size};
pub use stage::{Origin, Stage};
