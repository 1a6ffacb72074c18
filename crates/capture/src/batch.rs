//! Batches of datagrams, with their sources and times of arrival.
//!
//! A batch has [`SLOTS`] slots, each with room for the longest datagram. That is 4 MiB of address space but not of memory: the
//! kernel allocates a page when it is first written. A worker whose exporters send at most the usual 1500 bytes uses little more
//! than 64 pages; after datagrams of 64 KiB, a worker keeps the pages that those touched.

use std::iter::FusedIterator;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Slots of a batch. 256 slots were not faster when measured.
pub const SLOTS: usize = 64;

/// Bytes of the longest datagram that fits: the length fields of IP and UDP allow no more.
pub const MAX_DATAGRAM: usize = 65_535;

/// Distance between slots.
const STRIDE: usize = MAX_DATAGRAM + 1;

/// One datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender; IPv4 as IPv4, even if received by a socket for both.
    pub source: SocketAddr,
    /// The payload of UDP.
    pub payload: &'a [u8],
    /// True when the datagram was longer than `payload`.
    pub truncated: bool,
    /// When it was received: microseconds since 1970.
    pub arrival_us: u64,
    /// Number of its transport session, as of TCP; 0 without one.
    pub session: u64,
}

/// The content of a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) source: SocketAddr,
    /// Used bytes of the slot.
    pub(crate) len: usize,
    /// Bytes of each datagram in the slot, the last of which may be shorter. The kernel joins datagrams of the same
    /// sender and length if requested (`UDP_GRO`). Equal to `len` when there is one.
    pub(crate) segment: usize,
    pub(crate) truncated: bool,
}

impl Slot {
    pub(crate) const EMPTY: Self = Self {
        source: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        len: 0,
        segment: 0,
        truncated: false,
    };

    fn datagrams(&self) -> usize {
        // An empty datagram counts as well.
        self.len
            .checked_div(self.segment)
            .map_or(1, |whole| whole + usize::from(!self.len.is_multiple_of(self.segment)))
    }
}

/// Received datagrams and their memory; created once per worker and reused.
pub struct Batch {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    used: usize,
    datagrams: usize,
    arrival_us: u64,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self {
            // The kernel provides zeroed memory of this size without touching it.
            bytes: vec![0; SLOTS * STRIDE],
            slots: vec![Slot::EMPTY; SLOTS],
            used: 0,
            datagrams: 0,
            arrival_us: 0,
        }
    }

    /// Number of datagrams.
    pub fn len(&self) -> usize {
        self.datagrams
    }

    /// True if it has no datagram.
    pub fn is_empty(&self) -> bool {
        self.datagrams == 0
    }

    /// True if all slots are used: there may be more to receive.
    pub fn is_full(&self) -> bool {
        self.used == self.slots.len()
    }

    /// When its datagrams were received: microseconds since 1970, read once for all of them.
    pub fn arrival_us(&self) -> u64 {
        self.arrival_us
    }

    /// Removes the datagrams and keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
        self.datagrams = 0;
    }

    /// The datagrams in the order they were received.
    pub fn iter(&self) -> Datagrams<'_> {
        Datagrams {
            slots: self.slots.get(..self.used).unwrap_or_default().iter().zip(self.bytes.chunks_exact(STRIDE)),
            current: None,
            arrival_us: self.arrival_us,
        }
    }

    /// Sets the time of arrival of the whole batch.
    pub fn set_arrival_us(&mut self, arrival_us: u64) {
        self.arrival_us = arrival_us;
    }

    /// Appends a datagram, of which at most [`MAX_DATAGRAM`] bytes are kept. Returns false if all slots are used.
    pub fn push(&mut self, source: SocketAddr, payload: &[u8], truncated: bool) -> bool {
        let room = self.bytes.get_mut(self.used * STRIDE..).and_then(|bytes| bytes.get_mut(..MAX_DATAGRAM));
        let (Some(slot), Some(room)) = (self.slots.get_mut(self.used), room) else {
            return false;
        };
        let len = payload.len().min(MAX_DATAGRAM);
        if let Some((to, from)) = room.get_mut(..len).zip(payload.get(..len)) {
            to.copy_from_slice(from);
        }
        *slot = Slot { source, len, segment: len, truncated: truncated || len < payload.len() };
        self.used += 1;
        self.datagrams += 1;
        true
    }

    /// Lets `receive` fill the slots from the first on: it gets the memory in pieces of [`STRIDE`] bytes and the
    /// slots, and returns the number of filled slots.
    pub(crate) fn fill<E>(
        &mut self,
        receive: impl FnOnce(std::slice::ChunksExactMut<'_, u8>, &mut [Slot]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.clear();
        let filled = receive(self.bytes.chunks_exact_mut(STRIDE), &mut self.slots)?;
        self.used = filled.min(self.slots.len());
        self.datagrams = self.slots.get(..self.used).unwrap_or_default().iter().map(Slot::datagrams).sum();
        Ok(self.datagrams)
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Datagram<'a>;
    type IntoIter = Datagrams<'a>;

    fn into_iter(self) -> Datagrams<'a> {
        self.iter()
    }
}

