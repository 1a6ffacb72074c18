//! Decodes one flow sample to one row.

use super::fast_path::{ROUTER, SWITCH, WantedRecords};
use super::packet::{Fields, PacketRecords};
use super::{Counts, Settings, octets};
use crate::headers::{self, Headers, put};
use flow::address;
use flow::field::Field;
use flow::needs::Needs;
use flow::output::Output;
use flow::presence::{Presence, PresenceSet};
use flow::row::{self, RowMut};
use flow::strings::Strings;
use sflow::flow::{Gateway, Mpls, MplsVc, Router, Switch, Tag};
use sflow::frame::FlowFrame;
use sflow::{DataFormat, DecodeError, FlowHead, FlowRecord, FlowSample, Header, Wanted, Words};
use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use wire::{Asn, Community};

/// Maximum length in bytes of the text of an AS path or of communities.
const TEXT: usize = 4096;

/// Tags set by sfprobe: enterprise 43874, number 2.
const TAG: u32 = 43_874 << 12 | 2;

/// Offsets of the fields that do not come from packet headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offsets {
    peer_src_ip: Option<usize>,
    sequence: Option<usize>,
    version: Option<usize>,
    sysid: Option<usize>,
    arrival: Option<usize>,
    sampling: Option<usize>,
    direction: Option<usize>,
    in_iface: Option<usize>,
    out_iface: Option<usize>,
    template: Option<usize>,
    pub(super) presence: Option<usize>,
    pub(super) src_host: Option<usize>,
    pub(super) dst_host: Option<usize>,
    pub(super) src_port: Option<usize>,
    pub(super) dst_port: Option<usize>,
    pub(super) proto: Option<usize>,
    pub(super) tcp_flags: Option<usize>,
    pub(super) tos: Option<usize>,
    pub(super) etype: Option<usize>,
    pub(super) src_mac: Option<usize>,
    pub(super) dst_mac: Option<usize>,
    vlan: Option<usize>,
    in_vlan: Option<usize>,
    out_vlan: Option<usize>,
    cos: Option<usize>,
    src_mask: Option<usize>,
    dst_mask: Option<usize>,
    src_net: Option<usize>,
    dst_net: Option<usize>,
    next_hop: Option<usize>,
    peer_dst_ip: Option<usize>,
    src_as: Option<usize>,
    dst_as: Option<usize>,
    peer_src_as: Option<usize>,
    peer_dst_as: Option<usize>,
    as_path: Option<usize>,
    comms: Option<usize>,
    local_pref: Option<usize>,
    label_top: Option<usize>,
    label_bottom: Option<usize>,
    label_stack: Option<usize>,
    pw_id: Option<usize>,
    vxlan: Option<usize>,
    tag: Option<usize>,
    tag2: Option<usize>,
    /// Rows have fields of the sample header.
    head: bool,
}

