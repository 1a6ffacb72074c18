//! The encoder of datagrams, for traffic generators, tests and probes.
//!
//! Its input has the types of the decoder's output: heads and records. Lists in records are views of octets, so
//! [`words`] and [`as_path`] encode them first.
//!
//! ```
//! use sflow::encode::Datagram;
//! use sflow::flow::{FlowRecord, HeaderProtocol, RawHeader};
//! use sflow::{DataFormat, FlowHead, Interface};
//!
//! let mut datagram = Datagram::v5(Some([192, 0, 2, 1].into()), 0, 1, 1000);
//! let input = Interface::index(3);
//! let head = FlowHead { format: DataFormat::FLOW, sampling_rate: 512, input, ..Default::default() };
//! let octets = &[0; 60];
//! let raw = RawHeader { protocol: HeaderProtocol::ETHERNET, frame_length: 64, stripped: Some(4), octets };
//! datagram.flow(&head, &[FlowRecord::RawHeader(raw)])?;
//! assert_eq!(datagram.finish().len(), 28 + 8 + 32 + 8 + 16 + 60);
//! # Ok::<(), sflow::encode::EncodeError>(())
//! ```

use crate::counters::{self, CounterBlock};
use crate::flow::{FlowRecord, RawHeader, Switch};
use crate::list::{AsPath, SegmentType, Words};
use crate::sample::{CounterHead, DataFormat, DiscardHead, FlowHead, Interface};
use crate::xdr::{Xdr, count, pad};
use std::fmt;
use std::net::IpAddr;
use wire::{Reader, Writer};

/// Maximum length of a datagram over IPv4, in octets.
pub const MAX_DATAGRAM: usize = 65_507;

