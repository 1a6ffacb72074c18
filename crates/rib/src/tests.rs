//! The table against a model: a map from table and NLRI to routes in order.

use crate::route::{Announced, Limits, NO_LABEL, Nlri, PeerId, Refused, Route, TableKey};
use crate::{Changes, Cursor, Rib, SharedRib, Writer};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use wire::{Afi, Family, Prefix, RouteDistinguisher, Safi};

const UNICAST: TableKey = TableKey::Unicast(Family::V4);

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn announce(changes: &mut Changes<'_>, table: TableKey, text: &str, peer: PeerId, path_id: u32, octets: &[u8]) {
    let attributes = changes.intern(octets).unwrap();
    changes.announce(table, prefix(text), Route { peer, path_id, attributes, label: NO_LABEL }).unwrap();
}

fn sweep_all(writer: &mut Writer) {
    while writer.sweep(100, |_, _, _, _| {}) {}
}

/// NLRI that own their octets, for the model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Prefix(Prefix),
    Octets(Vec<u8>),
}

impl Key {
    fn nlri(&self) -> Nlri<'_> {
        match self {
            Self::Prefix(prefix) => Nlri::Prefix(*prefix),
            Self::Octets(octets) => Nlri::Octets(octets),
        }
    }

    fn of(nlri: Nlri<'_>) -> Self {
        match nlri {
            Nlri::Prefix(prefix) => Self::Prefix(prefix),
            Nlri::Octets(octets) => Self::Octets(octets.to_vec()),
        }
    }
}

/// A route of the model: peer, path identifier, attributes, label.
type Known = (PeerId, u32, Vec<u8>, u32);

type Model = BTreeMap<(TableKey, Key), Vec<Known>>;

fn known(rib: &Rib, route: &Route) -> Known {
    (route.peer, route.path_id, rib.attributes(route.attributes).to_vec(), route.label)
}

/// What the model says is visible.
fn visible(model: &Model) -> Model {
    model
        .iter()
        .filter(|(_, routes)| !routes.is_empty())
        .map(|(key, routes)| (key.clone(), routes.clone()))
        .collect()
}

#[derive(Clone, Debug)]
enum Action {
    Announce {
        peer: usize,
        path_id: u32,
        table: TableKey,
        key: Key,
        attributes: u8,
        label: u32,
    },
    Withdraw {
        peer: usize,
        path_id: u32,
        table: TableKey,
        key: Key,
    },
    /// Removes the peer and adds another in its place.
    Restart {
        peer: usize,
    },
    Sweep {
        budget: usize,
    },
    Visit {
        budget: usize,
    },
}

/// Prefixes that share much of their paths, or little.
fn prefixes(family: Family) -> impl Strategy<Value = Prefix> {
    let bases = [0_u128, 1 << 127, 0x2001_0db8 << 96, 0x0a00_0000 << 96, 0x0aff_ffff << 96, u128::MAX];
    let noise = prop_oneof![
        Just(0_u128),
        (0_u32..128).prop_map(|bit| 1 << bit),
        any::<u128>().prop_map(|n| n & 0xffff << 96)
    ];
    let width = family.width();
    let length = prop_oneof![
        0..=width,
        prop::sample::select(vec![0, 1, 6, 7, 8, 18, 19, 24, 25, 31, 32, width - 1, width])
    ];
    (prop::sample::select(bases.to_vec()), noise, length).prop_map(move |(base, noise, length)| {
        let address = match family {
            Family::V4 => IpAddr::V4((((base ^ noise) >> 96) as u32).into()),
            Family::V6 => IpAddr::V6((base ^ noise).into()),
        };
        Prefix::new(address, length).unwrap()
    })
}

fn places() -> impl Strategy<Value = (TableKey, Key)> {
    let v4 = prop::sample::select(vec![
        UNICAST,
        TableKey::Labelled(Family::V4),
        TableKey::Vpn(Family::V4, RouteDistinguisher([0, 0, 0, 1, 0, 0, 0, 1])),
        TableKey::Vpn(Family::V4, RouteDistinguisher([0, 0, 0, 1, 0, 0, 0, 2])),
    ]);
    let evpn = TableKey::Opaque(Afi(25), Safi(70));
    prop_oneof![
        (v4, prefixes(Family::V4)).prop_map(|(table, prefix)| (table, Key::Prefix(prefix))),
        prefixes(Family::V6).prop_map(|prefix| (TableKey::Unicast(Family::V6), Key::Prefix(prefix))),
        prop::collection::vec(0u8..3, 0..4).prop_map(move |octets| (evpn, Key::Octets(octets))),
    ]
}

