//! The payloads of the datagrams in a capture file, and what its TCP connections transport.

use super::fragments::{Fragment, Fragments};
use super::streams::{OpenStreams, StreamEvent, StreamId, Take};
use super::{Error, Frame, Settings, Source};
use crate::{Batch, SLOTS};
use packet::plain::{Plain, plain};
use packet::{LinkType, Packet};
use std::net::{IpAddr, SocketAddr};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Octets of a UDP header.
const HEADER: usize = 8;

/// The payload of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The sender.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
    /// The payload.
    pub octets: &'a [u8],
    /// True if the packet is truncated.
    pub truncated: bool,
    /// When it was captured, its last fragment if there were several: microseconds since 1970.
    pub time_us: u64,
}

/// The result of [`Payloads::fill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The batch holds datagrams, or there were segments of streams.
    Some,
    /// The round is over, and the batch is empty. Streams have passed on what was left of them.
    Ended,
}

/// Counters over all rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames.
    pub frames: u64,
    /// Payloads found in them.
    pub payloads: u64,
    /// Payloads that are truncated.
    pub truncated: u64,
    /// Fragmented datagrams that were dropped: parts missing, contradicting or truncated, or too many at a time.
    pub fragments_lost: u64,
    /// TCP segments that were ignored because there were too many connections at a time.
    pub segments_ignored: u64,
}

/// The payloads of a file, round by round.
#[derive(Debug)]
pub struct Payloads {
    source: Source,
    fragments: Fragments,
    streams: OpenStreams,
    counters: Counters,
    /// An error that occurred when the batch already had datagrams.
    error: Option<Error>,
}

/// What a frame is.
enum Next<R> {
    /// It completes a datagram.
    Payload(R),
    /// It is of a TCP connection.
    Segment,
}

