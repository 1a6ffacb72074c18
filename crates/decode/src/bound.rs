//! Bounds of the state of exporters and agents.

/// Why the state of an exporter or agent was evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The number of exporters or agents.
    Exporters,
    /// The memory of their state.
    Memory,
}

/// Maximum number of exporters or agents that one housekeeping call visits. The next call continues after them.
pub(crate) const MAX_VISITED: usize = 10_000;
