//! Segment routing policies (RFC 9830 section 2.1): a candidate path of a policy, which is a color and an endpoint.
//!
//! One NLRI is a length in bits, a distinguisher, the color and the endpoint. The path itself is in the tunnel
//! encapsulation attribute ([`attribute::tunnel`](crate::attribute::tunnel)).

use super::fields;
use crate::tlv::{Malformed, end};
use crate::value::{Members, Value};
use std::net::IpAddr;
use wire::{Reader, Writer};

/// A candidate path of an SR policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SrPolicy {
    /// Makes the candidate paths of one policy different.
    pub distinguisher: u32,
    /// The color of the policy.
    pub color: u32,
    /// Where the policy ends: an address of the AFI; zero is any endpoint.
    pub endpoint: IpAddr,
}

impl SrPolicy {
    /// Decodes one NLRI: length and body. The length tells the family of the endpoint.
    ///
    /// # Errors
    /// If the length is neither 96 nor 192, or octets are missing or left over.
    pub fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        let length = r.u8()?;
        if !matches!(length, 96 | 192) {
            return Err(Malformed::Length { at: 0, length: length.into() });
        }
        let mut body = r.within(usize::from(length / 8))?;
        end(&r)?;
        Ok(Self { distinguisher: body.u32()?, color: body.u32()?, endpoint: fields::whole_address(&mut body)? })
    }

    /// Writes one NLRI.
    pub fn write(&self, w: &mut Writer) {
        w.u8(if self.endpoint.is_ipv4() { 96 } else { 192 }).u32(self.distinguisher).u32(self.color);
        fields::put_address(self.endpoint, w);
    }
}

impl Members for SrPolicy {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        visit("distinguisher", Value::Number(self.distinguisher.into()));
        visit("color", Value::Number(self.color.into()));
        visit("endpoint", Value::Shown(&self.endpoint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};
    use wire::Truncated;

    #[test]
    fn policies_of_both_families() {
        let octets = [96, 0, 0, 0, 1, 0, 0, 0, 100, 10, 0, 0, 9];
        let policy = SrPolicy::decode(&octets).unwrap();
        assert_eq!(Json(&policy).to_string(), r#"{"distinguisher":1,"color":100,"endpoint":"10.0.0.9"}"#);
        for (octets, error) in [
            (&[96][..], Malformed::Truncated(Truncated { at: 1, wanted: 12, left: 0 })),
            (&[95, 0], Malformed::Length { at: 0, length: 95 }),
            (&[96, 0, 0, 0, 1, 0, 0, 0, 100, 10, 0, 0, 9, 9], Malformed::Trailing { at: 13, left: 1 }),
        ] {
            assert_eq!(SrPolicy::decode(octets), Err(error));
        }
    }

    proptest! {
        #[test]
        fn written_policies_read_back(distinguisher: u32, color: u32, v4: Ipv4Addr, v6: Ipv6Addr) {
            for endpoint in [IpAddr::V4(v4), IpAddr::V6(v6)] {
                let policy = SrPolicy { distinguisher, color, endpoint };
                let mut w = Writer::new();
                policy.write(&mut w);
                prop_assert_eq!(SrPolicy::decode(&w.finish()), Ok(policy));
            }
        }

        #[test]
        fn any_octets_are_a_policy_or_an_error(
            length in prop_oneof![Just(96u8), Just(192), any::<u8>()],
            body in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            let mut octets = vec![length];
            octets.extend(body);
            _ = SrPolicy::decode(&octets).map(|policy| Json(&policy).to_string());
        }
    }
}
