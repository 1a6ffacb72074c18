//! Flows that resemble those of a network, and their datagrams.
//!
//! [`Flows`] is an endless iterator: clients of a few sites talk to servers elsewhere, mostly to a few of them; few flows are
//! long, most are short. The flows depend on the seed alone. A [`Stream`] is the output of one exporter: it packs flows into
//! datagrams of v5, v9 or IPFIX with sequence numbers, and announces its templates first.
//!
//! ```
//! use testkit::traffic::{Flows, Stream, Version};
//!
//! let flows: Vec<_> = Flows::new(1).take(100).collect();
//! let datagrams = Stream::new(Version::Ipfix, 1, 1_700_000_000).datagrams(&flows);
//! assert!(datagrams.iter().all(|datagram| datagram.len() <= 1464));
//! ```

use netflow::encode::{self, Message, V5Record, field};
use netflow::template::{Kind, Template};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::Writer;

/// Longest datagram: a full v5 datagram.
const MAX_OCTETS: usize = 24 + V5_RECORDS * 48;
/// Maximum size of a datagram header and two set headers.
const OVERHEAD: usize = 20 + 4 + 4;
/// Maximum number of records in a v5 datagram.
const V5_RECORDS: usize = 30;
/// Uptime of exporters at their first datagram, in milliseconds.
const UPTIME_MS: u32 = 86_400_000;
const TEMPLATE_V4: u16 = 256;
const TEMPLATE_V6: u16 = 257;

/// A flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source address; all addresses are of the same family.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Next hop.
    pub next_hop: IpAddr,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// IP protocol.
    pub protocol: u8,
    /// Type of service.
    pub tos: u8,
    /// TCP flags seen.
    pub tcp_flags: u8,
    /// Packets.
    pub packets: u32,
    /// Octets.
    pub octets: u32,
    /// Interfaces: in, out.
    pub interfaces: [u16; 2],
    /// AS numbers: source, destination.
    pub ases: [u16; 2],
    /// Length of the prefixes: source, destination.
    pub masks: [u8; 2],
    /// Milliseconds between its last packet and the export.
    pub age_ms: u32,
    /// Milliseconds between its first and last packet.
    pub duration_ms: u32,
}

/// The sums of flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Flows.
    pub flows: u64,
    /// Packets.
    pub packets: u64,
    /// Octets.
    pub octets: u64,
}

/// Sums flows.
pub fn total<'a>(flows: impl IntoIterator<Item = &'a Flow>) -> Total {
    flows.into_iter().fold(Total::default(), |sum, flow| Total {
        flows: sum.flows + 1,
        packets: sum.packets + u64::from(flow.packets),
        octets: sum.octets + u64::from(flow.octets),
    })
}

/// A service that clients use.
struct Service {
    protocol: u8,
    port: u16,
    tos: u8,
    /// Share of flows, in percent.
    share: u64,
    /// Octets of a packet to the client.
    packet: u32,
    /// The maximum number of packets, as a power of two.
    longest: u64,
}

const SERVICES: [Service; 7] = [
    Service { protocol: 6, port: 443, tos: 0, share: 42, packet: 1180, longest: 14 },
    Service { protocol: 17, port: 443, tos: 0, share: 18, packet: 1240, longest: 15 },
    Service { protocol: 17, port: 53, tos: 0, share: 22, packet: 140, longest: 1 },
    Service { protocol: 6, port: 80, tos: 0, share: 8, packet: 1020, longest: 11 },
    Service { protocol: 6, port: 22, tos: 0x10, share: 4, packet: 180, longest: 12 },
    Service { protocol: 17, port: 5004, tos: 0xb8, share: 4, packet: 200, longest: 13 },
    Service { protocol: 1, port: 0, tos: 0, share: 2, packet: 84, longest: 3 },
];

/// Endless flows, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Flows {
    state: u64,
    ipv6_percent: u64,
}

impl Flows {
    /// Flows for that seed; a fifth of them is IPv6.
    pub fn new(seed: u64) -> Self {
        Self { state: seed, ipv6_percent: 20 }
    }

    /// Restricts the flows to IPv4.
    #[must_use]
    pub fn ipv4(self) -> Self {
        Self { ipv6_percent: 0, ..self }
    }

