//! Filters: any text is compiled or rejected in bounded time, any program terminates, and both match the same packets as libpcap.
#![no_main]

use filter::bpf::{Program, Raw};
use filter::{Filter, Synthetic};
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use libfuzzer_sys::fuzz_target;

/// libpcap's work grows at least with the square of the length, and host names are resolved.
const MAX_TEXT: usize = 256;

/// The words of filter expressions. Others would be host names.
const WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "src",
    "dst",
    "host",
    "net",
    "port",
    "portrange",
    "proto",
    "ip",
    "ip6",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "sctp",
    "igmp",
    "vlan",
    "mpls",
    "ether",
    "arp",
    "multicast",
    "broadcast",
    "len",
    "greater",
    "less",
    "protochain",
    "10.0.0.1",
    "10.0.0.0/8",
    "2001:db8::1",
    "2001:db8::/32",
    "0.0.0.0",
    "::",
    "::/64",
    "0",
    "1",
    "6",
    "8",
    "010",
    "0x10",
    "17",
    "44",
    "53",
    "80",
    "100",
    "50-90",
    "\\tcp",
    "\\udp",
    "(",
    ")",
    "[",
    "]",
    "&",
    "|",
    "=",
    "!=",
    ">",
    "<",
    "+",
    "*",
    "/",
    "%",
    ":",
    "&&",
    "||",
    "!",
    "tcpflags",
    "tcp-syn",
    "icmptype",
    "mask",
    "255.0.0.0",
    "pppoes",
    "geneve",
    "ether[0]",
    "ip[8]",
    "tcp[13]",
    "ip6[6]",
];

fn text(input: &[u8]) -> String {
    let mut text = String::new();
    for octet in input {
        let word = WORDS.get(usize::from(*octet) % WORDS.len()).copied().unwrap_or_default();
        if text.len() + word.len() >= MAX_TEXT {
            break;
        }
        text.push_str(word);
        text.push(' ');
    }
    text
}

fn any_program(input: &[u8], packet: &[u8]) {
    let raw: Vec<Raw> = input
        .chunks_exact(8)
        .filter_map(|octets| {
            let [a, b, jt, jf, k @ ..] = *octets.first_chunk::<8>()?;
            // Few opcodes are valid, and few offsets are inside a packet.
            let code = if b & 1 == 0 { u16::from(a) } else { u16::from_be_bytes([b, a]) };
            let k = u32::from_be_bytes(k);
            Some(Raw { code, jt, jf, k: if b & 2 == 0 { k % 128 } else { k } })
        })
        .collect();
    if let Ok(program) = Program::new(&raw) {
        program.matches(packet, packet.len() as u32);
    }
}

fn row_of(input: &[u8], filter: &Filter) {
    let mut fields = FieldSet::default();
    filter.require(&mut fields);
    let layout = Layout::new(&fields, &[]);
    let mut strings = Strings::default();
    strings.intern(input);
    let mut rows = Rows::new(&layout);
    let mut row = rows.push(&vec![0; layout.words()]);
    row.bytes().iter_mut().zip(input).for_each(|(to, octet)| *to = *octet);
    let Some(row) = rows.iter().next() else { return };
    let mut synthetic = Synthetic::new(&layout);
    let len = synthetic.frame(row).len();
    assert!((14..=162).contains(&len));
    filter.matches(synthetic.frame(row));
    let view = synthetic.view(row, &strings);
    assert!((14..=162).contains(&view.octets.len()));
    assert!(view.untagged.is_none_or(|untagged| untagged.len() + 4 == view.octets.len()));
}

fuzz_target!(|input: &[u8]| {
    let Some((count, input)) = input.split_first() else { return };
    let (words, packet) = input.split_at(usize::from(*count).min(input.len()));
    any_program(words, packet);

    let text = text(words);
    let compiled = Filter::compile(&text);
    let capture = pcap::Capture::dead(pcap::Linktype::ETHERNET).expect("a handle");
    let by_libpcap = capture.compile(&text, true);
    assert_eq!(compiled.is_ok(), by_libpcap.is_ok(), "{text}");
    let (filter, by_libpcap) = match (compiled, by_libpcap) {
        (Ok(filter), Ok(by_libpcap)) => (filter, by_libpcap),
        (Err(error), _) => return assert!(!error.to_string().is_empty()),
        _ => return,
    };
    assert_eq!(filter.matches(packet), by_libpcap.filter(packet), "{text}");
    row_of(packet, &filter);
});
