//! Decodes the sets of NetFlow v9 and IPFIX: templates, options data and data records.

use super::{Context, Exporter, Scratch, SetState, counts, prepare};
use crate::from_netflow::counts::{NoFlow, Notice, Sampling};
use crate::from_netflow::plans::{Compiled, OverBudget, Planned};
use crate::from_netflow::run::{Record, Run, add_record};
use flow::part::{Part, narrow};
use netflow::cache::Announced;
use netflow::datagram::{Header, IPFIX, SET_HEADER, Set, SetError};
use netflow::options::OptionsRecord;
use netflow::pending::PendingSet;
use netflow::record;
use netflow::template::{Kind, Record as TemplateRecord, Records, Template};
use std::sync::Arc;
use wire::{Reader, Truncated};

/// A data set, with the header of its datagram.
#[derive(Clone, Copy)]
struct DataSet<'a> {
    header: &'a Header,
    /// Id of its template.
    id: u16,
    body: &'a [u8],
    /// Octets by which it exceeds its datagram.
    missing: usize,
    arrival: u64,
    /// Where it starts in the datagram, if its parts are listed.
    at: usize,
}

/// The result of decoding a set.
#[derive(Clone, Copy, Default)]
struct Decoded {
    records: u64,
    /// All records could be delimited, so `records` is their exact number.
    complete: bool,
}

impl Exporter {
    /// Decodes sets of v9 or IPFIX. Returns the number of data records, or `None` if some could not be delimited. `LISTS`: their
    /// parts are listed.
    pub(super) fn sets<const LISTS: bool>(
        &mut self,
        header: &Header,
        sets: netflow::datagram::Sets<'_>,
        arrival: u64,
        context: &mut Context<'_>,
    ) -> Option<u64> {
        let mut units = Some(0);
        let mut sets = sets;
        loop {
            let at = if LISTS { sets.at() } else { 0 };
            let Some(set) = sets.next() else { break };
            let len = if LISTS { sets.at().saturating_sub(at) } else { 0 };
            match set {
                Ok(Set::Templates(records)) => {
                    if LISTS {
                        let count = records.clone().filter(Result::is_ok).count();
                        let records = narrow(count);
                        let part = Part::Common { at: narrow(at), len: narrow(len), records, is_data: false };
                        context.scratch.parts.add(part);
                    }
                    self.announcements(header, records, context);
                }
                Ok(Set::Data { id, body, missing }) => {
                    let set = DataSet { header, id, body, missing, arrival, at };
                    let (rows, parts) = match LISTS {
                        true => (context.rows.len(), context.scratch.parts.list().len()),
                        false => (0, 0),
                    };
                    let decoded = self.data::<LISTS>(&set, context);
                    let Context { scratch, rows: all, .. } = &mut *context;
                    if LISTS && scratch.parts.list().len() == parts {
                        scratch.parts.add(Part::Unreadable { at: narrow(at), len: narrow(len) });
                        scratch.parts.add_rows(all.len().saturating_sub(rows));
                    }
                    match decoded {
                        Some(Decoded { records, complete: true }) => units = units.map(|units| units + records),
                        Some(_) => units = None,
                        None if self.is_withdrawn(header, id) => {
                            units = None;
                            context.counts.sets_withdrawn += 1;
                        }
                        None => {
                            units = None;
                            let set = PendingSet { header: *header, id, body: body.into(), missing, arrival };
                            self.keep(set, context);
                        }
                    }
                }
                Err(error) => {
                    units = None;
                    if LISTS && len > 0 {
                        context.scratch.parts.add(Part::Unreadable { at: narrow(at), len: narrow(len) });
                    }
                    context.report_error(self.address, header.domain, error);
                }
            }
        }
        units
    }

    /// Learns the templates of a datagram, and ignores its data.
    pub(super) fn learn_templates(
        &mut self,
        header: &Header,
        sets: netflow::datagram::Sets<'_>,
        context: &mut Context<'_>,
    ) {
        for set in sets {
            match set {
                Ok(Set::Templates(records)) => self.announcements(header, records, context),
                Ok(Set::Data { .. }) => {}
                Err(error) => context.report_error(self.address, header.domain, error),
            }
        }
    }

    fn is_withdrawn(&self, header: &Header, id: u16) -> bool {
        let sets = self.sets.as_ref();
        sets.is_some_and(|sets| sets.templates.is_withdrawn(header.version == IPFIX, header.domain, id))
    }

