//! Words in events: those of pmacct where it has them, for the programs that compare them, and those of IANA for all others.

use ::bmp::code::{DownReason, PeerType, TerminationReason};
use ::bmp::peer::RibType;
use ::bmp::statistics::StatisticType;

/// `bmp_rib_type`.
pub(crate) const fn rib_type(rib: RibType) -> &'static str {
    match rib {
        RibType::AdjRibInPre => "Adj-Rib-In Pre-Policy",
        RibType::AdjRibInPost => "Adj-Rib-In Post-Policy",
        RibType::AdjRibOutPre => "Adj-Rib-Out Pre-Policy",
        RibType::AdjRibOutPost => "Adj-Rib-Out Post-Policy",
        RibType::LocRib => "Loc-Rib",
    }
}

/// `peer_type_str`.
pub(crate) fn peer_type(kind: PeerType) -> &'static str {
    kind.name().unwrap_or("Unknown")
}

/// `reason_str` of a peer down.
pub(crate) const fn down_reason(reason: DownReason) -> Option<&'static str> {
    Some(match reason {
        DownReason(0) => "Reserved",
        DownReason::LOCAL_NOTIFICATION => "The local system closed the session",
        DownReason::LOCAL_EVENT => "The local system closed the session without a notification message",
        DownReason::REMOTE_NOTIFICATION => "The remote system closed the session",
        DownReason::REMOTE_NO_DATA => "The remote system closed the session without a notification message",
        DownReason::DECONFIGURED => "Info for this peer will no longer be sent for configuration reasons",
        _ => return None,
    })
}

/// `bmp_term_info_reason`.
pub(crate) fn termination(reason: TerminationReason) -> String {
    reason.to_string()
}

/// `counter_type_str`. The misspelt ones are pmacct's.
pub(crate) fn counter(kind: StatisticType) -> &'static str {
    match kind {
        StatisticType::ADJ_RIB_IN_FAMILY => "Number of routes in per-AFI/SAFI Abj-RIB-In",
        StatisticType::ADJ_RIB_OUT_PRE => "Number of routes in Adj-RIBs-Out Pre-Policy",
        StatisticType::ADJ_RIB_OUT_POST => "Number of routes in Adj-RIBs-Out Post-Policy",
        StatisticType::ADJ_RIB_OUT_PRE_FAMILY => "Number of routes in per-AFI/SAFI Abj-RIB-Out Pre-Policy",
        StatisticType::ADJ_RIB_OUT_POST_FAMILY => "Number of routes in per-AFI/SAFI Abj-RIB-Out Post-Policy",
        kind => kind.name().unwrap_or("Unknown"),
    }
}

/// Octets as `DE-AD`.
pub(crate) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(octets.len() * 3);
    for (number, octet) in octets.iter().enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{}{octet:02X}", if number > 0 { "-" } else { "" });
    }
    text
}
