//! Bounds of what is remembered of those who send.

/// Why an exporter or agent was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// There are too many.
    Exporters,
    /// Their state takes too much memory.
    Memory,
}

/// Exporters or agents that one round of housekeeping visits; of more, the next round visits others.
pub(crate) const MAX_VISITED: usize = 10_000;