fn actions() -> impl Strategy<Value = Action> {
    let paths = prop::sample::select(vec![0, 0, 0, 1, 7]);
    let labels = prop::sample::select(vec![NO_LABEL, NO_LABEL, 0x12_3451]);
    prop_oneof![
        30 => (0usize..4, paths.clone(), places(), 0u8..30, labels).prop_map(
            |(peer, path_id, (table, key), attributes, label)| Action::Announce { peer, path_id, table, key, attributes, label }),
        20 => (0usize..4, paths, places()).prop_map(
            |(peer, path_id, (table, key))| Action::Withdraw { peer, path_id, table, key }),
        1 => (0usize..4).prop_map(|peer| Action::Restart { peer }),
        3 => (1usize..20).prop_map(|budget| Action::Sweep { budget }),
        4 => (1usize..10).prop_map(|budget| Action::Visit { budget }),
    ]
}

/// A table, its model, and a dump in progress.
struct Both {
    shared: Arc<SharedRib>,
    writer: Writer,
    peers: Vec<PeerId>,
    model: Model,
    cursor: Cursor,
    /// Routes that were there when the dump began and ever since.
    constant: BTreeSet<(TableKey, Key, PeerId, u32)>,
    dumped: Vec<(TableKey, Key, PeerId, u32)>,
}

