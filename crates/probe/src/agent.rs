//! The sFlow agent: numbers the samples of all workers, and packs them into datagrams.
//!
//! All samples belong to one data source, whose sequence numbers, pool and drops it writes into them. They stay where the workers
//! have encoded them: a datagram is a header, and the place of its samples in their batch. Counter samples come from the caller.

use crate::exporter::Contents;
use crate::samples::{Batch, Mixed, SOURCE, WORD};
use sflow::counters::{self, CounterBlock, Value};
use sflow::encode::counter_sample;
use sflow::{CounterHead, DataFormat, SourceId};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use wire::Writer;

/// Offset of the sequence number in a sample, after its format and length.
const SEQUENCE: usize = 8;
/// Offset of the pool in a compact sample; the drops follow.
const POOL: usize = 20;
/// The same in an expanded sample.
const EXPANDED_POOL: usize = 24;
/// The format of generic interface counters.
const GENERIC: DataFormat = DataFormat::new(0, 1);

/// Counters of one interface (IF-MIB), as the kernel knows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// ifIndex.
    pub index: u32,
    /// ifSpeed: bits per second.
    pub speed: u64,
    /// ifDirection: 0 unknown, 1 full duplex, 2 half duplex.
    pub direction: u32,
    /// ifAdminStatus in bit 0, ifOperStatus in bit 1.
    pub status: u32,
    /// Octets received.
    pub in_octets: u64,
    /// Packets received, multicast included.
    pub in_packets: u64,
    /// Multicast packets received.
    pub in_multicast: u64,
    /// Packets received and dropped.
    pub in_discards: u64,
    /// Packets received with errors.
    pub in_errors: u64,
    /// Octets sent.
    pub out_octets: u64,
    /// Packets sent.
    pub out_packets: u64,
    /// Packets dropped before they were sent.
    pub out_discards: u64,
    /// Packets not sent because of errors.
    pub out_errors: u64,
    /// ifPromiscuousMode.
    pub is_promiscuous: bool,
}

/// Who the agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `sfprobe_agentip`.
    pub address: IpAddr,
    /// `sfprobe_agentsubid`.
    pub sub_agent: u32,
    /// Its start: microseconds since 1970.
    pub started_us: u64,
}

/// Octets of the header of a datagram, at most: with an IPv6 address.
const HEADER: usize = 40;

/// Pieces of a datagram: its header, and its samples, which are in one place of a batch.
pub const PIECES: usize = 2;

/// Packs samples.
#[derive(Debug)]
pub struct Agent {
    identity: Identity,
    /// Maximum length of a datagram, in octets.
    limit: usize,
    /// Of the next datagram.
    sequence: u32,
    /// Of the latest flow sample.
    flow_sequence: u32,
    pool: u64,
    drops: u64,
    /// Of the latest counter sample of each interface.
    counter_sequences: BTreeMap<u32, u32>,
    packed: Vec<Packed>,
}

/// Where the samples of a datagram are in their batch.
#[derive(Clone, Debug)]
struct Place {
    /// Words of each sample; `None` for those of mixed sizes.
    words: Option<usize>,
    octets: Range<usize>,
}

/// A datagram: its header, and where its samples are in their batch.
#[derive(Clone, Debug)]
pub struct Packed {
    header: [u8; HEADER],
    header_len: usize,
    place: Place,
    /// The flow samples in it.
    pub contents: Contents,
}

impl Packed {
    /// Header and samples. `batch` is the one that was packed.
    pub fn pieces<'a>(&'a self, batch: &'a Batch) -> [&'a [u8]; PIECES] {
        let samples = match self.place.words {
            Some(words) => batch.by_size.get(words).map_or(&[][..], Writer::octets),
            None => batch.mixed.samples.octets(),
        };
        let header = self.header.get(..self.header_len).unwrap_or_default();
        [header, samples.get(self.place.octets.clone()).unwrap_or_default()]
    }
}

/// Numbers the samples of a batch. Its packets are spread over them.
struct Numbering {
    /// The latest sequence number.
    sequence: u32,
    /// The pool before the batch, and that of the batch.
    pool: [u64; 2],
    drops: u64,
    /// Samples, and those that have a number.
    count: u64,
    numbered: u64,
}

