//! Advice for common errors in expressions.

use std::net::IpAddr;
use wire::Prefix;

/// Names of map keys that are written into expressions by mistake, and their equivalents there.
const MAP_KEYS: &[(&str, &str)] = &[
    ("src_net", "src net"),
    ("dst_net", "dst net"),
    ("src_host", "src host"),
    ("dst_host", "dst host"),
    ("src_port", "src port"),
    ("dst_port", "dst port"),
    ("ip_proto", "ip proto"),
    ("src_mac", "ether src"),
    ("dst_mac", "ether dst"),
];

/// Names of protocols, which need a backslash after `proto`.
const PROTOCOLS: &[&str] = &["tcp", "udp", "icmp", "icmp6", "igmp", "sctp", "pim", "vrrp", "ah", "esp"];

/// Returns advice; `message` is the error of libpcap.
pub(crate) fn of(text: &str, message: &str) -> Option<String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if message.starts_with("non-network bits") {
        let network = words.iter().find_map(|word| network_of(word))?;
        return Some(format!("the network is {network}"));
    }
    if message.starts_with("Mask syntax") {
        let network = words.iter().find(|word| word.contains('/'))?;
        return Some(format!("write 'net' before a network: net {network}"));
    }
    if !message.contains("syntax error") {
        return None;
    }
    if text.starts_with(['\'', '"']) {
        return Some("remove the quotes around it".to_owned());
    }
    let (open, close) = (text.matches('(').count(), text.matches(')').count());
    if open != close {
        return Some(format!("{open} parentheses are opened, but {close} closed"));
    }
    let starts = |name: &str| words.iter().any(|word| word.split(['=', '(', '!']).any(|part| part == name));
    if let Some((_, right)) = MAP_KEYS.iter().find(|(name, _)| starts(name)) {
        return Some(format!("use '{right}', without '='"));
    }
    let pairs = || words.iter().zip(words.get(1..).unwrap_or_default());
    if let Some((_, name)) = pairs().find(|(word, name)| **word == "proto" && PROTOCOLS.contains(name)) {
        return Some(format!("use '{name}' alone, or 'proto \\{name}'"));
    }
    if text.contains(',') {
        return Some("use 'and' or 'or' between conditions, not a comma".to_owned());
    }
    let upper = words.iter().find(|word| {
        let lower = word.to_ascii_lowercase();
        **word != lower && (PROTOCOLS.contains(&lower.as_str()) || KEYWORDS.contains(&lower.as_str()))
    });
    upper.map(|word| format!("write '{}' in lower case", word.to_ascii_lowercase()))
}

/// Keywords that are often written in upper case.
const KEYWORDS: &[&str] =
    &["and", "or", "not", "src", "dst", "host", "net", "port", "ip", "ip6", "vlan", "mpls", "proto"];

/// The network of an address with a prefix length, if the address is not its first.
fn network_of(word: &str) -> Option<String> {
    let word = word.trim_matches(['(', ')', '!']);
    let (address, _) = word.split_once('/')?;
    let (address, network): (IpAddr, Prefix) = (address.parse().ok()?, word.parse().ok()?);
    (network.address() != address).then(|| network.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_errors_yield_advice() {
        let syntax = "can't parse filter expression: syntax error";
        for (text, message, right) in [
            ("tcp and (src net 10.0.0.1/8)", "non-network bits set in", "the network is 10.0.0.0/8"),
            ("net 10.0.0.0/8 or net 2001:db8::1/32", "non-network bits set in", "the network is 2001:db8::/32"),
            ("src 10.0.0.0/8", "Mask syntax for networks only", "write 'net' before a network: net 10.0.0.0/8"),
            ("'tcp'", syntax, "remove the quotes around it"),
            ("tcp and (udp", syntax, "1 parentheses are opened, but 0 closed"),
            ("src_net=10.0.0.0/8", syntax, "use 'src net', without '='"),
            ("ip proto tcp", syntax, "use 'tcp' alone, or 'proto \\tcp'"),
            ("tcp, udp", syntax, "use 'and' or 'or' between conditions, not a comma"),
            ("TCP", syntax, "write 'tcp' in lower case"),
        ] {
            assert_eq!(of(text, message).as_deref(), Some(right), "{text}");
        }
        assert_eq!(of("tcp prot 80", syntax), None);
        assert_eq!(of("net 10.0.0.0/0", "non-network bits set in"), Some("the network is 0.0.0.0/0".to_owned()));
        assert_eq!(of("net ::1/200", "non-network bits set in"), None);
    }
}
