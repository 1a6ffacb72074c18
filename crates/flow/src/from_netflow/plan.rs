//! What a template compiles to: how one of its records becomes a row.
//!
//! Most fields are octets at a known place, and become copies ([`super::copy`]). What needs a look at the
//! value, at two elements or at the exporter's options becomes an [`Op`]. In templates with elements of
//! variable length places are known per record only; there every field is an op.

use super::Settings;
use super::copy::{self, Copy, Move};
use super::sources::{self, Clock, Side};
use crate::address;
use crate::custom::Semantics;
use crate::fact::{Fact, Facts};
use crate::field::Field;
use crate::headers::Headers;
use crate::needs::Needs;
use crate::row::HEAD;
use netflow::template::{self, Template};

/// Where an element lies in a record: by its number in the template, and in fixed records by its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Src {
    pub(crate) field: u16,
    pub(crate) at: u16,
    pub(crate) len: u16,
}

/// A step of a plan that is more than a copy. `to` is an offset in the row.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A number, aligned to the right of `size` octets.
    Number { src: Src, to: usize, size: usize },
    /// The first of the addresses that is not zero.
    Address { sources: Box<[Src]>, to: usize },
    /// A mask: the first that is not zero.
    Mask { sources: [Src; 2], to: usize },
    /// EtherType by the family of an address.
    Etype { host: usize, to: usize },
    /// A time; `init` is the element that tells when the exporter started.
    Time { src: Src, clock: Clock, init: Option<Src>, to: usize },
    /// VLAN id by direction.
    Vlan { direction: Option<Src>, ways: [Option<Src>; 2], to: usize },
    /// Port of the protocol's own element.
    Port { udp: Option<Src>, tcp: Option<Src>, proto: Option<Src>, to: usize },
    /// VXLAN and NVGRE ids.
    Segment { src: Src, vxlan: Option<usize>, nvgre: Option<usize> },
    /// The only entry of an MPLS label stack: top and bottom are one.
    Label { src: Src, top: Option<usize>, bottom: Option<usize> },
    /// MPLS label stack.
    Labels { entries: Box<[Src]>, top: Option<usize>, bottom: Option<usize>, stack: Option<usize> },
    /// SRv6 segments; `list`: a basic list, whose head is skipped.
    Segments { src: Src, list: bool, to: usize },
    /// Mean of the on-path delay.
    PathDelay { sum: Src, to: usize },
    /// Text of the record.
    Text { src: Src, to: usize, raw: bool },
    /// A sampled frame or packet; `ip`: it starts with the IP header.
    Frame { src: Src, ip: bool, headers: Box<Headers> },
    /// Address of the exporter.
    Exporter { sources: Box<[Src]>, to: usize },
    /// Name of an interface.
    Interface { src: Src, to: usize },
    /// Name of an application.
    Application { src: Src, to: usize },
    /// Name of a VRF: the first id that is not zero.
    Vrf { ids: Box<[Src]>, to: usize },
    /// Route distinguisher: in the record, or by the first VRF id that is not zero.
    Rd { inline: Option<Src>, vrfs: Box<[Src]>, to: usize, origin: Option<usize> },
    /// Network of an address; offsets in the row.
    Network { host: usize, mask: usize, to: usize },
    /// Sampling interval.
    Sampling { sources: Box<SamplingSources>, to: Option<usize> },
    /// The time by which history bins, from the field at that offset; `raw`: the uptime that `nfacctd_time_secs` takes as
    /// seconds.
    Stamp { from: usize, raw: Option<Src> },
}

/// What a record says about its sampling.
#[derive(Clone, Debug)]
pub(crate) struct SamplingSources {
    pub(crate) sampler: Option<Src>,
    pub(crate) selector: Option<Src>,
    pub(crate) intervals: [Option<Src>; 2],
    /// Interfaces in and out, for rates that are announced for one.
    pub(crate) interfaces: [Option<Src>; 2],
}

/// Counters of a record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) packets: Option<Src>,
    pub(crate) octets: Option<Src>,
}

impl Counters {
    fn any(&self) -> bool {
        self.packets.is_some() || self.octets.is_some()
    }
}

