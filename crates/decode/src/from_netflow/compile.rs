//! Compiles templates to plans.

mod addresses;

use super::Settings;
use super::biflow::{Direction, Fields, Found, Index, Src};
use super::copy::{self, Move};
use super::frame::Frame;
use super::plan::{Counters, Op, Plan, SamplingSources, VrfSources};
use super::sources::{self, Clock};
use crate::headers::Headers;
use flow::custom::{Element, Semantics};
use flow::field::Field;
use flow::needs::Needs;
use flow::presence::{Presence, PresenceSet};
use flow::row::HEAD;
use netflow::elements as ie;
use netflow::template::{self, Kind, Template};

/// Compiles a template for one direction.
struct Compiler<'a> {
    fields: Fields<'a>,
    /// Of the forward and the reverse direction.
    counters: [Counters; 2],
    /// The template describes an encapsulated packet.
    two_protocols: bool,
    needs: &'a Needs,
    settings: &'a Settings,
    base: Vec<u64>,
    moves: Vec<Move>,
    ops: Vec<Op>,
}

/// Compiles a template for rows with the layout of `needs`.
pub(crate) fn compile(template: &Template, needs: &Needs, settings: &Settings) -> Plan {
    let index = Index::new(template);
    let forward = Fields { template, index: &index, direction: Direction::Forward };
    let counters = [Direction::Forward, Direction::Reverse]
        .map(|direction| Fields { direction, ..forward })
        .map(|fields| Counters { packets: fields.first(sources::PACKETS), octets: fields.first(sources::OCTETS) });
    let compiler = |direction| Compiler {
        fields: Fields { direction, ..forward },
        counters,
        two_protocols: Fields { direction, ..forward }.all(0, sources::PROTOCOL).len() > 1,
        needs,
        settings,
        base: vec![0; needs.layout.words().max(HEAD)],
        moves: Vec::new(),
        ops: Vec::new(),
    };
    let [_, reverse_counters] = counters;
    let reverse = reverse_counters.any().then(|| Box::new(compiler(Direction::Reverse).plan(None)));
    compiler(Direction::Forward).plan(reverse)
}