impl Payloads {
    /// Opens the file for its first round.
    ///
    /// # Errors
    /// If the file cannot be opened, or is not a capture file.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            source: Source::open(settings)?,
            fragments: Fragments::default(),
            streams: OpenStreams::default(),
            counters: Counters::default(),
            error: None,
        })
    }

    /// Passes the next payload to `take` and returns its result; `None` at the end of the round. Streams are ignored.
    ///
    /// # Errors
    /// The errors of [`Source::next_frame`].
    pub fn next_with<R>(&mut self, take: impl FnOnce(Payload<'_>) -> R) -> Result<Option<R>, Error> {
        Ok(match self.next(take, &mut None)? {
            Some(Next::Payload(result)) => Some(result),
            Some(Next::Segment) | None => None,
        })
    }

    /// Reads until there is a payload or, with `streams`, a segment; `None` at the end of the round.
    fn next<R>(
        &mut self,
        take: impl FnOnce(Payload<'_>) -> R,
        streams: &mut Option<Take<'_>>,
    ) -> Result<Option<Next<R>>, Error> {
        loop {
            let frame = match self.source.next_frame() {
                Ok(Some(frame)) => frame,
                ended => {
                    self.fragments.clear();
                    if let Some(streams) = streams {
                        self.streams.finish(streams);
                    }
                    return ended.map(|_| None);
                }
            };
            self.counters.frames += 1;
            let is_wanted = |protocol| protocol == UDP || streams.is_some() && protocol == TCP;
            let joined;
            let (source, destination, found) = match whole(&frame) {
                Some(packet) if packet.protocol == UDP => {
                    (packet.source(), packet.destination(), in_plain(&packet))
                }
                Some(packet) if !is_wanted(packet.protocol) => continue,
                _ => {
                    let packet = packet::decode(frame.link, frame.octets);
                    let Some(ip) = packet.ip.filter(|ip| is_wanted(ip.protocol)) else { continue };
                    if let (TCP, Some(streams)) = (ip.protocol, &mut *streams) {
                        self.streams.add(&packet, streams);
                        return Ok(Some(Next::Segment));
                    }
                    let found = if let Some(fragment) = Fragment::of(&packet) {
                        joined = self.fragments.add(&fragment, frame.time_us);
                        match &joined {
                            Some(octets) => transport(octets, octets.len()),
                            None => continue,
                        }
                    } else {
                        in_packet(&packet)
                    };
                    (ip.source, ip.destination, found)
                }
            };
            let Some(found) = found else { continue };
            self.counters.payloads += 1;
            self.counters.truncated += u64::from(found.truncated);
            return Ok(Some(Next::Payload(take(Payload {
                source: SocketAddr::new(canonical(source), found.source_port),
                destination: SocketAddr::new(canonical(destination), found.destination_port),
                octets: found.octets,
                truncated: found.truncated,
                time_us: frame.time_us,
            }))));
        }
    }

    /// Fills the batch with the next datagrams of this round. They count as received now. Streams are ignored.
    ///
    /// # Errors
    /// The errors of [`Source::next_frame`], after all datagrams before the damage. The round ends then.
    pub fn fill(&mut self, batch: &mut Batch) -> Result<Filled, Error> {
        self.fill_from(batch, None)
    }

    /// As [`Self::fill`], and passes what happens to streams to `streams`.
    ///
    /// # Errors
    /// As [`Self::fill`].
    pub fn fill_with_streams(
        &mut self,
        batch: &mut Batch,
        mut streams: impl FnMut(StreamId, StreamEvent<'_>),
    ) -> Result<Filled, Error> {
        self.fill_from(batch, Some(&mut streams))
    }

    fn fill_from(&mut self, batch: &mut Batch, mut streams: Option<Take<'_>>) -> Result<Filled, Error> {
        batch.clear();
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        // A frame takes a slot, whatever it is.
        let mut segments = 0;
        while batch.len() + segments < SLOTS {
            let take = |payload: Payload<'_>| batch.push(payload.source, payload.octets, payload.truncated);
            match self.next(take, &mut streams) {
                Ok(Some(Next::Payload(_))) => {}
                Ok(Some(Next::Segment)) => segments += 1,
                Ok(None) => break,
                Err(error) if batch.is_empty() => return Err(error),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        if batch.is_empty() && segments == 0 {
            return Ok(Filled::Ended);
        }
        batch.set_arrival_us(crate::udp::now_us());
        Ok(Filled::Some)
    }

    /// Opens the file for its next round; false if there is none.
    ///
    /// # Errors
    /// If the file can no longer be opened.
    pub fn next_round(&mut self) -> Result<bool, Error> {
        self.fragments.clear();
        self.streams.restart();
        self.source.next_round()
    }

    /// As [`Source::end_when`].
    pub fn end_when(&mut self, over: impl Fn() -> bool + Send + Sync + 'static) {
        self.source.end_when(over);
    }

    /// The counters.
    pub fn counters(&self) -> Counters {
        Counters { fragments_lost: self.fragments.lost, segments_ignored: self.streams.ignored, ..self.counters }
    }
}

struct Found<'a> {
    source_port: u16,
    destination_port: u16,
    octets: &'a [u8],
    truncated: bool,
}

/// The packet of an Ethernet frame, if it has only the usual headers.
#[inline]
fn whole<'a>(frame: &Frame<'a>) -> Option<Plain<'a>> {
    if frame.link == LinkType::ETHERNET { plain(frame.octets) } else { None }
}

/// The payload of such a packet.
#[inline]
fn in_plain<'a>(packet: &Plain<'a>) -> Option<Found<'a>> {
    transport(packet.transport, usize::try_from(packet.transport_length()?).ok()?)
}

/// The payload of a complete packet. Frames may have padding after the packet, so the packet's length decides.
fn in_packet<'a>(packet: &Packet<'a>) -> Option<Found<'a>> {
    let (ip, l3, l4) = (packet.ip?, packet.offsets.l3?, packet.offsets.l4?);
    let length = usize::try_from(ip.length).ok()?.checked_sub(l4.checked_sub(l3)?)?;
    transport(packet.frame.get(l4..)?, length)
}

/// The payload after a UDP header; `length` octets are expected from the header on.
fn transport(octets: &[u8], length: usize) -> Option<Found<'_>> {
    let [s0, s1, d0, d1, l0, l1, _, _] = *octets.first_chunk()?;
    // UDP's own length; 0 in jumbograms (RFC 2675 section 4), for which that of IP is used.
    let length = match usize::from(u16::from_be_bytes([l0, l1])) {
        0 => length,
        own => own,
    };
    let wanted = length.checked_sub(HEADER)?;
    let left = octets.get(HEADER..)?;
    Some(Found {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        octets: left.get(..wanted).unwrap_or(left),
        truncated: left.len() < wanted,
    })
}

/// IPv4-mapped addresses as IPv4, as from a socket.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
