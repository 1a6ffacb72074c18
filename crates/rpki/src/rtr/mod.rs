//! PDUs of the RPKI-to-Router protocol: version 0 (RFC 6810), 1 (RFC 8210) and 2 (draft-ietf-sidrops-8210bis).
//!
//! ```text
//!  0          8          16                    31
//! +----------+----------+----------------------+
//! | version  | type     | session, error, flags|
//! +----------+----------+----------------------+
//! | length of the PDU, with these 8 octets     |
//! +--------------------------------------------+
//! ```
//!
//! | type | PDU | from | version |
//! |---|---|---|---|
//! | 0 | Serial Notify | cache | |
//! | 1 | Serial Query | router | |
//! | 2 | Reset Query | router | |
//! | 3 | Cache Response | cache | |
//! | 4, 6 | IPv4 Prefix, IPv6 Prefix | cache | |
//! | 7 | End of Data | cache | timers from version 1 on |
//! | 8 | Cache Reset | cache | |
//! | 9 | Router Key | cache | from version 1 on |
//! | 10 | Error Report | both | |
//! | 11 | ASPA | cache | from version 2 on |
//!
//! The ASPA PDU changed while version 2 was drafted: since -11 the flags are in the third octet of the header; before, they
//! followed the length, with an address family and a count of providers. Caches of both kinds are in use, so both forms are read;
//! see [`Aspa`].

mod aspa;
mod error;
#[cfg(test)]
mod tests;

pub use aspa::{Aspa, Providers};
pub use error::{ErrorCode, PduError};

use crate::vrps::Vrp;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Asn, Prefix, Reader, Writer};

/// Octets of the header.
pub const HEADER: usize = 8;
/// Maximum length of an Error Report or a Router Key, which have no maximum of their own. Real ones are much shorter.
pub const MAX_VARIABLE: usize = 65_536;
/// Maximum length of an ASPA PDU: as many providers as the 16-bit count of its first form allows.
pub const MAX_ASPA: usize = 16 + 4 * 65_535;

/// The lowest-order bit of the flags: an announcement, not a withdrawal.
const ANNOUNCE: u8 = 1;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// RFC 6810.
    V0,
    /// RFC 8210.
    V1,
    /// draft-ietf-sidrops-8210bis.
    V2,
}

impl Version {
    /// The version with that number, if it is known.
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::V0),
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The version before this one.
    pub const fn previous(self) -> Option<Self> {
        match self {
            Self::V0 => None,
            Self::V1 => Some(Self::V0),
            Self::V2 => Some(Self::V1),
        }
    }
}

/// A PDU type (IANA "rpki-rtr-pdu").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PduType(pub u8);

impl PduType {
    /// The cache has new data.
    pub const SERIAL_NOTIFY: Self = Self(0);
    /// The router asks for changes since a serial number.
    pub const SERIAL_QUERY: Self = Self(1);
    /// The router asks for all data.
    pub const RESET_QUERY: Self = Self(2);
    /// Data follow.
    pub const CACHE_RESPONSE: Self = Self(3);
    /// A VRP.
    pub const IPV4_PREFIX: Self = Self(4);
    /// A VRP.
    pub const IPV6_PREFIX: Self = Self(6);
    /// The data are complete.
    pub const END_OF_DATA: Self = Self(7);
    /// The cache cannot send changes.
    pub const CACHE_RESET: Self = Self(8);
    /// A BGPsec router key.
    pub const ROUTER_KEY: Self = Self(9);
    /// An error.
    pub const ERROR_REPORT: Self = Self(10);
    /// The providers of an AS.
    pub const ASPA: Self = Self(11);

    /// The lengths that a PDU of this type may have, or `None` if the version has no such type.
    fn lengths(self, version: Version) -> Option<std::ops::RangeInclusive<usize>> {
        Some(match self {
            Self::SERIAL_NOTIFY | Self::SERIAL_QUERY => 12..=12,
            Self::RESET_QUERY | Self::CACHE_RESPONSE | Self::CACHE_RESET => HEADER..=HEADER,
            Self::IPV4_PREFIX => 20..=20,
            Self::IPV6_PREFIX => 32..=32,
            Self::END_OF_DATA if version == Version::V0 => 12..=12,
            Self::END_OF_DATA => 24..=24,
            Self::ROUTER_KEY if version >= Version::V1 => 32..=MAX_VARIABLE,
            Self::ERROR_REPORT => 16..=MAX_VARIABLE,
            Self::ASPA if version >= Version::V2 => 12..=MAX_ASPA,
            _ => return None,
        })
    }
}

/// The intervals of an End of Data, in seconds (RFC 8210 section 6), as the cache sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Between two queries.
    pub refresh: u32,
    /// Before a failed query is repeated.
    pub retry: u32,
    /// How long data may be used that cannot be refreshed.
    pub expire: u32,
}

