//! What the decoders of NLRI and attributes share: the error, and TLVs.

use std::fmt;
use wire::{PrefixError, Reader, Truncated};

/// Why octets are not an NLRI or an attribute. Offsets count from the first octet given to the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends too early.
    Truncated(Truncated),
    /// A length is not among those that the format permits.
    Length {
        /// Offset of the length, or of the item if its length is implied.
        at: usize,
        /// The length.
        length: usize,
    },
    /// A value is not permitted.
    Value {
        /// Offset of the value.
        at: usize,
        /// The value.
        value: u32,
    },
    /// Octets are left after the end.
    Trailing {
        /// Offset of the first of them.
        at: usize,
        /// How many there are.
        left: usize,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(truncated) => truncated.fmt(f),
            Self::Length { at, length } => write!(f, "length {length} at offset {at} is not permitted"),
            Self::Value { at, value } => write!(f, "value {value} at offset {at} is not permitted"),
            Self::Trailing { at, left } => write!(f, "{left} octets at offset {at} are left over"),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<Truncated> for Malformed {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl Malformed {
    /// For a prefix whose length is at offset `at`.
    pub(crate) fn prefix(error: PrefixError, at: usize, length: Option<u8>) -> Self {
        match error {
            PrefixError::Truncated(truncated) => Self::Truncated(truncated),
            PrefixError::Length(_) | PrefixError::Address => {
                Self::Length { at, length: length.map_or(0, usize::from) }
            }
        }
    }
}

/// Succeeds at the end of a reader.
pub(crate) fn end(r: &Reader<'_>) -> Result<(), Malformed> {
    if r.is_empty() { Ok(()) } else { Err(Malformed::Trailing { at: r.at(), left: r.left() }) }
}

/// A type, and a value of the length that stood between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The type.
    pub code: u16,
    /// The value.
    pub value: &'a [u8],
}

/// How wide the type and the length of a TLV are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Two octets each, as in BGP-LS (RFC 9552 section 5.1).
    Wide,
    /// A type of one octet, and a length of two, as in the prefix SID (RFC 8669 section 3).
    Octet,
    /// One octet each.
    Short,
    /// A type of one octet; types below 128 have a length of one octet, others of two (RFC 9012 section 2).
    Split,
}

/// The TLVs in octets, until the end or the first error.
#[derive(Clone, Copy, Debug)]
pub struct Tlvs<'a> {
    r: Reader<'a>,
    header: Header,
}

impl<'a> Tlvs<'a> {
    /// TLVs until the end of a reader.
    pub fn new(r: Reader<'a>, header: Header) -> Self {
        Self { r, header }
    }

    /// TLVs in octets.
    pub fn of(octets: &'a [u8], header: Header) -> Self {
        Self::new(Reader::new(octets), header)
    }

    /// Checks that the TLVs fill the octets.
    ///
    /// # Errors
    /// With the first TLV that is cut.
    pub fn check(self) -> Result<(), Malformed> {
        for tlv in self {
            tlv?;
        }
        Ok(())
    }

    /// The TLVs before the first error, in order of their types; those of one type stay in order.
    pub fn sorted(self) -> Vec<Tlv<'a>> {
        let mut all: Vec<_> = self.map_while(Result::ok).collect();
        all.sort_by_key(|tlv| tlv.code);
        all
    }

    /// The value of the first TLV of a type.
    pub fn first(mut self, code: u16) -> Option<&'a [u8]> {
        self.find_map(|tlv| tlv.ok().filter(|tlv| tlv.code == code)).map(|tlv| tlv.value)
    }

    fn read(&mut self) -> Result<Tlv<'a>, Truncated> {
        let r = &mut self.r;
        let (code, length) = match self.header {
            Header::Wide => (r.u16()?, r.u16()?),
            Header::Octet => (r.u8()?.into(), r.u16()?),
            Header::Short => (r.u8()?.into(), r.u8()?.into()),
            Header::Split => match r.u8()? {
                code @ ..128 => (code.into(), r.u8()?.into()),
                code => (code.into(), r.u16()?),
            },
        };
        Ok(Tlv { code, value: r.take(length.into())? })
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<Tlv<'a>, Truncated>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.r.is_empty() {
            return None;
        }
        let item = self.read();
        if item.is_err() {
            self.r = Reader::new(&[]);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_has_its_widths() {
        for (header, octets) in [
            (Header::Wide, &[0, 7, 0, 1, 9][..]),
            (Header::Octet, &[7, 0, 1, 9]),
            (Header::Short, &[7, 1, 9]),
            (Header::Split, &[7, 1, 9]),
        ] {
            let all: Vec<_> = Tlvs::of(octets, header).collect();
            assert_eq!(all, [Ok(Tlv { code: 7, value: &[9] })]);
            for cut in 1..octets.len() {
                assert!(Tlvs::of(&octets[..cut], header).check().is_err(), "{header:?} {cut}");
            }
        }
        let all: Vec<_> = Tlvs::of(&[0x80, 0, 1, 9], Header::Split).collect();
        assert_eq!(all, [Ok(Tlv { code: 0x80, value: &[9] })]);
    }

    #[test]
    fn what_is_before_an_error_is_kept_and_sorted() {
        let octets = [3, 0, 1, 1, 9, 1, 0, 2, 3, 1];
        let codes: Vec<_> = Tlvs::of(&octets, Header::Short).sorted().iter().map(|tlv| tlv.code).collect();
        assert_eq!(codes, [1, 1, 3]);
        assert_eq!(Tlvs::of(&octets, Header::Short).first(1), Some(&[9][..]));
        let truncated = Truncated { at: 9, wanted: 3, left: 1 };
        assert_eq!(Tlvs::of(&octets, Header::Short).check(), Err(Malformed::Truncated(truncated)));
    }
}
