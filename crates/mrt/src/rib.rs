//! The routes of a prefix (RFC 6396 sections 4.2 and 4.3, RFC 8050 section 4).
//!
//! ```text
//! TABLE_DUMP_V2   sequence u32
//!                 prefix as in NLRI; in RIB_GENERIC: AFI u16, SAFI u8, one NLRI
//!                 count u16
//! entry           u16 position of the peer in PEER_INDEX_TABLE, u32 time of reception
//!                 u32 path identifier, in subtypes that end in _ADDPATH
//!                 u16 length, path attributes
//! TABLE_DUMP      view u16, sequence u16, prefix of 4 or 16 octets, length u8, status u8, time u32,
//!                 peer of 4 or 16 octets, AS number u16, u16 length, path attributes
//! ```
//!
//! AS numbers in paths have four octets in TABLE_DUMP_V2, and two in TABLE_DUMP. MP_REACH_NLRI contains only the next hop
//! ([`crate::attributes`]).

use crate::record::{self, Time, Type, put};
use crate::{MrtError, Peer, nlri};
use std::net::{IpAddr, Ipv4Addr};
use wire::{Afi, Asn, Family, Prefix, Reader, Safi, Writer};

/// Subtype of the peers.
pub(crate) const PEER_INDEX_TABLE: u16 = 1;
const RIB_IPV4_UNICAST: u16 = 2;
const RIB_IPV4_MULTICAST: u16 = 3;
const RIB_IPV6_UNICAST: u16 = 4;
const RIB_IPV6_MULTICAST: u16 = 5;
const RIB_GENERIC: u16 = 6;
/// Subtypes with path identifiers follow those without (RFC 8050 section 4).
const ADDPATH: u16 = 6;

/// The routes of one prefix, or of other NLRI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rib<'a> {
    /// Number of the record in its table.
    pub sequence: u32,
    /// Address family.
    pub afi: Afi,
    /// Subsequent address family.
    pub safi: Safi,
    /// What the routes lead to.
    pub nlri: Nlri<'a>,
    /// The number of octets of AS numbers in AS_PATH: 4, or 2 in TABLE_DUMP.
    pub asn_octets: u8,
    entries: Entries<'a>,
}

/// What routes lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nlri<'a> {
    /// A prefix of unicast or multicast routes.
    Prefix(Prefix),
    /// The octets of one NLRI of another family.
    Other(&'a [u8]),
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where the route is from.
    pub peer: From,
    /// When it was received, in seconds since 1970.
    pub originated: u32,
    /// Path identifier (RFC 7911).
    pub path_id: Option<u32>,
    /// Path attributes, in the wire format of RFC 4271 section 4.3.
    pub attributes: &'a [u8],
}

/// The peer of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Its position in PEER_INDEX_TABLE.
    Index(u16),
    /// The peer itself, in TABLE_DUMP. Its BGP identifier is not known and zero.
    Peer(Peer),
}

/// The routes of a record; an error ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries<'a> {
    left: &'a [u8],
    /// Offset of `left` in the record.
    at: usize,
    count: u16,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    V1(Family),
    V2 { has_path_ids: bool },
}

