//! One worker's replication: from the datagrams of a batch to the sockets of receivers.

use crate::balance::Balance;
use crate::counts::{Counts, DropReason};
use crate::dissect::{Dissected, Dissector, Rebuilt};
use crate::header::Header;
use crate::limit::{Excess, Limiter};
use crate::pool::{Messages, Placed, Pools, Receiver};
use crate::rate;
use flow::part::Part;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use udp_link::{CHUNK, Link, Options, RawSockets, Report};

/// Octets of rebuilt datagrams, and number of queued replicas, from which on a batch is sent before its end.
const MAX_ARENA: usize = 4 << 20;
const MAX_QUEUED: usize = 65_536;

/// A datagram of the batch, as the worker received it.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its number in the batch.
    pub unit: u32,
    /// Its sender.
    pub source: SocketAddr,
    /// Its exporter: the sender, or the agent that it names.
    pub exporter: IpAddr,
    /// Its octets.
    pub payload: &'a [u8],
    /// When it was received: microseconds since 1970.
    pub arrival_us: u64,
}

/// Replicates the datagrams of one worker.
#[derive(Debug)]
pub struct Replicator {
    pools: Arc<Pools>,
    outputs: Outputs,
}

/// What is to be sent, and how.
#[derive(Debug)]
struct Outputs {
    options: Options,
    /// Set if the exporters' addresses are kept.
    raw: Option<RawSockets>,
    /// In the order of the receivers of all pools.
    list: Vec<Output>,
    /// State of the pools, in their order.
    states: Vec<PoolState>,
    dissector: Dissector,
    /// Rebuilt datagrams of the batch.
    arena: Vec<u8>,
    /// Replicas in all queues.
    queued: usize,
    /// A message that is being made.
    message: Vec<u8>,
    patience: Duration,
    counts: Counts,
}

/// A receiver, and what it is to be sent at the end of the batch.
#[derive(Debug)]
struct Output {
    sender: Sender,
    queue: Vec<Replica>,
}

#[derive(Debug)]
enum Sender {
    /// A socket, or nothing if it could not be opened.
    Link {
        receiver: SocketAddr,
        port: u16,
        link: Option<Link>,
    },
    Raw(SocketAddr),
    Messages(Arc<dyn Messages>),
}

/// A datagram that is to be sent.
#[derive(Clone, Copy, Debug)]
struct Replica {
    /// The number of the datagram in the batch; `None` if it is in the arena.
    unit: Option<u32>,
    /// Its place in the arena.
    start: usize,
    len: usize,
    source: SocketAddr,
}

#[derive(Debug)]
struct PoolState {
    /// The next receiver of `rr`.
    turn: usize,
    limiter: Limiter,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Replicated,
    Filtered(Option<Excess>),
}

impl Replicator {
    /// Opens the sockets for all receivers. `transparent`: the exporters' addresses are kept. `worker` is the number of the worker, so that
    /// not all workers begin with the first receiver of a pool.
    ///
    /// # Errors
    /// A raw socket cannot be opened. Receivers that cannot be reached are tried again by [`Self::reopen`].
    pub fn open(pools: Arc<Pools>, options: Options, transparent: bool, worker: usize) -> io::Result<Self> {
        let raw = if transparent { Some(RawSockets::open(&options)?) } else { None };
        let outputs = Outputs {
            options,
            raw,
            list: Vec::new(),
            states: Vec::new(),
            dissector: Dissector::default(),
            arena: Vec::new(),
            queued: 0,
            message: Vec::new(),
            patience: Duration::ZERO,
            counts: Counts::default(),
        };
        let mut replicator = Self { pools: Arc::default(), outputs };
        replicator.change(pools);
        replicator.outputs.states.iter_mut().for_each(|state| state.turn = worker);
        Ok(replicator)
    }

    /// Waits for room in send buffers: the input is a file, which can wait.
    pub fn be_patient(&mut self, patience: Duration) {
        self.outputs.patience = patience;
    }

    /// The pools.
    pub fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    /// Switches to other pools, between two batches. Sockets of receivers that stay are kept.
    pub fn change(&mut self, pools: Arc<Pools>) {
        self.outputs.change(&pools);
        self.pools = pools;
    }

