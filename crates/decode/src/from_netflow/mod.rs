//! Decodes NetFlow and IPFIX to rows.
//!
//! A [`Decoder`] belongs to one worker. It keeps the state of each exporter (templates compiled to plans, options data,
//! sequence numbers, data sets without a template), and decodes datagrams to rows. It reads no clock and writes no log:
//! datagrams come with their arrival time, and events for the log are returned as [`Notice`]s.

mod biflow;
mod compile;
mod copy;
mod counts;
mod exporter;
mod frame;
mod options_cache;
mod plan;
mod plans;
mod rates;
mod run;
mod sessions;
mod sources;

pub use counts::{Counts, NoFlow, Notice, Sampling};
pub use exporter::Exporter;
pub use sessions::SessionTotals;

use crate::bound::{Bound, MAX_VISITED};
use flow::address;
use flow::field::Field;
use flow::needs::Needs;
use flow::part::Part;
use flow::row::{FieldSet, Rows};
use flow::strings::Strings;
use netflow::datagram::{self, HeaderError};
use netflow::template::Template;
use recent::Map;
use std::net::IpAddr;

/// Adds the fields that others in `fields` are computed from.
pub fn require(fields: &mut FieldSet, bin_times: bool) {
    let needed: &[(Field, &[Field])] = &[
        (Field::SrcNet, &[Field::SrcHost, Field::SrcMask]),
        (Field::DstNet, &[Field::DstHost, Field::DstMask]),
        (Field::Etype, &[Field::SrcHost]),
    ];
    for (field, others) in needed {
        if fields.has(*field) {
            others.iter().for_each(|other| fields.insert(*other));
        }
    }
    if bin_times {
        fields.insert(Field::TimeStart);
    }
    fields.insert(Field::Event);
}

/// How records are decoded, and the bounds of the state of exporters.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `nfacctd_renormalize`.
    pub renormalize: bool,
    /// `use_ip_next_hop`.
    pub use_ip_next_hop: bool,
    /// Networks are computed from addresses and masks of the record, rather than elsewhere.
    pub networks: bool,
    /// `nfacctd_account_options`: options records become rows, too.
    pub account_options: bool,
    /// `nfacctd_ignore_exporter_address`.
    pub ignore_exporter_address: bool,
    /// `nfacctd_disable_opt_scope_check`: options data apply to all domains of the exporter.
    pub ignore_scope: bool,
    /// `nfacctd_time_secs`.
    pub time_secs: bool,
    /// `nfacctd_time_new`: time bins are chosen by arrival time.
    pub bin_by_arrival: bool,
    /// `nfacctd_time_fractions`: times of v5 and v9 keep their milliseconds.
    pub uptime_fractions: bool,
    /// `nfacctd_pre_processing_checks`: data sets with non-zero padding are ignored.
    pub check_padding: bool,
    /// Maximum number of exporters. Beyond it the least recently active one is evicted.
    pub max_exporters: usize,
    /// Maximum memory in bytes of the state of all exporters. Beyond it the least recently active ones are evicted.
    pub max_memory: usize,
    /// Maximum number of templates of one exporter, in each of two generations; see [`netflow::cache::Cache`].
    pub max_templates: usize,
    /// Maximum memory in bytes of one exporter's data sets without a template.
    pub pending_bytes: usize,
    /// Time after which these sets expire, in microseconds.
    pub pending_age: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            renormalize: false,
            use_ip_next_hop: false,
            networks: true,
            account_options: false,
            ignore_exporter_address: false,
            ignore_scope: false,
            time_secs: false,
            bin_by_arrival: false,
            uptime_fractions: false,
            check_padding: false,
            max_exporters: 10_000,
            max_memory: 1 << 30,
            max_templates: 4096,
            pending_bytes: 1_000_000,
            pending_age: 300_000_000,
        }
    }
}

/// Decodes the datagrams of one worker.
pub struct Decoder {
    needs: Needs,
    settings: Settings,
    /// Keyed by their address, as a number.
    exporters: Map<u128, Exporter>,
    /// Those with a transport session, keyed by its number.
    sessions: Map<u64, Exporter>,
    /// Totals of ended sessions by address, as a number.
    ended: Map<u128, SessionTotals>,
    /// Sessions whose state was removed at a bound.
    lost_sessions: Vec<u64>,
    totals: Totals,
    /// Where [`Self::expire`] continues.
    next: usize,
    next_session: usize,
    counts: Counts,
    notices: Vec<Notice>,
    scratch: exporter::Scratch,
}

/// Memory and templates of all exporters.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    /// Bytes.
    memory: usize,
    templates: usize,
}

