//! Sends datagrams to one collector over UDP, in batches.
//!
//! Datagrams gather until a batch is full or the probe has nothing more to send at the moment. A batch takes one system call or few
//! ([`udp_link`]), and each of its datagrams is counted as sent or not, with its flows.
//!
//! The name of the collector is resolved at the start, and again while sending fails. UDP reports little: that no program listens
//! is reported by ICMP with the next datagram, which is then sent once more; the datagrams before it may be lost.
//!
//! Datagrams fit into the MTU of the path as far as the kernel knows it. If routers report a smaller one, the kernel fragments
//! the datagrams that are longer, and later ones are shorter.

use super::batch::{self, Batch, Outcome};
use super::target::Target;
use crate::sink::{Accounting, DropReason};
use ::probe::agent::PIECES;
use ::probe::{Contents, Datagram};
use runtime::log::Limited;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tracing::{info, warn};
use udp_link::{CHUNK, Link, Unsent};

/// Maximum length of datagrams over IPv4: an Ethernet frame without the headers of IP and UDP.
const IPV4_LENGTH: usize = 1500 - 28;
/// The same over IPv6.
const IPV6_LENGTH: usize = 1500 - 48;
/// Minimum time between two attempts to reach the collector.
const RETRY: Duration = Duration::from_secs(10);
/// The time of a batch, at least, if the pace is limited, so that a collector's default buffer holds what is sent in a row.
const BURST_TIME: Duration = Duration::from_millis(4);

/// How fast datagrams are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as they come.
    Free,
    /// In bursts, with pauses between them.
    Limited,
}

/// Sends to one collector.
pub(super) struct Sender {
    target: Target,
    link: Option<Link>,
    batch: Batch,
    /// Maximum length of datagrams, in octets.
    limit: usize,
    /// When the next attempt to connect may be made.
    retry: Instant,
    failing: Limited,
    pace: Pace,
    /// Datagrams of the burst.
    burst: usize,
    /// When the burst began.
    began: Instant,
    accounting: Accounting,
}

impl Sender {
    /// Connects to the collector; if that fails, datagrams are lost until it succeeds.
    pub(super) fn new(target: Target, pace: Pace, accounting: Accounting) -> Self {
        let now = Instant::now();
        let mut sender = Self {
            limit: target.datagram_size.unwrap_or(IPV4_LENGTH),
            target,
            link: None,
            batch: Batch::default(),
            retry: now,
            failing: Limited::new(RETRY),
            pace,
            burst: 0,
            began: now,
            accounting,
        };
        sender.connect();
        sender
    }

    /// The maximum length of datagrams, in octets. It may change whenever a batch has been sent.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The address that datagrams come from.
    pub(super) fn local_address(&self) -> Option<IpAddr> {
        Some(self.link.as_ref()?.local_address()?.ip())
    }

    /// What is counted.
    pub(super) fn accounting(&mut self) -> &mut Accounting {
        &mut self.accounting
    }

    /// Takes a datagram, and sends the batch if it is full.
    pub(super) fn push(&mut self, datagram: Datagram<'_>) {
        self.batch.push(datagram.octets, datagram.contents);
        if self.batch.is_full() {
            self.flush();
        }
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self) {
        let count = self.batch.len();
        if count > 0 {
            self.reach();
            let outcome = self.batch.send(self.link.as_mut());
            self.settle(count, outcome);
        }
    }