    #[cold]
    fn keep(&mut self, set: PendingSet, context: &mut Context<'_>) {
        self.is_changed = true;
        let notice = Notice::NoTemplate { exporter: self.address, domain: set.header.domain, id: set.id };
        let dropped = self.sets_mut(context.settings).pending.insert(set);
        context.counts.sets_kept += 1;
        context.counts.sets_expired += dropped.expired;
        context.counts.sets_evicted += dropped.evicted;
        context.counts.bytes_without_template += dropped.bytes;
        context.notice(notice);
    }

    fn announcements(&mut self, header: &Header, records: Records<'_>, context: &mut Context<'_>) {
        self.is_changed = true;
        for record in records {
            self.last = None;
            let sets = self.sets.get_or_insert_with(|| SetState::new(context.settings));
            match record {
                Ok(TemplateRecord::Define(template)) => self.announce(template, context),
                Ok(TemplateRecord::Withdraw(id)) => {
                    context.counts.templates_withdrawn += u64::from(sets.templates.withdraw(header.domain, id));
                }
                Ok(TemplateRecord::WithdrawAll { options }) => {
                    let count = sets.templates.withdraw_all(header.domain, options);
                    context.counts.templates_withdrawn += count as u64;
                }
                Err(error) => context.report_error(self.address, header.domain, SetError::Template(error)),
            }
        }
    }

    fn announce(&mut self, template: Template, context: &mut Context<'_>) {
        let sets = self.sets.get_or_insert_with(|| SetState::new(context.settings));
        let evicted = sets.templates.evicted();
        let (ipfix, domain, id) = (template.ipfix, template.domain, template.id);
        let announced = sets.templates.announce(template, |_| Planned::default());
        context.counts.templates_evicted += sets.templates.evicted() - evicted;
        match announced {
            Announced::Same | Announced::Refreshed => {}
            Announced::New => context.counts.templates_new += 1,
            Announced::Changed => context.counts.templates_changed += 1,
        }
        if announced != Announced::Same
            && counts::has_room(context.notices)
            && let Some((template, _)) = sets.templates.find(ipfix, domain, id)
        {
            let template = template.clone();
            context.notice(Notice::Template { exporter: self.address, template, of_session: self.has_session });
        }
        // No sets are pending for a template that was known before.
        if matches!(announced, Announced::Same | Announced::Refreshed) || sets.pending.is_empty() {
            return;
        }
        self.recover((ipfix, domain, id), context);
    }

    /// Decodes the pending sets of a template. Returns the latest export time in their headers, seconds since 1970.
    fn recover(&mut self, (ipfix, domain, id): (bool, u32, u16), context: &mut Context<'_>) -> Option<u32> {
        let sets = self.sets.as_mut()?.pending.take(ipfix, domain, id);
        let latest = sets.iter().map(|set| set.header.export_secs).max();
        for set in sets {
            context.counts.sets_recovered += 1;
            let (header, body) = (&set.header, &set.body);
            let PendingSet { missing, arrival, .. } = set;
            let before = context.rows.len();
            // Its records are not of this datagram.
            self.data::<false>(&DataSet { header, id, body, missing, arrival, at: 0 }, context);
            if context.scratch.parts.is_wanted() {
                context.scratch.parts.add_rows(context.rows.len().saturating_sub(before));
            }
        }
        latest
    }

    /// Takes over a template that was learned elsewhere, and decodes the sets that waited for it. Returns the latest export time in their
    /// headers, seconds since 1970. Ignores a template whose id has another one unless it `replaces` that, and one that was withdrawn.
    pub(crate) fn take_over(
        &mut self,
        template: Template,
        replaces: bool,
        context: &mut Context<'_>,
    ) -> Option<u32> {
        let (ipfix, domain, id) = (template.ipfix, template.domain, template.id);
        let sets = self.sets_mut(context.settings);
        let known = sets.templates.find(ipfix, domain, id).map(|(known, _)| *known == template);
        if known != replaces.then_some(false) || sets.templates.is_withdrawn(ipfix, domain, id) {
            return None;
        }
        let evicted = sets.templates.evicted();
        sets.templates.restore(template, |_| Planned::default());
        context.counts.templates_evicted += sets.templates.evicted() - evicted;
        context.counts.templates_shared += 1;
        (self.last, self.is_changed) = (None, true);
        self.recover((ipfix, domain, id), context)
    }

