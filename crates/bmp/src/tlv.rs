//! TLVs: a type and a length of two octets each, and a value (RFC 7854 section 4.4).
//!
//! ```text
//! +--------------+------------+-- if indexed --+-- if E is set --------+-----------+
//! | E, type (2)  | length (2) | index (2)      | enterprise number (4) | value     |
//! +--------------+------------+----------------+-----------------------+-----------+
//! ```
//!
//! The E bit, the highest of the type, says that an enterprise defined the type (draft-ietf-grow-bmp-tlv-ebit). The length counts
//! the enterprise number and the value. TLVs of route monitoring in version 4 are indexed; the length does not count the
//! index.
//!
//! A TLV with the E bit and less than four octets has no enterprise number; its type keeps the bit.

use crate::error::MessageError;
use wire::{Reader, TooLong, Truncated, Writer};

/// The bit of a type that an enterprise defined.
const ENTERPRISE: u16 = 0x8000;

/// A TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The type, without the E bit if there is an enterprise number.
    pub kind: u16,
    /// The enterprise that defined the type (IANA "Private Enterprise Numbers"); `None` for registered types.
    pub enterprise: Option<u32>,
    /// The index, if TLVs are indexed: which routes of the message the TLV is about. 0 otherwise.
    pub index: u16,
    /// The value, without the enterprise number.
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// A TLV of a registered type, without an index.
    pub fn new(kind: u16, value: &'a [u8]) -> Self {
        Self { kind, enterprise: None, index: 0, value }
    }

    /// The type, if it is a registered one.
    pub fn registered(&self) -> Option<u16> {
        self.enterprise.is_none().then_some(self.kind)
    }

    /// The TLV, and a reader of its value.
    fn read(r: &mut Reader<'a>, indexed: bool) -> Result<(Self, Reader<'a>), Truncated> {
        let (kind, len) = (r.u16()?, r.u16()?);
        let index = if indexed { r.u16()? } else { 0 };
        let mut value = r.within(len.into())?;
        let enterprise = if kind & ENTERPRISE != 0 { value.u32().ok() } else { None };
        let kind = if enterprise.is_some() { kind & !ENTERPRISE } else { kind };
        Ok((Self { kind, enterprise, index, value: value.rest() }, value))
    }
}

/// TLVs until the end of a message, or until the first that is cut.
#[derive(Clone, Copy, Debug)]
pub struct Tlvs<'a> {
    r: Reader<'a>,
    indexed: bool,
}

impl<'a> Tlvs<'a> {
    /// TLVs in octets. `indexed`: each has an index.
    pub fn of(octets: &'a [u8], indexed: bool) -> Self {
        Self::new(Reader::new(octets), indexed)
    }

    /// TLVs until the end of a reader.
    pub(crate) fn new(r: Reader<'a>, indexed: bool) -> Self {
        Self { r, indexed }
    }

    /// The octets.
    pub fn octets(self) -> &'a [u8] {
        self.r.rest()
    }

    /// True if each has an index.
    pub fn is_indexed(self) -> bool {
        self.indexed
    }

    /// Checks that whole TLVs fill the octets.
    ///
    /// # Errors
    /// With the first TLV that is cut.
    pub fn check(mut self) -> Result<(), MessageError> {
        while !self.r.is_empty() {
            Tlv::read(&mut self.r, self.indexed)?;
        }
        Ok(())
    }

    /// The next TLV, and a reader of its value, which knows the offset.
    pub(crate) fn next_located(&mut self) -> Option<(Tlv<'a>, Reader<'a>)> {
        if self.r.is_empty() {
            return None;
        }
        let tlv = Tlv::read(&mut self.r, self.indexed).ok();
        if tlv.is_none() {
            self.r = Reader::new(&[]);
        }
        tlv
    }

    /// The value of the last TLV of a registered type.
    pub fn last(self, kind: u16) -> Option<&'a [u8]> {
        self.filter(|tlv| tlv.registered() == Some(kind)).last().map(|tlv| tlv.value)
    }

    /// The value of the first TLV of a registered type.
    pub fn first(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find(|tlv| tlv.registered() == Some(kind)).map(|tlv| tlv.value)
    }
}

impl PartialEq for Tlvs<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.octets(), self.indexed) == (other.octets(), other.indexed)
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        self.next_located().map(|(tlv, _)| tlv)
    }
}

/// TLVs being written.
///
/// ```
/// use bmp::{code::InitiationTlv, tlv::TlvBuf};
///
/// let mut tlvs = TlvBuf::new(false);
/// tlvs.text(InitiationTlv::SYS_NAME.0, "r1").unwrap();
/// assert_eq!(tlvs.tlvs().first(InitiationTlv::SYS_NAME.0), Some(&b"r1"[..]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct TlvBuf {
    octets: Vec<u8>,
    indexed: bool,
}

impl TlvBuf {
    /// None yet. `indexed`: each gets an index.
    pub fn new(indexed: bool) -> Self {
        Self { octets: Vec::new(), indexed }
    }

    /// Adds a TLV.
    ///
    /// # Errors
    /// If the value does not fit its length; nothing is added then.
    pub fn add(&mut self, tlv: Tlv<'_>) -> Result<&mut Self, TooLong> {
        let mut w = Writer::new();
        w.u16(tlv.kind | tlv.enterprise.map_or(0, |_| ENTERPRISE));
        let value = |w: &mut Writer| {
            if let Some(number) = tlv.enterprise {
                w.u32(number);
            }
            w.put(tlv.value);
        };
        if self.indexed {
            let len = tlv.value.len() + tlv.enterprise.map_or(0, |_| 4);
            w.u16(u16::try_from(len).map_err(|_| TooLong { len })?).u16(tlv.index);
            value(&mut w);
        } else {
            w.sized_u16(0, value)?;
        }
        self.octets.extend_from_slice(&w.finish());
        Ok(self)
    }

    /// Adds a TLV of a registered type without an index, such as text.
    ///
    /// # Errors
    /// If the text does not fit its length.
    pub fn text(&mut self, kind: u16, text: &str) -> Result<&mut Self, TooLong> {
        self.add(Tlv::new(kind, text.as_bytes()))
    }

    /// The TLVs so far.
    pub fn tlvs(&self) -> Tlvs<'_> {
        Tlvs::of(&self.octets, self.indexed)
    }
}
