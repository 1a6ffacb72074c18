//! The results of route origin validation, and their letters in messages and flows.

use std::fmt;

/// Validity of one route (RFC 6811 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validity {
    /// A VRP covers the prefix, has the origin AS, and allows the prefix length.
    Valid,
    /// At least one VRP covers the prefix, and none of them makes it valid.
    Invalid,
    /// No VRP covers the prefix; RFC 6811 calls it NotFound.
    Unknown,
}

impl Validity {
    /// `v`, `i` or `u`, as in messages.
    pub const fn letter(self) -> u8 {
        Judgement::from_validity(self).letter()
    }

    /// `valid`, `invalid` or `unknown`, as in maps.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Validity {
    /// The letter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Judgement::from(*self).fmt(f)
    }
}

/// Validity of traffic: of the longest route to an address, and, if that is invalid, of the shorter routes that would take
/// over if routers dropped invalid ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// The longest route is valid.
    Valid,
    /// All routes are invalid.
    Invalid,
    /// The longest route is unknown, or there is none.
    Unknown,
    /// The longest route is invalid; of the shorter ones, the longest that is not invalid is valid.
    InvalidCoveredByValid,
    /// The longest route is invalid; of the shorter ones, the longest that is not invalid is unknown.
    InvalidCoveredByUnknown,
}

impl Judgement {
    /// Judges the routes to an address, which are given from the longest prefix to the shortest. Takes no more of them than
    /// are needed, so an iterator that validates on demand costs one validation in nearly all cases.
    pub fn of(routes: impl IntoIterator<Item = Validity>) -> Self {
        let mut routes = routes.into_iter();
        match routes.next() {
            Some(Validity::Valid) => Self::Valid,
            Some(Validity::Unknown) | None => Self::Unknown,
            Some(Validity::Invalid) => match routes.find(|route| *route != Validity::Invalid) {
                Some(Validity::Valid) => Self::InvalidCoveredByValid,
                Some(_) => Self::InvalidCoveredByUnknown,
                None => Self::Invalid,
            },
        }
    }

    /// `v`, `i`, `u`, `V` (invalid, covered by a valid route) or `U` (invalid, covered by an unknown one).
    pub const fn letter(self) -> u8 {
        match self {
            Self::Valid => b'v',
            Self::Invalid => b'i',
            Self::Unknown => b'u',
            Self::InvalidCoveredByValid => b'V',
            Self::InvalidCoveredByUnknown => b'U',
        }
    }

    const fn from_validity(validity: Validity) -> Self {
        match validity {
            Validity::Valid => Self::Valid,
            Validity::Invalid => Self::Invalid,
            Validity::Unknown => Self::Unknown,
        }
    }
}

impl From<Validity> for Judgement {
    fn from(validity: Validity) -> Self {
        Self::from_validity(validity)
    }
}

impl fmt::Display for Judgement {
    /// The letter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        char::from(self.letter()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Validity::*;

    #[test]
    fn the_first_route_that_is_not_invalid_decides_the_letter() {
        let letter = |routes: &[Validity]| Judgement::of(routes.iter().copied()).to_string();
        for (routes, expected) in [
            (&[][..], "u"),
            (&[Valid, Invalid], "v"),
            (&[Unknown, Valid], "u"),
            (&[Invalid], "i"),
            (&[Invalid, Invalid], "i"),
            (&[Invalid, Valid, Unknown], "V"),
            (&[Invalid, Invalid, Unknown, Valid], "U"),
        ] {
            assert_eq!(letter(routes), expected, "{routes:?}");
        }
        assert_eq!([Valid, Invalid, Unknown].map(|validity| validity.letter()), *b"viu");
    }

    #[test]
    fn routes_after_the_deciding_one_are_not_validated() {
        let mut validated = 0;
        let routes = [Invalid, Valid, Unknown].into_iter().inspect(|_| validated += 1);
        assert_eq!(Judgement::of(routes), Judgement::InvalidCoveredByValid);
        assert_eq!(validated, 2);
    }
}
