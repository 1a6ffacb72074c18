//! Vectors as commented hexadecimal octets, and properties.

mod attributes;
mod canonical;
mod messages;
mod nlri;
mod properties;
mod resets;

use super::*;

/// Octets written as hexadecimal digits, with blanks anywhere.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A body with withdrawn routes, attributes and announced routes.
fn body(withdrawn: &str, attributes: &str, announced: &str) -> Vec<u8> {
    let (withdrawn, attributes) = (hex(withdrawn), hex(attributes));
    let mut body = (withdrawn.len() as u16).to_be_bytes().to_vec();
    body.extend(withdrawn);
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(hex(announced));
    body
}

/// An attribute whose flags and code are given, with its length.
fn attribute(flags_and_code: &str, value: &str) -> String {
    format!("{flags_and_code} {:02x} {value}", hex(value).len())
}

/// A session with AS numbers of four octets.
fn asn4() -> Session {
    Session { asn4: true, ..Session::default() }
}

fn asn2() -> Session {
    Session::default()
}

/// ORIGIN, AS_PATH 65001
const MANDATORY_MP: &str = "400101 00  400206 0201 0000fde9";
/// ORIGIN, AS_PATH 65001, NEXT_HOP 10.0.1.1
const MANDATORY: &str = "400101 00  400206 0201 0000fde9  400304 0a000101";
/// The same with an AS number of two octets.
const MANDATORY_2: &str = "400101 00  400204 0201 fde9  400304 0a000101";
/// 192.0.2.0/24
const ROUTE: &str = "18 c00002";
/// Where the attributes of a message without withdrawn routes begin, counted from its header.
const FIRST: usize = 19 + 4;

/// All of a message, as text: a line for each route, with `+` or `-`, or `!` if it is treated as withdrawn.
fn routes(update: &Update<'_>) -> Vec<String> {
    update
        .blocks()
        .flat_map(|block| {
            let sign = match (block.action, block.is_treated_as_withdraw) {
                (Action::Announce, _) => '+',
                (Action::Withdraw, false) => '-',
                (Action::Withdraw, true) => '!',
            };
            block.entries().map(move |Entry { path_id, nlri }| {
                let path = path_id.map(|id| format!("{id}: ")).unwrap_or_default();
                let labels = |labels: crate::nlri::Labels<'_>| {
                    format!("{:06x?}", labels.iter().map(|l| l.0).collect::<Vec<_>>())
                };
                let text = match nlri {
                    Nlri::Unicast(prefix) => prefix.to_string(),
                    Nlri::Labelled { labels: l, prefix } => format!("{} {prefix}", labels(l)),
                    Nlri::Vpn { rd, labels: l, prefix } => format!("{rd} {} {prefix}", labels(l)),
                    Nlri::Other(opaque) => format!("{:02x?}", opaque.as_bytes()),
                };
                format!("{sign}{path}{text}")
            })
        })
        .collect()
}

/// The routes of a good message.
fn good(body: &[u8], session: &Session) -> Vec<String> {
    let mut decoder = Decoder::new();
    let update = decoder.decode(body, session).unwrap();
    assert_eq!(update.faults, []);
    routes(&update)
}

/// The attributes of the announced routes of a good message.
fn attributes_of(attributes: &str, session: &Session) -> Vec<u8> {
    let mandatory = if session.asn4 { MANDATORY } else { MANDATORY_2 };
    let body = body("", &format!("{mandatory} {attributes}"), ROUTE);
    let mut decoder = Decoder::new();
    let update = decoder.decode(&body, session).unwrap();
    assert_eq!(update.faults, []);
    update.blocks().next().unwrap().attributes.as_bytes().to_vec()
}