impl Offsets {
    pub(super) fn new(needs: &Needs) -> Self {
        let at = |field| needs.layout.offset(field);
        let head = [
            Field::SamplingRate,
            Field::InIface,
            Field::OutIface,
            Field::Direction,
            Field::Template,
            Field::Presence,
        ];
        Self {
            head: head.iter().any(|field| at(*field).is_some()),
            peer_src_ip: at(Field::PeerSrcIp),
            sequence: at(Field::ExportSequence),
            version: at(Field::ExportVersion),
            sysid: at(Field::ExportSysid),
            arrival: at(Field::TimeArrival),
            sampling: at(Field::SamplingRate),
            direction: at(Field::Direction),
            in_iface: at(Field::InIface),
            out_iface: at(Field::OutIface),
            template: at(Field::Template),
            presence: at(Field::Presence),
            src_host: at(Field::SrcHost),
            dst_host: at(Field::DstHost),
            src_port: at(Field::SrcPort),
            dst_port: at(Field::DstPort),
            proto: at(Field::Proto),
            tcp_flags: at(Field::TcpFlags),
            tos: at(Field::Tos),
            etype: at(Field::Etype),
            src_mac: at(Field::SrcMac),
            dst_mac: at(Field::DstMac),
            vlan: at(Field::Vlan),
            in_vlan: at(Field::InVlan),
            out_vlan: at(Field::OutVlan),
            cos: at(Field::Cos),
            src_mask: at(Field::SrcMask),
            dst_mask: at(Field::DstMask),
            src_net: at(Field::SrcNet),
            dst_net: at(Field::DstNet),
            next_hop: at(Field::NextHop),
            peer_dst_ip: at(Field::PeerDstIp),
            src_as: at(Field::SrcAs),
            dst_as: at(Field::DstAs),
            peer_src_as: at(Field::PeerSrcAs),
            peer_dst_as: at(Field::PeerDstAs),
            as_path: at(Field::AsPath),
            comms: at(Field::Comms),
            local_pref: at(Field::LocalPref),
            label_top: at(Field::MplsLabelTop),
            label_bottom: at(Field::MplsLabelBottom),
            label_stack: at(Field::MplsLabelStack),
            pw_id: at(Field::MplsPwId),
            vxlan: at(Field::Vxlan),
            tag: at(Field::Tag),
            tag2: at(Field::Tag2),
        }
    }

    /// Returns the formats of records that fill fields of the rows.
    pub(super) fn wanted(&self) -> Vec<DataFormat> {
        let any = |offsets: &[Option<usize>]| offsets.iter().any(Option::is_some);
        let tags = [self.vlan, self.in_vlan, self.out_vlan, self.cos, self.presence];
        let routes = [self.src_mask, self.dst_mask, self.next_hop, self.peer_dst_ip, self.presence];
        let ases = [self.src_as, self.dst_as, self.peer_src_as, self.peer_dst_as, self.as_path, self.comms];
        let labels = [self.label_top, self.label_bottom, self.label_stack, self.presence];
        let formats: &[(bool, &[u32])] = &[
            (true, &[1, 2, 3, 4]),
            (any(&tags), &[SWITCH]),
            (any(&routes), &[ROUTER]),
            (any(&ases) || any(&[self.local_pref, self.peer_dst_ip, self.presence]), &[1003]),
            (any(&labels), &[1006]),
            (any(&[self.pw_id, self.presence]), &[1009]),
            (any(&[self.vxlan]), &[1029, 1030]),
            (any(&[self.tag, self.tag2]), &[TAG]),
        ];
        let wanted = formats.iter().filter(|(wanted, _)| *wanted);
        wanted.flat_map(|(_, formats)| *formats).map(|format| DataFormat(*format)).collect()
    }

    /// Fills the common part of the rows of a datagram.
    pub(super) fn datagram(&self, base: &mut [u64], agent: IpAddr, header: &Header, arrival: u64) {
        if let Some(bin_time) = base.get_mut(row::BIN_TIME) {
            *bin_time = arrival;
        }
        let row: &mut [u8] = bytemuck::cast_slice_mut(base);
        set(row, self.peer_src_ip, &address::octets(agent));
        set(row, self.sequence, &header.sequence.to_be_bytes());
        set(row, self.version, &(header.version as u16).to_be_bytes());
        set(row, self.sysid, &header.sub_agent.unwrap_or(0).to_be_bytes());
        set(row, self.arrival, &arrival.to_be_bytes());
    }
}

/// Extended data of the agent.
#[derive(Clone, Copy, Default)]
struct Extras<'a> {
    /// At least one of them is present.
    any: bool,
    switch: Option<Switch>,
    router: Option<Router>,
    gateway: Option<Gateway<'a>>,
    mpls: Option<Mpls<'a>>,
    circuit: Option<MplsVc<'a>>,
    network: Option<u32>,
    tag: Option<Tag>,
}

