//! A RIB that is filled by hand, and flows that meet its routes.

use crate::peers::{AddPath, Peer};
use crate::routers::{Monitored, RouterId, Routers};
use crate::spec::{Maps, PeerSource, Source, SourceAttribute, SourceAttributes, Spec};
use crate::{Lookup, Routes, Tables};
use bmp::peer::RibType;
use config::keys::aggregation::{AsSource, NetSource};
use config::{Daemon, Diagnostics, Origin};
use enrich::live::LiveStep;
use enrich::networks::Sources;
use enrich::spec::{CoreSpec, NetworksSpec, RouteMaps};
use enrich::{Enricher, Loaded, PacketViews};
use flow::address;
use flow::field::Field;
use flow::presence::{Presence, PresenceSet};
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use maps::load::Context;
use maps::routes::{AgentMap, NextHopMap};
use rib::{Limits, NO_LABEL, PeerId, Route, SharedRib, TableKey, Writer};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use wire::{Asn, Family, Prefix, RouteDistinguisher};

/// Attributes of a route, as text: `path 65001 65002 next 10.0.0.1 med 5 pref 100 comm 65001:100`.
pub(crate) fn attributes(text: &str) -> Vec<u8> {
    let (mut path, mut set, mut comms, mut ext, mut large) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut confederation, mut next, mut med, mut pref) = (Vec::new(), Vec::new(), None, None);
    let mut words = text.split_ascii_whitespace().peekable();
    while let Some(word) = words.next() {
        let mut all = Vec::new();
        while let Some(value) = words.next_if(|next| {
            next.starts_with(|c: char| c.is_ascii_digit()) || next.contains(':') || next.contains("no-")
        }) {
            all.push(value);
        }
        let numbers = || all.iter().map(|value| value.parse::<u32>().unwrap());
        match word {
            "path" => path = numbers().collect(),
            "set" => set = numbers().collect(),
            "confed" => confederation = numbers().collect(),
            "med" => med = numbers().next(),
            "pref" => pref = numbers().next(),
            "next" => {
                next = match all[0].parse::<IpAddr>().unwrap() {
                    IpAddr::V4(v4) => v4.octets().to_vec(),
                    IpAddr::V6(v6) => v6.octets().to_vec(),
                }
            }
            "comm" => {
                all.iter().for_each(|text| comms.extend(text.parse::<wire::Community>().unwrap().0.to_be_bytes()))
            }
            "ext" => all.iter().for_each(|text| ext.extend(text.parse::<wire::ExtendedCommunity>().unwrap().0)),
            "large" => all.iter().for_each(|text| {
                let parts = text.split(':').map(|part| part.parse::<u32>().unwrap());
                parts.for_each(|part| large.extend(part.to_be_bytes()));
            }),
            other => panic!("{other}"),
        }
    }
    let segment = |kind: u8, numbers: &[u32]| -> Vec<u8> {
        if numbers.is_empty() {
            return Vec::new();
        }
        [kind, numbers.len() as u8]
            .into_iter()
            .chain(numbers.iter().flat_map(|number| number.to_be_bytes()))
            .collect()
    };
    let mut out = Vec::new();
    let mut put = |flags: u8, code: u8, value: &[u8]| {
        out.extend([flags, code, value.len() as u8]);
        out.extend(value);
    };
    put(0x40, 1, &[0]);
    put(0x40, 2, &[segment(3, &confederation), segment(2, &path), segment(1, &set)].concat());
    put(0x40, 3, &next);
    if let Some(med) = med {
        put(0x80, 4, &med.to_be_bytes());
    }
    if let Some(pref) = pref {
        put(0x40, 5, &pref.to_be_bytes());
    }
    for (code, value) in [(8, &comms), (16, &ext), (32, &large)] {
        if !value.is_empty() {
            put(0xc0, code, value);
        }
    }
    out
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Routes, and their only writers.
pub(crate) struct World {
    pub(crate) writer: Writer,
    pub(crate) routes: Arc<Routes>,
    pub(crate) vrps: Arc<rpki::Shared>,
    /// Those of BMP.
    pub(crate) reported: Arc<Routes<Routers>>,
    pub(crate) reporter: Writer,
}

impl World {
    pub(crate) fn new() -> Self {
        let (shared, writer) = SharedRib::new(Limits::default());
        let vrps = Arc::new(rpki::Shared::new());
        let (reported, reporter) = SharedRib::new(Limits::default());
        Self {
            reported: Arc::new(Routes::new(reported).validated_by(Arc::clone(&vrps))),
            reporter,
            writer,
            vrps: Arc::clone(&vrps),
            routes: Arc::new(Routes::new(shared).validated_by(Arc::clone(&vrps))),
        }
    }

