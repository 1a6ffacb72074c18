use super::*;
use crate::Batch;
use std::net::SocketAddr;

/// A pcap file (microseconds, this machine's byte order) of Ethernet frames, one a second.
fn file(frames: &[Vec<u8>]) -> tempfile::NamedTempFile {
    let mut octets = Vec::new();
    for word in [0xa1b2_c3d4u32, 4 << 16 | 2, 0, 0, 65_535, 1] {
        octets.extend(word.to_ne_bytes());
    }
    for (second, frame) in (1_600_000_000u32..).zip(frames) {
        let len = u32::try_from(frame.len()).unwrap();
        for word in [second, 250_000, len, len] {
            octets.extend(word.to_ne_bytes());
        }
        octets.extend(frame);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), octets).unwrap();
    file
}

fn ethernet(etype: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(etype.to_be_bytes());
    frame.extend(packet);
    frame.resize(frame.len().max(60), 0xee); // Padding, as on the wire.
    frame
}

/// IPv4 from 192.0.2.1; `offset` in units of 8 octets with the flag "more" (0x2000).
fn ipv4(protocol: u8, id: u16, offset: u16, carried: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend(u16::try_from(20 + carried.len()).unwrap().to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(offset.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9]);
    packet.extend(carried);
    ethernet(0x0800, &packet)
}

/// IPv6 from 2001:db8::1, with whatever headers `carried` begins with.
fn ipv6(next: u8, carried: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(carried.len()).unwrap().to_be_bytes());
    packet.extend([next, 64]);
    for last in [1, 2] {
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(carried);
    ethernet(0x86dd, &packet)
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x13, 0x88, 0x08, 0x34]; // 5000 to 2100
    datagram.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0x13, 0x88, 0x08, 0x34, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
    segment.extend(payload);
    segment
}

fn settings(file: &tempfile::NamedTempFile) -> Settings {
    Settings { path: file.path().to_owned(), ..Settings::default() }
}

fn all(payloads: &mut Payloads) -> Vec<(String, Vec<u8>, bool)> {
    let mut batch = Batch::new();
    let mut got = Vec::new();
    while payloads.fill(&mut batch).unwrap() == Filled::Some {
        got.extend(batch.iter().map(|d| (d.source.to_string(), d.payload.to_vec(), d.truncated)));
    }
    got
}

fn four(payload: &[u8]) -> (String, Vec<u8>, bool) {
    ("192.0.2.1:5000".to_owned(), payload.to_vec(), false)
}

#[test]
fn frames_have_their_time_and_length() {
    let frame = ipv4(17, 1, 0, &udp(b"x"));
    let file = file(std::slice::from_ref(&frame));
    let mut source = Source::open(&settings(&file)).unwrap();
    let got = source.next_frame().unwrap().unwrap();
    let time_us = 1_600_000_000_250_000;
    assert_eq!(got, Frame { link: LinkType::ETHERNET, time_us, wire_len: 60, octets: &frame });
    assert!(matches!(source.next_frame(), Ok(None)));
    assert!(matches!(source.next_frame(), Ok(None)));
}

#[test]
fn padding_is_removed_for_both_families() {
    let frames = [
        ipv4(17, 1, 0, &udp(b"one")),
        ipv6(17, &udp(b"two")),
        ethernet(0x0806, &[0; 28]),
        ipv4(17, 2, 0, &udp(b"")),
    ];
    let file = file(&frames);
    let mut payloads = Payloads::open(&settings(&file)).unwrap();
    let six = ("[2001:db8::1]:5000".to_owned(), b"two".to_vec(), false);
    assert_eq!(all(&mut payloads), [four(b"one"), six, four(b"")]);
    assert_eq!(payloads.counters(), Counters { frames: 4, payloads: 3, truncated: 0, ..Counters::default() });
}

#[test]
fn single_payloads_have_destination_and_time() {
    let file = file(&[ipv4(17, 1, 0, &udp(b"one"))]);
    let mut payloads = Payloads::open(&settings(&file)).unwrap();
    let got = payloads.next_with(|p| (p.destination, p.time_us)).unwrap();
    assert_eq!(got, Some((SocketAddr::from(([192, 0, 2, 9], 2100)), 1_600_000_000_250_000)));
    assert_eq!(payloads.next_with(|p| p.time_us).unwrap(), None);
}

