//! The SQL plugins.

use crate::key::keys;

keys! {}
