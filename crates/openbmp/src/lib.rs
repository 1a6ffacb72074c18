//! BMP messages in the format of OpenBMP: the header that a collector puts before each message of a router, so that others can read it
//! from Kafka.
//!
//! OpenBMP (version 1.7 of its message bus API, object `bmp_raw`) defines the format; RouteViews and CAIDA distribute BMP in it. A message
//! of Kafka contains one of them. In a file they follow each other.
//!
//! ```text
//! magic               u32 0x4f424d50, "OBMP"
//! version             u8 major 1, u8 minor 7
//! header length       u16 octets from the magic to the data
//! message length      u32 octets of the data
//! flags               u8  0x80 from a router, 0x40 its address is IPv6
//! object type         u8  12 BMP message
//! collector time      u32 seconds since 1970, u32 microseconds
//! collector hash      16 octets
//! collector admin id  u16 length, text
//! router hash         16 octets
//! router address      16 octets; of IPv4 the first four
//! router group        u16 length, text
//! rows                u32 BMP messages in the data: 1
//! data                BMP messages
//! ```
//!
//! Fields that a later minor version adds at the end of the header are passed over, by its length. The lengths of a header are checked
//! against the octets that there are before anything is read by them, and nothing is copied.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod decode;
mod encode;
mod hash;
#[cfg(test)]
mod tests;

pub use decode::{Messages, Reject, decode};
pub use encode::TooLong;
pub use hash::{collector_hash, router_hash};

use std::net::IpAddr;

/// The first octets of a message: "OBMP".
pub const MAGIC: [u8; 4] = *b"OBMP";
/// The version of the format that is written. Of others, those with the same major number are read.
pub const VERSION: (u8, u8) = (1, 7);
/// The flag of messages that are from a router, and not from the collector itself.
pub const FROM_ROUTER: u8 = 0x80;
/// The flag of a router's address that is IPv6.
pub const IPV6: u8 = 0x40;

/// A type of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectType(pub u8);

impl ObjectType {
    /// BMP messages as the router sent them.
    pub const BMP_RAW: Self = Self(12);
}

/// When a collector received a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Microseconds after that. Values from 1,000,000 on are possible in what is read.
    pub micros: u32,
}

impl Time {
    /// A time in microseconds since 1970. Times after 2106 do not fit and are the last that does.
    #[must_use]
    pub fn from_micros(micros: u64) -> Self {
        let seconds = u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX);
        Self { seconds, micros: u32::try_from(micros % 1_000_000).unwrap_or(0) }
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn as_micros(self) -> u64 {
        u64::from(self.seconds) * 1_000_000 + u64::from(self.micros)
    }
}

/// A message: its header, and the data after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What the data is.
    pub object: ObjectType,
    /// When the collector received it.
    pub time: Time,
    /// The collector.
    pub collector: Collector<'a>,
    /// The router, unless the message is from the collector itself.
    pub router: Option<Router<'a>>,
    /// How many BMP messages the data contains, as the header says.
    pub rows: u32,
    /// The data: of [`ObjectType::BMP_RAW`], BMP messages.
    pub data: &'a [u8],
}

/// Who received a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collector<'a> {
    /// Identifies the collector; see [`collector_hash`].
    pub hash: [u8; 16],
    /// The name that its operator gave it: usually UTF-8.
    pub admin_id: &'a [u8],
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Router<'a> {
    /// Identifies the router at its collector; see [`router_hash`].
    pub hash: [u8; 16],
    /// Its address.
    pub address: IpAddr,
    /// The group to which the operator of the collector assigned it, such as the name of a site; empty without one.
    pub group: &'a [u8],
}
