//! Vectors, properties, and other programs that read what is written.

use crate::attributes;
use crate::record::{MAX_RECORD, ReadError, Type};
use crate::rib::{From, Nlri, RibWriter};
use crate::*;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use wire::{Afi, Asn, Prefix, PrefixError, Safi, Truncated};

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn content(file: &[u8]) -> Result<String, MrtError> {
    let mut reader = Reader::new(file);
    let record = reader.next_record().unwrap().unwrap();
    let content = record.content()?;
    let Content::Rib(rib) = &content else { return Ok(format!("{content:?}")) };
    let entries: Result<Vec<Entry<'_>>, MrtError> = rib.entries().collect();
    Ok(format!("{} {}/{} {:?} {:?}", rib.sequence, rib.afi.0, rib.safi.0, rib.nlri, entries?))
}

/// ORIGIN IGP, AS_PATH 65001 65010 of four octets, NEXT_HOP 10.0.0.1.
const SET: &str = "40 01 01 00 40 02 0a 02 02 0000fde9 0000fdf2 40 03 04 0a000001";
/// The same with a next hop of IPv6: 2001:db8::1.
const SET_V6: &str = "40 01 01 00 40 02 0a 02 02 0000fde9 0000fdf2 40 03 10 20010db8000000000000000000000001 c0 20 0c 000000010000000200000003";

fn prefix(text: &str) -> Nlri<'static> {
    Nlri::Prefix(text.parse().unwrap())
}

fn index() -> PeerIndex {
    PeerIndex {
        collector: Ipv4Addr::new(10, 255, 0, 1),
        view: "main".to_owned(),
        peers: vec![
            Peer { bgp_id: Ipv4Addr::new(10, 0, 1, 1), address: [192, 0, 2, 1].into(), asn: Asn(65_001) },
            Peer {
                bgp_id: Ipv4Addr::new(10, 0, 1, 2),
                address: "2001:db8::9".parse().unwrap(),
                asn: Asn(4_200_000_001),
            },
        ],
    }
}

fn rib(out: &mut Vec<u8>, nlri: Nlri<'_>, afi: Afi, safi: Safi, ids: &[Option<u32>], set: &[u8]) {
    let has_path_ids = ids.iter().any(Option::is_some);
    let writer = RibWriter { time: Time::from_seconds(1_700_000_000), sequence: 7, afi, safi, nlri, has_path_ids };
    let entries = |entries: &mut rib::EntryWriter<'_>| {
        ids.iter().zip(0..).try_for_each(|(id, peer)| {
            entries.entry(peer, 1_699_999_999, *id, |out| attributes::from_set(out, set, afi, safi))
        })
    };
    writer.write(out, entries).unwrap();
}

#[test]
fn a_prefix_is_written_as_rfc_6396_says() {
    let mut out = Vec::new();
    rib(&mut out, prefix("192.0.2.0/24"), Afi::IPV4, Safi::UNICAST, &[None], &octets(SET));
    let expected = octets(
        "6553f100 000d 0002 0000002a \
         00000007 18 c00002 0001  0000 6553f0ff 0018  40010100 40020a02020000fde90000fdf2 4003040a000001",
    );
    assert_eq!(out, expected);
    // Path identifiers have subtypes of their own (RFC 8050).
    out.clear();
    rib(&mut out, prefix("192.0.2.0/24"), Afi::IPV4, Safi::UNICAST, &[Some(3)], &octets(SET));
    let expected = octets(
        "6553f100 000d 0008 0000002e \
         00000007 18 c00002 0001  0000 6553f0ff 00000003 0018  40010100 40020a02020000fde90000fdf2 4003040a000001",
    );
    assert_eq!(out, expected);
}

#[test]
fn next_hops_of_other_families_are_an_abbreviated_mp_reach_nlri() {
    let mut out = Vec::new();
    let set = octets(SET_V6);
    attributes::from_set(&mut out, &set, Afi::IPV6, Safi::UNICAST);
    let expected = octets(
        "40010100 40020a02020000fde90000fdf2 800e11 10 20010db8000000000000000000000001 c0200c 000000010000000200000003",
    );
    assert_eq!(out, expected);
    // VPN: each address follows a route distinguisher of zero.
    out.clear();
    attributes::from_set(&mut out, &octets("40 03 04 0a000001"), Afi::IPV4, Safi::MPLS_VPN);
    assert_eq!(out, octets("80 0e 0d 0c 0000000000000000 0a000001"));
    // An IPv4 route with a next hop of IPv6 (RFC 8950), and a family without next hop.
    out.clear();
    attributes::from_set(&mut out, &set, Afi::IPV4, Safi::UNICAST);
    assert_eq!(out, expected);
    out.clear();
    attributes::from_set(&mut out, &octets("40010100"), Afi::IPV4, Safi::FLOWSPEC);
    assert_eq!(out, octets("40010100"));
}

