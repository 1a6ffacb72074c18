//! Measures events of routes: rows of a dump and of a log, in each encoding.
//!
//! ```sh
//! cargo run --release -p route_log --example rows -- [ROUTES] [FOLDER]
//! ```
//!
//! The routes have as many distinct attribute sets as those of a full table, about one for five routes.

use bgp::attribute::AttributeSet;
use event_log::{Dump, Encoding, Log, Settings};
use route_log::{
    Format, Fragment, Fragments, LogType, Marker, MarkerKind, Peer, Renderer, Route, RouteEvent, RouteKind, Tags,
    Target, VARIABLES, schema,
};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use wire::{Afi, Prefix, Safi};

/// ORIGIN, AS_PATH of four numbers, NEXT_HOP, MULTI_EXIT_DISC, LOCAL_PREF, COMMUNITIES, LARGE_COMMUNITIES.
fn set(number: u32) -> Vec<u8> {
    let mut set = vec![0x40, 1, 1, 0, 0x40, 2, 18, 2, 4];
    for asn in [65_001, 3356, 174 + number % 5000, 200_000 + number] {
        set.extend_from_slice(&asn.to_be_bytes());
    }
    set.extend_from_slice(&[0x40, 3, 4, 10, 0, 0, 1, 0x80, 4, 4, 0, 0, 0, 50, 0x40, 5, 4, 0, 0, 0, 100]);
    set.extend_from_slice(&[0xc0, 8, 12]);
    for community in [(65_001 << 16) | 100, (65_001 << 16) | (number % 1000), (3_356 << 16) | 3] {
        set.extend_from_slice(&u32::to_be_bytes(community));
    }
    set.extend_from_slice(&[0xc0, 32, 12]);
    for part in [65_001, 1, number] {
        set.extend_from_slice(&u32::to_be_bytes(part));
    }
    set
}

fn settings(encoding: Encoding, file: &Path, schemas: [event_log::Schema; 3]) -> Settings {
    let mut settings = Settings::without_brokers(config::KeyPrefix::BGP_TABLE_DUMP, VARIABLES);
    (settings.encoding, settings.schemas, settings.file) = (encoding, schemas.into(), Some(file.to_owned()));
    settings
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: u32 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = arguments.next().unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let file = Path::new(&folder).join(format!("pmacct-rows-{}", std::process::id()));
    let sets: Vec<Vec<u8>> = (0..count.div_ceil(5)).map(set).collect();
    let prefix =
        |number: u32| Prefix::new(Ipv4Addr::from(0x0100_0000 + (number << 8)).into(), 24).unwrap_or_default();
    // Neighbouring prefixes seldom share a set.
    let set_of = |number: u32| (u64::from(number) * 2_654_435_761 % sets.len() as u64) as usize;
    let format = Format::default();
    let peer = Peer::bgp(&format, IpAddr::from([192, 0, 2, 1]), 35_609, Ipv4Addr::new(10, 0, 1, 1));
    let route = |number: u32| Route {
        target: Target::Prefix { prefix: prefix(number), rd: None, label: None },
        ..Route::end_of_rib(Afi::IPV4, Safi::UNICAST)
    };
    for encoding in [Encoding::Json, Encoding::Avro, Encoding::AvroJson, Encoding::Mrt] {
        let (mut dump, _) = Dump::open(&settings(encoding, &file, schema::of_dump(&format)));
        let (mut renderer, fragments) = (
            Renderer::new(&format, encoding),
            std::sync::Mutex::new(Fragments::new(Fragments::<usize>::DEFAULT_BYTES)),
        );
        let renderer = std::sync::Mutex::new(&mut renderer);
        let begun = busy();
        dump.run(1_700_000_000, &[()], |run, writer, ()| {
            let marker = |kind| Marker { format: &format, peer: &peer, kind, tags: Tags::default() };
            let start = marker(MarkerKind::DumpInit { period: 60, peers: None });
            let (mut fragments, mut renderer) = (
                fragments.lock().unwrap_or_else(|e| e.into_inner()),
                renderer.lock().unwrap_or_else(|e| e.into_inner()),
            );
            let rows = |rows: &mut event_log::dump::Rows<'_>| {
                for number in 0..count {
                    let at = set_of(number);
                    let attributes = fragments.get(at, |out| {
                        let octets = sets.get(at).map(Vec::as_slice).unwrap_or_default();
                        renderer.render(AttributeSet::new(octets), Afi::IPV4, Safi::UNICAST, out);
                    });
                    let event = RouteEvent::new(&format, &peer, RouteKind::Dump, route(number));
                    rows.add(&RouteEvent { attributes: Some(attributes), ..event });
                    if number % 1024 == 0 {
                        rows.write_if_large();
                    }
                }
            };
            run.table(writer, &start, rows, |entries| marker(MarkerKind::DumpClose { entries, tables: 1 }));
        });
        report("dump", encoding, count, begun, &file);
    }
    for encoding in [Encoding::Json, Encoding::Avro] {
        let (mut log, _) = Log::open(&settings(encoding, &file, schema::of_log(&format)));
        let mut renderer = Renderer::new(&format, encoding);
        let mut fragment = Fragment::default();
        let begun = busy();
        for number in 0..count {
            // Each UPDATE has five routes.
            if number % 5 == 0 {
                let octets = sets.get(set_of(number)).map(Vec::as_slice).unwrap_or_default();
                renderer.render(AttributeSet::new(octets), Afi::IPV4, Safi::UNICAST, &mut fragment);
            }
            let event = RouteEvent::new(&format, &peer, RouteKind::Log(LogType::Update), route(number));
            log.add(&RouteEvent { attributes: Some(fragment.as_ref()), ..event });
            if number % 500 == 0 {
                log.flush();
            }
        }
        assert_eq!(log.end(), 0, "events were dropped");
        report("log", encoding, count, begun, &file);
    }
}

/// Nanoseconds that the processor spent on this thread: other load on the machine does not count.
fn busy() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn report(what: &str, encoding: Encoding, count: u32, begun: u64, file: &Path) {
    let seconds = (busy() - begun) as f64 / 1e9;
    let bytes = std::fs::metadata(file).map_or(0, |file| file.len());
    println!(
        "{what:4} {encoding:?}: {:.3} us a row, {:.0} rows a second, {:.0} bytes a row",
        seconds * 1e6 / f64::from(count),
        f64::from(count) / seconds,
        bytes as f64 / f64::from(count)
    );
    // So that the next one is not appended.
    let _ = std::fs::remove_file(file);
}
