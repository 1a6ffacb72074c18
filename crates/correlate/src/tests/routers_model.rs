//! Random sessions, peers and routes of BMP: the look-up agrees with its definition, a search through everything.

use super::world::{Collector, Flow, World, ip, spec};
use crate::routers::{Monitored, Preference, RouterId};
use crate::spec::{Search, Spec};
use bmp::peer::RibType;
use proptest::prelude::*;
use rib::{PeerId, TableKey};
use std::net::{IpAddr, Ipv4Addr};
use wire::{Family, Prefix, RouteDistinguisher};

#[derive(Clone, Debug)]
enum Event {
    /// A session from this address.
    Router(usize),
    RouterLeft(prop::sample::Index),
    Rib {
        router: prop::sample::Index,
        address: usize,
        kind: usize,
        vpn: u8,
    },
    RibDown(prop::sample::Index),
    Route {
        rib: prop::sample::Index,
        prefix: Prefix,
        labelled: bool,
        asn: u32,
    },
}

/// Routers and peers have these addresses.
const ADDRESSES: [&str; 5] = ["127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4", "2001:db8::5"];

fn event() -> impl Strategy<Value = Event> {
    let index = any::<prop::sample::Index>;
    let length = prop_oneof![Just(0u8), 1..=4u8, Just(32)];
    let prefix = (0..8u32, length).prop_map(|(bits, length)| {
        let address = if length == 32 { bits << 28 | 1 } else { bits << 28 };
        Prefix::new(Ipv4Addr::from_bits(address).into(), length).unwrap()
    });
    prop_oneof![
        2 => (0..5usize).prop_map(Event::Router),
        1 => index().prop_map(Event::RouterLeft),
        4 => (index(), 0..5usize, 0..5usize, 0..3u8)
            .prop_map(|(router, address, kind, vpn)| Event::Rib { router, address, kind, vpn }),
        1 => index().prop_map(Event::RibDown),
        16 => (index(), prefix, any::<bool>(), 1..1000u32)
            .prop_map(|(rib, prefix, labelled, asn)| Event::Route { rib, prefix, labelled, asn }),
    ]
}

fn distinguisher(vpn: u8) -> RouteDistinguisher {
    RouteDistinguisher([0, 0, 0, 0, 0, 0, 0, vpn])
}

/// What is left of everything, in the order of its announcement.
#[derive(Default)]
struct Model {
    /// By slot.
    routers: Vec<Option<(RouterId, IpAddr)>>,
    ribs: Vec<(RouterId, Monitored)>,
    routes: Vec<(PeerId, Prefix, bool, u32)>,
}

impl Model {
    fn remove_rib(&mut self, id: PeerId) {
        self.ribs.retain(|(_, rib)| rib.id != id);
        self.routes.retain(|(of, ..)| *of != id);
    }

    fn apply(&mut self, world: &mut World, event: &Event) {
        let routers: Vec<_> = self.routers.iter().flatten().map(|(id, _)| *id).collect();
        match event {
            Event::Router(address) => {
                let address = ip(ADDRESSES[*address]);
                let id = world.reported.add_router((address, 50000).into());
                match self.routers.iter_mut().find(|slot| slot.is_none()) {
                    Some(free) => *free = Some((id, address)),
                    None => self.routers.push(Some((id, address))),
                }
            }
            Event::RouterLeft(index) if !routers.is_empty() => {
                let left = *index.get(&routers);
                world.reported.remove_router(left);
                let ribs: Vec<_> = self.ribs.iter().filter(|(of, _)| *of == left).map(|(_, rib)| rib.id).collect();
                for id in ribs {
                    world.reporter.remove_peer(id);
                    self.remove_rib(id);
                }
                let slot = self.routers.iter_mut().find(|slot| slot.is_some_and(|(id, _)| id == left));
                *slot.unwrap() = None;
            }
            Event::Rib { router, address, kind, vpn } if !routers.is_empty() => {
                let router = *router.get(&routers);
                let mut new = None;
                world.rib_with(router, |rib| {
                    let (address, kind) = (ip(ADDRESSES[*address]), RibType::ALL[*kind]);
                    *new.insert(Monitored { address, kind, distinguisher: distinguisher(*vpn), ..rib })
                });
                self.ribs.push((router, new.unwrap()));
            }
            Event::RibDown(index) if !self.ribs.is_empty() => {
                let id = index.get(&self.ribs).1.id;
                world.reported.remove_rib(id);
                world.reporter.remove_peer(id);
                self.remove_rib(id);
            }
            Event::Route { rib, prefix, labelled, asn } if !self.ribs.is_empty() => {
                let id = rib.get(&self.ribs).1.id;
                let table = match labelled {
                    true => TableKey::Labelled(Family::V4),
                    false => TableKey::Unicast(Family::V4),
                };
                world.report_in(table, id, 0, &prefix.to_string(), &format!("path {asn}"));
                match self.routes.iter_mut().find(|(i, p, l, _)| (i, p, l) == (&id, prefix, labelled)) {
                    Some((.., old)) => *old = *asn,
                    None => self.routes.push((id, *prefix, *labelled, *asn)),
                }
            }
            _ => {}
        }
    }

