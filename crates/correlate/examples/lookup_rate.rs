//! What the look-up of routes adds to a record: `cargo run --release -p correlate --example lookup_rate`.
//!
//! There are 1,000,000 IPv4 and 200,000 IPv6 prefixes, in groups of about 5 that share an attribute set. Each RIB has all of them: the only
//! one, or the last of eight peers of BGP; the only one of a router of BMP, or both of the last of four routers. Rows get both AS numbers and
//! peers, networks, next hop, path, communities, preference and MED of the destination. `uniform`: all prefixes are equally likely at both
//! ends, which no real traffic is; `popular`: nine of ten addresses are in one prefix of a hundred.
//!
//! Times are those of the thread's processor, the least of several rounds; the spread is that of all rounds.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails says why")]

use bmp::peer::RibType;
use config::keys::aggregation::{AsSource, NetSource};
use config::{Daemon, Diagnostics};
use correlate::peers::{AddPath, Peer};
use correlate::routers::{Monitored, Routers};
use correlate::spec::{PeerSource, Search, Source, SourceAttributes, Spec};
use correlate::{Routes, Tables, add};
use enrich::networks::Sources;
use enrich::spec::{CoreSpec, NetworksSpec, RouteMaps};
use enrich::{Enricher, Loaded, Origin, PacketViews};
use fastrand::Rng;
use flow::address;
use flow::field::Field;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use maps::load::Context;
use rib::{Limits, NO_LABEL, PeerId, Route, SharedRib, TableKey, Writer};
use rustix::time::{ClockId, clock_gettime};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use wire::{Asn, Family, Prefix, RouteDistinguisher};

/// Rows of a batch.
const BATCH: usize = 128;
/// Rows of a round.
const ROWS: usize = BATCH * 4000;
const ROUNDS: usize = 7;

const V4: &[(u8, u32)] = &[(24, 60), (23, 8), (22, 11), (21, 5), (20, 5), (19, 4), (18, 2), (17, 1), (16, 4)];
const V6: &[(u8, u32)] = &[(48, 47), (32, 12), (44, 9), (40, 9), (36, 5), (47, 4), (46, 4), (64, 2), (33, 8)];

const FIELDS: &[Field] = &[
    Field::SrcAs,
    Field::DstAs,
    Field::PeerSrcAs,
    Field::PeerDstAs,
    Field::PeerDstIp,
    Field::AsPath,
    Field::Comms,
    Field::LocalPref,
    Field::Med,
    Field::SrcNet,
    Field::DstNet,
    Field::SrcMask,
    Field::DstMask,
];

struct NoPackets;

impl PacketViews for NoPackets {
    fn view(&self, _row: usize) -> Option<filter::PacketView<'_>> {
        None
    }
}

/// The exporter, which is the last peer or router.
const EXPORTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The address of a peer or router, counted from the last.
fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(EXPORTER.to_bits() + u32::from(number))
}

/// Peers of BGP without routes yet.
fn bgp(peers: u8) -> (Tables, Writer, Vec<PeerId>) {
    let (shared, mut writer) = SharedRib::new(Limits { routes_of_peer: 2_000_000, ..Limits::default() });
    let routes = Routes::new(shared);
    let ids = (0..peers).rev().map(|number| {
        let id = writer.add_peer().unwrap();
        let (router_id, local_as) = (address(number), Asn(64512));
        let (address, port, add_path) = (router_id.into(), 179, AddPath::default());
        routes.add_peer(Peer { id, address, port, router_id, local_as, add_path });
        id
    });
    let ids = ids.collect();
    (Tables { bgp: Some(Arc::new(routes)), bmp: None }, writer, ids)
}

