//! Samples.
//!
//! A compact sample stores the class of its source in 8 bits and the index in 24 bits, the format of an interface in 2 bits
//! and its value in 30 bits. Agents with larger indexes use expanded samples, with 32 bits for each.

use crate::counters::Blocks;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::flow::Records;
use crate::reason::Reason;
use crate::xdr::contents;
use std::fmt;
use wire::Reader;

/// The format of a sample or record: the enterprise that defined it in the upper 20 bits, its number in the
/// lower 12. Versions 2 and 4 have types instead; they are represented as formats of enterprise 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataFormat(pub u32);

impl DataFormat {
    /// A flow sample.
    pub const FLOW: Self = Self(1);
    /// A counter sample.
    pub const COUNTERS: Self = Self(2);
    /// An expanded flow sample.
    pub const FLOW_EXPANDED: Self = Self(3);
    /// An expanded counter sample.
    pub const COUNTERS_EXPANDED: Self = Self(4);
    /// A discarded packet.
    pub const DISCARDED: Self = Self(5);

    /// The format with this number of an enterprise.
    pub const fn new(enterprise: u32, format: u32) -> Self {
        Self(enterprise << 12 | format & 0xfff)
    }

    /// The enterprise; 0 is sFlow itself.
    pub const fn enterprise(self) -> u32 {
        self.0 >> 12
    }

    /// The number that the enterprise assigned.
    pub const fn format(self) -> u32 {
        self.0 & 0xfff
    }
}

/// Enterprise and number, as `0:1`.
impl fmt::Display for DataFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.enterprise(), self.format())
    }
}

/// The data source of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourceId {
    /// 0: an interface, 1: a VLAN, 2: a physical entity (ENTITY-MIB), 3: a logical entity.
    pub class: u32,
    /// ifIndex, VLAN id or entPhysicalIndex.
    pub index: u32,
}

impl SourceId {
    /// From the 32 bits of a compact sample.
    pub const fn compact(bits: u32) -> Self {
        Self { class: bits >> 24, index: bits & 0x00ff_ffff }
    }

    /// The 32 bits of a compact sample, if it fits.
    pub const fn to_compact(self) -> Option<u32> {
        if self.class < 1 << 8 && self.index < 1 << 24 { Some(self.class << 24 | self.index) } else { None }
    }
}

/// An interface, or why there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interface {
    /// 0: one interface, 1: none, the packet was discarded, 2: several.
    pub format: u32,
    /// ifIndex, reason or number of interfaces, depending on the format.
    pub value: u32,
}

/// The meaning of an [`Interface`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceKind {
    /// The agent does not know.
    Unknown,
    /// The interface with this ifIndex.
    Index(u32),
    /// Packets from or to the agent itself.
    Internal,
    /// Discarded, for this reason.
    Discarded(Reason),
    /// Sent to several interfaces: their number, or 0 if the agent does not know it.
    Multiple(u32),
    /// An unknown format.
    Other,
}

impl Interface {
    /// The value of format 0 that identifies the agent itself.
    pub const INTERNAL: u32 = 0x3fff_ffff;

    /// One interface.
    pub const fn index(index: u32) -> Self {
        Self { format: 0, value: index }
    }

    /// From the 32 bits of a compact sample.
    pub const fn compact(bits: u32) -> Self {
        Self { format: bits >> 30, value: bits & 0x3fff_ffff }
    }

    /// From the output of versions 2 and 4, where only the top bit indicates several interfaces.
    const fn output(bits: u32) -> Self {
        Self { format: (bits >> 31) << 1, value: bits & 0x7fff_ffff }
    }

    /// The 32 bits of a compact sample. Values that do not fit overwrite the format.
    pub const fn bits(self) -> u32 {
        self.format << 30 | self.value
    }

    /// Its meaning.
    pub const fn kind(self) -> InterfaceKind {
        match (self.format, self.value) {
            (0, 0) => InterfaceKind::Unknown,
            (0, Self::INTERNAL) => InterfaceKind::Internal,
            (0, index) => InterfaceKind::Index(index),
            (1, reason) => InterfaceKind::Discarded(Reason(reason)),
            (2, number) => InterfaceKind::Multiple(number),
            _ => InterfaceKind::Other,
        }
    }
}

