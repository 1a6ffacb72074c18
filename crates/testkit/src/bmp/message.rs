//! Messages (RFC 7854 section 4).
//!
//! The header is the version (1 octet), the length of the whole message (4 octets) and its type (1 octet).

/// Type of Route Monitoring.
pub const ROUTE_MONITORING: u8 = 0;
/// Type of Statistics Report.
pub const STATISTICS: u8 = 1;
/// Type of Peer Down Notification.
pub const PEER_DOWN: u8 = 2;
/// Type of Peer Up Notification.
pub const PEER_UP: u8 = 3;
/// Type of Initiation.
pub const INITIATION: u8 = 4;
/// Type of Termination.
pub const TERMINATION: u8 = 5;
/// Type of Route Mirroring.
pub const ROUTE_MIRRORING: u8 = 6;
/// Octets of a header.
pub const HEADER: usize = 6;

/// Type of an information TLV: free text (section 4.4).
pub const STRING: u16 = 0;
/// Type of an information TLV: sysDescr.
pub const SYS_DESCR: u16 = 1;
/// Type of an information TLV: sysName.
pub const SYS_NAME: u16 = 2;
/// Type of a termination TLV: the reason (section 4.5).
pub const REASON: u16 = 1;

/// A message of version 3.
///
/// # Panics
///
/// If it is longer than its length can say.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    message_of(3, kind, body)
}

/// A message of that version.
///
/// # Panics
///
/// If it is longer than its length can say.
pub fn message_of(version: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).expect("a message has at most 2^32 octets");
    [&[version], &length.to_be_bytes()[..], &[kind], body].concat()
}

/// A TLV: type, length, value.
///
/// # Panics
///
/// If the value is longer than 65,535 octets.
pub fn tlv(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &length(value), value].concat()
}

/// A TLV of version 4 (draft-ietf-grow-bmp-tlv): type, length, index, value. The length does not count the index.
///
/// # Panics
///
/// If the value is longer than 65,535 octets.
pub fn indexed_tlv(kind: u16, index: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &length(value), &index.to_be_bytes(), value].concat()
}

fn length(value: &[u8]) -> [u8; 2] {
    u16::try_from(value.len()).expect("a TLV has at most 65,535 octets").to_be_bytes()
}

/// Initiation (section 4.3) with a name and a description.
pub fn initiation(name: &str, description: &str) -> Vec<u8> {
    let tlvs = [tlv(SYS_DESCR, description.as_bytes()), tlv(SYS_NAME, name.as_bytes())];
    message(INITIATION, &tlvs.concat())
}

/// Termination (section 4.5) with a reason: 0 administratively closed, 1 unspecified, 2 out of resources, 3 redundant
/// connection, 4 permanently administratively closed.
pub fn termination(reason: u16) -> Vec<u8> {
    message(TERMINATION, &tlv(REASON, &reason.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_in_the_rfc() {
        let expected = [&[3, 0, 0, 0, 19, 4][..], &[0, 1, 0, 3], b"one", &[0, 2, 0, 2], b"r1"].concat();
        assert_eq!(initiation("r1", "one"), expected);
        assert_eq!(termination(3), [3, 0, 0, 0, 12, 5, 0, 1, 0, 2, 0, 3]);
        assert_eq!(indexed_tlv(4, 1, &[9, 9]), [0, 4, 0, 2, 0, 1, 9, 9]);
    }
}
