//! Templates and sampling rates that other collectors have learned.

use super::*;
use proptest::prelude::*;

const EXPORTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const SAMPLER: [(u16, u16); 3] = [(ie::EXPORTING_PROCESS_ID, 4), (302, 8), (34, 4)];

fn specifiers(elements: &[(u16, u16)]) -> Vec<Specifier> {
    elements.iter().map(|(element, length)| field(*element, *length)).collect()
}

fn ports() -> Template {
    Template::new(1, 256, Kind::Data, specifiers(&[(ie::SOURCE_TRANSPORT_PORT, 2), (ie::PACKET_DELTA_COUNT, 1)]))
}

fn data(port: u16) -> Vec<u8> {
    Message::ipfix(1, 0, NOW).data(256, |w| _ = w.u16(port).u8(3)).finish()
}

fn rates() -> Template {
    Template::new(1, 300, Kind::Options { scopes: 2 }, specifiers(&SAMPLER))
}

fn rate(selector: u64, interval: u32) -> Vec<u8> {
    Message::ipfix(1, 0, NOW).data(300, |w| _ = w.u32(1).u64(selector).u32(interval)).finish()
}

impl Bench {
    fn take_over(&mut self, exporter: IpAddr, template: Template, replaces: bool) -> Option<u64> {
        self.decoder.take_over_template(exporter, template, replaces, &mut self.rows, &mut self.strings)
    }

    fn samplings(&mut self) -> Vec<Sampling> {
        let sampling = |notice| match notice {
            Notice::Sampling { exporter: EXPORTER, sampling } => Some(sampling),
            _ => None,
        };
        self.decoder.take_notices().into_iter().filter_map(sampling).collect()
    }
}

#[test]
fn a_template_of_another_collector_decodes_the_sets_that_wait_for_it() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    assert_eq!(bench.take_over(EXPORTER, ports(), false), None, "an exporter that sent nothing is unknown");
    assert!(bench.decoder.is_empty());
    bench.send(&data(7));
    bench.send(&data(8));
    assert_eq!(bench.take_over(EXPORTER, ports(), true), None, "there is none to replace");
    assert_eq!(bench.take_over(EXPORTER, ports(), false), Some(u64::from(NOW) * 1_000_000));
    bench.send(&data(9));
    assert_eq!(bench.column("src_port"), ["7", "8", "9"]);
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.templates_shared, counts.templates_new, counts.sets_recovered), (1, 0, 2));
    // The next announcement is the first one, so that it is kept as current.
    bench.decoder.take_notices();
    bench.send(&Message::ipfix(1, 0, NOW).templates(&[&ports()]).finish());
    assert!(matches!(bench.decoder.take_notices()[..], [Notice::Template { .. }]));
}

#[test]
fn a_template_is_replaced_only_by_one_that_is_newer() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    bench.send(&Message::ipfix(1, 0, NOW).templates(&[&ports()]).finish());
    let other = Template::new(1, 256, Kind::Data, specifiers(&[(ie::PACKET_DELTA_COUNT, 1), (7, 2)]));
    assert_eq!(bench.take_over(EXPORTER, other.clone(), false), None);
    bench.send(&data(7));
    assert_eq!(bench.take_over(EXPORTER, other, true), None, "nothing waited");
    bench.send(&Message::ipfix(1, 0, NOW).data(256, |w| _ = w.u8(3).u16(8)).finish());
    assert_eq!(bench.column("src_port"), ["7", "8"]);
    // Its exporter has withdrawn it since.
    bench.send(&Message::ipfix(1, 0, NOW).withdraw(256, false).finish());
    assert_eq!(bench.take_over(EXPORTER, ports(), false), None);
    bench.send(&data(9));
    assert_eq!(bench.decoder.take_counts().templates_shared, 1);
    assert_eq!(bench.rows.len(), 2);
}