/// The head of a flow sample, before its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowHead {
    /// [`DataFormat::FLOW`] or [`DataFormat::FLOW_EXPANDED`].
    pub format: DataFormat,
    /// Sequence number among the flow samples of the source.
    pub sequence: u32,
    /// Data source.
    pub source: SourceId,
    /// Sampling rate N: one in N packets is sampled.
    pub sampling_rate: u32,
    /// Number of packets that could have been sampled since the agent started; wraps.
    pub pool: u32,
    /// Number of samples that the agent has lost since it started.
    pub drops: u32,
    /// Input interface of the packet.
    pub input: Interface,
    /// Output interface of the packet.
    pub output: Interface,
}

impl FlowHead {
    fn number(&self, interface: Interface) -> u32 {
        if self.format == DataFormat::FLOW_EXPANDED { interface.value } else { interface.bits() }
    }

    /// The input as one number: all 32 bits of a compact sample, the value of an expanded one.
    pub fn input_number(&self) -> u32 {
        self.number(self.input)
    }

    /// The output as one number: all 32 bits of a compact sample, the value of an expanded one.
    pub fn output_number(&self) -> u32 {
        self.number(self.output)
    }
}

/// A sampled packet.
#[derive(Clone, Debug)]
pub struct FlowSample<'a> {
    /// Its head.
    pub head: FlowHead,
    pub(crate) records: Records<'a>,
}

impl<'a> FlowSample<'a> {
    /// The records of the packet.
    #[inline]
    pub fn records(&self) -> Records<'a> {
        self.records.clone()
    }
}

/// The head of a counter sample, before its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterHead {
    /// [`DataFormat::COUNTERS`] or [`DataFormat::COUNTERS_EXPANDED`].
    pub format: DataFormat,
    /// Sequence number among the counter samples of the source.
    pub sequence: u32,
    /// Data source of the counters.
    pub source: SourceId,
    /// Seconds between samples; versions 2 and 4 only.
    pub interval_secs: Option<u32>,
}

/// Counters of an interface, a VLAN, a host.
#[derive(Clone, Debug)]
pub struct CounterSample<'a> {
    /// Its head.
    pub head: CounterHead,
    pub(crate) blocks: Blocks<'a>,
}

impl<'a> CounterSample<'a> {
    /// The blocks of counters.
    pub fn blocks(&self) -> Blocks<'a> {
        self.blocks.clone()
    }
}

/// The head of a discarded-packet sample, before its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiscardHead {
    /// Sequence number among the discarded packets of the source.
    pub sequence: u32,
    /// Data source.
    pub source: SourceId,
    /// Number of notifications that the agent has lost since it started.
    pub drops: u32,
    /// ifIndex of the input interface; 0 if unknown.
    pub input: u32,
    /// ifIndex of the intended output interface; 0 if unknown.
    pub output: u32,
    /// Why it was discarded.
    pub reason: Reason,
}

/// A packet that was discarded.
#[derive(Clone, Debug)]
pub struct DiscardedSample<'a> {
    /// Its head.
    pub head: DiscardHead,
    pub(crate) records: Records<'a>,
}

impl<'a> DiscardedSample<'a> {
    /// The records of the packet.
    pub fn records(&self) -> Records<'a> {
        self.records.clone()
    }
}

/// A sample or record of an unknown format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// Its format.
    pub format: DataFormat,
    /// Its contents.
    pub octets: &'a [u8],
}

