//! Maps and files that correlate records.

use crate::key::keys;

keys! {}
