//! The choice of one receiver of a pool for each datagram.
//!
//! | algorithm | the receiver follows from |
//! |---|---|
//! | `rr` | the order of datagrams: each receiver in turn |
//! | `hash-agent` | a hash of the exporter's address |
//! | `hash-crc32` | the CRC-32 of the octets of the exporter's address |
//! | `hash-tag` | the tag, modulo the number of receivers |
//! | `hash-exporter` | rendezvous hashing of the exporter's and the receivers' addresses |
//!
//! With the first three hashes, most exporters change their receiver when a receiver is added or removed. With rendezvous hashing
//! (Thaler and Ravishankar, 1998) only those of the removed receiver do, and a new receiver takes over an equal share of each other's.

use std::net::{IpAddr, SocketAddr};

/// How a pool chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// `rr`.
    RoundRobin,
    /// `hash-agent`.
    HashAgent,
    /// `hash-crc32`.
    HashCrc32,
    /// `hash-tag`.
    HashTag,
    /// `hash-exporter`.
    HashExporter,
}

impl Balance {
    /// All of them, with their words in the configuration.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("rr", Self::RoundRobin),
        ("hash-agent", Self::HashAgent),
        ("hash-crc32", Self::HashCrc32),
        ("hash-tag", Self::HashTag),
        ("hash-exporter", Self::HashExporter),
    ];

    /// Chooses one of `weights.len()` receivers. `weights` has a number for each receiver ([`weight`]); `turn` is the state of `rr`.
    #[inline]
    pub fn choose(self, weights: &[u64], exporter: IpAddr, tag: u64, turn: &mut usize) -> usize {
        let count = weights.len().max(1);
        let modulo = |number: u64| (number % count as u64) as usize;
        match self {
            Self::RoundRobin => {
                let chosen = *turn % count;
                *turn = chosen + 1;
                chosen
            }
            Self::HashAgent => modulo(hash(exporter)),
            Self::HashCrc32 => {
                let crc = match exporter {
                    IpAddr::V4(address) => crc32(&address.octets()),
                    IpAddr::V6(address) => crc32(&address.octets()),
                };
                // pmacct counts from the end.
                (count - modulo(crc.into())) % count
            }
            Self::HashTag => modulo(tag),
            Self::HashExporter => {
                let exporter = hash(exporter);
                let ranks = weights.iter().map(|weight| mix(exporter ^ weight)).enumerate();
                ranks.max_by_key(|(_, rank)| *rank).map_or(0, |(chosen, _)| chosen)
            }
        }
    }
}

/// The number by which a receiver takes part in rendezvous hashing. It depends on its address and port alone, so it is the same after
/// restarts and in other processes.
pub fn weight(receiver: SocketAddr) -> u64 {
    mix(hash(receiver.ip()).wrapping_add(u64::from(receiver.port())))
}

/// The same for a receiver with a name.
pub fn weight_of_name(name: &str) -> u64 {
    name.bytes().fold(0, |hash, octet| mix(hash ^ u64::from(octet)))
}

/// A hash of an address that does not depend on the process. IPv4 hashes as its mapped IPv6 address.
fn hash(address: IpAddr) -> u64 {
    let number = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    mix(mix((number >> 64) as u64) ^ number as u64)
}

/// The CRC-32 with the polynomial of ISO 3309, most significant bit first, with initial value 0 and without a final inversion. The
/// receivers that follow from it are those that pmacct chose for the addresses in the tests.
fn crc32(octets: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x04c1_1db7;
    let step = |crc: u32| crc << 1 ^ if crc >> 31 == 1 { POLYNOMIAL } else { 0 };
    octets.iter().fold(0, |crc, octet| (0..8).fold(crc ^ u32::from(*octet) << 24, |crc, _| step(crc)))
}

/// The finalizer of SplitMix64: each input bit changes half of the output bits.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(count: u8) -> Vec<u64> {
        (0..count).map(|last| weight(SocketAddr::from(([192, 0, 2, last], 2055)))).collect()
    }

    fn exporters() -> impl Iterator<Item = IpAddr> {
        (0u16..3000).map(|number| IpAddr::from([10, 1, (number >> 8) as u8, number as u8]))
    }

    fn chosen(balance: Balance, weights: &[u64]) -> Vec<usize> {
        let mut turn = 0;
        exporters().map(|exporter| balance.choose(weights, exporter, 7, &mut turn)).collect()
    }

    #[test]
    fn round_robin_takes_turns() {
        assert_eq!(chosen(Balance::RoundRobin, &weights(3))[..5], [0, 1, 2, 0, 1]);
    }

    #[test]
    fn crc32_of_the_address_is_taken_modulo_the_receivers() {
        let choose = |receivers, network, last| {
            let address = IpAddr::from([10, network, 0, last]);
            Balance::HashCrc32.choose(&weights(receivers), address, 0, &mut 0)
        };
        assert_eq!([1, 2, 3, 4, 5, 6].map(|last| choose(3, 77, last)), [0, 1, 2, 0, 1, 2]);
        assert_eq!([1, 2, 3, 4].map(|last| choose(2, 99, last)), [1, 0, 1, 0]);
    }

    #[test]
    fn a_tag_is_taken_modulo_the_receivers() {
        let mut turn = 0;
        let address = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(Balance::HashTag.choose(&weights(3), address, 3, &mut turn), 0);
        assert_eq!(Balance::HashTag.choose(&weights(3), address, 5, &mut turn), 2);
    }

    #[test]
    fn hashes_spread_exporters_evenly() {
        for balance in [Balance::HashAgent, Balance::HashCrc32, Balance::HashExporter] {
            for count in [2u8, 3, 7] {
                let chosen = chosen(balance, &weights(count));
                for receiver in 0..usize::from(count) {
                    let share = chosen.iter().filter(|chosen| **chosen == receiver).count();
                    let fair = chosen.len() / usize::from(count);
                    assert!(share.abs_diff(fair) < fair / 4, "{balance:?} {count} {share}");
                }
            }
        }
    }

    #[test]
    fn only_the_exporters_of_a_removed_receiver_move() {
        let all = weights(5);
        let before = chosen(Balance::HashExporter, &all);
        let left: Vec<u64> = all.iter().copied().filter(|weight| *weight != all[2]).collect();
        let after = chosen(Balance::HashExporter, &left);
        let mut moved = 0;
        for (before, after) in before.iter().zip(&after) {
            if *before == 2 {
                moved += 1;
            } else {
                assert_eq!(all[*before], left[*after]);
            }
        }
        assert!(moved > 400);
    }

    #[test]
    fn a_pool_without_receivers_does_not_panic() {
        for (_, balance) in Balance::WORDS {
            assert_eq!(balance.choose(&[], IpAddr::from([0; 16]), 9, &mut 5), 0);
        }
    }
}
