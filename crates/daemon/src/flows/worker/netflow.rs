//! NetFlow and IPFIX.

use super::datagrams::{Datagrams, Read};
use super::forward::Forward;
use super::notices::Notices;
use super::report::ExporterReport;
use super::window::{Limits, Window};
use super::{Learned, Message, Protocol, Report};
use crate::flows::templates_topic::{Follower, Found};
use crate::host::part::Mailbox;
use capture::Datagram;
use config::Names;
use decode::from_netflow::{Decoder, Exporter, Notice, SessionTotals, Settings};
use flow::needs::Needs;
use flow::output::Output;
use flow::part::Part;
use netflow::datagram::HeaderError;
use netflow::template::Template;
use stats::{Counter, Tally};
use std::collections::HashMap;
use std::net::IpAddr;

/// The decoder of one worker, and its log lines.
pub(crate) struct NetFlow {
    decoder: Decoder,
    notices: Notices,
    /// The window, where flow times select time bins.
    window: Option<Window>,
    sets_pending: u64,
    /// Bytes of the rows' strings.
    strings: usize,
    /// Templates of other collectors, if they are shared.
    follower: Option<Follower>,
    /// Forwards templates, if a receiver is configured.
    forward: Option<Forward>,
}

impl NetFlow {
    /// Creates a decoder with the templates of an earlier run, and those that other collectors share. `limits`: the limits within which flow times select
    /// time bins. `quiet`: no lines about versions and sequence numbers.
    pub(crate) fn new(
        needs: Needs,
        settings: Settings,
        limits: Limits,
        (known, follower): (&[(IpAddr, Template)], Option<Follower>),
        quiet: bool,
        names: Names,
        forward: Option<Forward>,
    ) -> Self {
        let chosen = needs.bin_times && !settings.bin_by_arrival && limits != Limits::NONE;
        let window = chosen.then(|| Window::new(limits));
        let mut decoder = Decoder::new(needs, settings);
        for (exporter, template) in known {
            decoder.restore_template(*exporter, template.clone());
        }
        Self {
            decoder,
            notices: Notices::new(quiet, names),
            window,
            sets_pending: 0,
            strings: 0,
            follower,
            forward,
        }
    }
}

impl Datagrams for NetFlow {
    #[cfg(feature = "pcap")]
    const WHAT: &'static str = "NetFlow/IPFIX data";
    #[cfg(feature = "pcap")]
    const IN_STREAMS: bool = true;

    #[inline]
    fn datagram(&mut self, _number: u32, datagram: &Datagram<'_>, output: &mut Output) -> Read {
        let exporter = datagram.source.ip();
        let Output { rows, strings, .. } = output;
        let first = rows.len();
        let (octets, arrival) = (datagram.payload, datagram.arrival_us);
        let decoded = match datagram.session {
            0 => self.decoder.datagram(exporter, octets, arrival, rows, strings),
            session => self.decoder.session_message((session, exporter), octets, arrival, rows, strings),
        };
        match (decoded, &mut self.window) {
            (Ok(export), Some(window)) if rows.len() > first => {
                window.apply(rows, first, exporter, [export, datagram.arrival_us]);
            }
            (Ok(_), _) => {}
            (Err(error), _) => self.notices.rejected(exporter, datagram.payload, error),
        }
        if let Some(forward) = &mut self.forward
            && decoded.is_ok()
        {
            forward.datagram(datagram);
        }
        Read { exporter, outcome: outcome(decoded) }
    }

    fn learn(&mut self, datagram: &Datagram<'_>, output: &mut Output) -> Counter {
        let exporter = datagram.source.ip();
        let Output { rows, strings, .. } = output;
        let first = rows.len();
        let learned = self.decoder.learn(exporter, datagram.payload, rows, strings);
        match (learned, &mut self.window) {
            (Ok(()), Some(window)) if rows.len() > first => {
                window.apply(rows, first, exporter, [datagram.arrival_us, datagram.arrival_us]);
            }
            (Ok(()), _) => {}
            (Err(error), _) => self.notices.rejected(exporter, datagram.payload, error),
        }
        outcome(learned)
    }

