//! The looking glass: queries about peers and routes over ZeroMQ (`bgp_daemon_lg`).
//!
//! | module | what it is |
//! |---|---|
//! | `part` | settings, start and end |
//! | `query` | what clients may ask |
//! | `answer` | the answers |
//! | `client` | one connection |
//! | `server` | the thread: it accepts connections |

#[cfg(feature = "zmq")]
mod answer;
#[cfg(feature = "zmq")]
mod client;
#[cfg(feature = "zmq")]
mod query;
#[cfg(feature = "zmq")]
mod server;

#[cfg_attr(not(feature = "zmq"), path = "absent.rs")]
#[cfg_attr(feature = "zmq", path = "present.rs")]
mod part;

#[cfg(feature = "zmq")]
pub(super) use answer::Tables;
pub(super) use part::LookingGlass;
