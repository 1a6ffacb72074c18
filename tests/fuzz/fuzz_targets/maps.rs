//! Any text as each of the keyed maps: no panic, and the compiled form finds the same rule as a linear search.
#![no_main]

use config::{Daemon, Diagnostics, Origin};
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use libfuzzer_sys::fuzz_target;
use maps::by_exporter::{FlowToRdMap, SamplingMap};
use maps::load::{self, Context};
use maps::matcher::{BatchFrames, Frames, Lazy, MatchBatch, Matcher, PacketSource, Rule, View, first};
use maps::pre_tag::{PreTagMap, Scratch};
use maps::routing_tag::RoutingTagMap;
use maps::tee_receivers;

fuzz_target!(|input: (&[u8], [u8; 96], u8)| {
    let (text, octets, choice) = input;
    // libpcap's compiler is not tested here, and host names would be resolved.
    if text.windows(6).any(|word| word.eq_ignore_ascii_case(b"filter")) {
        return;
    }
    let origin = Origin::whole("m");
    let daemons = [Daemon::Nfacctd, Daemon::Sfacctd, Daemon::Pmacctd, Daemon::Pmbgpd, Daemon::Pmtelemetryd];
    let mut context = Context::new(daemons[usize::from(choice) % daemons.len()]);
    context.asn.bgp = choice & 0x40 != 0;
    context.tee = choice & 0x80 != 0;
    let mut problems = Diagnostics::new();
    RoutingTagMap::parse(&origin, text, &context, &mut problems);
    RoutingTagMap::parse_telemetry(&origin, text, &context, &mut problems);
    let limits = tee_receivers::Limits { receivers: 3, pools: 5, transparent: choice & 0x20 != 0 };
    let pools = tee_receivers::parse(&origin, text, &context, limits, &mut problems);
    assert!(pools.len() <= limits.pools);
    SamplingMap::parse(&origin, text, &context, &mut problems).review(&mut problems);
    FlowToRdMap::parse(&origin, text, &context, &mut problems).review(&mut problems);
    let tags = PreTagMap::parse(&origin, text, &context, &mut problems);
    tags.review(&mut problems);
    let rules: Vec<Rule> =
        load::load(maps::key::pre_tag::KEYS, &context, &origin, text, &mut problems, |entry, _| Some(entry.rule));
    let mut fields = FieldSet::default();
    rules.iter().for_each(|rule| rule.require(&mut fields));
    let layout = Layout::new(&fields, &[]);
    let mut rows = Rows::new(&layout);
    let mut row = rows.push(&vec![0; layout.words()]);
    row.bytes().iter_mut().skip(32).zip(octets.iter().cycle()).for_each(|(to, octet)| *to = *octet);
    let mut strings = Strings::default();
    let exporter = (choice & 1 == 1).then(|| std::net::IpAddr::from([octets[0], octets[1], octets[2], octets[3]]));
    let matcher = Matcher::compile(&rules, &layout, PacketSource::Rows);
    let mut frames = filter::Synthetic::new(&layout);
    let view = View { row: row.as_row(), strings: &strings };
    let wanted = first(&rules, &layout, exporter, 0, &view, &mut Lazy::new(&mut frames));
    let scope = matcher.scope(exporter);
    assert_eq!(matcher.first(scope, 0, &view, &mut Lazy::new(&mut frames)), wanted);
    let mut batch = MatchBatch::default();
    matcher.match_batch(
        scope,
        (&rows, 0),
        &strings,
        &mut Synthesized(filter::Synthetic::new(&layout)),
        &mut batch,
    );
    let mut found = None;
    batch.found(|_, rule| found = Some(rule));
    assert_eq!(found, wanted);
    let compiled = tags.compile(&layout, PacketSource::Rows);
    let mut scratch = Scratch::default();
    let scope = compiled.scope(exporter, &mut scratch);
    let Some(mut row) = rows.get_mut(0) else { return };
    compiled.apply(scope, &mut row, &mut strings, &mut frames, &mut scratch);
});

/// Packets made of rows, whatever their number.
struct Synthesized(filter::Synthetic);

impl BatchFrames for Synthesized {
    fn frames(&mut self, _row: usize) -> &mut dyn Frames {
        &mut self.0
    }
}