    /// Sends datagrams in pieces, with the samples in them, at once.
    pub(super) fn send<'a>(&mut self, datagrams: impl Iterator<Item = ([&'a [u8]; PIECES], Contents)>) {
        let mut datagrams = datagrams.peekable();
        while datagrams.peek().is_some() {
            let mut slices = [[IoSlice::new(&[]); PIECES]; CHUNK];
            let mut contents = [Contents::default(); CHUNK];
            let mut count = 0;
            // Not more datagrams than places are taken from the iterator.
            for ((slice, content), (pieces, samples)) in slices.iter_mut().zip(&mut contents).zip(&mut datagrams) {
                (*slice, *content) = (pieces.map(IoSlice::new), samples);
                count += 1;
            }
            self.reach();
            let slices = slices.get(..count).unwrap_or_default();
            let outcome = batch::send(self.link.as_mut(), slices, contents.into_iter());
            self.settle(count, outcome);
        }
    }

    /// Tries again to connect, if there is no connection.
    fn reach(&mut self) {
        if self.link.is_none() && Instant::now() >= self.retry {
            self.connect();
        }
    }

    /// Counts what became of datagrams.
    fn settle(&mut self, count: usize, outcome: Outcome) {
        let Outcome { datagrams, sent, unsent, failure } = outcome;
        self.accounting.handed(sent.aggregates + unsent.aggregates);
        self.accounting.datagrams(datagrams);
        self.accounting.written(sent.aggregates);
        self.accounting.dropped(unsent, DropReason::Refused);
        match failure {
            Some((reason, error)) => self.failed(reason, &error),
            // The name may belong to another host by now.
            None if datagrams.refused > 0 && Instant::now() >= self.retry => self.moved(),
            None => {}
        }
        self.measure();
        self.pause(count);
    }

    fn connect(&mut self) {
        self.retry = Instant::now() + RETRY;
        let Target { host, port, key, .. } = &self.target;
        match self.target.link() {
            Ok(link) => {
                if let Some(collector) = link.peer_address() {
                    info!("{key}: sending to {collector}");
                }
                self.link = Some(link);
                self.measure();
            }
            Err(error) => {
                if let Some(pass) = self.failing.pass() {
                    let held_back = pass.held_back;
                    warn!(
                        held_back,
                        "{key}: cannot send to {host}:{port}: {error}; retrying every {} seconds",
                        RETRY.as_secs()
                    );
                }
            }
        }
    }

    /// The kernel did not take a datagram.
    fn failed(&mut self, reason: Unsent, error: &io::Error) {
        if let Some(pass) = self.failing.pass() {
            let (held_back, Target { host, port, key, .. }) = (pass.held_back, &self.target);
            warn!(held_back, "{key}: sending to {host}:{port} failed: {error}");
        }
        if !matches!(reason, Unsent::TooLong | Unsent::Buffer) && Instant::now() >= self.retry {
            self.connect();
        }
    }

    /// Resolves the collector again, and connects to its address if that has changed.
    fn moved(&mut self) {
        self.retry = Instant::now() + RETRY;
        let current = self.link.as_ref().and_then(Link::peer_address);
        if self.target.resolve().is_ok_and(|addresses| !addresses.iter().any(|address| Some(*address) == current))
        {
            self.connect();
        }
    }

    /// Adapts the length of datagrams to the path.
    fn measure(&mut self) {
        let Some(link) = &mut self.link else { return };
        let most = self.target.datagram_size.unwrap_or(if link.is_v4() { IPV4_LENGTH } else { IPV6_LENGTH });
        let limit = link.path_limit().map_or(most, |path| path.min(most));
        if limit < self.limit {
            // Segments of the old length were too long for the path.
            link.segment_again();
        }
        self.limit = limit;
    }

    /// Ends a burst.
    fn pause(&mut self, datagrams: usize) {
        if self.pace == Pace::Free {
            return;
        }
        self.burst += datagrams;
        if self.burst >= CHUNK {
            self.burst = 0;
            let left = BURST_TIME.saturating_sub(self.began.elapsed());
            if !left.is_zero() {
                let _ = crossbeam_channel::after(left).recv();
            }
            self.began = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::{Counter, Counters};
    use std::net::UdpSocket;

    fn target(port: u16) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port,
            source: None,
            hop_limit: Some(3),
            precedence: 5,
            datagram_size: None,
            key: "nfprobe_receiver",
        }
    }

    fn sender(target: Target) -> (Sender, stats::Reader) {
        let counters = Counters::new();
        let reader = counters.reader();
        (Sender::new(target, Pace::Free, Accounting::new(counters)), reader)
    }

    fn send(sender: &mut Sender, octets: &[u8], flows: u64) {
        sender.push(Datagram {
            octets,
            contents: Contents { flows, packets: flows * 2, bytes: flows * 100 },
            units: 1,
        });
    }

    #[test]
    fn a_collector_that_comes_back_receives_again() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = collector.local_addr().unwrap().port();
        let (mut sender, reader) = sender(target(port));
        send(&mut sender, b"one", 1);
        sender.flush();
        assert_eq!(reader.read(Counter::DatagramsSent), 1);
        drop(collector);
        for _ in 0..3 {
            send(&mut sender, b"lost", 1);
            sender.flush();
        }
        assert!(reader.read(Counter::DatagramsRefused) > 0);
        let collector = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        send(&mut sender, b"two", 1);
        sender.flush();
        let mut octets = [0; 10];
        let (length, from) = collector.recv_from(&mut octets).unwrap();
        assert_eq!((&octets[..length], from.ip()), (&b"two"[..], sender.local_address().unwrap()));
    }

    #[test]
    fn a_name_that_does_not_exist_costs_datagrams_only() {
        let (mut sender, reader) = sender(Target { host: "host.invalid".to_owned(), ..target(9) });
        send(&mut sender, b"lost", 3);
        send(&mut sender, b"lost", 4);
        sender.flush();
        let read = |counter| reader.read(counter);
        assert_eq!((read(Counter::DatagramsUnsent), read(Counter::AggregatesDroppedRefused)), (2, 7));
        assert_eq!((read(Counter::AggregatesDroppedPackets), read(Counter::AggregatesHanded)), (14, 7));
    }

    #[test]
    fn each_datagram_of_a_batch_is_counted_with_its_flows() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut sender, reader) = sender(target(collector.local_addr().unwrap().port()));
        send(&mut sender, b"sent", 1);
        send(&mut sender, &[0; 70_000], 20);
        send(&mut sender, b"sent", 300);
        sender.flush();
        let read = |counter| reader.read(counter);
        assert_eq!((read(Counter::DatagramsSent), read(Counter::DatagramsUnsent)), (2, 1));
        assert_eq!((read(Counter::AggregatesWritten), read(Counter::AggregatesDroppedRefused)), (301, 20));
    }

    #[test]
    fn a_full_batch_is_sent_at_once() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut sender, reader) = sender(target(collector.local_addr().unwrap().port()));
        (0..CHUNK + 1).for_each(|_| send(&mut sender, b"octets", 1));
        assert_eq!(reader.read(Counter::DatagramsSent), CHUNK as u64);
    }
}