/// The datagrams of a batch.
#[derive(Clone, Debug)]
pub struct Datagrams<'a> {
    slots: std::iter::Zip<std::slice::Iter<'a, Slot>, std::slice::ChunksExact<'a, u8>>,
    /// The slot whose datagrams are being returned, and its remaining bytes.
    current: Option<(&'a Slot, &'a [u8])>,
    arrival_us: u64,
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = Datagram<'a>;

    fn next(&mut self) -> Option<Datagram<'a>> {
        let (slot, bytes) = match self.current.take() {
            Some(current) => current,
            None => {
                let (slot, bytes) = self.slots.next()?;
                (slot, bytes.get(..slot.len)?)
            }
        };
        let (payload, rest) = bytes.split_at_checked(slot.segment).unwrap_or((bytes, &[]));
        if !rest.is_empty() && !payload.is_empty() {
            self.current = Some((slot, rest));
        }
        Some(Datagram {
            source: slot.source,
            payload,
            truncated: slot.truncated && rest.is_empty(),
            arrival_us: self.arrival_us,
            session: 0,
        })
    }
}

impl FusedIterator for Datagrams<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 2055))
    }

    #[test]
    fn returns_pushed_datagrams_in_order() {
        let mut batch = Batch::new();
        for n in 0..u8::try_from(SLOTS).unwrap() {
            assert!(batch.push(source(n), &[n; 3], false));
        }
        assert!(!batch.push(source(1), b"one too many", false));
        assert_eq!(batch.len(), SLOTS);
        for (n, datagram) in (0u8..).zip(&batch) {
            assert_eq!((datagram.source, datagram.payload), (source(n), &[n; 3][..]));
        }
        batch.clear();
        assert!(batch.is_empty());
        assert_eq!(batch.iter().count(), 0);
    }

    #[test]
    fn keeps_empty_datagrams_and_marks_overlong_ones_as_truncated() {
        let mut batch = Batch::new();
        batch.push(source(1), &[], false);
        batch.push(source(2), &vec![7; MAX_DATAGRAM + 1], false);
        let got: Vec<_> = batch.iter().map(|d| (d.payload.len(), d.truncated)).collect();
        assert_eq!(got, [(0, false), (MAX_DATAGRAM, true)]);
    }

    #[test]
    fn joined_datagrams_are_split() {
        let mut batch = Batch::new();
        let datagrams = batch
            .fill(|mut bytes, slots| {
                bytes.next().unwrap()[..10].copy_from_slice(b"aaaabbbbcc");
                bytes.next().unwrap()[..4].copy_from_slice(b"dddd");
                slots[0] = Slot { source: source(1), len: 10, segment: 4, truncated: false };
                slots[1] = Slot { source: source(2), len: 4, segment: 4, truncated: false };
                Ok::<_, ()>(2)
            })
            .unwrap();
        assert_eq!((datagrams, batch.len()), (4, 4));
        let got: Vec<_> = batch.iter().map(|d| (d.source, d.payload)).collect();
        let one: [(_, &[u8]); 4] =
            [(source(1), b"aaaa"), (source(1), b"bbbb"), (source(1), b"cc"), (source(2), b"dddd")];
        assert_eq!(got, one);
    }
}
