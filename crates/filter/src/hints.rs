//! Conditions that each matching flow fulfils, derived from the text of an expression.
//!
//! Only certain conditions are derived. The expression must be terms joined by `and`, made of words and values that are
//! known here: any other word may negate a term (`not`), introduce an alternative (`or`), or change the layers of the following terms
//! (`mpls`, `pppoes`, future keywords of libpcap), and then nothing is derived. Terms such as `src net
//! 10.0.0.0/8`, `dst host 192.0.2.1`, `tcp`, `ip proto 47`, `udp dst port 53`, `vlan 10` yield hints. Other terms are left to the
//! program, which decides in any case.

use std::net::IpAddr;
use std::str::FromStr;
use wire::Prefix;

/// A condition. Addresses are in the form of rows (see [`flow::address`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The first `len` of the source address's 128 bits equal these.
    SrcNet {
        /// The bits.
        octets: [u8; 16],
        /// Their number.
        len: u8,
    },
    /// The first `len` of the destination address's 128 bits equal these.
    DstNet {
        /// The bits.
        octets: [u8; 16],
        /// Their number.
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

/// Keywords that do not change layers or negate terms.
const WORDS: &[&str] =
    &["and", "&&", "src", "dst", "host", "net", "port", "portrange", "proto", "ip", "ip6", "vlan"];

/// Protocols with keywords.
const PROTOCOLS: &[(&str, u8)] =
    &[("tcp", 6), ("udp", 17), ("icmp", 1), ("icmp6", 58), ("sctp", 132), ("igmp", 2)];

/// The conditions that are certain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certain {
    pub(crate) hints: Vec<Hint>,
    /// If set, every term is understood: the expression depends only on tags, labels, the protocol and these.
    pub(crate) inspected: Option<Inspected>,
}

/// The parts of a flow that an expression depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inspected {
    pub(crate) src_host: bool,
    pub(crate) dst_host: bool,
    pub(crate) src_port: bool,
    pub(crate) dst_port: bool,
}

/// Derives the conditions of an expression.
pub(crate) fn read(text: &str) -> Certain {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let known = |word: &&str| WORDS.contains(word) || protocol(word).is_some() || is_value(word);
    // After a second tag, ids are no longer those of the flow.
    let tags = words.iter().filter(|word| **word == "vlan").count();
    if tags > 1 || !words.iter().all(known) {
        return Certain::default();
    }
    let mut certain = Certain { hints: Vec::new(), inspected: Some(Inspected::default()) };
    words.split(|word| ["and", "&&"].contains(word)).for_each(|words| certain.term(words));
    certain
}

