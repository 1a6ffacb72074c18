//! The BMP collector.

use crate::key::keys;

keys! {}
