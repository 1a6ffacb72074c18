//! Reading messages.

use crate::{Collector, FROM_ROUTER, IPV6, MAGIC, Message, ObjectType, Router, Time, VERSION};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::{Reader, Truncated};

/// Octets before those that the header length counts beyond them: magic, version and the length itself.
const START: usize = 8;

/// Why a message cannot be decoded. Offsets count from its first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The message ends too early.
    Truncated(Truncated),
    /// The first octets are not those of the format: what they are.
    Magic([u8; 4]),
    /// The major version is not 1: the version.
    Version(u8, u8),
    /// The header ends before its last field: the read that it does not allow.
    Header(Truncated),
}

impl From<Truncated> for Reject {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(truncated) => truncated.fmt(f),
            Self::Magic([a, b, c, d]) => {
                write!(f, "not in the format of OpenBMP: the first octets are {a:02x}{b:02x}{c:02x}{d:02x}")
            }
            Self::Version(major, minor) => write!(f, "version {major}.{minor} is not 1.7"),
            Self::Header(truncated) => write!(f, "in the header: {truncated}"),
        }
    }
}

impl std::error::Error for Reject {}

/// Decodes one message. Octets after it are ignored.
///
/// # Errors
/// If it is not in the format, or ends too early.
pub fn decode(octets: &[u8]) -> Result<Message<'_>, Reject> {
    read(&mut Reader::new(octets))
}

fn read<'a>(r: &mut Reader<'a>) -> Result<Message<'a>, Reject> {
    match r.array()? {
        MAGIC => {}
        other => return Err(Reject::Magic(other)),
    }
    let [major, minor] = r.array()?;
    if major != VERSION.0 {
        return Err(Reject::Version(major, minor));
    }
    let length = usize::from(r.u16()?);
    // A length below the octets that were read already leaves no header.
    let mut header = r.within(length.saturating_sub(START))?;
    let (message, length) = fields(&mut header).map_err(Reject::Header)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(Message { data: r.take(length)?, ..message })
}

/// The fields of the header, without data, and the length of the data.
fn fields<'a>(r: &mut Reader<'a>) -> Result<(Message<'a>, u32), Truncated> {
    let length = r.u32()?;
    let [flags, object] = r.array()?;
    let time = Time { seconds: r.u32()?, micros: r.u32()? };
    let collector = Collector { hash: r.array()?, admin_id: text(r)? };
    let hash = r.array()?;
    let address = r.array::<16>()?;
    let address = match address {
        _ if flags & IPV6 != 0 => Ipv6Addr::from(address).into(),
        [a, b, c, d, ..] => Ipv4Addr::new(a, b, c, d).into(),
    };
    let router = Router { hash, address, group: text(r)? };
    let router = (flags & FROM_ROUTER != 0).then_some(router);
    let message = Message { object: ObjectType(object), time, collector, router, rows: r.u32()?, data: &[] };
    Ok((message, length))
}

fn text<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Truncated> {
    let length = usize::from(r.u16()?);
    r.take(length)
}

/// The messages in octets where they follow each other, such as those of a file. An error ends them: nothing tells where the next message
/// begins.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    reader: Reader<'a>,
    has_ended: bool,
}

impl<'a> Messages<'a> {
    /// The messages from the first octet on.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self { reader: Reader::new(octets), has_ended: false }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended || self.reader.is_empty() {
            return None;
        }
        let message = read(&mut self.reader);
        self.has_ended = message.is_err();
        Some(message)
    }
}