/// A compiled template.
#[derive(Debug)]
pub struct Plan {
    /// What every row of the template starts as.
    pub(crate) base: Box<[u64]>,
    pub(crate) copies: Box<[Copy]>,
    pub(crate) counters: Counters,
    pub(crate) flows: Option<Src>,
    pub(crate) ops: Box<[Op]>,
    /// Counters of the way back, in records of both ways.
    pub(crate) reverse: Option<Counters>,
    /// Some element has a variable length.
    pub(crate) variable: bool,
    /// Each record makes one row, so that a step may be taken for many records before the next one.
    pub(crate) by_step: bool,
    /// No element means anything here: records tell nothing that could be accounted.
    pub(crate) unknown: bool,
}

/// Compiles a template.
pub(crate) struct Compiler<'a> {
    template: &'a Template,
    needs: &'a Needs,
    settings: &'a Settings,
    /// Place of each field in a fixed record.
    places: Vec<u16>,
    base: Vec<u64>,
    moves: Vec<Move>,
    ops: Vec<Op>,
}

/// The plan of a template for rows of that layout.
pub(crate) fn compile(template: &Template, needs: &Needs, settings: &Settings) -> Plan {
    let mut end = 0u16;
    let places = template.fields.iter().map(|field| {
        let at = end;
        end = end.saturating_add(if field.length == template::VARIABLE { 0 } else { field.length });
        at
    });
    let compiler = Compiler {
        template,
        needs,
        settings,
        places: places.collect(),
        base: vec![0; needs.layout.words().max(HEAD)],
        moves: Vec::new(),
        ops: Vec::new(),
    };
    compiler.plan()
}

