//! Flow specifications of IPv4, decoded by us and by bgpkit-parser, which does not read the offsets of IPv6 prefixes.

use bgp::nlri::flowspec::{Builder, Component, ComponentType, Flowspec, Term};
use bgpkit_parser::models::NetworkPrefix;
use bgpkit_parser::models::flowspec::{FlowSpecComponent, FlowSpecNlri, parse_flowspec_nlri};
use proptest::prelude::*;
use std::net::Ipv4Addr;
use wire::{Family, Prefix};

/// A component: its type, its prefix, and its terms.
type Read = (u8, Option<Prefix>, Vec<(u8, u64)>);

fn ours(flowspec: &Flowspec<'_>) -> Vec<Read> {
    flowspec
        .components()
        .map(|component| match component {
            Component::Prefix { kind, prefix, .. } => (kind.0, Some(prefix), vec![]),
            Component::Terms { kind, terms } => (kind.0, None, terms.map(|t| (t.operator, t.value)).collect()),
        })
        .collect()
}

fn theirs(flowspec: &FlowSpecNlri) -> Vec<Read> {
    // The end and the length are none of the meaning, and the first operator has nothing to be joined to.
    let meaning = |all: Vec<(u8, u64)>| -> Vec<(u8, u64)> {
        let mask = |number: usize| if number == 0 { 0x07 } else { 0x47 };
        all.into_iter().enumerate().map(|(number, (byte, value))| (byte & mask(number), value)).collect()
    };
    let prefix = |network: &NetworkPrefix| Prefix::new(network.prefix.addr(), network.prefix.prefix_len());
    let component = |component: &FlowSpecComponent| {
        use FlowSpecComponent::*;
        let kind = component.component_type();
        match component {
            DestinationPrefix(network) | SourcePrefix(network) => (kind, prefix(network), vec![]),
            IpProtocol(all) | Port(all) | DestinationPort(all) | SourcePort(all) | IcmpType(all)
            | IcmpCode(all) | PacketLength(all) | Dscp(all) | FlowLabel(all) => {
                (kind, None, meaning(all.iter().map(|o| (o.to_byte(), o.value)).collect()))
            }
            TcpFlags(all) | Fragment(all) => {
                (kind, None, meaning(all.iter().map(|o| (o.to_byte(), o.bitmask)).collect()))
            }
            DestinationIpv6Prefix { prefix: network, .. } | SourceIpv6Prefix { prefix: network, .. } => {
                (kind, prefix(network), vec![])
            }
        }
    };
    flowspec.components().iter().map(component).collect()
}

proptest! {
    #[test]
    fn generated_specifications_read_the_same(
        prefixes in prop::collection::btree_map(1u8..3, (any::<u32>(), 0u8..=32), 0..3),
        terms in prop::collection::btree_map(
            3u8..13,
            prop::collection::vec((0u8..8, any::<bool>(), prop_oneof![0u64..256, any::<u64>(), 0u64..70_000]), 1..4),
            1..5,
        ),
    ) {
        let mut builder = Builder::new();
        for (kind, (address, length)) in prefixes {
            let prefix = Prefix::new(Ipv4Addr::from_bits(address).into(), length).unwrap();
            builder.prefix(ComponentType(kind), prefix, 0);
        }
        for (kind, all) in terms {
            let kind = ComponentType(kind);
            let bits = if kind.is_bits() { 3 } else { 7 };
            let term = |(comparison, and, value): &(u8, bool, u64)| {
                Term { operator: comparison & bits | if *and { Term::AND } else { 0 }, value: *value }
            };
            builder.terms(kind, &all.iter().map(term).collect::<Vec<_>>());
        }
        let octets = builder.finish(None).unwrap();
        let flowspec = Flowspec::decode(Family::V4, false, &octets).unwrap();
        prop_assert_eq!(ours(&flowspec), theirs(&parse_flowspec_nlri(&octets).unwrap()));
    }
}