/// RIBs of the routers of BMP, without routes yet.
fn bmp(routers: u8, ribs: &[RibType]) -> (Tables, Writer, Vec<PeerId>) {
    let (shared, mut writer) = SharedRib::new(Limits { routes_of_peer: 2_000_000, ..Limits::default() });
    let routes = Routes::<Routers>::new(shared);
    let mut ids = Vec::new();
    for number in (0..routers).rev() {
        let router = routes.add_router((address(number), 50000).into());
        for kind in ribs {
            let id = writer.add_peer().unwrap();
            let (address, distinguisher) = (IpAddr::from([198, 51, 100, 1]), RouteDistinguisher::default());
            let (local_as, add_path) = (Asn(64512), AddPath::default());
            routes.add_rib(router, Monitored { id, address, distinguisher, kind: *kind, local_as, add_path });
            ids.push(id);
        }
    }
    (Tables { bgp: None, bmp: Some(Arc::new(routes)) }, writer, ids)
}

fn main() {
    measure("BGP, one peer", bgp(1));
    measure("BGP, the last of 8 peers", bgp(8));
    measure("BMP, one RIB of one router", bmp(1, &[RibType::LocRib]));
    measure("BMP, both RIBs of the last of 4 routers", bmp(4, &[RibType::AdjRibInPre, RibType::LocRib]));
}

fn measure(what: &str, (tables, mut writer, ids): (Tables, Writer, Vec<PeerId>)) {
    let mut rng = Rng::with_seed(7);
    let tables = Arc::new(tables);
    let mut all: Vec<Prefix> = Vec::new();
    for (family, count, weights) in [(Family::V4, 1_000_000, V4), (Family::V6, 200_000, V6)] {
        for _ in 0..count {
            all.push(prefix(&mut rng, family, weights));
        }
    }
    all.sort_unstable_by_key(|prefix| (prefix.family(), prefix.bits(), prefix.length()));
    all.dedup();
    let mut announced = 0;
    while announced < all.len() {
        let octets = attributes(&mut rng);
        let mut changes = writer.begin();
        let attributes = changes.intern(&octets).unwrap();
        for prefix in all.iter().skip(announced).take(rng.usize(1..=9)) {
            for peer in &ids {
                let route = Route { peer: *peer, path_id: 0, attributes, label: NO_LABEL };
                changes.announce(TableKey::Unicast(prefix.family()), *prefix, route).unwrap();
            }
            announced += 1;
        }
    }
    println!("{what}: {} prefixes, {} attribute sets", all.len(), writer.read().memory().attribute_sets);
    let popular: Vec<Prefix> = (0..all.len() / 100).map(|_| all[rng.usize(..all.len())]).collect();
    let spec = Arc::new(Spec {
        ases: Source::Routes,
        nets: Source::Routes,
        source: SourceAttributes { peer: PeerSource::Route, ..SourceAttributes::default() },
        search: Search { has_distinguishers: true, ..Search::default() },
        ..Spec::default()
    });
    for (name, few) in [("uniform", None), ("popular", Some(&popular))] {
        let mut pick = |v4: bool| loop {
            let from = few.filter(|_| rng.u32(..10) > 0).unwrap_or(&all);
            let prefix = from[rng.usize(..from.len())];
            if (prefix.family() == Family::V4) == v4 {
                break host(&mut rng, prefix);
            }
        };
        let ends: Vec<[IpAddr; 2]> = (0..ROWS).map(|row| [pick(row % 6 > 0), pick(row % 6 > 0)]).collect();
        let without = rounds(None, &spec, &ends);
        let with = rounds(Some(&tables), &spec, &ends);
        let least = |times: &[f64]| times.iter().copied().fold(f64::MAX, f64::min);
        let most = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
        println!(
            "    {name}: {:.0} ns a record added ({:.0} to {:.0} with, {:.0} to {:.0} without)",
            least(&with) - least(&without),
            least(&with),
            most(&with),
            least(&without),
            most(&without),
        );
    }
}

