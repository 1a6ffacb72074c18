//! The router's side of RTR with one cache, as a state machine without I/O.
//!
//! Octets and the time go in; octets to send, the wish to connect or to close, and new data come out. [`Client::deadline`] says when
//! to call [`Client::elapse`] at the latest.
//!
//! ```text
//!            due                    opened                  Cache Response
//!  Waiting ──────▶ Connecting ──────────────▶ Queried ─────────────────────▶ Receiving
//!     ▲                 │                       │  ▲ refresh, Serial Notify      │ End of Data
//!     └─────────────────┴── failed, closed ─────┘  └────────── Idle ◀────────────┘
//! ```
//!
//! * **Data** become visible at End of Data, as a whole. They are kept while the cache is away, until they expire: an unreachable
//!   cache changes nothing before that. A cache that contradicts itself (another session in the middle, withdrawal of an
//!   unknown record) is asked for all data, and the old ones are used until the new ones are complete. RFC 8210 section 5.1 would
//!   have them flushed at once; then all routes would be unknown for the time of the transfer.
//! * **Versions**: the first PDU of the cache decides. A response of a lower version is accepted. After an Error Report
//!   about the version, or if the cache closes the connection without an answer, the next connection begins with a lower one.
//! * **Duplicates** in a full transfer are harmless, so they are only counted. In an incremental transfer they show that the
//!   two sides disagree, and end the session (RFC 8210 section 12, error 7).
//! * **Bounds**: the number of records, the length of a PDU, the time until the cache answers, and the time of a transfer. Notifications
//!   cause at most one query in [`NOTIFY_GAP`].

mod data;
mod fault;
#[cfg(test)]
mod tests;
mod timers;

pub use fault::{Fault, Reason};
pub use timers::Timers;

use crate::aspas::Aspas;
use crate::rtr::{ErrorCode, Pdu, PduType, Version};
use crate::vrps::{MAX_VRPS, Vrps};
use data::{Data, Transfer};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Writer;

/// How long a connection may take to open.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a cache may be silent while it owes an answer or the rest of one.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long the transfer of the data may take in all.
pub const TRANSFER_TIME: Duration = Duration::from_secs(900);
/// Minimum time between two queries that notifications cause. RFC 8210 section 8.2 allows caches one notification a minute.
pub const NOTIFY_GAP: Duration = Duration::from_secs(10);
/// Wait before the first attempt to restore a session that worked.
pub const QUICK_RETRY: Duration = Duration::from_secs(1);
/// Octets of a malformed PDU that are sent back in an Error Report.
const RETURNED: usize = 512;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The version to begin with.
    pub version: Version,
    /// Used instead of the intervals of the cache.
    pub timers: Timers<Option<Duration>>,
    /// Maximum number of VRPs, and of providers in ASPAs.
    pub max_records: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { version: Version::V0, timers: Timers::default(), max_records: MAX_VRPS }
    }
}

/// What a client did, to be added to counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// PDUs received.
    pub pdus: u64,
    /// Serial queries sent.
    pub serial_queries: u64,
    /// Reset queries sent.
    pub reset_queries: u64,
    /// Cache Resets received.
    pub cache_resets: u64,
    /// Notifications received.
    pub notifications: u64,
    /// Complete transfers.
    pub transfers: u64,
    /// Records announced twice in full transfers.
    pub duplicates: u64,
    /// Router keys received, which nothing uses.
    pub router_keys: u64,
    /// Times that data expired.
    pub expirations: u64,
}

impl Tally {
    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            pdus: self.pdus + other.pdus,
            serial_queries: self.serial_queries + other.serial_queries,
            reset_queries: self.reset_queries + other.reset_queries,
            cache_resets: self.cache_resets + other.cache_resets,
            notifications: self.notifications + other.notifications,
            transfers: self.transfers + other.transfers,
            duplicates: self.duplicates + other.duplicates,
            router_keys: self.router_keys + other.router_keys,
            expirations: self.expirations + other.expirations,
        }
    }
}

