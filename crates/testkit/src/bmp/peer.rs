//! The per-peer header (RFC 7854 section 4.2) and the messages that begin with it.
//!
//! The header is the peer type, flags, the peer distinguisher (8 octets), the peer's address (16 octets; IPv4 addresses in
//! the last 4), its AS (4 octets), its BGP identifier, and the time in seconds and microseconds (4 octets each).

use super::message::{
    PEER_DOWN, PEER_UP, ROUTE_MIRRORING, ROUTE_MONITORING, STATISTICS, message, message_of, tlv,
};
use crate::bgp::{Open, Update};
use std::net::{IpAddr, Ipv4Addr};

/// The V flag: the address is an IPv6 address.
const IPV6: u8 = 0x80;
/// The L flag: after policy.
const POST_POLICY: u8 = 0x40;
/// The A flag: AS_PATHs have 2-octet numbers.
const TWO_OCTETS: u8 = 0x20;
/// The O flag: Adj-RIB-Out (RFC 8671 section 4).
const OUT: u8 = 0x10;
/// The F flag of a Loc-RIB: filtered (RFC 9069 section 4.2).
const FILTERED: u8 = 0x80;

/// A monitored peer and one of its RIBs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its type: 0 global, 1 RD, 2 local instance, 3 Loc-RIB.
    pub kind: u8,
    /// The flags but V, which follows from the address.
    pub flags: u8,
    /// The peer distinguisher.
    pub distinguisher: [u8; 8],
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: u32,
    /// Its BGP identifier.
    pub id: Ipv4Addr,
    /// Seconds and microseconds of the router's clock.
    pub time: (u32, u32),
}

/// The other side of the peer's session, as a peer up describes it.
#[derive(Clone, Debug)]
pub struct PeerUp {
    /// The router's address.
    pub local: IpAddr,
    /// The router's port, and that of the peer.
    pub ports: (u16, u16),
    /// The OPEN that the router sent.
    pub sent: Vec<u8>,
    /// The OPEN that it received.
    pub received: Vec<u8>,
    /// TLVs behind them.
    pub tlvs: Vec<u8>,
}

/// A counter of a Statistics Report (section 4.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its type.
    pub kind: u16,
    /// Its value.
    pub value: Vec<u8>,
}

impl Stat {
    /// A counter of 4 octets.
    pub fn counter(kind: u16, value: u32) -> Self {
        Self { kind, value: value.to_be_bytes().to_vec() }
    }

    /// A gauge of 8 octets.
    pub fn gauge(kind: u16, value: u64) -> Self {
        Self { kind, value: value.to_be_bytes().to_vec() }
    }

    /// A gauge of 8 octets for a family.
    pub fn of_family(kind: u16, (afi, safi): (u16, u8), value: u64) -> Self {
        Self { kind, value: [&afi.to_be_bytes()[..], &[safi], &value.to_be_bytes()].concat() }
    }
}

impl Peer {
    /// A global peer before policy, whose identifier is its address if that is one of IPv4.
    ///
    /// # Panics
    ///
    /// If the text is not an address.
    pub fn new(address: &str, asn: u32) -> Self {
        let address = address.parse().unwrap_or_else(|error| panic!("{address}: {error}"));
        let id = match address {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => Ipv4Addr::new(10, 0, 0, 6),
        };
        Self { kind: 0, flags: 0, distinguisher: [0; 8], address, asn, id, time: (1_700_000_000, 123_456) }
    }

    /// The router's own Loc-RIB (RFC 9069).
    pub fn loc_rib(asn: u32, id: Ipv4Addr) -> Self {
        let address = Ipv4Addr::UNSPECIFIED.into();
        Self { kind: 3, flags: 0, distinguisher: [0; 8], address, asn, id, time: (1_700_000_000, 123_456) }
    }

    /// A peer of an instance with that route distinguisher (type 0).
    #[must_use]
    pub fn of_vpn(mut self, asn: u16, number: u32) -> Self {
        self.kind = 1;
        self.distinguisher.copy_from_slice(&crate::bgp::update::route_distinguisher(asn, number));
        self
    }

    /// The same after policy.
    #[must_use]
    pub fn post_policy(mut self) -> Self {
        self.flags |= POST_POLICY;
        self
    }

    /// Its Adj-RIB-Out (RFC 8671).
    #[must_use]
    pub fn out(mut self) -> Self {
        self.flags |= OUT;
        self
    }

    /// With AS_PATHs of 2-octet numbers.
    #[must_use]
    pub fn two_octets(mut self) -> Self {
        self.flags |= TWO_OCTETS;
        self
    }

    /// A filtered Loc-RIB.
    #[must_use]
    pub fn filtered(mut self) -> Self {
        self.flags |= FILTERED;
        self
    }

    /// At another time of the router's clock.
    #[must_use]
    pub fn at(mut self, seconds: u32, microseconds: u32) -> Self {
        self.time = (seconds, microseconds);
        self
    }

    /// The per-peer header.
    pub fn header(&self) -> Vec<u8> {
        let mut octets = vec![self.kind];
        match self.address {
            IpAddr::V4(address) => {
                octets.push(self.flags);
                octets.extend(self.distinguisher);
                octets.extend([0; 12]);
                octets.extend(address.octets());
            }
            IpAddr::V6(address) => {
                octets.push(self.flags | IPV6);
                octets.extend(self.distinguisher);
                octets.extend(address.octets());
            }
        }
        octets.extend(self.asn.to_be_bytes());
        octets.extend(self.id.octets());
        octets.extend(self.time.0.to_be_bytes());
        octets.extend(self.time.1.to_be_bytes());
        octets
    }

    /// A message of version 3: header, per-peer header, body.
    pub fn message(&self, kind: u8, body: &[u8]) -> Vec<u8> {
        message(kind, &[self.header().as_slice(), body].concat())
    }

