//! Networks, AS numbers and next hops for a row's addresses, from the sources that `nfacctd_net` and `nfacctd_as` select.
//!
//! | source | network and length | AS numbers |
//! |---|---|---|
//! | protocol | the address under the exporter's mask | the exporter's |
//! | mask | the address under `networks_mask` | - |
//! | file | the prefix of `networks_file` that covers the address, or zero | those of that prefix, or 0 |
//! | longest | that of the file if longer than the exporter's | that of the file unless the exporter's prefix is longer |
//! | routes | - | - |
//!
//! If routes are looked up, that happened before: the prefix of a route that won counts as the exporter's.
//! Under `networks_file_no_lpm`, a prefix of the file overrides any other. If lengths are equal, both sources mean the same
//! network, and the AS number of the file is used, since the operator configured it.

use super::put;
use crate::read::Reader;
use crate::spec::{CoreSpec, NetworksSpec, PluginSpec};
use crate::step::{Batch, CompiledStep, Step, Target, WorkerStep};
use config::keys::aggregation::{AsSource, NetSource};
use flow::address::{self, Octets};
use flow::field::Field;
use flow::row::{FieldSet, Layout, Row, Rows};
use maps::networks_file::{Families, Network, Networks, RouteAttributes};
use std::sync::Arc;

/// The sources of networks and AS numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    /// `nfacctd_net`.
    pub nets: NetSource,
    /// `nfacctd_as`.
    pub ases: AsSource,
    /// `networks_mask`.
    pub mask: Option<u8>,
    /// `networks_file_no_lpm`.
    pub file_wins: bool,
    /// `networks_no_mask_if_zero`.
    pub keep_unmasked: bool,
}

impl Sources {
    /// True if everything comes from the export protocol, unchanged.
    pub fn is_plain(&self) -> bool {
        self.nets == NetSource::Protocol && self.ases == AsSource::Protocol && !self.keep_unmasked
    }

    /// True if `networks_file` is used.
    pub fn need_file(&self) -> bool {
        matches!(self.nets, NetSource::File | NetSource::Longest)
            || matches!(self.ases, AsSource::File | AsSource::Longest)
    }

    /// Adds the fields that those in `fields` are derived from.
    pub fn require(&self, fields: &mut FieldSet) {
        for side in SIDES {
            let wants = |field| fields.has(field);
            let nets = wants(side.net) || wants(side.mask);
            let ases = wants(side.asn) || wants(side.peer) || side.next_hop.is_some_and(wants);
            if nets || ases {
                fields.insert(side.host);
                fields.insert(side.mask);
            }
        }
    }
}

/// The fields of one end of a flow.
pub(super) struct Side {
    pub(super) host: Field,
    pub(super) net: Field,
    mask: Field,
    asn: Field,
    peer: Field,
    next_hop: Option<Field>,
}

pub(super) const SIDES: [Side; 2] = [
    Side {
        host: Field::SrcHost,
        net: Field::SrcNet,
        mask: Field::SrcMask,
        asn: Field::SrcAs,
        peer: Field::PeerSrcAs,
        next_hop: None,
    },
    Side {
        host: Field::DstHost,
        net: Field::DstNet,
        mask: Field::DstMask,
        asn: Field::DstAs,
        peer: Field::PeerDstAs,
        next_hop: Some(Field::PeerDstIp),
    },
];

/// Offsets of the fields of one end.
#[derive(Debug)]
struct Offsets {
    host: usize,
    net: Option<usize>,
    mask: Option<usize>,
    asn: Option<usize>,
    peer: Option<usize>,
    next_hop: Option<usize>,
}

impl Offsets {
    fn of(side: &Side, layout: &Layout) -> Option<Self> {
        let at = Self {
            host: layout.offset(side.host)?,
            net: layout.offset(side.net),
            mask: layout.offset(side.mask),
            asn: layout.offset(side.asn),
            peer: layout.offset(side.peer),
            next_hop: side.next_hop.and_then(|field| layout.offset(field)),
        };
        let any = [at.net, at.mask, at.asn, at.peer, at.next_hop].iter().any(Option::is_some);
        any.then_some(at)
    }
}

/// The sources, with the file if they need it.
#[derive(Debug)]
struct Resolution {
    sources: Sources,
    file: Option<Arc<Networks>>,
}