#[test]
fn a_table_entry_becomes_an_update() {
    let nlri = octets("18 c00002");
    let mut update = Vec::new();
    attributes::to_update(&mut update, &octets(SET), Afi::IPV4, Safi::UNICAST, &nlri).unwrap();
    assert_eq!(update, octets(&format!("0000 0018 {SET} 18c00002")));
    // Both forms of MP_REACH_NLRI.
    let nlri = octets("20 20010db8");
    let expected = octets("0000 001e 40010100  900e 0016  0002 01 0c 0102030405060708090a0b0c 00 2020010db8");
    for reach in ["800e0d 0c 0102030405060708090a0b0c", "800e16 0002 01 0c 0102030405060708090a0b0c 00 2020010db8"]
    {
        let set = octets(&format!("40010100 {reach} 800f03 000201"));
        update.clear();
        attributes::to_update(&mut update, &set, Afi::IPV6, Safi::UNICAST, &nlri).unwrap();
        assert_eq!(update, expected, "{reach}");
    }
    let cut = attributes::to_update(&mut update, &octets("40 01 02 00"), Afi::IPV4, Safi::UNICAST, &nlri);
    assert_eq!(cut, Err(MrtError::Truncated(Truncated { at: 3, wanted: 2, left: 1 })));
    let long = vec![0xff; 65_530];
    let long = attributes::to_update(&mut update, &octets(SET_V6), Afi::IPV6, Safi::FLOWSPEC, &long);
    assert!(matches!(long, Err(MrtError::TooLong(_))));
    assert_eq!(update, expected, "nothing is appended");
}

#[test]
fn damaged_records_are_errors_with_their_offset() {
    let read = |kind: u16, subtype: u16, body: &str| {
        let mut file = Vec::new();
        record::write(&mut file, Time::default(), Type(kind), subtype, |out| {
            out.extend_from_slice(&octets(body));
            Ok(())
        })
        .unwrap();
        content(&file)
    };
    let truncated = |at, wanted, left| Err(MrtError::Truncated(Truncated { at, wanted, left }));
    // PEER_INDEX_TABLE: a view and a peer that are cut, and a count without peers.
    assert_eq!(read(13, 1, "0a000001 0004 61"), truncated(6, 4, 1));
    assert_eq!(read(13, 1, "0a000001 0000 0001 01 0a000002 2001"), truncated(13, 16, 2));
    assert_eq!(read(13, 1, "0a000001 0000 ffff"), truncated(8, 1, 0));
    // A prefix that is too long; an entry that is cut after another one.
    assert_eq!(read(13, 2, "00000000 21 0102030405 0000"), Err(MrtError::Prefix(PrefixError::Length(32))));
    assert_eq!(read(13, 2, "00000000 00 0002  0000 00000000 0000  0001 00"), truncated(17, 4, 1));
    assert_eq!(read(13, 2, "00000000 00 0001  0000 00000000 0003 0102"), truncated(15, 3, 2));
    // RIB_GENERIC of a family whose NLRI have no known length.
    assert_eq!(read(13, 6, "00000000 0001 09 0000"), Err(MrtError::Nlri(1, 9)));
    // Addresses of neither family.
    assert_eq!(read(16, 4, "00000001 00000002 0000 0003 00"), Err(MrtError::Family(3)));
    assert_eq!(read(12, 3, "0000"), Err(MrtError::Family(3)));
    // Types and subtypes that are not decoded.
    for (kind, subtype) in [(13, 7), (13, 13), (16, 2), (16, 12), (11, 0), (32, 0)] {
        assert_eq!(read(kind, subtype, "00").as_deref(), Ok("Other"), "{kind} {subtype}");
    }
}