impl Compiler<'_> {
    fn plan(mut self, reverse: Option<Box<Plan>>) -> Plan {
        let variable = self.fields.template.is_variable;
        let counters = self.counters(self.fields.direction);
        let frames = self.frames();
        // Copies run before ops. Where a frame fills the row first, all fields of the record are ops.
        let by_op = variable || frames;
        for (field, elements) in sources::PLAIN {
            if let Some(to) = self.offset(*field) {
                if *field == Field::Direction {
                    self.set(to, &[2]);
                }
                if let Some(src) = self.first(elements) {
                    self.number(src, to, field.size(), by_op);
                }
            }
        }
        for (field, element) in sources::OUTER {
            let sources = self.fields.all(0, *element);
            if let (Some(to), Some(src), true) =
                (self.offset(*field), sources.first(), self.has_two_protocols() || sources.len() > 1)
            {
                self.number(src, to, field.size(), by_op);
            }
        }
        for addresses in sources::ADDRESSES {
            if let Some(to) = self.offset(addresses.field) {
                let sources = self.addresses_of(addresses);
                self.address(sources, to, by_op);
            }
        }
        self.next_hop(by_op);
        self.masks(by_op);
        self.etype();
        self.vlan(by_op);
        self.ports();
        self.tunnel_ids();
        self.labels();
        self.segments();
        self.path_delay();
        self.names();
        self.route_distinguisher();
        self.tags(by_op);
        self.exporter();
        self.networks();
        self.times();
        self.sampling();
        self.customs(by_op);
        let flows = self.first(&[sources::FLOWS]);
        // Records without packets and octets are events.
        let event = !self.counts(Direction::Forward) && !self.counts(Direction::Reverse) && !frames;
        if let Some(to) = self.offset(Field::Event) {
            self.set(to, &[u8::from(event)]);
        }
        if let Some(to) = self.offset(Field::Template) {
            self.set(to, &self.fields.template.id.to_be_bytes());
        }
        if let Some(to) = self.offset(Field::Presence) {
            self.set(to, &self.presence(event, frames).0.to_be_bytes());
        }
        let unknown = self.is_unknown();
        let copies = copy::compile(self.moves);
        let memory = size_of_val(&*self.base)
            + size_of_val(&*copies)
            + self.ops.iter().map(|op| size_of::<Op>() + op.memory()).sum::<usize>()
            + reverse.as_ref().map_or(0, |reverse| size_of::<Plan>() + reverse.memory);
        Plan {
            memory,
            counters,
            flows,
            by_step: !variable && !frames && reverse.is_none(),
            reverse,
            variable,
            unknown,
            base: self.base.into_boxed_slice(),
            copies,
            ops: self.ops.into_boxed_slice(),
        }
    }

    fn offset(&self, field: Field) -> Option<usize> {
        self.needs.layout.offset(field)
    }

    /// Returns the first of `elements` that the template has.
    fn first(&self, elements: &[u16]) -> Option<Src> {
        self.fields.first(elements)
    }

    /// Returns the counters of a direction.
    fn counters(&self, direction: Direction) -> Counters {
        match direction {
            Direction::Forward => self.counters[0],
            Direction::Reverse => self.counters[1],
        }
    }

    /// Returns true if the template counts packets or octets of a direction.
    fn counts(&self, direction: Direction) -> bool {
        self.counters(direction).any()
    }

    /// Returns true if the template describes an encapsulated packet, of any families.
    fn has_two_protocols(&self) -> bool {
        self.two_protocols
    }

    fn set(&mut self, to: usize, octets: &[u8]) {
        let base: &mut [u8] = bytemuck::cast_slice_mut(&mut self.base);
        if let Some(to) = base.get_mut(to..to + octets.len()) {
            to.copy_from_slice(octets);
        }
    }

    /// Copies a number of any length to a field of `size` bytes.
    fn number(&mut self, src: Src, to: usize, size: usize, variable: bool) {
        if variable {
            self.ops.push(Op::Number { src, to, size });
            return;
        }
        let len = usize::from(src.len);
        let (skip, take) = if len > size { (len - size, size) } else { (0, len) };
        self.moves.push(Move { from: src.at + skip as u16, to: (to + size - take) as u16, len: take as u16 });
    }

    /// The VLAN of the record's direction, or the only one that the template has.
    fn vlan(&mut self, variable: bool) {
        let Some(to) = self.offset(Field::Vlan) else { return };
        match [
            self.first(&[ie::VLAN_ID, ie::DOT1Q_VLAN_ID]),
            self.first(&[ie::POST_VLAN_ID, ie::POST_DOT1Q_VLAN_ID]),
        ] {
            [None, None] => {}
            [Some(src), None] | [None, Some(src)] => self.number(src, to, 2, variable),
            vlans => self.ops.push(Op::Vlan { direction: self.first(&[ie::FLOW_DIRECTION]), vlans, to }),
        }
    }

    fn ports(&mut self) {
        let (udp, tcp) = (sources::UDP_PORTS, sources::TCP_PORTS);
        for (field, plain, udp, tcp) in [
            (Field::SrcPort, ie::SOURCE_TRANSPORT_PORT, udp.0, tcp.0),
            (Field::DstPort, ie::DESTINATION_TRANSPORT_PORT, udp.1, tcp.1),
        ] {
            let Some(to) = self.offset(field) else { continue };
            let (udp, tcp) = (self.first(&[udp]), self.first(&[tcp]));
            if self.first(&[plain]).is_none() && (udp.is_some() || tcp.is_some()) {
                self.ops.push(Op::Port { udp, tcp, proto: self.first(&[sources::PROTOCOL]), to });
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
        if self.first(&[sources::PATH_DELAY_MEAN]).is_none()
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
        let both = self.vrfs();
        for (field, vrfs) in [
            (Field::VrfName, both),
            (Field::IngressVrfName, VrfSources { egress: None, ..both }),
            (Field::EgressVrfName, VrfSources { ingress: None, ..both }),
        ] {
            if let Some(to) = self.offset(field).filter(|_| vrfs.ingress.is_some() || vrfs.egress.is_some()) {
                self.ops.push(Op::Vrf { vrfs: Box::new(vrfs), to });
            }
        }
    }

    fn vrfs(&self) -> VrfSources {
        let (ingress, egress) = sources::VRF;
        VrfSources {
            ingress: self.first(&[ingress]),
            egress: self.first(&[egress]),
            direction: self.first(&[ie::FLOW_DIRECTION]),
        }
    }

    fn route_distinguisher(&mut self) {
        let Some(to) = self.offset(Field::MplsVpnRd) else { return };
        let inline = self.first(&[sources::ROUTE_DISTINGUISHER]).filter(|src| src.len == 8);
        let vrfs = self.vrfs();
        if inline.is_some() || vrfs.ingress.is_some() || vrfs.egress.is_some() {
            let origin = self.offset(Field::MplsVpnRdOrigin);
            self.ops.push(Op::Rd { inline, vrfs: Box::new(vrfs), to, origin });
        }
    }

    /// The fields with an element of an enterprise. v9 has no enterprise numbers: nfprobe keeps the bit that marks such elements.
    fn of_enterprise(&self, enterprise: u32, element: u16) -> Found<'_> {
        match self.fields.template.ipfix || enterprise == 0 {
            true => self.fields.all(enterprise, element),
            false => self.fields.all(0, element | sources::ENTERPRISE_BIT),
        }
    }

    /// Tags and label of nfprobe.
    fn tags(&mut self, variable: bool) {
        for (field, element) in [(Field::Tag, sources::PMACCT_TAG), (Field::Tag2, sources::PMACCT_TAG2)] {
            if let (Some(to), Some(src)) =
                (self.offset(field), self.of_enterprise(sources::PMACCT, element).last())
            {
                self.number(src, to, 8, variable);
            }
        }
        if let (Some(to), Some(src)) =
            (self.offset(Field::Label), self.of_enterprise(sources::PMACCT, sources::PMACCT_LABEL).last())
        {
            self.ops.push(Op::Text { src, to, raw: false });
        }
    }

    fn times(&mut self) {
        let init = self.first(&[sources::SYSTEM_INIT]);
        for (field, elements) in [(Field::TimeStart, sources::START_TIMES), (Field::TimeEnd, sources::END_TIMES)] {
            let Some(to) = self.offset(field) else { continue };
            let sources: Box<[(Src, Clock)]> = self.fields.choices(elements).collect();
            if !sources.is_empty() {
                self.ops.push(Op::Time { sources, init, to });
            }
        }
        if self.needs.bin_times
            && !self.settings.bin_by_arrival
            && let Some(from) = self.offset(Field::TimeStart)
        {
            let raw = self.first(&[ie::FLOW_START_SYS_UP_TIME]);
            self.ops.push(Op::BinTime { from, raw });
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
            probability: self.first(&[sources::PROBABILITY]),
            interfaces: sources::INTERFACES.map(|elements| self.first(&elements)),
        };
        self.ops.push(Op::Sampling { sources: Box::new(sources), to });
    }

    /// Returns true if records contain packet sections. They fill the row first, so that the other elements take precedence.
    fn frames(&mut self) -> bool {
        let frame = self.first(sources::FRAMES).map(|src| (src, false));
        let packet = || self.first(&[sources::PACKET_SECTION]).map(|src| (src, true));
        let Some((src, is_ip)) = frame.or_else(packet) else { return false };
        let mut headers = Headers::new(self.needs, &[]);
        let reverse = self.fields.direction == Direction::Reverse;
        if reverse {
            headers = headers.swapped();
        }
        let missing = |counter: Option<Src>| counter.is_none() && !reverse;
        let Counters { packets, octets } = self.counters(self.fields.direction);
        self.ops.push(Op::Frame(Box::new(Frame {
            src,
            is_ip,
            headers,
            counts_packets: missing(packets),
            counts_octets: missing(octets),
            needed: !self.counts(Direction::Forward) && !self.counts(Direction::Reverse),
        })));
        true
    }

    fn customs(&mut self, variable: bool) {
        for (number, custom) in self.needs.customs.iter().enumerate() {
            let Some(to) = self.needs.layout.custom(number) else { continue };
            let Some(element) = custom.element else { continue };
            let occurrences = self.of_enterprise(element.enterprise, element.element);
            let Some(src) = occurrences.get(usize::from(element.occurrence)) else { continue };
            match custom.semantics {
                Semantics::UnsignedInt | Semantics::Hex => self.number(src, to, 8, variable),
                Semantics::Mac => self.number(src, to, 6, variable),
                Semantics::Ip => self.ops.push(Op::Address { sources: [src].into(), to }),
                Semantics::Str => self.ops.push(Op::Text { src, to, raw: false }),
                Semantics::Raw => self.ops.push(Op::Text { src, to, raw: true }),
            }
        }
    }

    /// Returns the presence bits of the template's records.
    fn presence(&self, event: bool, frames: bool) -> PresenceSet {
        let mut presence = PresenceSet::default();
        let has = |elements: &[u16]| self.first(elements).is_some();
        sources::PRESENCE.iter().filter(|(_, elements)| has(elements)).for_each(|(bit, _)| presence.insert(*bit));
        if frames {
            sources::FRAME_PRESENCE.iter().for_each(|bit| presence.insert(*bit));
        }
        // v1, v5 and v7 have no template id.
        let fixed = self.fields.template.id == 0;
        presence.insert(if fixed { Presence::EngineType } else { Presence::Template });
        presence.insert(Presence::SourceId);
        if self.counts(Direction::Reverse) {
            presence.insert(Presence::BothWays);
        }
        if self.fields.template.kind != Kind::Data {
            presence.insert(Presence::Options);
        } else if event || presence.has(Presence::NatEvent) {
            presence.insert(Presence::Event);
        } else {
            presence.insert(Presence::Flow);
            if has(&[ie::SOURCE_IPV4_ADDRESS, ie::DESTINATION_IPV4_ADDRESS]) && !fixed {
                presence.insert(Presence::FlowV4);
            }
            if has(&[ie::SOURCE_IPV6_ADDRESS, ie::DESTINATION_IPV6_ADDRESS]) {
                presence.insert(Presence::FlowV6);
            }
        }
        presence
    }

    /// Returns true if no element is in the IANA registry, a supported private one, or used by a custom primitive.
    fn is_unknown(&self) -> bool {
        let is_ipfix = self.fields.template.ipfix;
        let private = |element| sources::PRIVATE.contains(&element);
        let custom = |f: &template::Field| {
            let wanted = self.needs.customs.iter().filter_map(|custom| custom.element);
            let as_in_v9 =
                |e: &Element| e.enterprise != 0 && !is_ipfix && f.element == e.element | sources::ENTERPRISE_BIT;
            wanted.into_iter().any(|e| (e.enterprise, e.element) == (f.enterprise, f.element) || as_in_v9(&e))
        };
        let known = |f: &template::Field| match f.enterprise {
            0 => ie::find(f.element).is_some() || private(f.element),
            enterprise => [sources::PMACCT, sources::REVERSE].contains(&enterprise),
        };
        !self.fields.template.fields.iter().any(|field| known(field) || custom(field))
    }
}