/// For all rows. If a plugin has network settings of its own, global ones would interfere, and every plugin resolves its rows
/// itself; but a map for all rows needs networks in any case.
pub(super) fn read(spec: &CoreSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let file = reader.networks(&spec.networks);
    let is_needed = !reader.networks_by_plugin;
    is_needed.then(|| Box::new(Resolution { sources: spec.networks.sources, file }) as _)
}

/// For the rows of a plugin, if it has settings of its own or if the global ones are left to plugins.
pub(super) fn read_own(spec: &PluginSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let common = reader.networks_by_plugin.then_some(reader.common_networks);
    let NetworksSpec { sources, .. } = spec.networks.as_ref().or(common)?;
    let (sources, file) = (*sources, reader.networks_of(spec));
    Some(Box::new(Resolution { sources, file }))
}

impl Step for Resolution {
    fn require(&self, fields: &mut FieldSet) {
        if !self.sources.is_plain() {
            self.sources.require(fields);
        }
    }

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let resolver = Resolver::new(self.sources, self.file.clone(), target.layout);
        (!resolver.is_no_op()).then(|| Arc::new(resolver) as _)
    }
}

/// The sources, compiled for one layout.
#[derive(Debug)]
struct Resolver {
    sources: Sources,
    sides: Vec<Offsets>,
    file: Option<Arc<Networks>>,
}

impl CompiledStep for Resolver {
    fn start(self: Arc<Self>) -> Box<dyn WorkerStep> {
        Box::new(Worker { shared: self, scratch: Scratch::default() })
    }
}

#[derive(Debug)]
struct Worker {
    shared: Arc<Resolver>,
    scratch: Scratch,
}

impl WorkerStep for Worker {
    fn apply(&mut self, batch: &mut Batch<'_>) {
        self.shared.apply(batch.rows, batch.first, &mut self.scratch);
    }
}

impl Resolver {
    fn new(sources: Sources, file: Option<Arc<Networks>>, layout: &Layout) -> Self {
        let sides = SIDES.iter().filter_map(|side| Offsets::of(side, layout)).collect();
        Self { sources, sides, file: file.filter(|_| sources.need_file()) }
    }

    /// True if rows stay unchanged.
    fn is_no_op(&self) -> bool {
        self.sides.is_empty() || self.sources.is_plain()
    }

    /// Fills in the networks of both ends of the rows from `first` on.
    fn apply(&self, rows: &mut Rows, first: usize, scratch: &mut Scratch) {
        scratch.hosts.clear();
        for at in &self.sides {
            let host = |row: Row<'_>| octets_at(row.bytes(), at.host).unwrap_or(address::ABSENT);
            scratch.hosts.extend(rows.iter_from(first).map(host));
        }
        scratch.found.clear();
        scratch.found.resize(scratch.hosts.len(), None);
        if let Some(file) = &self.file {
            // Memory accesses of combined lookups overlap.
            file.lookup_many(&scratch.hosts, &mut scratch.found, &mut scratch.families);
        }
        let count = rows.len().saturating_sub(first).max(1);
        let ends = scratch.hosts.chunks(count).zip(scratch.found.chunks(count));
        let (rows, size) = rows.bytes_from_mut(first);
        for (at, (hosts, found)) in self.sides.iter().zip(ends) {
            self.fill(at, Ends { rows: &mut *rows, size, hosts, found });
        }
    }

    /// Fills in the networks of one end of rows.
    fn fill(&self, at: &Offsets, mut ends: Ends<'_>) {
        // Before networks, which overwrite the exporter's length.
        self.fill_ases(at, &mut ends);
        self.fill_nets(at, &mut ends);
    }

    fn fill_ases(&self, at: &Offsets, ends: &mut Ends<'_>) {
        let sources = &self.sources;
        match sources.ases {
            AsSource::File => {
                if at.asn.is_some() {
                    ends.for_each_row(|row, _, found| {
                        put(row, at.asn, &found.map_or(0, |network| network.asn()).to_be_bytes());
                    });
                }
                if at.peer.is_some() {
                    ends.for_each_row(|row, _, found| {
                        put(row, at.peer, &self.attributes(found).peer_asn.to_be_bytes())
                    });
                }
            }
            AsSource::Longest => ends.for_each_row(|row, _, found| {
                let exported = at.exported_len(row);
                let network = found.filter(|network| sources.file_wins || network.length() >= exported);
                for (at, asn) in [
                    (at.asn, network.map_or(0, |network| network.asn())),
                    (at.peer, self.attributes(network).peer_asn),
                ] {
                    // A prefix without an AS number says nothing about it.
                    if asn > 0 {
                        put(row, at, &asn.to_be_bytes());
                    }
                }
            }),
            AsSource::Protocol | AsSource::Routes => {}
        }
    }

