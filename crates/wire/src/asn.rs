//! Autonomous system numbers of four octets (RFC 6793), in the notations of RFC 5396.

use crate::text;
use std::fmt;
use std::str::FromStr;

/// An autonomous system number. Displayed in *asplain*, as one decimal number.
///
/// Parses asplain and *asdot* (`1.10` is 65546), without a prefix such as `AS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asn(pub u32);

/// The text is not an AS number: a decimal number below 2^32, or two below 2^16 separated by a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsnError;

impl Asn {
    /// AS_TRANS, which replaces larger numbers in fields of two octets (RFC 6793 section 9).
    pub const TRANS: Self = Self(23_456);

    /// The number in two octets; `None` if it does not fit, and [`Asn::TRANS`] may replace it.
    pub const fn to_u16(self) -> Option<u16> {
        if self.0 <= 0xffff { Some(self.0 as u16) } else { None }
    }

    /// True for private-use numbers (RFC 6996).
    pub const fn is_private(self) -> bool {
        matches!(self.0, 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
    }

    /// Displays the number in *asdot*: numbers above 65535 as two, separated by a dot.
    pub const fn asdot(self) -> AsDot {
        AsDot(self)
    }
}

/// An AS number in asdot (RFC 5396); created by [`Asn::asdot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AsDot(Asn);

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for AsDot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Asn(number)) = *self;
        if number > 0xffff { write!(f, "{}.{}", number >> 16, number & 0xffff) } else { number.fmt(f) }
    }
}

impl FromStr for Asn {
    type Err = AsnError;

    fn from_str(text: &str) -> Result<Self, AsnError> {
        let number = match text.split_once('.') {
            None => text::number(text, u32::MAX),
            Some((high, low)) => {
                text::number(high, 0xffff).and_then(|high| Some(high << 16 | text::number(low, 0xffff)?))
            }
        };
        number.map(Self).ok_or(AsnError)
    }
}

impl From<u16> for Asn {
    fn from(number: u16) -> Self {
        Self(number.into())
    }
}

impl fmt::Display for AsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an AS number, such as 65536 or 1.0")
    }
}

impl std::error::Error for AsnError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_both_notations_and_nothing_else() {
        for (text, number) in
            [("0", 0), ("65546", 65_546), ("1.10", 65_546), ("0.7", 7), ("65535.65535", u32::MAX)]
        {
            assert_eq!(text.parse(), Ok(Asn(number)), "{text}");
        }
        for text in ["", ".", "1.", ".1", "AS1", "+1", "-1", "1.65536", "65536.0", "4294967296", "1.2.3", " 1"] {
            assert_eq!(text.parse::<Asn>(), Err(AsnError), "{text}");
        }
        assert_eq!(Asn(65_546).asdot().to_string(), "1.10");
        assert_eq!((Asn(23_456), Asn(65_536).to_u16()), (Asn::TRANS, None));
        assert!(Asn(64_512).is_private() && !Asn(65_535).is_private() && !Asn(u32::MAX).is_private());
    }

    proptest! {
        #[test]
        fn round_trips_through_text(number in prop_oneof![0u32..70_000, any::<u32>()]) {
            prop_assert_eq!(Asn(number).to_string().parse(), Ok(Asn(number)));
            prop_assert_eq!(Asn(number).asdot().to_string().parse(), Ok(Asn(number)));
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in "[0-9.+ASx ]{0,12}|.*") {
            _ = text.parse::<Asn>();
        }
    }
}