    /// Splitmix64: random enough for traffic, and the same on every machine.
    fn next_number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next_number() % bound
    }

    /// Small numbers are more likely: the number of bits is uniformly distributed.
    fn skewed(&mut self, bits: u64) -> u64 {
        let bits = self.below(bits + 1);
        self.below(1 << bits)
    }

    fn service(&mut self) -> &'static Service {
        let mut chance = self.below(100);
        let wanted = SERVICES.iter().find(|service| {
            let found = chance < service.share;
            chance = chance.saturating_sub(service.share);
            found
        });
        wanted.unwrap_or(&SERVICES[0])
    }

    fn flow(&mut self) -> Flow {
        let service = self.service();
        let is_ipv6 = self.below(100) < self.ipv6_percent;
        let (site, client) = (cut(self.below(4)), cut(1 + self.skewed(12)));
        let (network, server) = (cut(self.skewed(4)), cut(1 + self.skewed(7)));
        let (mut source, mut destination, next_hop) = if is_ipv6 {
            let address =
                |half: u16, net: u16, host: u16| Ipv6Addr::new(0x2001, 0xdb8, half, net, 0, 0, 0, host).into();
            (address(1, site, client), address(2, network, server), address(0, 0, 1 + site))
        } else {
            let [client_high, client_low] = client.to_be_bytes();
            let [_, site_octet] = site.to_be_bytes();
            let [_, server_octet] = server.to_be_bytes();
            let net = [[192, 0, 2], [198, 51, 100], [203, 0, 113]][usize::from(network % 3)];
            (
                Ipv4Addr::new(10, 16 + site_octet, client_high, client_low).into(),
                Ipv4Addr::new(net[0], net[1], net[2], server_octet).into(),
                Ipv4Addr::new(10, 0, 0, 1 + site_octet).into(),
            )
        };
        let mut ports = match service.protocol {
            1 => [0, if is_ipv6 { 0 } else { 2048 }],
            _ => [cut(32_768 + self.below(28_000)), service.port],
        };
        let mut interfaces = [1 + site, 10 + network % 3];
        let mut ases = [64_500 + site, 65_000 + network];
        let mut masks = if is_ipv6 { [48, 48] } else { [16, 24] };
        // Both directions of a conversation are exported; the one to the client is larger.
        let to_client = self.below(2) == 0;
        if to_client {
            std::mem::swap(&mut source, &mut destination);
            ports.reverse();
            interfaces.reverse();
            ases.reverse();
            masks.reverse();
        }
        let packets = narrow(1 + self.skewed(service.longest));
        let per_packet = if to_client { service.packet } else { 40 + service.packet / 12 };
        let duration_ms = if packets == 1 { 0 } else { narrow(self.skewed(17)) };
        Flow {
            source,
            destination,
            next_hop,
            source_port: ports[0],
            destination_port: ports[1],
            protocol: if service.protocol == 1 && is_ipv6 { 58 } else { service.protocol },
            tos: service.tos,
            tcp_flags: if service.protocol == 6 {
                [0x1b, 0x02, 0x1f, 0x12][usize::from(cut(self.below(4)))]
            } else {
                0
            },
            packets,
            octets: packets * per_packet + narrow(self.below(u64::from(per_packet))),
            interfaces,
            ases,
            masks,
            age_ms: narrow(self.below(15_000)),
            duration_ms,
        }
    }
}

/// The low 16 bits.
fn cut(number: u64) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or(u16::MAX)
}

/// The low 32 bits.
fn narrow(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).unwrap_or(u32::MAX)
}

impl Iterator for Flows {
    type Item = Flow;

    fn next(&mut self) -> Option<Flow> {
        Some(self.flow())
    }
}

/// The protocol version of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// NetFlow v5, which has no IPv6.
    V5,
    /// NetFlow v9 (RFC 3954).
    V9,
    /// IPFIX (RFC 7011).
    Ipfix,
}

/// The sequence of datagrams of one exporter.
#[derive(Clone, Debug)]
pub struct Stream {
    version: Version,
    domain: u32,
    sequence: u32,
    /// Export time of the next datagrams, in seconds since 1970.
    pub export_secs: u32,
    first_secs: u32,
    templates: [Template; 2],
    announced: bool,
}

impl Stream {
    /// A stream with that export time. v5 has no domain.
    pub fn new(version: Version, domain: u32, export_secs: u32) -> Self {
        Self {
            version,
            domain,
            sequence: 0,
            export_secs,
            first_secs: export_secs,
            templates: [template(version, domain, false), template(version, domain, true)],
            announced: false,
        }
    }

    /// Makes the next datagrams announce the templates again.
    pub fn repeat_templates(&mut self) {
        self.announced = false;
    }

    /// The templates of IPv4 and IPv6.
    pub fn templates(&self) -> &[Template; 2] {
        &self.templates
    }

    /// Sequence number of the next datagram.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Advances the sequence number as if these flows had been sent.
    pub fn lose(&mut self, flows: &[Flow]) {
        let _ = self.datagrams(flows);
    }

    fn uptime_ms(&self) -> u32 {
        UPTIME_MS.wrapping_add(self.export_secs.wrapping_sub(self.first_secs).wrapping_mul(1000))
    }

