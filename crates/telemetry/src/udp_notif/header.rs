//! Headers of datagrams.

use super::Reason;
use crate::Encoding;
use wire::Reader;

/// Which header datagrams have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// That of draft-ietf-netconf-udp-notif.
    Current,
    /// That of draft-ietf-netconf-udp-pub-channel-05. It has no segments.
    Legacy,
}

/// A decoded datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The encoding of the message; never unknown.
    pub encoding: Encoding,
    /// Message publisher id.
    pub publisher: u32,
    /// Message id: counts the messages of a publisher.
    pub message: u32,
    /// The segment that the datagram contains, or `None` if it contains a whole message.
    pub segment: Option<Segment>,
    /// The message or segment.
    pub payload: &'a [u8],
}

/// The option segmentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Number of the segment, from 0; 15 bits.
    pub number: u16,
    /// It is the last one of the message.
    pub is_last: bool,
}

/// Octets of a header without options.
const HEADER: u8 = 12;
/// Flag beside a media type: a private encoding.
const PRIVATE: u8 = 0x10;
/// Option: the datagram is a segment.
const SEGMENTATION: u8 = 1;

/// Decodes a datagram.
///
/// # Errors
/// If it is malformed, or its media type is not known.
pub fn decode(variant: Variant, octets: &[u8]) -> Result<Datagram<'_>, Reason> {
    match variant {
        Variant::Current => current(octets),
        Variant::Legacy => legacy(octets),
    }
}

fn current(octets: &[u8]) -> Result<Datagram<'_>, Reason> {
    let mut r = Reader::new(octets);
    let first = r.u8()?;
    match first >> 5 {
        1 => {}
        other => return Err(Reason::Version(other)),
    }
    let header_length = r.u8()?;
    let message_length = r.u16()?;
    let (publisher, message) = (r.u32()?, r.u32()?);
    let options = header_length.checked_sub(HEADER).map(usize::from);
    let options = options.filter(|_| u16::from(header_length) <= message_length);
    let options = options.ok_or(Reason::HeaderLength(header_length))?;
    let all = usize::from(message_length - u16::from(HEADER));
    let mut rest = r.within(all).map_err(|_| Reason::MessageLength(message_length))?;
    let segment = segmentation(rest.within(options)?)?;
    let encoding = match first & (PRIVATE | 0xf) {
        1 => Encoding::Json,
        2 => Encoding::Xml,
        3 => Encoding::Cbor,
        // Some routers set the flag beside the type of JSON; pmacct decodes these, too.
        0x11 => Encoding::Json,
        other => return Err(Reason::MediaType(other)),
    };
    Ok(Datagram { encoding, publisher, message, segment, payload: rest.rest() })
}

/// The option segmentation among the options of a header.
fn segmentation(mut r: Reader<'_>) -> Result<Option<Segment>, Reason> {
    let mut segment = None;
    while !r.is_empty() {
        let kind = r.u8()?;
        let len = r.u8().ok().and_then(|len| len.checked_sub(2)).ok_or(Reason::Option(kind))?;
        let mut value = r.within(usize::from(len)).map_err(|_| Reason::Option(kind))?;
        if kind == SEGMENTATION {
            match value.u16() {
                Ok(number) if value.is_empty() && segment.is_none() => {
                    segment = Some(Segment { number: number >> 1, is_last: number & 1 == 1 });
                }
                _ => return Err(Reason::Option(kind)),
            }
        }
    }
    Ok(segment)
}

fn legacy(octets: &[u8]) -> Result<Datagram<'_>, Reason> {
    let mut r = Reader::new(octets);
    let [_, encoding] = r.array()?;
    let message_length = r.u16()?;
    let (publisher, message) = (r.u32()?, r.u32()?);
    let len = message_length.checked_sub(u16::from(HEADER)).ok_or(Reason::HeaderLength(HEADER))?;
    let payload = r.take(usize::from(len)).map_err(|_| Reason::MessageLength(message_length))?;
    let encoding = match encoding & 0xf {
        0 => Encoding::Gpb,
        1 => Encoding::Cbor,
        2 => Encoding::Json,
        3 => Encoding::Xml,
        other => return Err(Reason::MediaType(other)),
    };
    Ok(Datagram { encoding, publisher, message, segment: None, payload })
}

impl Datagram<'_> {
    /// Appends the datagram with the current header. Returns false, and appends nothing, if it does not fit the length field, or if
    /// the encoding has no media type.
    pub fn write(&self, out: &mut Vec<u8>) -> bool {
        let media = match self.encoding {
            Encoding::Json => 1,
            Encoding::Xml => 2,
            Encoding::Cbor => 3,
            Encoding::Gpb | Encoding::Unknown(_) => return false,
        };
        let header = HEADER + if self.segment.is_some() { 4 } else { 0 };
        let Ok(length) = u16::try_from(usize::from(header) + self.payload.len()) else { return false };
        out.extend_from_slice(&[1 << 5 | media, header]);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.publisher.to_be_bytes());
        out.extend_from_slice(&self.message.to_be_bytes());
        if let Some(Segment { number, is_last }) = self.segment {
            out.extend_from_slice(&[SEGMENTATION, 4]);
            out.extend_from_slice(&(number << 1 | u16::from(is_last)).to_be_bytes());
        }
        out.extend_from_slice(self.payload);
        true
    }
}
