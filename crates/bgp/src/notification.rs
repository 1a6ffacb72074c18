//! NOTIFICATION (RFC 4271 section 4.5): why a speaker closes the session.
//!
//! An error code, a subcode, and data whose meaning depends on both. The data of Administrative Shutdown and
//! Administrative Reset is a text for people (RFC 9003); that of Hard Reset holds the true reason (RFC 8538).

use crate::message::{self, MAX_LEN, MessageType};
use std::borrow::Cow;
use std::fmt;
use wire::{Reader, Truncated};

/// Octets of data that fit a message of 4096 octets.
const MAX_DATA: usize = MAX_LEN - message::HEADER_LEN - 2;

/// Octets of the longest shutdown communication (RFC 9003 section 2).
pub const MAX_COMMUNICATION: usize = 255;

/// An error code with its subcode (IANA "BGP Error (Notification) Codes" and "BGP Error Subcodes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode {
    /// The error code.
    pub code: u8,
    /// The subcode; 0 is unspecific.
    pub subcode: u8,
}

/// Constants, and the names of subcodes.
macro_rules! error_codes {
    ($($(#[$doc:meta])* $constant:ident = $code:literal, $subcode:literal, $name:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $constant: Self = Self { code: $code, subcode: $subcode };)*

            /// The name of the subcode, if IANA registered it.
            pub const fn subcode_name(self) -> Option<&'static str> {
                match (self.code, self.subcode) {
                    $(($code, $subcode) => Some($name),)*
                    _ => None,
                }
            }

            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$constant),*];
        }
    };
}

error_codes! {
    /// Header: unspecific (RFC 4271).
    HEADER = 1, 0, "Unspecific";
    /// The marker of a header is not all ones (RFC 4271 section 6.1).
    NOT_SYNCHRONIZED = 1, 1, "Connection Not Synchronized";
    /// The length of a message is impossible; the data is the length field (RFC 4271 section 6.1).
    BAD_MESSAGE_LENGTH = 1, 2, "Bad Message Length";
    /// The type of a message is unknown; the data is the type (RFC 4271 section 6.1).
    BAD_MESSAGE_TYPE = 1, 3, "Bad Message Type";
    /// OPEN: unspecific (RFC 4271).
    OPEN = 2, 0, "Unspecific";
    /// The data is the largest version that is supported, in two octets (RFC 4271 section 6.2).
    UNSUPPORTED_VERSION = 2, 1, "Unsupported Version Number";
    /// The AS number of the peer is not acceptable (RFC 4271 section 6.2, RFC 7607).
    BAD_PEER_AS = 2, 2, "Bad Peer AS";
    /// The BGP identifier is not acceptable (RFC 6286).
    BAD_BGP_IDENTIFIER = 2, 3, "Bad BGP Identifier";
    /// RFC 4271 section 6.2.
    UNSUPPORTED_OPTIONAL_PARAMETER = 2, 4, "Unsupported Optional Parameter";
    /// Deprecated: authentication failure (RFC 1771).
    AUTHENTICATION_FAILURE = 2, 5, "Authentication Failure";
    /// A hold time of one or two seconds, or one that local policy forbids (RFC 4271 section 6.2).
    UNACCEPTABLE_HOLD_TIME = 2, 6, "Unacceptable Hold Time";
    /// The data is the capabilities that the peer lacks (RFC 5492 section 5).
    UNSUPPORTED_CAPABILITY = 2, 7, "Unsupported Capability";
    /// The roles do not fit each other (RFC 9234).
    ROLE_MISMATCH = 2, 11, "Role Mismatch";
    /// UPDATE: unspecific (RFC 4271).
    UPDATE = 3, 0, "Unspecific";
    /// RFC 4271 section 6.3.
    MALFORMED_ATTRIBUTE_LIST = 3, 1, "Malformed Attribute List";
    /// RFC 4271 section 6.3.
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 3, 2, "Unrecognized Well-known Attribute";
    /// RFC 4271 section 6.3.
    MISSING_WELL_KNOWN_ATTRIBUTE = 3, 3, "Missing Well-known Attribute";
    /// RFC 4271 section 6.3.
    ATTRIBUTE_FLAGS = 3, 4, "Attribute Flags Error";
    /// RFC 4271 section 6.3.
    ATTRIBUTE_LENGTH = 3, 5, "Attribute Length Error";
    /// RFC 4271 section 6.3.
    INVALID_ORIGIN = 3, 6, "Invalid ORIGIN Attribute";
    /// Deprecated: AS routing loop (RFC 1771).
    AS_ROUTING_LOOP = 3, 7, "AS Routing Loop";
    /// RFC 4271 section 6.3.
    INVALID_NEXT_HOP = 3, 8, "Invalid NEXT_HOP Attribute";
    /// RFC 4271 section 6.3.
    OPTIONAL_ATTRIBUTE = 3, 9, "Optional Attribute Error";
    /// RFC 4271 section 6.3.
    INVALID_NETWORK_FIELD = 3, 10, "Invalid Network Field";
    /// RFC 4271 section 6.3.
    MALFORMED_AS_PATH = 3, 11, "Malformed AS_PATH";
    /// No message came for the hold time (RFC 4271 section 6.5).
    HOLD_TIMER_EXPIRED = 4, 0, "Unspecific";
    /// Finite state machine: unspecific (RFC 6608).
    STATE_MACHINE = 5, 0, "Unspecified Error";
    /// The data is the type of the message (RFC 6608).
    UNEXPECTED_IN_OPEN_SENT = 5, 1, "Receive Unexpected Message in OpenSent State";
    /// The data is the type of the message (RFC 6608).
    UNEXPECTED_IN_OPEN_CONFIRM = 5, 2, "Receive Unexpected Message in OpenConfirm State";
    /// The data is the type of the message (RFC 6608).
    UNEXPECTED_IN_ESTABLISHED = 5, 3, "Receive Unexpected Message in Established State";
    /// Cease: no subcode (RFC 4271 section 6.7).
    CEASE = 6, 0, "Reserved";
    /// RFC 4486.
    MAXIMUM_PREFIXES = 6, 1, "Maximum Number of Prefixes Reached";
    /// With a text (RFC 9003).
    ADMINISTRATIVE_SHUTDOWN = 6, 2, "Administrative Shutdown";
    /// RFC 4486.
    PEER_DECONFIGURED = 6, 3, "Peer De-configured";
    /// With a text (RFC 9003).
    ADMINISTRATIVE_RESET = 6, 4, "Administrative Reset";
    /// RFC 4486.
    CONNECTION_REJECTED = 6, 5, "Connection Rejected";
    /// RFC 4486.
    OTHER_CONFIGURATION_CHANGE = 6, 6, "Other Configuration Change";
    /// RFC 4486; RFC 4271 section 6.8.
    COLLISION_RESOLUTION = 6, 7, "Connection Collision Resolution";
    /// RFC 4486.
    OUT_OF_RESOURCES = 6, 8, "Out of Resources";
    /// The data is another code, subcode and data (RFC 8538).
    HARD_RESET = 6, 9, "Hard Reset";
    /// RFC 9384.
    BFD_DOWN = 6, 10, "BFD Down";
    /// ROUTE-REFRESH: no subcode (RFC 7313).
    ROUTE_REFRESH = 7, 0, "Reserved";
    /// The data is the whole message (RFC 7313 section 5).
    ROUTE_REFRESH_LENGTH = 7, 1, "Invalid Message Length";
    /// The peer did not read for too long (RFC 9687).
    SEND_HOLD_TIMER_EXPIRED = 8, 0, "Unspecific";
}

