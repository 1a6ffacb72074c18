//! What a decoder counts, and what it has to say.

use crate::bound::Bound;
use std::net::IpAddr;

/// Counters of a decoder. Sets are counted where their records cannot be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flow records decoded.
    pub records: u64,
    /// Options records decoded.
    pub options_records: u64,
    /// Records that tell no flow, which are not in `records`.
    pub records_without_flow: u64,
    /// Rows made: a record of both ways gives two.
    pub rows: u64,
    /// Sets with something wrong.
    pub sets_invalid: u64,
    /// Octets behind the length that an IPFIX message gives.
    pub trailing_bytes: u64,
    /// Data sets of templates that were withdrawn.
    pub sets_withdrawn: u64,
    /// Data sets that are not read, or not to their end, as that costs more than the octets received allow: sets of ever new templates, and
    /// options records of very short fields.
    pub sets_over_budget: u64,
    /// Data sets kept until their template comes.
    pub sets_kept: u64,
    /// Kept sets decoded when their template came.
    pub sets_recovered: u64,
    /// Kept sets whose template did not come in time.
    pub sets_expired: u64,
    /// Sets dropped because too many were kept.
    pub sets_evicted: u64,
    /// Kept sets given up at the end.
    pub sets_dropped_at_exit: u64,
    /// Octets of the records of all sets that were kept and dropped.
    pub bytes_without_template: u64,
    /// Templates that were new.
    pub templates_new: u64,
    /// Templates that changed their shape.
    pub templates_changed: u64,
    /// Templates withdrawn.
    pub templates_withdrawn: u64,
    /// Templates that cannot be used.
    pub templates_invalid: u64,
    /// Templates dropped at the bound.
    pub templates_evicted: u64,
    /// Kept sets that went with their exporter, which was forgotten.
    pub sets_forgotten: u64,
    /// Entries of options data beyond their bound.
    pub options_entries_dropped: u64,
    /// Exporters forgotten at the bound of exporters.
    pub exporters_evicted_number: u64,
    /// Exporters forgotten at the bound of memory.
    pub exporters_evicted_memory: u64,
    /// Domains whose sequence numbers were forgotten at their bound.
    pub sequences_evicted: u64,
    /// Jumps of sequence numbers.
    pub sequence_gaps: u64,
    /// Older sequence numbers than expected: restarts, or datagrams out of order.
    pub sequence_back: u64,
    /// Units (flows, datagrams, records) missing by sequence numbers.
    pub sequence_lost: u64,
}

/// Why records tell no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFlow {
    /// They have no counters, and their frames no whole IP header.
    Frame,
    /// No element means anything here.
    Elements,
}

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Data came before their template.
    NoTemplate {
        /// Who sent it.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Template id.
        id: u16,
    },
    /// A template or set is wrong.
    Faulty {
        /// Who sent it.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// What is wrong.
        fault: netflow::datagram::SetError,
    },
    /// Options data announce a sampling rate that cannot be used.
    Rate {
        /// Who sent it.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Template id.
        id: u16,
    },
    /// Records of a set tell no flow.
    NoFlow {
        /// Who sent them.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Template id.
        id: u16,
        /// How many.
        records: u64,
        /// Why.
        reason: NoFlow,
    },
    /// A template is new, has changed, or is announced for the first time in a day; for the templates file.
    Template {
        /// Who sent it.
        exporter: IpAddr,
        /// The template.
        template: netflow::template::Template,
    },
    /// An exporter was forgotten, with all that it had announced.
    Forgotten {
        /// The exporter.
        exporter: IpAddr,
        /// What was reached.
        bound: Bound,
        /// Bytes that its state took.
        memory: usize,
    },
    /// Options data hold more facts than are kept.
    OptionsFull {
        /// Who sent it.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Template id.
        id: u16,
    },
    /// The sequence numbers of a domain were forgotten: there are too many domains.
    Domains {
        /// Who sent them.
        exporter: IpAddr,
    },
    /// A sequence number jumped.
    Gap {
        /// Who sent it.
        exporter: IpAddr,
        /// Source id or observation domain.
        domain: u32,
        /// Units missing.
        lost: u32,
    },
}

/// Most notices between two collections.
const MAX_NOTICES: usize = 64;

/// False when there is no room for a further notice: then it need not be made.
pub(super) fn has_room(notices: &[Notice]) -> bool {
    notices.len() < MAX_NOTICES
}

pub(super) fn note(notices: &mut Vec<Notice>, notice: Notice) {
    if has_room(notices) {
        notices.push(notice);
    }
}
