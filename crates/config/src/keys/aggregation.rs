//! What is aggregated, filtered and tagged.

use crate::key::keys;

keys! {}