impl Totals {
    /// Replaces an exporter's part by its current state.
    fn update(&mut self, exporter: &mut Exporter) {
        self.remove(exporter);
        exporter.update_accounting();
        self.memory += exporter.accounted_memory;
        self.templates += exporter.accounted_templates;
    }

    fn remove(&mut self, exporter: &Exporter) {
        self.memory -= exporter.accounted_memory;
        self.templates -= exporter.accounted_templates;
    }
}

impl Decoder {
    /// Creates a decoder.
    pub fn new(needs: Needs, settings: Settings) -> Self {
        Self {
            scratch: exporter::Scratch::new(&needs, &settings),
            needs,
            exporters: Map::new(settings.max_exporters),
            sessions: Map::new(settings.max_exporters),
            ended: Map::new(settings.max_exporters),
            lost_sessions: Vec::new(),
            totals: Totals::default(),
            next: 0,
            next_session: 0,
            settings,
            counts: Counts::default(),
            notices: Vec::new(),
        }
    }

    /// Decodes a datagram that arrived from `source` at `arrival` (microseconds since 1970). Adds its rows, and interns their
    /// texts and lists in `strings`. Returns its export time in microseconds since 1970.
    ///
    /// # Errors
    /// If its header is invalid.
    pub fn datagram(
        &mut self,
        source: IpAddr,
        octets: &[u8],
        arrival: u64,
        rows: &mut Rows,
        strings: &mut Strings,
    ) -> Result<u64, HeaderError> {
        self.scratch.parts.clear();
        let datagram = datagram::open(octets)?;
        self.scratch.plans.add_credit(octets.len());
        let mut context = exporter::Context {
            needs: &self.needs,
            settings: &self.settings,
            strings,
            counts: &mut self.counts,
            notices: &mut self.notices,
            scratch: &mut self.scratch,
            rows,
        };
        if let Some(exporter) = self.exporters.get_mut(&address::number(source)) {
            exporter.datagram(&datagram, octets.len(), arrival, &mut context);
            if exporter.is_changed {
                self.totals.update(exporter);
            }
        } else {
            let mut exporter = Exporter::new(source);
            exporter.datagram(&datagram, octets.len(), arrival, &mut context);
            // An exporter is remembered from its first datagram with contents. A tracked sequence number implies contents.
            if exporter.sequence.is_tracking() || datagram.has_content() {
                self.remember(exporter);
            } else {
                exporter.forget(&mut self.counts);
            }
        }
        if self.memory() > self.settings.max_memory {
            self.make_room(source);
        }
        Ok(u64::from(datagram.header.export_secs) * 1_000_000)
    }

    /// Learns the templates of a datagram that another collector received and forwards for their sake. Its data are ignored, and its sequence
    /// number is not checked. Data sets that have waited for a template become rows.
    ///
    /// # Errors
    /// As [`Self::datagram`].
    pub fn learn(
        &mut self,
        source: IpAddr,
        octets: &[u8],
        rows: &mut Rows,
        strings: &mut Strings,
    ) -> Result<(), HeaderError> {
        self.scratch.parts.clear();
        let datagram = datagram::open(octets)?;
        if !datagram.has_templates() {
            return Ok(());
        }
        self.scratch.plans.add_credit(octets.len());
        let mut context = exporter::Context {
            needs: &self.needs,
            settings: &self.settings,
            strings,
            counts: &mut self.counts,
            notices: &mut self.notices,
            scratch: &mut self.scratch,
            rows,
        };
        if let Some(exporter) = self.exporters.get_mut(&address::number(source)) {
            exporter.learn(&datagram, &mut context);
            self.totals.update(exporter);
        } else {
            let mut exporter = Exporter::new(source);
            exporter.learn(&datagram, &mut context);
            if exporter.templates().next().is_some() {
                self.remember(exporter);
            } else {
                exporter.forget(&mut self.counts);
            }
        }
        if self.memory() > self.settings.max_memory {
            self.make_room(source);
        }
        Ok(())
    }

    /// Adds an exporter.
    #[cold]
    fn remember(&mut self, mut exporter: Exporter) {
        self.totals.update(&mut exporter);
        if let Some((_, oldest)) = self.exporters.insert(address::number(exporter.address), exporter) {
            self.forget(oldest, Bound::Exporters);
        }
    }