impl Compiler<'_> {
    fn plan(mut self) -> Plan {
        let variable = self.template.fields.iter().any(|field| field.length == template::VARIABLE);
        let counters = Counters { packets: self.first(sources::PACKETS), octets: self.first(sources::OCTETS) };
        let frames = self.frames();
        for (field, elements) in sources::PLAIN {
            if let Some(to) = self.offset(*field) {
                if *field == Field::Direction {
                    self.set(to, &[2]);
                }
                if let Some(src) = self.first(elements) {
                    self.number(src, to, field.size(), variable);
                }
            }
        }
        if self.is_tunnelled() {
            // What is told twice is told of the outer packet first.
            for (field, element) in sources::OUTER {
                if let (Some(to), Some(src)) = (self.offset(*field), self.find(0, *element, 0)) {
                    self.number(src, to, field.size(), variable);
                }
            }
        }
        for addresses in sources::ADDRESSES {
            if let Some(to) = self.offset(addresses.field) {
                let sources = match addresses.side {
                    Side::Only => self.addresses(addresses.v4, addresses.v6),
                    Side::Inner if !self.is_tunnelled() => self.addresses(addresses.v4, addresses.v6),
                    Side::Inner => self.all_addresses(addresses).last().copied().into_iter().collect(),
                    Side::Outer if !self.is_tunnelled() => Vec::new(),
                    Side::Outer => self.all_addresses(addresses).first().copied().into_iter().collect(),
                };
                self.address(sources, to, variable);
            }
        }
        self.next_hop(variable);
        self.masks(variable);
        self.etype(frames);
        self.vlan(variable);
        self.ports();
        self.tunnel_ids();
        self.labels();
        self.segments();
        self.path_delay();
        self.names();
        self.route_distinguisher();
        self.tags(variable);
        self.exporter();
        self.networks();
        self.times();
        self.sampling();
        self.customs(variable);
        let flows = self.first(&[sources::FLOWS]);
        // Records that have neither packets nor octets tell of events.
        let event = !counters.any() && !frames && self.reverse().is_none();
        if let Some(to) = self.offset(Field::Event) {
            self.set(to, &[u8::from(event)]);
        }
        if let Some(to) = self.offset(Field::Template) {
            self.set(to, &self.template.id.to_be_bytes());
        }
        if let Some(to) = self.offset(Field::Facts) {
            self.set(to, &self.facts(event, frames).0.to_be_bytes());
        }
        let reverse = self.reverse();
        Plan {
            counters,
            flows,
            by_step: !variable && !frames && reverse.is_none(),
            reverse,
            variable,
            unknown: self.is_unknown(),
            base: self.base.into_boxed_slice(),
            copies: copy::compile(self.moves),
            ops: self.ops.into_boxed_slice(),
        }
    }

    fn offset(&self, field: Field) -> Option<usize> {
        self.needs.layout.offset(field)
    }

    /// The element's place: its `occurrence`-th one, counted from 0.
    fn find(&self, enterprise: u32, element: u16, occurrence: usize) -> Option<Src> {
        let scopes = self.template.scope_fields();
        (self.template.fields.iter().zip(&self.places).enumerate())
            .filter(|(number, (field, _))| {
                // The scopes of NetFlow v9 options have numbers of their own.
                let scope = self.template.has_v9_scopes() && *number < scopes;
                field.enterprise == enterprise && field.element == element && field.length > 0 && !scope
            })
            .nth(occurrence)
            .and_then(|(number, (field, at))| {
                // No datagram holds a record in which a fixed field ends beyond 65,535 octets.
                let fixed = field.length != template::VARIABLE;
                at.checked_add(if fixed { field.length } else { 0 })?;
                Some(Src { field: u16::try_from(number).ok()?, at: *at, len: field.length })
            })
    }

    /// The first of the elements that the template has: of the inner packet, where it tells of two.
    fn first(&self, elements: &[u16]) -> Option<Src> {
        let inner = |element| if self.is_tunnelled() { self.find(0, element, 1) } else { None };
        elements.iter().find_map(|element| inner(*element).or_else(|| self.find(0, *element, 0)))
    }

    /// The template tells of a packet inside another: it has the protocol twice.
    fn is_tunnelled(&self) -> bool {
        self.find(0, sources::PROTOCOL, 1).is_some()
    }

    fn set(&mut self, to: usize, octets: &[u8]) {
        let base: &mut [u8] = bytemuck::cast_slice_mut(&mut self.base);
        if let Some(to) = base.get_mut(to..to + octets.len()) {
            to.copy_from_slice(octets);
        }
    }

    /// A number of any length into a field of `size` octets.
    fn number(&mut self, src: Src, to: usize, size: usize, variable: bool) {
        if variable {
            self.ops.push(Op::Number { src, to, size });
            return;
        }
        let len = usize::from(src.len);
        let (skip, take) = if len > size { (len - size, size) } else { (0, len) };
        self.moves.push(Move { from: src.at + skip as u16, to: (to + size - take) as u16, len: take as u16 });
    }

    fn addresses(&self, v4: &[u16], v6: &[u16]) -> Vec<Src> {
        let found = |elements: &[u16], len| {
            elements.iter().find_map(|element| self.find(0, *element, 0).filter(|src| src.len == len))
        };
        [found(v4, 4), found(v6, 16)].into_iter().flatten().collect()
    }

    /// Every occurrence of an address, in the order of the record.
    fn all_addresses(&self, addresses: &sources::Addresses) -> Vec<Src> {
        let all = |element: u16| (0..2).filter_map(move |n| self.find(0, element, n));
        let v4 = addresses.v4.iter().flat_map(|element| all(*element)).filter(|src| src.len == 4);
        let v6 = addresses.v6.iter().flat_map(|element| all(*element)).filter(|src| src.len == 16);
        let mut sources: Vec<Src> = v4.chain(v6).collect();
        sources.sort_by_key(|src| src.field);
        sources
    }

    fn address(&mut self, sources: Vec<Src>, to: usize, variable: bool) {
        match sources.as_slice() {
            [] => {}
            [src] if src.len == 4 && !variable => {
                self.set(to, &address::V4_ZERO);
                self.moves.push(Move { from: src.at, to: (to + 12) as u16, len: 4 });
            }
            _ => self.ops.push(Op::Address { sources: sources.into(), to }),
        }
    }

    /// BGP next hop; then, under `use_ip_next_hop`, the IP next hop and that of the top label.
    fn next_hop(&mut self, variable: bool) {
        let Some(to) = self.offset(Field::PeerDstIp) else { return };
        let (v4, v6) = sources::BGP_NEXT_HOP;
        let mut sources = self.addresses(&v4, &v6);
        // A template that has room for a BGP next hop means it, even where it is zero.
        if self.settings.use_ip_next_hop && sources.is_empty() {
            for (v4, v6) in [sources::TOP_LABEL, sources::IP_NEXT_HOP] {
                sources.extend(self.addresses(&v4, &v6));
            }
        }
        self.address(sources, to, variable);
    }

    fn masks(&mut self, variable: bool) {
        for (field, v4, v6) in sources::MASKS {
            let Some(to) = self.offset(*field) else { continue };
            match (self.find(0, *v4, 0), self.find(0, *v6, 0)) {
                (Some(v4), Some(v6)) => self.ops.push(Op::Mask { sources: [v4, v6], to }),
                (Some(src), None) | (None, Some(src)) => self.number(src, to, 1, variable),
                (None, None) => {}
            }
        }
    }

    /// Without an element for it, the EtherType is that of the addresses' family.
    fn etype(&mut self, frames: bool) {
        let Some(to) = self.offset(Field::Etype) else { return };
        if frames || self.first(&[256]).is_some() {
            return;
        }
        let Some(host) = self.offset(Field::SrcHost) else { return };
        // A template with room for IPv4 addresses alone tells the family of all its records.
        let base: &[u8] = bytemuck::cast_slice(&self.base);
        if base.get(host..host + 16) == Some(&address::V4_ZERO) {
            self.set(to, &[0x08, 0x00]);
        } else {
            self.ops.push(Op::Etype { host, to });
        }
    }

    /// The VLAN of the way that the record went; of the only one that the template has, whatever the way.
    fn vlan(&mut self, variable: bool) {
        let Some(to) = self.offset(Field::Vlan) else { return };
        match [self.first(&[58, 243]), self.first(&[59, 254])] {
            [None, None] => {}
            [Some(src), None] | [None, Some(src)] => self.number(src, to, 2, variable),
            ways => self.ops.push(Op::Vlan { direction: self.first(&[61]), ways, to }),
        }
    }

    fn ports(&mut self) {
        let (udp, tcp) = (sources::UDP_PORTS, sources::TCP_PORTS);
        for (field, plain, udp, tcp) in [(Field::SrcPort, 7, udp.0, tcp.0), (Field::DstPort, 11, udp.1, tcp.1)] {
            let Some(to) = self.offset(field) else { continue };
            let (udp, tcp) = (self.first(&[udp]), self.first(&[tcp]));
            if self.first(&[plain]).is_none() && (udp.is_some() || tcp.is_some()) {
                self.ops.push(Op::Port { udp, tcp, proto: self.first(&[4]), to });
            }
        }
    }

    fn tunnel_ids(&mut self) {
        let (vxlan, nvgre) = (self.offset(Field::Vxlan), self.offset(Field::Nvgre));
        if (vxlan.is_some() || nvgre.is_some())
            && let Some(src) = self.first(&[sources::LAYER2_SEGMENT])
        {
            self.ops.push(Op::Segment { src, vxlan, nvgre });
        }
    }

    fn labels(&mut self) {
        let top = self.offset(Field::MplsLabelTop);
        let bottom = self.offset(Field::MplsLabelBottom);
        let stack = self.offset(Field::MplsLabelStack);
        if top.is_none() && bottom.is_none() && stack.is_none() {
            return;
        }
        let entries: Box<[Src]> =
            sources::LABELS.filter_map(|element| self.first(&[element])).filter(|src| src.len == 3).collect();
        match (&*entries, stack) {
            ([], _) => {}
            ([src], None) => self.ops.push(Op::Label { src: *src, top, bottom }),
            _ => self.ops.push(Op::Labels { entries, top, bottom, stack }),
        }
    }

    fn segments(&mut self) {
        let Some(to) = self.offset(Field::Srv6Segments) else { return };
        if let Some(src) = self.first(&[sources::SEGMENT_SECTION]) {
            self.ops.push(Op::Segments { src, list: false, to });
        } else if let Some(src) = self.first(&[sources::SEGMENT_LIST]) {
            self.ops.push(Op::Segments { src, list: true, to });
        }
    }

    fn path_delay(&mut self) {
        let Some(to) = self.offset(Field::PathDelayAvg) else { return };
        if self.first(&[600]).is_none()
            && let Some(sum) = self.first(&[sources::PATH_DELAY_SUM])
        {
            self.ops.push(Op::PathDelay { sum, to });
        }
    }

    fn names(&mut self) {
        for (field, elements) in [Field::InIfaceName, Field::OutIfaceName].into_iter().zip(sources::INTERFACES) {
            if let (Some(to), Some(src)) = (self.offset(field), self.first(&elements)) {
                self.ops.push(Op::Interface { src, to });
            }
        }
        if let (Some(to), Some(src)) = (self.offset(Field::Class), self.first(&[sources::APPLICATION_ID])) {
            self.ops.push(Op::Application { src, to });
        }
        let (ingress, egress) = sources::VRF;
        for (field, elements) in [
            (Field::VrfName, &[ingress, egress] as &[u16]),
            (Field::IngressVrfName, &[ingress]),
            (Field::EgressVrfName, &[egress]),
        ] {
            let ids: Box<[Src]> = elements.iter().filter_map(|element| self.first(&[*element])).collect();
            if let (Some(to), false) = (self.offset(field), ids.is_empty()) {
                self.ops.push(Op::Vrf { ids, to });
            }
        }
    }

    fn route_distinguisher(&mut self) {
        let Some(to) = self.offset(Field::MplsVpnRd) else { return };
        let inline = self.first(&[sources::ROUTE_DISTINGUISHER]).filter(|src| src.len == 8);
        let (ingress, egress) = sources::VRF;
        let vrfs: Box<[Src]> = [ingress, egress].iter().filter_map(|element| self.first(&[*element])).collect();
        if inline.is_some() || !vrfs.is_empty() {
            let origin = self.offset(Field::MplsVpnRdOrigin);
            self.ops.push(Op::Rd { inline, vrfs, to, origin });
        }
    }

    /// Tags and label that nfprobe put into its records.
    fn tags(&mut self, variable: bool) {
        for (field, element) in [(Field::Tag, 1), (Field::Tag2, 2)] {
            if let (Some(to), Some(src)) = (self.offset(field), self.find(sources::PMACCT, element, 0)) {
                self.number(src, to, 8, variable);
            }
        }
        if let (Some(to), Some(src)) = (self.offset(Field::Label), self.find(sources::PMACCT, 3, 0)) {
            self.ops.push(Op::Text { src, to, raw: false });
        }
    }

    fn exporter(&mut self) {
        let Some(to) = self.offset(Field::PeerSrcIp) else { return };
        let (v4, v6) = sources::EXPORTER;
        let sources = self.addresses(&v4, &v6);
        if !sources.is_empty() && !self.settings.ignore_exporter_address {
            self.ops.push(Op::Exporter { sources: sources.into(), to });
        }
    }

    fn networks(&mut self) {
        if !self.settings.networks {
            return;
        }
        for (net, host, mask) in
            [(Field::SrcNet, Field::SrcHost, Field::SrcMask), (Field::DstNet, Field::DstHost, Field::DstMask)]
        {
            if let (Some(to), Some(host), Some(mask)) = (self.offset(net), self.offset(host), self.offset(mask)) {
                self.ops.push(Op::Network { host, mask, to });
            }
        }
    }

    fn times(&mut self) {
        let init = self.first(&[sources::SYSTEM_INIT]);
        for (field, elements) in [(Field::TimeStart, sources::STARTS), (Field::TimeEnd, sources::ENDS)] {
            let Some(to) = self.offset(field) else { continue };
            let found = elements.iter().find_map(|(element, clock)| Some((self.first(&[*element])?, *clock)));
            if let Some((src, clock)) = found {
                self.ops.push(Op::Time { src, clock, init, to });
            }
        }
        if self.needs.stamps
            && !self.settings.arrival_stamps
            && let Some(from) = self.offset(Field::TimeStart)
        {
            let raw = self.first(&[22]);
            self.ops.push(Op::Stamp { from, raw });
        }
    }

    fn sampling(&mut self) {
        let to = self.offset(Field::SamplingRate);
        if to.is_none() && !self.settings.renormalize {
            return;
        }
        let sources = SamplingSources {
            sampler: self.first(&[sources::SAMPLER_ID]),
            selector: self.first(&[sources::SELECTOR_ID]),
            intervals: sources::INTERVALS.map(|element| self.first(&[element])),
            interfaces: sources::INTERFACES.map(|elements| self.first(&elements)),
        };
        self.ops.push(Op::Sampling { sources: Box::new(sources), to });
    }

    /// True when records carry octets of packets. They fill the row first, so that what the record itself says wins.
    fn frames(&mut self) -> bool {
        let headers = || Box::new(Headers::new(self.needs, &[]));
        let frame = self.first(sources::FRAMES).map(|src| Op::Frame { src, ip: false, headers: headers() });
        let packet = || self.first(&[313]).map(|src| Op::Frame { src, ip: true, headers: headers() });
        let found: Vec<Op> = frame.or_else(packet).into_iter().collect();
        let any = !found.is_empty();
        self.ops.extend(found);
        any
    }

    fn customs(&mut self, variable: bool) {
        for (number, custom) in self.needs.customs.iter().enumerate() {
            let Some(to) = self.needs.layout.custom(number) else { continue };
            let Some(element) = custom.element else { continue };
            let found = self.find(element.enterprise, element.element, usize::from(element.occurrence));
            let Some(src) = found else { continue };
            match custom.semantics {
                Semantics::UnsignedInt | Semantics::Hex => self.number(src, to, 8, variable),
                Semantics::Mac => self.number(src, to, 6, variable),
                Semantics::Ip => self.ops.push(Op::Address { sources: [src].into(), to }),
                Semantics::Str => self.ops.push(Op::Text { src, to, raw: false }),
                Semantics::Raw => self.ops.push(Op::Text { src, to, raw: true }),
            }
        }
    }

    /// What records of the template tell.
    fn facts(&self, event: bool, frames: bool) -> Facts {
        let mut facts = Facts::default();
        let has = |elements: &[u16]| self.first(elements).is_some();
        sources::FACTS.iter().filter(|(_, elements)| has(elements)).for_each(|(fact, _)| facts.insert(*fact));
        if frames {
            sources::FRAME_FACTS.iter().for_each(|fact| facts.insert(*fact));
        }
        // Those of v5 and its like have no number.
        let fixed = self.template.id == 0;
        facts.insert(if fixed { Fact::EngineType } else { Fact::Template });
        facts.insert(Fact::SourceId);
        if self.reverse().is_some() {
            facts.insert(Fact::BothWays);
        }
        if self.template.kind != template::Kind::Data {
            facts.insert(Fact::Options);
        } else if event || facts.has(Fact::NatEvent) {
            facts.insert(Fact::Event);
        } else {
            facts.insert(Fact::Flow);
            if has(&[8]) && !fixed {
                facts.insert(Fact::FlowV4);
            }
            if has(&[27]) {
                facts.insert(Fact::FlowV6);
            }
        }
        facts
    }

    /// None of the elements is IANA's, a known private one, or asked for by a custom primitive.
    fn is_unknown(&self) -> bool {
        let private = |element| sources::PRIVATE.contains(&element);
        let custom = |f: &template::Field| {
            let wanted = self.needs.customs.iter().filter_map(|custom| custom.element);
            wanted.into_iter().any(|e| (e.enterprise, e.element) == (f.enterprise, f.element))
        };
        let known = |f: &template::Field| match f.enterprise {
            0 => netflow::elements::find(f.element).is_some() || private(f.element),
            enterprise => [sources::PMACCT, sources::REVERSE].contains(&enterprise),
        };
        !self.template.fields.iter().any(|field| known(field) || custom(field))
    }

    /// Counters of the way back: reverse elements (RFC 5103), or those of the responder.
    fn reverse(&self) -> Option<Counters> {
        let reverse =
            |elements: &[u16]| elements.iter().find_map(|element| self.find(sources::REVERSE, *element, 0));
        let (packets, octets) = sources::RESPONDER;
        let counters = Counters {
            packets: reverse(&[2, 86]).or_else(|| self.first(&[packets])),
            octets: reverse(&[1, 85]).or_else(|| self.first(&[octets])),
        };
        counters.any().then_some(counters)
    }
}

/// Pairs of fields that change places on the way back.
pub(crate) const SWAPPED: &[(Field, Field)] = &[
    (Field::SrcHost, Field::DstHost),
    (Field::SrcNet, Field::DstNet),
    (Field::SrcMask, Field::DstMask),
    (Field::SrcPort, Field::DstPort),
    (Field::SrcAs, Field::DstAs),
    (Field::PeerSrcAs, Field::PeerDstAs),
    (Field::SrcMac, Field::DstMac),
    (Field::InIface, Field::OutIface),
    (Field::InIfaceName, Field::OutIfaceName),
    (Field::PostNatSrcHost, Field::PostNatDstHost),
    (Field::PostNatSrcPort, Field::PostNatDstPort),
    (Field::InVlan, Field::OutVlan),
    (Field::IngressVrfName, Field::EgressVrfName),
];
