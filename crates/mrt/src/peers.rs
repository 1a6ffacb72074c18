//! The peers of a table: PEER_INDEX_TABLE (RFC 6396 section 4.3.1).
//!
//! ```text
//! collector   u32 BGP identifier
//! view        u16 length, name of the view
//! count       u16
//! peer        u8 flags: 1 the address is IPv6, 2 the AS number has four octets
//!             u32 BGP identifier, address of 4 or 16 octets, AS number of 2 or 4 octets
//! ```

use crate::record::{self, Time, Type};
use crate::{MrtError, rib};
use std::net::{IpAddr, Ipv4Addr};
use wire::{Asn, Reader, Truncated};

/// The flag of a peer whose address is IPv6.
const IPV6: u8 = 1;
/// The flag of a peer whose AS number has four octets.
const AS4: u8 = 2;

/// The peers of a table. Routes name a peer by its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIndex {
    /// BGP identifier of the collector.
    pub collector: Ipv4Addr,
    /// Name of the view; empty if there is only one. Octets that are not UTF-8 are replaced.
    pub view: String,
    /// The peers, at most 65,535.
    pub peers: Vec<Peer>,
}

/// A peer of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// BGP identifier.
    pub bgp_id: Ipv4Addr,
    /// Address.
    pub address: IpAddr,
    /// AS number.
    pub asn: Asn,
}

impl PeerIndex {
    /// Decodes the body of a record.
    pub(crate) fn read(body: &[u8]) -> Result<Self, MrtError> {
        let mut r = Reader::new(body);
        let collector = Ipv4Addr::from(r.u32()?);
        let length = r.u16()?;
        let view = String::from_utf8_lossy(r.take(usize::from(length))?).into_owned();
        let count = usize::from(r.u16()?);
        // The shortest peer has 11 octets.
        let mut peers = Vec::with_capacity(count.min(r.left() / 11));
        for _ in 0..count {
            peers.push(Peer::read(&mut r)?);
        }
        Ok(Self { collector, view, peers })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// If there are too many peers or the name is too long; nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>, time: Time) -> Result<(), MrtError> {
        let count = u16::try_from(self.peers.len()).map_err(|_| MrtError::TooLong(self.peers.len()))?;
        let length = u16::try_from(self.view.len()).map_err(|_| MrtError::TooLong(self.view.len()))?;
        record::write(out, time, Type::TABLE_DUMP_V2, rib::PEER_INDEX_TABLE, |out| {
            out.extend_from_slice(&self.collector.octets());
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(self.view.as_bytes());
            out.extend_from_slice(&count.to_be_bytes());
            self.peers.iter().for_each(|peer| peer.write(out));
            Ok(())
        })
    }
}

impl Peer {
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        let flags = r.u8()?;
        let bgp_id = Ipv4Addr::from(r.u32()?);
        let address = if flags & IPV6 == 0 { r.array::<4>()?.into() } else { r.array::<16>()?.into() };
        let asn = Asn(if flags & AS4 == 0 { r.u16()?.into() } else { r.u32()? });
        Ok(Self { bgp_id, address, asn })
    }

    fn write(&self, out: &mut Vec<u8>) {
        // AS numbers are always written with four octets, as most programs do.
        out.push(AS4 | if self.address.is_ipv6() { IPV6 } else { 0 });
        out.extend_from_slice(&self.bgp_id.octets());
        put_address(out, self.address);
        out.extend_from_slice(&self.asn.0.to_be_bytes());
    }
}

/// Appends the octets of an address.
pub(crate) fn put_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
    }
}