#[test]
fn a_table_dump_of_the_first_version_is_read() {
    let body = "0000 0005 c0000200 18 01 6553f0ff 0a000101 fde9 0007 40010100 400300";
    let mut file = Vec::new();
    record::write(&mut file, Time::from_seconds(9), Type::TABLE_DUMP, 1, |out| {
        out.extend_from_slice(&octets(body));
        Ok(())
    })
    .unwrap();
    let mut reader = Reader::new(file.as_slice());
    let Content::Rib(rib) = reader.next_record().unwrap().unwrap().content().unwrap() else { panic!() };
    assert_eq!((rib.sequence, rib.nlri, rib.asn_octets), (5, prefix("192.0.2.0/24"), 2));
    let peer = Peer { bgp_id: Ipv4Addr::UNSPECIFIED, address: [10, 0, 1, 1].into(), asn: Asn(65_001) };
    let attributes = octets("40010100 400300");
    let entry =
        Entry { peer: From::Peer(peer), originated: 1_699_999_999, path_id: None, attributes: &attributes };
    assert_eq!(rib.entries().collect::<Vec<_>>(), [Ok(entry)]);
}

#[test]
fn a_damaged_file_ends_with_one_error() {
    let read = |file: &[u8]| {
        let mut reader = Reader::new(file);
        let mut count = 0;
        loop {
            match reader.next_record() {
                Ok(Some(_)) => count += 1,
                Ok(None) => return (count, None),
                Err(error) => {
                    assert!(matches!(reader.next_record(), Ok(None)));
                    return (count, Some(error));
                }
            }
        }
    };
    let mut file = Vec::new();
    index().write(&mut file, Time::default()).unwrap();
    assert!(matches!(read(&file), (1, None)));
    let whole = file.clone();
    file.extend_from_slice(&octets("00000000 000d 0001"));
    file.extend_from_slice(&(MAX_RECORD + 1).to_be_bytes());
    assert!(matches!(read(&file), (1, Some(ReadError::Length(_)))));
    // A record with microseconds cannot be shorter than these.
    let short = [whole.as_slice(), &octets("00000000 0011 0001 00000003 000000")].concat();
    assert!(matches!(read(&short), (1, Some(ReadError::Length(3)))));
    for cut in 1..whole.len() {
        assert!(matches!(read(&whole[..cut]), (0, Some(ReadError::Truncated))), "{cut}");
    }
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn session() -> Session {
    Session {
        peer_asn: Asn(65_001),
        local_asn: Asn(64_512),
        interface: 0,
        peer: [192, 0, 2, 1].into(),
        local: [192, 0, 2, 2].into(),
    }
}

/// An UPDATE message with its header.
fn update(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap().to_be_bytes();
    [&[0xff; 16], length.as_slice(), &[2], body].concat()
}

/// Skipped where bgpdump is not installed, unless PMACCT_TEST_BGPDUMP is set.
#[test]
fn bgpdump_reads_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut file = Vec::new();
    index().write(&mut file, Time::from_seconds(1_700_000_000)).unwrap();
    rib(&mut file, prefix("192.0.2.0/24"), Afi::IPV4, Safi::UNICAST, &[None, None], &octets(SET));
    rib(&mut file, prefix("2001:db8::/32"), Afi::IPV6, Safi::UNICAST, &[None], &octets(SET_V6));
    rib(&mut file, prefix("198.51.100.0/24"), Afi::IPV4, Safi::UNICAST, &[Some(9)], &octets(SET));
    let time = Time::from_micros(1_700_000_001_000_005);
    let mut body = Vec::new();
    attributes::to_update(&mut body, &octets(SET), Afi::IPV4, Safi::UNICAST, &octets("18c00002")).unwrap();
    let octets = update(&body);
    let message = Message { octets: &octets, is_local: false, asn4: true, has_path_ids: false };
    session().write_message(&mut file, time, &message).unwrap();
    session().write_state_change(&mut file, time, StateChange { old: 6, new: 1 }).unwrap();
    std::fs::write(&path, &file).unwrap();
    let Some(text) = run("bgpdump", &["-m", "-v", path.to_str().unwrap()]) else {
        assert!(std::env::var_os("PMACCT_TEST_BGPDUMP").is_none(), "bgpdump is not installed");
        return;
    };
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "TABLE_DUMP2|1700000000|B|192.0.2.1|65001|192.0.2.0/24|65001 65010|IGP|10.0.0.1|0|0||NAG||",
        "TABLE_DUMP2|1700000000|B|2001:db8::9|4200000001|192.0.2.0/24|65001 65010|IGP|10.0.0.1|0|0||NAG||",
        "TABLE_DUMP2|1700000000|B|192.0.2.1|65001|2001:db8::/32|65001 65010|IGP|2001:db8::1|0|0||NAG||",
        "TABLE_DUMP2_AP|1700000000|B|192.0.2.1|65001|198.51.100.0/24|9|65001 65010|IGP|10.0.0.1|0|0||NAG||",
        "BGP4MP_ET|1700000001.000005|A|192.0.2.1|65001|192.0.2.0/24|65001 65010|IGP|10.0.0.1|0|0||NAG||",
        "BGP4MP_ET|1700000001.000005|STATE|192.0.2.1|65001|6|1",
    ];
    assert_eq!(lines, expected);
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(bits.to_be_bytes())),
        any::<[u8; 16]>().prop_map(IpAddr::from)
    ]
}

