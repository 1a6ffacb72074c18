//! Attributes that show members of their own, by their code.

use super::Code;
use super::link_state::LinkState;
use super::pmsi::PmsiTunnel;
use super::prefix_sid::PrefixSid;
use super::tunnel::Tunnels;
use crate::tlv::Malformed;
use crate::value::{Hex, Members, Value};

/// The value of an attribute with members of its own. Their names differ from those of other attributes and of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyAttribute<'a> {
    /// Code 22.
    PmsiTunnel(PmsiTunnel<'a>),
    /// Code 23.
    Tunnels(Tunnels<'a>),
    /// Code 29.
    LinkState(LinkState<'a>),
    /// Code 40.
    PrefixSid(PrefixSid<'a>),
    /// One of these, but malformed, or any other.
    Octets {
        /// The code.
        code: Code,
        /// The value.
        octets: &'a [u8],
    },
}

impl<'a> AnyAttribute<'a> {
    /// Decodes the value of an attribute.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn decode(code: Code, octets: &'a [u8]) -> Result<Self, Malformed> {
        match code {
            Code::PMSI_TUNNEL => PmsiTunnel::decode(octets).map(Self::PmsiTunnel),
            Code::TUNNEL_ENCAPSULATION => Tunnels::decode(octets).map(Self::Tunnels),
            Code::LINK_STATE => LinkState::decode(octets).map(Self::LinkState),
            Code::PREFIX_SID => PrefixSid::decode(octets).map(Self::PrefixSid),
            _ => Ok(Self::Octets { code, octets }),
        }
    }

    /// Like [`AnyAttribute::decode`], but a malformed value is kept as it is.
    pub fn lenient(code: Code, octets: &'a [u8]) -> Self {
        Self::decode(code, octets).unwrap_or(Self::Octets { code, octets })
    }
}

/// Octets are one member, `attribute_` with the code, in hexadecimal.
impl Members for AnyAttribute<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        match self {
            Self::PmsiTunnel(tunnel) => tunnel.members(visit),
            Self::Tunnels(tunnels) => tunnels.members(visit),
            Self::LinkState(attribute) => attribute.members(visit),
            Self::PrefixSid(attribute) => attribute.members(visit),
            Self::Octets { code, octets } => {
                visit(&format!("attribute_{}", code.0), Value::Shown(&Hex(octets)));
            }
        }
    }
}

/// Visits the members of an attribute, if it is one of those that have any.
///
/// Returns false for all other codes, which are not shown.
pub fn members(code: Code, octets: &[u8], visit: &mut dyn FnMut(&str, Value<'_>)) -> bool {
    let is_known =
        matches!(code, Code::PMSI_TUNNEL | Code::TUNNEL_ENCAPSULATION | Code::LINK_STATE | Code::PREFIX_SID);
    if is_known {
        AnyAttribute::lenient(code, octets).members(visit);
    }
    is_known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;

    #[test]
    fn malformed_attributes_are_hexadecimal_and_others_are_not_shown() {
        for code in [22, 23, 29, 40, 99] {
            let attribute = AnyAttribute::lenient(Code(code), &[1]);
            assert_eq!(Json(&attribute).to_string(), format!(r#"{{"attribute_{code}":"01"}}"#));
        }
        assert!(!members(Code(99), &[1], &mut |_, _| panic!("not shown")));
        let index = [1, 0, 7, 0, 0, 0, 0, 0, 0, 5];
        assert!(members(Code::PREFIX_SID, &index, &mut |name, _| assert_eq!(name, "psid_li")));
    }
}
