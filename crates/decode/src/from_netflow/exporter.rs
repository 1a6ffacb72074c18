//! One exporter: its state, and the decoding of its datagrams.

mod sets;

use super::compile;
use super::counts::{self, Counts, NoFlow, Notice};
use super::options_cache::OptionsCache;
use super::plan::Plan;
use super::plans::{Compiled, Planned, Plans};
use super::run::{Base, Run, put};
use super::{Settings, fixed_templates};
use flow::address;
use flow::field::Field;
use flow::needs::Needs;
use flow::part::Parts;
use flow::row::{self, Rows};
use flow::strings::Strings;
use netflow::cache::Cache;
use netflow::datagram::{Body, Datagram, Header, SetError, V1_HEADER, V5_HEADER};
use netflow::pending::Pending;
use netflow::record::Spans;
use netflow::sequence::{Outcome, Sequence};
use netflow::template::Template;
use std::net::IpAddr;
use std::sync::Arc;

/// Reused buffers, and what all exporters share.
pub(crate) struct Scratch {
    base: Base,
    spans: Spans,
    /// v1, v5, v7.
    fixed: [Plan; 3],
    pub(super) plans: Plans,
    /// The options data of exporters that sent none.
    no_options: OptionsCache,
    /// The parts of the last datagram, if they are wanted.
    pub(super) parts: Parts,
}

impl Scratch {
    pub(crate) fn new(needs: &Needs, settings: &Settings) -> Self {
        let fixed = fixed_templates().map(|template| compile::compile(&template, needs, settings));
        let plans = Plans::new(needs, settings);
        Self {
            base: Base::default(),
            spans: Spans::new(),
            fixed,
            plans,
            no_options: OptionsCache::default(),
            parts: Parts::default(),
        }
    }
}

/// The context in which a datagram is decoded.
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

    /// Counts an error by its kind, and records it for the log.
    #[cold]
    fn report_error(&mut self, exporter: IpAddr, domain: u32, error: SetError) {
        match error {
            SetError::Template(_) => self.counts.templates_invalid += 1,
            SetError::TrailingOctets(octets) => self.counts.trailing_bytes += octets as u64,
            SetError::Truncated(_) | SetError::SetLength(..) | SetError::SetId(_) | SetError::Padding(_) => {
                self.counts.sets_invalid += 1;
            }
        }
        self.notice(Notice::InvalidRecords { exporter, domain, fault: error });
    }

    /// Counts records without a flow, and records them for the log.
    fn without_flow(&mut self, exporter: IpAddr, domain: u32, id: u16, records: u64, reason: NoFlow) {
        if records > 0 {
            self.counts.records_without_flow += records;
            self.notice(Notice::NoFlow { exporter, domain, id, records, reason });
        }
    }
}

/// The state of an exporter.
///
/// With thousands of exporters, their state does not fit the CPU caches, and each cache line costs a datagram time.
/// Therefore the first fields, in this order, are those that every datagram needs. State that few exporters need is
/// stored separately.
#[derive(Debug)]
#[repr(C)]
pub struct Exporter {
    /// The exporter address in rows: the source address, unless options data give another one.
    peer: IpAddr,
    /// Its memory or templates may have changed since they were last accounted.
    pub(super) is_changed: bool,
    /// The domain of the last datagram.
    pub domain: u32,
    /// Datagrams received.
    pub datagrams: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Flow records decoded.
    pub records: u64,
    /// The template of the last data set, and its plan. `None` after any announcement or withdrawal.
    last: Option<(TemplateKey, Arc<Compiled>)>,
    options: Option<Box<OptionsCache>>,
    /// Its sequence numbers.
    pub sequence: Sequence,
    sets: Option<Box<SetState>>,
    /// Its memory in bytes, as last accounted.
    pub(super) accounted_memory: usize,
    /// Its number of templates, as last accounted.
    pub(super) accounted_templates: usize,
    /// The source address of its datagrams.
    pub address: IpAddr,
    /// It is known by a transport session, with which its templates end.
    pub has_session: bool,
}

