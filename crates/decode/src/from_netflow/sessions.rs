//! Exporters that are connected: over TCP, TLS or DTLS, templates and sequence numbers belong to the transport session and end with it
//! (RFC 7011 sections 8.1, 8.4 and 10.4).
//!
//! They are kept apart from exporters that send datagrams. These can be evicted at a bound, since they announce their templates again;
//! datagrams with forged sources, which evict them, must not touch sessions. If a session loses its state nevertheless, because the memory
//! bound is reached without other exporters, its number is reported: the connection must be closed, so that the exporter opens a new session.

use super::exporter::{Context, Exporter};
use super::{Bound, Decoder, HeaderError, Rows, Strings, address, datagram};
use std::net::IpAddr;

/// What an exporter has sent in sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTotals {
    /// The exporter.
    pub address: IpAddr,
    /// The observation domain of the last message.
    pub domain: u32,
    /// Messages received.
    pub messages: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Flow records decoded.
    pub records: u64,
    /// Messages with the expected sequence number.
    pub in_order: u64,
    /// Forward jumps of sequence numbers.
    pub gaps: u64,
    /// Backward jumps.
    pub out_of_order: u64,
    /// Records missing by the forward jumps.
    pub lost: u64,
}

impl SessionTotals {
    fn of(exporter: &Exporter) -> Self {
        Self {
            address: exporter.address,
            domain: exporter.domain,
            messages: exporter.datagrams,
            bytes: exporter.bytes,
            records: exporter.records,
            in_order: exporter.sequence.in_order,
            gaps: exporter.sequence.gaps,
            out_of_order: exporter.sequence.out_of_order,
            lost: exporter.sequence.lost,
        }
    }

    /// Adds those of another session of the exporter.
    pub fn add(&mut self, other: &Self) {
        self.domain = other.domain;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.records += other.records;
        self.in_order += other.in_order;
        self.gaps += other.gaps;
        self.out_of_order += other.out_of_order;
        self.lost += other.lost;
    }
}

impl Decoder {
    /// Decodes a message of a transport session, as [`Decoder::datagram`] does. `source` is the exporter.
    ///
    /// # Errors
    /// If its header is invalid.
    pub fn session_message(
        &mut self,
        (session, source): (u64, IpAddr),
        octets: &[u8],
        arrival: u64,
        rows: &mut Rows,
        strings: &mut Strings,
    ) -> Result<u64, HeaderError> {
        self.scratch.parts.clear();
        let message = datagram::open(octets)?;
        self.scratch.plans.add_credit(octets.len());
        if self.sessions.peek(&session).is_none() {
            self.begin_session(session, source);
        }
        let mut context = Context {
            needs: &self.needs,
            settings: &self.settings,
            strings,
            counts: &mut self.counts,
            notices: &mut self.notices,
            scratch: &mut self.scratch,
            rows,
        };
        if let Some(exporter) = self.sessions.get_mut(&session) {
            exporter.datagram(&message, octets.len(), arrival, &mut context);
            if exporter.is_changed {
                self.totals.update(exporter);
            }
        }
        if self.memory() > self.settings.max_memory {
            self.make_room_for_session(session);
        }
        Ok(u64::from(message.header.export_secs) * 1_000_000)
    }

    /// The session has ended.
    pub fn end_session(&mut self, session: u64) {
        if let Some(exporter) = self.sessions.remove(&session) {
            self.totals.remove(&exporter);
            self.keep_totals(&exporter);
            exporter.forget(&mut self.counts);
        }
    }

    /// Totals of the open sessions, and those of ended ones: an exporter may occur more than once. Figures of an exporter that returns
    /// must not begin at zero, so the latter are kept for as many exporters as may be remembered.
    pub fn session_totals(&self) -> impl Iterator<Item = SessionTotals> {
        self.ended.values().copied().chain(self.sessions.values().map(SessionTotals::of))
    }

    fn keep_totals(&mut self, exporter: &Exporter) {
        let (key, totals) = (address::number(exporter.address), SessionTotals::of(exporter));
        match self.ended.get_mut(&key) {
            Some(sum) => sum.add(&totals),
            None => _ = self.ended.insert(key, totals),
        }
    }

    /// Returns the sessions that have lost their state at a bound since the last call.
    pub fn take_lost_sessions(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.lost_sessions)
    }

    #[cold]
    fn begin_session(&mut self, session: u64, source: IpAddr) {
        let mut exporter = Exporter::of_session(source);
        self.totals.update(&mut exporter);
        if let Some((lost, oldest)) = self.sessions.insert(session, exporter) {
            self.lose_session(lost, oldest, Bound::Exporters);
        }
    }

    /// As [`Decoder::make_room`], after a message of a session.
    #[cold]
    fn make_room_for_session(&mut self, last: u64) {
        if self
            .sessions
            .peek(&last)
            .is_some_and(|exporter| exporter.accounted_memory > self.settings.max_memory / 2)
            && let Some(exporter) = self.sessions.remove(&last)
        {
            self.lose_session(last, exporter, Bound::Memory);
        }
        self.shrink();
    }

    pub(super) fn lose_session(&mut self, session: u64, exporter: Exporter, bound: Bound) {
        self.lost_sessions.push(session);
        self.keep_totals(&exporter);
        self.forget(exporter, bound);
    }
}
