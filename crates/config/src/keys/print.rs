//! The print plugin.

use crate::key::keys;

keys! {}
