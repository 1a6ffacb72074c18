//! The BGP-LS attribute (RFC 9552 section 5.3): TLVs about a node, a link, a prefix, or what else an NLRI names.
//!
//! The members have the names of [`TLVS`], in ascending order of their types. Unknown TLVs are
//! `attr_` and their type, in hexadecimal; several with one type are a list.

mod show;
mod table;

pub use table::{Kind, Row, TLVS, find};

use crate::tlv::{Header, Malformed, Tlv, Tlvs};
use crate::value::{Members, Value};

/// The attribute, whose TLVs fill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState<'a> {
    octets: &'a [u8],
}

impl<'a> LinkState<'a> {
    /// Checks the value of an attribute. Only the lengths of its TLVs matter: values that are not what their type says are shown in
    /// hexadecimal, as RFC 9552 section 8.2.2 leaves them to consumers.
    ///
    /// # Errors
    /// If a TLV is cut; RFC 9552 section 8.2.2 then discards the attribute.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Malformed> {
        Tlvs::of(octets, Header::Wide).check()?;
        Ok(Self { octets })
    }

    /// The TLVs, in the order in which they arrived.
    pub fn tlvs(self) -> impl Iterator<Item = Tlv<'a>> {
        Tlvs::of(self.octets, Header::Wide).map_while(Result::ok)
    }
}

impl Members for LinkState<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        show::tlvs(Tlvs::of(self.octets, Header::Wide), 0, visit);
    }
}

#[cfg(test)]
mod tests;
