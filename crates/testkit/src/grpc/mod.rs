//! Telemetry over gRPC, by tonic: [`Router`], which dials out, and [`Target`], which serves gNMI.
//!
//! Both send messages as octets, so that they can send what is not a message too.

mod codec;
mod router;
mod target;

pub use router::{Router, Stream};
pub use target::{Target, Then};
pub use tonic::{Code, Status};
