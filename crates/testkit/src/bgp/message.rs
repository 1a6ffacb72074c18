//! Messages (RFC 4271 section 4).
//!
//! The header is a marker of 16 octets 0xff, the length of the whole message (2 octets) and its type (1 octet).

use std::net::Ipv4Addr;

/// Type of OPEN.
pub const OPEN: u8 = 1;
/// Type of UPDATE.
pub const UPDATE: u8 = 2;
/// Type of NOTIFICATION.
pub const NOTIFICATION: u8 = 3;
/// Type of KEEPALIVE.
pub const KEEPALIVE: u8 = 4;
/// Type of ROUTE-REFRESH (RFC 2918).
pub const ROUTE_REFRESH: u8 = 5;
/// Octets of a header.
pub const HEADER: usize = 19;

/// A message of that type with that body.
///
/// # Panics
///
/// If it is longer than its length can say.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + body.len()).expect("a message has at most 65,535 octets");
    let mut octets = vec![0xff; 16];
    octets.extend(length.to_be_bytes());
    octets.push(kind);
    octets.extend(body);
    octets
}

/// KEEPALIVE (section 4.4).
pub fn keepalive() -> Vec<u8> {
    message(KEEPALIVE, &[])
}

/// NOTIFICATION (section 4.5).
pub fn notification(code: u8, subcode: u8, data: &[u8]) -> Vec<u8> {
    message(NOTIFICATION, &[&[code, subcode], data].concat())
}

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: u8,
    /// What follows the header.
    pub body: Vec<u8>,
}

impl Message {
    /// Takes the first message off a buffer; `None` if it is incomplete.
    ///
    /// # Panics
    ///
    /// If the buffer does not start with a header.
    pub(super) fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let header = buffer.get(..HEADER)?;
        assert_eq!(header[..16], [0xff; 16], "the marker of a message");
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        assert!((HEADER..=4096).contains(&length), "a message of {length} octets");
        let kind = header[18];
        let body = buffer.get(HEADER..length)?.to_vec();
        buffer.drain(..length);
        Some(Self { kind, body })
    }

    /// Code, subcode and data of a NOTIFICATION.
    pub fn as_notification(&self) -> Option<(u8, u8, &[u8])> {
        match self.body.as_slice() {
            [code, subcode, data @ ..] if self.kind == NOTIFICATION => Some((*code, *subcode, data)),
            _ => None,
        }
    }

    /// The capabilities of an OPEN, in its order: code and value (RFC 5492).
    pub fn capabilities(&self) -> Vec<(u8, Vec<u8>)> {
        let mut found = Vec::new();
        let mut parameters = self.body.get(10..).unwrap_or_default();
        while let [kind, length, rest @ ..] = parameters {
            let (mut value, rest) = rest.split_at(usize::from(*length).min(rest.len()));
            parameters = rest;
            while let (2, [code, length, rest @ ..]) = (*kind, value) {
                let (capability, rest) = rest.split_at(usize::from(*length).min(rest.len()));
                found.push((*code, capability.to_vec()));
                value = rest;
            }
        }
        found
    }
}

/// OPEN (RFC 4271 section 4.2).
#[derive(Clone, Debug)]
pub struct Open {
    asn: u32,
    hold_time: u16,
    id: Ipv4Addr,
    capabilities: Vec<(u8, Vec<u8>)>,
}

impl Open {
    /// An OPEN with a hold time of 90 seconds, IPv4 unicast, and 4-octet AS numbers (RFC 6793).
    pub fn new(asn: u32, id: Ipv4Addr) -> Self {
        Self::without_capabilities(asn, id).family(1, 1).capability(65, &asn.to_be_bytes())
    }

    /// An OPEN with a hold time of 90 seconds and nothing else.
    pub fn without_capabilities(asn: u32, id: Ipv4Addr) -> Self {
        Self { asn, hold_time: 90, id, capabilities: Vec::new() }
    }

    /// Sets the hold time in seconds.
    #[must_use]
    pub fn hold_time(mut self, seconds: u16) -> Self {
        self.hold_time = seconds;
        self
    }

    /// Adds a capability.
    #[must_use]
    pub fn capability(mut self, code: u8, value: &[u8]) -> Self {
        self.capabilities.push((code, value.to_vec()));
        self
    }

    /// Adds a family (RFC 4760 section 8).
    #[must_use]
    pub fn family(self, afi: u16, safi: u8) -> Self {
        let [high, low] = afi.to_be_bytes();
        self.capability(1, &[high, low, 0, safi])
    }

    /// Offers to send path identifiers (RFC 7911 section 4).
    #[must_use]
    pub fn add_path(self, afi: u16, safi: u8) -> Self {
        let [high, low] = afi.to_be_bytes();
        self.capability(69, &[high, low, safi, 2])
    }

    /// The message. Each capability is a parameter of its own.
    ///
    /// # Panics
    ///
    /// If a capability, or all together, are too long.
    pub fn finish(&self) -> Vec<u8> {
        let length = |octets: &[u8]| u8::try_from(octets.len()).expect("lengths in an OPEN have one octet");
        let mut parameters = Vec::new();
        for (code, value) in &self.capabilities {
            let capability = [&[*code, length(value)], value.as_slice()].concat();
            parameters.extend([2, length(&capability)]);
            parameters.extend(capability);
        }
        // AS_TRANS (RFC 6793 section 9) stands for numbers that need 4 octets.
        let short = u16::try_from(self.asn).unwrap_or(23_456);
        let mut body = vec![4];
        body.extend(short.to_be_bytes());
        body.extend(self.hold_time.to_be_bytes());
        body.extend(self.id.octets());
        body.push(length(&parameters));
        body.extend(parameters);
        message(OPEN, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_is_as_in_the_rfc() {
        let octets = Open::new(65_001, [10, 0, 1, 1].into()).add_path(1, 1).finish();
        let mut expected = vec![0xff; 16];
        expected.extend([0, 53, 1]); // length, type
        expected.extend([4, 0xfd, 0xe9, 0, 90, 10, 0, 1, 1, 24]); // version, AS, hold time, identifier, parameters
        expected.extend([2, 6, 1, 4, 0, 1, 0, 1]); // IPv4 unicast
        expected.extend([2, 6, 65, 4, 0, 0, 0xfd, 0xe9]); // 4-octet AS number
        expected.extend([2, 6, 69, 4, 0, 1, 1, 2]); // ADD-PATH, send
        assert_eq!(octets, expected);
    }

    #[test]
    fn messages_are_taken_one_by_one() {
        let open = Open::new(4_200_000_001, [10, 0, 1, 1].into()).finish();
        let mut buffer = [open.as_slice(), &notification(6, 2, b"\x03bye"), &keepalive()[..18]].concat();
        let first = Message::take(&mut buffer).unwrap();
        assert_eq!((first.kind, &first.body[1..3]), (OPEN, &23_456_u16.to_be_bytes()[..]));
        assert_eq!(first.capabilities(), [(1, vec![0, 1, 0, 1]), (65, 4_200_000_001_u32.to_be_bytes().to_vec())]);
        let second = Message::take(&mut buffer).unwrap();
        assert_eq!(second.as_notification(), Some((6, 2, &b"\x03bye"[..])));
        assert_eq!(Message::take(&mut buffer), None);
        buffer.push(KEEPALIVE);
        assert_eq!(Message::take(&mut buffer), Some(Message { kind: KEEPALIVE, body: Vec::new() }));
        assert!(buffer.is_empty());
    }
}
