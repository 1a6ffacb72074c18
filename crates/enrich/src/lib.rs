//! What operators know of their network, brought to the rows: tags, labels, networks, sampling, places, filters.
//!
//! From the configuration ([`spec`]) files are read as a whole ([`load`]), compiled for the layout of rows, and
//! handed to workers as one snapshot ([`Compiled`]), so that no row sees half of a change. A worker runs it over the rows of
//! each datagram ([`Enricher`]), and then for each plugin ([`Stage`]).
#![forbid(unsafe_code)]

mod core;
pub mod lists;
mod load;
pub mod networks;
mod sight;
pub mod spec;
mod stage;

pub use core::Enricher;
pub use load::{Compiled, Loaded, Size};
pub use maps::load::Context;
pub use sight::{Placed, Sights};
pub use stage::{KeptOut, Origin, Stage};