/// A PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pdu<'a> {
    /// The cache has new data.
    SerialNotify {
        /// The session of the cache.
        session: u16,
        /// The serial number of the new data.
        serial: u32,
    },
    /// Asks for the changes since a serial number.
    SerialQuery {
        /// The session of the serial number.
        session: u16,
        /// The serial number of the data that the router has.
        serial: u32,
    },
    /// Asks for all data.
    ResetQuery,
    /// The data that were asked for follow.
    CacheResponse {
        /// The session of the cache.
        session: u16,
    },
    /// A VRP.
    Prefix {
        /// Announced, or withdrawn.
        announce: bool,
        /// The VRP.
        vrp: Vrp,
    },
    /// The data are complete.
    EndOfData {
        /// The session of the cache.
        session: u16,
        /// The serial number of the data.
        serial: u32,
        /// From version 1 on.
        intervals: Option<Intervals>,
    },
    /// The cache cannot send changes since that serial number: only all data.
    CacheReset,
    /// A BGPsec router key.
    RouterKey {
        /// Announced, or withdrawn.
        announce: bool,
        /// Subject Key Identifier.
        identifier: [u8; 20],
        /// The AS of the router.
        asn: Asn,
        /// Subject Public Key Info, DER.
        key: &'a [u8],
    },
    /// An error.
    ErrorReport {
        /// The error.
        code: ErrorCode,
        /// The PDU that caused it, perhaps cut; empty if there is none.
        pdu: &'a [u8],
        /// A text for people, meant to be UTF-8; may be empty.
        text: &'a [u8],
    },
    /// The providers of an AS.
    Aspa(Aspa<'a>),
}

impl<'a> Pdu<'a> {
    /// Reads the PDU at the start of `octets`: its version, itself, and its length in octets. `None` if more octets are needed,
    /// never more than [`MAX_ASPA`].
    ///
    /// # Errors
    /// The PDU is malformed, too long, or unknown; nothing after it can be read. As much is checked as the octets allow: a wrong length is
    /// reported before its octets arrive.
    pub fn read(octets: &'a [u8]) -> Result<Option<(Version, Self, usize)>, PduError> {
        let Some(([version, kind, field @ .., l0, l1, l2, l3], _)) = octets.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let version = Version::of_number(*version).ok_or(PduError::Version(*version))?;
        let (kind, field) = (PduType(*kind), *field);
        let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]);
        let wrong = PduError::Length { kind, length };
        let lengths = kind.lengths(version).ok_or(PduError::Type(kind))?;
        let octets_of_pdu = usize::try_from(length).ok().filter(|length| lengths.contains(length)).ok_or(wrong)?;
        let Some(pdu) = octets.get(..octets_of_pdu) else { return Ok(None) };
        let mut r = Reader::new(pdu);
        // The lengths of types without variable parts were checked, so what is missing in others is a wrong length.
        let pdu = r.take(HEADER).and_then(|_| body(kind, field, version, r)).map_err(|_| wrong)??;
        Ok(Some((version, pdu, octets_of_pdu)))
    }

    /// Its type.
    pub fn kind(&self) -> PduType {
        match self {
            Self::SerialNotify { .. } => PduType::SERIAL_NOTIFY,
            Self::SerialQuery { .. } => PduType::SERIAL_QUERY,
            Self::ResetQuery => PduType::RESET_QUERY,
            Self::CacheResponse { .. } => PduType::CACHE_RESPONSE,
            Self::Prefix { vrp, .. } => match vrp.prefix().address() {
                IpAddr::V4(_) => PduType::IPV4_PREFIX,
                IpAddr::V6(_) => PduType::IPV6_PREFIX,
            },
            Self::EndOfData { .. } => PduType::END_OF_DATA,
            Self::CacheReset => PduType::CACHE_RESET,
            Self::RouterKey { .. } => PduType::ROUTER_KEY,
            Self::ErrorReport { .. } => PduType::ERROR_REPORT,
            Self::Aspa(_) => PduType::ASPA,
        }
    }

    /// Writes the PDU. The caller keeps octets of variable length below [`MAX_VARIABLE`]; an End of Data of version 1 or later without
    /// intervals gets the recommended ones.
    pub fn write(&self, version: Version, w: &mut Writer) {
        let start = w.len();
        let field = match self {
            Self::SerialNotify { session, .. }
            | Self::SerialQuery { session, .. }
            | Self::CacheResponse { session }
            | Self::EndOfData { session, .. } => *session,
            Self::ErrorReport { code, .. } => code.0,
            Self::RouterKey { announce, .. } => u16::from_be_bytes([u8::from(*announce), 0]),
            Self::Aspa(aspa) => u16::from_be_bytes([aspa.header_flags(), 0]),
            Self::ResetQuery | Self::Prefix { .. } | Self::CacheReset => 0,
        };
        w.u8(version.number()).u8(self.kind().0).u16(field).u32(0);
        match self {
            Self::SerialNotify { serial, .. } | Self::SerialQuery { serial, .. } => _ = w.u32(*serial),
            Self::ResetQuery | Self::CacheResponse { .. } | Self::CacheReset => {}
            Self::Prefix { announce, vrp } => {
                w.u8(u8::from(*announce)).u8(vrp.prefix().length()).u8(vrp.max_length()).u8(0);
                match vrp.prefix().address() {
                    IpAddr::V4(v4) => w.put(&v4.octets()),
                    IpAddr::V6(v6) => w.put(&v6.octets()),
                };
                w.u32(vrp.asn().0);
            }
            Self::EndOfData { serial, intervals, .. } => {
                w.u32(*serial);
                if version >= Version::V1 {
                    let Intervals { refresh, retry, expire } = intervals.unwrap_or_default();
                    w.u32(refresh).u32(retry).u32(expire);
                }
            }
            Self::RouterKey { identifier, asn, key, .. } => _ = w.put(identifier).u32(asn.0).put(key),
            Self::ErrorReport { pdu, text, .. } => {
                for part in [pdu, text] {
                    w.u32(u32::try_from(part.len()).unwrap_or(u32::MAX)).put(part);
                }
            }
            Self::Aspa(aspa) => aspa.write(w),
        }
        let length = u32::try_from(w.len().saturating_sub(start)).unwrap_or(u32::MAX);
        w.overwrite(start + 4, &length.to_be_bytes());
    }
}