/// A sample.
#[derive(Clone, Debug)]
pub enum Sample<'a> {
    /// A sampled packet.
    Flow(FlowSample<'a>),
    /// Counters.
    Counters(CounterSample<'a>),
    /// A discarded packet.
    Discarded(DiscardedSample<'a>),
    /// Something else.
    Unknown(Unknown<'a>),
}

/// Reads several numbers with one bounds check.
#[inline]
fn numbers<const OCTETS: usize, const N: usize>(r: &mut Reader<'_>) -> Result<[u32; N], DecodeError> {
    const { assert!(OCTETS == 4 * N) };
    let octets = r.array::<OCTETS>()?;
    let mut numbers = [0; N];
    for (number, word) in numbers.iter_mut().zip(octets.as_chunks::<4>().0) {
        *number = u32::from_be_bytes(*word);
    }
    Ok(numbers)
}

/// A sample, and the reader after it if its end is known.
type Found<'a> = (Result<Sample<'a>, DecodeError>, Option<Reader<'a>>);

impl<'a> Sample<'a> {
    /// A sample of version 5.
    #[inline]
    pub(crate) fn framed(mut r: Reader<'a>) -> Found<'a> {
        let [format, len] = match numbers::<8, 2>(&mut r) {
            Ok(numbers) => numbers,
            Err(error) => return (Err(error), None),
        };
        match contents(&mut r, len) {
            Ok(body) => (Self::of(DataFormat(format), body), Some(r)),
            Err(error) => (Self::cut(DataFormat(format), r, error), None),
        }
    }

    /// A sample that is longer than the rest of the datagram. The complete records of a flow sample are still valid.
    #[cold]
    fn cut(format: DataFormat, left: Reader<'a>, error: DecodeError) -> Result<Self, DecodeError> {
        match Self::of(format, left) {
            Ok(Self::Flow(FlowSample { head, records })) => {
                Ok(Self::Flow(FlowSample { head, records: records.cut(error) }))
            }
            _ => Err(error),
        }
    }

    #[inline]
    fn of(format: DataFormat, mut r: Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match format {
            DataFormat::FLOW => {
                let [sequence, source, sampling_rate, pool, drops, input, output, records] =
                    numbers::<32, 8>(&mut r)?;
                let head = FlowHead {
                    format,
                    sequence,
                    source: SourceId::compact(source),
                    sampling_rate,
                    pool,
                    drops,
                    input: Interface::compact(input),
                    output: Interface::compact(output),
                };
                Self::Flow(FlowSample { head, records: Records::framed(r, records) })
            }
            DataFormat::FLOW_EXPANDED => {
                let [
                    sequence,
                    class,
                    index,
                    sampling_rate,
                    pool,
                    drops,
                    in_format,
                    input,
                    out_format,
                    output,
                    records,
                ] = numbers::<44, 11>(&mut r)?;
                let head = FlowHead {
                    format,
                    sequence,
                    source: SourceId { class, index },
                    sampling_rate,
                    pool,
                    drops,
                    input: Interface { format: in_format, value: input },
                    output: Interface { format: out_format, value: output },
                };
                Self::Flow(FlowSample { head, records: Records::framed(r, records) })
            }
            DataFormat::COUNTERS => {
                let [sequence, source, blocks] = numbers::<12, 3>(&mut r)?;
                let source = SourceId::compact(source);
                let head = CounterHead { format, sequence, source, interval_secs: None };
                Self::Counters(CounterSample { head, blocks: Blocks::framed(r, blocks) })
            }
            DataFormat::COUNTERS_EXPANDED => {
                let [sequence, class, index, blocks] = numbers::<16, 4>(&mut r)?;
                let source = SourceId { class, index };
                let head = CounterHead { format, sequence, source, interval_secs: None };
                Self::Counters(CounterSample { head, blocks: Blocks::framed(r, blocks) })
            }
            DataFormat::DISCARDED => {
                let [sequence, class, index, drops, input, output, reason, records] = numbers::<32, 8>(&mut r)?;
                let source = SourceId { class, index };
                let head = DiscardHead { sequence, source, drops, input, output, reason: Reason(reason) };
                Self::Discarded(DiscardedSample { head, records: Records::framed(r, records) })
            }
            _ => Self::Unknown(Unknown { format, octets: r.rest() }),
        })
    }

    /// A sample of version 2 or 4. It has no length, so all records are read to find its end; the end is unknown if a record
    /// cannot be read.
    pub(crate) fn unframed(mut r: Reader<'a>, version: u32) -> Result<Found<'a>, DecodeError> {
        let at = r.at();
        let format = DataFormat(r.u32()?);
        match format {
            DataFormat::FLOW => {
                let [sequence, source, sampling_rate, pool, drops, input, output] = numbers::<28, 7>(&mut r)?;
                let head = FlowHead {
                    format,
                    sequence,
                    source: SourceId::compact(source),
                    sampling_rate,
                    pool,
                    drops,
                    input: Interface::index(input),
                    output: Interface::output(output),
                };
                let (records, rest) = Records::unframed(r, version)?;
                Ok((Ok(Self::Flow(FlowSample { head, records })), rest))
            }
            DataFormat::COUNTERS => {
                let [sequence, source, interval] = numbers::<12, 3>(&mut r)?;
                let source = SourceId::compact(source);
                let head = CounterHead { format, sequence, source, interval_secs: Some(interval) };
                let blocks = Blocks::unframed(&mut r)?;
                Ok((Ok(Self::Counters(CounterSample { head, blocks })), Some(r)))
            }
            DataFormat(number) => Err(DecodeError::new(at, DecodeErrorKind::SampleType(number))),
        }
    }
}