    /// Takes over a sampling rate that was learned elsewhere.
    pub(crate) fn take_over_sampling(&mut self, sampling: &Sampling, ignore_scope: bool) {
        let Sampling { ipfix, domain, template, record, .. } = sampling;
        let known = self.sets.as_ref().and_then(|sets| sets.templates.find(*ipfix, *domain, *template));
        let Some((template, _)) = known.filter(|(template, _)| template.kind != Kind::Data) else { return };
        let mut records = record::records(template, record);
        if records.next() == Some(Ok(record)) {
            let entries = OptionsRecord::read(template, record);
            self.options.get_or_insert_default().learn_rate(*domain, &entries, ignore_scope);
        }
    }

    /// Decodes a data set. Returns `None` if its template is unknown.
    fn data<const LISTS: bool>(&mut self, set: &DataSet<'_>, context: &mut Context<'_>) -> Option<Decoded> {
        let DataSet { header, id, .. } = *set;
        let key = (header.version, id, header.domain);
        let compiled = match self.last.take() {
            Some((last, compiled)) if last == key => compiled,
            _ => match self.plan(header, id, context)? {
                Ok(compiled) => compiled,
                Err(OverBudget) => {
                    context.counts.sets_over_budget += 1;
                    return Some(Decoded::default());
                }
            },
        };
        let decoded = self.decode::<LISTS>(set, &compiled, context);
        self.last = Some((key, compiled));
        Some(decoded)
    }

    /// Returns the plan of a template, compiled if necessary, or `None` if the template is unknown.
    #[inline(never)]
    fn plan(
        &mut self,
        header: &Header,
        id: u16,
        context: &mut Context<'_>,
    ) -> Option<Result<Arc<Compiled>, OverBudget>> {
        let templates = &mut self.sets.as_mut()?.templates;
        templates.with_payload(header.version == IPFIX, header.domain, id, |template, planned| {
            if let Some(compiled) = &planned.0 {
                return Ok(Arc::clone(compiled));
            }
            let compiled = context.scratch.plans.plan(template, context.needs, context.settings)?;
            planned.0 = Some(Arc::clone(&compiled));
            self.is_changed = true;
            Ok(compiled)
        })
    }