#[test]
fn streams_are_passed_on_between_datagrams_if_requested() {
    let last = {
        let mut last = tcp(b"end");
        last[7] = 12;
        last
    };
    let file = file(&[
        ipv4(6, 1, 0, &tcp(b"")),
        ipv4(6, 1, 0, &tcp(b"message")),
        ipv4(17, 1, 0, &udp(b"one")),
        // Four octets before it are missing.
        ipv4(6, 1, 0, &last),
    ]);
    assert_eq!(all(&mut Payloads::open(&settings(&file)).unwrap()), [four(b"one")]);
    let mut payloads = Payloads::open(&Settings { replay: 2, ..settings(&file) }).unwrap();
    for _ in 0..2 {
        let (mut batch, mut got) = (Batch::new(), Vec::new());
        let mut fill = |batch: &mut Batch| {
            payloads.fill_with_streams(batch, |id, event| {
                got.push(match event {
                    StreamEvent::Data(data) => format!("{} {}", id.source, String::from_utf8_lossy(data)),
                    event => format!("{event:?}"),
                });
            })
        };
        assert_eq!(fill(&mut batch).unwrap(), Filled::Some);
        assert_eq!(batch.iter().map(|datagram| datagram.payload).collect::<Vec<_>>(), [b"one"]);
        assert_eq!(fill(&mut batch).unwrap(), Filled::Ended);
        assert_eq!(
            got,
            ["Opened { from_start: false }", "192.0.2.1:5000 message", "Missing(4)", "192.0.2.1:5000 end"]
        );
        let _ = payloads.next_round().unwrap();
    }
}

#[test]
fn fragments_are_joined_in_any_order() {
    let payload: Vec<u8> = (0..200).collect();
    let whole = udp(&payload);
    let v6 = |offset: u8, more: u8, part: &[u8]| {
        let mut carried = vec![17, 0, 0, offset | more, 0, 0, 0, 9];
        carried.extend(part);
        // A destination options header before the fragment header.
        let mut packet = vec![44, 0, 1, 4, 0, 0, 0, 0];
        packet.extend(carried);
        ipv6(60, &packet)
    };
    let frames = [
        ipv4(17, 7, 10, &whole[80..]),
        v6(0, 1, &whole[..80]),
        ipv4(17, 8, 0x2000, &whole[..80]), // Never completed.
        ipv4(17, 7, 0x2000, &whole[..80]),
        v6(80, 0, &whole[80..]),
    ];
    let file = file(&frames);
    let mut payloads = Payloads::open(&settings(&file)).unwrap();
    let six = ("[2001:db8::1]:5000".to_owned(), payload.clone(), false);
    assert_eq!(all(&mut payloads), [four(&payload), six]);
    assert_eq!(payloads.counters().fragments_lost, 1);
}

#[test]
fn truncated_datagrams_are_marked() {
    let mut frame = ipv4(17, 1, 0, &udp(&[9; 100]));
    frame.truncate(14 + 20 + 8 + 60);
    let file = file(&[frame]);
    let mut payloads = Payloads::open(&settings(&file)).unwrap();
    assert_eq!(all(&mut payloads), [("192.0.2.1:5000".to_owned(), vec![9; 60], true)]);
    assert_eq!(payloads.counters().truncated, 1);
}

#[test]
fn a_file_is_read_as_often_as_configured() {
    let file = file(&vec![ipv4(17, 1, 0, &udp(b"x")); 70]);
    let mut payloads = Payloads::open(&Settings { replay: 3, ..settings(&file) }).unwrap();
    for _ in 0..2 {
        assert_eq!(all(&mut payloads).len(), 70);
        assert!(payloads.next_round().unwrap());
    }
    assert_eq!(all(&mut payloads).len(), 70);
    assert!(!payloads.next_round().unwrap());
    let mut for_ever = Payloads::open(&Settings { replay: 0, ..settings(&file) }).unwrap();
    assert!((0..20).all(|_| for_ever.next_round().unwrap()));
}

#[test]
fn a_damaged_file_yields_the_datagrams_before_the_damage() {
    let file = file(&vec![ipv4(17, 1, 0, &udp(b"x")); 3]);
    let mut octets = std::fs::read(file.path()).unwrap();
    octets.truncate(octets.len() - 1);
    std::fs::write(file.path(), octets).unwrap();
    let mut payloads = Payloads::open(&settings(&file)).unwrap();
    let mut batch = Batch::new();
    assert_eq!(payloads.fill(&mut batch).unwrap(), Filled::Some);
    assert_eq!(batch.len(), 2);
    let error = payloads.fill(&mut batch).unwrap_err();
    assert!(error.to_string().ends_with(": the file ends within a frame"), "{error}");
    assert_eq!(payloads.fill(&mut batch).unwrap(), Filled::Ended);
}

#[test]
fn rejects_other_files_with_their_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"aggregate: src_host\nplugins: print\n").unwrap();
    let error = Source::open(&settings(&file)).unwrap_err();
    assert_eq!(error.path, file.path());
    assert!(Source::open(&Settings { path: "/no/such/file".into(), ..Settings::default() }).is_err());
}

