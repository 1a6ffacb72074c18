//! Rows from few values, so that expressions match some of them.

use filter::{Filter, PacketView, Synthetic};
use flow::address;
use flow::field::Field;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use proptest::prelude::*;
use std::net::IpAddr;

/// The fields of a row.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Empty: none.
    pub(crate) hosts: [&'static str; 2],
    pub(crate) proto: u8,
    pub(crate) ports: [u16; 2],
    pub(crate) vlan: u16,
    pub(crate) labels: &'static [u32],
    pub(crate) mac: u8,
    pub(crate) tos: u8,
    pub(crate) flags: u8,
    pub(crate) etype: u16,
}

/// A request to a web server.
pub(crate) const WEB: Record = Record {
    hosts: ["10.1.2.3", "192.0.2.1"],
    proto: 6,
    ports: [1024, 80],
    vlan: 0,
    labels: &[],
    mac: 1,
    tos: 184,
    flags: 2,
    etype: 0,
};

const HOSTS: &[&str] =
    &["10.0.0.1", "10.1.2.3", "192.0.2.1", "0.0.0.0", "2001:db8::1", "2001:db9::1", "::", "::1", "::5:0:0", ""];
const LABELS: &[&[u32]] = &[&[], &[], &[100], &[100, 200], &[100, 200, 100], &[0, 5], &[0], &[5, 0]];

/// Any record. Mostly both hosts are of one family.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    let host = |range: std::ops::Range<usize>| prop::sample::select(&HOSTS[range]);
    let hosts = prop_oneof![
        4 => [host(0..4), host(0..4)],
        3 => [host(4..9), host(4..9)],
        2 => [host(0..10), host(0..10)],
    ];
    // Including those that read as a protocol where a fragment header would have it.
    let port = prop::sample::select(vec![0u16, 8, 10, 53, 80, 443, 2048, 0x0600, 0x1100]);
    let etypes = prop::sample::select(vec![0u16, 0, 0x0800, 0x86dd, 0x0806, 0x8100, 0x8847]);
    (
        hosts,
        prop::sample::select(vec![0u8, 1, 6, 6, 17, 17, 43, 44, 47, 51, 58, 132]),
        [port.clone(), port],
        prop::sample::select(vec![0u16, 0, 8, 10, 20, 4096, 4106, u16::MAX]),
        (prop::sample::select(LABELS), 0u8..4),
        prop::sample::select(vec![0u8, 184]),
        prop::sample::select(vec![0u8, 2, 18]),
        etypes,
    )
        .prop_map(|(hosts, proto, ports, vlan, (labels, mac), tos, flags, etype)| Record {
            hosts,
            proto,
            ports,
            vlan,
            labels,
            mac,
            tos,
            flags,
            etype,
        })
}

impl Record {
    /// A host as stored in rows.
    pub(crate) fn host(&self, end: usize) -> [u8; 16] {
        self.hosts[end].parse::<IpAddr>().map_or(address::ABSENT, address::octets)
    }

    /// The synthetic frame of its row.
    pub(crate) fn frame(&self, layout: &Layout) -> Vec<u8> {
        self.look(layout, |view| view.octets.to_vec())
    }

    /// Passes the view of the synthetic frame of its row to `look`.
    pub(crate) fn look<T>(&self, layout: &Layout, look: impl FnOnce(PacketView<'_>) -> T) -> T {
        let mut strings = Strings::default();
        let mut rows = Rows::new(layout);
        let mut row = rows.push(&vec![0; layout.words()]);
        let stack: Vec<u8> =
            self.labels.iter().flat_map(|label| (label << 4).to_be_bytes().into_iter().skip(1)).collect();
        let stack = strings.intern(&stack);
        let label = |label: Option<&u32>| label.copied().unwrap_or(0).to_be_bytes();
        let mac = [2, 0, 0, 0, 0, self.mac];
        let group = [3, 0, 0, 0, 0, self.mac];
        for (field, octets) in [
            (Field::SrcHost, self.host(0).as_slice()),
            (Field::DstHost, &self.host(1)),
            (Field::Proto, &[self.proto]),
            (Field::Etype, &self.etype.to_be_bytes()),
            (Field::SrcPort, &self.ports[0].to_be_bytes()),
            (Field::DstPort, &self.ports[1].to_be_bytes()),
            (Field::Vlan, &self.vlan.to_be_bytes()),
            (Field::MplsLabelTop, &label(self.labels.first())),
            (Field::MplsLabelBottom, &label(self.labels.last())),
            (Field::MplsLabelStack, &stack.to_be_bytes()),
            (Field::SrcMac, &mac),
            (Field::DstMac, if self.mac == 0 { &group } else { &mac }),
            (Field::Tos, &[self.tos]),
            (Field::TcpFlags, &[self.flags]),
        ] {
            if let Some(at) = layout.offset(field) {
                row.bytes()[at..at + octets.len()].copy_from_slice(octets);
            }
        }
        let row = rows.iter().next().expect("the row");
        look(Synthetic::new(layout).view(row, &strings))
    }
}

/// The layout of rows that these filters require.
pub(crate) fn layout(filters: &[(&str, Filter)]) -> Layout {
    let mut fields = FieldSet::default();
    filters.iter().for_each(|(_, filter)| filter.require(&mut fields));
    Layout::new(&fields, &[])
}

/// True if the expression matches a row that has only the fields it requires.
pub(crate) fn matches(text: &str, record: &Record) -> bool {
    let filter = Filter::compile(text).expect(text);
    record.look(&layout(&[(text, filter.clone())]), |view| filter.matches_view(view))
}