/// Version, id and domain of a template.
type TemplateKey = (u16, u16, u32);

/// The state of exporters that send templates.
#[derive(Debug)]
struct SetState {
    templates: Cache<Planned>,
    pending: Pending,
    /// Start of the current announcement period, in microseconds since 1970.
    round: u64,
}

impl SetState {
    fn new(settings: &Settings) -> Box<Self> {
        Box::new(Self {
            templates: Cache::new(settings.max_templates),
            pending: Pending::new(settings.pending_bytes, settings.pending_age),
            round: 0,
        })
    }
}

/// Period in microseconds in which the first announcement of each template is reported, even if it is unchanged.
const ANNOUNCEMENT_PERIOD: u64 = 86_400 * 1_000_000;

impl Exporter {
    pub(crate) fn new(address: IpAddr) -> Self {
        Self {
            peer: address,
            is_changed: false,
            domain: 0,
            datagrams: 0,
            bytes: 0,
            records: 0,
            last: None,
            options: None,
            sequence: Sequence::default(),
            sets: None,
            accounted_memory: 0,
            accounted_templates: 0,
            address,
            has_session: false,
        }
    }

    pub(crate) fn of_session(address: IpAddr) -> Self {
        Self { has_session: true, ..Self::new(address) }
    }

    /// Memory in bytes, approximately: on the heap, and in the map of exporters, which may be half empty.
    pub(super) fn memory(&self) -> usize {
        let of_sets = |sets: &SetState| size_of_val(sets) + sets.templates.memory() + sets.pending.memory();
        let of_options = |options: &OptionsCache| size_of_val(options) + options.memory();
        2 * size_of::<(u128, Self)>()
            + self.sets.as_deref().map_or(0, of_sets)
            + self.options.as_deref().map_or(0, of_options)
            + self.sequence.memory()
    }

    /// Accounts its current memory and templates.
    pub(super) fn update_accounting(&mut self) {
        self.is_changed = false;
        self.accounted_memory = self.memory();
        self.accounted_templates = self.sets.as_deref().map_or(0, |sets| sets.templates.len());
    }

    /// Drops it, and counts its pending sets.
    pub(super) fn forget(self, counts: &mut Counts) {
        if let Some(sets) = self.sets {
            counts.sets_of_evicted += sets.pending.len() as u64;
            counts.bytes_without_template += sets.pending.record_bytes();
        }
    }