    /// Decodes a data set with its plan.
    fn decode<const LISTS: bool>(
        &mut self,
        set: &DataSet<'_>,
        compiled: &Compiled,
        context: &mut Context<'_>,
    ) -> Decoded {
        let DataSet { header, id, body, missing, arrival, at } = *set;
        let Compiled { template, plan, .. } = compiled;
        if missing > 0 || context.settings.check_padding {
            let padding = padding_of(template, body);
            // The missing octets are padding, unless they would complete another record.
            let error = if missing > 0 && padding.len() + missing >= template.min_length {
                let wanted = padding.len() + missing;
                Some(SetError::Truncated(Truncated {
                    at: body.len() - padding.len(),
                    wanted,
                    left: padding.len(),
                }))
            } else if context.settings.check_padding && padding.iter().any(|octet| *octet != 0) {
                Some(SetError::Padding(id))
            } else {
                None
            };
            if let Some(error) = error {
                context.report_error(self.address, header.domain, error);
                return Decoded::default();
            }
        }
        let is_options = template.kind != Kind::Data;
        let mut decoded = Decoded { records: 0, complete: true };
        if is_options {
            decoded = self.options(set, template, context);
            context.counts.options_records += decoded.records;
            if LISTS {
                self.add_common(set, decoded.records, context);
            }
            if !context.settings.account_options {
                return decoded;
            }
        }
        // Options data are listed already.
        let lists_records = LISTS && !is_options;
        if lists_records {
            let len = narrow(body.len() + SET_HEADER);
            context.scratch.parts.add(Part::Set { at: narrow(at), len });
        }
        let at = at + SET_HEADER;
        if plan.unknown {
            let mut records = 0;
            let mut start = at;
            for record in record::records(template, body).map_while(Result::ok) {
                records += 1;
                if lists_records {
                    add_record(&mut context.scratch.parts, start, record.len(), 0);
                    start += record.len();
                }
            }
            context.without_flow(self.address, header.domain, id, records, NoFlow::Elements);
            return Decoded { records, ..decoded };
        }
        let Scratch { base, spans, no_options, parts, .. } = &mut *context.scratch;
        prepare(base, plan, header, arrival, self.peer, context.needs);
        let before = context.rows.len();
        let options = self.options.as_deref().unwrap_or(no_options);
        let mut run = Run { settings: context.settings, header, template: id, options, strings: context.strings };
        let mut records = 0;
        let mut without_flow = 0;
        let mut error = None;
        if plan.variable {
            let mut r = Reader::new(body);
            loop {
                let (start, rows) = (r.at(), context.rows.len());
                match record::spans(template, &mut r, spans) {
                    Ok(true) => {
                        let record = Record { octets: body, spans: Some(spans) };
                        without_flow += u64::from(!run.record(plan, base, record, context.rows));
                        records += 1;
                        if lists_records {
                            let rows = context.rows.len().saturating_sub(rows);
                            add_record(parts, at + start, r.at() - start, rows);
                        }
                    }
                    Ok(false) => break,
                    Err(truncated) => {
                        error = Some(truncated);
                        break;
                    }
                }
            }
        } else {
            let (size, place) = (template.min_length, (parts, at));
            (records, without_flow) = match lists_records {
                true => run.records::<true>(plan, base, body, size, context.rows, place),
                false => run.records::<false>(plan, base, body, size, context.rows, place),
            };
        }
        if LISTS && is_options {
            context.scratch.parts.add_rows(context.rows.len().saturating_sub(before));
        }
        decoded.records = records;
        if !is_options {
            context.counts.records += records - without_flow;
            self.records += records - without_flow;
        }
        context.without_flow(self.address, header.domain, id, without_flow, NoFlow::Frame);
        context.counts.rows += (context.rows.len() - before) as u64;
        // For options data the error was already reported.
        if let (Some(truncated), false) = (error, is_options) {
            decoded.complete = false;
            context.report_error(self.address, header.domain, truncated.into());
        }
        decoded
    }

    /// Lists a set of options data.
    fn add_common(&self, set: &DataSet<'_>, records: u64, context: &mut Context<'_>) {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        let (at, len) = (narrow(set.at), narrow(set.body.len() + SET_HEADER));
        context.scratch.parts.add(Part::Common { at, len, records, is_data: true });
    }

    /// Learns from the options records of a set.
    fn options(&mut self, set: &DataSet<'_>, template: &Template, context: &mut Context<'_>) -> Decoded {
        let (exporter, domain, id) = (self.address, set.header.domain, set.id);
        let options = self.options.get_or_insert_default();
        let mut decoded = Decoded { records: 0, complete: true };
        self.is_changed = true;
        for record in record::records(template, set.body) {
            match record {
                Ok(octets) => {
                    if context.scratch.plans.charge_options(template.fields.len(), octets.len()).is_err() {
                        decoded.complete = false;
                        context.counts.sets_over_budget += 1;
                        break;
                    }
                    let entries = OptionsRecord::read(template, octets);
                    let learned = options.learn(domain, &entries, context.settings.ignore_scope);
                    if learned.unusable_rate {
                        context.notice(Notice::Rate { exporter, domain, id });
                    }
                    if learned.changed_rate && context.notices.len() < counts::MAX_SAMPLINGS {
                        let sampling = Sampling {
                            ipfix: template.ipfix,
                            domain,
                            template: id,
                            scope: entries.rate_scope(),
                            record: octets.into(),
                        };
                        context.notices.push(Notice::Sampling { exporter, sampling });
                    }
                    if learned.dropped > 0 {
                        context.counts.options_entries_dropped += learned.dropped;
                        context.notice(Notice::OptionsFull { exporter, domain, id });
                    }
                    decoded.records += 1;
                }
                Err(truncated) => {
                    decoded.complete = false;
                    context.report_error(exporter, domain, truncated.into());
                }
            }
        }
        self.peer = options.address.filter(|_| !context.settings.ignore_exporter_address).unwrap_or(exporter);
        decoded
    }
}

/// Returns what follows the complete records of a set.
fn padding_of<'a>(template: &Template, body: &'a [u8]) -> &'a [u8] {
    let used: usize = record::records(template, body).map_while(Result::ok).map(<[u8]>::len).sum();
    body.get(used..).unwrap_or_default()
}
