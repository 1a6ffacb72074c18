//! Files that outputs write.

use crate::key::keys;

keys! {}
