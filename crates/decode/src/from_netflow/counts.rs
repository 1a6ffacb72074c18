//! Counters and log events of a decoder.

use crate::bound::Bound;
use std::net::IpAddr;

/// Counters of a decoder. If the records of a set cannot be counted, the set is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flow records decoded.
    pub records: u64,
    /// Options records decoded.
    pub options_records: u64,
    /// Records without a flow, which are not in `records`.
    pub records_without_flow: u64,
    /// Rows added: a bidirectional record becomes two.
    pub rows: u64,
    /// Invalid sets.
    pub sets_invalid: u64,
    /// Bytes after the end of an IPFIX message, by the length in its header.
    pub trailing_bytes: u64,
    /// Data sets of withdrawn templates.
    pub sets_withdrawn: u64,
    /// Data sets that were not decoded, or not completely, because their cost exceeds the budget that received bytes allow:
    /// sets of ever new templates, and options records with very short fields.
    pub sets_over_budget: u64,
    /// Data sets that arrived before their template and were kept.
    pub sets_kept: u64,
    /// Kept sets that were decoded when their template arrived.
    pub sets_recovered: u64,
    /// Kept sets whose template did not arrive in time.
    pub sets_expired: u64,
    /// Kept sets that were dropped at the memory bound.
    pub sets_evicted: u64,
    /// Kept sets that were dropped at exit.
    pub sets_dropped_at_exit: u64,
    /// Bytes of all kept sets that were dropped.
    pub bytes_without_template: u64,
    /// New templates.
    pub templates_new: u64,
    /// Templates that replaced one of another shape.
    pub templates_changed: u64,
    /// Templates taken over from other collectors.
    pub templates_shared: u64,
    /// Templates withdrawn.
    pub templates_withdrawn: u64,
    /// Invalid templates.
    pub templates_invalid: u64,
    /// Templates dropped at the bound.
    pub templates_evicted: u64,
    /// Kept sets that were dropped because their exporter was evicted.
    pub sets_of_evicted: u64,
    /// Entries of options data that were dropped at their bound.
    pub options_entries_dropped: u64,
    /// Exporters evicted at the bound of their number.
    pub exporters_evicted_number: u64,
    /// Exporters evicted at the memory bound.
    pub exporters_evicted_memory: u64,
    /// Domains whose sequence numbers were evicted at their bound.
    pub sequences_evicted: u64,
    /// Forward jumps of sequence numbers.
    pub sequence_gaps: u64,
    /// Backward jumps of sequence numbers: restarts, or datagrams out of order.
    pub sequence_out_of_order: u64,
    /// Units (flows, datagrams, records) missing by sequence numbers.
    pub sequence_lost: u64,
}

/// Why records contain no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFlow {
    /// They have no counters, and no complete IP header in their frames.
    Frame,
    /// None of their elements is known.
    Elements,
}

/// An options record that announces a sampling rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// It is of IPFIX, else of v9.
    pub ipfix: bool,
    /// Source id or observation domain.
    pub domain: u32,
    /// Id of its template.
    pub template: u16,
    /// What it applies to: sampler, selector, interface and template. Of records that agree in this and all fields above, the last counts.
    pub scope: [Option<u64>; 4],
    /// Its octets.
    pub record: Box<[u8]>,
}

/// An event for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A data set arrived before its template.
    NoTemplate {
        /// The exporter.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Template id.
        id: u16,
    },
    /// A template or set is invalid.
    InvalidRecords {
        /// The exporter.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// The error.
        fault: netflow::datagram::SetError,
    },
    /// Options data announce an unusable sampling rate.
    Rate {
        /// The exporter.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Template id.
        id: u16,
    },
    /// Records of a set contain no flow.
    NoFlow {
        /// The exporter.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Template id.
        id: u16,
        /// Their number.
        records: u64,
        /// The reason.
        reason: NoFlow,
    },
    /// A template is new, has changed, or is announced for the first time in a day. The templates file needs it.
    Template {
        /// The exporter.
        exporter: IpAddr,
        /// The template.
        template: netflow::template::Template,
        /// It ends with its transport session, so the file does not need it.
        of_session: bool,
    },
    /// Options data announce a sampling rate that is new or has changed.
    Sampling {
        /// The exporter.
        exporter: IpAddr,
        /// The record.
        sampling: Sampling,
    },
    /// An exporter was evicted, with its templates and options data.
    ExporterEvicted {
        /// The exporter.
        exporter: IpAddr,
        /// The bound that was reached.
        bound: Bound,
        /// Memory of its state in bytes.
        memory: usize,
    },
    /// Options data have more entries than are kept.
    OptionsFull {
        /// The exporter.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Template id.
        id: u16,
    },
    /// The sequence number of a domain was evicted, because there are too many domains.
    Domains {
        /// The exporter.
        exporter: IpAddr,
    },
    /// A sequence number jumped forward.
    Gap {
        /// The exporter.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Units missing.
        lost: u32,
    },
}

/// Maximum number of notices between two calls of `take_notices`.
const MAX_NOTICES: usize = 64;

/// The same for sampling rates: an exporter may announce one for each of its interfaces.
pub(super) const MAX_SAMPLINGS: usize = 4096;

/// Returns false if a further notice would be dropped.
pub(super) fn has_room(notices: &[Notice]) -> bool {
    notices.len() < MAX_NOTICES
}

pub(super) fn note(notices: &mut Vec<Notice>, notice: Notice) {
    if has_room(notices) {
        notices.push(notice);
    }
}
