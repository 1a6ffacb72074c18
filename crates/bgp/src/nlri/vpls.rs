//! VPLS routes: blocks of labels (RFC 4761 section 3.2.2), and members found by auto-discovery (RFC 6074 section 3.2.2.1).
//!
//! One NLRI is a length of two octets, and a body whose length tells which of them it is.

use super::fields::{self, LabelField};
use crate::tlv::{Malformed, end};
use crate::value::{Members, Value};
use std::net::Ipv4Addr;
use wire::{Reader, RouteDistinguisher, Writer};

/// A VPLS route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vpls {
    /// Labels by which other edge routers reach this one.
    Block {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The number of the VPLS edge router.
        ve_id: u16,
        /// The first number of an edge router for which the block has a label.
        offset: u16,
        /// How many labels the block has.
        size: u16,
        /// The first label.
        base: LabelField,
    },
    /// A router that is a member of the VPLS.
    Member {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The address of the router.
        address: Ipv4Addr,
    },
}

impl Vpls {
    /// Decodes one NLRI: length and body.
    ///
    /// # Errors
    /// If the length is neither 12 nor 17, or octets are missing or left over.
    pub fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        let length = r.u16()?;
        if !matches!(length, 12 | 17) {
            return Err(Malformed::Length { at: 0, length: length.into() });
        }
        let mut body = r.within(length.into())?;
        end(&r)?;
        let rd = fields::rd(&mut body)?;
        if length == 12 {
            return Ok(Self::Member { rd, address: body.array::<4>()?.into() });
        }
        let (ve_id, offset, size) = (body.u16()?, body.u16()?, body.u16()?);
        Ok(Self::Block { rd, ve_id, offset, size, base: LabelField::read(&mut body)? })
    }

    /// Writes one NLRI.
    pub fn write(&self, w: &mut Writer) {
        match self {
            Self::Block { rd, ve_id, offset, size, base } => {
                w.u16(17).put(&rd.0).u16(*ve_id).u16(*offset).u16(*size).put(&base.0);
            }
            Self::Member { rd, address } => _ = w.u16(12).put(&rd.0).put(&address.octets()),
        }
    }
}

impl Members for Vpls {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        match self {
            Self::Block { rd, ve_id, offset, size, base } => {
                visit("nlri_type", Value::Text("VPLS"));
                visit("rd", Value::Shown(rd));
                visit("ve_id", Value::Number((*ve_id).into()));
                visit("ve_block_offset", Value::Number((*offset).into()));
                visit("ve_block_size", Value::Number((*size).into()));
                visit("label_base", Value::Number(base.label().into()));
            }
            Self::Member { rd, address } => {
                visit("nlri_type", Value::Text("VPLS Auto-Discovery"));
                visit("rd", Value::Shown(rd));
                visit("pe_address", Value::Shown(address));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;
    use proptest::prelude::*;

    #[test]
    fn both_kinds_show_their_members() {
        let block = [0, 17, 0, 0, 0xfd, 0xe9, 0, 0, 0, 1, 0, 7, 0, 1, 0, 8, 0x00, 0x06, 0x41];
        let member = [0, 12, 0, 0, 0xfd, 0xe9, 0, 0, 0, 1, 10, 0, 0, 1];
        for (octets, shown) in [
            (
                &block[..],
                r#"{"nlri_type":"VPLS","rd":"0:65001:1","ve_id":7,"ve_block_offset":1,"ve_block_size":8,"label_base":100}"#,
            ),
            (&member, r#"{"nlri_type":"VPLS Auto-Discovery","rd":"0:65001:1","pe_address":"10.0.0.1"}"#),
        ] {
            let route = Vpls::decode(octets).unwrap();
            assert_eq!(Json(&route).to_string(), shown);
            let mut w = Writer::new();
            route.write(&mut w);
            assert_eq!(w.finish(), octets);
            assert!((0..octets.len()).all(|cut| Vpls::decode(&octets[..cut]).is_err()));
        }
        assert_eq!(Vpls::decode(&[0, 16]), Err(Malformed::Length { at: 0, length: 16 }));
        let longer = [&member[..], &[0]].concat();
        assert_eq!(Vpls::decode(&longer), Err(Malformed::Trailing { at: 14, left: 1 }));
    }

    proptest! {
        #[test]
        fn any_octets_are_a_route_or_an_error(
            length in prop_oneof![Just(12u16), Just(17), any::<u16>()],
            body in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let octets = [&length.to_be_bytes()[..], &body].concat();
            if let Ok(route) = Vpls::decode(&octets) {
                _ = Json(&route).to_string();
                let mut w = Writer::new();
                route.write(&mut w);
                prop_assert_eq!(w.finish(), octets);
            }
        }
    }
}