/// Nanoseconds a row, of each round after the first.
fn rounds(tables: Option<&Arc<Tables>>, spec: &Arc<Spec>, ends: &[[IpAddr; 2]]) -> Vec<f64> {
    let mut problems = Diagnostics::new();
    let settings = enrich::spec::Spec { core: core(), plugins: Vec::new() };
    let mut loaded = Loaded::read(&settings, &Context::new(Daemon::Nfacctd), &mut problems);
    if let Some(tables) = tables {
        add(&mut loaded, tables, spec);
    }
    let mut fields = FieldSet::default();
    FIELDS.iter().for_each(|field| fields.insert(*field));
    [Field::SrcHost, Field::DstHost].into_iter().for_each(|field| fields.insert(field));
    loaded.require(&mut fields);
    let layout = Layout::new(&fields, &[]);
    let (mut enricher, _) = Enricher::new(&Arc::new(loaded.compile(&layout)));
    let (mut rows, mut strings) = (Rows::new(&layout), Strings::default());
    let (src, dst) = (layout.offset(Field::SrcHost).unwrap(), layout.offset(Field::DstHost).unwrap());
    let base = vec![0; layout.words()];
    let times = (0..=ROUNDS).map(|_| {
        let start = now();
        for batch in ends.chunks(BATCH) {
            rows.clear();
            for [from, to] in batch {
                let mut row = rows.push(&base);
                row.bytes()[src..src + 16].copy_from_slice(&address::octets(*from));
                row.bytes()[dst..dst + 16].copy_from_slice(&address::octets(*to));
            }
            enricher.apply(
                Origin { first: 0, exporter: Some(EXPORTER.into()) },
                &mut rows,
                &mut strings,
                &NoPackets,
            );
        }
        (now() - start) / ends.len() as f64
    });
    times.skip(1).collect()
}

/// Nanoseconds of processor time of this thread.
fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn prefix(rng: &mut Rng, family: Family, weights: &[(u8, u32)]) -> Prefix {
    let mut at = rng.u32(..weights.iter().map(|(_, weight)| weight).sum::<u32>());
    let length = weights.iter().find(|(_, weight)| at.checked_sub(*weight).inspect(|left| at = *left).is_none());
    let length = length.map_or(24, |(length, _)| *length);
    let address = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(rng.u32(1 << 24..224 << 24))),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(0x2 << 124 | rng.u128(..) >> 3)),
    };
    Prefix::new(address, length).unwrap()
}

fn host(rng: &mut Rng, prefix: Prefix) -> IpAddr {
    let rest = rng.u128(..).checked_shr(u32::from(prefix.length())).unwrap_or(0);
    let bits = prefix.bits() | rest;
    match prefix.family() {
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits((bits >> 96) as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// A path of 2 to 6 ASes, a next hop, a preference, a MED, and up to 6 communities.
fn attributes(rng: &mut Rng) -> Vec<u8> {
    let hops = rng.u8(2..=6);
    let path: Vec<u8> =
        [2, hops].into_iter().chain((0..hops).flat_map(|_| rng.u32(1000..400_000).to_be_bytes())).collect();
    let mut communities: Vec<u32> = (0..rng.u8(0..=6)).map(|_| rng.u32(65_536..u32::MAX / 2)).collect();
    communities.sort_unstable();
    let communities: Vec<u8> = communities.iter().flat_map(|community| community.to_be_bytes()).collect();
    let mut out = vec![0x40, 1, 1, 0, 0x40, 2, path.len() as u8];
    out.extend(path);
    out.extend([0x40, 3, 4, 10, 0, 0, rng.u8(..)]);
    out.extend([0x80, 4, 4, 0, 0, 0, rng.u8(..)]);
    out.extend([0x40, 5, 4, 0, 0, 0, 100]);
    if !communities.is_empty() {
        out.extend([0xc0, 8, communities.len() as u8]);
        out.extend(communities);
    }
    out
}

fn core() -> CoreSpec {
    CoreSpec {
        tags: None,
        networks: NetworksSpec {
            sources: Sources {
                nets: NetSource::Routes,
                ases: AsSource::Routes,
                mask: None,
                file_wins: false,
                keep_unmasked: false,
            },
            file: None,
            zero_outside: false,
        },
        sampling: None,
        distinguishers: None,
        geoip: None,
        interval: None,
        renormalize: false,
        peer_ases: false,
        routes: RouteMaps { correlated: true, ..RouteMaps::default() },
    }
}