impl Numbering {
    /// Numbers samples of one size. Returns what they are.
    fn number_all(&mut self, samples: &mut [u8], size: usize) -> Contents {
        let mut flows = 0;
        for sample in samples.chunks_exact_mut(size) {
            flows += u64::from(self.number(sample));
        }
        Contents { flows, packets: flows, ..Contents::default() }
    }

    /// Numbers a flow sample. False if it is none.
    fn number(&mut self, sample: &mut [u8]) -> bool {
        self.numbered += 1;
        let format = sample.first_chunk().map(|format| DataFormat(u32::from_be_bytes(*format)));
        let pool_at = match format {
            Some(DataFormat::FLOW) => POOL,
            Some(DataFormat::FLOW_EXPANDED) => EXPANDED_POOL,
            _ => return false,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let [before, pool] = self.pool;
        let pool = before + pool * self.numbered / self.count;
        let mut write = |at: usize, number: u32| {
            if let Some(place) = sample.get_mut(at..at + 4) {
                place.copy_from_slice(&number.to_be_bytes());
            }
        };
        write(SEQUENCE, self.sequence);
        write(pool_at, pool as u32);
        write(pool_at + 4, self.drops as u32);
        true
    }
}

impl Agent {
    /// An agent whose datagrams have at most `limit` octets.
    pub fn new(identity: Identity, limit: usize) -> Self {
        Self {
            identity,
            limit,
            sequence: 1,
            flow_sequence: 0,
            pool: 0,
            drops: 0,
            counter_sequences: BTreeMap::new(),
            packed: Vec::new(),
        }
    }

    /// Changes the maximum length of datagrams, in octets.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Numbers the samples of a batch where they are, and divides them into datagrams.
    pub fn pack(&mut self, batch: &mut Batch, now_us: u64) -> &[Packed] {
        self.packed.clear();
        self.drops = self.drops.saturating_add(batch.drops);
        let room = self.limit.saturating_sub(if self.identity.address.is_ipv4() { 28 } else { HEADER });
        let mut numbering = Numbering {
            sequence: self.flow_sequence,
            pool: [self.pool, batch.pool],
            drops: self.drops,
            count: batch.len() as u64,
            numbered: 0,
        };
        let Batch { by_size, mixed, pool, .. } = batch;
        for (words, samples) in by_size.iter_mut().enumerate().filter(|(_, samples)| !samples.is_empty()) {
            let size = words * WORD;
            let in_datagram = (room / size).max(1);
            let all = samples.octets_mut();
            let whole = all.len() - all.len() % (in_datagram * size);
            let (whole, rest) = all.split_at_mut(whole);
            let mut at = 0;
            for samples in whole.chunks_exact_mut(in_datagram * size) {
                let contents = numbering.number_all(samples, size);
                let octets = at..at + samples.len();
                at = octets.end;
                self.close(Place { words: Some(words), octets }, in_datagram, contents, now_us);
            }
            // Too few for a datagram.
            rest.chunks_exact(size).for_each(|sample| mixed.push(sample));
        }
        self.pack_mixed(mixed, &mut numbering, room, now_us);
        self.flow_sequence = numbering.sequence;
        self.pool += *pool;
        &self.packed
    }

    /// Divides samples of any size into datagrams.
    fn pack_mixed(&mut self, mixed: &mut Mixed, numbering: &mut Numbering, room: usize, now_us: u64) {
        let (mut octets, mut samples, mut contents) = (0..0, 0, Contents::default());
        for end in mixed.ends.iter().copied() {
            if samples > 0 && end - octets.start > room {
                let place = Place { words: None, octets: octets.clone() };
                self.close(place, samples, contents, now_us);
                (octets, samples, contents) = (octets.end..octets.end, 0, Contents::default());
            }
            if numbering.number(mixed.samples.octets_mut().get_mut(octets.end..end).unwrap_or_default()) {
                contents.flows += 1;
                contents.packets += 1;
            }
            samples += 1;
            octets.end = end;
        }
        if samples > 0 {
            self.close(Place { words: None, octets }, samples, contents, now_us);
        }
    }

