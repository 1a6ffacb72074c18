//! Which packet a row was made of.

/// The packet that a row was made of: a slice of a datagram or frame in the batch that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketRef {
    /// Number of the datagram or frame in its batch; that of [`PacketRef::NONE`] is not in any.
    pub unit: u32,
    /// Where the packet starts in it, in bytes.
    pub start: u32,
    /// Bytes of the packet that were captured.
    pub captured: u32,
    /// Bytes that it had on the wire.
    pub length: u32,
    /// Its link type, by libpcap's number.
    pub link: i32,
}

impl PacketRef {
    /// The row was made of no packet, or of one that is gone.
    pub const NONE: Self = Self { unit: u32::MAX, start: 0, captured: 0, length: 0, link: 0 };
}
