//! The AMQP plugin.

use crate::key::keys;

keys! {}