/// What the driver of a client should log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The cache speaks a lower version.
    Version(Version),
    /// A transfer is complete: full or not, and the number of VRPs.
    Transferred {
        /// All data, not only changes.
        all: bool,
        /// VRPs now.
        vrps: usize,
    },
    /// The cache cannot send changes; it was asked for all data.
    CacheReset,
    /// The data are too old, and were discarded.
    Expired,
}

/// The records that a client has, as of the last End of Data.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The VRPs.
    pub vrps: Arc<Vrps>,
    /// The ASPAs, only from version 2 on.
    pub aspas: Arc<Aspas>,
}

/// Where incremental transfers continue.
#[derive(Clone, Copy, Debug)]
struct Resume {
    version: Version,
    session: u16,
    serial: u32,
}

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Connecting { until: Instant },
    Open(Open),
}

/// A connection.
#[derive(Debug)]
struct Open {
    version: Version,
    /// The cache has answered, so the version is final.
    negotiated: bool,
    phase: Phase,
    /// Data arrived on this connection: they are current.
    synchronised: bool,
    /// Notified of this serial number while busy, or too early.
    notified: Option<u32>,
    /// When the last octets arrived.
    heard: Instant,
}

#[derive(Debug)]
enum Phase {
    Queried { all: bool, since: Instant },
    Receiving { transfer: Transfer, since: Instant },
    Idle { refresh: Instant },
}

/// One cache, from the router's side.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    state: State,
    /// The version with which the next reset query begins.
    first_version: Version,
    resume: Option<Resume>,
    data: Data,
    snapshot: Option<Snapshot>,
    timers: Timers<Duration>,
    expires: Option<Instant>,
    /// The session worked, so the next attempt follows soon.
    quick: bool,
    /// Attempts have failed since data arrived last.
    failing: bool,
    last_notified_query: Option<Instant>,
    input: Vec<u8>,
    output: Writer,
    notices: Vec<Notice>,
    tally: Tally,
    changed: bool,
}

impl Client {
    /// A client that wants to connect at once.
    pub fn new(settings: Settings, now: Instant) -> Self {
        let timers = settings.timers.or(Timers::RECOMMENDED);
        Self {
            first_version: settings.version,
            settings,
            state: State::Waiting { until: now },
            resume: None,
            data: Data::default(),
            snapshot: None,
            timers,
            expires: None,
            quick: false,
            failing: false,
            last_notified_query: None,
            input: Vec::new(),
            output: Writer::new(),
            notices: Vec::new(),
            tally: Tally::default(),
            changed: false,
        }
    }

    /// True if the driver should connect now, and call [`Client::connecting`].
    pub fn wants_to_connect(&self, now: Instant) -> bool {
        matches!(self.state, State::Waiting { until } if until <= now)
    }

    /// True while a connection is open or being opened.
    pub fn is_connected(&self) -> bool {
        !matches!(self.state, State::Waiting { .. })
    }