    fn fill_nets(&self, at: &Offsets, ends: &mut Ends<'_>) {
        let sources = &self.sources;
        match sources.nets {
            NetSource::Mask => {
                if let Some(mask) = sources.mask {
                    ends.for_each_row(|row, host, _| {
                        let width = if address::is_v4(host) { 32 } else { 128 };
                        at.set_net(row, &address::network(host, mask), mask.min(width));
                    });
                }
            }
            NetSource::File => {
                ends.for_each_row(|row, host, found| {
                    let len = found.map_or(0, |network| network.length());
                    let is_kept = sources.keep_unmasked && found.is_none();
                    let net = if is_kept { *host } else { address::network(host, len) };
                    at.set_net(row, &net, len);
                });
                if at.next_hop.is_some() {
                    ends.for_each_row(|row, _, found| {
                        let next_hop = self.attributes(found).next_hop;
                        put(row, at.next_hop, &next_hop.map_or(address::ABSENT, address::octets));
                    });
                }
            }
            NetSource::Longest => ends.for_each_row(|row, host, found| {
                let exported = at.exported_len(row);
                let network = found.filter(|network| sources.file_wins || network.length() >= exported);
                // A prefix without a next hop says nothing about it.
                if let Some(next_hop) = self.attributes(network).next_hop {
                    put(row, at.next_hop, &address::octets(next_hop));
                }
                if let Some(network) = network {
                    at.set_net(row, &address::network(host, network.length()), network.length());
                } else if sources.keep_unmasked && exported == 0 {
                    put(row, at.net, host);
                }
            }),
            NetSource::Protocol | NetSource::Routes | NetSource::LinkState => {
                if sources.keep_unmasked {
                    ends.for_each_row(|row, host, _| {
                        if at.exported_len(row) == 0 {
                            put(row, at.net, host);
                        }
                    });
                }
            }
        }
    }

    #[inline]
    fn attributes(&self, found: Option<Network>) -> RouteAttributes {
        match (&self.file, found) {
            (Some(file), Some(network)) => file.attributes(network),
            _ => RouteAttributes::default(),
        }
    }
}

/// One end of rows: their octets, the size of a row, the address at each row's end, and its network in the file.
struct Ends<'a> {
    rows: &'a mut [u8],
    size: usize,
    hosts: &'a [Octets],
    found: &'a [Option<Network>],
}

impl Ends<'_> {
    /// Goes through the rows: each step for all rows before the next step.
    #[inline(always)]
    fn for_each_row(&mut self, mut step: impl FnMut(&mut [u8], &Octets, Option<Network>)) {
        let ends = self.hosts.iter().zip(self.found);
        for (row, (host, found)) in self.rows.chunks_exact_mut(self.size).zip(ends) {
            step(row, host, *found);
        }
    }
}

impl Offsets {
    #[inline]
    fn set_net(&self, row: &mut [u8], net: &Octets, len: u8) {
        put(row, self.net, net);
        put(row, self.mask, &[len]);
    }

    /// The length reported by the exporter.
    #[inline]
    fn exported_len(&self, row: &[u8]) -> u8 {
        self.mask.and_then(|at| row.get(at)).copied().unwrap_or(0)
    }
}

/// Memory that is reused from batch to batch.
#[derive(Clone, Debug, Default)]
struct Scratch {
    hosts: Vec<Octets>,
    found: Vec<Option<Network>>,
    families: Families,
}

