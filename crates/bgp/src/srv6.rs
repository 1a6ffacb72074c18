//! Endpoint behaviors of SRv6 SIDs (IANA "SRv6 Endpoint Behaviors", RFC 8986), which three attributes name.

use crate::value::Named;
use std::fmt;

/// An endpoint behavior. Displayed as its registered name, such as `End.DT4`, or else as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Behavior(pub u16);

/// Behaviors, and the flavors that their code points combine.
const NAMES: &[(u16, &str)] = &[
    (1, "End"),
    (2, "End with PSP"),
    (3, "End with USP"),
    (4, "End with PSP&USP"),
    (5, "End.X"),
    (6, "End.X with PSP"),
    (7, "End.X with USP"),
    (8, "End.X with PSP&USP"),
    (9, "End.T"),
    (10, "End.T with PSP"),
    (11, "End.T with USP"),
    (12, "End.T with PSP&USP"),
    (14, "End.B6.Encaps"),
    (15, "End.BM"),
    (16, "End.DX6"),
    (17, "End.DX4"),
    (18, "End.DT6"),
    (19, "End.DT4"),
    (20, "End.DT46"),
    (21, "End.DX2"),
    (22, "End.DX2V"),
    (23, "End.DT2U"),
    (24, "End.DT2M"),
    (27, "End.B6.Encaps.Red"),
    (28, "End with USD"),
    (29, "End with PSP&USD"),
    (30, "End with USP&USD"),
    (31, "End with PSP,USP&USD"),
    (32, "End.X with USD"),
    (33, "End.X with PSP&USD"),
    (34, "End.X with USP&USD"),
    (35, "End.X with PSP,USP&USD"),
    (36, "End.T with USD"),
    (37, "End.T with PSP&USD"),
    (38, "End.T with USP&USD"),
    (39, "End.T with PSP,USP&USD"),
    (42, "End with NEXT-ONLY-CSID"),
    (43, "End with NEXT-CSID"),
    (44, "End with NEXT-CSID&PSP"),
    (45, "End with NEXT-CSID&USP"),
    (46, "End with NEXT-CSID,PSP&USP"),
    (47, "End with NEXT-CSID&USD"),
    (48, "End with NEXT-CSID,PSP&USD"),
    (49, "End with NEXT-CSID,USP&USD"),
    (50, "End with NEXT-CSID,PSP,USP&USD"),
    (51, "End.X with NEXT-ONLY-CSID"),
    (52, "End.X with NEXT-CSID"),
    (53, "End.X with NEXT-CSID&PSP"),
    (54, "End.X with NEXT-CSID&USP"),
    (55, "End.X with NEXT-CSID,PSP&USP"),
    (56, "End.X with NEXT-CSID&USD"),
    (57, "End.X with NEXT-CSID,PSP&USD"),
    (58, "End.X with NEXT-CSID,USP&USD"),
    (59, "End.X with NEXT-CSID,PSP,USP&USD"),
    (60, "End.DX6 with NEXT-CSID"),
    (61, "End.DX4 with NEXT-CSID"),
    (62, "End.DT6 with NEXT-CSID"),
    (63, "End.DT4 with NEXT-CSID"),
    (64, "End.DT46 with NEXT-CSID"),
    (65, "End.DX2 with NEXT-CSID"),
    (66, "End.DX2V with NEXT-CSID"),
    (67, "End.DT2U with NEXT-CSID"),
    (68, "End.DT2M with NEXT-CSID"),
    (0xffff, "Opaque"),
];

impl Behavior {
    /// The registered name.
    pub fn name(self) -> Option<&'static str> {
        let at = NAMES.binary_search_by_key(&self.0, |(code, _)| *code).ok()?;
        NAMES.get(at).map(|(_, name)| *name)
    }
}

impl fmt::Display for Behavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Named { name: self.name(), code: self.0.into() }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviors_have_names_or_numbers() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(
            (Behavior(19).to_string(), Behavior(13).to_string(), Behavior(0xffff).to_string()),
            ("End.DT4".into(), "13".into(), "Opaque".into())
        );
    }
}
