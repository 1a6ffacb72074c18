//! The TCP streams in a capture file, one for each direction of a connection.
//!
//! Segments are put in order; what was sent again is delivered once. A stream that begins without a SYN begins with its first segment. If
//! octets are missing and too many later ones wait for them, the stream ends there: protocols on top of it have lost their framing.

use super::{Error, Settings, Source};
use packet::Packet;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

/// Maximum number of octets of a stream that wait for earlier ones.
const MAX_WAITING: usize = 1 << 20;
/// Maximum number of streams at a time; beyond it, new ones are ignored.
const MAX_STREAMS: usize = 65_536;
const TCP: u8 = 6;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId {
    /// The sender.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
}

/// What happens to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// Its first segment. The same addresses may have had a stream before.
    Opened,
    /// The next octets.
    Data(&'a [u8]),
    /// Its end, or its connection was reset.
    Closed,
    /// Octets are missing in the file, and the rest of the stream is not delivered.
    Broken,
}

/// The streams of a file.
#[derive(Debug)]
pub struct Streams {
    source: Source,
    streams: HashMap<StreamId, Stream>,
}

impl Streams {
    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened, or is not a capture file.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { source: Source::open(settings)?, streams: HashMap::new() })
    }

    /// Reads the next frame and passes what it adds to a stream to `take`, with the time at which it was captured, in microseconds since
    /// 1970. Returns false at the end of the file.
    ///
    /// # Errors
    /// The errors of [`Source::next_frame`].
    pub fn advance(&mut self, mut take: impl FnMut(StreamId, u64, StreamEvent<'_>)) -> Result<bool, Error> {
        let Some(frame) = self.source.next_frame()? else { return Ok(false) };
        let packet = packet::decode(frame.link, frame.octets);
        let Some(segment) = Segment::of(&packet) else { return Ok(true) };
        let id = segment.id;
        let known = self.streams.contains_key(&id);
        // A new connection between the same ports begins a new stream.
        let begins = !known || segment.has(SYN) && self.streams.get(&id).is_some_and(|s| s.is_over(&segment));
        if begins {
            if !known && self.streams.len() >= MAX_STREAMS || segment.is_without_data() {
                return Ok(true);
            }
            let old = self.streams.insert(id, Stream::new(&segment));
            if old.is_some_and(|old| !old.ended) {
                take(id, frame.time_us, StreamEvent::Closed);
            }
            take(id, frame.time_us, StreamEvent::Opened);
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.add(&segment, &mut |event| take(id, frame.time_us, event));
        }
        Ok(true)
    }
}

/// A segment of one direction.
struct Segment<'a> {
    id: StreamId,
    sequence: u32,
    flags: u8,
    payload: &'a [u8],
    /// The frame has not all of it.
    truncated: bool,
}

impl<'a> Segment<'a> {
    fn of(packet: &Packet<'a>) -> Option<Self> {
        let ip = packet.ip.filter(|ip| ip.protocol == TCP && !ip.is_later_fragment())?;
        let (l3, l4) = (packet.offsets.l3?, packet.offsets.l4?);
        let octets = packet.frame.get(l4..)?;
        let [s0, s1, d0, d1, n0, n1, n2, n3, _, _, _, _, offset, flags] = *octets.first_chunk()?;
        let header = usize::from(offset >> 4) * 4;
        let length = usize::try_from(ip.length).ok()?.checked_sub(l4.checked_sub(l3)?)?.checked_sub(header)?;
        let rest = octets.get(header..)?;
        Some(Self {
            id: StreamId {
                source: SocketAddr::new(ip.source.to_canonical(), u16::from_be_bytes([s0, s1])),
                destination: SocketAddr::new(ip.destination.to_canonical(), u16::from_be_bytes([d0, d1])),
            },
            sequence: u32::from_be_bytes([n0, n1, n2, n3]),
            flags,
            payload: rest.get(..length).unwrap_or(rest),
            truncated: rest.len() < length,
        })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn is_without_data(&self) -> bool {
        self.payload.is_empty() && !self.has(SYN)
    }
}

/// The state of a stream.
#[derive(Debug)]
struct Stream {
    /// The sequence number of the first segment.
    began: u32,
    /// The next octet that is to be delivered.
    next: u32,
    /// Later octets, by their distance to `began` with all wraps of the sequence number.
    waiting: BTreeMap<u64, Vec<u8>>,
    waiting_octets: usize,
    /// Octets delivered.
    delivered: u64,
    /// Where the stream ends.
    end: Option<u64>,
    ended: bool,
}

impl Stream {
    fn new(segment: &Segment<'_>) -> Self {
        let next = segment.sequence.wrapping_add(u32::from(segment.has(SYN)));
        Self {
            began: segment.sequence,
            next,
            waiting: BTreeMap::new(),
            waiting_octets: 0,
            delivered: 0,
            end: None,
            ended: false,
        }
    }

    /// Whether a SYN is that of another connection, not a repetition.
    fn is_over(&self, syn: &Segment<'_>) -> bool {
        self.began != syn.sequence
    }