    /// Ends a datagram.
    fn close(&mut self, place: Place, samples: usize, contents: Contents, now_us: u64) {
        let uptime_ms = (now_us.saturating_sub(self.identity.started_us) / 1000) as u32;
        let (mut header, mut header_len) = ([0; HEADER], 0);
        let mut put = |octets: &[u8]| {
            if let Some(place) = header.get_mut(header_len..header_len + octets.len()) {
                place.copy_from_slice(octets);
                header_len += octets.len();
            }
        };
        put(&5u32.to_be_bytes());
        match self.identity.address {
            IpAddr::V4(address) => {
                put(&1u32.to_be_bytes());
                put(&address.octets());
            }
            IpAddr::V6(address) => {
                put(&2u32.to_be_bytes());
                put(&address.octets());
            }
        }
        for number in [self.identity.sub_agent, self.sequence, uptime_ms, samples as u32] {
            put(&number.to_be_bytes());
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.packed.push(Packed { header, header_len, place, contents });
    }

    /// Adds the counters of an interface to a batch.
    pub fn counters(&mut self, interface: &InterfaceCounters, batch: &mut Batch) {
        let Some(kind) = counters::kind(GENERIC) else { return };
        /// ifType ethernetCsmacd.
        const ETHERNET: u64 = 6;
        let number = |number: u64| Value::Number(number);
        // Counters of packets have 32 bits, and wrap.
        let wrapped = |number: u64| Value::Number(number & u64::from(u32::MAX));
        /// Not known.
        const UNKNOWN: u64 = u32::MAX as u64;
        let unicast = interface.in_packets.saturating_sub(interface.in_multicast);
        let octets = counters::contents(
            kind,
            [
                number(interface.index.into()),
                number(ETHERNET),
                number(interface.speed),
                number(interface.direction.into()),
                number(interface.status.into()),
                number(interface.in_octets),
                wrapped(unicast),
                wrapped(interface.in_multicast),
                number(UNKNOWN),
                wrapped(interface.in_discards),
                wrapped(interface.in_errors),
                number(UNKNOWN),
                number(interface.out_octets),
                wrapped(interface.out_packets),
                number(UNKNOWN),
                number(UNKNOWN),
                wrapped(interface.out_discards),
                wrapped(interface.out_errors),
                number(u64::from(interface.is_promiscuous)),
            ],
        );
        let sequence = self.counter_sequences.entry(interface.index).or_insert(0);
        *sequence = sequence.wrapping_add(1);
        let head = CounterHead {
            format: DataFormat::COUNTERS,
            sequence: *sequence,
            source: SourceId { class: SOURCE.class, index: interface.index },
            interval_secs: None,
        };
        let mut sample = Writer::new();
        if counter_sample(&mut sample, &head, &[CounterBlock::new(GENERIC, &octets)]).is_ok() {
            batch.push(sample.octets());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::{Direction, Ifindex};
    use crate::samples::{self, Frame, HEADER, Sampler};
    use flow::row::{FieldSet, Layout};
    use flow::schema::{Options, Schema, Selection};
    use flow::strings::Strings;
    use packet::LinkType;
    use sflow::{FlowRecord, Sample};

    const NOW: u64 = 1_796_028_800_000_000;

    fn sampler(words: &str, interfaces: crate::interfaces::Settings) -> (Sampler, Layout) {
        let selection = Selection::parse(words.split(','), &[]).unwrap();
        let mut fields = FieldSet::default();
        selection.require(&Options::default(), &mut fields);
        let layout = Layout::new(&fields, &[]);
        let schema = Schema::new(&selection, &[], &layout, &Options::default());
        let settings = samples::Settings { rate: 10, interfaces, peer_as: false };
        (Sampler::new(settings, &schema), layout)
    }

    fn agent(limit: usize) -> Agent {
        let address = "192.0.2.1".parse().unwrap();
        Agent::new(Identity { address, sub_agent: 5, started_us: NOW - 3_000_000 }, limit)
    }

    fn frame(length: usize) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([0x81, 0, 0x60, 7, 8, 0]);
        frame.resize(length, 0x45);
        frame
    }

    fn send(agent: &mut Agent, batches: Vec<Batch>) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        for mut batch in batches {
            let packed = agent.pack(&mut batch, NOW).to_vec();
            datagrams.extend(packed.iter().map(|packed| packed.pieces(&batch).concat()));
        }
        datagrams
    }

    #[test]
    fn a_sample_is_decoded_as_it_was_encoded() {
        let interfaces = crate::interfaces::Settings {
            direction: Some(Direction::In),
            ifindex: Some(Ifindex::Fixed(9)),
            overrides: false,
        };
        let words = "src_as,dst_as,tag,tag2,in_iface,out_iface,src_mask,dst_mask,peer_dst_ip,std_comm,as_path";
        let (mut sampler, layout) = sampler(words, interfaces);
        let mut row = vec![0u8; layout.words() * 8];
        for (field, octets) in [
            (flow::field::Field::DstAs, &65001u32.to_be_bytes()[..]),
            (flow::field::Field::SrcAs, &65002u32.to_be_bytes()),
            (flow::field::Field::Tag, &77u64.to_be_bytes()),
            (flow::field::Field::DstMask, &[24]),
        ] {
            let at = layout.offset(field).unwrap();
            row[at..at + octets.len()].copy_from_slice(octets);
        }
        let mut strings = Strings::default();
        for (field, text) in
            [(flow::field::Field::Comms, &b"65000:1 65000:2"[..]), (flow::field::Field::AsPath, b"65010 65001")]
        {
            let at = layout.offset(field).unwrap();
            row[at..at + 4].copy_from_slice(&strings.intern(text).to_be_bytes());
        }
        let octets = frame(200);
        let packet = Frame { link: LinkType::ETHERNET, octets: &octets, length: 1000 };
        let mut batch = Batch::default();
        (batch.pool, batch.drops) = (100, 3);
        for _ in 0..2 {
            sampler.add(&row, &strings, &packet, &mut batch).unwrap();
        }
        let datagrams = send(&mut agent(1400), vec![batch]);
        let datagram = sflow::open(&datagrams[0]).unwrap();
        let header = datagram.header;
        assert_eq!((header.sub_agent, header.sequence, header.uptime_ms), (Some(5), 1, 3000));
        let samples: Vec<_> = datagram.samples().map(Result::unwrap).collect();
        let [Sample::Flow(first), Sample::Flow(second)] = &samples[..] else { panic!("{samples:?}") };
        assert_eq!(
            (first.head.sequence, first.head.pool, second.head.sequence, second.head.pool),
            (1, 50, 2, 100)
        );
        assert_eq!((first.head.drops, first.head.sampling_rate), (3, 10));
        assert_eq!((first.head.input_number(), first.head.output_number()), (9, 0x3fff_ffff));
        let records: Vec<_> = first.records().map(Result::unwrap).collect();
        for record in &records {
            match record {
                FlowRecord::RawHeader(raw) => {
                    assert_eq!((raw.frame_length, raw.stripped, raw.octets), (1004, Some(4), &octets[..HEADER]));
                }
                FlowRecord::Switch(switch) => assert_eq!((switch.in_vlan, switch.in_priority), (7, 3)),
                FlowRecord::Router(router) => assert_eq!((router.src_mask, router.dst_mask), (0, 24)),
                FlowRecord::Gateway(gateway) => {
                    assert_eq!(gateway.src_as, 65002);
                    let path: Vec<u32> =
                        gateway.path.segments().flat_map(|s| s.ases.iter().collect::<Vec<_>>()).collect();
                    assert_eq!(path, [65010, 65001]);
                    assert_eq!(gateway.communities.iter().collect::<Vec<_>>(), [0xfde8_0001, 0xfde8_0002]);
                }
                FlowRecord::Tag(tags) => assert_eq!((tags.tag, tags.tag2), (77, 0)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(records.len(), 5);
    }

    #[test]
    fn every_sample_is_sent_once_whatever_the_limit() {
        let (mut sampler, layout) = sampler("in_iface,out_iface", crate::interfaces::Settings::default());
        let row = vec![0u8; layout.words() * 8];
        for limit in [300, 500, 1400, 1472] {
            let mut agent = agent(limit);
            let mut batches = Vec::new();
            for size in [0usize, 1, 50, 7] {
                let mut batch = Batch::default();
                for number in 0..size {
                    let octets = frame(20 + number * 3);
                    let packet = Frame { link: LinkType::ETHERNET, octets: &octets, length: octets.len() as u32 };
                    sampler.add(&row, &Strings::default(), &packet, &mut batch).unwrap();
                }
                batches.push(batch);
            }
            let mut expected = 0;
            for (number, octets) in (1..).zip(&send(&mut agent, batches)) {
                assert!(octets.len() <= limit);
                let datagram = sflow::open(octets).unwrap();
                assert_eq!(datagram.header.sequence, number);
                for sample in datagram.samples() {
                    let Ok(Sample::Flow(sample)) = sample else { panic!("a flow sample") };
                    expected += 1;
                    assert_eq!(sample.head.sequence, expected);
                }
            }
            assert_eq!(expected, 58);
        }
    }

    #[test]
    fn samples_of_one_size_share_datagrams() {
        let (mut sampler, layout) = sampler("in_iface,out_iface", crate::interfaces::Settings::default());
        let row = vec![0u8; layout.words() * 8];
        let mut batch = Batch::default();
        for number in 0..300 {
            let octets = frame([60, 96, 1500][number % 3]);
            let packet = Frame { link: LinkType::ETHERNET, octets: &octets, length: octets.len() as u32 };
            sampler.add(&row, &Strings::default(), &packet, &mut batch).unwrap();
        }
        let lengths: Vec<_> = send(&mut agent(1400), vec![batch]).iter().map(Vec::len).collect();
        // Samples of 148, 184 and 216 octets; what is left of them does not fill a datagram.
        let of = |count: usize, samples: usize, size: usize| vec![28 + samples * size; count];
        let expected =
            [of(11, 9, 148), of(14, 7, 184), of(16, 6, 216), vec![28 + 148 + 2 * 184 + 3 * 216, 28 + 216]];
        assert_eq!(lengths, expected.concat());
    }

    #[test]
    fn packets_of_other_link_types_start_at_their_ip_header() {
        let (mut sampler, layout) = sampler("in_iface,out_iface", crate::interfaces::Settings::default());
        let row = vec![0u8; layout.words() * 8];
        let ip = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 47, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let cooked = [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0][..], &ip].concat();
        for (link, octets) in [(LinkType::RAW, ip.clone()), (LinkType(113), cooked)] {
            let packet = Frame { link, octets: &octets, length: octets.len() as u32 };
            let mut batch = Batch::default();
            sampler.add(&row, &Strings::default(), &packet, &mut batch).unwrap();
            let datagrams = send(&mut agent(1400), vec![batch]);
            let Some(Ok(Sample::Flow(sample))) = sflow::open(&datagrams[0]).unwrap().samples().next() else {
                panic!("a flow sample")
            };
            let raw = sample.records().find_map(|record| match record {
                Ok(FlowRecord::RawHeader(raw)) => Some(raw),
                _ => None,
            });
            let raw = raw.unwrap();
            assert_eq!((raw.protocol.0, raw.frame_length, raw.octets), (11, 20, &ip[..]));
        }
    }

    #[test]
    fn counters_of_an_interface_are_a_generic_block() {
        let mut agent = agent(1400);
        let interface = InterfaceCounters {
            index: 3,
            speed: 10_000_000_000,
            in_octets: 1 << 40,
            in_packets: (1 << 32) + 7,
            in_multicast: 2,
            is_promiscuous: true,
            ..InterfaceCounters::default()
        };
        let mut batch = Batch::default();
        agent.counters(&interface, &mut batch);
        agent.counters(&interface, &mut batch);
        let datagrams = send(&mut agent, vec![batch]);
        let datagram = sflow::open(&datagrams[0]).unwrap();
        let samples: Vec<_> = datagram.samples().map(Result::unwrap).collect();
        let Sample::Counters(sample) = &samples[1] else { panic!("{samples:?}") };
        assert_eq!((sample.head.sequence, sample.head.source.index), (2, 3));
        let block = sample.blocks().next().unwrap().unwrap();
        let fields: BTreeMap<&str, u64> = block.fields().collect();
        assert_eq!((fields["ifIndex"], fields["ifSpeed"], fields["ifInOctets"]), (3, 10_000_000_000, 1 << 40));
        assert_eq!((fields["ifInUcastPkts"], fields["ifPromiscuousMode"]), (5, 1));
    }
}
