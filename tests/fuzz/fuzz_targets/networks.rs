//! `networks_file` and `ports_file`: lookups equal a linear search for the longest matching row.
#![no_main]

use config::Diagnostics;
use libfuzzer_sys::fuzz_target;
use maps::networks_file::{Network, Networks, RouteAttributes};
use maps::ports_file::Ports;
use std::net::IpAddr;

/// Every row is compared with every address, so both have a limit.
const MAX_ROWS: usize = 64;
const MAX_ADDRESSES: usize = 96;

/// Diagnostics of a file beside those of its lines.
const GENERAL: usize = 4;

/// An address in the format of rows.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) if v6.is_unspecified() => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0],
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Arbitrary addresses, and those in the text with their neighbours and with one bit changed.
fn addresses(input: &[u8], text: &str) -> Vec<[u8; 16]> {
    let mut all: Vec<[u8; 16]> =
        input.chunks_exact(16).take(8).filter_map(|chunk| chunk.try_into().ok()).collect();
    all.extend([[0; 16], [0xff; 16]]);
    for (number, word) in text.split([',', '/', '\n', ' ', '\t']).enumerate() {
        let Ok(address) = word.parse::<IpAddr>() else { continue };
        let bits = u128::from_be_bytes(octets(address));
        let other = bits ^ 1 << (number % 32) ^ 1 << (127 - number % 64);
        let near = bits ^ 1 << (number % 32);
        all.extend([bits, bits.wrapping_add(1), bits.wrapping_sub(1), near, other].map(u128::to_be_bytes));
        if all.len() >= MAX_ADDRESSES {
            break;
        }
    }
    all
}

fn check(problems: &Diagnostics, lines: usize) {
    assert!(problems.iter().count() <= lines + GENERAL);
    for problem in problems.iter() {
        assert!(problem.origin.line.is_none_or(|line| line as usize <= lines), "{problem}");
        assert!(!problem.to_string().contains(char::is_control), "{problem}");
    }
}

fuzz_target!(|input: &[u8]| {
    let lines: Vec<&[u8]> = input.split(|octet| *octet == b'\n').take(MAX_ROWS).collect();
    let input = lines.join(&b'\n');
    let text = String::from_utf8_lossy(&input);

    let mut problems = Diagnostics::new();
    let networks = Networks::parse("fuzz.lst", &input, &mut problems);
    check(&problems, lines.len());
    let rows: Vec<Networks> =
        lines.iter().map(|line| Networks::parse("row", line, &mut Diagnostics::new())).collect();
    assert!(networks.len() <= rows.iter().map(Networks::len).sum());
    let addresses = addresses(&input, &text);
    let mut together = vec![None; addresses.len()];
    networks.lookup_many(&addresses, &mut together, &mut Default::default());
    let known =
        |networks: &Networks, network: Network| (network.length(), network.asn(), networks.attributes(network));
    for (address, together) in addresses.iter().zip(together) {
        let mut wanted: Option<(u8, u32, RouteAttributes)> = None;
        for (row, network) in rows.iter().filter_map(|row| Some((row, row.lookup(address)?))) {
            if wanted.is_none_or(|(len, ..)| len < network.length()) {
                wanted = Some(known(row, network));
            }
        }
        assert_eq!(networks.lookup(address).map(|network| known(&networks, network)), wanted, "{address:?}");
        assert_eq!(together, networks.lookup(address), "{address:?}");
    }

    let mut problems = Diagnostics::new();
    let ports = Ports::parse("fuzz.lst", &text, &mut problems);
    check(&problems, text.lines().count());
    let lines: Vec<Ports> = text.lines().map(|line| Ports::parse("line", line, &mut Diagnostics::new())).collect();
    for port in (0..=u16::MAX).step_by(257).chain(text.split('\n').filter_map(|line| line.trim().parse().ok())) {
        assert_eq!(ports.has(port), lines.iter().any(|line| line.has(port)), "{port}");
    }
});