    fn add(&mut self, segment: &Segment<'_>, take: &mut dyn FnMut(StreamEvent<'_>)) {
        if self.ended {
            return;
        }
        if segment.has(RST) {
            self.ended = true;
            take(StreamEvent::Closed);
            return;
        }
        let first = segment.sequence.wrapping_add(u32::from(segment.has(SYN)));
        // Within half the space of sequence numbers, a lower number is a repetition (RFC 9293 section 3.4).
        let ahead = first.wrapping_sub(self.next);
        let is_ahead = ahead < 1 << 31;
        let (at, payload) = match is_ahead {
            true => (self.delivered + u64::from(ahead), segment.payload),
            false => {
                let known = usize::try_from(self.next.wrapping_sub(first)).unwrap_or(usize::MAX);
                (self.delivered, segment.payload.get(known..).unwrap_or_default())
            }
        };
        if segment.has(FIN) && (is_ahead || !payload.is_empty()) {
            self.end = Some(at + payload.len() as u64);
        }
        if at == self.delivered {
            self.deliver(payload, take);
        } else if !payload.is_empty() {
            self.waiting_octets += payload.len();
            if let Some(old) = self.waiting.insert(at, payload.to_vec()) {
                self.waiting_octets -= old.len();
            }
        }
        self.deliver_waiting(take);
        if self.end == Some(self.delivered) {
            self.ended = true;
            take(StreamEvent::Closed);
        } else if self.waiting_octets > MAX_WAITING || segment.truncated {
            self.ended = true;
            self.waiting.clear();
            take(StreamEvent::Broken);
        }
    }

    fn deliver(&mut self, payload: &[u8], take: &mut dyn FnMut(StreamEvent<'_>)) {
        if !payload.is_empty() {
            self.delivered += payload.len() as u64;
            // A segment has fewer octets than there are sequence numbers.
            self.next = self.next.wrapping_add(payload.len() as u32);
            take(StreamEvent::Data(payload));
        }
    }

    fn deliver_waiting(&mut self, take: &mut dyn FnMut(StreamEvent<'_>)) {
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() <= self.delivered
        {
            let (at, octets) = entry.remove_entry();
            self.waiting_octets -= octets.len();
            let known = usize::try_from(self.delivered - at).unwrap_or(usize::MAX);
            if let Some(payload) = octets.get(known..) {
                self.deliver(payload, take);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> StreamId {
        StreamId { source: "192.0.2.1:1000".parse().unwrap(), destination: "192.0.2.2:179".parse().unwrap() }
    }

    fn segment(sequence: u32, flags: u8, payload: &[u8]) -> Segment<'_> {
        Segment { id: id(), sequence, flags, payload, truncated: false }
    }

    /// What a stream delivers, and how it ends.
    fn run(segments: &[Segment<'_>]) -> (Vec<u8>, Option<&'static str>) {
        let (mut octets, mut end) = (Vec::new(), None);
        let mut stream = Stream::new(&segments[0]);
        for segment in segments {
            stream.add(segment, &mut |event| match event {
                StreamEvent::Data(data) => octets.extend_from_slice(data),
                StreamEvent::Closed => end = Some("closed"),
                StreamEvent::Broken => end = Some("broken"),
                StreamEvent::Opened => {}
            });
        }
        (octets, end)
    }

    #[test]
    fn segments_are_put_in_order_and_repetitions_are_dropped() {
        let near_wrap = u32::MAX - 2;
        let segments = [
            segment(near_wrap, SYN, b""),
            segment(near_wrap.wrapping_add(1), 0, b"ab"),
            segment(near_wrap.wrapping_add(5), 0, b"ef"),
            segment(near_wrap.wrapping_add(1), 0, b"abc"),
            segment(near_wrap.wrapping_add(4), 0, b"d"),
            segment(near_wrap.wrapping_add(7), FIN, b"g"),
            segment(near_wrap.wrapping_add(8), 0, b"after"),
        ];
        assert_eq!(run(&segments), (b"abcdefg".to_vec(), Some("closed")));
    }

    #[test]
    fn a_stream_ends_where_octets_are_missing() {
        let much = vec![0; 60_000];
        let mut segments = vec![segment(1, 0, b"ab")];
        segments.extend((0..20).map(|number| segment(100 + 60_000 * number, 0, &much)));
        assert_eq!(run(&segments), (b"ab".to_vec(), Some("broken")));
        assert_eq!(run(&[segment(1, 0, b"ab"), segment(3, RST, b"")]), (b"ab".to_vec(), Some("closed")));
    }

    proptest! {
        #[test]
        fn any_order_of_overlapping_segments_gives_the_octets(
            octets in proptest::collection::vec(any::<u8>(), 1..400),
            first in any::<u32>(),
            pieces in proptest::collection::vec((0usize..400, 1usize..80), 0..40),
        ) {
            let piece = |at: usize, length: usize| {
                let at = at.min(octets.len());
                let end = (at + length).min(octets.len());
                segment(first.wrapping_add(at as u32), 0, &octets[at..end])
            };
            let mut segments = vec![segment(first.wrapping_sub(1), SYN, b"")];
            segments.extend(pieces.iter().map(|(at, length)| piece(*at, *length)));
            // Everything is sent again in the end.
            segments.extend((0..octets.len()).step_by(50).map(|at| piece(at, 50)));
            prop_assert_eq!(run(&segments).0, octets.clone());
        }
    }
}