    /// Tries again to open sockets that could not be opened. Returns the receivers that have none, with the reason.
    pub fn reopen(&mut self) -> Vec<(SocketAddr, io::Error)> {
        let mut failed = Vec::new();
        let Outputs { list, options, .. } = &mut self.outputs;
        for output in list {
            if let Sender::Link { receiver, port, link: link @ None } = &mut output.sender {
                match Link::open(*receiver, *port, options) {
                    Ok(opened) => *link = Some(opened),
                    Err(error) => failed.push((*receiver, error)),
                }
            }
        }
        failed
    }

    /// Whether a batch should be sent before its end.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.outputs.arena.len() >= MAX_ARENA || self.outputs.queued >= MAX_QUEUED
    }

    /// Returns and resets the counters.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.outputs.counts)
    }

    /// Takes a whole datagram with this tag; `None` if it is filtered.
    pub fn whole(&mut self, datagram: &Received<'_>, tag: Option<u64>) {
        let Self { pools, outputs } = self;
        outputs.counts.offered += 1;
        let Some(tag) = tag else { return outputs.count(Fate::Filtered(None)) };
        let mut fate = Fate::Filtered(None);
        for (number, placed) in pools.iter().enumerate() {
            if placed.pool.takes(tag) {
                fate = outputs.admit(number, datagram, fate, |this| {
                    this.queue(number, placed, datagram, tag, None);
                    true
                });
            }
        }
        outputs.count(fate);
    }

    /// Takes the records of a datagram for the pools that take their tags. `tag` has the tag of each row; `None` for rows that are filtered,
    /// which there are only if `is_filtered` is set. Records without rows have tag 0. A pool that takes everything gets the whole datagram.
    pub fn dissected(
        &mut self,
        datagram: &Received<'_>,
        parts: &[Part],
        is_filtered: bool,
        tag: impl Fn(usize) -> Option<u64>,
    ) {
        let Self { pools, outputs } = self;
        outputs.counts.offered += 1;
        let mut fate = Fate::Filtered(None);
        for (number, placed) in pools.iter().enumerate() {
            let by_tag = placed.pool.balance == Some(Balance::HashTag);
            fate = outputs.admit(number, datagram, fate, |this| {
                if placed.pool.tags.is_none() && !by_tag && !is_filtered {
                    this.queue(number, placed, datagram, 0, None);
                    return true;
                }
                // Each receiver gets other records.
                let receivers = placed.weights.len().max(1) as u64;
                let mut any = false;
                for receiver in 0..if by_tag { receivers } else { 1 } {
                    let takes = |tag| placed.pool.takes(tag) && (!by_tag || tag % receivers == receiver);
                    let wanted = |rows: Range<usize>| match rows.is_empty() {
                        true => takes(0),
                        false => rows.into_iter().filter_map(&tag).any(takes),
                    };
                    any |= this.rebuild(number, placed, datagram, parts, receiver, wanted);
                }
                any
            });
        }
        outputs.count(fate);
    }

    /// Sends what is queued. `units` are the datagrams of the batch.
    pub fn flush(&mut self, units: &[&[u8]]) {
        if self.outputs.queued > 0 {
            self.outputs.flush(units);
        }
    }
}

impl Outputs {
    /// Opens what other pools need, and keeps the sockets of receivers that stay.
    fn change(&mut self, pools: &Pools) {
        let mut before = std::mem::take(&mut self.list);
        for Placed { pool, .. } in pools.iter() {
            for receiver in &pool.receivers {
                let sender = match receiver {
                    Receiver::Messages(_, messages) => Sender::Messages(Arc::clone(messages)),
                    Receiver::Udp(receiver) if self.raw.is_some() => Sender::Raw(*receiver),
                    Receiver::Udp(receiver) => {
                        let port = pool.source_port;
                        let is_same = |output: &Output| {
                            matches!(&output.sender, Sender::Link { receiver: other, port: other_port, link: Some(_) }
                                if other == receiver && *other_port == port)
                        };
                        match before.iter().position(is_same) {
                            Some(place) => before.swap_remove(place).sender,
                            None => {
                                let link = Link::open(*receiver, port, &self.options).ok();
                                Sender::Link { receiver: *receiver, port, link }
                            }
                        }
                    }
                };
                self.list.push(Output { sender, queue: Vec::new() });
            }
        }
        let mut states = std::mem::take(&mut self.states).into_iter();
        self.states = (pools.iter())
            .map(|Placed { pool, .. }| match states.next() {
                Some(state) if state.limiter.limit() == pool.limit => state,
                _ => PoolState { turn: 0, limiter: Limiter::new(pool.limit) },
            })
            .collect();
    }

