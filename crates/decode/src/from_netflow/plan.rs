//! Plans: how the records of one template become rows.
//!
//! Most fields are octets at a fixed offset and become copies ([`super::copy`]). A field that depends on its value, on
//! two elements or on the exporter's options becomes an [`Op`]. In templates with variable-length elements, offsets
//! differ from record to record, so every field is an op.

use super::biflow::Src;
use super::copy::Copy;
use super::frame::Frame;
use super::sources::Clock;

/// A step of a plan that is more than a copy. `to` is an offset in the row.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A number, aligned to the right of `size` octets.
    Number { src: Src, to: usize, size: usize },
    /// The first of the addresses that is not zero.
    Address { sources: Box<[Src]>, to: usize },
    /// A mask: the first that is not zero.
    Mask { sources: [Src; 2], to: usize },
    /// EtherType by the family of an address, unless the row has one.
    Etype { host: usize, to: usize },
    /// The first of the times that is not zero; `init` is the element that holds the exporter's start.
    Time { sources: Box<[(Src, Clock)]>, init: Option<Src>, to: usize },
    /// VLAN id by direction.
    Vlan { direction: Option<Src>, vlans: [Option<Src>; 2], to: usize },
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
    /// A sampled frame or packet.
    Frame(Box<Frame>),
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
    BinTime { from: usize, raw: Option<Src> },
}

impl Op {
    /// Bytes that it keeps on the heap, roughly.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Address { sources, .. } | Self::Exporter { sources, .. } => size_of_val(&**sources),
            Self::Time { sources, .. } => size_of_val(&**sources),
            Self::Labels { entries, .. } => size_of_val(&**entries),
            Self::Vrf { ids, .. } => size_of_val(&**ids),
            Self::Rd { vrfs, .. } => size_of_val(&**vrfs),
            Self::Sampling { .. } => size_of::<SamplingSources>(),
            Self::Frame(frame) => size_of_val(&**frame),
            _ => 0,
        }
    }
}

/// What a record says about its sampling.
#[derive(Clone, Debug)]
pub(crate) struct SamplingSources {
    pub(crate) sampler: Option<Src>,
    pub(crate) selector: Option<Src>,
    pub(crate) intervals: [Option<Src>; 2],
    /// Probability of a packet to be chosen.
    pub(crate) probability: Option<Src>,
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
    pub(crate) fn any(&self) -> bool {
        self.packets.is_some() || self.octets.is_some()
    }
}

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What every row of the template starts as.
    pub(crate) base: Box<[u64]>,
    pub(crate) copies: Box<[Copy]>,
    pub(crate) counters: Counters,
    pub(crate) flows: Option<Src>,
    pub(crate) ops: Box<[Op]>,
    /// How records of both ways are read for the way reverse.
    pub(crate) reverse: Option<Box<Plan>>,
    /// Some element has a variable length.
    pub(crate) variable: bool,
    /// Each record makes one row, so that a step may be taken for many records before the next one.
    pub(crate) by_step: bool,
    /// No element means anything here: records tell nothing that could be accounted.
    pub(crate) unknown: bool,
    /// Bytes that all of it keeps on the heap.
    pub(crate) memory: usize,
}

impl Plan {
    /// Bytes that it keeps on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }
}