    fn tables(&self) -> Tables {
        Tables { bgp: Some(Arc::clone(&self.routes)), bmp: Some(Arc::clone(&self.reported)) }
    }

    /// A router from this address and port.
    pub(crate) fn router(&mut self, session: &str) -> RouterId {
        self.reported.add_router(session.parse().unwrap())
    }

    /// A RIB of a router, in the global table. Its AS is 64512.
    pub(crate) fn rib(&mut self, router: RouterId, peer: &str, kind: RibType) -> PeerId {
        self.rib_with(router, |rib| Monitored { address: ip(peer), kind, ..rib })
    }

    pub(crate) fn rib_with(&mut self, router: RouterId, with: impl FnOnce(Monitored) -> Monitored) -> PeerId {
        let id = self.reporter.add_peer().unwrap();
        self.reported.add_rib(
            router,
            with(Monitored {
                id,
                address: ip("192.0.2.1"),
                distinguisher: RouteDistinguisher::default(),
                kind: RibType::AdjRibInPre,
                local_as: Asn(64512),
                add_path: AddPath::default(),
            }),
        );
        id
    }

    pub(crate) fn report_in(&mut self, table: TableKey, rib: PeerId, path_id: u32, prefix: &str, text: &str) {
        announce(&mut self.reporter, table, rib, path_id, prefix, text);
    }

    pub(crate) fn report(&mut self, rib: PeerId, prefix: &str, text: &str) {
        self.report_in(TableKey::Unicast(family(prefix)), rib, 0, prefix, text);
    }

    /// A peer from this address, port 179, with router ID 1.1.1.N.
    pub(crate) fn peer(&mut self, address: &str) -> PeerId {
        let number = self.routes.peers().len() as u8 + 1;
        self.peer_with(address, 179, &format!("1.1.1.{number}"), AddPath::default())
    }

    pub(crate) fn peer_with(&mut self, address: &str, port: u16, router_id: &str, add_path: AddPath) -> PeerId {
        let id = self.writer.add_peer().unwrap();
        let router_id: Ipv4Addr = router_id.parse().unwrap();
        self.routes.add_peer(Peer { id, address: ip(address), port, router_id, local_as: Asn(64512), add_path });
        id
    }

    pub(crate) fn announce_in(&mut self, table: TableKey, peer: PeerId, path_id: u32, prefix: &str, text: &str) {
        announce(&mut self.writer, table, peer, path_id, prefix, text);
    }

    pub(crate) fn announce(&mut self, peer: PeerId, prefix: &str, text: &str) {
        self.announce_in(TableKey::Unicast(family(prefix)), peer, 0, prefix, text);
    }
}

fn announce(writer: &mut Writer, table: TableKey, peer: PeerId, path_id: u32, prefix: &str, text: &str) {
    let prefix: Prefix = prefix.parse().unwrap();
    let mut changes = writer.begin();
    let attributes = changes.intern(&attributes(text)).unwrap();
    changes.announce(table, prefix, Route { peer, path_id, attributes, label: NO_LABEL }).unwrap();
}

pub(crate) fn family(prefix: &str) -> Family {
    if prefix.contains(':') { Family::V6 } else { Family::V4 }
}

/// A flow from an exporter.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) src: &'static str,
    pub(crate) dst: &'static str,
    pub(crate) masks: (u8, u8),
    pub(crate) next_hop: &'static str,
    pub(crate) input: u32,
    pub(crate) distinguisher: RouteDistinguisher,
}

impl Flow {
    pub(crate) fn new(src: &'static str, dst: &'static str) -> Self {
        Self { src, dst, masks: (0, 0), next_hop: "", input: 0, distinguisher: RouteDistinguisher::default() }
    }

    pub(crate) fn via(self, next_hop: &'static str) -> Self {
        Self { next_hop, ..self }
    }

    pub(crate) fn masks(self, src: u8, dst: u8) -> Self {
        Self { masks: (src, dst), ..self }
    }

    pub(crate) fn from(self, input: u32) -> Self {
        Self { input, ..self }
    }

    pub(crate) fn of(self, rd: &str) -> Self {
        Self { distinguisher: rd.parse().unwrap(), ..self }
    }
}