    /// Queues what a receiver of hash-tag, or all others of a pool, get of a datagram. False if it is nothing.
    fn rebuild(
        &mut self,
        number: usize,
        placed: &Placed,
        datagram: &Received<'_>,
        parts: &[Part],
        receiver: u64,
        wanted: impl FnMut(Range<usize>) -> bool,
    ) -> bool {
        let dissected = Dissected { octets: datagram.payload, parts, exporter: datagram.exporter };
        // Receivers of all pools are numbered; a pool that does not distinguish them uses the first one's number.
        let lane = u32::try_from(placed.first as u64 + receiver).unwrap_or(u32::MAX);
        let (rebuilt, left_out) = self.dissector.rebuild(&dissected, lane, &mut self.arena, wanted);
        self.counts.unreadable += left_out.unreadable;
        match rebuilt {
            Rebuilt::Nothing => return false,
            Rebuilt::Unchanged => self.queue(number, placed, datagram, receiver, None),
            Rebuilt::Changed(place) => self.queue(number, placed, datagram, receiver, Some(place)),
        }
        true
    }

    /// Applies the limits of a pool, and makes the replicas if they allow it.
    fn admit(
        &mut self,
        number: usize,
        datagram: &Received<'_>,
        fate: Fate,
        make: impl FnOnce(&mut Self) -> bool,
    ) -> Fate {
        let Some(state) = self.states.get_mut(number) else { return fate };
        match (state.limiter.check(datagram.exporter, datagram.arrival_us), fate) {
            (Ok(()), _) if make(self) => Fate::Replicated,
            (Err(excess), Fate::Filtered(_)) => Fate::Filtered(Some(excess)),
            _ => fate,
        }
    }

    fn count(&mut self, fate: Fate) {
        let counter = match fate {
            Fate::Replicated => &mut self.counts.replicated,
            Fate::Filtered(None) => &mut self.counts.filtered_tag,
            Fate::Filtered(Some(Excess::Sampling)) => &mut self.counts.filtered_sampling,
            Fate::Filtered(Some(Excess::Rate)) => &mut self.counts.filtered_rate,
        };
        *counter += 1;
    }

    /// Queues a replica for the receivers of a pool, or the one that it chooses. `place` is that of a rebuilt datagram.
    fn queue(
        &mut self,
        number: usize,
        placed: &Placed,
        datagram: &Received<'_>,
        tag: u64,
        place: Option<Range<usize>>,
    ) {
        let Placed { pool, first, weights } = placed;
        let place = match pool.limit.sampling {
            Some(rate) => self.at_rate(datagram, place, rate.get()),
            None => place,
        };
        let replica = match place {
            None => Replica {
                unit: Some(datagram.unit),
                start: 0,
                len: datagram.payload.len(),
                source: datagram.source,
            },
            Some(place) => Replica { unit: None, start: place.start, len: place.len(), source: datagram.source },
        };
        let receivers = match (pool.balance, self.states.get_mut(number)) {
            (Some(balance), Some(state)) => {
                let chosen = balance.choose(weights, datagram.exporter, tag, &mut state.turn);
                first + chosen..first + chosen + 1
            }
            _ => *first..first + weights.len(),
        };
        let outputs = self.list.get_mut(receivers).unwrap_or_default();
        self.counts.replicas += outputs.len() as u64;
        self.counts.rebuilt += if replica.unit.is_none() { outputs.len() as u64 } else { 0 };
        self.queued += outputs.len();
        outputs.iter_mut().for_each(|output| output.queue.push(replica));
    }

