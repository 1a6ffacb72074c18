//! The BGP collector.

use crate::key::keys;

keys! {}
