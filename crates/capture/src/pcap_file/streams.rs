//! The TCP streams in a capture file, one for each direction of a connection.
//!
//! Segments are put in order; what was sent again is delivered once. A stream that begins without a SYN begins with its first segment. Where
//! octets are missing in the file, the stream continues behind them, after an event that says how many they are.

use super::{Error, Settings, Source};
use packet::Packet;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

/// Limit on the memory of a stream's octets that wait for earlier ones. Beyond it, the earlier ones are missing.
const MAX_WAITING: usize = 1 << 20;
/// Limit for all streams together.
const MAX_WAITING_IN_ALL: usize = 64 << 20;
/// Memory of a segment that waits, besides its octets.
const SEGMENT: usize = 64;
/// Maximum number of streams at a time; beyond it, new ones are ignored.
const MAX_STREAMS: usize = 65_536;
const TCP: u8 = 6;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    Opened {
        /// The start of the connection was captured.
        from_start: bool,
    },
    /// The next octets, as one segment has them.
    Data(&'a [u8]),
    /// So many octets are missing in the file. Those behind them follow.
    Missing(u64),
    /// Its end, or its connection was reset.
    Closed,
}

/// The streams of a file.
#[derive(Debug)]
pub struct Streams {
    source: Source,
    open: OpenStreams,
    /// When the last frame was captured.
    time_us: u64,
}

impl Streams {
    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened, or is not a capture file.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { source: Source::open(settings)?, open: OpenStreams::default(), time_us: 0 })
    }

    /// Reads the next frame and passes what it adds to a stream to `take`, with the time at which it was captured, in microseconds since
    /// 1970. Returns false at the end of the file.
    ///
    /// # Errors
    /// The errors of [`Source::next_frame`].
    pub fn advance(&mut self, mut take: impl FnMut(StreamId, u64, StreamEvent<'_>)) -> Result<bool, Error> {
        let frame = match self.source.next_frame() {
            Ok(Some(frame)) => frame,
            ended => {
                let time_us = self.time_us;
                self.open.finish(&mut |id, event| take(id, time_us, event));
                return ended.map(|_| false);
            }
        };
        self.time_us = frame.time_us;
        let packet = packet::decode(frame.link, frame.octets);
        self.open.add(&packet, &mut |id, event| take(id, frame.time_us, event));
        Ok(true)
    }

    /// Segments of connections that were ignored because there were too many connections at a time.
    pub fn ignored(&self) -> u64 {
        self.open.ignored
    }
}

/// The streams that have begun.
#[derive(Debug, Default)]
pub(super) struct OpenStreams {
    streams: HashMap<StreamId, Stream>,
    /// Memory of what waits in all of them.
    waiting: usize,
    /// Segments of streams beyond the limit.
    pub(super) ignored: u64,
}

/// Takes what happens.
pub(super) type Take<'t> = &'t mut dyn FnMut(StreamId, StreamEvent<'_>);

impl OpenStreams {
    /// Adds a packet, if it is a TCP segment.
    pub(super) fn add(&mut self, packet: &Packet<'_>, take: Take<'_>) {
        if let Some(segment) = Segment::of(packet) {
            self.segment(&segment, take);
        }
    }

    fn segment(&mut self, segment: &Segment<'_>, take: Take<'_>) {
        let id = segment.id;
        let known = self.streams.get(&id);
        // A new connection between the same ports begins a new stream.
        if known.is_none_or(|known| segment.has(SYN) && known.is_over(segment)) {
            if segment.is_without_data() {
                return;
            }
            if known.is_none() && !self.has_room() {
                self.ignored += 1;
                return;
            }
            if let Some(mut old) = self.streams.insert(id, Stream::new(segment)) {
                self.waiting -= old.waiting_bytes;
                old.finish(&mut |event| take(id, event));
                if !old.ended {
                    take(id, StreamEvent::Closed);
                }
            }
            take(id, StreamEvent::Opened { from_start: segment.has(SYN) });
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            let before = stream.waiting_bytes;
            stream.add(segment, &mut |event| take(id, event));
            if self.waiting + stream.waiting_bytes > MAX_WAITING_IN_ALL + before {
                stream.finish(&mut |event| take(id, event));
            }
            self.waiting = self.waiting + stream.waiting_bytes - before;
        }
    }

    /// Nothing follows: passes on what waits for octets that are missing.
    pub(super) fn finish(&mut self, take: Take<'_>) {
        let mut waiting: Vec<_> = self.streams.iter_mut().filter(|(_, stream)| stream.waiting_bytes > 0).collect();
        waiting.sort_unstable_by_key(|(id, _)| **id);
        for (id, stream) in waiting {
            stream.finish(&mut |event| take(*id, event));
        }
        self.waiting = 0;
    }

    /// The same segments follow again, of new streams.
    pub(super) fn restart(&mut self) {
        *self = Self { ignored: self.ignored, ..Self::default() };
    }

    /// Makes room for a stream, if there is none, by forgetting those that have ended.
    fn has_room(&mut self) -> bool {
        if self.streams.len() >= MAX_STREAMS {
            self.streams.retain(|_, stream| !stream.ended);
        }
        self.streams.len() < MAX_STREAMS
    }
}

/// A segment of one direction.
struct Segment<'a> {
    id: StreamId,
    sequence: u32,
    flags: u8,
    payload: &'a [u8],
    /// Octets of the payload that the frame lacks.
    cut: usize,
}