    /// Evicts exporters until memory is below its bound: the one that sent last if it takes more than half of it, else the
    /// least recently active ones.
    #[cold]
    fn make_room(&mut self, last: IpAddr) {
        let last = address::number(last);
        if self
            .exporters
            .peek(&last)
            .is_some_and(|exporter| exporter.accounted_memory > self.settings.max_memory / 2)
            && let Some(exporter) = self.exporters.remove(&last)
        {
            self.forget(exporter, Bound::Memory);
        }
        self.shrink();
    }

    /// Evicts the least recently active exporters until memory is below its bound. Those with a session come last: they would
    /// not send their templates again.
    fn shrink(&mut self) {
        while self.memory() > self.settings.max_memory {
            if let Some((_, oldest)) = self.exporters.pop_oldest() {
                self.forget(oldest, Bound::Memory);
            } else if let Some((session, oldest)) = self.sessions.pop_oldest() {
                self.lose_session(session, oldest, Bound::Memory);
            } else {
                return;
            }
        }
    }

    fn forget(&mut self, exporter: Exporter, bound: Bound) {
        self.totals.remove(&exporter);
        match bound {
            Bound::Exporters => self.counts.exporters_evicted_number += 1,
            Bound::Memory => self.counts.exporters_evicted_memory += 1,
        }
        let notice =
            Notice::ExporterEvicted { exporter: exporter.address, bound, memory: exporter.accounted_memory };
        counts::note(&mut self.notices, notice);
        exporter.forget(&mut self.counts);
    }

    /// Sets whether the parts of datagrams are listed.
    pub fn want_parts(&mut self, wanted: bool) {
        self.scratch.parts.want(wanted);
    }

    /// Returns the parts of the last datagram, in the order of its rows, if they are listed.
    pub fn parts(&self) -> &[Part] {
        self.scratch.parts.list()
    }

    /// Memory in bytes of the state of all exporters, approximately, including shared plans.
    pub fn memory(&self) -> usize {
        self.totals.memory + self.scratch.plans.memory()
    }

    /// Returns the number of templates of all exporters.
    pub fn templates(&self) -> usize {
        self.totals.templates
    }

    /// Returns the needs that its rows are compiled for.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Returns and resets the counters.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Returns the events for the log since the last call. Their number is bounded.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Iterates over the exporters.
    pub fn exporters(&self) -> impl Iterator<Item = &Exporter> {
        self.exporters.values().chain(self.sessions.values())
    }

    /// Returns the number of exporters.
    pub fn len(&self) -> usize {
        self.exporters.len() + self.sessions.len()
    }

    /// Returns true if there are no exporters.
    pub fn is_empty(&self) -> bool {
        self.exporters.is_empty() && self.sessions.is_empty()
    }

    /// Takes over a template that another collector has learned from an exporter, and decodes the sets that wait for it. If there are rows,
    /// it returns the latest export time of these sets, microseconds since 1970. Unknown exporters are ignored. With `replaces`, the template
    /// replaces a different one of the same id; without, it is ignored if there is one.
    pub fn take_over_template(
        &mut self,
        address: IpAddr,
        template: Template,
        replaces: bool,
        rows: &mut Rows,
        strings: &mut Strings,
    ) -> Option<u64> {
        self.scratch.parts.clear();
        let exporter = self.exporters.get_mut(&address::number(address))?;
        let before = rows.len();
        let mut context = exporter::Context {
            needs: &self.needs,
            settings: &self.settings,
            strings,
            counts: &mut self.counts,
            notices: &mut self.notices,
            scratch: &mut self.scratch,
            rows,
        };
        let latest = exporter.take_over(template, replaces, &mut context);
        let is_decoded = context.rows.len() > before;
        if exporter.is_changed {
            self.totals.update(exporter);
        }
        if self.memory() > self.settings.max_memory {
            self.make_room(address);
        }
        latest.filter(|_| is_decoded).map(|secs| u64::from(secs) * 1_000_000)
    }

    /// Takes over a sampling rate that another collector has learned from an exporter. Ignores it without the exporter, or without the
    /// options template that describes it.
    pub fn take_over_sampling(&mut self, address: IpAddr, sampling: &Sampling) {
        if let Some(exporter) = self.exporters.get_mut(&address::number(address)) {
            exporter.take_over_sampling(sampling, self.settings.ignore_scope);
            self.totals.update(exporter);
            if self.memory() > self.settings.max_memory {
                self.make_room(address);
            }
        }
    }

    /// Forgets the sequence numbers of all exporters: the next datagram of each is followed by others, and follows none.
    pub fn restart_sequences(&mut self) {
        for exporter in self.exporters.values_mut() {
            exporter.sequence.restart();
            self.totals.update(exporter);
        }
    }

