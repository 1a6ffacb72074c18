//! High availability.

use crate::key::keys;

keys! {}
