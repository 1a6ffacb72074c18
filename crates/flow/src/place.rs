//! Where the packet of a row lies.

/// The packet that a row was made of: octets of a datagram or frame of the batch that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the datagram or frame in its batch; [`Place::NOWHERE`] has none.
    pub unit: u32,
    /// Where the packet starts in it, in octets.
    pub start: u32,
    /// Octets of the packet that are there.
    pub captured: u32,
    /// Octets that it had on the wire.
    pub length: u32,
    /// What it starts with: a link type by libpcap's number.
    pub link: i32,
}

impl Place {
    /// The row was made of no packet, or of one that is gone.
    pub const NOWHERE: Self = Self { unit: u32::MAX, start: 0, captured: 0, length: 0, link: 0 };
}