impl Both {
    fn new() -> Self {
        let (shared, mut writer) = SharedRib::new(Limits::default());
        let peers = (0..4).map(|_| writer.add_peer().unwrap()).collect();
        let (constant, dumped) = (BTreeSet::new(), Vec::new());
        Self { shared, writer, peers, model: Model::new(), cursor: Cursor::all(), constant, dumped }
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Announce { peer, path_id, table, key, attributes, label } => {
                let peer = self.peers[peer];
                let octets = vec![attributes; usize::from(attributes) * 13];
                let mut changes = self.writer.begin();
                let attributes = changes.intern(&octets).unwrap();
                let done =
                    changes.announce(table, key.nlri(), Route { peer, path_id, attributes, label }).unwrap();
                let new = (peer, path_id, octets, label);
                let routes = self.model.entry((table, key)).or_default();
                match (routes.iter_mut().find(|r| (r.0, r.1) == (peer, path_id)), done) {
                    (None, Announced::New) => routes.push(new),
                    (Some(old), Announced::Replaced(route)) => {
                        assert_eq!(known(changes.rib(), &route), *old);
                        *old = new;
                    }
                    (old, done) => panic!("{old:?} {done:?}"),
                }
            }
            Action::Withdraw { peer, path_id, table, key } => {
                let peer = self.peers[peer];
                let mut changes = self.writer.begin();
                let gone = changes.withdraw(table, key.nlri(), peer, path_id);
                let gone = gone.map(|route| known(changes.rib(), &route));
                self.constant.remove(&(table, key.clone(), peer, path_id));
                let routes = self.model.entry((table, key)).or_default();
                let at = routes.iter().position(|r| (r.0, r.1) == (peer, path_id));
                assert_eq!(gone, at.map(|at| routes.remove(at)));
            }
            Action::Restart { peer } => {
                let old = self.peers[peer];
                self.writer.remove_peer(old);
                self.peers[peer] = self.writer.add_peer().unwrap();
                for routes in self.model.values_mut() {
                    routes.retain(|route| route.0 != old);
                }
                self.constant.retain(|(_, _, peer, _)| *peer != old);
            }
            Action::Sweep { budget } => {
                let peers = self.peers.clone();
                self.writer.sweep(budget, |_, _, route, _| assert!(!peers.contains(&route.peer)));
            }
            Action::Visit { budget } => self.visit(budget),
        }
    }

    fn visit(&mut self, budget: usize) {
        let rib = self.shared.read();
        let dumped = &mut self.dumped;
        let more = rib.visit(&mut self.cursor, budget, |table, nlri, routes| {
            dumped.extend(routes.map(|route| (table, Key::of(nlri), route.peer, route.path_id)));
        });
        if !more {
            let mut places: Vec<_> = dumped.iter().map(|(table, key, ..)| (*table, key.clone())).collect();
            places.dedup();
            assert!(places.is_sorted());
            let unique: BTreeSet<_> = dumped.drain(..).collect();
            assert!(self.constant.is_subset(&unique));
            self.cursor = Cursor::all();
            let routes = |(place, routes): (&(TableKey, Key), &Vec<Known>)| {
                routes.iter().map(|r| (place.0, place.1.clone(), r.0, r.1)).collect::<Vec<_>>()
            };
            self.constant = self.model.iter().flat_map(routes).collect();
        }
    }

    /// Compares all that can be read.
    fn check(&self) {
        let model = visible(&self.model);
        let rib = self.shared.read();
        let mut seen = Model::new();
        let mut cursor = Cursor::all();
        rib.visit(&mut cursor, usize::MAX, |table, nlri, routes| {
            let routes: Vec<_> = routes.map(|route| known(&rib, &route)).collect();
            if !routes.is_empty() {
                assert_eq!(seen.insert((table, Key::of(nlri)), routes), None);
            }
        });
        assert_eq!(seen, model);
        let count = |peer| model.values().flatten().filter(|route| route.0 == peer).count() as u64;
        for peer in &self.peers {
            assert_eq!(rib.routes_of_peer(*peer), count(*peer));
            assert_eq!(rib.families_of_peer(*peer).map(|(_, routes)| routes).sum::<u64>(), count(*peer));
            let mut routes = 0;
            rib.visit_peer(&mut Cursor::all(), usize::MAX, *peer, |_, _, _| routes += 1);
            assert_eq!(routes, count(*peer));
        }
        assert_eq!(rib.memory().routes, model.values().flatten().count() as u64);
        let mut addresses: HashMap<TableKey, Vec<IpAddr>> = HashMap::new();
        for (table, key) in model.keys() {
            let routes = rib.table(*table).unwrap().exact(key.nlri()).unwrap();
            assert_eq!(routes.map(|route| known(&rib, &route)).collect::<Vec<_>>(), model[&(*table, key.clone())]);
            if let Key::Prefix(prefix) = key {
                addresses.entry(*table).or_default().extend([prefix.address(), prefix.last_address()]);
            }
        }
        for (table, addresses) in addresses {
            let covering = |within: Prefix, peer: PeerId| -> Vec<(Prefix, Known)> {
                let of_table = model.range((table, Key::Prefix(Prefix::default_route(Family::V4)))..);
                let mut all: Vec<_> = of_table
                    .take_while(|((of, _), _)| *of == table)
                    .filter_map(|((_, key), routes)| match key {
                        Key::Prefix(prefix) if prefix.covers(&within) => {
                            routes.iter().find(|r| r.0 == peer).map(|r| (*prefix, r.clone()))
                        }
                        _ => None,
                    })
                    .collect();
                all.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.length()));
                all
            };
            let routes = rib.table(table).unwrap();
            for peer in &self.peers {
                let accept = |route: &Route| route.peer == *peer;
                let mut batch = Vec::new();
                routes.longest_many(
                    &addresses,
                    |_, route| accept(route),
                    |i, found| {
                        batch.push(
                            found.map(|found| (found.prefix(addresses[i]).unwrap(), known(&rib, &found.route))),
                        );
                    },
                );
                assert_eq!(batch.len(), addresses.len());
                for (address, found) in addresses.iter().zip(batch) {
                    let expected = covering(Prefix::host(*address), *peer);
                    assert_eq!(found.as_ref(), expected.first(), "{address} {table:?}");
                    let single = routes.longest(*address, accept);
                    let single = single.map(|m| (m.prefix(*address).unwrap(), known(&rib, &m.route)));
                    assert_eq!(single, found);
                    let mut all = Vec::new();
                    routes.covering(*address, |length, mut routes| {
                        let route = routes.find(accept);
                        all.extend(route.map(|r| (Prefix::new(*address, length).unwrap(), known(&rib, &r))));
                        None::<()>
                    });
                    assert_eq!(all, expected);
                }
            }
            for (of, key) in model.keys() {
                let (true, Key::Prefix(within)) = (*of == table, key) else { continue };
                let expected: Vec<_> = model
                    .keys()
                    .filter(|(of, key)| *of == table && matches!(key, Key::Prefix(p) if within.covers(p)))
                    .map(|(_, key)| key.clone())
                    .collect();
                let mut seen = Vec::new();
                let mut cursor = Cursor::within(table, *within);
                while rib.visit(&mut cursor, 1, |_, nlri, mut routes| {
                    if routes.next().is_some() {
                        seen.push(Key::of(nlri));
                    }
                }) {}
                assert_eq!(seen, expected, "{within}");
                let mut shorter = Vec::new();
                routes.covering_prefix(*within, |length, mut routes| {
                    shorter.extend(routes.next().map(|_| length));
                    None::<()>
                });
                assert!(shorter.first() == Some(&within.length()) && shorter.is_sorted_by(|a, b| a > b));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    #[test]
    fn the_table_equals_its_model(actions in prop::collection::vec(actions(), 1..250)) {
        let mut both = Both::new();
        for (i, action) in actions.into_iter().enumerate() {
            both.apply(action);
            if i % 50 == 49 {
                both.check();
            }
        }
        both.check();
        sweep_all(&mut both.writer);
        both.check();
        prop_assert_eq!(both.shared.read().memory().swept_later, 0);
        for peer in both.peers.clone() {
            both.writer.remove_peer(peer);
        }
        both.model.clear();
        both.check();
        sweep_all(&mut both.writer);
        drop(both.writer.begin());
        let memory = both.shared.read().memory();
        prop_assert_eq!((memory.tables, memory.prefixes, memory.attribute_sets, memory.routes), (0, 0, 0, 0));
    }
}

