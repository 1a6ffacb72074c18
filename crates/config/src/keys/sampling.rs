//! Sampling.

use crate::key::keys;

keys! {}
