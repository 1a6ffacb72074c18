//! The memory plugin.

use crate::key::keys;

keys! {}
