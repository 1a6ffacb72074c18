//! Network layer reachability information.

pub mod any;
pub mod evpn;
pub mod fields;
pub mod flowspec;
pub mod link_state;
pub mod mcast_vpn;
pub mod route_target;
pub mod sr_policy;
pub mod vpls;
