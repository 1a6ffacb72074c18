//! One exporter: its templates, its options data, and how its datagrams become rows.

use super::counts::{self, Counts, NoFlow, Notice};
use super::known::Known;
use super::plan::{self, Plan};
use super::run::{Base, Record, Run, put};
use super::{Settings, fixed_templates};
use flow::address;
use flow::field::Field;
use flow::needs::Needs;
use flow::row::{self, Rows};
use flow::strings::Strings;
use netflow::cache::{Announced, Cache};
use netflow::datagram::{Body, Datagram, Fault, Header, IPFIX, Set};
use netflow::options::Facts;
use netflow::pending::{Held, Pending};
use netflow::record::{self, Spans};
use netflow::sequence::{Seen, Sequence};
use netflow::template::{Kind, Record as TemplateRecord, Records, Template};
use std::net::IpAddr;
use wire::{Reader, Truncated};

/// Memory that the decoding of sets uses again and again, and the plans of versions without templates.
pub(crate) struct Scratch {
    base: Base,
    spans: Spans,
    /// v1, v5, v7.
    fixed: [Plan; 3],
}

impl Scratch {
    pub(crate) fn new(needs: &Needs, settings: &Settings) -> Self {
        let fixed = fixed_templates().map(|template| plan::compile(&template, needs, settings));
        Self { base: Base::default(), spans: Spans::new(), fixed }
    }
}

/// What a datagram is decoded with.
pub(crate) struct Context<'a> {
    pub(crate) needs: &'a Needs,
    pub(crate) settings: &'a Settings,
    pub(crate) strings: &'a mut Strings,
    pub(crate) counts: &'a mut Counts,
    pub(crate) notices: &'a mut Vec<Notice>,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) rows: &'a mut Rows,
}

impl Context<'_> {
    fn notice(&mut self, notice: Notice) {
        counts::note(self.notices, notice);
    }

    /// Counts a fault by its reason, and notes it down for the log.
    #[cold]
    fn fault(&mut self, exporter: IpAddr, domain: u32, fault: Fault) {
        match fault {
            Fault::Template(_) => self.counts.templates_faulty += 1,
            Fault::Behind(octets) => self.counts.octets_behind += octets as u64,
            Fault::Truncated(_) | Fault::SetLength(..) | Fault::SetId(_) | Fault::Padding(_) => {
                self.counts.faulty_sets += 1;
            }
        }
        self.notice(Notice::Faulty { exporter, domain, fault });
    }

    /// Counts records that tell no flow.
    fn without_flow(&mut self, exporter: IpAddr, domain: u32, id: u16, records: u64, reason: NoFlow) {
        if records > 0 {
            self.counts.records_without_flow += records;
            self.notice(Notice::NoFlow { exporter, domain, id, records, reason });
        }
    }
}

/// An exporter.
#[derive(Debug)]
pub struct Exporter {
    /// The address that its datagrams come from.
    pub address: IpAddr,
    templates: Cache<Plan>,
    pending: Pending,
    /// Its sequence numbers.
    pub sequence: Sequence,
    known: Known,
    /// Datagrams received.
    pub datagrams: u64,
    /// Octets received.
    pub octets: u64,
    /// Flow records decoded.
    pub records: u64,
    /// Domain of the last datagram.
    pub domain: u32,
    /// Since when announcements of templates are noted.
    round: u64,
    /// Bytes that are charged for it.
    pub(super) charged: usize,
    /// Templates that are counted for it.
    pub(super) counted: usize,
    /// What it takes may have changed since.
    pub(super) is_changed: bool,
}

/// Microseconds in which the first announcement of each template is noted, be it new or not.
const ROUND: u64 = 86_400 * 1_000_000;

/// What came of the records of a set.
#[derive(Clone, Copy, Default)]
struct Decoded {
    records: u64,
    /// All of them could be told apart, so that they can be counted.
    whole: bool,
}

impl Exporter {
    pub(crate) fn new(address: IpAddr, settings: &Settings) -> Self {
        Self {
            address,
            templates: Cache::new(settings.max_templates),
            pending: Pending::new(settings.pending_octets, settings.pending_age),
            sequence: Sequence::default(),
            known: Known::default(),
            datagrams: 0,
            octets: 0,
            records: 0,
            domain: 0,
            round: 0,
            charged: 0,
            counted: 0,
            is_changed: false,
        }
    }

