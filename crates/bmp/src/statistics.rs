//! Statistics reports (RFC 7854 section 4.8): counters and gauges of a peer.
//!
//! ```text
//! per-peer header | count (4) | counters: type (2), length (2), value
//! ```
//!
//! In version 4 TLVs may follow. From revision 20 of the draft on, the count and the counters are the value of a TLV of type 1;
//! both forms are read, as a count never begins with the octets of that type.

use crate::body::trailing;
use crate::error::MessageError;
use crate::frame::Version;
use crate::peer::PeerHeader;
use crate::tlv::{Tlv, TlvBuf, Tlvs};
use wire::{Afi, Reader, Safi, TooLong, Truncated, Writer};

mod types;
pub use types::{Form, StatisticType};

/// The TLV of version 4 that has the count and the counters.
const STATS_TLV: u16 = 1;

/// A statistics report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics<'a> {
    /// The peer, and the RIB.
    pub peer: PeerHeader,
    /// The counters: those before the first that is cut, and not more than the message announces.
    pub counters: Counters<'a>,
    /// The TLVs of version 4, without the one that has the counters in it; none in version 3.
    pub tlvs: Tlvs<'a>,
    /// A counter or TLV is cut, there are fewer counters than announced, or octets are left over.
    pub fault: Option<MessageError>,
}

/// A counter or gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter<'a> {
    /// The type.
    pub kind: StatisticType,
    /// The value as it came.
    pub octets: &'a [u8],
}

/// The value of a counter or gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterValue {
    /// The family that it is about, in types that have one.
    pub family: Option<(Afi, Safi)>,
    /// The number.
    pub number: u64,
}

impl Counter<'_> {
    /// The value, if the type is known and the length is one that it may have. A counter of 32 bits may come with 64, and
    /// a gauge with 32.
    pub fn value(&self) -> Option<CounterValue> {
        let mut r = Reader::new(self.octets);
        let family = match self.kind.form()? {
            Form::Counter | Form::Gauge => None,
            Form::FamilyGauge => Some((Afi(r.u16().ok()?), Safi(r.u8().ok()?))),
        };
        let number = match r.left() {
            4 => r.u32().ok()?.into(),
            8 => r.u64().ok()?,
            _ => return None,
        };
        Some(CounterValue { family, number })
    }
}

impl<'a> Statistics<'a> {
    pub(crate) fn read(mut r: Reader<'a>, version: Version) -> Result<Self, MessageError> {
        let peer = PeerHeader::read(&mut r)?;
        let none = Tlvs::of(&[], false);
        if version == Version::V4 && r.rest().starts_with(&STATS_TLV.to_be_bytes()) {
            let mut all = Tlvs::new(r, false);
            // The first one, so the others are what is left.
            if let Some((_, mut value)) = all.next_located() {
                let (counters, fault) = Counters::read(&mut value)?;
                let fault = fault.or_else(|| trailing(&value)).or_else(|| all.check().err());
                return Ok(Self { peer, counters, tlvs: all, fault });
            }
            return Err(Tlvs::new(r, false)
                .check()
                .err()
                .unwrap_or(Truncated { at: r.at(), wanted: 4, left: 0 }.into()));
        }
        let (counters, fault) = Counters::read(&mut r)?;
        let (tlvs, fault) = match (version, fault) {
            (_, Some(fault)) => (none, Some(fault)),
            (Version::V3, None) => (none, trailing(&r)),
            (Version::V4, None) => (Tlvs::new(r, false), Tlvs::new(r, false).check().err()),
        };
        Ok(Self { peer, counters, tlvs, fault })
    }

    /// In version 4 as a TLV.
    pub(crate) fn write(&self, w: &mut Writer, version: Version) -> Result<(), TooLong> {
        self.peer.write(w);
        let count = self.counters.count();
        let count = u32::try_from(count).map_err(|_| TooLong { len: count })?;
        if version == Version::V3 {
            w.u32(count).put(self.counters.octets());
            return Ok(());
        }
        let value = [&count.to_be_bytes(), self.counters.octets()].concat();
        let mut tlvs = TlvBuf::new(false);
        tlvs.add(Tlv::new(STATS_TLV, &value))?;
        w.put(tlvs.tlvs().octets()).put(self.tlvs.octets());
        Ok(())
    }
}

/// Counters and gauges, all whole.
#[derive(Clone, Copy, Debug)]
pub struct Counters<'a> {
    r: Reader<'a>,
}

impl<'a> Counters<'a> {
    /// Reads a count and as many counters as it announces and there are.
    fn read(r: &mut Reader<'a>) -> Result<(Self, Option<MessageError>), MessageError> {
        let count = r.u32()?;
        let start = *r;
        let mut fault = None;
        for _ in 0..count {
            let before = *r;
            if let Err(error) = Counter::read(r) {
                (*r, fault) = (before, Some(error.into()));
                break;
            }
        }
        let mut whole = start;
        let r = whole.within(r.at() - start.at())?;
        Ok((Self { r }, fault))
    }

    /// The octets.
    pub fn octets(self) -> &'a [u8] {
        self.r.rest()
    }
}

impl<'a> Counter<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, Truncated> {
        let (kind, len) = (StatisticType(r.u16()?), r.u16()?);
        Ok(Self { kind, octets: r.take(len.into())? })
    }
}

impl PartialEq for Counters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets()
    }
}

impl<'a> Iterator for Counters<'a> {
    type Item = Counter<'a>;

    fn next(&mut self) -> Option<Counter<'a>> {
        Counter::read(&mut self.r).ok()
    }
}

/// Counters being written.
#[derive(Clone, Debug, Default)]
pub struct CounterBuf {
    octets: Vec<u8>,
}

impl CounterBuf {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a counter with a value as it is to be sent.
    ///
    /// # Errors
    /// If the value does not fit its length; nothing is added then.
    pub fn add(&mut self, kind: StatisticType, value: &[u8]) -> Result<&mut Self, TooLong> {
        let mut w = Writer::new();
        w.u16(kind.0).sized_u16(0, |w| _ = w.put(value))?;
        self.octets.extend_from_slice(&w.finish());
        Ok(self)
    }

    /// Adds a counter of 32 bits.
    pub fn counter(&mut self, kind: StatisticType, number: u32) -> &mut Self {
        // Four octets always fit.
        _ = self.add(kind, &number.to_be_bytes());
        self
    }

    /// Adds a gauge of 64 bits.
    pub fn gauge(&mut self, kind: StatisticType, number: u64) -> &mut Self {
        _ = self.add(kind, &number.to_be_bytes());
        self
    }

    /// Adds a gauge of a family.
    pub fn family_gauge(&mut self, kind: StatisticType, afi: Afi, safi: Safi, number: u64) -> &mut Self {
        let value = [&afi.0.to_be_bytes()[..], &[safi.0], &number.to_be_bytes()].concat();
        _ = self.add(kind, &value);
        self
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters<'_> {
        Counters { r: Reader::new(&self.octets) }
    }
}
