//! The sfprobe plugin.

use crate::key::keys;

keys! {}