    /// Bytes that it takes, roughly: what it keeps on the heap, itself, and its place among the exporters.
    pub(super) fn memory(&self) -> usize {
        2 * size_of::<(u128, usize)>()
            + size_of::<Self>()
            + self.templates.memory()
            + self.pending.memory()
            + self.sequence.memory()
            + self.known.memory()
    }

    /// Charges what it takes now.
    pub(super) fn charge(&mut self) {
        self.is_changed = false;
        self.charged = self.memory();
        self.counted = self.templates.len();
    }

    /// Counts what goes with it when it is forgotten.
    pub(super) fn forget(self, counts: &mut Counts) {
        counts.sets_forgotten += self.pending.len() as u64;
        counts.octets_without_template += self.pending.octets();
    }

    /// Templates known.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.templates.iter()
    }

    pub(crate) fn restore(&mut self, template: Template, needs: &Needs, settings: &Settings) {
        self.templates.restore(template, |template| plan::compile(template, needs, settings));
    }

    pub(crate) fn recompile(&mut self, needs: &Needs, settings: &Settings) {
        self.templates.recompile(|template| plan::compile(template, needs, settings));
    }

    pub(crate) fn expire(&mut self, now: u64, counts: &mut Counts) {
        let lost = self.pending.expire(now);
        counts.sets_expired += lost.expired;
        counts.octets_without_template += lost.octets;
        if now.saturating_sub(self.round) >= ROUND {
            self.round = now;
            self.templates.begin_round();
        }
    }

    pub(crate) fn abandon(&mut self, counts: &mut Counts) {
        counts.sets_abandoned += self.pending.len() as u64;
        counts.octets_without_template += self.pending.octets();
        self.pending = Pending::new(0, 0);
    }

    pub(crate) fn datagram(
        &mut self,
        datagram: &Datagram<'_>,
        octets: usize,
        arrival: u64,
        context: &mut Context<'_>,
    ) {
        self.datagrams += 1;
        self.octets += octets as u64;
        let header = &datagram.header;
        self.domain = header.domain;
        let units = match &datagram.body {
            Body::Records(records) => {
                let count = self.fixed(header, records.octets, records.size, arrival, context);
                // v1 has no sequence numbers.
                (header.version != 1).then_some(u64::from(header.count).max(count))
            }
            Body::Sets(sets) => {
                let units = self.sets(header, sets.clone(), arrival, context);
                if header.version == 9 { Some(1) } else { units }
            }
        };
        self.check_sequence(datagram, units, context);
    }

    fn check_sequence(&mut self, datagram: &Datagram<'_>, units: Option<u64>, context: &mut Context<'_>) {
        let header = &datagram.header;
        let Some(units) = units else {
            // What could not be counted is no gap.
            self.sequence.forget(header.version, header.domain);
            return;
        };
        let units = u32::try_from(units).unwrap_or(0);
        let evicted = self.sequence.evicted;
        let domain = (header.version, header.domain);
        match self.sequence.check(domain, header.sequence, units, || datagram.holds_any()) {
            Seen::Good => {}
            Seen::First if self.sequence.evicted == evicted => self.is_changed = true,
            Seen::First => {
                self.is_changed = true;
                context.counts.sequences_evicted += 1;
                context.notice(Notice::Domains { exporter: self.address });
            }
            Seen::Back => context.counts.sequence_back += 1,
            Seen::Forward(lost) => {
                context.counts.sequence_gaps += 1;
                context.counts.sequence_lost += u64::from(lost);
                context.notice(Notice::Gap { exporter: self.address, domain: header.domain, lost });
            }
        }
    }

    /// Records of v1, v5, v7.
    fn fixed(
        &mut self,
        header: &Header,
        octets: &[u8],
        size: usize,
        arrival: u64,
        context: &mut Context<'_>,
    ) -> u64 {
        let Scratch { base, fixed: [v1, v5, v7], .. } = &mut *context.scratch;
        let plan = match header.version {
            1 => v1,
            5 => v5,
            _ => v7,
        };
        prepare(base, plan, header, arrival, self.peer(context.settings), context.needs);
        let before = context.rows.len();
        let mut run =
            Run { settings: context.settings, header, template: 0, known: &self.known, strings: context.strings };
        let (count, _) = run.records(plan, base, octets, size, context.rows);
        context.counts.records += count;
        context.counts.rows += (context.rows.len() - before) as u64;
        self.records += count;
        count
    }

    /// Sets of v9 or IPFIX. Returns the number of data records, unless some could not be told apart.
    fn sets(
        &mut self,
        header: &Header,
        sets: netflow::datagram::Sets<'_>,
        arrival: u64,
        context: &mut Context<'_>,
    ) -> Option<u64> {
        let mut units = Some(0);
        for set in sets {
            match set {
                Ok(Set::Templates(records)) => self.announcements(header, records, context),
                Ok(Set::Data { id, body, missing }) => {
                    let decoded = self.data(header, id, body, missing, arrival, context);
                    match decoded {
                        Some(Decoded { records, whole: true }) => units = units.map(|units| units + records),
                        Some(_) => units = None,
                        None if self.templates.is_withdrawn(header.version == IPFIX, header.domain, id) => {
                            units = None;
                            context.counts.sets_withdrawn += 1;
                        }
                        None => {
                            units = None;
                            let held = Held { header: *header, id, body: body.into(), missing, arrival };
                            self.hold(held, context);
                        }
                    }
                }
                Err(fault) => {
                    units = None;
                    context.fault(self.address, header.domain, fault);
                }
            }
        }
        units
    }

    #[cold]
    fn hold(&mut self, held: Held, context: &mut Context<'_>) {
        self.is_changed = true;
        let notice = Notice::NoTemplate { exporter: self.address, domain: held.header.domain, id: held.id };
        let lost = self.pending.keep(held);
        context.counts.sets_kept += 1;
        context.counts.sets_expired += lost.expired;
        context.counts.sets_crowded += lost.crowded;
        context.counts.octets_without_template += lost.octets;
        context.notice(notice);
    }

    fn announcements(&mut self, header: &Header, records: Records<'_>, context: &mut Context<'_>) {
        self.is_changed = true;
        for record in records {
            match record {
                Ok(TemplateRecord::Define(template)) => self.announce(template, context),
                Ok(TemplateRecord::Withdraw(id)) => {
                    context.counts.templates_withdrawn += u64::from(self.templates.withdraw(header.domain, id));
                }
                Ok(TemplateRecord::WithdrawAll { options }) => {
                    let count = self.templates.withdraw_all(header.domain, options);
                    context.counts.templates_withdrawn += count as u64;
                }
                Err(fault) => context.fault(self.address, header.domain, Fault::Template(fault)),
            }
        }
    }

    fn announce(&mut self, template: Template, context: &mut Context<'_>) {
        let (needs, settings) = (context.needs, context.settings);
        let evicted = self.templates.evicted();
        let (ipfix, domain, id) = (template.ipfix, template.domain, template.id);
        let announced = self.templates.announce(template, |template| plan::compile(template, needs, settings));
        context.counts.templates_evicted += self.templates.evicted() - evicted;
        match announced {
            Announced::Same | Announced::Again => {}
            Announced::New => context.counts.templates_new += 1,
            Announced::Changed => context.counts.templates_changed += 1,
        }
        if announced != Announced::Same
            && let Some((template, _)) = self.templates.find(ipfix, domain, id)
        {
            let template = template.clone();
            context.notice(Notice::Template { exporter: self.address, template });
        }
        // Nothing can wait for a template that was known.
        if matches!(announced, Announced::Same | Announced::Again) {
            return;
        }
        for held in self.pending.take(ipfix, domain, id) {
            context.counts.sets_recovered += 1;
            self.data(&held.header, id, &held.body, held.missing, held.arrival, context);
        }
    }

    /// Decodes a data set; `None` without its template.
    fn data(
        &mut self,
        header: &Header,
        id: u16,
        body: &[u8],
        missing: usize,
        arrival: u64,
        context: &mut Context<'_>,
    ) -> Option<Decoded> {
        let (template, plan) = self.templates.find(header.version == IPFIX, header.domain, id)?;
        if missing > 0 || context.settings.check_padding {
            let left = left_of(template, body);
            // What is missing is padding, unless it makes a record of what is left.
            let fault = if missing > 0 && left.len() + missing >= template.min_length {
                let wanted = left.len() + missing;
                Some(Fault::Truncated(Truncated { at: body.len() - left.len(), wanted, left: left.len() }))
            } else if context.settings.check_padding && left.iter().any(|octet| *octet != 0) {
                Some(Fault::Padding(id))
            } else {
                None
            };
            if let Some(fault) = fault {
                context.fault(self.address, header.domain, fault);
                return Some(Decoded::default());
            }
        }
        let options = template.kind != Kind::Data;
        let mut decoded = Decoded { records: 0, whole: true };
        if options {
            self.is_changed = true;
            for record in record::records(template, body) {
                match record {
                    Ok(octets) => {
                        let facts = Facts::read(template, octets);
                        let learned = self.known.learn(header.domain, &facts, context.settings.ignore_scope);
                        let (exporter, domain) = (self.address, header.domain);
                        if learned.unusable_rate {
                            context.notice(Notice::Rate { exporter, domain, id });
                        }
                        if learned.dropped > 0 {
                            context.counts.facts_dropped += learned.dropped;
                            context.notice(Notice::Facts { exporter, domain, id });
                        }
                        decoded.records += 1;
                    }
                    Err(truncated) => {
                        decoded.whole = false;
                        context.fault(self.address, header.domain, truncated.into());
                    }
                }
            }
            context.counts.options_records += decoded.records;
            if !context.settings.account_options {
                return Some(decoded);
            }
        }
        if plan.unknown {
            let records = record::records(template, body).filter(Result::is_ok).count() as u64;
            context.without_flow(self.address, header.domain, id, records, NoFlow::Elements);
            return Some(Decoded { records, ..decoded });
        }
        let Scratch { base, spans, .. } = &mut *context.scratch;
        prepare(base, plan, header, arrival, self.peer(context.settings), context.needs);
        let before = context.rows.len();
        let mut run =
            Run { settings: context.settings, header, template: id, known: &self.known, strings: context.strings };
        let mut records = 0;
        let mut without_flow = 0;
        let mut fault = None;
        if plan.variable {
            let mut r = Reader::new(body);
            loop {
                match record::spans(template, &mut r, spans) {
                    Ok(true) => {
                        let record = Record { octets: body, spans: Some(spans) };
                        without_flow += u64::from(!run.record(plan, base, record, context.rows));
                        records += 1;
                    }
                    Ok(false) => break,
                    Err(truncated) => {
                        fault = Some(truncated);
                        break;
                    }
                }
            }
        } else {
            (records, without_flow) = run.records(plan, base, body, template.min_length, context.rows);
        }
        decoded.records = records;
        if !options {
            context.counts.records += records - without_flow;
            self.records += records - without_flow;
        }
        context.without_flow(self.address, header.domain, id, without_flow, NoFlow::Frame);
        context.counts.rows += (context.rows.len() - before) as u64;
        // Of options data it is known by now.
        if let (Some(truncated), false) = (fault, options) {
            decoded.whole = false;
            context.fault(self.address, header.domain, truncated.into());
        }
        Some(decoded)
    }

    fn peer(&self, settings: &Settings) -> IpAddr {
        self.known.address.filter(|_| !settings.ignore_exporter_address).unwrap_or(self.address)
    }
}