#[test]
fn routes_of_a_removed_peer_are_invisible_at_once() {
    let (shared, mut writer) = SharedRib::new(Limits::default());
    let (a, b) = (writer.add_peer().unwrap(), writer.add_peer().unwrap());
    let mut changes = writer.begin();
    announce(&mut changes, UNICAST, "10.0.0.0/8", a, 0, b"a");
    announce(&mut changes, UNICAST, "10.0.0.0/8", b, 0, b"b");
    announce(&mut changes, UNICAST, "10.1.0.0/16", a, 0, b"a");
    drop(changes);
    writer.remove_peer(a);
    let address = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 0));
    let rib = shared.read();
    let found = rib.table(UNICAST).unwrap().longest(address, |_| true).unwrap();
    assert_eq!((found.length, found.route.peer, found.routes.count()), (8, b, 1));
    assert_eq!((rib.memory().routes, rib.memory().swept_later, rib.routes_of_peer(a)), (1, 2, 0));
    drop(rib);

    // The number is not given again before the sweep, and then with another generation.
    let c = writer.add_peer().unwrap();
    assert_ne!(c.slot(), a.slot());
    let mut removed = Vec::new();
    while writer.sweep(1, |table, nlri, route, octets| {
        removed.push((table, Key::of(nlri), route.peer, octets.to_vec()));
    }) {}
    assert_eq!(
        removed,
        ["10.0.0.0/8", "10.1.0.0/16"].map(|p| (UNICAST, Key::Prefix(prefix(p)), a, b"a".to_vec()))
    );
    let d = writer.add_peer().unwrap();
    assert_eq!(d.slot(), a.slot());
    assert_ne!(d, a);
    assert_eq!(writer.read().memory().attribute_sets, 1);
}

#[test]
fn a_peer_that_is_removed_during_a_sweep_is_swept_too() {
    let (_, mut writer) = SharedRib::new(Limits::default());
    let (a, b) = (writer.add_peer().unwrap(), writer.add_peer().unwrap());
    let mut changes = writer.begin();
    for text in ["10.0.0.0/8", "20.0.0.0/8", "30.0.0.0/8"] {
        announce(&mut changes, UNICAST, text, a, 0, b"a");
        announce(&mut changes, UNICAST, text, b, 0, b"b");
    }
    drop(changes);
    writer.remove_peer(a);
    assert!(writer.sweep(1, |_, _, _, _| {}));
    writer.remove_peer(b);
    sweep_all(&mut writer);
    let memory = writer.read().memory();
    assert_eq!((memory.prefixes, memory.swept_later, memory.attribute_sets), (0, 0, 0));
    assert!(writer.read().tables().next().is_none());
}

