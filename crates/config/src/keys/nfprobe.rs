//! The nfprobe plugin.

use crate::key::keys;

keys! {}
