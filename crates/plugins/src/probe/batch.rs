//! Datagrams that are sent together, and what becomes of them.

use crate::sink::Datagrams;
use ::probe::Contents;
use delivery::Sum;
use std::io::{self, IoSlice};
use std::time::Duration;
use udp_link::{CHUNK, Link, Report, Unsent};

/// How long a batch may wait for room in the send buffer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The flows in a datagram.
pub(super) fn sum(contents: Contents) -> Sum {
    let Contents { flows, packets, bytes } = contents;
    Sum { aggregates: flows, packets, bytes }
}

/// Up to [`CHUNK`] datagrams.
#[derive(Debug, Default)]
pub(super) struct Batch {
    octets: Vec<u8>,
    /// Where each datagram ends, and the flows in it.
    datagrams: Vec<(usize, Contents)>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) datagrams: Datagrams,
    pub(super) sent: Sum,
    pub(super) unsent: Sum,
    /// The last error.
    pub(super) failure: Option<(Unsent, io::Error)>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.datagrams.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= CHUNK
    }

    /// Adds a datagram. If the batch is full, it must be sent first.
    pub(super) fn push(&mut self, octets: &[u8], contents: Contents) {
        debug_assert!(!self.is_full());
        self.octets.extend_from_slice(octets);
        self.datagrams.push((self.octets.len(), contents));
    }

    /// Sends the datagrams, or drops them without a link. The batch is empty then.
    pub(super) fn send(&mut self, link: Option<&mut Link>) -> Outcome {
        let mut slices = [[IoSlice::new(&[])]; CHUNK];
        slices.iter_mut().zip(self.slices()).for_each(|(to, slice)| *to = [slice]);
        let datagrams = slices.get(..self.len()).unwrap_or_default();
        let outcome = send(link, datagrams, self.datagrams.iter().map(|(_, contents)| *contents));
        self.octets.clear();
        self.datagrams.clear();
        outcome
    }

    fn slices(&self) -> impl Iterator<Item = IoSlice<'_>> {
        let starts = std::iter::once(0).chain(self.datagrams.iter().map(|(end, _)| *end));
        let spans = starts.zip(&self.datagrams).map(|(start, (end, _))| start..*end);
        spans.map(|span| IoSlice::new(self.octets.get(span).unwrap_or_default()))
    }
}

/// Sends datagrams, each of `N` pieces, or drops them without a link.
pub(super) fn send<const N: usize>(
    link: Option<&mut Link>,
    datagrams: &[[IoSlice<'_>; N]],
    contents: impl Iterator<Item = Contents>,
) -> Outcome {
    let mut telling = Telling { left: contents, outcome: Outcome::default() };
    match link {
        Some(link) => link.send(datagrams, PATIENCE, &mut telling),
        None => {
            telling.outcome.datagrams.unsent = datagrams.len() as u64;
            telling.outcome.unsent = telling.next(datagrams.len());
        }
    }
    telling.outcome
}

struct Telling<I> {
    /// Datagrams that have not been reported yet.
    left: I,
    outcome: Outcome,
}

impl<I: Iterator<Item = Contents>> Telling<I> {
    fn next(&mut self, datagrams: usize) -> Sum {
        let next = self.left.by_ref().take(datagrams);
        next.fold(Sum::default(), |total, contents| total.plus(sum(contents)))
    }
}

impl<I: Iterator<Item = Contents>> Report for Telling<I> {
    fn sent(&mut self, datagrams: usize, _bytes: u64) {
        self.outcome.datagrams.sent += datagrams as u64;
        self.outcome.sent = self.outcome.sent.plus(self.next(datagrams));
    }

    fn dropped(&mut self, datagrams: usize, reason: Unsent, error: io::Error) {
        self.outcome.datagrams.unsent += datagrams as u64;
        self.outcome.unsent = self.outcome.unsent.plus(self.next(datagrams));
        self.outcome.failure = Some((reason, error));
    }

    fn refused(&mut self) {
        self.outcome.datagrams.refused += 1;
    }
}