#[test]
fn routes_beyond_a_limit_are_refused_and_replacements_are_not() {
    let (_, mut writer) = SharedRib::new(Limits { routes_of_peer: 2, routes: 3 });
    let (a, b) = (writer.add_peer().unwrap(), writer.add_peer().unwrap());
    let mut changes = writer.begin();
    let attributes = changes.intern(b"x").unwrap();
    let mut try_it = |text: &str, peer| {
        changes.announce(UNICAST, prefix(text), Route { peer, path_id: 0, attributes, label: NO_LABEL })
    };
    assert_eq!(try_it("10.0.0.0/8", a), Ok(Announced::New));
    assert_eq!(try_it("11.0.0.0/8", a), Ok(Announced::New));
    assert_eq!(try_it("12.0.0.0/8", a), Err(Refused::PeerFull));
    assert!(matches!(try_it("11.0.0.0/8", a), Ok(Announced::Replaced(_))));
    assert_eq!(try_it("10.0.0.0/8", b), Ok(Announced::New));
    assert_eq!(try_it("11.0.0.0/8", b), Err(Refused::Full));
    assert_eq!(try_it("2001:db8::/32", b), Err(Refused::WrongTable));
    drop(changes);
    writer.remove_peer(a);
    let mut changes = writer.begin();
    assert_eq!(changes.rib().memory().routes, 1);
    let attributes = changes.intern(b"y").unwrap();
    let route = |peer| Route { peer, path_id: 0, attributes, label: NO_LABEL };
    assert_eq!(changes.announce(UNICAST, prefix("10.0.0.0/8"), route(a)), Err(Refused::UnknownPeer));
    assert_eq!(changes.announce(UNICAST, prefix("11.0.0.0/8"), route(b)), Ok(Announced::New));
    assert_eq!(changes.withdraw(UNICAST, prefix("10.0.0.0/8"), a, 0), None);
    assert_eq!(changes.withdraw(UNICAST, prefix("2001:db8::/32"), b, 0), None);
}

