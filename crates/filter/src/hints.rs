//! Conditions that each matching flow fulfils, read from the text of an expression.
//!
//! Only what is beyond doubt is read: the expression must be terms with `and` between them, and of these only such as `src net
//! 10.0.0.0/8`, `dst host 192.0.2.1`, `tcp`, `ip proto 47`, `udp dst port 53`, `vlan 10` tell something. Anything else is left to
//! the program, which decides in any case.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A condition. Addresses are as rows keep them (see [`flow::address`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The first `len` of the source address's 128 bits are these.
    SrcNet {
        /// The bits.
        octets: [u8; 16],
        /// How many.
        len: u8,
    },
    /// The first `len` of the destination address's 128 bits are these.
    DstNet {
        /// The bits.
        octets: [u8; 16],
        /// How many.
        len: u8,
    },
    /// IP protocol.
    Proto(u8),
    /// Source port.
    SrcPort(u16),
    /// Destination port.
    DstPort(u16),
    /// VLAN id.
    Vlan(u16),
}

/// Protocols that have words of their own.
const PROTOCOLS: &[(&str, u8)] =
    &[("tcp", 6), ("udp", 17), ("icmp", 1), ("icmp6", 58), ("sctp", 132), ("igmp", 2)];

/// What is beyond doubt.
pub(crate) fn read(text: &str) -> Vec<Hint> {
    let lower = text.to_ascii_lowercase();
    // With these, terms do not simply add up, or layers move.
    if lower.contains(['(', ')', '[', ']', '|', '!', '<', '>', '=']) {
        return Vec::new();
    }
    let words: Vec<&str> = lower.split_ascii_whitespace().collect();
    if words.iter().any(|word| ["or", "not", "mpls", "pppoes", "pppoed", "geneve", "protochain"].contains(word)) {
        return Vec::new();
    }
    // Behind a second VLAN tag ids are no longer those of the flow.
    if words.iter().filter(|word| **word == "vlan").count() > 1 {
        return Vec::new();
    }
    words.split(|word| ["and", "&&"].contains(word)).flat_map(term).collect()
}

#[derive(Clone, Copy)]
enum End {
    Src,
    Dst,
}

fn term(words: &[&str]) -> Vec<Hint> {
    let protocol = |word: &str| PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number);
    match *words {
        [word] => protocol(word).map(Hint::Proto).into_iter().collect(),
        ["vlan", id] => id.parse().ok().filter(|id| *id > 0 && *id < 4096).map(Hint::Vlan).into_iter().collect(),
        ["ip" | "ip6", "proto", number] => number.parse().ok().map(Hint::Proto).into_iter().collect(),
        ["ip" | "ip6", ref rest @ ..] => end(rest).into_iter().collect(),
        [word @ ("tcp" | "udp" | "sctp"), ref rest @ ..] => {
            let port = end(rest).filter(|hint| matches!(hint, Hint::SrcPort(_) | Hint::DstPort(_)));
            match (port, rest) {
                (Some(port), _) => protocol(word).map(Hint::Proto).into_iter().chain([port]).collect(),
                // A port at either end.
                (None, ["port", _]) => protocol(word).map(Hint::Proto).into_iter().collect(),
                _ => Vec::new(),
            }
        }
        ref rest => end(rest).into_iter().collect(),
    }
}

/// `src net A/L` and its like.
fn end(words: &[&str]) -> Option<Hint> {
    let [side, ref rest @ ..] = *words else { return None };
    let side = match side {
        "src" => End::Src,
        "dst" => End::Dst,
        _ => return None,
    };
    match *rest {
        ["port", number] => {
            let port = number.parse().ok()?;
            Some(match side {
                End::Src => Hint::SrcPort(port),
                End::Dst => Hint::DstPort(port),
            })
        }
        ["host", address] | [address] if !address.contains('/') => net(side, address.parse().ok()?, None),
        ["net", network] => {
            let (address, len) = network.split_once('/')?;
            net(side, address.parse().ok()?, Some(len.parse().ok()?))
        }
        _ => None,
    }
}

fn net(side: End, address: IpAddr, len: Option<u8>) -> Option<Hint> {
    let (octets, len) = match address {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), 96 + len.unwrap_or(32).min(32)),
        IpAddr::V6(v6) => (v6.octets(), len.unwrap_or(128).min(128)),
    };
    // A network of length 0 is true of everything for libpcap, and rows keep `::` in another form.
    let open = len == 0 || len == 96 && address == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if open || address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return None;
    }
    Some(match side {
        End::Src => Hint::SrcNet { octets, len },
        End::Dst => Hint::DstNet { octets, len },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_are_beyond_doubt_tell_something() {
        let v4 = |a, b, c, d| Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().octets();
        assert_eq!(
            read("src net 10.0.0.0/8 and tcp dst port 80"),
            [Hint::SrcNet { octets: v4(10, 0, 0, 0), len: 104 }, Hint::Proto(6), Hint::DstPort(80)]
        );
        assert_eq!(
            read("vlan 10 && ip proto 47 and dst host 192.0.2.1"),
            [Hint::Vlan(10), Hint::Proto(47), Hint::DstNet { octets: v4(192, 0, 2, 1), len: 128 }]
        );
        assert_eq!(read("udp port 53"), [Hint::Proto(17)]);
        assert_eq!(read("ip6 src 2001:db8::1").len(), 1);
    }

    #[test]
    fn what_is_in_doubt_tells_nothing() {
        for text in [
            "",
            "ip",
            "tcp or udp",
            "not tcp",
            "tcp and (src port 1 or src port 2)",
            "host 10.0.0.1",
            "src net 10",
            "src net 0.0.0.0/0",
            "src or dst port 80",
            "tcp[tcpflags] & tcp-syn != 0",
            "mpls 5 and tcp",
            "vlan 5 and vlan 6",
            "ether src 02:00:00:00:00:01",
            "src host example.net",
        ] {
            assert_eq!(read(text), [], "{text}");
        }
    }
}