    /// The RIBs that an exporter meets.
    fn ribs_of(&self, exporter: IpAddr) -> Vec<&Monitored> {
        let routers = || self.routers.iter().flatten();
        if let Some((id, _)) = routers().find(|(_, session)| *session == exporter) {
            return self.ribs.iter().filter(|(of, _)| of == id).map(|(_, rib)| rib).collect();
        }
        let of = |id: RouterId| -> Vec<_> {
            let all = self.ribs.iter().filter(|(of, rib)| *of == id && rib.address == exporter);
            all.map(|(_, rib)| rib).collect()
        };
        routers().map(|(id, _)| of(*id)).find(|ribs| !ribs.is_empty()).unwrap_or_default()
    }

    fn find(&self, exporter: IpAddr, order: &[RibType], vpn: u8, address: IpAddr) -> Option<(u32, u8)> {
        let all = self.ribs_of(exporter);
        let ranks: Vec<Vec<RibType>> = match order {
            [] => vec![RibType::ALL.to_vec()],
            order => order.iter().map(|kind| vec![*kind]).collect(),
        };
        ranks.iter().find_map(|kinds| {
            [false, true].into_iter().find_map(|wanted| {
                let counts = |id: &PeerId| {
                    all.iter().any(|rib| {
                        rib.id == *id
                            && kinds.contains(&rib.kind)
                            && (vpn == 0 || rib.distinguisher == distinguisher(vpn))
                    })
                };
                let fits = |(id, prefix, labelled, _): &&(PeerId, Prefix, bool, u32)| {
                    *labelled == wanted && prefix.contains(address) && counts(id)
                };
                let longest = self.routes.iter().filter(fits).map(|route| route.1.length()).max()?;
                let mut found = self.routes.iter().filter(fits).filter(|route| route.1.length() == longest);
                let route = if longest == 32 { found.next_back() } else { found.next() }?;
                Some((route.3, longest))
            })
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 256 }))]

    #[test]
    fn the_look_up_agrees_with_a_search_through_everything(
        events in prop::collection::vec(event(), 0..80),
        order in prop::sample::subsequence(&RibType::ALL[..], 0..=5).prop_shuffle(),
        flows in prop::collection::vec((0..5usize, 0..8u32, 0..8u32, any::<bool>(), 0..3u8), 1..50),
    ) {
        let mut world = World::new();
        let mut model = Model::default();
        let search = Search { preference: Preference::new(order.iter().copied()), ..spec().search };
        let mut collector = Collector::new(&world, Spec { search, ..spec() });
        let held = world.reported.routers();
        for (number, event) in events.iter().enumerate() {
            // Half of the changes are made in a copy, as while a batch uses the routers.
            let _held = (number % 2 == 0).then(|| world.reported.routers());
            model.apply(&mut world, event);
        }
        prop_assert!(held.is_empty());
        prop_assert_eq!(world.reported.routers().len(), model.routers.iter().flatten().count());
        let host = |bits: u32, host: bool| Ipv4Addr::from_bits(bits << 28 | if host { 1 } else { 2 });
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        for (exporter, src, dst, is_host, vpn) in &flows {
            let (src, dst) = (host(*src, *is_host), host(*dst, *is_host));
            let flow = Flow::new(leak(src.to_string()), leak(dst.to_string()));
            let flow = Flow { distinguisher: distinguisher(*vpn), ..flow };
            let seen = collector.one(ADDRESSES[*exporter], flow.clone());
            let of = |address: Ipv4Addr| {
                let found = model.find(ip(ADDRESSES[*exporter]), &order, *vpn, address.into());
                found.map_or("0 0".to_owned(), |(asn, length)| format!("{asn} {length}"))
            };
            prop_assert_eq!(seen.all("src_as src_mask"), of(src), "{:?}", flow);
            prop_assert_eq!(seen.all("dst_as dst_mask"), of(dst), "{:?}", flow);
        }
    }
}
