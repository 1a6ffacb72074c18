//! Tunnels (sflow.org, "sFlow Tunnel Structures"). Outer headers are [`super::Ethernet`], [`super::Ipv4`] and
//! [`super::Ipv6`].

use super::records;

records! {
    /// Where the inner packet starts.
    InnerHeader {
        /// Octets of the sampled header before it.
        offset: u32,
    }

    /// A virtual network.
    Vni {
        /// Its identifier, of 24 bits in VXLAN.
        vni: u32,
    }
}
