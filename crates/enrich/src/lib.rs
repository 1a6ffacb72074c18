//! What operators know of their network, brought to the rows: tags, labels, networks, sampling, places, filters.
//!
//! From the configuration ([`spec`]) files are read as a whole ([`Loaded`]). They become an ordered list of steps ([`step`]),
//! compiled for the layout of rows and handed to workers as one snapshot ([`Compiled`]), so that no row sees half of a change. A
//! worker runs the steps over the rows of each datagram ([`Enricher`]), and then those of each plugin ([`Stage`]). The order of
//! steps is declared in one place, `steps/mod.rs`.
//!
//! Tables that change while rows are enriched, such as routes, are no snapshots: see [`live`].
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
pub use read::Size;
pub use stage::{Origin, Stage};