/// Decodes the flow samples of a datagram.
pub(super) struct Reader<'d> {
    pub(super) settings: &'d Settings,
    pub(super) headers: &'d Headers,
    pub(super) offsets: &'d Offsets,
    pub(super) base: &'d [u64],
    pub(super) counts: &'d mut Counts,
    /// The agent of the datagram.
    pub(super) agent: IpAddr,
    /// The first error, for the log.
    pub(super) error: &'d mut Option<(IpAddr, DecodeError)>,
    /// The datagram has version 2 or 4.
    pub(super) is_legacy: bool,
    /// Formats of records that fill fields of the rows.
    pub(super) wanted: &'d [DataFormat],
    /// The records that the fast path decodes; `None` disables it.
    pub(super) wanted_records: Option<WantedRecords>,
}

/// The fields of a sample header that rows need.
#[derive(Clone, Copy)]
pub(super) struct Head {
    format: DataFormat,
    source_index: u32,
    sampling_rate: u32,
    input: u32,
    output: u32,
}

impl From<&FlowHead> for Head {
    fn from(head: &FlowHead) -> Self {
        Self {
            format: head.format,
            source_index: head.source.index,
            sampling_rate: head.sampling_rate,
            input: head.input_number(),
            output: head.output_number(),
        }
    }
}

impl From<&FlowFrame<'_>> for Head {
    #[inline]
    fn from(frame: &FlowFrame<'_>) -> Self {
        let FlowFrame { format, source_index, sampling_rate, input, output, .. } = *frame;
        Self { format, source_index, sampling_rate, input, output }
    }
}

