//! The values that decoders must supply.

use crate::custom::Custom;
use crate::row::Layout;
use std::sync::Arc;

/// The requirements of the configuration for rows.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Their layout.
    pub layout: Arc<Layout>,
    /// Custom primitives, by index.
    pub customs: Arc<[Custom]>,
    /// Whether a plugin uses time bins.
    pub bin_times: bool,
}
