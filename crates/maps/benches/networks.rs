//! Loads a `networks_file` and looks addresses up in it: `cargo bench -p maps`. `NETWORKS_FILE=PATH cargo bench -p maps` uses that file.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use config::Diagnostics;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use maps::networks_file::{Families, Networks};
use std::hint::black_box;

/// Networks of the generated file.
const NETWORKS: u32 = 1_000_000;
/// Addresses that are looked up.
const ADDRESSES: u64 = 65_536;

/// Networks of 16 to 24 bits, evenly distributed, with 60,000 AS numbers; one in six is IPv6 and 24 bits longer.
fn text() -> Vec<u8> {
    if let Ok(path) = std::env::var("NETWORKS_FILE") {
        return std::fs::read(path).expect("NETWORKS_FILE can be read");
    }
    let mut text = String::new();
    for n in 0..NETWORKS {
        let network = std::net::Ipv4Addr::from(n.wrapping_mul(0x9e37_79b1));
        let len = 24 - n % 9 * u32::from(n % 3 == 0);
        let asn = 64_512 + n % 60_000;
        if n % 6 == 0 {
            let network = std::net::Ipv6Addr::from(u128::from(u32::from(network) >> 1 | 1 << 29) << 96);
            text.push_str(&format!("{asn},{network}/{}\n", len + 24));
        } else {
            text.push_str(&format!("{asn},{network}/{len}\n"));
        }
    }
    text.into_bytes()
}

fn benches(c: &mut Criterion) {
    let text = text();
    let mut problems = Diagnostics::new();
    let networks = Networks::parse("networks", &text, &mut problems);
    println!("{} networks, {} bytes each", networks.len(), networks.size() / networks.len().max(1));
    let mut group = c.benchmark_group("networks");
    group.sample_size(10);
    group.bench_function("load", |b| b.iter(|| Networks::parse("networks", &text, &mut Diagnostics::new())));
    group.throughput(Throughput::Elements(ADDRESSES));
    let random = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32;
    let v4 = |address: u32| std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets();
    // The generated IPv6 networks begin with 32 random bits, so half of these addresses are inside one.
    let v6 = |address: u32| (u128::from(address >> 1 | 1 << 29) << 96 | 1).to_be_bytes();
    for (name, addresses) in [
        ("anywhere", (0..ADDRESSES).map(|n| v4(random(n))).collect::<Vec<_>>()),
        ("near", (0..ADDRESSES).map(|n| v4(0x0a00_0000 + n as u32 % 50_000)).collect()),
        ("ipv6", (0..ADDRESSES).map(|n| v6(random(n))).collect()),
    ] {
        group.bench_function(format!("one by one/{name}"), |b| {
            // Each lookup depends on the one before, as for lookups with other work between them.
            let nothing = black_box(0);
            b.iter(|| {
                addresses.iter().fold(0, |before, address| {
                    let mut address = *address;
                    address[15] ^= (before & nothing) as u8;
                    networks.lookup(&address).map_or(0, |network| network.asn())
                })
            });
        });
        group.bench_function(format!("together/{name}"), |b| {
            let (mut found, mut families) = (vec![None; addresses.len()], Families::default());
            b.iter(|| networks.lookup_many(black_box(&addresses), black_box(&mut found), &mut families));
        });
    }
    group.finish();
}

criterion_group!(networks_benches, benches);
criterion_main!(networks_benches);
