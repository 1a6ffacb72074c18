//! The packet itself: its first octets, or fields of its headers.

use super::records;
use crate::DecodeError;
use crate::xdr::Xdr;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::{Mac, Reader, Writer};

/// Protocol of the first header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeaderProtocol(pub u32);

impl HeaderProtocol {
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// IEEE 802.4 token bus.
    pub const TOKEN_BUS: Self = Self(2);
    /// IEEE 802.5 token ring.
    pub const TOKEN_RING: Self = Self(3);
    /// FDDI.
    pub const FDDI: Self = Self(4);
    /// Frame relay.
    pub const FRAME_RELAY: Self = Self(5);
    /// X.25.
    pub const X25: Self = Self(6);
    /// PPP.
    pub const PPP: Self = Self(7);
    /// SMDS.
    pub const SMDS: Self = Self(8);
    /// ATM adaptation layer 5.
    pub const AAL5: Self = Self(9);
    /// IP over ATM adaptation layer 5.
    pub const AAL5_IP: Self = Self(10);
    /// IPv4.
    pub const IPV4: Self = Self(11);
    /// IPv6.
    pub const IPV6: Self = Self(12);
    /// MPLS.
    pub const MPLS: Self = Self(13);
    /// PPP over SONET (RFC 1662, RFC 2615).
    pub const POS: Self = Self(14);
    /// 802.11 MAC frame.
    pub const WIFI: Self = Self(15);
    /// 802.11n aggregated MPDU.
    pub const WIFI_AMPDU: Self = Self(16);
    /// 802.11n aggregated MSDU, without its outer headers.
    pub const WIFI_AMSDU: Self = Self(17);
}

impl Xdr<'_> for HeaderProtocol {
    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(r.u32()?))
    }

    fn write(&self, w: &mut Writer) {
        w.u32(self.0);
    }
}

/// The first octets of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawHeader<'a> {
    /// Protocol of the first header.
    pub protocol: HeaderProtocol,
    /// Octets of the whole frame as it was on the wire, with FCS.
    pub frame_length: u32,
    /// Octets that were removed before sampling, such as the FCS; not in versions 2 and 4.
    pub stripped: Option<u32>,
    /// The octets.
    pub octets: &'a [u8],
}

impl<'a> Xdr<'a> for RawHeader<'a> {
    #[inline]
    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let protocol = Xdr::read(r)?;
        Ok(Self { protocol, frame_length: r.u32()?, stripped: Some(r.u32()?), octets: Xdr::read(r)? })
    }

    fn write(&self, w: &mut Writer) {
        w.u32(self.protocol.0).u32(self.frame_length).u32(self.stripped.unwrap_or(0));
        self.octets.write(w);
    }
}

impl<'a> RawHeader<'a> {
    pub(super) fn read_old(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let protocol = Xdr::read(r)?;
        Ok(Self { protocol, frame_length: r.u32()?, stripped: None, octets: Xdr::read(r)? })
    }

    pub(super) fn write_old(&self, w: &mut Writer) {
        w.u32(self.protocol.0).u32(self.frame_length);
        self.octets.write(w);
    }
}

#[cfg(test)]
impl<'a> crate::tests::Generate<'a> for RawHeader<'a> {
    fn generate(r: &mut Reader<'a>) -> Self {
        use crate::tests::Generate;
        let protocol = HeaderProtocol(Generate::generate(r));
        Self {
            protocol,
            frame_length: Generate::generate(r),
            stripped: Some(Generate::generate(r)),
            octets: Generate::generate(r),
        }
    }
}

/// Octets of a sampled Ethernet header whose addresses are not padded to eight octets each.
const UNPADDED_ETHERNET: usize = 20;

/// Fields of an Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Octets of the frame without layers below MAC.
    pub length: u32,
    /// Source.
    pub src: Mac,
    /// Destination.
    pub dst: Mac,
    /// EtherType.
    pub etype: u32,
}

impl Xdr<'_> for Ethernet {
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // XDR pads six octets to eight, but some agents do not; the record's length shows it. Lengths in between are those of a
        // truncated padded header.
        let is_padded = r.left() != UNPADDED_ETHERNET;
        let length = r.u32()?;
        let (src, dst) =
            if is_padded { (Mac::read(r)?, Mac::read(r)?) } else { (Mac(r.array()?), Mac(r.array()?)) };
        Ok(Self { length, src, dst, etype: r.u32()? })
    }

    fn write(&self, w: &mut Writer) {
        w.u32(self.length);
        self.src.write(w);
        self.dst.write(w);
        w.u32(self.etype);
    }
}

#[cfg(test)]
impl<'a> crate::tests::Generate<'a> for Ethernet {
    fn generate(r: &mut Reader<'a>) -> Self {
        use crate::tests::Generate;
        Self {
            length: Generate::generate(r),
            src: Generate::generate(r),
            dst: Generate::generate(r),
            etype: Generate::generate(r),
        }
    }
}

records! {
    /// Fields of IPv4 and transport headers.
    Ipv4 {
        /// Octets of the IP packet.
        length: u32,
        /// IP protocol.
        protocol: u32,
        /// Source.
        src: Ipv4Addr,
        /// Destination.
        dst: Ipv4Addr,
        /// Source port or equivalent.
        src_port: u32,
        /// Destination port or equivalent.
        dst_port: u32,
        /// TCP flags.
        tcp_flags: u32,
        /// Type of service.
        tos: u32,
    }

    /// Fields of IPv6 and transport headers.
    Ipv6 {
        /// Octets of the IP packet.
        length: u32,
        /// IP protocol: the next header after extension headers.
        protocol: u32,
        /// Source.
        src: Ipv6Addr,
        /// Destination.
        dst: Ipv6Addr,
        /// Source port or equivalent.
        src_port: u32,
        /// Destination port or equivalent.
        dst_port: u32,
        /// TCP flags.
        tcp_flags: u32,
        /// Traffic class.
        priority: u32,
    }
}
