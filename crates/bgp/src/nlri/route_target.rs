//! Route target membership (RFC 4684): which route targets a router wants to receive.
//!
//! One NLRI is a length in bits, and as much of an AS number and a route target as that needs. It is a prefix: shorter ones
//! stand for all targets that begin with it, and the one of length 0 for all.

use crate::tlv::{Malformed, end};
use crate::value::{Hex, Members, Value};
use wire::{Asn, ExtendedCommunity, Reader, Writer};

/// A prefix of an AS number and a route target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteTarget {
    length: u8,
    /// The bits after the length are zero.
    octets: [u8; 12],
}

impl RouteTarget {
    /// Bits of an AS number with a whole route target.
    pub const WHOLE: u8 = 96;

    /// All targets.
    pub const DEFAULT: Self = Self { length: 0, octets: [0; 12] };

    /// One target of an AS.
    pub const fn new(origin_as: Asn, target: ExtendedCommunity) -> Self {
        let ([a, b, c, d], [e, f, g, h, i, j, k, l]) = (origin_as.0.to_be_bytes(), target.0);
        Self { length: Self::WHOLE, octets: [a, b, c, d, e, f, g, h, i, j, k, l] }
    }

    /// Decodes one NLRI: length and prefix. Bits after the prefix are ignored.
    ///
    /// # Errors
    /// If the length is neither 0 nor from 32 to 96, or octets are missing or left over.
    pub fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        let length = r.u8()?;
        if !matches!(length, 0 | 32..=Self::WHOLE) {
            return Err(Malformed::Length { at: 0, length: length.into() });
        }
        let mut left = u32::from(length);
        let mut octets = [0; 12];
        for (to, octet) in octets.iter_mut().zip(r.take(usize::from(length.div_ceil(8)))?) {
            let used = left.min(8);
            *to = octet & !u8::MAX.checked_shr(used).unwrap_or(0);
            left -= used;
        }
        end(&r)?;
        Ok(Self { length, octets })
    }

    /// Length in bits.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// The AS that wants the routes; `None` in the one that stands for all.
    pub fn origin_as(&self) -> Option<Asn> {
        let [a, b, c, d, ..] = self.octets;
        (self.length >= 32).then(|| Asn(u32::from_be_bytes([a, b, c, d])))
    }

    /// The route target, if it is whole.
    pub fn target(&self) -> Option<ExtendedCommunity> {
        let [_, _, _, _, target @ ..] = self.octets;
        (self.length == Self::WHOLE).then_some(ExtendedCommunity(target))
    }

    /// Writes one NLRI.
    pub fn write(&self, w: &mut Writer) {
        w.u8(self.length).put(self.used());
    }

    fn used(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length.div_ceil(8))).unwrap_or(&self.octets)
    }
}

impl Members for RouteTarget {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        visit("length", Value::Number(self.length.into()));
        if let Some(Asn(number)) = self.origin_as() {
            visit("origin_as", Value::Number(number.into()));
        }
        match self.target() {
            Some(target) => visit("route_target", Value::Shown(&target)),
            None if self.length > 32 => {
                visit("route_target_prefix", Value::Shown(&Hex(self.used().get(4..).unwrap_or_default())));
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;
    use proptest::prelude::*;
    use wire::Truncated;

    #[test]
    fn whole_partial_and_default_targets() {
        for (octets, shown) in [
            (
                &[96, 0, 0, 0xfd, 0xe9, 0, 2, 0xfd, 0xe9, 0, 0, 0, 5][..],
                r#"{"length":96,"origin_as":65001,"route_target":"RT:65001:5"}"#,
            ),
            (&[0], r#"{"length":0}"#),
            (&[32, 0, 0, 0xfd, 0xe9], r#"{"length":32,"origin_as":65001}"#),
            (
                &[49, 0, 0, 0xfd, 0xe9, 0, 2, 0x80],
                r#"{"length":49,"origin_as":65001,"route_target_prefix":"000280"}"#,
            ),
        ] {
            let target = RouteTarget::decode(octets).unwrap();
            assert_eq!(Json(&target).to_string(), shown);
            let mut w = Writer::new();
            target.write(&mut w);
            assert_eq!(w.finish(), octets);
        }
        let masked = RouteTarget::decode(&[49, 0, 0, 0xfd, 0xe9, 0, 2, 0xff]);
        assert_eq!(masked, RouteTarget::decode(&[49, 0, 0, 0xfd, 0xe9, 0, 2, 0x80]));
        for (octets, error) in [
            (&[][..], Malformed::Truncated(Truncated { at: 0, wanted: 1, left: 0 })),
            (&[31, 0, 0, 0, 0], Malformed::Length { at: 0, length: 31 }),
            (&[97, 0, 0, 0, 0], Malformed::Length { at: 0, length: 97 }),
            (&[32, 0, 0, 0], Malformed::Truncated(Truncated { at: 1, wanted: 4, left: 3 })),
            (&[0, 0], Malformed::Trailing { at: 1, left: 1 }),
        ] {
            assert_eq!(RouteTarget::decode(octets), Err(error));
        }
    }

    proptest! {
        #[test]
        fn written_targets_read_back(number: u32, target: [u8; 8]) {
            let target = RouteTarget::new(Asn(number), ExtendedCommunity(target));
            let mut w = Writer::new();
            target.write(&mut w);
            prop_assert_eq!(RouteTarget::decode(&w.finish()), Ok(target));
        }

        #[test]
        fn any_octets_are_a_target_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..16)) {
            if let Ok(target) = RouteTarget::decode(&octets) {
                _ = Json(&target).to_string();
                let mut w = Writer::new();
                target.write(&mut w);
                prop_assert_eq!(RouteTarget::decode(&w.finish()), Ok(target));
            }
        }
    }
}