/// Everything from routes.
pub(crate) fn spec() -> Spec {
    Spec {
        ases: Source::Routes,
        nets: Source::Routes,
        source: SourceAttributes {
            path: true,
            communities: true,
            extended: true,
            large: true,
            roa: true,
            local_pref: SourceAttribute::Route,
            med: SourceAttribute::Route,
            peer: PeerSource::Route,
        },
        search: crate::spec::Search { has_distinguishers: true, ..Default::default() },
        ..Spec::default()
    }
}

/// A worker that looks flows up.
pub(crate) struct Collector {
    enricher: Enricher,
    layout: Layout,
    strings: Strings,
}

struct NoPackets;

impl PacketViews for NoPackets {
    fn view(&self, _row: usize) -> Option<filter::PacketView<'_>> {
        None
    }
}

/// What routes fill, by the names of this test.
pub(crate) const FIELDS: &[(&str, Field)] = &[
    ("src_as", Field::SrcAs),
    ("dst_as", Field::DstAs),
    ("peer_src_as", Field::PeerSrcAs),
    ("peer_dst_as", Field::PeerDstAs),
    ("path", Field::AsPath),
    ("comms", Field::Comms),
    ("ecomms", Field::Ecomms),
    ("lcomms", Field::Lcomms),
    ("pref", Field::LocalPref),
    ("med", Field::Med),
    ("roa", Field::DstRoa),
    ("next", Field::PeerDstIp),
    ("src_path", Field::SrcAsPath),
    ("src_comms", Field::SrcComms),
    ("src_ecomms", Field::SrcEcomms),
    ("src_lcomms", Field::SrcLcomms),
    ("src_pref", Field::SrcLocalPref),
    ("src_med", Field::SrcMed),
    ("src_roa", Field::SrcRoa),
    ("src_mask", Field::SrcMask),
    ("dst_mask", Field::DstMask),
    ("src_net", Field::SrcNet),
    ("dst_net", Field::DstNet),
    ("tag", Field::Tag),
    ("map_next", Field::SrcRouteNextHop),
    ("map_peer", Field::SrcRoutePeerAs),
];

/// Settings of the pipeline without any files.
pub(crate) fn core() -> CoreSpec {
    CoreSpec {
        tags: None,
        networks: NetworksSpec {
            sources: Sources {
                nets: NetSource::Protocol,
                ases: AsSource::Protocol,
                mask: None,
                file_wins: false,
                keep_unmasked: false,
            },
            file: None,
            zero_outside: false,
        },
        sampling: None,
        distinguishers: None,
        geoip: None,
        interval: None,
        renormalize: false,
        peer_ases: false,
        routes: RouteMaps { correlated: true, ..RouteMaps::default() },
    }
}

impl Collector {
    pub(crate) fn new(world: &World, spec: Spec) -> Self {
        Self::with_maps(world, spec, "", "")
    }

    /// With the texts of bgp_agent_map and bgp_peer_dst_ip_map.
    pub(crate) fn with_maps(world: &World, spec: Spec, agents: &str, next_hops: &str) -> Self {
        let mut problems = Diagnostics::new();
        let mut context = Context::new(Daemon::Nfacctd);
        (context.asn.bgp, context.net.bgp) = (true, true);
        let origin = Origin::whole("m");
        let maps = Maps {
            agents: (!agents.is_empty())
                .then(|| Arc::new(AgentMap::parse(&origin, agents.as_bytes(), &context, &mut problems))),
            next_hops: (!next_hops.is_empty())
                .then(|| Arc::new(NextHopMap::parse(&origin, next_hops.as_bytes(), &context, &mut problems))),
        };
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
        let settings = enrich::spec::Spec { core: core(), plugins: Vec::new() };
        let mut loaded = Loaded::read(&settings, &context, &mut problems);
        loaded.add_live(LiveStep::new(Arc::new(world.tables()), Lookup::new(Arc::new(spec), maps)));
        Self::of(&loaded)
    }

    /// With the operator's files.
    pub(crate) fn with_files(world: &World, spec: Spec, core: CoreSpec) -> Self {
        let mut problems = Diagnostics::new();
        let mut context = Context::new(Daemon::Nfacctd);
        (context.asn.bgp, context.net.bgp) = (true, true);
        let settings = enrich::spec::Spec { core, plugins: Vec::new() };
        let mut loaded = Loaded::read(&settings, &context, &mut problems);
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
        crate::add(&mut loaded, &Arc::new(world.tables()), &Arc::new(spec));
        Self::of(&loaded)
    }