    /// Iterates over its templates.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.sets.iter().flat_map(|sets| sets.templates.iter())
    }

    pub(crate) fn restore(&mut self, template: Template, settings: &Settings) {
        self.last = None;
        self.sets_mut(settings).templates.restore(template, |_| Planned::default());
    }

    /// Drops the plans of its templates.
    pub(crate) fn drop_plans(&mut self) {
        self.last = None;
        if let Some(sets) = &mut self.sets {
            sets.templates.recompile(|_| Planned::default());
        }
    }

    pub(crate) fn expire(&mut self, now: u64, counts: &mut Counts) {
        let Some(sets) = &mut self.sets else { return };
        let dropped = sets.pending.expire(now);
        counts.sets_expired += dropped.expired;
        counts.bytes_without_template += dropped.bytes;
        if now.saturating_sub(sets.round) >= ANNOUNCEMENT_PERIOD {
            sets.round = now;
            sets.templates.begin_round();
        }
    }

    pub(crate) fn drop_pending(&mut self, counts: &mut Counts) {
        if let Some(sets) = &mut self.sets {
            counts.sets_dropped_at_exit += sets.pending.len() as u64;
            counts.bytes_without_template += sets.pending.record_bytes();
            sets.pending = Pending::new(0, 0);
        }
    }

    fn sets_mut(&mut self, settings: &Settings) -> &mut SetState {
        self.sets.get_or_insert_with(|| SetState::new(settings))
    }

    pub(crate) fn datagram(
        &mut self,
        datagram: &Datagram<'_>,
        octets: usize,
        arrival: u64,
        context: &mut Context<'_>,
    ) {
        self.datagrams += 1;
        self.bytes += octets as u64;
        let header = &datagram.header;
        self.domain = header.domain;
        // Parts are for tee alone. Without it, decoding them costs nothing.
        let lists = context.scratch.parts.is_wanted();
        let units = match &datagram.body {
            Body::Records(records) => {
                let (octets, size) = (records.octets, records.size);
                let count = match lists {
                    true => self.fixed::<true>(header, octets, size, arrival, context),
                    false => self.fixed::<false>(header, octets, size, arrival, context),
                };
                // v1 has no sequence numbers.
                (header.version != 1).then_some(u64::from(header.count).max(count))
            }
            Body::Sets(sets) => {
                let units = match lists {
                    true => self.sets::<true>(header, sets.clone(), arrival, context),
                    false => self.sets::<false>(header, sets.clone(), arrival, context),
                };
                if header.version == 9 { Some(1) } else { units }
            }
        };
        self.check_sequence(datagram, units, context);
    }

    /// Learns the templates of a datagram that somebody else received.
    pub(crate) fn learn(&mut self, datagram: &Datagram<'_>, context: &mut Context<'_>) {
        if let Body::Sets(sets) = &datagram.body {
            self.learn_templates(&datagram.header, sets.clone(), context);
        }
    }

    #[inline]
    fn check_sequence(&mut self, datagram: &Datagram<'_>, units: Option<u64>, context: &mut Context<'_>) {
        let header = &datagram.header;
        let Some(units) = units else {
            // Without the number of records, the next number cannot be checked.
            self.sequence.forget(header.version, header.domain);
            return;
        };
        let units = u32::try_from(units).unwrap_or(0);
        let evicted = self.sequence.evicted;
        let domain = (header.version, header.domain);
        match self.sequence.check(domain, header.sequence, units, || datagram.has_content()) {
            Outcome::InOrder => {}
            Outcome::First if self.sequence.evicted == evicted => self.is_changed = true,
            Outcome::First => {
                self.is_changed = true;
                context.counts.sequences_evicted += 1;
                context.notice(Notice::Domains { exporter: self.address });
            }
            Outcome::OutOfOrder => context.counts.sequence_out_of_order += 1,
            Outcome::Gap(lost) => {
                context.counts.sequence_gaps += 1;
                context.counts.sequence_lost += u64::from(lost);
                context.notice(Notice::Gap { exporter: self.address, domain: header.domain, lost });
            }
        }
    }

    /// Decodes records of v1, v5 or v7, and returns their number.
    fn fixed<const LISTS: bool>(
        &mut self,
        header: &Header,
        octets: &[u8],
        size: usize,
        arrival: u64,
        context: &mut Context<'_>,
    ) -> u64 {
        let Scratch { base, fixed: [v1, v5, v7], no_options, parts, .. } = &mut *context.scratch;
        let (plan, at) = match header.version {
            1 => (v1, V1_HEADER),
            5 => (v5, V5_HEADER),
            _ => (v7, V5_HEADER),
        };
        prepare(base, plan, header, arrival, self.peer, context.needs);
        let before = context.rows.len();
        let options = self.options.as_deref().unwrap_or(no_options);
        let mut run = Run { settings: context.settings, header, template: 0, options, strings: context.strings };
        let (count, _) = run.records::<LISTS>(plan, base, octets, size, context.rows, (parts, at));
        context.counts.records += count;
        context.counts.rows += (context.rows.len() - before) as u64;
        self.records += count;
        count
    }
}

/// Prepares the initial rows of a set: those of the plan, with the fields of the header.
fn prepare(base: &mut Base, plan: &Plan, header: &Header, arrival: u64, peer: IpAddr, needs: &Needs) {
    prepare_row(&mut base.forward, plan, header, arrival, peer, needs);
    if let Some(reverse) = &plan.reverse {
        prepare_row(&mut base.reverse, reverse, header, arrival, peer, needs);
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
    // For records without a start time, the export time is used.
    set(Field::TimeStart, &export.to_be_bytes());
}
