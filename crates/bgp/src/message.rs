//! The header of messages, and how a stream of octets is split into messages (RFC 4271 section 4.1).
//!
//! A message is a marker of 16 octets, all ones, its length in two octets, which counts the header, its type in one,
//! and a body:
//!
//! ```text
//!  0                15  16   17  18      19
//! +-------------------+--------+------+------------------+
//! | ff ff ... ff      | length | type | body             |
//! +-------------------+--------+------+------------------+
//! ```
//!
//! Messages have at most 4096 octets. Peers that both announced extended messages (RFC 8654) may send up to 65535,
//! except as OPEN and KEEPALIVE.

use crate::notification::{ErrorCode, Notification};
use std::fmt;
use wire::Reader;

/// Octets of a header.
pub const HEADER_LEN: usize = 19;

/// Octets of the longest message (RFC 4271 section 4.1).
pub const MAX_LEN: usize = 4096;

/// Octets of the longest extended message (RFC 8654 section 3).
pub const MAX_EXTENDED_LEN: usize = 65_535;

/// The marker: 16 octets of ones.
pub const MARKER: [u8; 16] = [0xff; 16];

/// A KEEPALIVE: a header alone.
pub const KEEPALIVE: [u8; HEADER_LEN] = {
    let mut octets = [0xff; HEADER_LEN];
    [octets[16], octets[17], octets[18]] = [0, 19, MessageType::KEEPALIVE.0];
    octets
};

/// A message type (IANA "BGP Message Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageType(pub u8);

impl MessageType {
    /// OPEN (RFC 4271 section 4.2).
    pub const OPEN: Self = Self(1);
    /// UPDATE (RFC 4271 section 4.3).
    pub const UPDATE: Self = Self(2);
    /// NOTIFICATION (RFC 4271 section 4.5).
    pub const NOTIFICATION: Self = Self(3);
    /// KEEPALIVE (RFC 4271 section 4.4).
    pub const KEEPALIVE: Self = Self(4);
    /// ROUTE-REFRESH (RFC 2918).
    pub const ROUTE_REFRESH: Self = Self(5);

    /// The name, if IANA registered the number.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::OPEN => "OPEN",
            Self::UPDATE => "UPDATE",
            Self::NOTIFICATION => "NOTIFICATION",
            Self::KEEPALIVE => "KEEPALIVE",
            Self::ROUTE_REFRESH => "ROUTE-REFRESH",
            _ => return None,
        })
    }

    /// Lengths that messages of this type may have, with the header; `None` if the type is unknown.
    fn lengths(self, extended: bool) -> Option<(usize, usize)> {
        let max = if extended { MAX_EXTENDED_LEN } else { MAX_LEN };
        Some(match self {
            Self::OPEN => (HEADER_LEN + 10, MAX_LEN),
            Self::UPDATE => (HEADER_LEN + 4, max),
            Self::NOTIFICATION => (HEADER_LEN + 2, max),
            Self::KEEPALIVE => (HEADER_LEN, HEADER_LEN),
            // Longer with outbound route filters (RFC 5291).
            Self::ROUTE_REFRESH => (HEADER_LEN + 4, max),
            _ => return None,
        })
    }
}

impl fmt::Display for MessageType {
    /// The name, or the number if there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "type {}", self.0),
        }
    }
}

/// A whole message, with a valid header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    octets: &'a [u8],
}

impl<'a> Message<'a> {
    /// The message at the start of `octets`; `None` if it is incomplete. What follows it is not read.
    ///
    /// `extended`: extended messages are agreed.
    pub fn first(octets: &'a [u8], extended: bool) -> Result<Option<Self>, HeaderError> {
        let len = length(octets, extended)?;
        Ok(len.and_then(|len| octets.get(..len)).map(|octets| Self { octets }))
    }

    /// The type.
    pub fn kind(self) -> MessageType {
        MessageType(self.octets.get(18).copied().unwrap_or_default())
    }

    /// The whole message, with its header.
    pub fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// The message without its header: octets from [`HEADER_LEN`].
    pub fn body(self) -> &'a [u8] {
        self.octets.get(HEADER_LEN..).unwrap_or_default()
    }
}

/// The header of a message is wrong (RFC 4271 section 6.1). The stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The marker is not all ones.
    Marker {
        /// Offset of the first other octet, below 16.
        at: usize,
    },
    /// No message of this type has this length.
    Length {
        /// The length.
        length: u16,
        /// The type.
        kind: MessageType,
    },
    /// The type is unknown.
    Type(MessageType),
}

