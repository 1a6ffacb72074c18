//! Network layer reachability information.

pub mod evpn;
pub mod flowspec;
pub mod link_state;
pub mod route_target;
pub mod sr_policy;
