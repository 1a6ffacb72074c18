//! The types of counters and gauges (IANA "BMP Statistics Types").

use crate::code::code_points;

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A counter of 32 bits, which only grows.
    Counter,
    /// A gauge of 64 bits.
    Gauge,
    /// A family, and a gauge of 64 bits.
    FamilyGauge,
}

code_points! {
    /// A type of counters and gauges (RFC 7854 section 4.8, RFC 8671 section 6.2, RFC 9972 section 3).
    StatisticType(u16) {
        /// Prefixes.
        REJECTED_PREFIXES = 0, "Number of prefixes rejected by inbound policy";
        /// Prefixes.
        DUPLICATE_PREFIXES = 1, "Number of (known) duplicate prefix advertisements";
        /// Withdrawals.
        DUPLICATE_WITHDRAWS = 2, "Number of (known) duplicate withdraws";
        /// UPDATEs.
        CLUSTER_LIST_LOOP = 3, "Number of updates invalidated due to CLUSTER_LIST loop";
        /// UPDATEs.
        AS_PATH_LOOP = 4, "Number of updates invalidated due to AS_PATH loop";
        /// UPDATEs.
        ORIGINATOR_ID = 5, "Number of updates invalidated due to ORIGINATOR_ID";
        /// UPDATEs.
        AS_CONFED_LOOP = 6, "Number of updates invalidated due to AS_CONFED loop";
        /// Routes.
        ADJ_RIB_IN = 7, "Number of routes in Adj-RIBs-In";
        /// Routes.
        LOC_RIB = 8, "Number of routes in Loc-RIB";
        /// Routes.
        ADJ_RIB_IN_FAMILY = 9, "Number of routes in per-AFI/SAFI Adj-RIB-In";
        /// Routes.
        LOC_RIB_FAMILY = 10, "Number of routes in per-AFI/SAFI Loc-RIB";
        /// UPDATEs (RFC 7606).
        TREAT_AS_WITHDRAW_UPDATES = 11, "Number of updates subjected to treat-as-withdraw";
        /// Prefixes (RFC 7606).
        TREAT_AS_WITHDRAW_PREFIXES = 12, "Number of prefixes subjected to treat-as-withdraw";
        /// UPDATEs.
        DUPLICATE_UPDATES = 13, "Number of duplicate update messages received";
        /// Routes (RFC 8671).
        ADJ_RIB_OUT_PRE = 14, "Number of routes in pre-policy Adj-RIB-Out";
        /// Routes (RFC 8671).
        ADJ_RIB_OUT_POST = 15, "Number of routes in post-policy Adj-RIB-Out";
        /// Routes (RFC 8671).
        ADJ_RIB_OUT_PRE_FAMILY = 16, "Number of routes in per-AFI/SAFI pre-policy Adj-RIB-Out";
        /// Routes (RFC 8671).
        ADJ_RIB_OUT_POST_FAMILY = 17, "Number of routes in per-AFI/SAFI post-policy Adj-RIB-Out";
        /// Routes (RFC 9972, as all below).
        ADJ_RIB_IN_PRE = 18, "Number of routes currently in pre-policy Adj-RIB-In";
        /// Routes.
        ADJ_RIB_IN_PRE_FAMILY = 19, "Number of routes currently in per-AFI/SAFI pre-policy Adj-RIB-In";
        /// Routes.
        ADJ_RIB_IN_POST = 20, "Number of routes currently in post-policy Adj-RIB-In";
        /// Routes.
        ADJ_RIB_IN_POST_FAMILY = 21, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In";
        /// Routes.
        REJECTED_FAMILY = 22, "Number of routes currently in per-AFI/SAFI pre-policy Adj-RIB-In rejected by inbound policy";
        /// Routes.
        ACCEPTED_FAMILY = 23, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In accepted by inbound policy";
        /// Routes (RFC 2439).
        DAMPED_FAMILY = 26, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In or Loc-RIB suppressed by configured route damping policy";
        /// Routes (RFC 4724).
        STALE_FAMILY = 27, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In or Loc-RIB marked as stale by GR events";
        /// Routes (RFC 9494).
        LONG_LIVED_STALE_FAMILY = 28, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In or Loc-RIB marked as stale by LLGR";
        /// Routes.
        LEFT_TO_THRESHOLD = 29, "Number of routes currently in post-policy Adj-RIB-In left before exceeding the received route threshold";
        /// Routes.
        LEFT_TO_THRESHOLD_FAMILY = 30, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In left before exceeding the received route threshold";
        /// Routes.
        LEFT_TO_LICENSE = 31, "Number of routes currently in post-policy Adj-RIB-In or Loc-RIB left before exceeding a license-customized route threshold";
        /// Routes.
        LEFT_TO_LICENSE_FAMILY = 32, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In or Loc-RIB left before exceeding a license-customized route threshold";
        /// Routes.
        LONG_AS_PATH = 33, "Number of routes currently in pre-policy Adj-RIB-In rejected due to exceeding the locally configured maximum AS_PATH length";
        /// Routes.
        LONG_AS_PATH_FAMILY = 34, "Number of routes currently in per-AFI/SAFI pre-policy Adj-RIB-In rejected due to exceeding the locally configured maximum AS_PATH length";
        /// Routes (RFC 6811).
        INVALID_FAMILY = 35, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In invalidated after verifying route origin AS number through the ROA of RPKI";
        /// Routes (RFC 6811).
        VALID_FAMILY = 36, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In validated after verifying route origin AS number through the ROA of RPKI";
        /// Routes (RFC 6811).
        NOT_FOUND_FAMILY = 37, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-In whose RPKI route origin validation state is NotFound";
        /// Routes.
        OUT_REJECTED_FAMILY = 38, "Number of routes currently in per-AFI/SAFI pre-policy Adj-RIB-Out rejected by outbound policy";
        /// Routes.
        OUT_LONG_AS_PATH = 39, "Number of routes currently in pre-policy Adj-RIB-Out filtered due to AS_PATH length exceeding the locally configured maximum";
        /// Routes.
        OUT_LONG_AS_PATH_FAMILY = 40, "Number of routes currently in per-AFI/SAFI pre-policy Adj-RIB-Out filtered due to AS_PATH length exceeding the locally configured maximum";
        /// Routes (RFC 6811).
        OUT_INVALID_FAMILY = 41, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-Out invalidated after verifying route origin AS number through the ROA of RPKI";
        /// Routes (RFC 6811).
        OUT_VALID_FAMILY = 42, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-Out validated after verifying route origin AS number through the ROA of RPKI";
        /// Routes (RFC 6811).
        OUT_NOT_FOUND_FAMILY = 43, "Number of routes currently in per-AFI/SAFI post-policy Adj-RIB-Out whose RPKI route origin validation state is NotFound";
    }
}

impl StatisticType {
    /// The form of its values, if the type is known.
    pub const fn form(self) -> Option<Form> {
        Some(match self.0 {
            0..=6 | 11..=13 => Form::Counter,
            7 | 8 | 14 | 15 | 18 | 20 | 29 | 31 | 33 | 39 => Form::Gauge,
            9 | 10 | 16 | 17 | 19 | 21..=23 | 26..=28 | 30 | 32 | 34..=38 | 40..=43 => Form::FamilyGauge,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_with_names_have_forms_and_families_are_named() {
        for number in 0..=u16::MAX {
            let kind = StatisticType(number);
            assert_eq!(kind.name().is_some(), kind.form().is_some(), "{number}");
            let is_by_family = kind.name().is_some_and(|name| name.contains("per-AFI/SAFI"));
            assert_eq!(is_by_family, kind.form() == Some(Form::FamilyGauge), "{number}");
        }
    }
}