    fn of(loaded: &Loaded) -> Self {
        let mut fields = FieldSet::default();
        FIELDS.iter().for_each(|(_, field)| fields.insert(*field));
        fields.insert(Field::InIface);
        fields.insert(Field::Presence);
        loaded.require(&mut fields);
        let layout = Layout::new(&fields, &[]);
        let (enricher, _) = Enricher::new(&Arc::new(loaded.compile(&layout)));
        Self { enricher, layout, strings: Strings::default() }
    }

    /// Flows of an exporter, looked up together. The record's AS numbers are 64901, 64902, 64903 and 64904 (peers).
    pub(crate) fn look_up(&mut self, exporter: &str, flows: &[Flow]) -> Vec<Seen> {
        let mut rows = Rows::new(&self.layout);
        for flow in flows {
            let mut row = rows.push(&vec![0; self.layout.words()]);
            let mut bits = PresenceSet::default();
            let present = [Presence::InIface, Presence::SrcHost, Presence::DstHost];
            present.into_iter().for_each(|presence| bits.insert(presence));
            let next_hop = flow.next_hop.parse().map_or(address::ABSENT, address::octets);
            for (field, octets) in [
                (Field::SrcHost, &address::octets(ip(flow.src))[..]),
                (Field::DstHost, &address::octets(ip(flow.dst))),
                (Field::PeerDstIp, &next_hop),
                (Field::SrcMask, &[flow.masks.0]),
                (Field::DstMask, &[flow.masks.1]),
                (Field::SrcNet, &address::network(&address::octets(ip(flow.src)), flow.masks.0)),
                (Field::DstNet, &address::network(&address::octets(ip(flow.dst)), flow.masks.1)),
                (Field::SrcAs, &64901u32.to_be_bytes()),
                (Field::DstAs, &64902u32.to_be_bytes()),
                (Field::PeerDstAs, &64903u32.to_be_bytes()),
                (Field::PeerSrcAs, &64904u32.to_be_bytes()),
                (Field::InIface, &flow.input.to_be_bytes()),
                (Field::MplsVpnRd, &flow.distinguisher.0),
                (Field::Presence, &bits.0.to_be_bytes()),
            ] {
                if let Some(at) = self.layout.offset(field) {
                    row.bytes()[at..at + octets.len()].copy_from_slice(octets);
                }
            }
        }
        let origin = enrich::Origin { first: 0, exporter: exporter.parse().ok() };
        self.enricher.apply(origin, &mut rows, &mut self.strings, &NoPackets);
        rows.iter().map(|row| Seen::of(row.bytes(), &self.layout, &self.strings)).collect()
    }

    /// One flow.
    pub(crate) fn one(&mut self, exporter: &str, flow: Flow) -> Seen {
        self.look_up(exporter, &[flow]).remove(0)
    }

    /// As a worker does at its bound of strings.
    pub(crate) fn clear_strings(&mut self) {
        self.strings.clear();
        self.enricher.forget_strings();
    }

    pub(crate) fn strings(&self) -> usize {
        self.strings.len()
    }
}

/// The values of a row after the look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen(Vec<(&'static str, String)>);

impl Seen {
    fn of(row: &[u8], layout: &Layout, strings: &Strings) -> Self {
        let value = |field: Field| {
            let octets = &row[layout.offset(field).unwrap()..][..field.size()];
            match (field, field.size()) {
                (Field::AsPath | Field::Comms | Field::Ecomms | Field::Lcomms | Field::SrcAsPath, _)
                | (Field::SrcComms | Field::SrcEcomms | Field::SrcLcomms, _) => {
                    let id = u32::from_be_bytes(octets.try_into().unwrap());
                    String::from_utf8(strings.get(id).to_vec()).unwrap()
                }
                (Field::SrcRoa | Field::DstRoa, _) => char::from(octets[0]).to_string(),
                (_, 16) => address::address(octets.try_into().unwrap()).map_or(String::new(), |ip| ip.to_string()),
                (_, 8) => u64::from_be_bytes(octets.try_into().unwrap()).to_string(),
                (_, 4) => u32::from_be_bytes(octets.try_into().unwrap()).to_string(),
                _ => octets[0].to_string(),
            }
        };
        Self(FIELDS.iter().map(|(name, field)| (*name, value(*field))).collect())
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        &self.0.iter().find(|(other, _)| *other == name).unwrap().1
    }

    /// Several values, separated by blanks; `-` for empty ones.
    pub(crate) fn all(&self, names: &str) -> String {
        let values = names.split(' ').map(|name| if self.get(name).is_empty() { "-" } else { self.get(name) });
        values.collect::<Vec<_>>().join(" ")
    }
}