impl<'a> Rib<'a> {
    /// Decodes the body of a record of TABLE_DUMP_V2; `None` for other subtypes.
    pub(crate) fn read(subtype: u16, body: &'a [u8]) -> Result<Option<Self>, MrtError> {
        let has_path_ids = (RIB_IPV4_UNICAST + ADDPATH..=RIB_GENERIC + ADDPATH).contains(&subtype);
        let base = if has_path_ids { subtype - ADDPATH } else { subtype };
        let (family, safi) = match base {
            RIB_IPV4_UNICAST => (Some(Family::V4), Safi::UNICAST),
            RIB_IPV4_MULTICAST => (Some(Family::V4), Safi::MULTICAST),
            RIB_IPV6_UNICAST => (Some(Family::V6), Safi::UNICAST),
            RIB_IPV6_MULTICAST => (Some(Family::V6), Safi::MULTICAST),
            RIB_GENERIC => (None, Safi(0)),
            _ => return Ok(None),
        };
        let mut r = Reader::new(body);
        let sequence = r.u32()?;
        let (afi, safi, nlri) = match family {
            Some(family) => (family.afi(), safi, Nlri::Prefix(Prefix::read(&mut r, family)?)),
            None => {
                let (afi, safi) = (Afi(r.u16()?), Safi(r.u8()?));
                let octets = nlri::take(&mut r, afi, safi)?;
                let family = Family::ALL.into_iter().find(|family| family.afi() == afi);
                let nlri = match (family, safi) {
                    (Some(family), Safi::UNICAST | Safi::MULTICAST) => {
                        Nlri::Prefix(Prefix::read(&mut Reader::new(octets), family)?)
                    }
                    _ => Nlri::Other(octets),
                };
                (afi, safi, nlri)
            }
        };
        let count = r.u16()?;
        let entries = Entries { left: r.rest(), at: r.at(), count, form: Form::V2 { has_path_ids } };
        Ok(Some(Self { sequence, afi, safi, nlri, asn_octets: 4, entries }))
    }

    /// Decodes the body of a record of TABLE_DUMP; its subtype is the address family.
    pub(crate) fn read_v1(afi: u16, body: &'a [u8]) -> Result<Self, MrtError> {
        let mut r = Reader::new(body);
        let family = Family::ALL.into_iter().find(|family| family.afi().0 == afi);
        let family = family.ok_or(MrtError::Family(afi))?;
        r.u16()?;
        let sequence = r.u16()?.into();
        let address = read_address(&mut r, family)?;
        let prefix = Prefix::new(address, r.u8()?);
        let prefix = prefix.ok_or(MrtError::Prefix(wire::PrefixError::Length(family.width())))?;
        // The status is always 1 (RFC 6396 section 4.2).
        r.u8()?;
        let entries = Entries { left: r.rest(), at: r.at(), count: 1, form: Form::V1(family) };
        let nlri = Nlri::Prefix(prefix);
        Ok(Self { sequence, afi: family.afi(), safi: Safi::UNICAST, nlri, asn_octets: 2, entries })
    }

    /// The routes.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        self.entries
    }
}

fn read_address(r: &mut Reader<'_>, family: Family) -> Result<IpAddr, wire::Truncated> {
    Ok(match family {
        Family::V4 => r.array::<4>()?.into(),
        Family::V6 => r.array::<16>()?.into(),
    })
}

impl<'a> Entries<'a> {
    fn read(&mut self) -> Result<Entry<'a>, MrtError> {
        let mut r = Reader::new(self.left);
        let entry = self.form.entry(&mut r).map_err(|mut truncated| {
            truncated.at += self.at;
            truncated
        })?;
        self.at += r.at();
        self.left = r.rest();
        Ok(entry)
    }
}

impl Form {
    fn entry<'a>(self, r: &mut Reader<'a>) -> Result<Entry<'a>, wire::Truncated> {
        let (peer, originated, path_id) = match self {
            Self::V1(family) => {
                let originated = r.u32()?;
                let address = read_address(r, family)?;
                let peer = Peer { bgp_id: Ipv4Addr::UNSPECIFIED, address, asn: Asn(r.u16()?.into()) };
                (From::Peer(peer), originated, None)
            }
            Self::V2 { has_path_ids } => {
                let (index, originated) = (r.u16()?, r.u32()?);
                (From::Index(index), originated, if has_path_ids { Some(r.u32()?) } else { None })
            }
        };
        let length = r.u16()?;
        Ok(Entry { peer, originated, path_id, attributes: r.take(usize::from(length))? })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, MrtError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let entry = self.read();
        if entry.is_err() {
            self.count = 0;
        }
        Some(entry)
    }
}