/// Blocks of a pcapng file in native byte order: a section, interfaces of these link types, and for each frame its
/// interface.
fn pcapng(links: &[u16], frames: &[(u32, Vec<u8>)]) -> tempfile::NamedTempFile {
    fn block(octets: &mut Vec<u8>, kind: u32, body: &[u8]) {
        let len = u32::try_from(12 + body.len().next_multiple_of(4)).unwrap();
        octets.extend(kind.to_ne_bytes());
        octets.extend(len.to_ne_bytes());
        octets.extend(body);
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets.extend(len.to_ne_bytes());
    }
    let mut octets = Vec::new();
    let version = [1u16.to_ne_bytes(), 0u16.to_ne_bytes()].concat();
    block(&mut octets, 0x0a0d_0d0a, &[&0x1a2b_3c4du32.to_ne_bytes()[..], &version, &[255; 8]].concat());
    for link in links {
        block(&mut octets, 1, &[&link.to_ne_bytes()[..], &[0; 6]].concat());
    }
    let time = 1_600_000_000_250_000u64;
    for (interface, frame) in frames {
        let len = u32::try_from(frame.len()).unwrap();
        let mut body = Vec::new();
        for word in [*interface, (time >> 32) as u32, time as u32, len, len] {
            body.extend(word.to_ne_bytes());
        }
        body.extend(frame);
        block(&mut octets, 6, &body);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), octets).unwrap();
    file
}

#[test]
fn one_file_may_have_several_link_types() {
    let frame = ipv4(17, 1, 0, &udp(b"one"));
    let file = pcapng(&[1, 101], &[(0, frame.clone()), (1, frame[14..].to_vec())]);
    let mut source = Source::open(&settings(&file)).unwrap();
    assert_eq!((source.link(), source.links()), (LinkType::ETHERNET, vec![LinkType::ETHERNET, LinkType::RAW_BSD]));
    let mut frames = crate::Frames::new();
    source.fill(&mut frames).unwrap();
    let got: Vec<_> = frames.iter().map(|f| (f.meta.link, f.meta.time_us, f.octets)).collect();
    let time_us = 1_600_000_000_250_000;
    assert_eq!(got, [(LinkType::ETHERNET, time_us, &frame[..]), (LinkType::RAW_BSD, time_us, &frame[14..])]);
    source.fill(&mut frames).unwrap();
    assert!(frames.is_empty());
    assert_eq!(all(&mut Payloads::open(&settings(&file)).unwrap()), [four(b"one"), four(b"one")]);
}

/// Filters are compiled for libpcap's number, which differs from that in the file.
#[test]
fn raw_ip_has_one_link_type_in_all_formats() {
    let classic = file(&[vec![0x45; 20]]);
    let mut octets = std::fs::read(classic.path()).unwrap();
    octets[20..24].copy_from_slice(&101u32.to_ne_bytes());
    std::fs::write(classic.path(), octets).unwrap();
    for file in [classic, pcapng(&[101], &[(0, vec![0x45; 20])])] {
        let mut source = Source::open(&settings(&file)).unwrap();
        assert_eq!(source.links(), [LinkType(12)]);
        assert_eq!(source.next_frame().unwrap().unwrap().link, LinkType(12));
    }
}

#[test]
fn a_batch_has_the_frames_before_the_damage() {
    let file = pcapng(&[1], &[(0, vec![1; 60]), (0, vec![2; 60]), (7, vec![3; 60])]);
    let mut source = Source::open(&settings(&file)).unwrap();
    let mut frames = crate::Frames::new();
    let error = source.fill(&mut frames).unwrap_err();
    assert!(error.to_string().ends_with(": damaged: a frame of interface 7, which is not described"), "{error}");
    assert_eq!(frames.len(), 2);
    source.fill(&mut frames).unwrap();
    assert!(frames.is_empty());
}

/// The format of libpcap 0.9's modified files: eight octets more before each frame.
#[cfg(feature = "pcap")]
#[test]
fn older_formats_are_read_with_libpcap() {
    let frame = ipv4(17, 1, 0, &udp(b"one"));
    let file = file(&[]);
    let mut octets = std::fs::read(file.path()).unwrap();
    octets[..4].copy_from_slice(&0xa1b2_cd34u32.to_ne_bytes());
    for word in [1_600_000_000u32, 250_000, frame.len() as u32, frame.len() as u32, 0, 0] {
        octets.extend(word.to_ne_bytes());
    }
    octets.extend(&frame);
    std::fs::write(file.path(), octets).unwrap();
    let mut source = Source::open(&settings(&file)).unwrap();
    let got = source.next_frame().unwrap().unwrap();
    let time_us = 1_600_000_000_250_000;
    assert_eq!(got, Frame { link: LinkType::ETHERNET, time_us, wire_len: 60, octets: &frame });
    assert!(source.next_frame().unwrap().is_none());
}
