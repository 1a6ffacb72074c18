//! Writing messages.

use crate::{FROM_ROUTER, IPV6, MAGIC, Message, Router, VERSION};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Octets of a header without texts of variable length.
pub(crate) const FIXED: usize = 78;

/// A message that does not fit its length fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLong {
    /// The header: its octets. Admin id and group are too long.
    Header(usize),
    /// The data: its octets.
    Data(usize),
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(length) => write!(f, "a header of {length} octets does not fit its length field"),
            Self::Data(length) => write!(f, "data of {length} octets does not fit its length field"),
        }
    }
}

impl std::error::Error for TooLong {}

impl Message<'_> {
    /// Appends the message.
    ///
    /// # Errors
    /// If something does not fit its length field. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let group = self.router.map_or(&[][..], |router| router.group);
        let header = FIXED + self.collector.admin_id.len() + group.len();
        let of_header = u16::try_from(header).map_err(|_| TooLong::Header(header))?;
        let of_data = u32::try_from(self.data.len()).map_err(|_| TooLong::Data(self.data.len()))?;
        let (flags, hash, address) = match self.router {
            None => (0, [0; 16], Ipv4Addr::UNSPECIFIED.into()),
            Some(Router { hash, address: IpAddr::V4(v4), .. }) => (FROM_ROUTER, hash, v4.into()),
            Some(Router { hash, address: IpAddr::V6(v6), .. }) => (FROM_ROUTER | IPV6, hash, v6.into()),
        };
        out.reserve(header + self.data.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION.0, VERSION.1]);
        out.extend_from_slice(&of_header.to_be_bytes());
        out.extend_from_slice(&of_data.to_be_bytes());
        out.extend_from_slice(&[flags, self.object.0]);
        out.extend_from_slice(&self.time.seconds.to_be_bytes());
        out.extend_from_slice(&self.time.micros.to_be_bytes());
        out.extend_from_slice(&self.collector.hash);
        text(out, self.collector.admin_id);
        out.extend_from_slice(&hash);
        match address {
            IpAddr::V4(v4) => {
                out.extend_from_slice(&v4.octets());
                out.extend_from_slice(&[0; 12]);
            }
            IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
        }
        text(out, group);
        out.extend_from_slice(&self.rows.to_be_bytes());
        out.extend_from_slice(self.data);
        Ok(())
    }
}

/// Appends a text after its length, which fits because the header does.
fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(text);
}
