//! Where flows and packets come from.

use crate::key::keys;

keys! {}
