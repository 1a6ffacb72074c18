//! Plans: how the records of one template become rows.
//!
//! Most fields are octets at a fixed offset and become copies ([`super::copy`]). A field that depends on its value, on
//! two elements or on the exporter's options becomes an [`Op`]. In templates with variable-length elements, offsets
//! differ from record to record, so every field is an op.

use super::biflow::Src;
use super::copy::Copy;
use super::frame::Frame;
use super::sources::Clock;

/// A step that is not a plain copy. `to` is an offset in the row.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A number, right-aligned in `size` bytes.
    Number { src: Src, to: usize, size: usize },
    /// The first non-zero address.
    Address { sources: Box<[Src]>, to: usize },
    /// The first non-zero mask.
    Mask { sources: [Src; 2], to: usize },
    /// EtherType by the family of the address at `host`, unless the row has one.
    Etype { host: usize, to: usize },
    /// The first non-zero time. `init` is the start time of the exporter.
    Time { sources: Box<[(Src, Clock)]>, init: Option<Src>, to: usize },
    /// VLAN id by direction.
    Vlan { direction: Option<Src>, vlans: [Option<Src>; 2], to: usize },
    /// Port from the protocol-specific elements.
    Port { udp: Option<Src>, tcp: Option<Src>, proto: Option<Src>, to: usize },
    /// VXLAN or NVGRE id.
    Segment { src: Src, vxlan: Option<usize>, nvgre: Option<usize> },
    /// The single entry of an MPLS label stack, both top and bottom.
    Label { src: Src, top: Option<usize>, bottom: Option<usize> },
    /// MPLS label stack.
    Labels { entries: Box<[Src]>, top: Option<usize>, bottom: Option<usize>, stack: Option<usize> },
    /// SRv6 segments. `list`: a basic list, whose header is skipped.
    Segments { src: Src, list: bool, to: usize },
    /// Mean on-path delay.
    PathDelay { sum: Src, to: usize },
    /// Text in the record. `raw`: with all octets, not only up to the first NUL.
    Text { src: Src, to: usize, raw: bool },
    /// A sampled frame or packet.
    Frame(Box<Frame>),
    /// Address of the exporter.
    Exporter { sources: Box<[Src]>, to: usize },
    /// Name of an interface.
    Interface { src: Src, to: usize },
    /// Name of an application.
    Application { src: Src, to: usize },
    /// Name of the VRF.
    Vrf { vrfs: Box<VrfSources>, to: usize },
    /// Route distinguisher: in the record, or of the VRF.
    Rd { inline: Option<Src>, vrfs: Box<VrfSources>, to: usize, origin: Option<usize> },
    /// Network of an address. `host` and `mask` are offsets in the row.
    Network { host: usize, mask: usize, to: usize },
    /// Sampling interval.
    Sampling { sources: Box<SamplingSources>, to: Option<usize> },
    /// Bin time, from the time at offset `from` in the row. `raw`: the uptime that `nfacctd_time_secs` interprets as seconds.
    BinTime { from: usize, raw: Option<Src> },
}

impl Op {
    /// Heap memory in bytes, approximately.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Address { sources, .. } | Self::Exporter { sources, .. } => size_of_val(&**sources),
            Self::Time { sources, .. } => size_of_val(&**sources),
            Self::Labels { entries, .. } => size_of_val(&**entries),
            Self::Vrf { .. } | Self::Rd { .. } => size_of::<VrfSources>(),
            Self::Sampling { .. } => size_of::<SamplingSources>(),
            Self::Frame(frame) => size_of_val(&**frame),
            _ => 0,
        }
    }
}

/// Elements that tell the VRF of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VrfSources {
    pub(crate) ingress: Option<Src>,
    pub(crate) egress: Option<Src>,
    pub(crate) direction: Option<Src>,
}

/// Elements with sampling information in a record.
#[derive(Clone, Debug)]
pub(crate) struct SamplingSources {
    pub(crate) sampler: Option<Src>,
    pub(crate) selector: Option<Src>,
    pub(crate) intervals: [Option<Src>; 2],
    /// Probability that a packet is sampled.
    pub(crate) probability: Option<Src>,
    /// Ingress and egress interface, for rates that are announced for one.
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
    /// The initial row.
    pub(crate) base: Box<[u64]>,
    pub(crate) copies: Box<[Copy]>,
    pub(crate) counters: Counters,
    pub(crate) flows: Option<Src>,
    pub(crate) ops: Box<[Op]>,
    /// The plan of the reverse direction, for bidirectional records.
    pub(crate) reverse: Option<Box<Plan>>,
    /// At least one element has a variable length.
    pub(crate) variable: bool,
    /// Each record becomes one row, so that a step can be run for many records before the next one.
    pub(crate) by_step: bool,
    /// None of the elements is known, so records contain nothing to account for.
    pub(crate) unknown: bool,
    /// Heap memory in bytes.
    pub(crate) memory: usize,
}

impl Plan {
    /// Heap memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }
}