/// What a set holds behind its whole records.
fn left_of<'a>(template: &Template, body: &'a [u8]) -> &'a [u8] {
    let used: usize = record::records(template, body).map_while(Result::ok).map(<[u8]>::len).sum();
    body.get(used..).unwrap_or_default()
}

/// Makes the rows that all records of a set start from: the plan's, with what the header tells.
fn prepare(base: &mut Base, plan: &Plan, header: &Header, arrival: u64, peer: IpAddr, needs: &Needs) {
    prepare_row(&mut base.there, plan, header, arrival, peer, needs);
    if let Some(back) = &plan.back {
        prepare_row(&mut base.back, back, header, arrival, peer, needs);
    }
}

fn prepare_row(base: &mut Vec<u64>, plan: &Plan, header: &Header, arrival: u64, peer: IpAddr, needs: &Needs) {
    base.clear();
    base.extend_from_slice(&plan.base);
    let export = u64::from(header.export_secs) * 1_000_000;
    if let Some(flows) = base.get_mut(row::FLOWS) {
        *flows = 1;
    }
    if let Some(bin_time) = base.get_mut(row::BIN_TIME) {
        *bin_time = arrival;
    }
    let octets: &mut [u8] = bytemuck::cast_slice_mut(base);
    let mut set = |field, value: &[u8]| {
        if let Some(to) = needs.layout.offset(field) {
            put(octets, to, value);
        }
    };
    set(Field::PeerSrcIp, &address::octets(peer));
    set(Field::ExportSequence, &header.sequence.to_be_bytes());
    set(Field::ExportVersion, &header.version.to_be_bytes());
    set(Field::EngineType, &[header.engine_type]);
    set(Field::ExportSysid, &header.domain.to_be_bytes());
    set(Field::TimeExport, &export.to_be_bytes());
    set(Field::TimeArrival, &arrival.to_be_bytes());
    // Records that tell no start are taken to start when they were exported.
    set(Field::TimeStart, &export.to_be_bytes());
}
