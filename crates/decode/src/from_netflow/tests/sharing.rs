//! Plans that exporters share, and the budget for compiling them.

use super::*;
use std::net::Ipv4Addr;

fn send(bench: &mut Bench, source: u32, datagram: &[u8]) {
    let source = Ipv4Addr::from_bits(0x0a00_0000 + source).into();
    bench.decoder.datagram(source, datagram, ARRIVAL, &mut bench.rows, &mut bench.strings).unwrap();
}

fn ports(domain: u32, id: u16) -> Template {
    Template::new(
        domain,
        id,
        Kind::Data,
        vec![field(ie::SOURCE_TRANSPORT_PORT, 2), field(ie::PACKET_DELTA_COUNT, 1)],
    )
}

fn data(domain: u32, id: u16) -> Vec<u8> {
    Message::ipfix(domain, 0, NOW).data(id, |w| _ = w.u16(id).u8(1)).finish()
}

#[test]
fn exporters_share_the_plan_of_a_shape_which_is_compiled_for_the_first_data() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    for n in 0..5 {
        let template = ports(n, 256 + n as u16);
        send(&mut bench, n, &Message::ipfix(n, 0, NOW).templates(&[&template]).finish());
    }
    assert_eq!(bench.decoder.scratch.plans.len(), 0, "no exporter has sent data");
    let announced = bench.decoder.memory();
    (0..5).for_each(|n| send(&mut bench, n, &data(n, 256 + n as u16)));
    assert_eq!(bench.decoder.scratch.plans.len(), 1);
    assert!(bench.decoder.memory() > announced, "each exporter keeps the plan alive, and accounts for it");
    assert_eq!(bench.column("src_port"), ["256", "257", "258", "259", "260"]);
    // Another shape with the same id.
    let other = Template::new(
        1,
        257,
        Kind::Data,
        vec![field(ie::PACKET_DELTA_COUNT, 1), field(ie::SOURCE_TRANSPORT_PORT, 2)],
    );
    bench.rows.clear();
    let message = Message::ipfix(1, 0, NOW).templates(&[&other]).data(257, |w| _ = w.u8(1).u16(9));
    send(&mut bench, 1, &message.finish());
    send(&mut bench, 2, &data(2, 258));
    assert_eq!(bench.decoder.scratch.plans.len(), 2);
    assert_eq!(bench.column("src_port"), ["9", "258"]);
}

#[test]
fn a_withdrawn_template_is_no_longer_used() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    send(&mut bench, 1, &Message::ipfix(1, 0, NOW).templates(&[&ports(1, 256)]).finish());
    send(&mut bench, 1, &data(1, 256));
    send(&mut bench, 1, &Message::ipfix(1, 0, NOW).withdraw(256, false).finish());
    send(&mut bench, 1, &data(1, 256));
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.records, counts.sets_withdrawn), (1, 1));
}

#[test]
fn templates_with_different_ids_share_no_plan_if_rows_have_the_id() {
    let mut bench = Bench::with_template_ids();
    for id in [300, 301] {
        send(&mut bench, 1, &Message::ipfix(1, 0, NOW).templates(&[&ports(1, id)]).finish());
        send(&mut bench, 1, &data(1, id));
    }
    let at = bench.layout.offset(Field::Template).unwrap();
    let ids: Vec<u64> = bench.rows.iter().map(|row| netflow::record::number(&row.bytes()[at..at + 2])).collect();
    assert_eq!(ids, [300, 301]);
}

#[test]
fn ever_new_templates_are_decoded_within_the_budget() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    let shape = |n: u32| {
        let fields = vec![field(ie::SOURCE_TRANSPORT_PORT, 2), field(600 + n as u16, 1)];
        Template::new(n, 256, Kind::Data, fields)
    };
    let message =
        |n: u32| Message::ipfix(n, 0, NOW).templates(&[&shape(n)]).data(256, |w| _ = w.u16(1).u8(1)).finish();
    let (mut sent, mut octets) = (0, 0);
    let mut counts = Counts::default();
    while counts.sets_over_budget < 1000 {
        let message = message(sent);
        octets += message.len() as u64;
        send(&mut bench, sent, &message);
        bench.rows.clear();
        sent += 1;
        let now = bench.decoder.take_counts();
        counts.sets_over_budget += now.sets_over_budget;
        counts.records += now.records;
    }
    assert_eq!(counts.records + counts.sets_over_budget, u64::from(sent), "every set is counted");
    let paid = plans::MAX_CREDIT + octets;
    assert!(counts.records * plans::PLAN_COST < paid && counts.records * 2 * plans::PLAN_COST > paid);
    // Regular data are decoded at once: their length pays for the plan.
    let fields: Vec<_> =
        (0..20).map(|n| field(if n == 0 { ie::SOURCE_TRANSPORT_PORT } else { 700 + n }, 4)).collect();
    let template = Template::new(1, 256, Kind::Data, fields);
    let record = |w: &mut wire::Writer| _ = w.put(&[0; 80 * 12]);
    let message = Message::ipfix(1, 0, NOW).templates(&[&template]).records(256, 12, record).finish();
    send(&mut bench, 1_000_000, &message);
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.records, counts.sets_over_budget), (12, 0));
}
