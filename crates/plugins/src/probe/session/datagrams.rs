//! Sessions over DTLS.
//!
//! A collector that has restarted knows nothing of its former sessions, and need not say so. The operating system may report that no
//! program listens; if not, a new session takes the place of one that is [`LIFETIME`] old, or has not been used for [`IDLE`].

use super::connection::{Connection, Patience};
use super::{Done, Message};
use crate::probe::batch::Batch;
use crate::probe::target::Target;
use ::dtls::{Client, ClientContext, Peer, RECORD_OVERHEAD, TICK};
use ::probe::Contents;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use udp_link::Link;

/// How long a session lasts.
const LIFETIME: Duration = Duration::from_secs(300);
/// After this time without messages, a session is renewed before it is used again.
const IDLE: Duration = Duration::from_secs(30);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Maximum length of datagrams: an Ethernet frame without the headers of IPv6 and UDP.
const LENGTH: usize = 1500 - 48;
/// The time of a batch, at least, so that a collector's default buffer holds what is sent in a row.
const BURST_TIME: Duration = Duration::from_millis(4);
/// Datagrams of the collector that are read at a time.
const READS: usize = 16;

/// The maximum length of messages, in octets. `datagram_size`: that of datagrams, if it is set.
pub(super) fn message_size(datagram_size: Option<usize>) -> usize {
    datagram_size.unwrap_or(LENGTH).saturating_sub(RECORD_OVERHEAD).min(::dtls::MAX_PLAINTEXT)
}

/// Opens sessions.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    context: ClientContext,
    /// The name in the collector's certificate; `None`: any certificate will do.
    name: Option<String>,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    link: Link,
    client: Client,
    batch: Batch,
    /// `nfprobe_datagram_size`.
    datagram_size: Option<usize>,
    /// When the last batch was sent.
    sent: Instant,
    received: Vec<u8>,
}

impl Dialler {
    pub(super) fn new(context: ClientContext, name: Option<String>) -> Self {
        Self { context, name }
    }

    /// Does a handshake.
    ///
    /// # Errors
    /// The collector cannot be reached, does not answer, or is not trusted.
    pub(super) fn dial(&self, target: &Target, patience: &Patience<'_>) -> io::Result<Session> {
        let link = target.link()?;
        let peer = self.name.as_deref().map_or(Peer::Anyone, Peer::Named);
        let client = Client::new(&self.context, &peer).map_err(io::Error::other)?;
        let datagram_size = target.datagram_size;
        let (batch, received) = (Batch::default(), vec![0; usize::from(u16::MAX)]);
        let mut session = Session { link, client, batch, datagram_size, sent: Instant::now(), received };
        let began = Instant::now();
        let patience = Patience { most: patience.most.min(HANDSHAKE), ..*patience };
        loop {
            session.flush()?;
            if session.client.is_open() {
                return Ok(session);
            }
            session.ended()?;
            patience.check(began).map_err(|_| {
                io::Error::new(ErrorKind::TimedOut, "the collector does not answer to the handshake")
            })?;
            session.link.wait_for_input(TICK);
            session.receive()?;
            session.client.tick();
        }
    }
}

impl Session {
    /// Sends what DTLS itself has to say.
    fn flush(&mut self) -> io::Result<()> {
        let Self { client, batch, link, .. } = self;
        client.flush(|datagram| {
            if !batch.is_full() {
                batch.push(datagram, Contents::default());
            }
        });
        let outcome = batch.send(Some(link));
        match outcome.failure {
            Some((_, error)) => Err(error),
            None if outcome.datagrams.refused > 0 => Err(ErrorKind::ConnectionRefused.into()),
            None => Ok(()),
        }
    }

    /// Reads what has arrived.
    fn receive(&mut self) -> io::Result<()> {
        for _ in 0..READS {
            match self.link.receive(&mut self.received) {
                Ok(length) => self.client.receive(self.received.get(..length).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn ended(&self) -> io::Result<()> {
        match self.client.ending() {
            Some(ending) => Err(io::Error::new(ErrorKind::ConnectionAborted, ending.to_string())),
            None => Ok(()),
        }
    }
}

impl Connection for Session {
    fn local_address(&self) -> Option<IpAddr> {
        Some(self.link.local_address()?.ip())
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        self.link.peer_address()
    }

    fn limit(&self) -> Option<usize> {
        let most = message_size(self.datagram_size);
        Some(self.link.path_limit().map_or(most, |path| path.saturating_sub(RECORD_OVERHEAD).min(most)))
    }

    fn is_old(&self, age: Duration, unused: Duration) -> bool {
        age >= LIFETIME || unused >= IDLE
    }

    fn send(
        &mut self,
        messages: &mut VecDeque<Message>,
        _patience: &Patience<'_>,
        done: &mut Done,
    ) -> io::Result<()> {
        let Self { client, batch, link, .. } = self;
        let left = BURST_TIME.saturating_sub(self.sent.elapsed());
        if !left.is_zero() {
            let _ = crossbeam_channel::after(left).recv();
        }
        self.sent = Instant::now();
        while !batch.is_full()
            && let Some(message) = messages.pop_front()
        {
            // What is too long for a record was made before the limit was known.
            if client.send(&message.octets).is_err() {
                done.datagrams.unsent += 1;
                done.unsent = done.unsent.plus(crate::probe::batch::sum(message.contents));
                continue;
            }
            let mut contents = Some(message.contents);
            client.flush(|record| {
                if !batch.is_full() {
                    batch.push(record, contents.take().unwrap_or_default());
                }
            });
        }
        let outcome = batch.send(Some(link));
        let datagrams = &mut done.datagrams;
        datagrams.sent += outcome.datagrams.sent;
        datagrams.unsent += outcome.datagrams.unsent;
        datagrams.refused += outcome.datagrams.refused;
        done.sent = done.sent.plus(outcome.sent);
        done.unsent = done.unsent.plus(outcome.unsent);
        match outcome.failure {
            Some((_, error)) => Err(error),
            // The collector has gone, and its sessions with it.
            None if outcome.datagrams.refused > 0 => Err(ErrorKind::ConnectionRefused.into()),
            None => Ok(()),
        }
    }

    fn check(&mut self) -> io::Result<()> {
        self.receive()?;
        self.flush()?;
        self.ended()
    }

    fn close(&mut self) {
        self.client.close();
        // The collector need not be there.
        let _ = self.flush();
    }
}
