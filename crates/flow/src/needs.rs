//! What decoders of any protocol have to fill in.

use crate::custom::Custom;
use crate::row::Layout;
use std::sync::Arc;

/// What rows must hold.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Their layout.
    pub layout: Arc<Layout>,
    /// Custom primitives, by number.
    pub customs: Arc<[Custom]>,
    /// Some plugin bins by time.
    pub bin_times: bool,
}