impl HeaderError {
    /// The NOTIFICATION that answers it.
    pub fn notification(self) -> Notification {
        match self {
            Self::Marker { .. } => Notification::new(ErrorCode::NOT_SYNCHRONIZED, &[]),
            Self::Length { length, .. } => Notification::new(ErrorCode::BAD_MESSAGE_LENGTH, &length.to_be_bytes()),
            Self::Type(MessageType(kind)) => Notification::new(ErrorCode::BAD_MESSAGE_TYPE, &[kind]),
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Marker { at } => write!(f, "octet {at} of the marker is not 255"),
            Self::Length { length, kind } => write!(f, "{kind} of {length} octets"),
            Self::Type(MessageType(kind)) => write!(f, "unknown message type {kind}"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// The length of the message at the start of `octets`, which may be longer or shorter than it; `None` if the header is
/// incomplete.
///
/// Errors are found as early as possible: a wrong marker by its first wrong octet. A length is between [`HEADER_LEN`] and
/// [`MAX_LEN`], or [`MAX_EXTENDED_LEN`] if `extended` messages are agreed, and possible for the type.
#[inline]
pub fn length(octets: &[u8], extended: bool) -> Result<Option<usize>, HeaderError> {
    let mut r = Reader::new(octets);
    let (Ok(marker), Ok(length), Ok(kind)) = (r.array::<16>(), r.u16(), r.u8()) else {
        return check_marker(octets).map(|()| None);
    };
    if marker != MARKER {
        check_marker(&marker)?;
    }
    let (len, kind) = (usize::from(length), MessageType(kind));
    let max = if extended { MAX_EXTENDED_LEN } else { MAX_LEN };
    let (min, max) = match kind.lengths(extended) {
        Some(lengths) => lengths,
        None if (HEADER_LEN..=max).contains(&len) => return Err(HeaderError::Type(kind)),
        None => (HEADER_LEN, max),
    };
    if (min..=max).contains(&len) { Ok(Some(len)) } else { Err(HeaderError::Length { length, kind }) }
}

#[cold]
fn check_marker(octets: &[u8]) -> Result<(), HeaderError> {
    match octets.iter().take(MARKER.len()).position(|&octet| octet != 0xff) {
        Some(at) => Err(HeaderError::Marker { at }),
        None => Ok(()),
    }
}

/// Appends a message. Returns false, and appends nothing, if it would be longer than [`MAX_EXTENDED_LEN`].
pub fn write(out: &mut Vec<u8>, kind: MessageType, body: &[u8]) -> bool {
    let Ok(length) = u16::try_from(HEADER_LEN + body.len()) else { return false };
    out.reserve(usize::from(length));
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind.0);
    out.extend_from_slice(body);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: MessageType, body: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        assert!(write(&mut octets, kind, body));
        octets
    }

    #[test]
    fn a_keepalive_is_a_header_alone() {
        assert_eq!(message(MessageType::KEEPALIVE, &[]), KEEPALIVE);
        assert_eq!(length(&KEEPALIVE, false), Ok(Some(19)));
        let message = Message::first(&KEEPALIVE, false).unwrap().unwrap();
        assert_eq!(
            (message.kind(), message.body(), message.octets()),
            (MessageType::KEEPALIVE, &[][..], &KEEPALIVE[..])
        );
    }

    #[test]
    fn lengths_that_a_type_cannot_have_are_errors() {
        for (kind, len, extended, good) in [
            (1, 28, false, false),
            (1, 29, false, true),
            (1, 4096, true, true),
            (1, 4097, true, false),
            (2, 22, false, false),
            (2, 23, false, true),
            (2, 4096, false, true),
            (2, 4097, false, false),
            (2, 65_535, true, true),
            (3, 20, false, false),
            (3, 21, false, true),
            (4, 18, false, false),
            (4, 20, true, false),
            (5, 22, false, false),
            (5, 23, false, true),
            (9, 18, false, false),
            (9, 4097, false, false),
        ] {
            let [high, low] = u16::to_be_bytes(len);
            let octets = [&MARKER[..], &[high, low, kind]].concat();
            let expected = if good {
                Ok(Some(len.into()))
            } else {
                Err(HeaderError::Length { length: len, kind: MessageType(kind) })
            };
            assert_eq!(length(&octets, extended), expected, "type {kind}, length {len}");
        }
        let error = HeaderError::Length { length: 5000, kind: MessageType::UPDATE };
        assert_eq!(error.notification(), Notification::new(ErrorCode::BAD_MESSAGE_LENGTH, &[0x13, 0x88]));
    }

    #[test]
    fn an_unknown_type_is_an_error_and_named_in_the_notification() {
        let octets = [&MARKER[..], &[0, 22, 9]].concat();
        assert_eq!(length(&octets, false), Err(HeaderError::Type(MessageType(9))));
        let notification = HeaderError::Type(MessageType(9)).notification();
        assert_eq!(notification, Notification::new(ErrorCode::BAD_MESSAGE_TYPE, &[9]));
    }

    #[test]
    fn a_wrong_marker_is_found_by_its_first_octet() {
        assert_eq!(length(b"G", false), Err(HeaderError::Marker { at: 0 }));
        let mut octets = KEEPALIVE;
        octets[15] = 0xfe;
        assert_eq!(length(&octets, false), Err(HeaderError::Marker { at: 15 }));
        assert_eq!(length(&octets[..15], false), Ok(None));
        assert_eq!(length(&octets[..16], false), Err(HeaderError::Marker { at: 15 }));
    }

    #[test]
    fn a_body_that_is_too_long_is_not_written() {
        let mut out = Vec::new();
        assert!(!write(&mut out, MessageType::UPDATE, &[0; 65_517]) && out.is_empty());
        assert!(write(&mut out, MessageType::UPDATE, &[0; 65_516]));
        assert_eq!(length(&out, true), Ok(Some(65_535)));
    }

    proptest! {
        #[test]
        fn every_cut_of_a_message_is_incomplete(body in proptest::collection::vec(any::<u8>(), 4..200), cut: prop::sample::Index) {
            let octets = message(MessageType::UPDATE, &body);
            let part = &octets[..cut.index(octets.len())];
            prop_assert_eq!(Message::first(part, false), Ok(None));
            let whole = [&octets[..], b"next"].concat();
            prop_assert_eq!(Message::first(&whole, false).unwrap().unwrap().body(), &body[..]);
        }

        #[test]
        fn any_octets_are_a_message_or_an_error(octets in proptest::collection::vec(prop_oneof![Just(255u8), any::<u8>()], 0..64), extended: bool) {
            if let Ok(Some(message)) = Message::first(&octets, extended) {
                prop_assert!(octets.starts_with(message.octets()) && message.octets().len() >= HEADER_LEN);
            }
        }
    }
}