prop_compose! {
    fn any_peer()(id: u32, address in any_address(), asn: u32) -> Peer {
        Peer { bgp_id: Ipv4Addr::from(id), address, asn: Asn(asn) }
    }
}

fn any_prefix() -> impl Strategy<Value = Prefix> {
    (any_address(), 0u8..=128).prop_map(|(address, length)| {
        let width = if address.is_ipv4() { 32 } else { 128 };
        Prefix::new(address, length.min(width)).unwrap_or_default()
    })
}

proptest! {
    #[test]
    fn peers_read_back(id: u32, view in ".{0,20}", peers in prop::collection::vec(any_peer(), 0..20)) {
        let index = PeerIndex { collector: Ipv4Addr::from(id), view, peers };
        let mut file = Vec::new();
        index.write(&mut file, Time::from_seconds(5)).unwrap();
        prop_assert_eq!(content(&file), Ok(format!("{:?}", Content::PeerIndex(index))));
    }

    #[test]
    fn routes_read_back_and_a_cut_record_gives_the_whole_routes_before_the_cut(
        prefix in any_prefix(),
        multicast: bool,
        has_path_ids: bool,
        routes in prop::collection::vec((any::<u16>(), any::<u32>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..300)), 0..6),
        cut: prop::sample::Index,
    ) {
        let (afi, safi) = (prefix.family().afi(), if multicast { Safi::MULTICAST } else { Safi::UNICAST });
        let nlri = Nlri::Prefix(prefix);
        let writer = RibWriter { time: Time::default(), sequence: 1, afi, safi, nlri, has_path_ids };
        let mut file = Vec::new();
        let mut ends = Vec::new();
        writer.write(&mut file, |entries| {
            routes.iter().try_for_each(|(peer, time, id, attributes)| {
                entries.entry(*peer, *time, Some(*id), |out| {
                    out.extend_from_slice(attributes);
                    ends.push(out.len() - 12);
                })
            })
        }).unwrap();
        let expected: Vec<Entry<'_>> = routes.iter().map(|(peer, time, id, attributes)| Entry {
            peer: From::Index(*peer), originated: *time, path_id: has_path_ids.then_some(*id), attributes,
        }).collect();
        let mut reader = Reader::new(file.as_slice());
        let record = reader.next_record().unwrap().unwrap();
        let Content::Rib(rib) = record.content().unwrap() else { panic!() };
        prop_assert_eq!((rib.afi, rib.safi, rib.nlri), (afi, safi, nlri));
        prop_assert_eq!(rib.entries().collect::<Result<Vec<_>, _>>().unwrap(), expected.clone());
        let cut = cut.index(record.body.len() + 1);
        let part = Record { body: &record.body[..cut], ..record };
        let whole = ends.iter().filter(|end| **end <= cut).count();
        match part.content() {
            Ok(Content::Rib(rib)) => {
                let read: Vec<_> = rib.entries().collect();
                let good: Vec<_> = read.iter().flatten().copied().collect();
                prop_assert_eq!(good.as_slice(), &expected[..whole]);
                prop_assert!(read.len() - good.len() <= 1);
            }
            Ok(_) => prop_assert!(false),
            Err(_) => prop_assert_eq!(whole, 0),
        }
    }

    #[test]
    fn messages_and_states_read_back(
        peers in (any_address(), any_address()), asns: (u32, u32), interface: u16,
        octets in prop::collection::vec(any::<u8>(), 0..200), flags: (bool, bool, bool), states: (u16, u16), micros in 0u64..4_000_000_000_000_000,
    ) {
        let (is_local, asn4, has_path_ids) = flags;
        let message = Message { octets: &octets, is_local, asn4, has_path_ids };
        let mask = if asn4 { u32::MAX } else { 0xffff };
        let session = Session {
            peer_asn: Asn(asns.0 & mask), local_asn: Asn(asns.1 & mask), interface, peer: peers.0, local: peers.1,
        };
        let change = StateChange { old: states.0, new: states.1 };
        let time = Time::from_micros(micros);
        let mut file = Vec::new();
        session.write_message(&mut file, time, &message).unwrap();
        session.write_state_change(&mut file, time, change).unwrap();
        let mixed = peers.0.is_ipv4() != peers.1.is_ipv4();
        let mut reader = Reader::new(file.as_slice());
        let canonical = |session: Session| Session {
            peer: if mixed { session.peer.to_canonical() } else { session.peer },
            local: if mixed { session.local.to_canonical() } else { session.local },
            ..session
        };
        let expected = canonical(session);
        let record = reader.next_record().unwrap().unwrap();
        prop_assert_eq!(record.time, time);
        let Content::Message(read, got) = record.content().unwrap() else { panic!() };
        prop_assert_eq!((canonical(read), got), (expected, message));
        let Content::StateChange(read, got) = reader.next_record().unwrap().unwrap().content().unwrap() else { panic!() };
        prop_assert_eq!((canonical(read), got), (expected, change));
    }

    #[test]
    fn nlri_of_all_families_have_their_length(safi in prop::sample::select(vec![4u8, 5, 65, 70, 71, 72, 73, 128, 129, 132, 133, 134]), body in prop::collection::vec(any::<u8>(), 0..255), behind: u8) {
        let length = u8::try_from(body.len()).unwrap();
        let nlri = match safi {
            5 | 70 => [&[1, length], body.as_slice()].concat(),
            65 => [&[0, length], body.as_slice()].concat(),
            71 | 72 => [&[0, 1, 0, length], body.as_slice()].concat(),
            133 | 134 if length < 240 => [&[length], body.as_slice()].concat(),
            133 | 134 => [&[0xf0, length], body.as_slice()].concat(),
            _ => [&[length.min(31) * 8], &body[..usize::from(length.min(31))]].concat(),
        };
        let (afi, safi) = (Afi::IPV4, Safi(safi));
        let writer = RibWriter { time: Time::default(), sequence: 0, afi, safi, nlri: Nlri::Other(&nlri), has_path_ids: false };
        let mut file = Vec::new();
        writer.write(&mut file, |entries| entries.entry(u16::from(behind), 0, None, |_| ())).unwrap();
        let entry = Entry { peer: From::Index(behind.into()), originated: 0, path_id: None, attributes: &[] };
        let expected = format!("0 1/{} {:?} {:?}", safi.0, Nlri::Other(&nlri), [entry]);
        prop_assert_eq!(content(&file), Ok(expected));
    }

    #[test]
    fn any_octets_are_records_or_an_error(kind in prop::sample::select(vec![12u16, 13, 16, 17]), subtype in 0u16..14, body in prop::collection::vec(any::<u8>(), 0..100)) {
        let record = Record { time: Time::default(), kind: Type(kind), subtype, body: &body };
        if let Ok(Content::Rib(rib)) = record.content() {
            let mut update = Vec::new();
            for entry in rib.entries().flatten() {
                _ = attributes::to_update(&mut update, entry.attributes, rib.afi, rib.safi, &[]);
                attributes::from_set(&mut update, entry.attributes, rib.afi, rib.safi);
            }
        }
        _ = attributes::to_update(&mut Vec::new(), &body, Afi::IPV6, Safi::UNICAST, &body);
    }

    #[test]
    fn a_set_survives_the_table(attributes in prop::collection::btree_map(prop::sample::select(vec![1u8, 2, 4, 5, 8, 16, 32, 40]), prop::collection::vec(any::<u8>(), 0..9), 0..8), next_hop in prop::sample::select(vec![4usize, 16, 32])) {
        let mut set = Vec::new();
        let mut codes: Vec<(u8, Vec<u8>)> = attributes.into_iter().collect();
        codes.push((3, vec![7; next_hop]));
        codes.sort();
        for (code, value) in &codes {
            set.extend_from_slice(&[0x40, *code, u8::try_from(value.len()).unwrap()]);
            set.extend_from_slice(value);
        }
        let mut table = Vec::new();
        attributes::from_set(&mut table, &set, Afi::IPV6, Safi::UNICAST);
        let mut update = Vec::new();
        attributes::to_update(&mut update, &table, Afi::IPV6, Safi::UNICAST, &[0]).unwrap();
        // The update contains each attribute, and the next hop in MP_REACH_NLRI.
        let all = attributes::iter(&update[4..]).collect::<Result<Vec<_>, _>>().unwrap();
        for (code, value) in codes {
            match code {
                3 => {
                    let reach = all.iter().find(|attribute| attribute.code == 14).unwrap().value;
                    prop_assert_eq!(&reach[4..4 + next_hop], value.as_slice());
                }
                code => prop_assert!(all.iter().any(|attribute| attribute.code == code && attribute.value == value)),
            }
        }
    }
}
