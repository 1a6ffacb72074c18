//! Streaming telemetry.

use crate::key::keys;

keys! {}
