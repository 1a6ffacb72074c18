//! Routing information: router, gateway, users, URL, MPLS, translation.

use super::records;
use crate::xdr::{Xdr, count};
use crate::{AsPath, DecodeError, Words};
use std::net::IpAddr;
use wire::{Reader, Writer};

records! {
    /// Next hop and prefix lengths.
    Router {
        /// The next router.
        next_hop: Option<IpAddr>,
        /// Prefix length of the route to the source.
        src_mask: u32,
        /// Prefix length of the route to the destination.
        dst_mask: u32,
    }

    /// Users on both ends. Versions 2 and 4 have no character sets.
    User<'a> {
        /// Character set of the source's name, a MIBenum of IANA's; 0 if unknown.
        src_charset: u32,
        /// Name of the source's user.
        src: &'a [u8],
        /// Character set of the destination's name, a MIBenum of IANA's; 0 if unknown.
        dst_charset: u32,
        /// Name of the destination's user.
        dst: &'a [u8],
    }

    /// The URL that the packet belongs to. Versions 2 and 4 have no host.
    Url<'a> {
        /// 1: the source is the server, 2: the destination.
        direction: u32,
        /// The line of the request.
        url: &'a [u8],
        /// The field Host of the request.
        host: &'a [u8],
    }

    /// MPLS label stacks, top first: label (20 bits), traffic class (3), bottom of stack (1), time to live (8).
    Mpls<'a> {
        /// The next router.
        next_hop: Option<IpAddr>,
        /// Label stack on ingress.
        in_stack: Words<'a>,
        /// Label stack on egress.
        out_stack: Words<'a>,
    }

    /// Addresses after translation; those of the packet if not translated.
    Nat {
        /// Source.
        src: Option<IpAddr>,
        /// Destination.
        dst: Option<IpAddr>,
    }

    /// An MPLS tunnel.
    MplsTunnel<'a> {
        /// Its name.
        name: &'a [u8],
        /// Its id.
        id: u32,
        /// Its class of service.
        cos: u32,
    }

    /// A virtual circuit over MPLS.
    MplsVc<'a> {
        /// Its name.
        name: &'a [u8],
        /// Its id.
        id: u32,
        /// Its class of service.
        cos: u32,
    }

    /// A FEC (mplsFTNTable of MPLS-FTN-STD-MIB).
    MplsFtn<'a> {
        /// mplsFTNDescr.
        description: &'a [u8],
        /// mplsFTNMask.
        mask: u32,
    }

    /// A FEC (mplsFecTable of MPLS-LDP-STD-MIB), whose address is that of the packet.
    MplsLdpFec {
        /// mplsFecAddrPrefixLength.
        prefix_length: u32,
    }
}

impl<'a> User<'a> {
    pub(super) fn read_old(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { src_charset: 0, src: Xdr::read(r)?, dst_charset: 0, dst: Xdr::read(r)? })
    }

    pub(super) fn write_old(&self, w: &mut Writer) {
        self.src.write(w);
        self.dst.write(w);
    }
}

impl<'a> Url<'a> {
    pub(super) fn read_old(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { direction: r.u32()?, url: Xdr::read(r)?, host: &[] })
    }

    pub(super) fn write_old(&self, w: &mut Writer) {
        self.url.write(w.u32(self.direction));
    }
}

/// BGP attributes of the route to the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gateway<'a> {
    /// BGP next hop; version 5 only.
    pub next_hop: Option<IpAddr>,
    /// AS of the router itself.
    pub router_as: u32,
    /// AS of the source.
    pub src_as: u32,
    /// AS of the neighbour towards the source.
    pub src_peer_as: u32,
    /// AS path to the destination.
    pub path: AsPath<'a>,
    /// Communities of the route to the destination (RFC 1997); versions 4 and 5.
    pub communities: Words<'a>,
    /// LOCAL_PREF of that route; versions 4 and 5.
    pub local_pref: Option<u32>,
}

impl<'a> Gateway<'a> {
    /// The fields of all versions.
    fn read_ases(r: &mut Reader<'a>, next_hop: Option<IpAddr>) -> Result<Self, DecodeError> {
        let (router_as, src_as, src_peer_as) = (r.u32()?, r.u32()?, r.u32()?);
        Ok(Self { next_hop, router_as, src_as, src_peer_as, ..Self::default() })
    }

    fn write_ases(&self, w: &mut Writer) {
        w.u32(self.router_as).u32(self.src_as).u32(self.src_peer_as);
    }

    fn read_route(mut self, r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        self.path = AsPath::read_segments(r)?;
        self.communities = Xdr::read(r)?;
        self.local_pref = Some(r.u32()?);
        Ok(self)
    }

    pub(super) fn read_v4(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::read_ases(r, None)?.read_route(r)
    }

    pub(super) fn write_v4(&self, w: &mut Writer) {
        self.write_ases(w);
        self.path.write_segments(w);
        self.communities.write(w);
        w.u32(self.local_pref.unwrap_or(0));
    }

    pub(super) fn read_v2(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let ases = Self::read_ases(r, None)?;
        Ok(Self { path: AsPath::plain(Xdr::read(r)?), ..ases })
    }

    pub(super) fn write_v2(&self, w: &mut Writer) {
        self.write_ases(w);
        w.u32(count(self.path.ases().count()));
        for number in self.path.ases() {
            w.u32(number);
        }
    }
}

impl<'a> Xdr<'a> for Gateway<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let next_hop = Xdr::read(r)?;
        Self::read_ases(r, next_hop)?.read_route(r)
    }

    fn write(&self, w: &mut Writer) {
        self.next_hop.write(w);
        self.write_v4(w);
    }
}

#[cfg(test)]
impl<'a> crate::tests::Generate<'a> for Gateway<'a> {
    fn generate(r: &mut Reader<'a>) -> Self {
        use crate::tests::Generate;
        Self {
            next_hop: Generate::generate(r),
            router_as: Generate::generate(r),
            src_as: Generate::generate(r),
            src_peer_as: Generate::generate(r),
            path: Generate::generate(r),
            communities: Generate::generate(r),
            local_pref: Some(Generate::generate(r)),
        }
    }
}
