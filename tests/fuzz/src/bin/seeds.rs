//! Writes seeds for the targets: valid traffic, frames and configurations.

use netflow::encode::{Message, field, variable};
use netflow::template::{Kind, Template, VARIABLE};
use query::Request;
use rpki::Vrp;
use rpki::rtr::{Aspa, Pdu, Providers, Version};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::{fs, io};
use testkit::capture_file;
use testkit::traffic::{self, Flows, Stream};
use wire::{Afi, Asn, Writer};

const NOW: u32 = 1_700_000_000;
/// Bytes of a capture file before its first frame.
const PCAP_HEAD: usize = 24 + 16;

fn options() -> Vec<u8> {
    let template = |id, fields| Template::new(1, id, Kind::Options { scopes: 1 }, fields);
    let interfaces = template(400, vec![field(10, 4), field(82, VARIABLE)]);
    let samplers = template(401, vec![field(302, 2), field(305, 4), field(306, 4)]);
    Message::ipfix(1, 0, NOW)
        .templates(&[&interfaces, &samplers])
        .data(400, |w| {
            w.u32(7);
            variable(w, b"xe-0/0/7");
        })
        .data(401, |w| _ = w.u16(3).u32(1).u32(99))
        .withdraw(400, true)
        .finish()
}

fn write(folder: &Path, target: &str, name: &str, octets: &[u8]) -> io::Result<()> {
    let folder = folder.join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), octets)
}

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let ends: [SocketAddrV4; 2] =
        [([192, 0, 2, 1], 9), ([192, 0, 2, 2], 2055)].map(|(ip, port)| SocketAddrV4::new(ip.into(), port));
    for (name, version) in
        [("v5", traffic::Version::V5), ("v9", traffic::Version::V9), ("ipfix", traffic::Version::Ipfix)]
    {
        let flows: Vec<_> = Flows::new(1).take(12).collect();
        let mut datagrams = Stream::new(version, 1, NOW).datagrams(&flows);
        datagrams.push(options());
        let mut sequence = Vec::new();
        for (number, datagram) in datagrams.iter().enumerate() {
            let head = datagram.len() as u16 | (number as u16 % 2) << 15;
            sequence.extend(head.to_be_bytes());
            sequence.extend(datagram);
            write(&folder, "template", &format!("{name}-{number}"), datagram)?;
            let file = capture_file::pcap(NOW, &[(ends[0], ends[1], datagram)]);
            write(&folder, "packet", &format!("{name}-{number}"), &[&[1], &file[PCAP_HEAD..]].concat())?;
        }
        write(&folder, "netflow", name, &sequence)?;
    }
    let lines = "\0! seed\nplugins: print[p], memory[m]\naggregate[p]: src_host, dst_host, proto\n\
        print_output[p]: json\nprint_refresh_time[p]: 10\nprint_history[p]: 5m\nimt_path[m]: /tmp/m\nnfacctd_port: 2055\n";
    write(&folder, "config", "seed", lines.as_bytes())?;
    let mut request = Vec::new();
    Request::default().write(&mut request)?;
    write(&folder, "query", "seed", &request)?;
    for version in 0..=2 {
        write(&folder, "rtr", &format!("v{version}"), &rtr(version))?;
    }
    let roas = r#"{"metadata": {"vrps": 2}, "roas": [{"asn": 64496, "prefix": "192.0.2.0/24", "maxLength": 25, "expires": 1},
        {"asn": "AS64497", "prefix": "2001:db8::/32", "maxLength": 48, "ta": "t"}, {"asn": -1}, []]}"#;
    write(&folder, "roas", "seed", roas.as_bytes())
}

/// A full transfer, a notification, and changes, after the three octets that the target takes.
fn rtr(number: u8) -> Vec<u8> {
    let version = Version::of_number(number).unwrap_or(Version::V0);
    let session = 77;
    let vrp = |prefix: &str, max, asn| Vrp::new(prefix.parse().unwrap_or_default(), max, Asn(asn));
    let records = [vrp("192.0.2.0/24", 24, 64_496), vrp("2001:db8::/32", 48, 64_497)];
    let prefix = |announce| move |vrp: Vrp| Pdu::Prefix { announce, vrp };
    let mut pdus = vec![Pdu::CacheResponse { session }];
    pdus.extend(records.into_iter().flatten().map(prefix(true)));
    if version >= Version::V1 {
        pdus.push(Pdu::RouterKey { announce: true, identifier: [7; 20], asn: Asn(64_496), key: &[1, 2, 3] });
    }
    if version >= Version::V2 {
        let providers = Providers::new(&[0, 0, 0, 1, 0, 0, 0, 2]);
        let aspa = Aspa { announce: true, family: None, customer: Asn(64_496), providers };
        pdus.push(Pdu::Aspa(aspa));
        pdus.push(Pdu::Aspa(Aspa { family: Some(Afi::IPV4), ..aspa }));
    }
    pdus.push(Pdu::EndOfData { session, serial: 5, intervals: None });
    pdus.push(Pdu::SerialNotify { session, serial: 6 });
    pdus.push(Pdu::CacheResponse { session });
    pdus.extend(records.into_iter().flatten().take(1).map(prefix(false)));
    pdus.push(Pdu::EndOfData { session, serial: 6, intervals: None });
    let mut w = Writer::new();
    w.u8(number).u8(200).u8(0);
    pdus.iter().for_each(|pdu| pdu.write(version, &mut w));
    w.finish()
}