    /// The datagrams of these flows: first a separate one with the templates, unless they were announced, and then as
    /// many flows in each as fit. v5 skips IPv6 flows.
    pub fn datagrams(&mut self, flows: &[Flow]) -> Vec<Vec<u8>> {
        if self.version == Version::V5 {
            let ipv4: Vec<Flow> = flows.iter().filter(|flow| flow.source.is_ipv4()).copied().collect();
            return ipv4.chunks(V5_RECORDS).map(|flows| self.v5(flows)).collect();
        }
        let mut datagrams = Vec::new();
        if !self.announced {
            self.announced = true;
            let [v4, v6] = &self.templates;
            datagrams.push(self.message().templates(&[v4, v6]).finish());
            self.count(0);
        }
        let longest = self.templates[1].min_length;
        for flows in flows.chunks((MAX_OCTETS - OVERHEAD) / longest) {
            datagrams.push(self.sets(flows));
            self.count(flows.len());
        }
        datagrams
    }

    /// The sequence number counts datagrams in v9, records in IPFIX.
    fn count(&mut self, records: usize) {
        let units = if self.version == Version::V9 { 1 } else { u32::try_from(records).unwrap_or(u32::MAX) };
        self.sequence = self.sequence.wrapping_add(units);
    }

    fn message(&self) -> Message {
        match self.version {
            Version::V9 => Message::v9(self.domain, self.sequence, self.export_secs, self.uptime_ms()),
            _ => Message::ipfix(self.domain, self.sequence, self.export_secs),
        }
    }

    fn sets(&self, flows: &[Flow]) -> Vec<u8> {
        let mut message = self.message();
        for (template, is_ipv6) in self.templates.iter().zip([false, true]) {
            let flows: Vec<&Flow> = flows.iter().filter(|flow| flow.source.is_ipv6() == is_ipv6).collect();
            if !flows.is_empty() {
                message = message.records(template.id, flows.len(), |w| {
                    flows.iter().for_each(|flow| self.record(w, template, flow));
                });
            }
        }
        message.finish()
    }

    /// A record of the template's fields.
    fn record(&self, w: &mut Writer, template: &Template, flow: &Flow) {
        let export_ms = u64::from(self.export_secs) * 1000;
        let last = u64::from(flow.age_ms);
        let first = last + u64::from(flow.duration_ms);
        let uptime = u64::from(self.uptime_ms());
        for specifier in &template.fields {
            let number = match specifier.element {
                8 | 27 => return_address(w, flow.source),
                12 | 28 => return_address(w, flow.destination),
                15 | 62 => return_address(w, flow.next_hop),
                1 => Some(u64::from(flow.octets)),
                2 => Some(u64::from(flow.packets)),
                4 => Some(u64::from(flow.protocol)),
                5 => Some(u64::from(flow.tos)),
                6 => Some(u64::from(flow.tcp_flags)),
                7 => Some(u64::from(flow.source_port)),
                11 => Some(u64::from(flow.destination_port)),
                9 | 29 => Some(u64::from(flow.masks[0])),
                13 | 30 => Some(u64::from(flow.masks[1])),
                10 => Some(u64::from(flow.interfaces[0])),
                14 => Some(u64::from(flow.interfaces[1])),
                16 => Some(u64::from(flow.ases[0])),
                17 => Some(u64::from(flow.ases[1])),
                22 => Some(uptime.saturating_sub(first)),
                21 => Some(uptime.saturating_sub(last)),
                152 => Some(export_ms.saturating_sub(first)),
                153 => Some(export_ms.saturating_sub(last)),
                other => unreachable!("the templates below have no element {other}"),
            };
            if let Some(number) = number {
                let octets = number.to_be_bytes();
                w.put(&octets[octets.len() - usize::from(specifier.length)..]);
            }
        }
    }

    fn v5(&mut self, flows: &[Flow]) -> Vec<u8> {
        let uptime = self.uptime_ms();
        let records: Vec<V5Record> = flows.iter().map(|flow| v5_record(flow, uptime)).collect();
        let datagram = encode::v5(self.sequence, self.export_secs, uptime, 0, &records);
        self.sequence = self.sequence.wrapping_add(u32::try_from(flows.len()).unwrap_or(u32::MAX));
        datagram
    }
}

/// Writes an address.
fn return_address(w: &mut Writer, address: IpAddr) -> Option<u64> {
    match address {
        IpAddr::V4(address) => w.put(&address.octets()),
        IpAddr::V6(address) => w.put(&address.octets()),
    };
    None
}

fn template(version: Version, domain: u32, is_ipv6: bool) -> Template {
    let mut fields = if is_ipv6 {
        vec![field(27, 16), field(28, 16), field(62, 16), field(29, 1), field(30, 1)]
    } else {
        vec![field(8, 4), field(12, 4), field(15, 4), field(9, 1), field(13, 1)]
    };
    for (element, length) in
        [(10, 4), (14, 4), (2, 8), (1, 8), (7, 2), (11, 2), (6, 1), (4, 1), (5, 1), (16, 4), (17, 4)]
    {
        fields.push(field(element, length));
    }
    match version {
        Version::Ipfix => fields.extend([field(152, 8), field(153, 8)]),
        _ => fields.extend([field(22, 4), field(21, 4)]),
    }
    Template::new(domain, if is_ipv6 { TEMPLATE_V6 } else { TEMPLATE_V4 }, Kind::Data, fields)
}

