//! The records of flow samples and of discarded packets.
//!
//! In version 5 each record is format, length and contents. Versions 2 and 4 have exactly one description of the
//! packet (its header, or its IPv4 or IPv6 fields), then a list of extended data; types and some layouts
//! differ, but the contents are the same, so they are returned as the same records.

mod link;
mod packet;
mod routing;
mod software;
mod tunnel;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::sample::{DataFormat, Unknown};
use crate::xdr::{Xdr, contents, count};
use wire::{Reader, Writer};

pub use link::{FibreChannel, NatPorts, Switch, VlanTags, WifiPayload, WifiRx, WifiTx};
pub use packet::{Ethernet, HeaderProtocol, Ipv4, Ipv6, RawHeader};
pub use routing::{Gateway, Mpls, MplsFtn, MplsLdpFec, MplsTunnel, MplsVc, Nat, Router, Url, User};
pub use software::{
    Acl, DropReason, EgressQueue, Function, HardwareTrap, QueueDepth, QueueLength, SocketIpv4, SocketIpv6, Tag,
    Transit,
};
pub use tunnel::{InnerHeader, Vni};

/// Declares structures whose fields are read and written in their order.
macro_rules! records {
    ($(
        $(#[$doc:meta])*
        $name:ident $(<$life:lifetime>)? { $( $(#[$field_doc:meta])* $field:ident: $type:ty, )* }
    )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name $(<$life>)? { $( $(#[$field_doc])* pub $field: $type, )* }

        impl<'r $(: $life, $life)?> crate::xdr::Xdr<'r> for $name $(<$life>)?
        where $( $type: crate::xdr::Xdr<'r>, )*
        {
            #[inline]
            fn read(r: &mut wire::Reader<'r>) -> Result<Self, crate::DecodeError> {
                Ok(Self { $( $field: crate::xdr::Xdr::read(r)?, )* })
            }

            fn write(&self, w: &mut wire::Writer) {
                $( crate::xdr::Xdr::write(&self.$field, w); )*
            }
        }

        #[cfg(test)]
        impl<'r $(: $life, $life)?> crate::tests::Generate<'r> for $name $(<$life>)?
        where $( $type: crate::tests::Generate<'r>, )*
        {
            fn generate(r: &mut wire::Reader<'r>) -> Self {
                Self { $( $field: crate::tests::Generate::generate(r), )* }
            }
        }
    )* };
}
use records;

/// Declares the known records: the number of the format and its contents.
macro_rules! formats {
    ($( $(#[$doc:meta])* $code:literal $name:ident($type:ty); )*) => {
        /// A record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FlowRecord<'a> {
            $( $(#[$doc])* $name($type), )*
            /// A record of another format.
            Unknown(Unknown<'a>),
        }

        /// Returns true for known formats.
        pub const fn is_known(format: DataFormat) -> bool {
            matches!(format.0, $($code)|*)
        }

        impl<'a> FlowRecord<'a> {
            /// Reads the contents of a record of this format. Additional contents are ignored.
            #[inline]
            fn read(format: DataFormat, mut r: Reader<'a>) -> Result<Self, DecodeError> {
                Ok(match format.0 {
                    $( $code => Self::$name(Xdr::read(&mut r)?), )*
                    _ => Self::Unknown(Unknown { format, octets: r.rest() }),
                })
            }

            /// Its format in version 5.
            pub fn format(&self) -> DataFormat {
                match self {
                    $( Self::$name(_) => DataFormat($code), )*
                    Self::Unknown(record) => record.format,
                }
            }

            fn contents(&self, w: &mut Writer) {
                match self {
                    $( Self::$name(record) => record.write(w), )*
                    Self::Unknown(record) => _ = w.put(record.octets),
                }
            }

            /// A record of each format.
            #[cfg(test)]
            pub(crate) fn each_made(r: &mut Reader<'a>) -> Vec<Self> {
                vec![$( Self::$name(crate::tests::Generate::generate(r)), )*]
            }
        }
    };
}

formats! {
    /// The start of the packet.
    1 RawHeader(RawHeader<'a>);
    /// Fields of its Ethernet header.
    2 Ethernet(Ethernet);
    /// Fields of its IPv4 and transport headers.
    3 Ipv4(Ipv4);
    /// Fields of its IPv6 and transport headers.
    4 Ipv6(Ipv6);
    /// VLANs and priorities of a switch.
    1001 Switch(Switch);
    /// Next hop and prefix lengths of a router.
    1002 Router(Router);
    /// BGP attributes.
    1003 Gateway(Gateway<'a>);
    /// Users, from RADIUS or TACACS.
    1004 User(User<'a>);
    /// The URL that the packet belongs to.
    1005 Url(Url<'a>);
    /// MPLS label stacks.
    1006 Mpls(Mpls<'a>);
    /// Addresses after translation.
    1007 Nat(Nat);
    /// The MPLS tunnel.
    1008 MplsTunnel(MplsTunnel<'a>);
    /// The virtual circuit over MPLS.
    1009 MplsVc(MplsVc<'a>);
    /// The FEC, as MPLS-FTN-STD-MIB knows it.
    1010 MplsFtn(MplsFtn<'a>);
    /// The FEC, as MPLS-LDP-STD-MIB knows it.
    1011 MplsLdpFec(MplsLdpFec);
    /// VLAN tags that were removed before the packet was sampled.
    1012 VlanTunnel(VlanTags<'a>);
    /// What an encrypted 802.11 frame carries.
    1013 WifiPayload(WifiPayload<'a>);
    /// How an 802.11 frame was received.
    1014 WifiRx(WifiRx<'a>);
    /// How an 802.11 frame was sent.
    1015 WifiTx(WifiTx<'a>);
    /// The route in a Fibre Channel fabric.
    1018 FibreChannel(FibreChannel);
    /// Length of the queue when the packet arrived.
    1019 QueueLength(QueueLength);
    /// Ports after translation.
    1020 NatPorts(NatPorts);
    /// Outer Ethernet header on egress.
    1021 L2TunnelEgress(Ethernet);
    /// Outer Ethernet header on ingress.
    1022 L2TunnelIngress(Ethernet);
    /// Outer IPv4 header on egress.
    1023 Ipv4TunnelEgress(Ipv4);
    /// Outer IPv4 header on ingress.
    1024 Ipv4TunnelIngress(Ipv4);
    /// Outer IPv6 header on egress.
    1025 Ipv6TunnelEgress(Ipv6);
    /// Outer IPv6 header on ingress.
    1026 Ipv6TunnelIngress(Ipv6);
    /// Outer headers of the sample that are removed on egress.
    1027 DecapsulateEgress(InnerHeader);
    /// Outer headers of the sample that were added on ingress.
    1028 DecapsulateIngress(InnerHeader);
    /// Virtual network on egress.
    1029 VniEgress(Vni);
    /// Virtual network on ingress.
    1030 VniIngress(Vni);
    /// VLAN tags on ingress.
    1034 VlanIn(VlanTags<'a>);
    /// VLAN tags on egress.
    1035 VlanOut(VlanTags<'a>);
    /// Egress queue.
    1036 EgressQueue(EgressQueue);
    /// The access list that it matched.
    1037 Acl(Acl<'a>);
    /// The function of the network stack that discarded it.
    1038 Function(Function<'a>);
    /// Transit delay through the switch.
    1039 Transit(Transit);
    /// Depth of its queue.
    1040 QueueDepth(QueueDepth);
    /// Hardware trap (devlink).
    1041 HardwareTrap(HardwareTrap<'a>);
    /// Why Linux dropped it.
    1042 LinuxDropReason(DropReason<'a>);
    /// Socket of the packet.
    2100 SocketIpv4(SocketIpv4);
    /// Socket of the packet.
    2101 SocketIpv6(SocketIpv6);
    /// Socket on the other side of the proxy.
    2102 ProxySocketIpv4(SocketIpv4);
    /// Socket on the other side of the proxy.
    2103 ProxySocketIpv6(SocketIpv6);
    /// Tags set by a pmacct probe: enterprise 43874, number 2.
    179_707_906 Tag(Tag);
}

impl<'a> FlowRecord<'a> {
    /// Writes format, length and contents.
    pub(crate) fn write_framed(&self, w: &mut Writer) {
        w.u32(self.format().0).u32(0);
        let start = w.len();
        self.contents(w);
        let len = w.len() - start;
        w.overwrite(start - 4, &count(len).to_be_bytes());
        crate::xdr::pad(w, len);
    }

    /// Reads the packet data of versions 2 and 4.
    fn packet_data(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = r.at();
        match r.u32()? {
            1 => RawHeader::read_old(r).map(Self::RawHeader),
            2 => Ipv4::read(r).map(Self::Ipv4),
            3 => Ipv6::read(r).map(Self::Ipv6),
            number => Err(DecodeError::new(at, DecodeErrorKind::PacketData(number))),
        }
    }

    /// Reads an item of extended data of versions 2 and 4.
    fn extended_data(r: &mut Reader<'a>, version: u32) -> Result<Self, DecodeError> {
        let at = r.at();
        match (r.u32()?, version) {
            (1, _) => Switch::read(r).map(Self::Switch),
            (2, _) => Router::read(r).map(Self::Router),
            (3, 2) => Gateway::read_v2(r).map(Self::Gateway),
            (3, _) => Gateway::read_v4(r).map(Self::Gateway),
            (4, _) => User::read_old(r).map(Self::User),
            (5, _) => Url::read_old(r).map(Self::Url),
            (number, _) => Err(DecodeError::new(at, DecodeErrorKind::ExtendedData(number))),
        }
    }

    /// Writes it as packet data of versions 2 and 4; returns false if they have no such record.
    pub(crate) fn write_packet_data(&self, w: &mut Writer) -> bool {
        match self {
            Self::RawHeader(record) => record.write_old(w.u32(1)),
            Self::Ipv4(record) => record.write(w.u32(2)),
            Self::Ipv6(record) => record.write(w.u32(3)),
            _ => return false,
        }
        true
    }

    /// Writes it as extended data of versions 2 and 4; returns false if they have no such record.
    pub(crate) fn write_extended_data(&self, w: &mut Writer, version: u32) -> bool {
        match self {
            Self::Switch(record) => record.write(w.u32(1)),
            Self::Router(record) => record.write(w.u32(2)),
            Self::Gateway(record) if version == 2 => record.write_v2(w.u32(3)),
            Self::Gateway(record) => record.write_v4(w.u32(3)),
            Self::User(record) => record.write_old(w.u32(4)),
            Self::Url(record) => record.write_old(w.u32(5)),
            _ => return false,
        }
        true
    }
}

/// The records of a sample.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    r: Reader<'a>,
    left: u32,
    layout: Layout,
    /// Error of the sample, which is returned after its complete records.
    cut: Option<DecodeError>,
}

/// Encoding of the next record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Each after its format and length.
    Framed,
    /// Versions 2 and 4: packet data comes next, then the number of items of extended data.
    Packet { version: u32 },
    /// Versions 2 and 4: extended data.
    Extended { version: u32 },
}

impl<'a> Records<'a> {
    pub(crate) fn framed(r: Reader<'a>, records: u32) -> Self {
        Self { r, left: records, layout: Layout::Framed, cut: None }
    }

    /// The same for a truncated sample.
    pub(crate) fn cut(self, error: DecodeError) -> Self {
        Self { cut: Some(error), ..self }
    }

    /// Ends the iteration with the error of the sample if it has one, or else with this one.
    #[cold]
    fn end(&mut self, error: DecodeError) -> DecodeError {
        self.left = 0;
        self.cut.take().unwrap_or(error)
    }

    /// Counts down the remaining records. `None` at the end.
    #[inline]
    fn count(&mut self) -> Option<Result<(), DecodeError>> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(Ok(()))
            }
            None => self.cut.take().map(Err),
        }
    }

    /// The records of a sample of version 2 or 4, and the reader after them: all of them are read once to find the
    /// end. The reader is `None` if a record cannot be read; the records before it are valid.
    ///
    /// # Errors
    /// The packet data cannot be read.
    pub(crate) fn unframed(r: Reader<'a>, version: u32) -> Result<(Self, Option<Reader<'a>>), DecodeError> {
        let records = Self { r, left: 1, layout: Layout::Packet { version }, cut: None };
        let mut all = records.clone();
        if let Some(packet) = all.next() {
            packet?;
        }
        let is_whole = all.all(|record| record.is_ok());
        Ok((records, is_whole.then_some(all.r)))
    }

    #[inline]
    fn framed_record(&mut self) -> Result<Result<FlowRecord<'a>, DecodeError>, DecodeError> {
        let format = DataFormat(self.r.u32()?);
        let len = self.r.u32()?;
        let body = contents(&mut self.r, len)?;
        Ok(FlowRecord::read(format, body))
    }

    fn packet_record(&mut self, version: u32) -> Result<FlowRecord<'a>, DecodeError> {
        let record = FlowRecord::packet_data(&mut self.r)?;
        self.left = self.r.u32()?;
        self.layout = Layout::Extended { version };
        Ok(record)
    }
}

/// The selection of records to decode: other known records are skipped.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'f>(
    /// The formats to decode.
    pub &'f [DataFormat],
);

impl<'a> Records<'a> {
    /// The next selected record, or one of an unknown format. The contents of skipped records are not checked. Versions 2 and 4
    /// have no lengths: all records are returned.
    #[inline]
    pub fn next_wanted(&mut self, wanted: Wanted<'_>) -> Option<Result<FlowRecord<'a>, DecodeError>> {
        if self.layout != Layout::Framed {
            return self.next();
        }
        loop {
            if let Err(error) = self.count()? {
                return Some(Err(error));
            }
            let mut framed = || -> Result<_, DecodeError> {
                let format = DataFormat(self.r.u32()?);
                let len = self.r.u32()?;
                Ok((format, contents(&mut self.r, len)?))
            };
            let (format, body) = match framed() {
                Ok(found) => found,
                Err(error) => return Some(Err(self.end(error))),
            };
            if wanted.0.contains(&format) || !is_known(format) {
                return Some(FlowRecord::read(format, body));
            }
        }
    }
}

impl<'a> Iterator for Records<'a> {
    /// An error is returned once. It is the last item if the next record cannot be found, as always in versions 2 and 4.
    type Item = Result<FlowRecord<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.count()? {
            return Some(Err(error));
        }
        let record = match self.layout {
            Layout::Framed => self.framed_record(),
            Layout::Packet { version } => self.packet_record(version).map(Ok),
            Layout::Extended { version } => FlowRecord::extended_data(&mut self.r, version).map(Ok),
        };
        Some(record.unwrap_or_else(|error| Err(self.end(error))))
    }
}
