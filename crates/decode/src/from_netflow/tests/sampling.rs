//! Sampling rates of options data, and the choice of the one that applies to a flow.

use super::*;

/// Elements and their lengths.
type Elements<'a> = &'a [(u16, u16)];
/// Options data: domain, elements (the first one is the scope), and a record.
type Announced<'a> = (u32, Elements<'a>, &'a [u8]);

/// The domain of flows.
const DOMAIN: u32 = 1;
/// Scopes of v9.
const SYSTEM: u16 = 1;
const INTERFACE: u16 = 2;
const CACHE: u16 = 4;
const TEMPLATE: u16 = 5;

fn specifiers(elements: &[(u16, u16)]) -> Vec<Specifier> {
    elements.iter().map(|(element, length)| field(*element, *length)).collect()
}

struct Sampling {
    bench: Bench,
    ipfix: bool,
    ids: std::ops::RangeFrom<u16>,
}

impl Sampling {
    fn new(ipfix: bool, settings: Settings) -> Self {
        let settings = Settings { renormalize: true, ..settings };
        Self { bench: Bench::new(&["sampling_rate"], settings), ipfix, ids: 300.. }
    }

    fn send(&mut self, template: &Template, record: &[u8]) {
        let domain = template.domain;
        let message = if self.ipfix { Message::ipfix(domain, 0, NOW) } else { Message::v9(domain, 0, NOW, 1000) };
        let message = message.templates(&[template]).data(template.id, |w| _ = w.put(record));
        self.bench.send(&message.finish());
    }

    fn announce(&mut self, (domain, elements, record): Announced<'_>) {
        let id = self.ids.next().unwrap();
        self.send(&Template::new(domain, id, Kind::Options { scopes: 1 }, specifiers(elements)), record);
    }

    /// Returns the factor by which a flow of template 256 is multiplied.
    fn factor(&mut self, elements: &[(u16, u16)], record: &[u8]) -> u64 {
        let fields =
            [specifiers(elements), vec![field(ie::PACKET_DELTA_COUNT, 1), field(ie::OCTET_DELTA_COUNT, 1)]]
                .concat();
        self.send(&Template::new(DOMAIN, 256, Kind::Data, fields), &[record, &[1, 1]].concat());
        let (packets, octets) = *self.bench.counters().last().unwrap();
        assert_eq!(packets, octets);
        packets
    }

    /// Returns the number of notices about unusable rates.
    fn unusable(&mut self) -> usize {
        let notices = self.bench.decoder.take_notices();
        notices.iter().filter(|notice| matches!(notice, Notice::Rate { .. })).count()
    }
}