    fn exporter(&self, datagram: &Datagram<'_>) -> IpAddr {
        datagram.source.ip()
    }

    fn parts(&self) -> &[Part] {
        self.decoder.parts()
    }

    fn end_session(&mut self, session: u64) {
        self.decoder.end_session(session);
    }

    fn take_lost_sessions(&mut self) -> Vec<u64> {
        self.decoder.take_lost_sessions()
    }
}

impl Protocol for NetFlow {
    fn change_needs(&mut self, needs: Needs) {
        if self.decoder.needs().layout != needs.layout {
            self.decoder.change_needs(needs);
        }
    }

    fn count(&mut self, tally: &mut Tally) {
        let counts = self.decoder.take_counts();
        for (counter, count) in [
            (Counter::RecordsDecoded, counts.records),
            (Counter::OptionsRecords, counts.options_records),
            (Counter::RecordsFaulty, counts.sets_invalid + counts.records_without_flow),
            (Counter::TrailingBytes, counts.trailing_bytes),
            (Counter::SetsWithdrawn, counts.sets_withdrawn),
            (Counter::SetsOverBudget, counts.sets_over_budget),
            (Counter::SetsHeld, counts.sets_kept),
            (Counter::SetsRecovered, counts.sets_recovered),
            (Counter::SetsExpired, counts.sets_expired),
            (Counter::SetsCrowded, counts.sets_evicted),
            (Counter::SetsAtShutdown, counts.sets_dropped_at_exit),
            (Counter::SetsOfEvicted, counts.sets_of_evicted),
            (Counter::OptionsEntriesDropped, counts.options_entries_dropped),
            (Counter::SetsDroppedBytes, counts.bytes_without_template),
            (Counter::ExportersEvictedNumber, counts.exporters_evicted_number),
            (Counter::ExportersEvictedMemory, counts.exporters_evicted_memory),
            (Counter::SequencesEvicted, counts.sequences_evicted),
            (Counter::TemplatesLearned, counts.templates_new),
            (Counter::TemplatesChanged, counts.templates_changed),
            (Counter::TemplatesShared, counts.templates_shared),
            (Counter::TemplatesWithdrawn, counts.templates_withdrawn),
            (Counter::TemplatesRejected, counts.templates_invalid),
            (Counter::TemplatesEvicted, counts.templates_evicted),
            (Counter::SequenceGaps, counts.sequence_gaps),
            (Counter::SequenceLost, counts.sequence_lost),
            (Counter::SequenceRestarts, counts.sequence_out_of_order),
        ] {
            tally.add(counter, count);
        }
        if let Some(window) = &mut self.window {
            tally.add(Counter::FlowTimesOutside, window.take_outside());
        }
        if let Some(forward) = &mut self.forward {
            let [sent, unsent] = forward.take_counts();
            tally.add(Counter::TemplatesForwarded, sent);
            tally.add(Counter::TemplatesUnforwarded, unsent);
        }
        let dropped =
            counts.sets_expired + counts.sets_evicted + counts.sets_dropped_at_exit + counts.sets_of_evicted;
        let gone = counts.sets_recovered + dropped;
        self.sets_pending = (self.sets_pending + counts.sets_kept).saturating_sub(gone);
        tally.set(Counter::SetsPending, self.sets_pending);
        tally.set(Counter::Exporters, self.decoder.len() as u64);
        tally.set(Counter::Templates, self.decoder.templates() as u64);
        tally.set(Counter::PeerStateBytes, (self.decoder.memory() + self.strings) as u64);
    }

    fn log_events(&mut self, messages: &Mailbox<Message>) {
        for notice in self.decoder.take_notices() {
            if let (Some(follower), Notice::NoTemplate { exporter, .. }) = (&mut self.follower, &notice) {
                follower.miss(*exporter);
            }
            if let Some((exporter, learned)) = self.notices.notice(notice) {
                // The file of templates is written completely at shutdown and then has a template that does not fit here.
                messages.offer(Message::Learned(exporter, learned));
            }
        }
    }

