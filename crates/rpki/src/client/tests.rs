//! Sessions with a made-up clock, octet by octet.

use super::*;
use crate::rtr::{self, Intervals, PduError};
use crate::vrps::tests::any_vrp;
use crate::{Validity, Vrp};
use proptest::prelude::*;
use std::collections::BTreeSet;
use wire::{Afi, Asn};

const SECOND: Duration = Duration::from_secs(1);

fn vrp(prefix: &str, max: u8, asn: u32) -> Vrp {
    Vrp::new(prefix.parse().unwrap(), max, Asn(asn)).unwrap()
}

fn announce(prefix: &str, max: u8, asn: u32) -> Pdu<'static> {
    Pdu::Prefix { announce: true, vrp: vrp(prefix, max, asn) }
}

fn withdraw(prefix: &str, max: u8, asn: u32) -> Pdu<'static> {
    Pdu::Prefix { announce: false, vrp: vrp(prefix, max, asn) }
}

fn response(session: u16) -> Pdu<'static> {
    Pdu::CacheResponse { session }
}

fn end(session: u16, serial: u32) -> Pdu<'static> {
    Pdu::EndOfData { session, serial, intervals: Some(Intervals { refresh: 100, retry: 20, expire: 1000 }) }
}

fn octets(version: Version, pdus: &[Pdu<'_>]) -> Vec<u8> {
    let mut w = Writer::new();
    pdus.iter().for_each(|pdu| pdu.write(version, &mut w));
    w.finish()
}

/// A client, and the clock.
struct Session {
    client: Client,
    now: Instant,
    version: Version,
}

impl Session {
    fn with(settings: Settings) -> Self {
        let now = Instant::now();
        Self { version: settings.version, client: Client::new(settings, now), now }
    }

    fn new(version: Version) -> Self {
        Self::with(Settings { version, ..Settings::default() })
    }

    /// Opens a connection, and returns what the client sends.
    fn open(&mut self) -> Vec<u8> {
        assert!(self.client.wants_to_connect(self.now));
        self.client.connecting(self.now);
        self.client.opened(self.now);
        self.client.take_output()
    }

    fn receive(&mut self, pdus: &[Pdu<'_>]) -> Result<(), Fault> {
        self.client.receive(&octets(self.version, pdus), self.now)
    }

    fn wait(&mut self, time: Duration) -> Result<(), Fault> {
        self.now += time;
        self.client.elapse(self.now)
    }

    /// A session of version 1 with one VRP, serial number 5 of session 77.
    fn synchronised() -> Self {
        let mut session = Self::new(Version::V1);
        session.open();
        session.receive(&[response(77), announce("10.0.0.0/8", 8, 1), end(77, 5)]).unwrap();
        assert!(session.client.is_current() && session.client.take_changed());
        session.client.take_tally();
        session.client.take_notices();
        session
    }

    fn sends(&mut self, pdus: &[Pdu<'_>]) {
        assert_eq!(self.client.take_output(), octets(self.version, pdus));
    }

    /// The error that the client reports.
    fn reports(&mut self, code: ErrorCode) {
        let output = self.client.take_output();
        match Pdu::read(&output) {
            Ok(Some((_, Pdu::ErrorReport { code: reported, text, .. }, length))) => {
                assert_eq!((reported, length), (code, output.len()));
                assert!(!text.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }

    fn validity(&self, prefix: &str, asn: u32) -> Validity {
        let none = Snapshot::default();
        let snapshot = self.client.snapshot().unwrap_or(&none);
        snapshot.vrps.validity(&prefix.parse().unwrap(), Some(Asn(asn)))
    }

    /// Waits until the client wants to connect, and returns how long that took.
    fn until_connecting(&mut self) -> Duration {
        let start = self.now;
        while !self.client.wants_to_connect(self.now) {
            let next = self.client.deadline().unwrap();
            assert!(next > self.now, "a deadline in the past");
            self.now = next;
            self.client.elapse(self.now).unwrap();
        }
        self.now - start
    }
}

const QUERY_5: Pdu<'static> = Pdu::SerialQuery { session: 77, serial: 5 };

#[test]
fn data_become_visible_at_end_of_data_only() {
    for version in [Version::V0, Version::V1, Version::V2] {
        let mut session = Session::new(version);
        assert_eq!(session.open(), octets(version, &[Pdu::ResetQuery]));
        session.receive(&[response(77), announce("10.0.0.0/8", 8, 1)]).unwrap();
        assert!(session.client.snapshot().is_none() && !session.client.is_current());
        session.receive(&[end(77, 5)]).unwrap();
        assert!(session.client.is_current() && session.client.take_changed() && !session.client.take_changed());
        assert_eq!(session.validity("10.0.0.0/8", 1), Validity::Valid);
        assert_eq!(session.client.take_notices(), [Notice::Transferred { all: true, vrps: 1 }]);
        let tally = session.client.take_tally();
        assert_eq!((tally.pdus, tally.reset_queries, tally.transfers), (3, 1, 1));
    }
}

#[test]
fn changes_are_asked_for_after_the_refresh_interval_and_applied_as_a_whole() {
    let mut session = Session::synchronised();
    assert_eq!(session.client.deadline(), Some(session.now + 100 * SECOND));
    session.wait(99 * SECOND).unwrap();
    session.sends(&[]);
    session.wait(SECOND).unwrap();
    session.sends(&[QUERY_5]);
    session.receive(&[response(77), withdraw("10.0.0.0/8", 8, 1), announce("10.0.0.0/8", 9, 1)]).unwrap();
    assert_eq!(session.validity("10.0.0.0/9", 1), Validity::Invalid);
    session.receive(&[end(77, 6)]).unwrap();
    assert_eq!(session.validity("10.0.0.0/9", 1), Validity::Valid);
    assert_eq!(session.client.take_notices(), [Notice::Transferred { all: false, vrps: 1 }]);
    session.wait(100 * SECOND).unwrap();
    session.sends(&[Pdu::SerialQuery { session: 77, serial: 6 }]);
}

#[test]
fn without_changes_the_snapshot_remains() {
    let mut session = Session::synchronised();
    session.wait(100 * SECOND).unwrap();
    session.receive(&[response(77), end(77, 5)]).unwrap();
    assert!(!session.client.take_changed());
    // Nor does a full transfer of the same data change it.
    session.client.closed(session.now);
    session.client.resume = None;
    session.until_connecting();
    assert_eq!(session.open(), octets(Version::V1, &[Pdu::ResetQuery]));
    session.receive(&[response(78), announce("10.0.0.0/8", 8, 1), end(78, 1)]).unwrap();
    assert!(!session.client.take_changed());
}

#[test]
fn a_withdrawal_removes_exactly_its_record() {
    let mut session = Session::new(Version::V0);
    session.open();
    let [a, b, c] =
        [("10.20.0.0/16", 16), ("10.20.0.0/16", 24), ("10.20.0.0/20", 20)].map(|(p, m)| announce(p, m, 65020));
    session.receive(&[response(77), a, b, c, end(77, 5)]).unwrap();
    session.wait(3600 * SECOND).unwrap();
    session.receive(&[response(77), withdraw("10.20.0.0/16", 24, 65020), end(77, 6)]).unwrap();
    assert_eq!(session.validity("10.20.0.0/16", 65020), Validity::Valid);
    assert_eq!(session.validity("10.20.0.0/20", 65020), Validity::Valid);
    assert_eq!(session.validity("10.20.64.0/24", 65020), Validity::Invalid);
}

#[test]
fn a_notification_causes_a_query_unless_the_data_are_the_newest() {
    let mut session = Session::synchronised();
    session.receive(&[Pdu::SerialNotify { session: 77, serial: 5 }]).unwrap();
    session.sends(&[]);
    session.receive(&[Pdu::SerialNotify { session: 77, serial: 6 }]).unwrap();
    session.sends(&[QUERY_5]);
    // While the answer is awaited, a notification is remembered.
    session.receive(&[Pdu::SerialNotify { session: 77, serial: 7 }]).unwrap();
    session.receive(&[response(77), end(77, 6)]).unwrap();
    session.sends(&[]);
    // The second query follows after a gap.
    assert_eq!(session.client.deadline(), Some(session.now + NOTIFY_GAP));
    session.wait(NOTIFY_GAP).unwrap();
    session.sends(&[Pdu::SerialQuery { session: 77, serial: 6 }]);
    session.receive(&[response(77), end(77, 7)]).unwrap();
    assert_eq!(session.client.deadline(), Some(session.now + 100 * SECOND));
    assert_eq!(session.client.take_tally().notifications, 3);
}

#[test]
fn many_notifications_cause_few_queries() {
    let mut session = Session::synchronised();
    for serial in 6..1000 {
        session.receive(&[Pdu::SerialNotify { session: 77, serial }]).unwrap();
        let output = session.client.take_output();
        if !output.is_empty() {
            session.receive(&[response(77), end(77, serial)]).unwrap();
        }
        session.wait(SECOND / 10).unwrap();
    }
    let queries = session.client.take_tally().serial_queries;
    assert!(queries <= 11, "{queries} queries in 100 s");
}

#[test]
fn a_notification_in_the_first_response_is_not_lost() {
    let mut session = Session::new(Version::V1);
    session.open();
    session.receive(&[response(77), Pdu::SerialNotify { session: 77, serial: 6 }, end(77, 5)]).unwrap();
    assert!(session.client.deadline().unwrap() <= session.now);
    session.client.elapse(session.now).unwrap();
    session.sends(&[QUERY_5]);
}

#[test]
fn a_cache_reset_is_answered_by_a_reset_query_at_once_and_the_data_remain_until_the_new_ones_are_complete() {
    let mut session = Session::synchronised();
    session.wait(100 * SECOND).unwrap();
    session.sends(&[QUERY_5]);
    session.receive(&[Pdu::CacheReset]).unwrap();
    session.sends(&[Pdu::ResetQuery]);
    assert_eq!(session.client.take_notices(), [Notice::CacheReset]);
    session.receive(&[response(78), announce("11.0.0.0/8", 8, 2)]).unwrap();
    assert_eq!(session.validity("10.0.0.0/8", 1), Validity::Valid);
    session.receive(&[end(78, 1)]).unwrap();
    assert_eq!(session.validity("10.0.0.0/8", 1), Validity::Unknown);
    assert_eq!(session.validity("11.0.0.0/8", 2), Validity::Valid);
}

#[test]
fn a_cache_reset_as_the_answer_to_a_reset_query_ends_the_session() {
    let mut session = Session::new(Version::V1);
    session.open();
    assert_eq!(session.receive(&[Pdu::CacheReset]), Err(Fault::Unexpected(PduType::CACHE_RESET)));
    session.reports(ErrorCode::CORRUPT_DATA);
}

#[test]
fn another_session_id_leads_to_a_full_transfer_with_the_data_kept_until_then() {
    let cases: [&[Pdu<'_>]; 3] =
        [&[response(78)], &[response(77), end(78, 6)], &[Pdu::SerialNotify { session: 78, serial: 1 }]];
    for (number, pdus) in cases.iter().enumerate() {
        let mut session = Session::synchronised();
        if number < 2 {
            session.wait(100 * SECOND).unwrap();
            session.sends(&[QUERY_5]);
        }
        assert_eq!(session.receive(pdus), Err(Fault::Session));
        session.reports(ErrorCode::CORRUPT_DATA);
        assert_eq!(session.validity("10.0.0.0/8", 1), Validity::Valid);
        assert_eq!(session.until_connecting(), QUICK_RETRY);
        assert_eq!(session.open(), octets(Version::V1, &[Pdu::ResetQuery]));
    }
}

#[test]
fn a_lost_session_continues_where_it_ended() {
    let mut session = Session::synchronised();
    session.client.closed(session.now);
    assert!(!session.client.is_current() && !session.client.is_failing());
    assert_eq!(session.validity("10.0.0.0/8", 1), Validity::Valid);
    assert_eq!(session.until_connecting(), QUICK_RETRY);
    assert_eq!(session.open(), octets(Version::V1, &[QUERY_5]));
    // The second failure in a row waits for the retry interval of the cache.
    session.client.closed(session.now);
    assert!(session.client.is_failing());
    assert_eq!(session.until_connecting(), 20 * SECOND);
}

#[test]
fn data_expire_when_they_cannot_be_refreshed() {
    let mut session = Session::synchronised();
    let end = session.now + 1000 * SECOND;
    session.client.closed(session.now);
    while session.now + 20 * SECOND < end {
        session.until_connecting();
        session.client.connecting(session.now);
        session.client.closed(session.now);
        assert_eq!(session.validity("10.0.0.0/8", 1), Validity::Valid);
    }
    assert!(!session.client.take_changed());
    while session.now < end {
        session.now = session.client.deadline().unwrap().max(session.now);
        session.client.elapse(session.now).unwrap();
        if session.client.wants_to_connect(session.now) {
            session.client.connecting(session.now);
            session.client.closed(session.now);
        }
    }
    assert!(session.client.snapshot().is_none() && session.client.take_changed());
    assert_eq!(session.client.take_notices(), [Notice::Expired]);
    assert_eq!(session.client.take_tally().expirations, 1);
    // All data are needed now, and soon.
    session.until_connecting();
    assert_eq!(session.open(), octets(Version::V1, &[Pdu::ResetQuery]));
}

#[test]
fn changes_to_expired_data_are_not_applied() {
    let settings = Settings {
        version: Version::V1,
        timers: Timers { expire: Some(20 * SECOND), ..Timers::default() },
        ..Settings::default()
    };
    let mut session = Session::with(settings);
    session.open();
    session.receive(&[response(77), announce("10.0.0.0/8", 8, 1), end(77, 5)]).unwrap();
    session.now += 10 * SECOND;
    session
        .receive(&[Pdu::SerialNotify { session: 77, serial: 6 }, response(77), announce("11.0.0.0/8", 8, 1)])
        .unwrap();
    assert_eq!(session.wait(10 * SECOND), Err(Fault::TransferTime));
    assert!(session.client.snapshot().is_none());
    assert_eq!(session.until_connecting(), QUICK_RETRY);
    assert_eq!(session.open(), octets(Version::V1, &[Pdu::ResetQuery]));
}

#[test]
fn data_are_refreshed_before_they_expire_whatever_is_configured() {
    let timers = Timers { refresh: Some(5000 * SECOND), ..Timers::default() };
    let mut session = Session::with(Settings { version: Version::V1, timers, ..Settings::default() });
    session.open();
    session.receive(&[response(77), end(77, 5)]).unwrap();
    session.wait(500 * SECOND).unwrap();
    session.sends(&[QUERY_5]);
}

#[test]
fn a_late_answer_to_expired_data_is_not_used() {
    let timers = Timers { expire: Some(20 * SECOND), ..Timers::default() };
    let mut session = Session::with(Settings { version: Version::V1, timers, ..Settings::default() });
    session.open();
    session.receive(&[response(77), announce("10.0.0.0/8", 8, 1), end(77, 5)]).unwrap();
    session.wait(10 * SECOND).unwrap();
    session.sends(&[QUERY_5]);
    assert_eq!(session.wait(10 * SECOND), Err(Fault::AnswerTime));
    assert!(session.client.snapshot().is_none() && !session.client.is_current());
    session.until_connecting();
    assert_eq!(session.open(), octets(Version::V1, &[Pdu::ResetQuery]));
}

#[test]
fn a_response_of_a_lower_version_is_accepted() {
    for (first, second) in [(Version::V1, Version::V0), (Version::V2, Version::V1), (Version::V2, Version::V0)] {
        let mut session = Session::new(first);
        session.open();
        session.version = second;
        session.receive(&[response(77), announce("10.0.0.0/8", 8, 1), end(77, 5)]).unwrap();
        assert_eq!(session.client.take_notices()[0], Notice::Version(second));
        let refresh = if second == Version::V0 { 10 } else { 100 };
        session.wait(refresh * SECOND).unwrap();
        session.sends(&[QUERY_5]);
        // The next session continues in that version.
        session.client.closed(session.now);
        session.until_connecting();
        assert_eq!(session.open(), octets(second, &[QUERY_5]));
    }
}

#[test]
fn an_error_report_about_the_version_leads_to_a_lower_one_soon() {
    let mut session = Session::new(Version::V2);
    session.open();
    session.version = Version::V0;
    let report = Pdu::ErrorReport { code: ErrorCode::UNSUPPORTED_VERSION, pdu: &[], text: b"" };
    assert_eq!(session.receive(&[report]), Err(Fault::LowerVersion(Version::V0)));
    session.sends(&[]);
    assert_eq!(session.until_connecting(), QUICK_RETRY);
    assert_eq!(session.open(), octets(Version::V0, &[Pdu::ResetQuery]));
    // In version 0 there is no lower one.
    assert_eq!(session.receive(&[report]), Err(Fault::Reported(ErrorCode::UNSUPPORTED_VERSION)));
    // A cache that answers in the version that it was asked in.
    let mut session = Session::new(Version::V2);
    session.open();
    assert_eq!(session.receive(&[report]), Err(Fault::LowerVersion(Version::V1)));
}

#[test]
fn a_connection_closed_without_an_answer_leads_to_lower_versions_in_turn() {
    let mut session = Session::new(Version::V2);
    for version in [Version::V2, Version::V1, Version::V0, Version::V2] {
        assert_eq!(session.open(), octets(version, &[Pdu::ResetQuery]));
        session.client.closed(session.now);
        assert_eq!(session.until_connecting(), Timers::RETRY_WITHOUT_DATA);
    }
    // A cache that answers in a higher one is asked in that again.
    let mut session = Session::new(Version::V1);
    session.open();
    session.client.closed(session.now);
    session.until_connecting();
    assert_eq!(session.open(), octets(Version::V0, &[Pdu::ResetQuery]));
    session.receive(&[response(77)]).unwrap_err();
    session.until_connecting();
    assert_eq!(session.open(), octets(Version::V1, &[Pdu::ResetQuery]));
    // A version that has worked remains.
    let mut session = Session::synchronised();
    session.client.closed(session.now);
    session.until_connecting();
    session.open();
    session.client.closed(session.now);
    session.until_connecting();
    assert_eq!(session.open(), octets(Version::V1, &[QUERY_5]));
}

#[test]
fn notifications_before_the_first_answer_are_ignored_in_any_version() {
    let mut session = Session::new(Version::V1);
    session.open();
    for version in [Version::V0, Version::V1, Version::V2] {
        let notify = octets(version, &[Pdu::SerialNotify { session: 9, serial: 9 }]);
        session.client.receive(&notify, session.now).unwrap();
    }
    session.receive(&[response(77), end(77, 5)]).unwrap();
    assert_eq!(session.client.take_notices(), [Notice::Transferred { all: true, vrps: 0 }]);
}

#[test]
fn other_versions_end_the_session() {
    // Higher than asked for.
    let mut session = Session::new(Version::V0);
    session.open();
    session.version = Version::V1;
    let fault = Fault::Version { expected: Version::V0, got: Version::V1 };
    assert_eq!(session.receive(&[response(77)]), Err(fault));
    // Version 0 has no code for it.
    session.reports(ErrorCode::UNSUPPORTED_VERSION);
    // Changed after the negotiation.
    let mut session = Session::synchronised();
    session.version = Version::V0;
    let fault = Fault::Version { expected: Version::V1, got: Version::V0 };
    assert_eq!(session.receive(&[Pdu::SerialNotify { session: 77, serial: 6 }]), Err(fault));
    session.reports(ErrorCode::UNEXPECTED_VERSION);
    // Unknown.
    let mut session = Session::new(Version::V2);
    session.open();
    assert_eq!(
        session.client.receive(&[3, 3, 0, 0, 0, 0, 0, 8], session.now),
        Err(Fault::Malformed(PduError::Version(3)))
    );
    session.reports(ErrorCode::UNSUPPORTED_VERSION);
}

#[test]
fn a_cache_without_data_is_asked_again_later() {
    let mut session = Session::new(Version::V1);
    session.open();
    let report = Pdu::ErrorReport { code: ErrorCode::NO_DATA_AVAILABLE, pdu: &[], text: b"wait" };
    assert_eq!(session.receive(&[report]), Err(Fault::Reported(ErrorCode::NO_DATA_AVAILABLE)));
    // An Error Report is never answered by another one.
    session.sends(&[]);
    assert!(session.client.is_failing());
    assert_eq!(session.until_connecting(), Timers::RETRY_WITHOUT_DATA);
    // What it sent before remains valid.
    let mut session = Session::synchronised();
    session.wait(100 * SECOND).unwrap();
    session.receive(&[report]).unwrap_err();
    session.until_connecting();
    assert_eq!(session.open(), octets(Version::V1, &[QUERY_5]));
}

#[test]
fn inconsistent_changes_end_the_session_and_the_next_one_asks_for_all_data() {
    let known = announce("10.0.0.0/8", 8, 1);
    let unknown = withdraw("10.0.0.0/8", 9, 1);
    for (pdus, code) in [
        (&[response(77), known][..], ErrorCode::DUPLICATE_ANNOUNCEMENT),
        (&[response(77), unknown][..], ErrorCode::WITHDRAWAL_OF_UNKNOWN_RECORD),
        (
            &[response(77), withdraw("10.0.0.0/8", 8, 1), withdraw("10.0.0.0/8", 8, 1)][..],
            ErrorCode::WITHDRAWAL_OF_UNKNOWN_RECORD,
        ),
        (&[response(77), withdraw("10.0.0.0/8", 8, 1), known, known][..], ErrorCode::DUPLICATE_ANNOUNCEMENT),
    ] {
        let mut session = Session::synchronised();
        session.wait(100 * SECOND).unwrap();
        session.sends(&[QUERY_5]);
        assert_eq!(session.receive(pdus).unwrap_err().reason(), Reason::Inconsistent);
        session.reports(code);
        assert_eq!(session.validity("10.0.0.0/8", 1), Validity::Valid);
        session.until_connecting();
        assert_eq!(session.open(), octets(Version::V1, &[Pdu::ResetQuery]));
    }
}

#[test]
fn a_full_transfer_may_repeat_records_but_not_withdraw_any() {
    let mut session = Session::new(Version::V1);
    session.open();
    let record = announce("10.0.0.0/8", 8, 1);
    session.receive(&[response(77), record, record, record, end(77, 5)]).unwrap();
    assert_eq!(session.client.take_tally().duplicates, 2);
    assert_eq!(session.client.take_notices(), [Notice::Transferred { all: true, vrps: 1 }]);

    let mut session = Session::new(Version::V1);
    session.open();
    let fault = session.receive(&[response(77), record, withdraw("10.0.0.0/8", 8, 1)]).unwrap_err();
    assert_eq!(fault, Fault::WithdrawalOfUnknown(vrp("10.0.0.0/8", 8, 1)));
    session.reports(ErrorCode::WITHDRAWAL_OF_UNKNOWN_RECORD);
}

#[test]
fn pdus_out_of_place_end_the_session() {
    let record = announce("10.0.0.0/8", 8, 1);
    let key = Pdu::RouterKey { announce: true, identifier: [0; 20], asn: Asn(1), key: &[] };
    for pdus in [
        &[record][..],
        &[end(77, 5)],
        &[key],
        &[Pdu::ResetQuery],
        &[QUERY_5],
        &[response(77), response(77)],
        &[response(77), Pdu::CacheReset],
        &[response(77), end(77, 5), record],
        &[response(77), end(77, 5), end(77, 5)],
        &[response(77), end(77, 5), response(77)],
        &[response(77), Pdu::ResetQuery],
    ] {
        let mut session = Session::new(Version::V1);
        session.open();
        let fault = session.receive(pdus).unwrap_err();
        assert_eq!(fault, Fault::Unexpected(pdus.last().unwrap().kind()));
        session.reports(ErrorCode::CORRUPT_DATA);
    }
}

#[test]
fn malformed_pdus_are_reported_and_sent_back() {
    let mut session = Session::synchronised();
    let pdu = [1, 3, 0, 77, 0, 0, 0, 9, 1];
    let error = PduError::Length { kind: PduType::CACHE_RESPONSE, length: 9 };
    assert_eq!(session.client.receive(&pdu, session.now), Err(Fault::Malformed(error)));
    let output = session.client.take_output();
    let Ok(Some((Version::V1, Pdu::ErrorReport { code, pdu: returned, text }, _))) = Pdu::read(&output) else {
        panic!("{output:?}")
    };
    assert_eq!((code, returned), (ErrorCode::CORRUPT_DATA, &pdu[..]));
    assert_eq!(text, b"a PDU of type 3 cannot have 9 octets");
    // But never an Error Report.
    let mut session = Session::synchronised();
    let report = [1, 10, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(session.client.receive(&report, session.now).unwrap_err().reason(), Reason::Malformed);
    session.sends(&[]);
}

#[test]
fn records_are_bounded() {
    let settings = Settings { version: Version::V2, max_records: 3, ..Settings::default() };
    let records: Vec<Pdu<'_>> = (0..4).map(|asn| announce("10.0.0.0/8", 8, asn)).collect();
    let mut session = Session::with(settings.clone());
    session.open();
    session.receive(&[response(77)]).unwrap();
    session.receive(&records[..3]).unwrap();
    assert_eq!(session.receive(&records[3..]), Err(Fault::TooMany(3)));
    session.reports(ErrorCode::INTERNAL_ERROR);
    // By changes too, but a withdrawal makes room.
    let mut session = Session::with(settings.clone());
    session.open();
    session.receive(&[response(77), records[0], records[1], records[2], end(77, 5)]).unwrap();
    session.wait(100 * SECOND).unwrap();
    session.receive(&[response(77), withdraw("10.0.0.0/8", 8, 0), records[3]]).unwrap();
    assert_eq!(session.receive(&[records[0]]), Err(Fault::TooMany(3)));
    // And ASPAs.
    let providers: Vec<u8> = (1..4u32).flat_map(u32::to_be_bytes).collect();
    let aspa =
        rtr::Aspa { announce: true, family: None, customer: Asn(1), providers: rtr::Providers::new(&providers) };
    let mut session = Session::with(settings);
    session.open();
    assert_eq!(session.receive(&[response(77), Pdu::Aspa(aspa)]), Err(Fault::TooMany(3)));
}

#[test]
fn a_silent_or_slow_cache_is_left() {
    // It does not accept the connection.
    let mut session = Session::new(Version::V1);
    session.client.connecting(session.now);
    assert_eq!(session.client.deadline(), Some(session.now + CONNECT_TIME));
    assert_eq!(session.wait(CONNECT_TIME), Err(Fault::ConnectTime));
    assert!(session.client.is_failing());
    // It does not answer, though it sends something from time to time.
    session.until_connecting();
    session.open();
    session.wait(ANSWER_TIME - SECOND).unwrap();
    session.receive(&[Pdu::SerialNotify { session: 1, serial: 1 }]).unwrap();
    assert_eq!(session.wait(SECOND), Err(Fault::AnswerTime));
    // It begins an answer.
    session.until_connecting();
    session.version = Version::V0;
    session.open();
    session.receive(&[response(77)]).unwrap();
    assert_eq!(session.wait(ANSWER_TIME), Err(Fault::AnswerTime));
    // It sends a record every few seconds, without end.
    session.until_connecting();
    session.open();
    let since = session.now;
    session.receive(&[response(77)]).unwrap();
    let fault = loop {
        session.receive(&[announce("10.0.0.0/8", 8, 1)]).unwrap();
        if let Err(fault) = session.wait(20 * SECOND) {
            break fault;
        }
    };
    assert_eq!((fault, session.now - since), (Fault::TransferTime, TRANSFER_TIME));
}

#[test]
fn a_refresh_that_is_not_answered_ends_the_session_and_the_data_remain() {
    let mut session = Session::synchronised();
    session.wait(100 * SECOND).unwrap();
    assert_eq!(session.wait(ANSWER_TIME), Err(Fault::AnswerTime));
    assert_eq!(session.validity("10.0.0.0/8", 1), Validity::Valid);
    session.until_connecting();
    assert_eq!(session.open(), octets(Version::V1, &[QUERY_5]));
}

#[test]
fn aspas_are_kept_and_replaced() {
    let mut session = Session::new(Version::V2);
    session.open();
    let (one, two) = ([0, 0, 0, 1], [0, 0, 0, 2, 0, 0, 0, 3]);
    let aspa = |announce, providers| {
        Pdu::Aspa(rtr::Aspa {
            announce,
            family: None,
            customer: Asn(9),
            providers: rtr::Providers::new(providers),
        })
    };
    session.receive(&[response(77), aspa(true, &one), end(77, 5)]).unwrap();
    let providers = |session: &Session| {
        let aspas = &session.client.snapshot().unwrap().aspas;
        aspas.providers(Asn(9), Afi::IPV6).map(<[Asn]>::to_vec)
    };
    assert_eq!(providers(&session), Some(vec![Asn(1)]));
    session.wait(100 * SECOND).unwrap();
    session.receive(&[response(77), aspa(true, &two), end(77, 6)]).unwrap();
    assert_eq!(providers(&session), Some(vec![Asn(2), Asn(3)]));
    assert!(session.client.take_changed());
    session.wait(100 * SECOND).unwrap();
    session.receive(&[response(77), aspa(false, &[]), end(77, 7)]).unwrap();
    assert_eq!(providers(&session), None);
    session.wait(100 * SECOND).unwrap();
    assert_eq!(session.receive(&[response(77), aspa(false, &[])]), Err(Fault::WithdrawalOfUnknownAspa(Asn(9))));
    session.client.take_output();
}

#[test]
fn router_keys_are_passed_over() {
    let mut session = Session::new(Version::V1);
    session.open();
    let key = Pdu::RouterKey { announce: true, identifier: [0; 20], asn: Asn(1), key: &[7; 91] };
    session.receive(&[response(77), key, end(77, 5)]).unwrap();
    assert_eq!(session.client.take_tally().router_keys, 1);
}

/// A cache with some versions of its data.
#[derive(Clone, Debug)]
struct Steps {
    version: Version,
    sets: Vec<BTreeSet<Vrp>>,
}

fn any_steps() -> impl Strategy<Value = Steps> {
    let set = prop::collection::btree_set(any_vrp(), 0..12);
    let version = (0u8..3).prop_map(|number| Version::of_number(number).unwrap());
    (version, prop::collection::vec(set, 1..6)).prop_map(|(version, sets)| Steps { version, sets })
}

proptest! {
    #[test]
    fn any_segmentation_gives_the_data_of_the_cache(
        Steps { version, sets } in any_steps(),
        cuts in prop::collection::vec(1usize..50, 1..40),
    ) {
        let mut session = Session::new(version);
        let mut sent = session.open();
        let mut before = BTreeSet::new();
        for (serial, set) in (1..).zip(&sets) {
            let all = sent == octets(version, &[Pdu::ResetQuery]);
            prop_assert_eq!(all, serial == 1);
            let announced = set.difference(&before).map(|vrp| Pdu::Prefix { announce: true, vrp: *vrp });
            let withdrawn = before.difference(set).map(|vrp| Pdu::Prefix { announce: false, vrp: *vrp });
            let mut pdus = vec![response(7)];
            pdus.extend(announced.chain(withdrawn));
            pdus.push(end(7, serial));
            let octets = octets(version, &pdus);
            let mut left = &octets[..];
            for cut in cuts.iter().cycle() {
                if left.is_empty() { break; }
                let (chunk, rest) = left.split_at((*cut).min(left.len()));
                session.client.receive(chunk, session.now).unwrap();
                left = rest;
            }
            let snapshot = session.client.snapshot().unwrap();
            prop_assert_eq!(snapshot.vrps.len(), set.len());
            prop_assert_eq!(session.client.data.vrps(), set.len());
            for vrp in set.iter().filter(|vrp| vrp.asn() != Asn(0)) {
                prop_assert_eq!(snapshot.vrps.validity(&vrp.prefix(), Some(vrp.asn())), Validity::Valid);
            }
            before.clone_from(set);
            session.wait(session.client.deadline().unwrap() - session.now).unwrap();
            sent = session.client.take_output();
        }
    }

    #[test]
    fn any_octets_at_any_time_do_no_harm(
        steps in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0u8..12, 0u64..4000), 1..40),
    ) {
        let mut session = Session::new(Version::V2);
        for (mut octets, kind, seconds) in steps {
            if let [version, type_, _, _, a, b, c, length, ..] = &mut octets[..] {
                (*version, *type_, *a, *b, *c) = (*version % 3, kind, 0, 0, 0);
                *length = [12, 12, 8, 8, 20, 8, 32, 12, 8, 32, 16, 16][usize::from(kind)];
            }
            if session.client.wants_to_connect(session.now) {
                session.client.connecting(session.now);
                session.client.opened(session.now);
            }
            let _ = session.client.receive(&octets, session.now);
            let _ = session.wait(Duration::from_secs(seconds));
            prop_assert!(session.client.input.len() < 80);
            prop_assert!(session.client.take_output().len() < 2000);
            prop_assert!(session.client.deadline().is_some());
        }
    }
}
