//! The tee plugin.

use crate::key::keys;

keys! {}