    /// Adds a template from an earlier run of the daemon.
    pub fn restore_template(&mut self, address: IpAddr, template: Template) {
        let key = address::number(address);
        if self.exporters.get_mut(&key).is_none() {
            self.remember(Exporter::new(address));
        }
        if let Some(exporter) = self.exporters.get_mut(&key) {
            exporter.restore(template, &self.settings);
            self.totals.update(exporter);
        }
        if self.memory() > self.settings.max_memory {
            self.make_room(address);
        }
    }

    /// Switches to another row layout. Each plan is compiled again with the next data of its template. Call it when no rows
    /// are left.
    pub fn change_needs(&mut self, needs: Needs) {
        let parts = std::mem::take(&mut self.scratch.parts);
        self.scratch = exporter::Scratch::new(&needs, &self.settings);
        self.scratch.parts = parts;
        for exporter in self.exporters.values_mut().chain(self.sessions.values_mut()) {
            exporter.drop_plans();
            self.totals.update(exporter);
        }
        self.needs = needs;
    }

    /// Drops data sets whose template did not arrive in time. If there are very many exporters, each call visits only some of
    /// them, and the next one continues.
    pub fn expire(&mut self, now: u64) {
        let (chunk, next) = self.exporters.chunk_mut(self.next, MAX_VISITED);
        let (of_sessions, next_session) = self.sessions.chunk_mut(self.next_session, MAX_VISITED);
        for exporter in chunk.chain(of_sessions) {
            exporter.expire(now, &mut self.counts);
            self.totals.update(exporter);
        }
        (self.next, self.next_session) = (next, next_session);
    }

    /// Drops and counts all data sets without a template, at exit.
    pub fn drop_pending(&mut self) {
        for exporter in self.exporters.values_mut().chain(self.sessions.values_mut()) {
            exporter.drop_pending(&mut self.counts);
        }
    }
}

/// Returns templates that describe the records of v1, v5 and v7.
pub(crate) fn fixed_templates() -> [Template; 3] {
    use netflow::elements as ie;
    use netflow::encode::field as f;
    use netflow::template::Kind;
    let head = [
        (ie::SOURCE_IPV4_ADDRESS, 4),
        (ie::DESTINATION_IPV4_ADDRESS, 4),
        (ie::IP_NEXT_HOP_IPV4_ADDRESS, 4),
        (ie::INGRESS_INTERFACE, 2),
        (ie::EGRESS_INTERFACE, 2),
        (ie::PACKET_DELTA_COUNT, 4),
        (ie::OCTET_DELTA_COUNT, 4),
        (ie::FLOW_START_SYS_UP_TIME, 4),
        (ie::FLOW_END_SYS_UP_TIME, 4),
        (ie::SOURCE_TRANSPORT_PORT, 2),
        (ie::DESTINATION_TRANSPORT_PORT, 2),
    ];
    let template = |tail: &[(u16, u16)]| {
        let fields = head.iter().chain(tail).map(|(element, length)| f(*element, *length)).collect();
        Template::new(0, 0, Kind::Data, fields)
    };
    [
        template(&[
            (ie::PADDING_OCTETS, 2),
            (ie::PROTOCOL_IDENTIFIER, 1),
            (ie::IP_CLASS_OF_SERVICE, 1),
            (ie::TCP_CONTROL_BITS, 1),
            (ie::PADDING_OCTETS, 11),
        ]),
        template(&[
            (ie::PADDING_OCTETS, 1),
            (ie::TCP_CONTROL_BITS, 1),
            (ie::PROTOCOL_IDENTIFIER, 1),
            (ie::IP_CLASS_OF_SERVICE, 1),
            (ie::BGP_SOURCE_AS_NUMBER, 2),
            (ie::BGP_DESTINATION_AS_NUMBER, 2),
            (ie::SOURCE_IPV4_PREFIX_LENGTH, 1),
            (ie::DESTINATION_IPV4_PREFIX_LENGTH, 1),
            (ie::PADDING_OCTETS, 2),
        ]),
        template(&[
            (ie::PADDING_OCTETS, 1),
            (ie::TCP_CONTROL_BITS, 1),
            (ie::PROTOCOL_IDENTIFIER, 1),
            (ie::IP_CLASS_OF_SERVICE, 1),
            (ie::BGP_SOURCE_AS_NUMBER, 2),
            (ie::BGP_DESTINATION_AS_NUMBER, 2),
            (ie::SOURCE_IPV4_PREFIX_LENGTH, 1),
            (ie::DESTINATION_IPV4_PREFIX_LENGTH, 1),
            (ie::PADDING_OCTETS, 6),
        ]),
    ]
}

#[cfg(test)]
mod tests;