impl ErrorCode {
    /// The name of the error code, if IANA registered it.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.code {
            1 => "Message Header Error",
            2 => "OPEN Message Error",
            3 => "UPDATE Message Error",
            4 => "Hold Timer Expired",
            5 => "Finite State Machine Error",
            6 => "Cease",
            7 => "ROUTE-REFRESH Message Error",
            8 => "Send Hold Timer Expired",
            _ => return None,
        })
    }
}

impl fmt::Display for ErrorCode {
    /// Names where there are any, and numbers: `Cease, Administrative Shutdown (6/2)`, `Hold Timer Expired (4/0)`,
    /// `unknown error (77/1)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("unknown error"))?;
        if self.subcode != 0
            && let Some(name) = self.subcode_name()
        {
            write!(f, ", {name}")?;
        }
        write!(f, " ({}/{})", self.code, self.subcode)
    }
}

/// A NOTIFICATION, sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Error code and subcode.
    pub error: ErrorCode,
    /// The data; at most a message.
    data: Box<[u8]>,
}

impl Notification {
    /// A NOTIFICATION with data, of which as much is kept as fits a message of 4096 octets.
    pub fn new(error: ErrorCode, data: &[u8]) -> Self {
        Self { error, data: data.get(..MAX_DATA).unwrap_or(data).into() }
    }

    /// A NOTIFICATION with a shutdown communication (RFC 9003), usually [`ErrorCode::ADMINISTRATIVE_SHUTDOWN`] or
    /// [`ErrorCode::ADMINISTRATIVE_RESET`]. Of the text as many whole characters are kept as fit 255 octets.
    pub fn with_text(error: ErrorCode, text: &str) -> Self {
        let cut = (0..=MAX_COMMUNICATION.min(text.len())).rev().find(|&cut| text.is_char_boundary(cut));
        let text = text.get(..cut.unwrap_or_default()).unwrap_or_default();
        let mut data = vec![u8::try_from(text.len()).unwrap_or_default()];
        data.extend_from_slice(text.as_bytes());
        Self { error, data: data.into() }
    }

    /// Reads the body of a message: at least two octets.
    pub fn decode(body: &[u8]) -> Result<Self, Truncated> {
        let mut r = Reader::new(body);
        let error = ErrorCode { code: r.u8()?, subcode: r.u8()? };
        Ok(Self { error, data: r.rest().into() })
    }

    /// Appends the message, with its header.
    pub fn write(&self, out: &mut Vec<u8>) {
        let data = self.data.get(..MAX_DATA).unwrap_or(&self.data);
        message::write(out, MessageType::NOTIFICATION, &[&[self.error.code, self.error.subcode], data].concat());
    }