fn v5_record(flow: &Flow, uptime_ms: u32) -> V5Record {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    let last = uptime_ms.saturating_sub(flow.age_ms);
    V5Record {
        addresses: [octets(flow.source), octets(flow.destination), octets(flow.next_hop)],
        interfaces: flow.interfaces,
        packets: flow.packets,
        octets: flow.octets,
        switched: [last.saturating_sub(flow.duration_ms), last],
        ports: [flow.source_port, flow.destination_port],
        flags_protocol_tos: [flow.tcp_flags, flow.protocol, flow.tos],
        ases: flow.ases,
        masks: flow.masks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netflow::datagram::{self, Body, Set};
    use netflow::record;
    use netflow::template::Record;
    use std::collections::HashSet;

    /// The packets, octets and number of records that a collector decodes.
    fn read(datagrams: &[Vec<u8>]) -> Total {
        let mut templates = Vec::new();
        let mut sum = Total::default();
        for octets in datagrams {
            assert!(octets.len() <= MAX_OCTETS, "{}", octets.len());
            match datagram::open(octets).unwrap().body {
                Body::Records(records) => {
                    for record in records.octets.chunks(records.size) {
                        sum.flows += 1;
                        sum.packets += record::number(&record[16..20]);
                        sum.octets += record::number(&record[20..24]);
                    }
                }
                Body::Sets(sets) => {
                    for set in sets {
                        match set.unwrap() {
                            Set::Templates(records) => {
                                templates.extend(records.map(|record| match record.unwrap() {
                                    Record::Define(template) => template,
                                    other => panic!("{other:?}"),
                                }))
                            }
                            Set::Data { id, body, .. } => {
                                let template = templates.iter().find(|t| t.id == id).unwrap();
                                let at = |element| {
                                    let before = template.fields.iter().take_while(|f| f.element != element);
                                    before.map(|f| usize::from(f.length)).sum::<usize>()
                                };
                                for record in record::records(template, body) {
                                    let record = record.unwrap();
                                    sum.flows += 1;
                                    sum.packets += record::number(&record[at(2)..][..8]);
                                    sum.octets += record::number(&record[at(1)..][..8]);
                                }
                            }
                        }
                    }
                }
            }
        }
        sum
    }

    #[test]
    fn a_collector_decodes_every_flow() {
        let flows: Vec<Flow> = Flows::new(7).take(1000).collect();
        for version in [Version::V9, Version::Ipfix] {
            assert_eq!(read(&Stream::new(version, 1, 1_700_000_000).datagrams(&flows)), total(&flows));
        }
        let ipv4 = flows.iter().filter(|flow| flow.source.is_ipv4());
        assert_eq!(read(&Stream::new(Version::V5, 0, 1_700_000_000).datagrams(&flows)), total(ipv4));
    }

    #[test]
    fn sequence_numbers_count_datagrams_or_records_by_version() {
        let flows: Vec<Flow> = Flows::new(7).ipv4().take(60).collect();
        for version in [Version::V5, Version::V9, Version::Ipfix] {
            let mut stream = Stream::new(version, 1, 1_700_000_000);
            let datagrams = stream.datagrams(&flows);
            let units = if version == Version::V9 { datagrams.len() } else { flows.len() };
            assert_eq!(stream.sequence() as usize, units, "{version:?}");
            // Templates are announced once.
            let announced = usize::from(version != Version::V5);
            assert_eq!(stream.datagrams(&flows).len(), datagrams.len() - announced);
        }
    }

    #[test]
    fn traffic_is_reproducible_and_diverse() {
        let flows: Vec<Flow> = Flows::new(3).take(5000).collect();
        assert_eq!(flows, Flows::new(3).take(5000).collect::<Vec<_>>());
        assert_ne!(flows[..10], Flows::new(4).take(10).collect::<Vec<_>>());
        let distinct = |of: fn(&Flow) -> u64| flows.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(distinct(|flow| flow.protocol.into()), 4);
        assert!(distinct(|flow| flow.packets.into()) > 500);
        assert!(distinct(|flow| flow.destination_port.into()) > 1000);
        let ipv6 = flows.iter().filter(|flow| flow.source.is_ipv6()).count();
        assert!((800..1200).contains(&ipv6), "{ipv6}");
        assert!(Flows::new(3).ipv4().take(1000).all(|flow| flow.source.is_ipv4()));
    }
}
