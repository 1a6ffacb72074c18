//! The ClientHello of DTLS as the server sees it before it keeps any state, and its answer, the HelloVerifyRequest
//! (RFC 6347 sections 4.1, 4.2.1 and 4.2.2).
//!
//! ```text
//! record     type 1 | version 2 | epoch 2 | sequence number 6 | length 2
//! handshake  type 1 | length 3 | message_seq 2 | fragment_offset 3 | fragment_length 3
//! body       client_version 2 | random 32 | session_id <0..32> | cookie <0..255> | cipher_suites <2..> | compression <1..> | extensions
//! ```
//!
//! A ClientHello must fit in one record: reassembly of fragments would be state. Those of all known implementations do.

use std::fmt;
use wire::{Reader, Truncated};

/// Content type of handshake messages.
const HANDSHAKE: u8 = 22;
/// Handshake message types.
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;
/// DTLS 1.0: what a HelloVerifyRequest says whatever version will be negotiated (RFC 6347 section 4.2.1).
const DTLS_1_0: u16 = 0xfeff;
/// Octets of the header of a handshake message.
const HANDSHAKE_HEADER: usize = 12;
/// Octets of the header of a record.
const RECORD_HEADER: usize = 13;
/// Octets of a random.
pub const RANDOM: usize = 32;

/// A ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The record's sequence number, 48 bits.
    pub sequence: u64,
    /// Number of the handshake message: 0 for the first hello, 1 for the one with the cookie.
    pub message: u16,
    /// The random that identifies this handshake of the client.
    pub random: [u8; RANDOM],
    /// The cookie; empty in the first hello.
    pub cookie: &'a [u8],
    record_version: u16,
    /// The body up to the cookie: version, random and session id.
    before: &'a [u8],
    /// Cipher suites and compression methods, with their lengths.
    suites: &'a [u8],
    /// The body behind the cookie.
    after: &'a [u8],
}

/// Why a datagram is not a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHello {
    /// It ends early, or lengths in it do not fit.
    Truncated(Truncated),
    /// Its first record has another type or epoch, or another handshake message.
    Other,
    /// A part of a ClientHello.
    Fragment,
}

impl fmt::Display for NotHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(truncated) => truncated.fmt(f),
            Self::Other => f.write_str("not a ClientHello"),
            Self::Fragment => f.write_str("a fragment of a ClientHello"),
        }
    }
}

impl std::error::Error for NotHello {}

impl From<Truncated> for NotHello {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl<'a> ClientHello<'a> {
    /// Reads the ClientHello with which a datagram begins. What follows its record is ignored.
    ///
    /// # Errors
    /// The datagram begins with something else.
    pub fn read(datagram: &'a [u8]) -> Result<Self, NotHello> {
        let mut r = Reader::new(datagram);
        let (content, record_version, epoch) = (r.u8()?, r.u16()?, r.u16()?);
        if (content, epoch) != (HANDSHAKE, 0) {
            return Err(NotHello::Other);
        }
        let sequence = number(r.array::<6>()?);
        let length = r.u16()?;
        let mut r = r.within(usize::from(length))?;
        if r.u8()? != CLIENT_HELLO {
            return Err(NotHello::Other);
        }
        let length = number(r.array::<3>()?);
        let (message, offset, fragment) = (r.u16()?, number(r.array::<3>()?), number(r.array::<3>()?));
        if offset != 0 || fragment != length {
            return Err(NotHello::Fragment);
        }
        // 24 bits fit in every `usize` that Linux has.
        let mut r = r.within(length as usize)?;
        let body = r.rest();
        r.take(2)?;
        let random = r.array()?;
        let session = r.u8()?;
        r.take(usize::from(session))?;
        let before = consumed(body, &r);
        let cookie = r.u8()?;
        let cookie = r.take(usize::from(cookie))?;
        let after = r.rest();
        let suites = r.u16()?;
        r.take(usize::from(suites))?;
        let compression = r.u8()?;
        r.take(usize::from(compression))?;
        let suites = consumed(after, &r);
        Ok(Self { sequence, message, random, cookie, record_version, before, suites, after })
    }

    /// What a cookie vouches for besides the address: version, random, session id, cipher suites and compression methods. A client repeats them
    /// with the cookie.
    pub fn parameters(&self) -> [&'a [u8]; 2] {
        [self.before, self.suites]
    }

    /// Writes the datagram of the hello that came before this one: number 0, in record 0, without a cookie.
    pub fn write_first(&self, out: &mut Vec<u8>) {
        out.clear();
        let length = self.before.len() + 1 + self.after.len();
        header(out, self.record_version, 0, CLIENT_HELLO, length);
        out.extend_from_slice(self.before);
        out.push(0);
        out.extend_from_slice(self.after);
    }

    /// Writes the datagram of the HelloVerifyRequest with this cookie, at most 255 octets of it. Its record has the number of the ClientHello's.
    pub fn write_verify_request(&self, cookie: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let length = u8::try_from(cookie.len()).unwrap_or(u8::MAX);
        header(out, DTLS_1_0, self.sequence, HELLO_VERIFY_REQUEST, 3 + usize::from(length));
        out.extend_from_slice(&DTLS_1_0.to_be_bytes());
        out.push(length);
        out.extend_from_slice(cookie.get(..usize::from(length)).unwrap_or(cookie));
    }
}

/// A number of up to eight octets, big-endian.
fn number<const N: usize>(octets: [u8; N]) -> u64 {
    octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet))
}

/// The octets of `body` in front of the reader.
fn consumed<'a>(body: &'a [u8], r: &Reader<'a>) -> &'a [u8] {
    body.get(..body.len() - r.left().min(body.len())).unwrap_or_default()
}

/// Writes the headers of a record with one handshake message, number 0.
fn header(out: &mut Vec<u8>, version: u16, sequence: u64, kind: u8, length: usize) {
    // Both lengths come from a record, whose length has 16 bits.
    let (record, length) = ((length + HANDSHAKE_HEADER) as u16, length as u32);
    let [_, length @ ..] = length.to_be_bytes();
    let [_, _, sequence @ ..] = sequence.to_be_bytes();
    out.push(HANDSHAKE);
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&sequence);
    out.extend_from_slice(&record.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(&length);
    out.extend_from_slice(&[0, 0, 0, 0, 0]);
    out.extend_from_slice(&length);
}

/// The records of a datagram: the epoch of each. What is not a whole record ends it.
pub fn epochs(datagram: &[u8]) -> impl Iterator<Item = u16> {
    let mut left = datagram;
    std::iter::from_fn(move || {
        let (header, rest) = left.split_first_chunk::<RECORD_HEADER>()?;
        let [_, _, _, e1, e0, _, _, _, _, _, _, l1, l0] = *header;
        left = rest.get(usize::from(u16::from_be_bytes([l1, l0]))..)?;
        Some(u16::from_be_bytes([e1, e0]))
    })
}
