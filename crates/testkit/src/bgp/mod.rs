//! A BGP speaker whose every octet a test chooses.
//!
//! It shares no code with the crate `bgp`: an encoder that misreads an RFC in the same way as the decoder would hide the
//! error. Nothing is validated, so that a test can send what no router would.
//!
//! | module | contents |
//! |---|---|
//! | [`message`] | the header of messages (RFC 4271 section 4.1), OPEN, KEEPALIVE, NOTIFICATION |
//! | [`update`] | UPDATE: attributes and NLRI |
//! | [`speaker`] | a connection from an address of its own |

pub mod message;
pub mod speaker;
pub mod update;

pub use message::{Message, Open};
pub use speaker::Speaker;
pub use update::Update;
