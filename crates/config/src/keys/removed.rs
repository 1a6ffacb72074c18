//! Keys of older versions.

use crate::key::keys;

keys! {}
