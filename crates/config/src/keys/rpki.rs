//! Route origin validation.

use crate::key::keys;

keys! {}
