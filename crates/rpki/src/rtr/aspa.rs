//! The ASPA PDU of version 2, in both forms.
//!
//! ```text
//! since draft -11                       drafts -00 to -10
//! | 2 | 11 | flags | 0 |                | 2 | 11 |     0     |
//! |       length       |                |       length       |
//! |    customer AS     |                | flags | AFI | count|
//! |   provider ASs …   |                |    customer AS     |
//!                                       |   provider ASs …   |
//! ```
//!
//! Flags in the header, or a length of 12 octets, are the new form: a withdrawal, which has no flag, names no provider.

use super::{ANNOUNCE, PduError};
use wire::{Afi, Asn, Reader, Truncated, Writer};

/// The announcement or withdrawal of the providers of an AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aspa<'a> {
    /// Announced, or withdrawn. An announcement replaces an earlier one for the same customer and family.
    pub announce: bool,
    /// The family to which the PDU applies, in the form of the first drafts; today it applies to both.
    pub family: Option<Afi>,
    /// The AS whose providers these are.
    pub customer: Asn,
    /// Its providers.
    pub providers: Providers<'a>,
}

/// AS numbers in a PDU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Providers<'a> {
    octets: &'a [u8],
}

impl<'a> Providers<'a> {
    /// AS numbers of four octets each; octets after the last whole one are ignored.
    pub fn new(octets: &'a [u8]) -> Self {
        let (whole, _) = octets.as_chunks::<4>();
        Self { octets: whole.as_flattened() }
    }

    /// The AS numbers.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Asn> + 'a {
        self.octets.as_chunks::<4>().0.iter().map(|octets| Asn(u32::from_be_bytes(*octets)))
    }

    /// Number of AS numbers.
    pub fn len(self) -> usize {
        self.iter().len()
    }

    /// True if there are none.
    pub fn is_empty(self) -> bool {
        self.octets.is_empty()
    }

    /// Ascending, without repeats, and AS 0 only alone, where it means that the customer has no providers.
    fn is_valid_announcement(self) -> bool {
        !self.is_empty()
            && self.iter().is_sorted_by(|a, b| a < b)
            && (self.len() == 1 || self.iter().all(|asn| asn != Asn(0)))
    }
}

impl<'a> Aspa<'a> {
    /// Reads what follows the header. The outer error is that of a length.
    pub(super) fn read([flags, zero]: [u8; 2], mut r: Reader<'a>) -> Result<Result<Self, PduError>, Truncated> {
        let is_new = flags != 0 || zero != 0 || r.left() == 4;
        let (flags, family, count) = match is_new {
            true => (flags, None, None),
            false => {
                let [flags, family] = r.array()?;
                let family = if family & 1 == 0 { Afi::IPV4 } else { Afi::IPV6 };
                (flags, Some(family), Some(usize::from(r.u16()?)))
            }
        };
        let customer = Asn(r.u32()?);
        let left = r.left();
        let count = count.unwrap_or(left / 4);
        let providers = Providers::new(r.take(count * 4)?);
        if r.left() > 0 {
            return Err(Truncated { at: r.at(), wanted: 0, left: r.left() });
        }
        let aspa = Self { announce: flags & ANNOUNCE != 0, family, customer, providers };
        let is_valid = match aspa.announce {
            // The first drafts demanded neither an order nor a provider.
            true => family.is_some() || providers.is_valid_announcement(),
            false => family.is_some() || providers.is_empty(),
        };
        Ok(if is_valid { Ok(aspa) } else { Err(PduError::Providers) })
    }

    /// The flags of the header.
    pub(super) fn header_flags(&self) -> u8 {
        if self.family.is_none() && self.announce { ANNOUNCE } else { 0 }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        if let Some(family) = self.family {
            let count = u16::try_from(self.providers.len()).unwrap_or(u16::MAX);
            w.u8(u8::from(self.announce)).u8(u8::from(family == Afi::IPV6)).u16(count);
        }
        w.u32(self.customer.0).put(self.providers.octets);
    }
}
