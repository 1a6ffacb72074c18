//! Classification with nDPI.

use crate::key::keys;

keys! {}