impl Default for Intervals {
    /// Those that RFC 8210 section 6 recommends.
    fn default() -> Self {
        Self { refresh: 3600, retry: 600, expire: 7200 }
    }
}

/// Reads what follows the header. The outer error is that of a length.
fn body<'a>(
    kind: PduType,
    field: [u8; 2],
    version: Version,
    mut r: Reader<'a>,
) -> Result<Result<Pdu<'a>, PduError>, wire::Truncated> {
    let number = u16::from_be_bytes(field);
    Ok(Ok(match kind {
        PduType::SERIAL_NOTIFY => Pdu::SerialNotify { session: number, serial: r.u32()? },
        PduType::SERIAL_QUERY => Pdu::SerialQuery { session: number, serial: r.u32()? },
        PduType::RESET_QUERY => Pdu::ResetQuery,
        PduType::CACHE_RESPONSE => Pdu::CacheResponse { session: number },
        PduType::IPV4_PREFIX => return prefix(r, |r| r.array().map(|octets| Ipv4Addr::from(octets).into())),
        PduType::IPV6_PREFIX => return prefix(r, |r| r.array().map(|octets| Ipv6Addr::from(octets).into())),
        PduType::END_OF_DATA => {
            let serial = r.u32()?;
            let intervals = match version {
                Version::V0 => None,
                _ => Some(Intervals { refresh: r.u32()?, retry: r.u32()?, expire: r.u32()? }),
            };
            Pdu::EndOfData { session: number, serial, intervals }
        }
        PduType::CACHE_RESET => Pdu::CacheReset,
        PduType::ROUTER_KEY => {
            let [flags, _] = field;
            let (identifier, asn) = (r.array()?, Asn(r.u32()?));
            Pdu::RouterKey { announce: flags & ANNOUNCE != 0, identifier, asn, key: r.rest() }
        }
        PduType::ERROR_REPORT => {
            let mut part = || {
                let length = r.u32()?;
                r.take(usize::try_from(length).unwrap_or(usize::MAX))
            };
            let (pdu, text) = (part()?, part()?);
            if !r.is_empty() {
                return Err(wire::Truncated { at: r.at(), wanted: 0, left: r.left() });
            }
            Pdu::ErrorReport { code: ErrorCode(number), pdu, text }
        }
        PduType::ASPA => return Ok(Aspa::read(field, r)?.map(Pdu::Aspa)),
        _ => return Ok(Err(PduError::Type(kind))),
    }))
}

fn prefix<'a>(
    mut r: Reader<'a>,
    address: impl Fn(&mut Reader<'a>) -> Result<IpAddr, wire::Truncated>,
) -> Result<Result<Pdu<'a>, PduError>, wire::Truncated> {
    let [flags, length, max_length, _] = r.array()?;
    let (address, asn) = (address(&mut r)?, Asn(r.u32()?));
    let vrp = Prefix::new(address, length).and_then(|prefix| Vrp::new(prefix, max_length, asn));
    let announce = flags & ANNOUNCE != 0;
    Ok(vrp.map(|vrp| Pdu::Prefix { announce, vrp }).ok_or(PduError::PrefixLength { length, max_length }))
}