    /// A datagram of a sampled pool, with its sampling rate multiplied if it has one, in the arena.
    fn at_rate(&mut self, datagram: &Received<'_>, place: Option<Range<usize>>, by: u32) -> Option<Range<usize>> {
        let start = self.arena.len();
        let copy = place.clone().unwrap_or_else(|| {
            self.arena.extend_from_slice(datagram.payload);
            start..self.arena.len()
        });
        if self.arena.get_mut(copy.clone()).is_some_and(|octets| rate::multiply(octets, by)) {
            return Some(copy);
        }
        if place.is_none() {
            self.arena.truncate(start);
        }
        place
    }

    fn flush(&mut self, units: &[&[u8]]) {
        let Self { options, list, arena, raw, message, patience, counts, .. } = self;
        let octets = |replica: &Replica| match replica.unit {
            Some(unit) => units.get(unit as usize).copied().unwrap_or_default(),
            None => arena.get(replica.start..replica.start + replica.len).unwrap_or_default(),
        };
        for Output { sender, queue } in list {
            match sender {
                Sender::Link { link: Some(link), .. } => {
                    let mut slices = [[IoSlice::new(&[])]; CHUNK];
                    for chunk in queue.chunks(CHUNK) {
                        for (slice, replica) in slices.iter_mut().zip(chunk) {
                            *slice = [IoSlice::new(octets(replica))];
                        }
                        link.send(slices.get(..chunk.len()).unwrap_or_default(), *patience, counts);
                    }
                }
                Sender::Link { link: None, .. } => counts.drop(DropReason::Unreachable, queue.len() as u64),
                Sender::Raw(receiver) => {
                    if let Some(raw) = raw {
                        send_raw(raw, *receiver, options.tos.unwrap_or(0), queue, octets, *patience, counts);
                    }
                }
                Sender::Messages(messages) => {
                    queue.iter().for_each(|replica| {
                        send_message(&**messages, replica.source, octets(replica), message, counts);
                    });
                    counts.refused += messages.take_refused();
                }
            }
            queue.clear();
        }
        self.queued = 0;
        self.arena.clear();
    }
}

/// Sends the replicas of a receiver that sees the exporters' addresses.
fn send_raw<'a>(
    raw: &RawSockets,
    receiver: SocketAddr,
    tos: u8,
    queue: &[Replica],
    octets: impl Fn(&Replica) -> &'a [u8],
    patience: Duration,
    counts: &mut Counts,
) {
    let mut headers = [Header::EMPTY; CHUNK];
    for chunk in queue.chunks(CHUNK) {
        for (header, replica) in headers.iter_mut().zip(chunk) {
            *header = match packet_header(replica.source, receiver, tos, octets(replica)) {
                Ok(header) => header,
                Err(reason) => {
                    counts.drop(reason, 1);
                    Header::EMPTY
                }
            };
        }
        let packets = headers.iter().zip(chunk).filter(|(header, _)| **header != Header::EMPTY);
        let packets: Vec<[IoSlice<'_>; 2]> = packets
            .map(|(header, replica)| [IoSlice::new(header.octets()), IoSlice::new(octets(replica))])
            .collect();
        raw.send(receiver, &packets, patience, counts);
    }
}

/// The headers of a packet, or why there are none.
fn packet_header(source: SocketAddr, receiver: SocketAddr, tos: u8, payload: &[u8]) -> Result<Header, DropReason> {
    if source.is_ipv4() != receiver.is_ipv4() {
        return Err(DropReason::Family);
    }
    Header::packet(source, receiver, tos, payload).ok_or(DropReason::TooLong)
}

/// Sends a replica as a message.
fn send_message(
    messages: &dyn Messages,
    source: SocketAddr,
    payload: &[u8],
    message: &mut Vec<u8>,
    counts: &mut Counts,
) {
    let Some(header) = Header::message(source, payload) else { return counts.drop(DropReason::TooLong, 1) };
    message.clear();
    message.extend_from_slice(header.octets());
    message.extend_from_slice(payload);
    if messages.send(message) {
        counts.sent(1, payload.len() as u64);
    } else {
        counts.drop(DropReason::Queue, 1);
    }
}

#[cfg(test)]
mod tests;