#[test]
fn a_peer_with_too_many_paths_costs_others_nothing() {
    let (shared, mut writer) = SharedRib::new(Limits::default());
    let (a, b) = (writer.add_peer().unwrap(), writer.add_peer().unwrap());
    let mut changes = writer.begin();
    let attributes = changes.intern(b"x").unwrap();
    let mut refused = 0;
    for path_id in 1..=2000 {
        let route = Route { peer: a, path_id, attributes, label: NO_LABEL };
        match changes.announce(UNICAST, prefix("0.0.0.0/0"), route) {
            Ok(announced) => assert_eq!(announced, Announced::New),
            Err(error) => {
                assert_eq!(error, Refused::TooManyPaths);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 2000 - crate::MAX_PATHS);
    announce(&mut changes, UNICAST, "0.0.0.0/0", b, 0, b"b");
    drop(changes);
    assert_eq!(shared.read().routes_of_peer(a), crate::MAX_PATHS as u64);
    writer.remove_peer(a);
    sweep_all(&mut writer);
    let rib = shared.read();
    let routes = rib.table(UNICAST).unwrap().exact(Nlri::Prefix(prefix("0.0.0.0/0"))).unwrap();
    assert_eq!(routes.map(|route| route.peer).collect::<Vec<_>>(), [b]);
    assert!(rib.memory().tables < 1000, "{:?}", rib.memory());
}

#[test]
fn an_index_that_grows_within_changes_finds_all_sets() {
    let (_, mut writer) = SharedRib::new(Limits::default());
    let mut changes = writer.begin();
    let ids: Vec<_> = (0..5000_u32).map(|n| changes.intern(&n.to_be_bytes()).unwrap()).collect();
    for (n, id) in (0..5000_u32).zip(&ids) {
        assert_eq!(changes.intern(&n.to_be_bytes()), Ok(*id));
        assert_eq!(changes.rib().attributes(*id), n.to_be_bytes());
    }
    assert_eq!(changes.intern(&[0; 65536]), Err(Refused::Full));
    assert_eq!(changes.intern(&[0; 65535]).map(|id| changes.rib().attributes(id).len()), Ok(65535));
    assert_eq!(changes.intern(&[]).map(|id| changes.rib().attributes(id).len()), Ok(0));
    drop(changes);
    assert_eq!(writer.begin().rib().memory().attribute_sets, 0);
}

#[test]
fn a_set_that_no_route_took_is_freed_and_cannot_be_used() {
    let (_, mut writer) = SharedRib::new(Limits::default());
    let peer = writer.add_peer().unwrap();
    let attributes = writer.begin().intern(b"x").unwrap();
    let mut changes = writer.begin();
    assert_eq!(changes.rib().memory().attribute_sets, 0);
    let route = Route { peer, path_id: 0, attributes, label: NO_LABEL };
    assert_eq!(changes.announce(UNICAST, prefix("10.0.0.0/8"), route), Err(Refused::UnknownAttributes));
    assert_eq!(changes.rib().memory().prefixes, 0);
}

#[test]
fn a_number_that_is_used_again_has_another_serial_number() {
    let (_, mut writer) = SharedRib::new(Limits::default());
    let mut changes = writer.begin();
    let first = changes.intern(b"x").unwrap();
    let first = changes.rib().attributes_key(first);
    drop(changes);
    drop(writer.begin());
    let mut changes = writer.begin();
    let second = changes.intern(b"y").unwrap();
    let second = changes.rib().attributes_key(second);
    assert_eq!(first.id, second.id);
    assert_ne!(first.serial, second.serial);
}

/// Prefixes of 128 bits that part in each place where they can need many nodes.
fn deep(number: u32) -> Prefix {
    let bits = (0..21).fold(0_u128, |bits, level| bits | u128::from(number >> level & 1) << (125 - 6 * level));
    Prefix::new(IpAddr::V6(Ipv6Addr::from_bits(bits)), 128).unwrap()
}

#[test]
fn deep_prefixes_take_bounded_memory_that_is_given_back() {
    let (_, mut writer) = SharedRib::new(Limits::default());
    let peer = writer.add_peer().unwrap();
    let table = TableKey::Unicast(Family::V6);
    let count = 1 << 14;
    let mut changes = writer.begin();
    let attributes = changes.intern(b"x").unwrap();
    for number in 0..count {
        let number = (number * 0x61) & ((1 << 21) - 1);
        changes.announce(table, deep(number), Route { peer, path_id: 0, attributes, label: NO_LABEL }).unwrap();
    }
    let memory = changes.rib().memory();
    assert_eq!(memory.prefixes, count as usize);
    assert!(memory.tables / memory.prefixes <= 2 * 100 + 16, "{memory:?}");
    for number in 0..count {
        let number = (number * 0x61) & ((1 << 21) - 1);
        assert!(changes.withdraw(table, deep(number), peer, 0).is_some());
    }
    assert_eq!(changes.rib().memory().tables, 0);
}

#[test]
fn a_table_with_one_route_is_small() {
    let (_, mut writer) = SharedRib::new(Limits::default());
    let peer = writer.add_peer().unwrap();
    let mut changes = writer.begin();
    let count = 1000;
    for vpn in 0..count {
        let table = TableKey::Vpn(Family::V6, RouteDistinguisher([0, 0, 0, 1, 0, 0, (vpn >> 8) as u8, vpn as u8]));
        announce(&mut changes, table, "2001:db8::/32", peer, 0, b"x");
    }
    let memory = changes.rib().memory();
    assert_eq!((memory.table_count, memory.prefixes), (count, count));
    assert!(memory.tables / count < 500, "{memory:?}");
}

#[test]
fn the_writer_gets_on_though_there_is_always_a_reader() {
    let (shared, mut writer) = SharedRib::new(Limits::default());
    let peer = writer.add_peer().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                // One guard is held until the next one.
                let mut guard = shared.read();
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(guard);
                    guard = shared.read();
                    std::hint::black_box(guard.memory());
                }
            });
        }
        for number in 0..200_u8 {
            announce(&mut writer.begin(), UNICAST, &format!("10.0.{number}.0/24"), peer, 0, b"x");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(shared.read().routes_of_peer(peer), 200);
}

#[test]
fn readers_see_whole_routes_while_the_writer_works() {
    let (shared, mut writer) = SharedRib::new(Limits::default());
    let peer = writer.add_peer().unwrap();
    announce(&mut writer.begin(), UNICAST, "0.0.0.0/0", peer, 0, b"0.0.0.0/0");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while seen < 10 {
                let rib = shared.read();
                let address = IpAddr::V4(Ipv4Addr::new(10, 0, 7, 1));
                let found = rib.table(UNICAST).unwrap().longest(address, |_| true).unwrap();
                let text = found.prefix(address).unwrap().to_string();
                assert_eq!(rib.attributes(found.route.attributes), text.as_bytes());
                seen += usize::from(found.length == 24);
            }
        });
        while !reader.is_finished() {
            for third in 0..=255 {
                let text = format!("10.0.{third}.0/24");
                announce(&mut writer.begin(), UNICAST, &text, peer, 0, text.as_bytes());
            }
            let mut changes = writer.begin();
            for third in 0..=255 {
                changes.withdraw(UNICAST, prefix(&format!("10.0.{third}.0/24")), peer, 0).unwrap();
            }
        }
    });
}