#[test]
fn sampling_rates_are_reported_when_they_change_and_apply_where_they_are_taken_over() {
    let settings = || Settings { renormalize: true, ..Settings::default() };
    let mut first = Bench::new(&["src_port"], settings());
    first.send(&Message::ipfix(1, 0, NOW).templates(&[&rates()]).finish());
    first.decoder.take_notices();
    first.send(&rate(1, 10));
    let [ten] = &first.samplings()[..] else { panic!() };
    assert_eq!((ten.template, ten.scope), (300, [None, Some(1), None, None]));
    first.send(&rate(1, 10));
    assert_eq!(first.samplings(), []);
    first.send(&rate(1, 20));
    let [twenty] = &first.samplings()[..] else { panic!() };
    assert_eq!((twenty.scope, &twenty.record[8..]), (ten.scope, &[0, 0, 0, 1, 0, 0, 0, 20][..]));

    let mut second = Bench::new(&["src_port"], settings());
    second.decoder.take_over_sampling(EXPORTER, twenty);
    assert!(second.decoder.is_empty());
    second.send(&data(7));
    second.decoder.take_over_sampling(EXPORTER, twenty);
    second.take_over(EXPORTER, rates(), false);
    // A record that does not fit its template is ignored.
    second.decoder.take_over_sampling(EXPORTER, &Sampling { record: [1; 5].into(), ..twenty.clone() });
    second.decoder.take_over_sampling(EXPORTER, &Sampling { record: [1; 17].into(), ..twenty.clone() });
    second.decoder.take_over_sampling(EXPORTER, ten);
    second.decoder.take_over_sampling(EXPORTER, twenty);
    second.take_over(EXPORTER, ports(), false);
    second.send(&data(8));
    assert_eq!(second.counters().iter().map(|(packets, _)| *packets).collect::<Vec<_>>(), [60, 60]);
    let counts = second.decoder.take_counts();
    assert_eq!(counts.options_records, 0, "no record was received");
    assert_eq!(
        second.decoder.memory(),
        second.decoder.exporters().map(Exporter::memory).sum::<usize>() + second.decoder.scratch.plans.memory()
    );
}

#[test]
fn sequence_numbers_can_begin_anew() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    let v9 = |sequence| Message::v9(1, sequence, NOW, 1000).templates(&[&ports()]).finish();
    bench.send(&v9(1));
    bench.decoder.restart_sequences();
    bench.send(&v9(100));
    assert_eq!(bench.decoder.take_counts().sequence_gaps, 0);
    bench.send(&v9(102));
    assert_eq!(bench.decoder.take_counts().sequence_lost, 1);
}

proptest! {
    /// Whatever one collector has learned, another one that takes it over keeps its bounds, and invents no row.
    #[test]
    fn what_is_taken_over_stays_within_bounds(
        steps in prop::collection::vec((0..4_u8, 256..259_u16, prop::collection::vec((0..10_usize, 0..9_u16), 1..6), any::<[u8; 24]>()), 1..60),
    ) {
        const ELEMENTS: [u16; 10] = [1, 2, 7, 10, 34, 48, 50, 144, 149, 302];
        let settings = || Settings { renormalize: true, max_memory: 30_000, max_templates: 4, ..Settings::default() };
        let (mut first, mut second) = (Bench::new(&["src_port"], settings()), Bench::new(&["src_port"], settings()));
        let mut octets = 0;
        for (what, id, fields, record) in steps {
            let fields = fields.iter().map(|(element, length)| field(ELEMENTS[*element], *length)).collect();
            let kind = if what == 0 { Kind::Data } else { Kind::Options { scopes: 1 } };
            let template = Template::new(1, id, kind, fields);
            let message = Message::ipfix(1, 0, NOW);
            let message = match what {
                0 | 1 => message.templates(&[&template]),
                _ => message.data(id, |w| _ = w.put(&record)),
            };
            let message = message.finish();
            octets += message.len();
            first.send(&message);
            if what > 1 {
                second.send(&message);
            }
            for notice in first.decoder.take_notices() {
                match notice {
                    Notice::Template { exporter, template, .. } => {
                        second.take_over(exporter, template.clone(), false);
                        second.take_over(exporter, template, true);
                    }
                    Notice::Sampling { exporter, sampling } => second.decoder.take_over_sampling(exporter, &sampling),
                    _ => {}
                }
            }
            prop_assert!(second.decoder.memory() <= 30_000);
            prop_assert!(second.rows.len() <= 2 * octets);
        }
        let rows = second.rows.len() as u64;
        let counts = second.decoder.take_counts();
        prop_assert_eq!(counts.rows, rows);
        prop_assert_eq!(counts.templates_new + counts.templates_changed, 0);
    }
}
