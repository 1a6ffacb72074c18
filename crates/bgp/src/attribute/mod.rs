//! Path attributes (RFC 4271 section 4.3), and the canonical form of a set of them.

pub mod any;
pub mod link_state;
pub mod pmsi;
pub mod prefix_sid;
pub mod tunnel;
