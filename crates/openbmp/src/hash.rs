//! The hashes by which readers tell collectors and routers apart.
//!
//! They are MD5 sums, as OpenBMP's are. Readers use them as opaque keys, so that what they are computed from does not matter to them.

use md5::{Digest, Md5};
use std::net::IpAddr;

/// The hash of a collector: the MD5 sum of its admin id.
#[must_use]
pub fn collector_hash(admin_id: &[u8]) -> [u8; 16] {
    Md5::digest(admin_id).into()
}

/// The hash of a router: the MD5 sum of its address in text form and of the hash of its collector.
#[must_use]
pub fn router_hash(address: IpAddr, collector: &[u8; 16]) -> [u8; 16] {
    let mut sum = Md5::new();
    sum.update(address.to_string().as_bytes());
    sum.update(collector);
    sum.finalize().into()
}