pub(super) fn octets_at(row: &[u8], at: usize) -> Option<Octets> {
    row.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Diagnostics;
    use std::net::IpAddr;

    const FILE: &str = "65001,10.0.0.0/8\n192.0.2.9,65010_65002,10.1.0.0/16\n10.2.0.0/24\n65006,2001:db8::/32\n";

    /// Source network, length, AS and peer AS of an address whose exporter reports length 24 and AS 64500, and the next hop if
    /// it is the destination.
    fn resolve(sources: Sources, host: &str) -> (String, u8, u32, u32, Option<IpAddr>) {
        let mut fields = FieldSet::default();
        for field in [
            Field::SrcNet,
            Field::SrcMask,
            Field::SrcAs,
            Field::PeerSrcAs,
            Field::DstHost,
            Field::DstMask,
            Field::PeerDstIp,
        ] {
            fields.insert(field);
        }
        sources.require(&mut fields);
        let layout = Layout::new(&fields, &[]);
        let file = Networks::parse("n", FILE.as_bytes(), &mut Diagnostics::new());
        let resolver = Resolver::new(sources, Some(Arc::new(file)), &layout);
        let host = address::octets(host.parse().unwrap());
        let mut rows = Rows::new(&layout);
        // The first row belongs to an earlier batch.
        rows.push(&vec![0; layout.words()]);
        for _ in 0..2 {
            let mut row = rows.push(&vec![0; layout.words()]);
            for (field, octets) in [
                (Field::SrcHost, &host[..]),
                (Field::DstHost, &host),
                (Field::SrcMask, &[24]),
                (Field::DstMask, &[24]),
                (Field::SrcNet, &address::network(&host, 24)),
                (Field::SrcAs, &64_500u32.to_be_bytes()),
            ] {
                put(row.bytes(), layout.offset(field), octets);
            }
        }
        resolver.apply(&mut rows, 1, &mut Scratch::default());
        let row = rows.get(1).unwrap();
        assert_eq!(row.words(), rows.get(2).unwrap().words());
        assert!(
            rows.get(0).unwrap().words().iter().all(|word| *word == 0),
            "rows of other batches are left alone"
        );
        let octets = |field| &row.bytes()[layout.offset(field).unwrap()..];
        let number = |field| u32::from_be_bytes(*octets(field).first_chunk().unwrap());
        let ip = |field| address::address(octets(field).first_chunk().unwrap());
        let net = ip(Field::SrcNet).unwrap().to_string();
        (net, octets(Field::SrcMask)[0], number(Field::SrcAs), number(Field::PeerSrcAs), ip(Field::PeerDstIp))
    }

    fn sources(nets: NetSource, ases: AsSource) -> Sources {
        Sources { nets, ases, mask: Some(12), file_wins: false, keep_unmasked: false }
    }

    #[test]
    fn the_file_provides_networks_as_numbers_and_next_hops() {
        let file = sources(NetSource::File, AsSource::File);
        let next_hop = Some(IpAddr::from([192, 0, 2, 9]));
        assert_eq!(resolve(file, "10.1.2.3"), ("10.1.0.0".to_owned(), 16, 65_002, 65_010, next_hop));
        assert_eq!(resolve(file, "10.9.9.9"), ("10.0.0.0".to_owned(), 8, 65_001, 0, None));
        assert_eq!(resolve(file, "2001:db8::1"), ("2001:db8::".to_owned(), 32, 65_006, 0, None));
        assert_eq!(resolve(file, "192.0.2.1"), ("0.0.0.0".to_owned(), 0, 0, 0, None));
        assert_eq!(resolve(file, "2001:db9::1"), ("::".to_owned(), 0, 0, 0, None));
        let whole = Sources { keep_unmasked: true, ..file };
        assert_eq!(resolve(whole, "192.0.2.1").0, "192.0.2.1");
    }

    #[test]
    fn the_longest_network_wins_and_the_file_on_equal_length() {
        let longest = sources(NetSource::Longest, AsSource::Longest);
        assert_eq!(resolve(longest, "10.1.2.3"), ("10.1.2.0".to_owned(), 24, 64_500, 0, None));
        // As long as the exporter's, but without an AS number in the file.
        assert_eq!(resolve(longest, "10.2.0.3").2, 64_500);
        assert_eq!(resolve(longest, "2001:db8::1"), ("2001:db8::".to_owned(), 32, 65_006, 0, None));
        assert_eq!(resolve(longest, "192.0.2.1"), ("192.0.2.0".to_owned(), 24, 64_500, 0, None));
        let file_wins = Sources { file_wins: true, ..longest };
        let next_hop = Some(IpAddr::from([192, 0, 2, 9]));
        assert_eq!(resolve(file_wins, "10.1.2.3"), ("10.1.0.0".to_owned(), 16, 65_002, 65_010, next_hop));
    }

    #[test]
    fn a_mask_applies_to_both_families() {
        let mask = sources(NetSource::Mask, AsSource::Protocol);
        assert_eq!(resolve(mask, "10.31.2.3"), ("10.16.0.0".to_owned(), 12, 64_500, 0, None));
        let long = Sources { mask: Some(64), ..mask };
        assert_eq!(resolve(long, "10.31.2.3").1, 32);
        assert_eq!(resolve(long, "2001:db8::1").0, "2001:db8::");
    }
}
