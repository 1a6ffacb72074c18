//! How values are written by outputs.

use crate::key::keys;

keys! {}