impl Reader<'_> {
    /// Adds the row of a sample of datagram `unit`.
    #[inline(never)]
    pub(super) fn flow(&mut self, unit: u32, datagram: &[u8], sample: &FlowSample<'_>, output: &mut Output) {
        let (mut packet_records, mut extras, mut is_valid) = (PacketRecords::default(), Extras::default(), true);
        let mut records = sample.records();
        while let Some(record) = records.next_wanted(Wanted(self.wanted)) {
            match record {
                Ok(FlowRecord::RawHeader(header)) => packet_records.header = Some(header),
                Ok(FlowRecord::Ipv4(ip)) => _ = packet_records.fields.get_or_insert(Fields::v4(&ip)),
                Ok(FlowRecord::Ipv6(ip)) => _ = packet_records.fields.get_or_insert(Fields::v6(&ip)),
                Ok(FlowRecord::Ethernet(frame)) => _ = packet_records.frame.get_or_insert(frame),
                Ok(FlowRecord::Unknown(_)) => self.counts.unknown_records += 1,
                Ok(record) => extras.take(record),
                Err(error) => {
                    self.counts.invalid += 1;
                    self.error.get_or_insert((self.agent, error));
                    is_valid = false;
                }
            }
        }
        let mut row = output.rows.push(self.base);
        (*row.head(row::PACKETS), *row.head(row::FLOWS)) = (1, 1);
        let Some(reference) = self.packet(unit, datagram, &packet_records, &mut row, &mut output.strings) else {
            // An invalid record explains why there is no packet.
            self.counts.without_packet += u64::from(is_valid);
            output.rows.pop();
            return;
        };
        self.head(&Head::from(&sample.head), &mut row);
        if extras.any {
            self.extras(&extras, &mut row, &mut output.strings);
        }
        self.networks(row.bytes());
        output.packets.push(reference);
        self.counts.samples += 1;
    }

    /// Fills the fields of the sample header.
    #[inline]
    pub(super) fn head(&self, head: &Head, row: &mut RowMut<'_>) {
        if self.settings.renormalize {
            for word in [row::PACKETS, row::BYTES] {
                let count = row.head(word);
                // 0 means that the rate is unknown.
                *count = count.saturating_mul(u64::from(head.sampling_rate.max(1)));
            }
        }
        if self.offsets.head {
            self.head_fields(head, row.bytes());
        }
    }

    fn head_fields(&self, head: &Head, row: &mut [u8]) {
        let offsets = self.offsets;
        let shown = if self.settings.renormalize { head.sampling_rate.min(1) } else { head.sampling_rate };
        set(row, offsets.sampling, &shown.to_be_bytes());
        set(row, offsets.in_iface, &head.input.to_be_bytes());
        set(row, offsets.out_iface, &head.output.to_be_bytes());
        if offsets.direction.is_some() {
            let direction = match head.source_index {
                index if index == head.input => 0,
                index if index == head.output => 1,
                _ => 2,
            };
            set(row, offsets.direction, &[direction]);
        }
        set(row, offsets.template, &(head.format.0 as u16).to_be_bytes());
        add_presence(
            row,
            offsets.presence,
            &[Presence::InIface, Presence::OutIface, Presence::SourceId, Presence::Direction, Presence::Template],
        );
    }

    #[inline(never)]
    fn extras(&self, extras: &Extras<'_>, row: &mut RowMut<'_>, strings: &mut Strings) {
        let offsets = self.offsets;
        if let Some(switch) = &extras.switch {
            self.switch(switch, row.bytes());
        }
        if let Some(router) = &extras.router {
            self.router(router, row.bytes());
        }
        if let Some(gateway) = &extras.gateway {
            self.gateway(gateway, row.bytes(), strings);
        }
        if let Some(mpls) = &extras.mpls {
            self.labels(mpls, row.bytes(), strings);
        }
        let row = row.bytes();
        if let Some(circuit) = &extras.circuit {
            set(row, offsets.pw_id, &circuit.id.to_be_bytes());
            add_presence(row, offsets.presence, &[Presence::MplsPwId]);
        }
        if let Some(network) = extras.network {
            set(row, offsets.vxlan, &network.to_be_bytes());
        }
        if let Some(tag) = &extras.tag {
            set(row, offsets.tag, &tag.tag.to_be_bytes());
            set(row, offsets.tag2, &tag.tag2.to_be_bytes());
        }
    }

    /// Fills the networks: addresses masked by their prefix lengths.
    #[inline]
    pub(super) fn networks(&self, row: &mut [u8]) {
        let offsets = self.offsets;
        if !self.settings.networks {
            return;
        }
        network(row, offsets.src_host, offsets.src_mask, offsets.src_net);
        network(row, offsets.dst_host, offsets.dst_mask, offsets.dst_net);
    }

    #[inline]
    pub(super) fn router(&self, router: &Router, row: &mut [u8]) {
        let offsets = self.offsets;
        set(row, offsets.src_mask, &[router.src_mask as u8]);
        set(row, offsets.dst_mask, &[router.dst_mask as u8]);
        set(row, offsets.next_hop, &octets(router.next_hop));
        add_presence(row, offsets.presence, &[Presence::NextHop]);
        if self.settings.use_ip_next_hop {
            set(row, offsets.peer_dst_ip, &octets(router.next_hop));
        }
    }

    #[inline]
    pub(super) fn switch(&self, switch: &Switch, row: &mut [u8]) {
        let offsets = self.offsets;
        let (inside, outside) = (switch.in_vlan as u16, switch.out_vlan as u16);
        // In versions 2 and 4, an egress VLAN without an ingress VLAN is that of the flow.
        let only_out = self.is_legacy && inside == 0;
        let vlan = if only_out { outside } else { inside };
        set(row, offsets.vlan, &vlan.to_be_bytes());
        set(row, offsets.in_vlan, &inside.to_be_bytes());
        set(row, offsets.out_vlan, &outside.to_be_bytes());
        let cos = if inside == 0 { switch.out_priority } else { switch.in_priority };
        set(row, offsets.cos, &[cos as u8]);
        add_presence(row, offsets.presence, &[Presence::Vlan]);
    }

    fn gateway(&self, gateway: &Gateway<'_>, row: &mut [u8], strings: &mut Strings) {
        let offsets = self.offsets;
        let (first, last) = (gateway.path.first().unwrap_or(0), gateway.path.last().unwrap_or(0));
        set(row, offsets.src_as, &gateway.src_as.to_be_bytes());
        set(row, offsets.dst_as, &last.to_be_bytes());
        set(row, offsets.peer_src_as, &gateway.src_peer_as.to_be_bytes());
        set(row, offsets.peer_dst_as, &first.to_be_bytes());
        set(row, offsets.local_pref, &gateway.local_pref.unwrap_or(0).to_be_bytes());
        if gateway.next_hop.is_some() {
            set(row, offsets.peer_dst_ip, &octets(gateway.next_hop));
        }
        add_presence(row, offsets.presence, &[Presence::SrcAs, Presence::DstAs, Presence::BgpNextHop]);
        if let Some(at) = offsets.as_path {
            let id = text(gateway.path.ases().map(Asn), strings);
            put(row, at, &id.to_be_bytes());
        }
        if let Some(at) = offsets.comms {
            let id = text(gateway.communities.iter().map(Community), strings);
            put(row, at, &id.to_be_bytes());
        }
    }

    /// Fills the labels of the ingress stack.
    fn labels(&self, mpls: &Mpls<'_>, row: &mut [u8], strings: &mut Strings) {
        let offsets = self.offsets;
        // Agents may send words after the stack, which ends at the bottom-of-stack bit.
        let count = mpls.in_stack.iter().position(|entry| entry >> 8 & 1 == 1).map_or(usize::MAX, |last| last + 1);
        let octets = mpls.in_stack.octets();
        let octets = octets.get(..count.saturating_mul(4)).unwrap_or(octets);
        let entries = Words::new(octets);
        let label = |entry: u32| (entry >> 12).to_be_bytes();
        let (Some(top), Some(bottom)) = (entries.first(), entries.last()) else { return };
        set(row, offsets.label_top, &label(top));
        set(row, offsets.label_bottom, &label(bottom));
        if let Some(at) = offsets.label_stack {
            put(row, at, &headers::stack(octets, strings).to_be_bytes());
        }
        add_presence(row, offsets.presence, &[Presence::MplsLabelBottom]);
    }
}

