//! IPFIX over TCP in a capture file (RFC 7011 section 10.4).
//!
//! A file has whatever was on the wire: other protocols, and connections whose start was not captured or of which segments are missing.
//! Without its start, and behind a gap or an error, a connection is read from the first segment that begins with a message. Templates last
//! as long as the connection. What is skipped is counted.

use crate::sessions::report_ignored;
use capture::Messages;
use capture::pcap_file::{StreamEvent, StreamId};
use netflow::stream::{Framer, begins_message};
use runtime::clock;
use runtime::log::Limited;
use stats::{Counter, Tally};
use std::collections::HashMap;
use std::mem::take;
use std::time::Duration;
use tracing::{info, warn};

/// Minimum time between two log lines of one kind.
const RATE: Duration = Duration::from_secs(10);
/// The first octets of a TLS record with a handshake message (RFC 8446 section 5.1).
const TLS: [u8; 2] = [22, 3];

/// The connections of a file, and what they have sent.
pub(crate) struct FileStreams {
    connections: HashMap<StreamId, Connection>,
    /// The session number of the next connection.
    next: u64,
    /// Messages that are complete, for the worker.
    pub(crate) messages: Messages,
    /// Sessions that have ended, after these messages.
    pub(crate) ended: Vec<u64>,
    /// What was skipped in this round of the file, and how much of it is counted already.
    skipped: Skipped,
    counted: Skipped,
    errors: Limited,
    gaps: Limited,
}

/// Octets of which no message was made, by reason.
#[derive(Clone, Copy, Default)]
struct Skipped {
    foreign: u64,
    missing: u64,
    incomplete: u64,
    /// There was a connection with TLS.
    encrypted: bool,
}

/// One direction of a connection.
struct Connection {
    session: u64,
    framer: Framer,
    /// False until a segment begins with a message.
    is_framed: bool,
    /// There was a message.
    is_ipfix: bool,
}

impl FileStreams {
    pub(crate) fn new() -> Self {
        Self {
            connections: HashMap::new(),
            next: 1,
            messages: Messages::default(),
            ended: Vec::new(),
            skipped: Skipped::default(),
            counted: Skipped::default(),
            errors: Limited::new(RATE),
            gaps: Limited::new(RATE),
        }
    }

    /// Begins a batch: messages count as received now.
    pub(crate) fn begin(&mut self) {
        self.messages.clear(clock::now());
        self.ended.clear();
    }

    /// Takes what happens to a stream.
    pub(crate) fn take(&mut self, id: StreamId, event: StreamEvent<'_>) {
        match event {
            StreamEvent::Opened { from_start } => {
                let session = self.next;
                let connection =
                    Connection { session, framer: Framer::new(), is_framed: from_start, is_ipfix: false };
                self.next += 1;
                if let Some(old) = self.connections.insert(id, connection) {
                    self.end(&old);
                }
            }
            StreamEvent::Data(octets) => self.data(id, octets),
            StreamEvent::Missing(octets) => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                if connection.is_ipfix {
                    self.skipped.missing += octets;
                    if let Some(pass) = self.gaps.pass() {
                        let (ip, held_back) = (id.source.ip(), pass.held_back);
                        warn!(held_back, "[{ip}] {octets} octets of an IPFIX connection are missing in the file");
                    }
                }
                self.skipped.incomplete += connection.reset();
            }
            StreamEvent::Closed => {
                if let Some(connection) = self.connections.remove(&id) {
                    self.end(&connection);
                }
            }
        }
    }

    fn data(&mut self, id: StreamId, octets: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        self.skipped.encrypted |= !connection.is_ipfix && octets.starts_with(&TLS);
        if !connection.is_framed && !begins_message(octets) {
            self.skipped.foreign += octets.len() as u64;
            return;
        }
        connection.is_framed = true;
        let Connection { session, framer, is_ipfix, .. } = connection;
        let mut framed = 0;
        let before = framer.buffered();
        let read = framer.push(octets, |message| {
            framed += message.len();
            *is_ipfix = true;
            self.messages.push(id.source, *session, message);
        });
        if let Err(error) = read {
            self.skipped.foreign += (before + octets.len()).saturating_sub(framed) as u64;
            connection.reset();
            if connection.is_ipfix
                && let Some(pass) = self.errors.pass()
            {
                let (ip, held_back) = (id.source.ip(), pass.held_back);
                warn!(held_back, "[{ip}] skipping octets of an IPFIX connection up to the next message: {error}");
            }
        }
    }

    fn end(&mut self, connection: &Connection) {
        self.skipped.incomplete += connection.framer.buffered() as u64;
        if connection.is_ipfix {
            self.ended.push(connection.session);
        }
    }

    /// Adds what was skipped since the last call.
    pub(crate) fn count(&mut self, tally: &mut Tally) {
        for (counter, skipped, counted) in [
            (Counter::StreamBytesForeign, self.skipped.foreign, &mut self.counted.foreign),
            (Counter::StreamBytesMissing, self.skipped.missing, &mut self.counted.missing),
            (Counter::StreamBytesIncomplete, self.skipped.incomplete, &mut self.counted.incomplete),
        ] {
            tally.add(counter, skipped - std::mem::replace(counted, skipped));
        }
    }

    /// The file, or a round of it, is read: all connections end. `ignored`: segments of connections beyond the number that is possible.
    pub(crate) fn finish(&mut self, tally: &mut Tally, ignored: u64) {
        self.begin();
        for connection in take(&mut self.connections).into_values() {
            self.end(&connection);
        }
        self.count(tally);
        self.counted = Skipped::default();
        let Skipped { foreign, missing, incomplete, encrypted } = take(&mut self.skipped);
        if foreign + missing + incomplete > 0 {
            let tls = if encrypted { " (some of it is TLS, which cannot be decrypted)" } else { "" };
            info!(
                "TCP connections of the file: {foreign} octets are not IPFIX{tls}, {missing} are missing, {incomplete} are of incomplete \
                 messages"
            );
        }
        report_ignored(ignored);
    }
}

impl Connection {
    /// What follows is read from the next message that begins a segment. Returns the octets of a message that is not complete.
    fn reset(&mut self) -> u64 {
        self.is_framed = false;
        take(&mut self.framer).buffered() as u64
    }
}