/// Why a sample was not added. The datagram is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The datagram would exceed the maximum length of UDP.
    TooLong,
    /// An index, value or format does not fit in a compact sample or in one of versions 2 and 4.
    TooGreat,
    /// The version has no sample, record or block of this format.
    NoSuch(DataFormat),
    /// Versions 2 and 4: a flow sample has one description of the packet, first; a counter sample one block.
    Shape,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the datagram exceeds {MAX_DATAGRAM} octets"),
            Self::TooGreat => f.write_str("a number does not fit in a compact sample"),
            Self::NoSuch(format) => write!(f, "this version of sFlow has no format {format}"),
            Self::Shape => f.write_str("the version has one description of the packet, or block, for a sample"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// A datagram under construction.
#[derive(Clone, Debug)]
pub struct Datagram {
    w: Writer,
    version: u32,
    samples: u32,
    samples_at: usize,
}

impl Datagram {
    /// A datagram of version 5, without samples.
    pub fn v5(agent: Option<IpAddr>, sub_agent: u32, sequence: u32, uptime_ms: u32) -> Self {
        Self::new(5, agent, Some(sub_agent), sequence, uptime_ms)
    }

    /// A datagram of version 4, without samples.
    pub fn v4(agent: Option<IpAddr>, sequence: u32, uptime_ms: u32) -> Self {
        Self::new(4, agent, None, sequence, uptime_ms)
    }

    /// A datagram of version 2, without samples.
    pub fn v2(agent: Option<IpAddr>, sequence: u32, uptime_ms: u32) -> Self {
        Self::new(2, agent, None, sequence, uptime_ms)
    }

    fn new(version: u32, agent: Option<IpAddr>, sub_agent: Option<u32>, sequence: u32, uptime_ms: u32) -> Self {
        let mut w = Writer::new();
        agent.write(w.u32(version));
        if let Some(sub_agent) = sub_agent {
            w.u32(sub_agent);
        }
        w.u32(sequence).u32(uptime_ms);
        let samples_at = w.len();
        w.u32(0);
        Self { w, version, samples: 0, samples_at }
    }

    /// Length, in octets.
    pub fn len(&self) -> usize {
        self.w.len()
    }

    /// Returns true if there are no samples.
    pub fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Number of samples.
    pub fn samples(&self) -> u32 {
        self.samples
    }

    /// Adds what `body` writes as one sample, or nothing.
    fn sample(
        &mut self,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<&mut Self, EncodeError> {
        let mut sample = Writer::new();
        body(&mut sample)?;
        if self.w.len() + sample.len() > MAX_DATAGRAM {
            return Err(EncodeError::TooLong);
        }
        self.w.put(&sample.finish());
        self.samples += 1;
        Ok(self)
    }

    /// Adds a sample of version 5.
    fn framed(
        &mut self,
        format: DataFormat,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<&mut Self, EncodeError> {
        if self.version != 5 {
            return Err(EncodeError::NoSuch(format));
        }
        self.sample(|w| framed(w, format, body))
    }

    /// Adds a flow sample, compact or expanded as its format says.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn flow(&mut self, head: &FlowHead, records: &[FlowRecord<'_>]) -> Result<&mut Self, EncodeError> {
        if self.version != 5 {
            return self.old_flow(head, records);
        }
        self.sample(|w| flow_sample(w, head, records))
    }

    fn old_flow(&mut self, head: &FlowHead, records: &[FlowRecord<'_>]) -> Result<&mut Self, EncodeError> {
        let version = self.version;
        if head.format != DataFormat::FLOW {
            return Err(EncodeError::NoSuch(head.format));
        }
        let (packet, extended) = records.split_first().ok_or(EncodeError::Shape)?;
        self.sample(|w| {
            w.u32(head.format.0).u32(head.sequence);
            w.u32(head.source.to_compact().ok_or(EncodeError::TooGreat)?);
            w.u32(head.sampling_rate).u32(head.pool).u32(head.drops);
            if head.input.format != 0 || !matches!(head.output.format, 0 | 2) || head.output.value >> 31 != 0 {
                return Err(EncodeError::TooGreat);
            }
            w.u32(head.input.value).u32(head.output.bits());
            if !packet.write_packet_data(w) {
                return Err(EncodeError::Shape);
            }
            w.u32(count(extended.len()));
            match extended.iter().find(|record| !record.write_extended_data(w, version)) {
                Some(record) => Err(EncodeError::NoSuch(record.format())),
                None => Ok(()),
            }
        })
    }

    /// Adds a counter sample, compact or expanded as its format says. Of blocks, format and contents are written; see
    /// [`counters::contents`].
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn counters(&mut self, head: &CounterHead, blocks: &[CounterBlock<'_>]) -> Result<&mut Self, EncodeError> {
        if self.version != 5 {
            return self.old_counters(head, blocks);
        }
        self.sample(|w| counter_sample(w, head, blocks))
    }

    fn old_counters(&mut self, head: &CounterHead, blocks: &[CounterBlock<'_>]) -> Result<&mut Self, EncodeError> {
        if head.format != DataFormat::COUNTERS {
            return Err(EncodeError::NoSuch(head.format));
        }
        let [block] = blocks else { return Err(EncodeError::Shape) };
        if !counters::OLD_KINDS.iter().any(|kind| kind.format == block.format) {
            return Err(EncodeError::NoSuch(block.format));
        }
        self.sample(|w| {
            w.u32(head.format.0).u32(head.sequence);
            w.u32(head.source.to_compact().ok_or(EncodeError::TooGreat)?);
            w.u32(head.interval_secs.unwrap_or(0)).u32(block.format.0).put(block.octets);
            Ok(())
        })
    }

    /// Adds a discarded packet.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn discarded(&mut self, head: &DiscardHead, records: &[FlowRecord<'_>]) -> Result<&mut Self, EncodeError> {
        self.framed(DataFormat::DISCARDED, |w| {
            w.u32(head.sequence).u32(head.source.class).u32(head.source.index).u32(head.drops);
            w.u32(head.input).u32(head.output).u32(head.reason.0);
            framed_records(w, records);
            Ok(())
        })
    }

    /// Adds a sample of any format, which this crate need not know.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn other(&mut self, format: DataFormat, octets: &[u8]) -> Result<&mut Self, EncodeError> {
        self.framed(format, |w| {
            w.put(octets);
            Ok(())
        })
    }

    /// The datagram.
    pub fn finish(mut self) -> Vec<u8> {
        self.w.overwrite(self.samples_at, &self.samples.to_be_bytes());
        self.w.finish()
    }
}

/// Writes a sample of version 5, after its format and length.
fn framed(
    w: &mut Writer,
    format: DataFormat,
    body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = w.len();
    w.u32(format.0).u32(0);
    body(w)?;
    let len = w.len() - start - 8;
    w.overwrite(start + 4, &count(len).to_be_bytes());
    crate::xdr::pad(w, len);
    Ok(())
}

/// Numbers of a sample of [`switched_packet`] before the octets of the packet, those of its format and length included.
const NUMBERS: usize = 22;

/// The octets that [`switched_packet`] adds for that many octets of the packet.
#[inline]
pub const fn switched_packet_len(octets: usize) -> usize {
    NUMBERS * 4 + octets.next_multiple_of(4)
}

/// Adds a flow sample with the records of an Ethernet switch: its VLANs, and the packet's header. The octets are those of [`flow_sample`];
/// this is for probes, which encode each packet.
///
/// # Errors
/// As [`flow_sample`]; `NoSuch` if the format is not that of compact samples.
pub fn switched_packet(
    w: &mut Writer,
    head: &FlowHead,
    switch: &Switch,
    raw: &RawHeader<'_>,
) -> Result<(), EncodeError> {
    /// Octets of the record of VLANs.
    const SWITCH: u32 = 16;
    /// Octets of the record of the packet, without those of the packet.
    const RAW: u32 = 16;
    if head.format != DataFormat::FLOW {
        return Err(EncodeError::NoSuch(head.format));
    }
    let source = head.source.to_compact().ok_or(EncodeError::TooGreat)?;
    let (input, output) = (compact(head.input)?, compact(head.output)?);
    let octets = count(raw.octets.len());
    let padded = octets.next_multiple_of(4);
    let numbers: [u32; NUMBERS] = [
        head.format.0,
        (NUMBERS as u32 - 2) * 4 + padded,
        head.sequence,
        source,
        head.sampling_rate,
        head.pool,
        head.drops,
        input,
        output,
        2,
        FlowRecord::Switch(*switch).format().0,
        SWITCH,
        switch.in_vlan,
        switch.in_priority,
        switch.out_vlan,
        switch.out_priority,
        FlowRecord::RawHeader(*raw).format().0,
        RAW + padded,
        raw.protocol.0,
        raw.frame_length,
        raw.stripped.unwrap_or(0),
        octets,
    ];
    w.put(numbers.map(u32::to_be_bytes).as_flattened()).put(raw.octets);
    pad(w, raw.octets.len());
    Ok(())
}

/// Writes a flow sample of version 5, with its format and length, behind what `w` has. It needs no memory but that of `w`.
///
/// # Errors
/// See [`EncodeError`]. Nothing is written.
#[inline]
pub fn flow_sample(w: &mut Writer, head: &FlowHead, records: &[FlowRecord<'_>]) -> Result<(), EncodeError> {
    match head.format {
        DataFormat::FLOW_EXPANDED => framed(w, head.format, |w| {
            w.u32(head.sequence).u32(head.source.class).u32(head.source.index);
            w.u32(head.sampling_rate).u32(head.pool).u32(head.drops);
            w.u32(head.input.format).u32(head.input.value).u32(head.output.format).u32(head.output.value);
            framed_records(w, records);
            Ok(())
        }),
        DataFormat::FLOW => {
            let source = head.source.to_compact().ok_or(EncodeError::TooGreat)?;
            let (input, output) = (compact(head.input)?, compact(head.output)?);
            framed(w, head.format, |w| {
                w.u32(head.sequence).u32(source);
                w.u32(head.sampling_rate).u32(head.pool).u32(head.drops).u32(input).u32(output);
                framed_records(w, records);
                Ok(())
            })
        }
        other => Err(EncodeError::NoSuch(other)),
    }
}

/// Writes a counter sample of version 5, with its format and length, behind what `w` has.
///
/// # Errors
/// See [`EncodeError`]. Nothing is written.
pub fn counter_sample(w: &mut Writer, head: &CounterHead, blocks: &[CounterBlock<'_>]) -> Result<(), EncodeError> {
    let source = match head.format {
        DataFormat::COUNTERS_EXPANDED => None,
        DataFormat::COUNTERS => Some(head.source.to_compact().ok_or(EncodeError::TooGreat)?),
        other => return Err(EncodeError::NoSuch(other)),
    };
    framed(w, head.format, |w| {
        w.u32(head.sequence);
        match source {
            Some(source) => w.u32(source),
            None => w.u32(head.source.class).u32(head.source.index),
        };
        w.u32(count(blocks.len()));
        for block in blocks {
            counters::write_framed(w, block.format, block.octets);
        }
        Ok(())
    })
}

fn compact(interface: Interface) -> Result<u32, EncodeError> {
    if interface.format >= 1 << 2 || interface.value >= 1 << 30 {
        return Err(EncodeError::TooGreat);
    }
    Ok(interface.bits())
}

fn framed_records(w: &mut Writer, records: &[FlowRecord<'_>]) {
    w.u32(count(records.len()));
    for record in records {
        record.write_framed(w);
    }
}

/// Octets for [`Words::new`].
pub fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// Octets for [`as_path`]: the segments of an AS path.
pub fn segments(segments: &[(SegmentType, &[u32])]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u32(count(segments.len()));
    for (kind, ases) in segments {
        Words::new(&words(ases)).write(w.u32(kind.0));
    }
    w.finish()
}

/// The AS path in octets that [`segments`] wrote; none in others.
pub fn as_path(octets: &[u8]) -> Option<AsPath<'_>> {
    AsPath::read_segments(&mut Reader::new(octets)).ok()
}