impl<'a> Extras<'a> {
    fn take(&mut self, record: FlowRecord<'a>) {
        self.any = true;
        match record {
            FlowRecord::Switch(switch) => self.switch = Some(switch),
            FlowRecord::Router(router) => self.router = Some(router),
            FlowRecord::Gateway(gateway) => self.gateway = Some(gateway),
            FlowRecord::Mpls(mpls) => self.mpls = Some(mpls),
            FlowRecord::MplsVc(circuit) => self.circuit = Some(circuit),
            FlowRecord::VniIngress(network) | FlowRecord::VniEgress(network) => self.network = Some(network.vni),
            FlowRecord::Tag(tag) => self.tag = Some(tag),
            _ => {}
        }
    }
}

fn network(row: &mut [u8], host: Option<usize>, mask: Option<usize>, net: Option<usize>) {
    let (Some(host), Some(mask), Some(net)) = (host, mask, net) else { return };
    let address = row.get(host..).and_then(<[u8]>::first_chunk).copied().unwrap_or(address::ABSENT);
    let mask = row.get(mask).copied().unwrap_or(0);
    put(row, net, &address::network(&address, mask));
}

/// Interns a text of words, separated by blanks.
fn text(words: impl Iterator<Item = impl Display>, strings: &mut Strings) -> u32 {
    let mut text = [0; TEXT];
    let mut rest: &mut [u8] = &mut text;
    for (position, word) in words.enumerate() {
        let blank = if position == 0 { Ok(()) } else { rest.write_all(b" ") };
        if blank.and_then(|()| write!(rest, "{word}")).is_err() {
            break;
        }
    }
    let left = rest.len();
    strings.intern(text.get(..TEXT - left).unwrap_or_default())
}

#[inline]
pub(super) fn add_presence(row: &mut [u8], at: Option<usize>, all: &[Presence]) {
    if let Some(at) = at {
        let mut presence = PresenceSet::default();
        all.iter().for_each(|bit| presence.insert(*bit));
        headers::add_presence(row, at, presence);
    }
}

#[inline]
pub(super) fn set(row: &mut [u8], at: Option<usize>, octets: &[u8]) {
    if let Some(at) = at {
        put(row, at, octets);
    }
}