    fn take_over(&mut self, now: u64, output: &mut Output) -> Option<IpAddr> {
        let Self { decoder, follower, window, .. } = self;
        let follower = follower.as_mut()?;
        let Output { rows, strings, .. } = output;
        let known = |decoder: &Decoder| decoder.exporters().map(|exporter| exporter.address).collect();
        while let Some(Found { exporter, learned, replaces }) = follower.next(|| known(decoder)) {
            let first = rows.len();
            let template = match learned {
                Learned::Template(template) => template,
                Learned::Sampling(sampling) => {
                    decoder.take_over_sampling(exporter, &sampling);
                    continue;
                }
            };
            let export = decoder.take_over_template(exporter, template, replaces, rows, strings);
            if let Some(export) = export {
                if let Some(window) = window {
                    window.apply(rows, first, exporter, [export, now]);
                }
                return Some(exporter);
            }
        }
        None
    }

    fn expire(&mut self, now: u64, output: &mut Output) {
        self.decoder.expire(now);
        self.strings = output.strings.size();
    }

    fn end(&mut self) {
        self.decoder.drop_pending();
    }

    fn report(&self) -> Report {
        let report = |exporter: &Exporter| ExporterReport {
            address: exporter.address,
            domain: exporter.domain,
            datagrams: exporter.datagrams,
            bytes: exporter.bytes,
            records: exporter.records,
            good: exporter.sequence.in_order,
            forward: exporter.sequence.gaps,
            back: exporter.sequence.out_of_order,
            lost: exporter.sequence.lost,
        };
        // Exporters known only from the templates file have sent nothing yet.
        let seen = self.decoder.exporters().filter(|exporter| exporter.datagrams > 0 && !exporter.has_session);
        // All sessions of an exporter, also those that have ended, are one.
        let mut sessions: HashMap<IpAddr, SessionTotals> = HashMap::new();
        for totals in self.decoder.session_totals() {
            sessions.entry(totals.address).and_modify(|sum| sum.add(&totals)).or_insert(totals);
        }
        let of_sessions = sessions.into_values().map(|totals| ExporterReport {
            address: totals.address,
            domain: totals.domain,
            datagrams: totals.messages,
            bytes: totals.bytes,
            records: totals.records,
            good: totals.in_order,
            forward: totals.gaps,
            back: totals.out_of_order,
            lost: totals.lost,
        });
        Report { exporters: seen.map(report).chain(of_sessions).collect(), ..Report::default() }
    }

    #[cfg(any(feature = "kafka", feature = "zmq"))]
    fn restart_sequences(&mut self) {
        self.decoder.restart_sequences();
    }

    fn want_parts(&mut self, wanted: bool) {
        self.decoder.want_parts(wanted);
    }

    fn logs_gaps(&self) -> bool {
        self.notices.logs_gaps()
    }

    fn templates(&self) -> Vec<(IpAddr, Template)> {
        let of = |exporter: &Exporter| {
            let address = exporter.address;
            exporter.templates().map(|template| (address, template.clone())).collect::<Vec<_>>()
        };
        self.decoder.exporters().filter(|exporter| !exporter.has_session).flat_map(of).collect()
    }
}

/// The counter of a datagram's outcome.
fn outcome<T>(decoded: Result<T, HeaderError>) -> Counter {
    match decoded {
        Ok(_) => Counter::DatagramsDecoded,
        Err(HeaderError::TooShort(_)) => Counter::DatagramsTooShort,
        Err(HeaderError::Version(_)) => Counter::DatagramsBadVersion,
        Err(HeaderError::Count { .. }) => Counter::DatagramsBadCount,
        Err(HeaderError::Length(_)) => Counter::DatagramsBadLength,
    }
}