    /// True if the data are complete and the connection over which they came is open.
    pub fn is_current(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.synchronised)
    }

    /// True if attempts have failed since data arrived last, so that another cache should be tried.
    pub fn is_failing(&self) -> bool {
        self.failing
    }

    /// The data, until they expire.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// True if the snapshot was replaced since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What happened since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// What was counted since the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// The octets to send.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output).finish()
    }

    /// When [`Client::elapse`] must be called, or the driver should connect.
    pub fn deadline(&self) -> Option<Instant> {
        let next = match &self.state {
            State::Waiting { until } | State::Connecting { until } => *until,
            State::Open(open) => match &open.phase {
                Phase::Queried { since, .. } => *since + ANSWER_TIME,
                Phase::Receiving { since, .. } => (open.heard + ANSWER_TIME).min(*since + TRANSFER_TIME),
                Phase::Idle { refresh } => match open.notified {
                    Some(_) => self.after_gap().map_or(open.heard, |gap| gap.min(*refresh)),
                    None => *refresh,
                },
            },
        };
        Some(self.expires.map_or(next, |expires| expires.min(next)))
    }

    /// The driver is opening a connection.
    pub fn connecting(&mut self, now: Instant) {
        self.state = State::Connecting { until: now + CONNECT_TIME };
    }

    /// The connection is open: sends the first query.
    pub fn opened(&mut self, now: Instant) {
        self.input.clear();
        self.output = Writer::new();
        let version = self.resume.map_or(self.first_version, |resume| resume.version);
        self.state = State::Open(Open {
            version,
            negotiated: false,
            phase: Phase::Queried { all: true, since: now },
            synchronised: false,
            notified: None,
            heard: now,
        });
        self.query(now);
    }

    /// The connection could not be opened, or was closed by the cache or an error of the transport.
    pub fn closed(&mut self, now: Instant) {
        self.unanswered();
        self.wait(now);
    }

    /// Octets have arrived. After an error, the driver sends the output, which may hold an Error Report, and closes.
    ///
    /// # Errors
    /// The cache broke the protocol, or reported an error.
    pub fn receive(&mut self, octets: &[u8], now: Instant) -> Result<(), Fault> {
        if let State::Open(open) = &mut self.state {
            open.heard = now;
        }
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(octets);
        let mut left = input.as_slice();
        let result = loop {
            match Pdu::read(left) {
                Ok(None) => break Ok(()),
                Ok(Some((version, pdu, length))) => {
                    let (this, rest) = left.split_at_checked(length).unwrap_or((left, &[]));
                    self.tally.pdus += 1;
                    if let Err(fault) = self.pdu(version, &pdu, now) {
                        self.report(&fault, this);
                        break Err(fault);
                    }
                    left = rest;
                }
                Err(error) => {
                    let fault = Fault::Malformed(error);
                    self.report(&fault, left);
                    break Err(fault);
                }
            }
        };
        let read = input.len() - left.len();
        result.map_err(|fault| self.fail(fault, now))?;
        input.drain(..read);
        self.input = input;
        Ok(())
    }

    /// Time has passed. After an error, the driver closes the connection.
    ///
    /// # Errors
    /// The cache did not answer in time, or sends too slowly.
    pub fn elapse(&mut self, now: Instant) -> Result<(), Fault> {
        if self.expires.is_some_and(|expires| expires <= now) {
            self.forget();
            self.first_version = self.settings.version;
            self.tally.expirations += 1;
            self.notices.push(Notice::Expired);
            if let State::Open(open) = &self.state {
                match &open.phase {
                    // Changes to data that have expired are of no use.
                    Phase::Queried { all: false, .. } => return Err(self.fail(Fault::AnswerTime, now)),
                    Phase::Receiving { transfer, .. } if !transfer.is_all() => {
                        return Err(self.fail(Fault::TransferTime, now));
                    }
                    // A refresh is due before data expire.
                    Phase::Idle { .. } | Phase::Queried { .. } | Phase::Receiving { .. } => {}
                }
            }
        }
        let gap = self.after_gap();
        let fault = match &mut self.state {
            State::Waiting { .. } => return Ok(()),
            State::Connecting { until } if *until <= now => Fault::ConnectTime,
            State::Connecting { .. } => return Ok(()),
            State::Open(open) => match &open.phase {
                Phase::Receiving { since, .. } if *since + TRANSFER_TIME <= now => Fault::TransferTime,
                Phase::Receiving { .. } if open.heard + ANSWER_TIME <= now => Fault::AnswerTime,
                Phase::Queried { since, .. } if *since + ANSWER_TIME <= now => Fault::AnswerTime,
                Phase::Idle { refresh } => {
                    let is_notified = open.notified.is_some() && gap.is_none_or(|gap| gap <= now);
                    if is_notified {
                        self.last_notified_query = Some(now);
                    }
                    if is_notified || *refresh <= now {
                        self.query(now);
                    }
                    return Ok(());
                }
                _ => return Ok(()),
            },
        };
        Err(self.fail(fault, now))
    }

    /// Discards the data, and what the cache is known to support: another cache has taken over.
    pub fn forget(&mut self) {
        self.resume = None;
        self.expires = None;
        self.data = Data::default();
        self.changed |= self.snapshot.take().is_some();
        if let State::Open(open) = &mut self.state {
            open.synchronised = false;
        }
    }

    /// Abandons the connection, which the driver closes: another cache has taken over.
    pub fn abandon(&mut self, now: Instant) {
        (self.quick, self.failing) = (false, false);
        self.input = Vec::new();
        self.state = State::Waiting { until: now };
    }

    /// When notifications may cause a query again.
    fn after_gap(&self) -> Option<Instant> {
        self.last_notified_query.map(|last| last + NOTIFY_GAP)
    }

    /// Sends a query: for changes if there are data to which they can be applied.
    fn query(&mut self, now: Instant) {
        let State::Open(open) = &mut self.state else { return };
        let resume = self.resume.filter(|resume| resume.version == open.version);
        let pdu = match resume {
            Some(Resume { session, serial, .. }) => {
                self.tally.serial_queries += 1;
                Pdu::SerialQuery { session, serial }
            }
            None => {
                self.tally.reset_queries += 1;
                Pdu::ResetQuery
            }
        };
        pdu.write(open.version, &mut self.output);
        open.phase = Phase::Queried { all: resume.is_none(), since: now };
        open.notified = None;
    }

    fn pdu(&mut self, version: Version, pdu: &Pdu<'_>, now: Instant) -> Result<(), Fault> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        if let Pdu::ErrorReport { code, .. } = pdu {
            let supported = Version::min(version, open.version.previous().unwrap_or(Version::V0));
            let is_about_version = *code == ErrorCode::UNSUPPORTED_VERSION || version < open.version;
            if is_about_version && !open.negotiated && supported < open.version {
                self.first_version = supported;
                self.quick = true;
                return Err(Fault::LowerVersion(supported));
            }
            return Err(Fault::Reported(*code));
        }
        if !open.negotiated {
            // A notification may come first, in whatever version (RFC 8210 section 7).
            if matches!(pdu, Pdu::SerialNotify { .. }) {
                self.tally.notifications += 1;
                return Ok(());
            }
            if version < open.version {
                open.version = version;
                self.notices.push(Notice::Version(version));
            }
            open.negotiated = true;
        }
        if version != open.version {
            return Err(Fault::Version { expected: open.version, got: version });
        }
        match (&mut open.phase, pdu) {
            (_, Pdu::SerialNotify { session, serial }) => {
                self.tally.notifications += 1;
                self.notified(*session, *serial, now)
            }
            (Phase::Queried { all, .. }, Pdu::CacheResponse { session }) => {
                // A response of a lower version begins a session of its own: what the resumed one had is replaced.
                let resume = self.resume.filter(|resume| !*all && resume.version == version);
                if resume.is_some_and(|resume| resume.session != *session) {
                    return Err(Fault::Session);
                }
                let transfer = match resume {
                    Some(_) => Transfer::changes(*session, &self.data),
                    None if *all => Transfer::all(*session),
                    None => return Err(Fault::Session),
                };
                open.phase = Phase::Receiving { transfer, since: now };
                Ok(())
            }
            (Phase::Queried { all: false, .. }, Pdu::CacheReset) => {
                self.tally.cache_resets += 1;
                self.notices.push(Notice::CacheReset);
                self.resume = None;
                self.query(now);
                Ok(())
            }
            (Phase::Receiving { transfer, .. }, Pdu::Prefix { announce, vrp }) => {
                transfer.vrp(&self.data, *announce, vrp, self.settings.max_records)
            }
            (Phase::Receiving { transfer, .. }, Pdu::Aspa(aspa)) => {
                transfer.aspa(&self.data, aspa, self.settings.max_records)
            }
            (Phase::Receiving { .. }, Pdu::RouterKey { .. }) => {
                self.tally.router_keys += 1;
                Ok(())
            }
            (Phase::Receiving { transfer, .. }, Pdu::EndOfData { session, serial, intervals }) => {
                if transfer.session() != *session {
                    return Err(Fault::Session);
                }
                let transfer = std::mem::take(transfer);
                let sent = intervals.map_or(Timers::VERSION_0, |intervals| Timers::sent(&intervals));
                self.timers = self.settings.timers.or(sent);
                self.complete(transfer, Resume { version, session: *session, serial: *serial }, now);
                Ok(())
            }
            _ => Err(Fault::Unexpected(pdu.kind())),
        }
    }

    fn notified(&mut self, session: u16, serial: u32, now: Instant) -> Result<(), Fault> {
        let gap = self.after_gap();
        let State::Open(open) = &mut self.state else { return Ok(()) };
        let Phase::Idle { .. } = open.phase else {
            open.notified = Some(serial);
            return Ok(());
        };
        match self.resume {
            Some(resume) if resume.session != session => Err(Fault::Session),
            Some(resume) if resume.serial == serial => Ok(()),
            _ if gap.is_some_and(|gap| gap > now) => {
                open.notified = Some(serial);
                Ok(())
            }
            _ => {
                self.last_notified_query = Some(now);
                self.query(now);
                Ok(())
            }
        }
    }

    /// End of Data: what was received becomes visible.
    fn complete(&mut self, transfer: Transfer, resume: Resume, now: Instant) {
        let all = transfer.is_all();
        let outcome = self.data.complete(transfer);
        self.tally.duplicates += outcome.duplicates;
        self.tally.transfers += 1;
        if outcome.changed || self.snapshot.is_none() {
            self.snapshot = Some(self.data.snapshot());
            self.changed = true;
        }
        self.notices.push(Notice::Transferred { all, vrps: self.data.vrps() });
        self.resume = Some(resume);
        self.expires = Some(now + self.timers.expire);
        // A configured interval may be longer than that of a cache after which data expire.
        let Timers { refresh, expire, .. } = self.timers;
        let refresh = if refresh < expire { refresh } else { expire / 2 };
        (self.quick, self.failing) = (true, false);
        if let State::Open(open) = &mut self.state {
            open.synchronised = true;
            open.phase = Phase::Idle { refresh: now + refresh };
            if open.notified.is_some_and(|serial| serial == resume.serial) {
                open.notified = None;
            }
        }
    }

    /// Writes an Error Report about a fault of the cache, but never about an Error Report.
    fn report(&mut self, fault: &Fault, pdu: &[u8]) {
        let State::Open(open) = &self.state else { return };
        let Some(code) = fault.report() else { return };
        if pdu.get(1) == Some(&PduType::ERROR_REPORT.0) {
            return;
        }
        // Not all types are known in all versions.
        let code = match code {
            ErrorCode::UNEXPECTED_VERSION if open.version == Version::V0 => ErrorCode::UNSUPPORTED_VERSION,
            ErrorCode::ASPA_PROVIDER_LIST if open.version < Version::V2 => ErrorCode::CORRUPT_DATA,
            code => code,
        };
        let text = fault.to_string();
        let pdu = pdu.get(..RETURNED).unwrap_or(pdu);
        Pdu::ErrorReport { code, pdu, text: text.as_bytes() }.write(open.version, &mut self.output);
    }

    fn fail(&mut self, fault: Fault, now: Instant) -> Fault {
        if fault.is_about_data() {
            // The next query is for all data; the present ones remain visible until then.
            self.resume = None;
        }
        match fault {
            Fault::AnswerTime => self.unanswered(),
            // A lower version did not help.
            Fault::Version { .. } | Fault::Reported(ErrorCode::UNSUPPORTED_VERSION) => {
                self.first_version = self.settings.version;
            }
            _ => {}
        }
        self.wait(now);
        fault
    }

    /// The connection ended without an answer: a cache that does not know the version may close without a word (RFC 8210
    /// section 7), so the next session begins with a lower one, and after the lowest again with the configured one.
    fn unanswered(&mut self) {
        if let State::Open(open) = &self.state
            && !open.negotiated
            && self.resume.is_none()
        {
            self.first_version = open.version.previous().unwrap_or(self.settings.version);
        }
    }

    /// Ends the connection, and sets the time of the next one.
    fn wait(&mut self, now: Instant) {
        let wait = match std::mem::take(&mut self.quick) {
            true => QUICK_RETRY.min(self.timers.retry),
            false => {
                self.failing = true;
                self.retry()
            }
        };
        self.input = Vec::new();
        self.state = State::Waiting { until: now + wait };
    }

    /// The retry interval. While there are no data, caches are tried more often than they ask for.
    fn retry(&self) -> Duration {
        match (self.settings.timers.retry, &self.snapshot) {
            (Some(retry), _) => retry,
            (None, Some(_)) => self.timers.retry,
            (None, None) => self.timers.retry.min(Timers::RETRY_WITHOUT_DATA),
        }
    }
}
