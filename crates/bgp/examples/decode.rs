//! Measures the UPDATE decoder: `cargo run --release -p bgp --example decode [seconds]`.
//!
//! Each message has eight attributes. The best round and the median are shown, as other work on the machine only adds to them.

#![allow(clippy::print_stdout, reason = "the output is the purpose")]

use bgp::attribute::{AttributeSetBuf, Origin};
use bgp::nlri::{Labels, Nlri};
use bgp::update::{Decoder, Encoder, Entry, Session};
use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use wire::{Afi, Asn, Community, ExtendedCommunity, Family, LargeCommunity, Prefix, RouteDistinguisher, Safi};

/// So many that a round is shorter than a time slice of the scheduler: the best round is then one without interruption.
const MESSAGES: usize = 2000;

/// Messages, and the number of their routes.
struct Load {
    name: &'static str,
    session: Session,
    bodies: Vec<Vec<u8>>,
    routes: usize,
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }
}

fn attributes(n: &mut Numbers, next_hop: IpAddr) -> AttributeSetBuf {
    let path: Vec<Asn> = (0..4).map(|_| Asn(1 + n.next() % 65_000)).collect();
    let communities: Vec<Community> = (0..6).map(|_| Community(n.next())).collect();
    let large = LargeCommunity { global: Asn(n.next()), local1: n.next(), local2: 1 };
    AttributeSetBuf::new()
        .origin(Origin::Igp)
        .as_path(&path)
        .next_hop(next_hop)
        .med(n.next())
        .local_pref(100)
        .communities(&communities)
        .extended_communities(&[ExtendedCommunity([0, 2, 0, 1, 0, 0, 0, 7])])
        .large_communities(&[large])
}

fn load(name: &'static str, session: Session, afi: Afi, safi: Safi, routes: u32) -> Load {
    let mut n = Numbers(7);
    let family = Family::of_afi(afi).unwrap_or_default();
    let next_hop: IpAddr = match family {
        Family::V4 => [10, 0, 0, 1].into(),
        Family::V6 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(),
    };
    let mut bodies = Vec::new();
    for _ in 0..MESSAGES {
        let attributes = attributes(&mut n, next_hop);
        let entries: Vec<Entry<'_>> = (0..routes)
            .map(|_| {
                let address: IpAddr = match family {
                    Family::V4 => n.next().to_be_bytes().into(),
                    Family::V6 => (0x2000u128 << 112 | u128::from(n.next()) << 80).to_be_bytes().into(),
                };
                let length = if family == Family::V4 { 20 + n.next() % 5 } else { 48 };
                let prefix = Prefix::new(address, length as u8).unwrap_or_default();
                let nlri = match safi {
                    Safi::MPLS_VPN => Nlri::Vpn {
                        rd: RouteDistinguisher([0, 0, 0, 1, 0, 0, 0, 1]),
                        labels: Labels::new(&[0, 0x10, 1]),
                        prefix,
                    },
                    _ => Nlri::Unicast(prefix),
                };
                Entry { path_id: Some(1), nlri }
            })
            .collect();
        let encoder = Encoder::new(&session);
        bodies.extend(encoder.announce(afi, safi, attributes.as_set(), entries).unwrap_or_default());
    }
    let routes = bodies.len() * routes as usize;
    Load { name, session, bodies, routes }
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    let asn4 = Session { asn4: true, ..Session::default() };
    let add_path = [(Afi::IPV4, Safi::UNICAST)].into_iter().collect();
    let loads = [
        load("IPv4, 5 routes", asn4.clone(), Afi::IPV4, Safi::UNICAST, 5),
        load("IPv4, 5 routes, 2-octet AS", Session::default(), Afi::IPV4, Safi::UNICAST, 5),
        load("IPv4, 5 routes, ADD-PATH", Session { add_path, ..asn4.clone() }, Afi::IPV4, Safi::UNICAST, 5),
        load("IPv4, 1 route", asn4.clone(), Afi::IPV4, Safi::UNICAST, 1),
        load("IPv4, 100 routes", asn4.clone(), Afi::IPV4, Safi::UNICAST, 100),
        load("IPv6, 5 routes", asn4.clone(), Afi::IPV6, Safi::UNICAST, 5),
        load("VPNv4, 5 routes", asn4, Afi::IPV4, Safi::MPLS_VPN, 5),
    ];
    println!("{:28} {:>10} {:>10} {:>10} {:>10}", "", "octets", "ns/update", "ns/route", "median");
    for Load { name, session, bodies, routes } in &loads {
        let mut decoder = Decoder::new();
        let mut rounds = Vec::new();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(seconds) {
            let round = Instant::now();
            let mut count = 0;
            for body in bodies {
                let Ok(update) = decoder.decode(black_box(body), session) else { return };
                for block in update.blocks() {
                    black_box(block.attributes);
                    for entry in block.entries() {
                        black_box(entry);
                        count += 1;
                    }
                }
            }
            assert_eq!(count, *routes, "all routes are there");
            rounds.push(round.elapsed());
        }
        rounds.sort_unstable();
        let (best, median) = (rounds[0], rounds[rounds.len() / 2]);
        let octets: usize = bodies.iter().map(Vec::len).sum();
        let per = |time: Duration, count: usize| time.as_nanos() as f64 / count as f64;
        println!(
            "{name:28} {:10.0} {:10.1} {:10.1} {:10.1}",
            octets as f64 / bodies.len() as f64,
            per(best, bodies.len()),
            per(best, *routes),
            per(median, *routes)
        );
    }
}