fn factor(ipfix: bool, announced: &[Announced<'_>], elements: &[(u16, u16)], record: &[u8]) -> u64 {
    let mut sampling = Sampling::new(ipfix, Settings::default());
    announced.iter().for_each(|announced| sampling.announce(*announced));
    sampling.factor(elements, record)
}

// One of 100, 20, 30.
const OF_DOMAIN: Announced<'_> = (DOMAIN, &[(149, 4), (34, 1)], &[0, 0, 0, 1, 100]);
const OF_SYSTEM: Announced<'_> = (DOMAIN, &[(SYSTEM, 1), (34, 1)], &[0, 100]);
const SAMPLER_7: Announced<'_> = (DOMAIN, &[(SYSTEM, 1), (48, 1), (49, 1), (50, 1)], &[0, 7, 2, 20]);
const SAMPLER_8: Announced<'_> = (DOMAIN, &[(SYSTEM, 1), (48, 1), (49, 1), (50, 1)], &[0, 8, 2, 30]);
const SELECTOR_7: Announced<'_> = (DOMAIN, &[(302, 8), (305, 1), (306, 1)], &[0, 0, 0, 0, 0, 0, 0, 7, 1, 19]);
const SELECTOR_8: Announced<'_> = (DOMAIN, &[(302, 2), (309, 1), (310, 1)], &[0, 8, 2, 60]);

#[test]
fn the_rate_of_the_domain_applies_if_there_is_none_more_specific() {
    for (ipfix, of_domain, known, id) in
        [(false, OF_SYSTEM, SAMPLER_7, 48), (true, OF_DOMAIN, SELECTOR_7, 302), (true, OF_DOMAIN, SELECTOR_7, 48)]
    {
        let all = [of_domain, known];
        for unknown in [0, 9] {
            assert_eq!(factor(ipfix, &all[..1], &[(id, 1)], &[unknown]), 100, "{id} = {unknown}");
            assert_eq!(factor(ipfix, &all, &[(id, 1)], &[unknown]), 100, "{id} = {unknown}");
        }
        assert_eq!(factor(ipfix, &all, &[(id, 1)], &[7]), 20, "the sampler's own");
        assert_eq!(factor(ipfix, &all, &[], &[]), 100);
        // The template has both, and one of them is not zero.
        assert_eq!(factor(ipfix, &all, &[(48, 1), (302, 1)], &[7, 0]), 20);
        assert_eq!(factor(ipfix, &all, &[(48, 1), (302, 1)], &[0, 7]), 20);
        // An interval in the record; 0 means unknown.
        assert_eq!(factor(ipfix, &all, &[(34, 1)], &[50]), 50);
        assert_eq!(factor(ipfix, &all, &[(34, 1)], &[0]), 100);
        assert_eq!(factor(ipfix, &all, &[(34, 1), (50, 1)], &[0, 50]), 50);
        assert_eq!(factor(ipfix, &all, &[(id, 1), (34, 1)], &[7, 50]), 20);
        assert_eq!(factor(ipfix, &all, &[(id, 1), (34, 1)], &[9, 0]), 100);
    }
}

#[test]
fn the_only_sampler_applies_to_flows_without_a_sampler_id() {
    for (ipfix, all, id) in [
        (false, [SAMPLER_7, SAMPLER_8], 48),
        (true, [SAMPLER_7, SAMPLER_8], 48),
        (true, [SELECTOR_7, SELECTOR_8], 302),
    ] {
        assert_eq!(factor(ipfix, &all[..1], &[], &[]), 20);
        assert_eq!(factor(ipfix, &all[..1], &[(id, 1)], &[0]), 20);
        assert_eq!(factor(ipfix, &all[..1], &[(id, 1)], &[9]), 1, "another one");
        assert_eq!(factor(ipfix, &all, &[(id, 1)], &[8]), 30);
        assert_eq!(factor(ipfix, &all, &[(id, 1)], &[0]), 1, "there are two");
        assert_eq!(factor(ipfix, &all, &[], &[]), 1, "there are two");
        assert_eq!(factor(ipfix, &[all[0], all[0]], &[], &[]), 20, "announced again");
    }
}

#[test]
fn the_scope_system_applies_to_all_domains_of_the_exporter() {
    let system: [Announced<'_>; 2] = [(0, OF_SYSTEM.1, OF_SYSTEM.2), (0, SAMPLER_7.1, SAMPLER_7.2)];
    let process: [Announced<'_>; 2] =
        [(0, &[(144, 1), (34, 1)], &[0, 100]), (0, &[(144, 1), (48, 1), (50, 1)], &[0, 7, 20])];
    let address: [Announced<'_>; 2] =
        [(0, &[(130, 4), (34, 1)], &[0, 0, 0, 0, 100]), (0, &[(130, 4), (48, 1), (50, 1)], &[0, 0, 0, 0, 7, 20])];
    for (ipfix, all) in [(false, system), (true, process), (true, address)] {
        assert_eq!(factor(ipfix, &all[..1], &[], &[]), 100);
        assert_eq!(factor(ipfix, &all[1..], &[(48, 1)], &[7]), 20);
        assert_eq!(factor(ipfix, &all[1..], &[], &[]), 20, "the only one");
        // The rate of the domain itself is more specific.
        let own = (DOMAIN, all[0].1, &[&all[0].2[..all[0].2.len() - 1], &[30]].concat()[..]);
        assert_eq!(factor(ipfix, &[own, all[0]], &[], &[]), 30);
    }
    // Other scopes apply to their domain, or to the domain in the scope.
    let other: Announced<'_> = (2, &[(149, 4), (34, 1)], &[0, 0, 0, 2, 100]);
    assert_eq!(factor(true, &[other], &[], &[]), 1);
    assert_eq!(factor(false, &[(2, &[(CACHE, 1), (34, 1)], &[0, 100])], &[], &[]), 1);
    assert_eq!(factor(false, &[(DOMAIN, &[(CACHE, 1), (34, 1)], &[0, 100])], &[], &[]), 100);
    assert_eq!(factor(true, &[(0, OF_DOMAIN.1, OF_DOMAIN.2)], &[], &[]), 100);
    let mut sampling = Sampling::new(true, Settings { ignore_scope: true, ..Settings::default() });
    sampling.announce(other);
    assert_eq!(sampling.factor(&[], &[]), 100);
}

#[test]
fn names_with_the_scope_system_apply_to_all_domains_too() {
    let mut bench = Bench::new(&["class", "in_iface_name"], Settings::default());
    let options = |id, fields| Template::new(0, id, Kind::Options { scopes: 1 }, fields);
    let applications =
        options(400, vec![field(SYSTEM, 4), field(ie::APPLICATION_ID, 4), field(ie::APPLICATION_NAME, 4)]);
    let interfaces =
        options(401, vec![field(SYSTEM, 4), field(ie::INGRESS_INTERFACE, 1), field(ie::INTERFACE_NAME, 4)]);
    let flows = Template::new(
        5,
        256,
        Kind::Data,
        vec![field(ie::APPLICATION_ID, 4), field(ie::INGRESS_INTERFACE, 4), field(ie::PACKET_DELTA_COUNT, 1)],
    );
    let message = Message::v9(0, 0, NOW, 1000).templates(&[&applications, &interfaces]);
    let message = message.data(400, |w| _ = w.u32(0).u32(0x0d00_0050).put(b"http"));
    bench.send(&message.data(401, |w| _ = w.u32(0).u8(7).put(b"eth7")).finish());
    let message = Message::v9(5, 0, NOW, 1000).templates(&[&flows]);
    bench.send(&message.data(256, |w| _ = w.u32(0x0d00_0050).u32(7).u8(1)).finish());
    assert_eq!((bench.column("class"), bench.column("in_iface_name")), (vec!["http".into()], vec!["eth7".into()]));
}

#[test]
fn rates_of_an_interface_or_template_apply_only_to_it() {
    let v9: [Announced<'_>; 2] =
        [(DOMAIN, &[(INTERFACE, 2), (34, 1)], &[0, 5, 20]), (DOMAIN, &[(INTERFACE, 2), (34, 1)], &[0, 6, 30])];
    let ipfix: [Announced<'_>; 2] = [
        (DOMAIN, &[(10, 4), (34, 1)], &[0, 0, 0, 5, 20]),
        (DOMAIN, &[(14, 4), (305, 1), (306, 1)], &[0, 0, 0, 6, 1, 29]),
    ];
    for (is_ipfix, all, of_domain) in [(false, v9, OF_SYSTEM), (true, ipfix, OF_DOMAIN)] {
        let through = |interfaces: [u8; 2]| factor(is_ipfix, &all, &[(10, 1), (14, 1)], &interfaces);
        assert_eq!([through([5, 9]), through([9, 6]), through([5, 6]), through([9, 9])], [20, 30, 20, 1]);
        assert_eq!(factor(is_ipfix, &all, &[], &[]), 1, "which interface is not known");
        let all = [all[0], of_domain];
        assert_eq!(factor(is_ipfix, &all, &[(10, 1)], &[5]), 20);
        assert_eq!(factor(is_ipfix, &all, &[(10, 1)], &[9]), 100);
    }
    // In IPFIX, only to one direction of the interface.
    assert_eq!(factor(true, &ipfix, &[(10, 1), (14, 1)], &[6, 5]), 1);
    assert_eq!(factor(false, &v9, &[(10, 1), (14, 1)], &[9, 5]), 20);
    for (is_ipfix, scope) in [(false, TEMPLATE), (true, 145)] {
        let of =
            |id: [u8; 2]| factor(is_ipfix, &[(DOMAIN, &[(scope, 2), (34, 1)], &[id[0], id[1], 20])], &[], &[]);
        assert_eq!((of([1, 0]), of([1, 1])), (20, 1));
    }
}

#[test]
fn the_sampler_of_an_interface_applies_to_it_and_to_flows_with_its_id() {
    let of_5: Announced<'_> = (DOMAIN, &[(INTERFACE, 2), (48, 1), (50, 1)], &[0, 5, 7, 20]);
    let of_6: Announced<'_> = (DOMAIN, &[(INTERFACE, 2), (48, 1), (50, 1)], &[0, 6, 8, 30]);
    assert_eq!(factor(false, &[of_5, of_6], &[(10, 1)], &[5]), 20);
    assert_eq!(factor(false, &[of_5, of_6], &[(10, 1)], &[6]), 30);
    assert_eq!(factor(false, &[of_5, of_6], &[(10, 1), (48, 1)], &[9, 8]), 30);
    assert_eq!(factor(false, &[of_5], &[(10, 1)], &[9]), 1, "of another interface");
    assert_eq!(factor(false, &[of_5], &[], &[]), 20, "the only one, as far as the flow says");
    // Interface 0 means all interfaces.
    let of_all: Announced<'_> = (DOMAIN, &[(INTERFACE, 4), (48, 1), (50, 1)], &[0, 0, 0, 0, 7, 20]);
    assert_eq!(factor(false, &[of_all], &[(10, 1)], &[9]), 20);
}

#[test]
fn sampling_that_has_ended_multiplies_nothing() {
    let ends: [(bool, Announced<'_>, &[u8], Elements<'_>); 6] = [
        (false, SAMPLER_7, &[0, 7, 0, 0], &[(48, 1)]),
        (true, SAMPLER_7, &[0, 7, 0, 0], &[(48, 1)]),
        (true, (DOMAIN, &[(302, 1), (304, 1), (305, 1), (306, 1)], &[7, 1, 1, 19]), &[7, 0, 0, 0], &[(302, 1)]),
        (false, OF_SYSTEM, &[0, 0], &[(48, 1)]),
        (true, OF_DOMAIN, &[0, 0, 0, 1, 0], &[(302, 1)]),
        (false, (DOMAIN, &[(INTERFACE, 1), (35, 1), (34, 1)], &[7, 1, 9]), &[7, 0, 0], &[(10, 1)]),
    ];
    for (ipfix, announced, end, flow) in ends {
        let mut sampling = Sampling::new(ipfix, Settings::default());
        sampling.announce(announced);
        let before = sampling.factor(flow, &[7]);
        assert!(before > 1, "{announced:?}");
        sampling.announce((announced.0, announced.1, end));
        assert_eq!(sampling.factor(flow, &[7]), 1, "{announced:?}");
        // Nor does the only sampler, if it has ended.
        assert_eq!(sampling.factor(&[], &[]), 1, "{announced:?}");
        assert_eq!(sampling.unusable(), 0);
        sampling.announce(announced);
        assert_eq!(sampling.factor(flow, &[7]), before, "it begins again");
    }
    // The rate of the domain does not apply to a sampler that has ended.
    let end = (DOMAIN, SAMPLER_7.1, &[0u8, 7, 0, 0][..]);
    assert_eq!(factor(false, &[OF_SYSTEM, end], &[(48, 1)], &[7]), 1);
    // Of two samplers one is left.
    assert_eq!(factor(false, &[SAMPLER_7, SAMPLER_8, end], &[], &[]), 30);
}

#[test]
fn an_unusable_rate_is_reported_once() {
    let unusable: [(bool, Announced<'_>); 4] = [
        (true, (DOMAIN, &[(302, 1), (305, 1), (306, 1)], &[7, 0, 19])),
        (true, (DOMAIN, &[(302, 1), (309, 1), (310, 1)], &[7, 0, 19])),
        (false, (DOMAIN, &[(SYSTEM, 1), (48, 1), (49, 1), (50, 1)], &[0, 7, 2, 0])),
        (true, (DOMAIN, &[(149, 4), (306, 1)], &[0, 0, 0, 1, 99])),
    ];
    for (ipfix, announced) in unusable {
        let mut sampling = Sampling::new(ipfix, Settings::default());
        sampling.announce(announced);
        assert_eq!(sampling.factor(&[(48, 1)], &[7]), 1);
        sampling.announce(announced);
        assert_eq!(sampling.unusable(), 1, "{announced:?}");
        // The rate of the domain applies, as if there were no other.
        sampling.announce((DOMAIN, &[(149, 4), (34, 4)], &[0, 0, 0, 1, 0, 0, 0, 50]));
        assert_eq!((sampling.factor(&[(48, 1)], &[7]), sampling.unusable()), (50, 0));
    }
}

#[test]
fn for_a_zero_exporter_address_the_source_address_is_used() {
    for zeros in [4, 16] {
        let mut bench = Bench::new(&["peer_src_ip"], Settings::default());
        let element = if zeros == 4 { 130 } else { 131 };
        let fields = vec![field(ie::OBSERVATION_DOMAIN_ID, 4), field(element, zeros)];
        let options = Template::new(1, 300, Kind::Options { scopes: 1 }, fields);
        let message = Message::ipfix(1, 0, NOW).templates(&[&options]);
        bench.send(&message.data(300, |w| _ = w.u32(1).put(&vec![0; usize::from(zeros)])).finish());
        bench.send(&one(&[field(ie::PACKET_DELTA_COUNT, 1)], &[1]));
        assert_eq!(bench.column("peer_src_ip"), ["192.0.2.1"]);
    }
}
