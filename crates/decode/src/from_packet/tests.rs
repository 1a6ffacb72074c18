//! The fast path for plain packets gives the same rows as the general decoder.

use super::*;
use flow::row::Layout;
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::Arc;

const FIELDS: &[Field] = &[
    Field::SrcHost,
    Field::DstHost,
    Field::SrcPort,
    Field::DstPort,
    Field::TcpFlags,
    Field::Proto,
    Field::Tos,
    Field::FlowLabel,
    Field::Etype,
    Field::SrcMac,
    Field::DstMac,
    Field::Vlan,
    Field::Cos,
    Field::InCvlan,
    Field::InIface,
    Field::Direction,
    Field::TimeStart,
    Field::MplsLabelStack,
    Field::Vxlan,
    Field::Presence,
];

/// Frames with MAC addresses, up to two tags, and IP with TCP, UDP or random octets.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let tags = prop::collection::vec(any::<[u8; 2]>(), 0..3);
    let parts = (any::<[u8; 12]>(), any::<[u8; 32]>(), any::<[u8; 24]>(), any::<[u8; 4]>());
    let protocol = prop_oneof![Just(6), Just(17), Just(17), any::<u8>()];
    (tags, parts, any::<bool>(), protocol, 0usize..80).prop_map(
        |(tags, (macs, addresses, transport, [a, b, c, d]), v6, protocol, cut)| {
            let mut frame = macs.to_vec();
            tags.iter().for_each(|tag| frame.extend([[0x81, 0], *tag].concat()));
            if v6 {
                frame.extend([0x86, 0xdd, 0x60 | a & 15, b, c, d, 0, 24, protocol, 9]);
                frame.extend(addresses);
            } else {
                // Some of them are fragments.
                let part = if a < 30 { a } else { 0x40 };
                frame.extend([8, 0, 0x45, b, 0, 44, c, d, part, 0, 64, protocol, 0, 0]);
                frame.extend(&addresses[..8]);
            }
            frame.extend(transport);
            frame.truncate(frame.len() - cut.saturating_sub(60));
            frame
        },
    )
}

type Read = (Vec<Vec<u64>>, Vec<PacketRef>, Counts, Outcome);

fn read(needs: &Needs, settings: &Settings, supports_plain: bool, octets: &[u8], ingress: u32) -> Read {
    let mut decoder = Decoder::new(needs, settings.clone());
    decoder.supports_plain &= supports_plain;
    let mut output = Output::new(&needs.layout);
    let (length, link, time_us) = (octets.len() as u32 + 7, LinkType::ETHERNET, 99);
    let macs = [Some([ingress as u8; 6]).filter(|_| ingress == 1), None];
    let frame = Frame { number: 3, link, time_us, length, octets, ingress, egress: 0, macs };
    let outcome = decoder.frame(&frame, &mut output);
    decoder.release(&mut output);
    (output.rows.iter().map(|row| row.words().to_vec()).collect(), output.packets, decoder.take_counts(), outcome)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]
    #[test]
    fn the_fast_path_gives_the_same_row(
        frame in frames(),
        fields in prop::collection::vec(prop::sample::select(FIELDS), 1..8),
        unknown_etypes in any::<bool>(),
        ingress in 0u32..3,
        wrong in prop::collection::vec((any::<Index>(), any::<u8>()), 0..3),
    ) {
        let mut set = FieldSet::default();
        fields.iter().for_each(|field| set.insert(*field));
        let needs = Needs { layout: Arc::new(Layout::new(&set, &[])), customs: [].into(), bin_times: false };
        let settings = Settings { unknown_etypes, fragments: 10_000, ..Settings::default() };
        let mut frame = frame;
        for (at, octet) in wrong {
            let at = at.index(frame.len());
            frame[at] = octet;
        }
        prop_assert_eq!(
            read(&needs, &settings, true, &frame, ingress),
            read(&needs, &settings, false, &frame, ingress)
        );
    }
}
