//! Datagrams of the protocol of another collector, sent to the wrong port.

use netflow::datagram::HeaderError;
use std::fmt;

/// A protocol that is not the port's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// NetFlow or IPFIX of that version.
    NetFlow(u16),
    /// sFlow of that version.
    Sflow(u32),
}

impl Foreign {
    /// Recognises a datagram of another protocol at the sFlow port.
    pub(super) fn to_sflow(octets: &[u8]) -> Option<Self> {
        let version = octets.first_chunk().map(|version| u16::from_be_bytes(*version))?;
        match netflow::datagram::open(octets) {
            Ok(_) | Err(HeaderError::Count { .. } | HeaderError::Length(_)) => Some(Self::NetFlow(version)),
            Err(HeaderError::TooShort(_) | HeaderError::Version(_)) => None,
        }
    }

    /// Recognises a datagram of another protocol at the NetFlow port.
    pub(super) fn to_netflow(octets: &[u8]) -> Option<Self> {
        ::sflow::open(octets).ok().map(|datagram| Self::Sflow(datagram.header.version))
    }
}

/// Names the protocol, and the port for it.
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it looks like ")?;
        match self {
            Self::NetFlow(netflow::datagram::IPFIX) => f.write_str("IPFIX (NetFlow v10)")?,
            Self::NetFlow(version) => write!(f, "NetFlow v{version}")?,
            Self::Sflow(version) => write!(f, "sFlow v{version}")?,
        }
        f.write_str(match self {
            Self::NetFlow(_) => {
                ", and this port (sfacctd_port) takes sFlow. Send NetFlow and IPFIX to nfacctd (nfacctd_port)"
            }
            Self::Sflow(_) => {
                ", and this port (nfacctd_port) takes NetFlow and IPFIX. Send sFlow to sfacctd (sfacctd_port)"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_recognised_at_the_other_protocols_port_and_nothing_else_is() {
        for version in [1, 5, 7, 9, 10] {
            let mut octets = vec![0; 80];
            octets[..4].copy_from_slice(&[0, version, 0, if version == 10 { 80 } else { 1 }]);
            assert_eq!(Foreign::to_sflow(&octets), Some(Foreign::NetFlow(version.into())));
            // More records than there are, or a length that cannot be.
            octets[2..4].copy_from_slice(&[0, if version == 10 { 3 } else { 30 }]);
            assert_eq!(Foreign::to_sflow(&octets), Some(Foreign::NetFlow(version.into())));
            assert_eq!((Foreign::to_sflow(&octets[..9]), Foreign::to_netflow(&octets)), (None, None));
        }
        for version in [2, 4, 5] {
            let octets = [&[0, 0, 0, version, 0, 0, 0, 1, 192, 0, 2, 1][..], &[0; 16]].concat();
            assert_eq!(Foreign::to_netflow(&octets), Some(Foreign::Sflow(version.into())));
            assert_eq!((Foreign::to_netflow(&octets[..9]), Foreign::to_sflow(&octets)), (None, None));
        }
        for octets in [&b""[..], b"\0", b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", &[0; 60], &[255; 60]] {
            assert_eq!((Foreign::to_sflow(octets), Foreign::to_netflow(octets)), (None, None));
        }
    }
}