/// Writes the routes of one prefix, or of other NLRI, as a record of TABLE_DUMP_V2.
#[derive(Clone, Copy, Debug)]
pub struct RibWriter<'a> {
    /// The time of the dump.
    pub time: Time,
    /// Number of the record in its table, from 0.
    pub sequence: u32,
    /// Address family.
    pub afi: Afi,
    /// Subsequent address family.
    pub safi: Safi,
    /// What the routes lead to, without path identifier.
    pub nlri: Nlri<'a>,
    /// The routes have path identifiers; those without one get 0.
    pub has_path_ids: bool,
}

/// The routes of a record that is being written.
#[derive(Debug)]
pub struct EntryWriter<'a> {
    out: &'a mut Vec<u8>,
    has_path_ids: bool,
    count: usize,
}

impl RibWriter<'_> {
    /// Appends a record with the routes that `entries` writes. A prefix of a family without a subtype of its own becomes RIB_GENERIC.
    ///
    /// # Errors
    /// If something does not fit; nothing is appended then.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        entries: impl FnOnce(&mut EntryWriter<'_>) -> Result<(), MrtError>,
    ) -> Result<(), MrtError> {
        let is_prefix = matches!(self.nlri, Nlri::Prefix(_));
        let own = match (self.afi, self.safi) {
            (Afi::IPV4, Safi::UNICAST) => Some(RIB_IPV4_UNICAST),
            (Afi::IPV4, Safi::MULTICAST) => Some(RIB_IPV4_MULTICAST),
            (Afi::IPV6, Safi::UNICAST) => Some(RIB_IPV6_UNICAST),
            (Afi::IPV6, Safi::MULTICAST) => Some(RIB_IPV6_MULTICAST),
            _ => None,
        }
        .filter(|_| is_prefix);
        let subtype = own.unwrap_or(RIB_GENERIC) + if self.has_path_ids { ADDPATH } else { 0 };
        record::write(out, self.time, Type::TABLE_DUMP_V2, subtype, |out| {
            out.extend_from_slice(&self.sequence.to_be_bytes());
            if own.is_none() {
                out.extend_from_slice(&self.afi.0.to_be_bytes());
                out.push(self.safi.0);
            }
            match self.nlri {
                Nlri::Prefix(prefix) => put_prefix(out, &prefix),
                Nlri::Other(octets) => out.extend_from_slice(octets),
            }
            let count_at = out.len();
            out.extend_from_slice(&[0; 2]);
            let mut writer = EntryWriter { out, has_path_ids: self.has_path_ids, count: 0 };
            entries(&mut writer)?;
            let count = u16::try_from(writer.count).map_err(|_| MrtError::TooLong(writer.count))?;
            put(out, count_at, &count.to_be_bytes());
            Ok(())
        })
    }
}

/// Appends a prefix as NLRI.
pub(crate) fn put_prefix(out: &mut Vec<u8>, prefix: &Prefix) {
    let mut w = Writer::new();
    prefix.write(&mut w);
    out.extend_from_slice(&w.finish());
}

impl EntryWriter<'_> {
    /// Adds a route with the attributes that `attributes` appends, such as [`crate::attributes::from_set`].
    ///
    /// # Errors
    /// If the attributes are longer than 65,535 octets.
    pub fn entry(
        &mut self,
        peer: u16,
        originated: u32,
        path_id: Option<u32>,
        attributes: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), MrtError> {
        self.out.extend_from_slice(&peer.to_be_bytes());
        self.out.extend_from_slice(&originated.to_be_bytes());
        if self.has_path_ids {
            self.out.extend_from_slice(&path_id.unwrap_or(0).to_be_bytes());
        }
        let length_at = self.out.len();
        self.out.extend_from_slice(&[0; 2]);
        attributes(self.out);
        let length = self.out.len() - length_at - 2;
        let number = u16::try_from(length).map_err(|_| MrtError::TooLong(length))?;
        put(self.out, length_at, &number.to_be_bytes());
        self.count += 1;
        Ok(())
    }
}