    /// A message of version 4.
    pub fn message_4(&self, kind: u8, body: &[u8]) -> Vec<u8> {
        message_of(4, kind, &[self.header().as_slice(), body].concat())
    }

    /// What a router of AS 64512 says about a session for IPv4 unicast with 4-octet AS numbers.
    pub fn session(&self) -> PeerUp {
        let local = match self.address {
            IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 254).into(),
            IpAddr::V6(_) => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfe].into(),
        };
        PeerUp {
            local,
            ports: (179, 33_333),
            sent: Open::new(64_512, Ipv4Addr::new(192, 0, 2, 254)).finish(),
            received: Open::new(self.asn, self.id).finish(),
            tlvs: Vec::new(),
        }
    }

    /// Peer Up (section 4.10) of [`Peer::session`].
    pub fn up(&self) -> Vec<u8> {
        self.up_with(&self.session())
    }

    /// Peer Up with these OPENs, addresses and TLVs.
    pub fn up_with(&self, session: &PeerUp) -> Vec<u8> {
        let mut body = match session.local {
            IpAddr::V4(address) => [&[0; 12][..], &address.octets()].concat(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        body.extend(session.ports.0.to_be_bytes());
        body.extend(session.ports.1.to_be_bytes());
        body.extend(&session.sent);
        body.extend(&session.received);
        body.extend(&session.tlvs);
        self.message(PEER_UP, &body)
    }

    /// Peer Down (section 4.9): the reason and its data.
    pub fn down(&self, reason: u8, data: &[u8]) -> Vec<u8> {
        self.message(PEER_DOWN, &[&[reason], data].concat())
    }

    /// Route Monitoring (section 4.6) with a BGP message.
    pub fn monitored(&self, update: &[u8]) -> Vec<u8> {
        self.message(ROUTE_MONITORING, update)
    }

    /// Route Monitoring with these IPv4 prefixes, by way of the peer's AS.
    pub fn routes<'a>(&self, prefixes: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
        self.monitored(&self.update().announce(prefixes).finish())
    }

    /// Route Monitoring that withdraws these IPv4 prefixes.
    pub fn withdrawal<'a>(&self, prefixes: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
        self.monitored(&Update::new().withdraw(prefixes).finish())
    }

    /// An UPDATE of the peer with nothing but the attributes of a route.
    pub fn update(&self) -> Update {
        Update::route(&[self.asn], self.id)
    }

    /// Statistics Report (section 4.8).
    ///
    /// # Panics
    ///
    /// If a value is too long.
    pub fn statistics(&self, counters: &[Stat]) -> Vec<u8> {
        let count = u32::try_from(counters.len()).expect("a few counters");
        let tlvs: Vec<u8> = counters.iter().flat_map(|counter| tlv(counter.kind, &counter.value)).collect();
        self.message(STATISTICS, &[&count.to_be_bytes()[..], &tlvs].concat())
    }

    /// Route Mirroring (section 4.7) of BGP messages: TLVs of type 0.
    pub fn mirrored(&self, messages: &[Vec<u8>]) -> Vec<u8> {
        let tlvs: Vec<u8> = messages.iter().flat_map(|message| tlv(0, message)).collect();
        self.message(ROUTE_MIRRORING, &tlvs)
    }

    /// Route Mirroring of an information code: 0 errored PDU, 1 messages lost.
    pub fn mirrored_code(&self, code: u16) -> Vec<u8> {
        self.message(ROUTE_MIRRORING, &tlv(1, &code.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The per-peer header of 192.0.2.1, AS 65001.
    fn header(kind: u8, flags: u8, distinguisher: [u8; 8]) -> Vec<u8> {
        let mut octets = vec![kind, flags];
        octets.extend(distinguisher);
        octets.extend([0; 12]);
        octets.extend([192, 0, 2, 1]);
        octets.extend([0, 0, 0xfd, 0xe9, 192, 0, 2, 1]);
        octets.extend([0x65, 0x53, 0xf1, 0x00, 0, 1, 0xe2, 0x40]);
        octets
    }

    #[test]
    fn the_header_is_as_in_the_rfcs() {
        let peer = Peer::new("192.0.2.1", 65_001);
        assert_eq!(peer.header(), header(0, 0, [0; 8]));
        assert_eq!(peer.clone().post_policy().out().header(), header(0, 0x50, [0; 8]));
        assert_eq!(peer.of_vpn(65_001, 7).header(), header(1, 0, [0, 0, 0xfd, 0xe9, 0, 0, 0, 7]));
        let six = Peer::new("2001:db8::1", 65_001).header();
        assert_eq!((six[1], &six[10..14], six.len()), (0x80, &[0x20, 1, 0x0d, 0xb8][..], 42));
    }

    #[test]
    fn messages_are_as_in_the_rfc() {
        let peer = Peer::new("192.0.2.1", 65_001);
        let statistics = peer.statistics(&[Stat::counter(0, 5), Stat::of_family(9, (1, 1), 6)]);
        assert_eq!(statistics[..6], [3, 0, 0, 0, 75, 1]);
        let body = [0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5, 0, 9, 0, 11, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 6];
        assert_eq!(statistics[48..], body);
        assert_eq!(peer.down(2, &[0, 7])[48..], [2, 0, 7]);
        let up = peer.up();
        let opens = peer.session().sent.len() + peer.session().received.len();
        assert_eq!(up.len(), 48 + 16 + 4 + opens);
        assert_eq!(up[60..68], [192, 0, 2, 254, 0, 179, 0x82, 0x35]);
        assert_eq!(peer.mirrored_code(1)[48..], [0, 1, 0, 2, 0, 1]);
    }
}