impl<'a> Segment<'a> {
    fn of(packet: &Packet<'a>) -> Option<Self> {
        let ip = packet.ip.filter(|ip| ip.protocol == TCP && !ip.is_later_fragment())?;
        let (l3, l4) = (packet.offsets.l3?, packet.offsets.l4?);
        let octets = packet.frame.get(l4..)?;
        let [s0, s1, d0, d1, n0, n1, n2, n3, _, _, _, _, offset, flags] = *octets.first_chunk()?;
        let header = usize::from(offset >> 4) * 4;
        let rest = octets.get(header..)?;
        // Packets that the sender's interface is to split may be too long for the length field.
        let length = match ip.is_unsized {
            true => rest.len(),
            false => usize::try_from(ip.length).ok()?.checked_sub(l4.checked_sub(l3)?)?.checked_sub(header)?,
        };
        Some(Self {
            id: StreamId {
                source: SocketAddr::new(ip.source.to_canonical(), u16::from_be_bytes([s0, s1])),
                destination: SocketAddr::new(ip.destination.to_canonical(), u16::from_be_bytes([d0, d1])),
            },
            sequence: u32::from_be_bytes([n0, n1, n2, n3]),
            flags,
            payload: rest.get(..length).unwrap_or(rest),
            cut: length.saturating_sub(rest.len()),
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
    /// The sequence number of the next octet that is to be delivered.
    next: u32,
    /// Later octets, by their distance to the first one.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// Their memory.
    waiting_bytes: usize,
    /// Octets delivered, or missing before those delivered.
    delivered: u64,
    /// Where the stream ends.
    end: Option<u64>,
    ended: bool,
}

/// Takes what happens to one stream.
type TakeOne<'t> = &'t mut dyn FnMut(StreamEvent<'_>);

impl Stream {
    fn new(segment: &Segment<'_>) -> Self {
        let next = segment.sequence.wrapping_add(u32::from(segment.has(SYN)));
        Self {
            began: segment.sequence,
            next,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            delivered: 0,
            end: None,
            ended: false,
        }
    }

    /// Whether a SYN is that of another connection, not a repetition.
    fn is_over(&self, syn: &Segment<'_>) -> bool {
        self.began != syn.sequence
    }

    fn add(&mut self, segment: &Segment<'_>, take: TakeOne<'_>) {
        if self.ended {
            return;
        }
        if segment.has(RST) {
            self.finish(take);
            self.close(take);
            return;
        }
        let first = segment.sequence.wrapping_add(u32::from(segment.has(SYN)));
        let length = segment.payload.len() + segment.cut;
        // Within half the space of sequence numbers, a lower number is a repetition (RFC 9293 section 3.4).
        let ahead = first.wrapping_sub(self.next);
        let is_ahead = ahead < 1 << 31;
        let known =
            if is_ahead { 0 } else { usize::try_from(self.next.wrapping_sub(first)).unwrap_or(usize::MAX) };
        let at = self.delivered + if is_ahead { u64::from(ahead) } else { 0 };
        let end = at + length.saturating_sub(known) as u64;
        if segment.has(FIN) && (is_ahead || known < length) {
            self.end = Some(end);
        }
        let payload = segment.payload.get(known..).unwrap_or_default();
        if at > self.delivered {
            self.keep(at, payload);
        } else {
            self.deliver(payload, take);
            if segment.cut > 0 {
                self.skip_to(end, take);
            }
        }
        self.deliver_waiting(take);
        while self.waiting_bytes > MAX_WAITING {
            self.skip_to_waiting(take);
        }
        self.close_at_end(take);
    }

    /// Passes on what waits, as nothing before it will come.
    fn finish(&mut self, take: TakeOne<'_>) {
        while !self.waiting.is_empty() {
            self.skip_to_waiting(take);
        }
        self.close_at_end(take);
    }

    fn close_at_end(&mut self, take: TakeOne<'_>) {
        if self.end == Some(self.delivered) {
            self.close(take);
        }
    }

    /// Ends the stream. What waits is behind its end.
    fn close(&mut self, take: TakeOne<'_>) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        if !self.ended {
            self.ended = true;
            take(StreamEvent::Closed);
        }
    }

    /// Keeps octets until those before them come.
    fn keep(&mut self, at: u64, payload: &[u8]) {
        // A longer segment replaces a shorter one at the same place.
        if payload.is_empty() || self.waiting.get(&at).is_some_and(|old| old.len() >= payload.len()) {
            return;
        }
        self.waiting_bytes += payload.len() + SEGMENT;
        if let Some(old) = self.waiting.insert(at, payload.to_vec()) {
            self.waiting_bytes -= old.len() + SEGMENT;
        }
    }

    fn deliver(&mut self, payload: &[u8], take: TakeOne<'_>) {
        if !payload.is_empty() {
            self.move_by(payload.len() as u64);
            take(StreamEvent::Data(payload));
        }
    }

    fn move_by(&mut self, octets: u64) {
        self.delivered += octets;
        // Sequence numbers wrap.
        self.next = self.next.wrapping_add(octets as u32);
    }

    /// What is before `at` and was not delivered is missing.
    fn skip_to(&mut self, at: u64, take: TakeOne<'_>) {
        let missing = at.saturating_sub(self.delivered);
        if missing > 0 {
            self.move_by(missing);
            take(StreamEvent::Missing(missing));
        }
    }

    fn skip_to_waiting(&mut self, take: TakeOne<'_>) {
        if let Some((at, _)) = self.waiting.first_key_value() {
            self.skip_to(*at, take);
        }
        self.deliver_waiting(take);
    }

    fn deliver_waiting(&mut self, take: TakeOne<'_>) {
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() <= self.delivered
        {
            let (at, octets) = entry.remove_entry();
            self.waiting_bytes -= octets.len() + SEGMENT;
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
        Segment { id: id(), sequence, flags, payload, cut: 0 }
    }

    /// What a stream delivers, how many octets are missing, and how it ends.
    fn run(segments: &[Segment<'_>]) -> (Vec<u8>, u64, Option<&'static str>) {
        let (mut octets, mut missing, mut end) = (Vec::new(), 0, None);
        let mut stream = Stream::new(&segments[0]);
        let mut take = |event: StreamEvent<'_>| match event {
            StreamEvent::Data(data) => octets.extend_from_slice(data),
            StreamEvent::Missing(more) => missing += more,
            StreamEvent::Closed => end = Some("closed"),
            StreamEvent::Opened { .. } => {}
        };
        segments.iter().for_each(|segment| stream.add(segment, &mut take));
        stream.finish(&mut take);
        (octets, missing, end)
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
        assert_eq!(run(&segments), (b"abcdefg".to_vec(), 0, Some("closed")));
    }

    #[test]
    fn a_stream_continues_behind_octets_that_are_missing() {
        let much = vec![0; 60_000];
        let mut segments = vec![segment(1, 0, b"ab")];
        segments.extend((0..20).map(|number| segment(100 + 60_000 * number, 0, &much)));
        let (octets, missing, end) = run(&segments);
        assert_eq!((octets.len(), missing, end), (2 + 20 * 60_000, 97, None));
        // A reset, or the end of the file, shows that the octets will not come.
        assert_eq!(
            run(&[segment(1, 0, b"ab"), segment(5, 0, b"ef"), segment(7, RST, b"")]),
            (b"abef".to_vec(), 2, Some("closed"))
        );
        assert_eq!(run(&[segment(1, 0, b"ab"), segment(5, 0, b"ef")]), (b"abef".to_vec(), 2, None));
    }

    #[test]
    fn nothing_follows_the_end() {
        // A segment behind the end of the stream has waited when the end came.
        let segments = [segment(1, 0, b"ab"), segment(9, 0, b"behind"), segment(3, FIN, b"cd")];
        assert_eq!(run(&segments), (b"abcd".to_vec(), 0, Some("closed")));
        let mut streams = OpenStreams::default();
        segments.iter().for_each(|segment| streams.segment(segment, &mut |_, _| {}));
        assert_eq!(streams.waiting, 0);
    }

    #[test]
    fn truncated_segments_are_followed_by_missing_octets() {
        let cut = |sequence, payload| Segment { cut: 3, ..segment(sequence, 0, payload) };
        let segments = [cut(1, b"ab"), cut(6, b"cd"), cut(6, b"cd"), segment(11, FIN, b"e")];
        assert_eq!(run(&segments), (b"abcde".to_vec(), 6, Some("closed")));
        // Sent again without being truncated, before the rest was missed.
        let segments = [segment(1, 0, b"a"), cut(4, b"d"), segment(2, 0, b"bc"), segment(8, FIN, b"h")];
        assert_eq!(run(&segments), (b"abcdh".to_vec(), 3, Some("closed")));
    }

    #[test]
    fn the_memory_of_all_streams_is_bounded() {
        let mut streams = OpenStreams::default();
        let octets = vec![7; 60_000];
        let (mut data, mut missing) = (0, 0);
        for port in 0..200u16 {
            for number in 0..12 {
                let mut of_port = segment(1_000 + 60_000 * number, 0, &octets);
                of_port.id.source.set_port(port);
                if number == 0 {
                    of_port.payload = b"first";
                }
                streams.segment(&of_port, &mut |_, event| match event {
                    StreamEvent::Data(octets) => data += octets.len(),
                    StreamEvent::Missing(octets) => missing += octets,
                    _ => {}
                });
                assert!(streams.waiting <= MAX_WAITING_IN_ALL);
            }
        }
        assert!(missing > 0 && streams.waiting > MAX_WAITING_IN_ALL / 2);
        streams.finish(&mut |_, event| match event {
            StreamEvent::Data(octets) => data += octets.len(),
            StreamEvent::Missing(octets) => missing += octets,
            _ => {}
        });
        assert_eq!((data, missing), (200 * (5 + 11 * 60_000), 200 * (60_000 - 5)));
        assert_eq!(streams.waiting, 0);
    }

    #[test]
    fn streams_beyond_the_limit_are_counted_and_ended_ones_make_room() {
        let mut streams = OpenStreams::default();
        let mut opened = 0;
        let mut send = |streams: &mut OpenStreams, number: u32, flags| {
            let mut of_number = segment(1, flags, b"x");
            of_number.id.source = SocketAddr::from((number.to_be_bytes(), 1));
            streams.segment(&of_number, &mut |_, event| {
                opened += usize::from(matches!(event, StreamEvent::Opened { .. }))
            });
        };
        for number in 0..MAX_STREAMS as u32 {
            send(&mut streams, number, 0);
        }
        send(&mut streams, u32::MAX, 0);
        assert_eq!(streams.ignored, 1);
        send(&mut streams, 0, RST);
        send(&mut streams, u32::MAX, 0);
        assert_eq!((streams.ignored, opened), (1, MAX_STREAMS + 1));
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
            prop_assert_eq!(run(&segments), (octets.clone(), 0, None));
        }
    }
}