    /// The data.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The shutdown communication (RFC 9003): the text of an Administrative Shutdown or Reset, if there is one. Octets
    /// that are not UTF-8 are replaced; it may contain control characters, which a log must escape.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        if !matches!(self.error, ErrorCode::ADMINISTRATIVE_SHUTDOWN | ErrorCode::ADMINISTRATIVE_RESET) {
            return None;
        }
        let (&len, text) = self.data.split_first()?;
        let text = text.get(..len.into())?;
        (!text.is_empty()).then(|| String::from_utf8_lossy(text))
    }

    /// The reason inside a Hard Reset (RFC 8538 section 3.1), if it has one.
    pub fn hard_reset(&self) -> Option<Self> {
        (self.error == ErrorCode::HARD_RESET).then(|| Self::decode(&self.data).ok())?
    }
}

impl fmt::Display for Notification {
    /// The error, and the text if there is one, without control characters:
    /// `Cease, Administrative Shutdown (6/2): "maintenance"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        if let Some(text) = self.text() {
            write!(f, ": {text:?}")?;
        } else if let Some(inner) = self.hard_reset() {
            // Only one level, so that nested data cannot recurse.
            write!(f, ": {}", inner.error)?;
            if let Some(text) = inner.text() {
                write!(f, ": {text:?}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(notification: &Notification) -> Vec<u8> {
        let mut out = Vec::new();
        notification.write(&mut out);
        out
    }

    #[test]
    fn codes_are_unique_and_have_names() {
        for (at, error) in ErrorCode::ALL.iter().enumerate() {
            assert!(error.name().is_some() && error.subcode_name().is_some());
            assert!(!ErrorCode::ALL[..at].contains(error), "{error}");
        }
        assert_eq!(ErrorCode::HOLD_TIMER_EXPIRED.to_string(), "Hold Timer Expired (4/0)");
        assert_eq!(ErrorCode { code: 6, subcode: 99 }.to_string(), "Cease (6/99)");
        assert_eq!(ErrorCode { code: 77, subcode: 1 }.to_string(), "unknown error (77/1)");
    }

    #[test]
    fn a_shutdown_communication_is_a_text_with_its_length() {
        let sent = Notification::with_text(ErrorCode::ADMINISTRATIVE_SHUTDOWN, "maintenance");
        let octets = written(&sent);
        assert_eq!(octets[16..], *b"\x00\x21\x03\x06\x02\x0bmaintenance");
        let read = Notification::decode(&octets[19..]).unwrap();
        assert_eq!(read, sent);
        assert_eq!(read.text().as_deref(), Some("maintenance"));
        assert_eq!(read.to_string(), "Cease, Administrative Shutdown (6/2): \"maintenance\"");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let sent = Notification::with_text(ErrorCode::ADMINISTRATIVE_RESET, &"ä".repeat(200));
        assert_eq!(sent.text().as_deref(), Some("ä".repeat(127).as_str()));
        assert_eq!((sent.data().len(), sent.data()[0]), (255, 254));
    }

    #[test]
    fn what_is_no_shutdown_communication_has_no_text() {
        let shutdown = ErrorCode::ADMINISTRATIVE_SHUTDOWN;
        for (error, data) in [
            (shutdown, &b""[..]),
            (shutdown, b"\x00"),
            (shutdown, b"\x05abcd"),
            (ErrorCode::CONNECTION_REJECTED, b"\x01a"),
        ] {
            assert_eq!(Notification::new(error, data).text(), None, "{error} {data:?}");
        }
        let text = Notification::new(shutdown, b"\x03a\n\xff");
        assert_eq!(text.to_string(), "Cease, Administrative Shutdown (6/2): \"a\\n\u{fffd}\"");
    }

    #[test]
    fn a_hard_reset_holds_the_reason() {
        let sent = Notification::new(ErrorCode::HARD_RESET, b"\x06\x02\x02hi");
        assert_eq!(sent.hard_reset().unwrap().text().as_deref(), Some("hi"));
        let expected = "Cease, Hard Reset (6/9): Cease, Administrative Shutdown (6/2): \"hi\"";
        assert_eq!(sent.to_string(), expected);
        assert_eq!(Notification::new(ErrorCode::HARD_RESET, b"\x06").hard_reset(), None);
        assert_eq!(Notification::new(ErrorCode::CEASE, b"\x06\x02").hard_reset(), None);
    }

    #[test]
    fn a_body_of_one_octet_is_truncated() {
        assert_eq!(Notification::decode(&[6]), Err(Truncated { at: 1, wanted: 1, left: 0 }));
    }

    proptest! {
        #[test]
        fn round_trips(code: u8, subcode: u8, data in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let sent = Notification::new(ErrorCode { code, subcode }, &data);
            let octets = written(&sent);
            prop_assert!(octets.len() <= MAX_LEN);
            prop_assert_eq!(message::length(&octets, false), Ok(Some(octets.len())));
            prop_assert_eq!(Notification::decode(&octets[19..]), Ok(sent.clone()));
            _ = sent.to_string();
        }
    }
}
