//! What listeners for sessions of routers share: BGP, BMP, telemetry and IPFIX.
//!
//! | module | what it is |
//! |---|---|
//! | [`accept`] | the loop that accepts connections |
//! | [`admission`] | which connections become sessions |
//! | [`memory`] | a bound on the memory of events that wait for a dump |
//! | [`settings`] | reading of settings and files |
//! | [`tls`] | servers of TLS |

pub(crate) mod accept;
pub(crate) mod admission;
pub(crate) mod memory;
pub(crate) mod settings;
pub(crate) mod tls;
