//! The Kafka plugin.

use crate::key::keys;

keys! {}