/// The number of a protocol with a keyword; as a value, the keyword follows a backslash.
fn protocol(word: &str) -> Option<u8> {
    let name = word.strip_prefix('\\').unwrap_or(word);
    PROTOCOLS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// A number that libpcap and Rust read alike: with a leading zero, libpcap reads octal.
fn number<T: FromStr>(word: &str) -> Option<T> {
    let decimal = word == "0" || !word.starts_with('0') && word.bytes().all(|octet| octet.is_ascii_digit());
    word.parse().ok().filter(|_| decimal)
}

/// An address, a network, a number, a range of ports.
fn is_value(word: &str) -> bool {
    let is_number = |word: &str| number::<u32>(word).is_some();
    let (first, last) = word.split_once(['/', '-']).unwrap_or((word, "0"));
    (is_number(first) || first.parse::<IpAddr>().is_ok()) && is_number(last)
}

impl Certain {
    fn term(&mut self, words: &[&str]) {
        let before = self.hints.len();
        match *words {
            [word] => self.hints.extend(protocol(word).filter(|_| !word.starts_with('\\')).map(Hint::Proto)),
            ["vlan", id] => self.hints.extend(number(id).filter(|id| (1..4096).contains(id)).map(Hint::Vlan)),
            ["proto", which] | ["ip" | "ip6", "proto", which] => {
                self.hints.extend(number(which).or_else(|| protocol(which)).map(Hint::Proto));
            }
            ["ip" | "ip6", ref rest @ ..] => self.end(rest),
            [word @ ("tcp" | "udp" | "sctp"), ref rest @ ..] => {
                let of_ports =
                    matches!(*rest, ["src" | "dst", "port" | "portrange", _] | ["port" | "portrange", _]);
                if of_ports {
                    self.hints.extend(protocol(word).map(Hint::Proto));
                    // Ports of either end are no hint, and the term is left to the program.
                    if rest.len() < 3 {
                        self.inspected = None;
                    }
                    self.end(rest);
                }
            }
            ref rest => self.end(rest),
        }
        if self.hints.len() == before {
            self.inspected = None;
        }
    }

    /// `src net A/L` and similar terms.
    fn end(&mut self, words: &[&str]) {
        let hint = end(words);
        if let Some(inspected) = &mut self.inspected {
            match hint {
                Some(Hint::SrcNet { .. }) => inspected.src_host = true,
                Some(Hint::DstNet { .. }) => inspected.dst_host = true,
                Some(Hint::SrcPort(_)) => inspected.src_port = true,
                Some(Hint::DstPort(_)) => inspected.dst_port = true,
                _ => self.inspected = None,
            }
        }
        self.hints.extend(hint);
    }
}

/// The hint in the words from `src` or `dst` on.
fn end(words: &[&str]) -> Option<Hint> {
    let [side, ref rest @ ..] = *words else { return None };
    let is_source = match side {
        "src" => true,
        "dst" => false,
        _ => return None,
    };
    match *rest {
        ["port", port] => {
            let port = number(port)?;
            Some(if is_source { Hint::SrcPort(port) } else { Hint::DstPort(port) })
        }
        ["host", address] | [address] => net(is_source, address.parse().ok()?, None),
        ["net", network] => {
            // libpcap reads a length that begins with 0 as an octal number.
            let (_, length) = network.split_once('/')?;
            number::<u8>(length)?;
            let network: Prefix = network.parse().ok()?;
            net(is_source, network.address(), Some(network.length()))
        }
        _ => None,
    }
}

fn net(is_source: bool, address: IpAddr, len: Option<u8>) -> Option<Hint> {
    // The packet of a flow without this address has the zero address, and rows store `::` in another form.
    if address.is_unspecified() {
        return None;
    }
    let (octets, len) = match address {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), 96 + len.unwrap_or(32).min(32)),
        IpAddr::V6(v6) => (v6.octets(), len.unwrap_or(128).min(128)),
    };
    Some(if is_source { Hint::SrcNet { octets, len } } else { Hint::DstNet { octets, len } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn hints(text: &str) -> Vec<Hint> {
        read(text).hints
    }

    fn v4(address: [u8; 4]) -> [u8; 16] {
        Ipv4Addr::from(address).to_ipv6_mapped().octets()
    }

    #[test]
    fn certain_terms_yield_hints() {
        assert_eq!(
            hints("src net 10.0.0.0/8 and tcp dst port 80"),
            [Hint::SrcNet { octets: v4([10, 0, 0, 0]), len: 104 }, Hint::Proto(6), Hint::DstPort(80)]
        );
        assert_eq!(
            hints("vlan 10 && ip proto 47 and dst host 192.0.2.1"),
            [Hint::Vlan(10), Hint::Proto(47), Hint::DstNet { octets: v4([192, 0, 2, 1]), len: 128 }]
        );
        assert_eq!(hints("udp port 53 and src 192.0.2.1").len(), 2);
        assert_eq!(hints("ip6 src 2001:db8::1").len(), 1);
        assert_eq!(hints(r"ip proto \udp and sctp portrange 5-9"), [Hint::Proto(17), Hint::Proto(132)]);
        assert_eq!(hints("proto 6 and src and dst port 0"), [Hint::Proto(6), Hint::DstPort(0)]);
    }

    #[test]
    fn uncertain_expressions_yield_no_hints() {
        for text in [
            "",
            "ip",
            "tcp or udp",
            "tcp||udp and icmp",
            "not tcp",
            "!tcp and tcp",
            "tcp and (src port 1 or src port 2)",
            "host 10.0.0.1",
            "src net 10",
            "src net 0.0.0.0/0",
            "src net 0.0.0.0/8",
            "src host 0.0.0.0",
            "dst net ::/64",
            "src or dst port 80",
            "tcp[tcpflags] & tcp-syn != 0",
            "mpls 5 and tcp",
            "vlan 5 and vlan 6",
            "vxlan 5 and tcp",
            "ether src 02:00:00:00:00:01",
            "src host example.net",
            "src host 192.0.2.1 and 192.0.2.2 or tcp",
            // Octal, hexadecimal.
            "vlan 010",
            "src port 010",
            "ip proto 0x11",
            // Names of hosts.
            "TCP",
            "Src port 5",
        ] {
            assert_eq!(hints(text), [], "{text}");
        }
    }
}
