//! Time bins and time stamps.

use crate::key::keys;

keys! {}
