//! The payloads of the datagrams in a capture file.

use super::fragments::{Fragment, Fragments};
use super::{Error, Frame, Settings, Source};
use crate::{Batch, SLOTS};
use packet::plain::{Plain, plain};
use packet::{LinkType, Packet};
use std::net::{IpAddr, SocketAddr};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The payload of one datagram (or segment).
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
    /// The batch holds datagrams.
    Datagrams,
    /// The round is over, the batch is empty.
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
}

/// The payloads of a file, round by round.
#[derive(Debug)]
pub struct Payloads {
    source: Source,
    fragments: Fragments,
    segments: bool,
    counters: Counters,
    /// An error that occurred when the batch already had datagrams.
    error: Option<Error>,
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
            segments: settings.segments,
            counters: Counters::default(),
            error: None,
        })
    }

    /// Passes the next payload to `take` and returns its result; `None` at the end of the round.
    ///
    /// # Errors
    /// The errors of [`Source::next_frame`].
    pub fn next_with<R>(&mut self, take: impl FnOnce(Payload<'_>) -> R) -> Result<Option<R>, Error> {
        while let Some(frame) = self.source.next_frame()? {
            self.counters.frames += 1;
            let is_wanted = |protocol| protocol == UDP || self.segments && protocol == TCP;
            let joined;
            let (protocol, source, destination, found) = if let Some(packet) = whole(&frame) {
                let found = if is_wanted(packet.protocol) { in_plain(&packet) } else { None };
                (packet.protocol, packet.source(), packet.destination(), found)
            } else {
                let packet = packet::decode(frame.link, frame.octets);
                let Some(ip) = packet.ip.filter(|ip| is_wanted(ip.protocol)) else { continue };
                let found = if let Some(fragment) = Fragment::of(&packet) {
                    joined = self.fragments.add(&fragment, frame.time_us);
                    match &joined {
                        Some(octets) => transport(ip.protocol, octets, octets.len()),
                        None => continue,
                    }
                } else {
                    in_packet(&packet)
                };
                (ip.protocol, ip.source, ip.destination, found)
            };
            let Some(found) = found else { continue };
            // Segments that only acknowledge are not messages. Empty datagrams are left to the decoder.
            if protocol == TCP && found.octets.is_empty() {
                continue;
            }
            self.counters.payloads += 1;
            self.counters.truncated += u64::from(found.truncated);
            return Ok(Some(take(Payload {
                source: SocketAddr::new(canonical(source), found.source_port),
                destination: SocketAddr::new(canonical(destination), found.destination_port),
                octets: found.octets,
                truncated: found.truncated,
                time_us: frame.time_us,
            })));
        }
        self.fragments.clear();
        Ok(None)
    }

    /// Fills the batch with the next datagrams of this round. They count as received now.
    ///
    /// # Errors
    /// The errors of [`Source::next_frame`], after all datagrams before the damage. The round ends then.
    pub fn fill(&mut self, batch: &mut Batch) -> Result<Filled, Error> {
        batch.clear();
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        while batch.len() < SLOTS {
            match self.next_with(|payload| batch.push(payload.source, payload.octets, payload.truncated)) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if batch.is_empty() => return Err(error),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        if batch.is_empty() {
            return Ok(Filled::Ended);
        }
        batch.set_arrival_us(crate::udp::now_us());
        Ok(Filled::Datagrams)
    }

    /// Opens the file for its next round; false if there is none.
    ///
    /// # Errors
    /// If the file can no longer be opened.
    pub fn next_round(&mut self) -> Result<bool, Error> {
        self.fragments.clear();
        self.source.next_round()
    }

    /// As [`Source::end_when`].
    pub fn end_when(&mut self, over: impl Fn() -> bool + Send + Sync + 'static) {
        self.source.end_when(over);
    }

    /// The counters.
    pub fn counters(&self) -> Counters {
        Counters { fragments_lost: self.fragments.lost, ..self.counters }
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
    transport(packet.protocol, packet.transport, usize::try_from(packet.transport_length()?).ok()?)
}

/// The payload of a complete packet. Frames may have padding after the packet, so the packet's length decides.
fn in_packet<'a>(packet: &Packet<'a>) -> Option<Found<'a>> {
    let (ip, l3, l4) = (packet.ip?, packet.offsets.l3?, packet.offsets.l4?);
    let length = usize::try_from(ip.length).ok()?.checked_sub(l4.checked_sub(l3)?)?;
    transport(ip.protocol, packet.frame.get(l4..)?, length)
}

/// The payload after a UDP or TCP header; `length` octets are expected from the header on.
fn transport(protocol: u8, octets: &[u8], length: usize) -> Option<Found<'_>> {
    let [s0, s1, d0, d1, l0, l1, _, _] = *octets.first_chunk()?;
    let (header, length) = match protocol {
        // UDP's own length; 0 in jumbograms (RFC 2675 section 4), for which that of IP is used.
        UDP => match usize::from(u16::from_be_bytes([l0, l1])) {
            0 => (8, length),
            own => (8, own),
        },
        _ => (usize::from(octets.get(12)? >> 4) * 4, length),
    };
    let wanted = length.checked_sub(header)?;
    let left = octets.get(header..)?;
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
