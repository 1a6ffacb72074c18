//! Code points (IANA "BGP Monitoring Protocol (BMP) Parameters").
//!
//! The registries grow, so a code point is a number with known names. It is displayed as its name, or as its number if it
//! has none.

/// Declares a code point: its type, constants, names, and how it is displayed.
macro_rules! code_points {
    ($(#[$doc:meta])* $name:ident($number:ty) { $($(#[$each:meta])* $constant:ident = $value:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $number);

        impl $name {
            $($(#[$each])* pub const $constant: Self = Self($value);)*

            /// The code points with names, in order.
            pub const NAMED: &'static [Self] = &[$(Self::$constant),*];

            /// The registered name.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => self.0.fmt(f),
                }
            }
        }
    };
}
pub(crate) use code_points;

code_points! {
    /// A message type (RFC 7854 section 4.1).
    MessageType(u8) {
        /// A BGP UPDATE of a peer (RFC 7854 section 4.6).
        ROUTE_MONITORING = 0, "Route Monitoring";
        /// Counters of a peer (RFC 7854 section 4.8).
        STATISTICS_REPORT = 1, "Statistics Report";
        /// The end of a session (RFC 7854 section 4.9).
        PEER_DOWN = 2, "Peer Down Notification";
        /// The start of a session (RFC 7854 section 4.10).
        PEER_UP = 3, "Peer Up Notification";
        /// Who the router is (RFC 7854 section 4.3).
        INITIATION = 4, "Initiation";
        /// Why the router ends the BMP session (RFC 7854 section 4.5).
        TERMINATION = 5, "Termination";
        /// BGP messages as they were received (RFC 7854 section 4.7).
        ROUTE_MIRRORING = 6, "Route Mirroring";
    }
}

code_points! {
    /// A peer type (RFC 7854 section 4.2).
    PeerType(u8) {
        /// A peer of the global routing instance.
        GLOBAL = 0, "Global Instance Peer";
        /// A peer of a VRF with a route distinguisher.
        RD = 1, "RD Instance Peer";
        /// A peer of a routing instance without a route distinguisher.
        LOCAL = 2, "Local Instance Peer";
        /// The Loc-RIB of a routing instance (RFC 9069 section 4.1).
        LOC_RIB = 3, "Loc-RIB Instance Peer";
    }
}

code_points! {
    /// A TLV of an initiation (RFC 9736 section 3.1).
    InitiationTlv(u16) {
        /// Text; may be repeated.
        STRING = 0, "String";
        /// The description of the system, as `sysDescr` of SNMP.
        SYS_DESCR = 1, "sysDescr";
        /// The name of the system, as `sysName` of SNMP.
        SYS_NAME = 2, "sysName";
    }
}

code_points! {
    /// A TLV of a peer up (RFC 9736 section 3.3).
    PeerUpTlv(u16) {
        /// Text; may be repeated.
        STRING = 0, "String";
        /// The name of the VRF or table of the peer (RFC 9069 section 5.2.1).
        VRF_TABLE_NAME = 3, "VRF/Table Name";
        /// A label that an administrator gave to the peer.
        ADMIN_LABEL = 4, "Admin Label";
    }
}

code_points! {
    /// A TLV of a peer down: the registry is that of peer up (RFC 9069 section 5.3; draft-ietf-grow-bmp-tlv section 5.3).
    PeerDownTlv(u16) {
        /// Text.
        STRING = 0, "String";
        /// The name of the VRF or table of the peer.
        VRF_TABLE_NAME = 3, "VRF/Table Name";
        /// A label that an administrator gave to the peer.
        ADMIN_LABEL = 4, "Admin Label";
    }
}

code_points! {
    /// A TLV of a termination (RFC 7854 section 4.5).
    TerminationTlv(u16) {
        /// Text; may be repeated.
        STRING = 0, "String";
        /// The reason, a [`TerminationReason`].
        REASON = 1, "Reason";
    }
}

code_points! {
    /// Why a router ends the BMP session (RFC 7854 section 4.5).
    TerminationReason(u16) {
        /// Closed by an administrator.
        ADMINISTRATIVE = 0, "Session administratively closed";
        /// No reason given.
        UNSPECIFIED = 1, "Unspecified reason";
        /// The router has not enough resources.
        OUT_OF_RESOURCES = 2, "Out of resources";
        /// The station has another connection.
        REDUNDANT = 3, "Redundant connection";
        /// Closed by an administrator; the router will not connect again.
        PERMANENT = 4, "Session permanently administratively closed";
    }
}

code_points! {
    /// Why a peer is down (RFC 7854 section 4.9).
    DownReason(u8) {
        /// The router sent a NOTIFICATION, which follows.
        LOCAL_NOTIFICATION = 1, "Local system closed, NOTIFICATION PDU follows";
        /// The router closed the session without a NOTIFICATION; the event of its state machine follows.
        LOCAL_EVENT = 2, "Local system closed, FSM Event follows";
        /// The peer sent a NOTIFICATION, which follows.
        REMOTE_NOTIFICATION = 3, "Remote system closed, NOTIFICATION PDU follows";
        /// The peer closed the session without a NOTIFICATION.
        REMOTE_NO_DATA = 4, "Remote system closed, no data";
        /// The peer is no longer monitored. Its session may be up.
        DECONFIGURED = 5, "Peer de-configured";
        /// The Loc-RIB is no longer monitored; TLVs follow (RFC 9069 section 5.3).
        LOCAL_TLVS = 6, "Local system closed, TLV data Follows";
    }
}

code_points! {
    /// A TLV of route mirroring (RFC 7854 section 4.7).
    MirroringTlv(u16) {
        /// A BGP message, which may be malformed.
        BGP_MESSAGE = 0, "BGP Message";
        /// What is special, a [`MirroringInformation`].
        INFORMATION = 1, "Information";
    }
}

code_points! {
    /// What is special about mirrored messages (RFC 7854 section 4.7).
    MirroringInformation(u16) {
        /// The message was treated as a withdrawal or discarded in part (RFC 7606).
        ERRORED_PDU = 0, "Errored PDU";
        /// Messages were lost before this one.
        MESSAGES_LOST = 1, "Messages Lost";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_are_displayed_by_name_or_number() {
        assert_eq!(MessageType::PEER_UP.to_string(), "Peer Up Notification");
        assert_eq!(MessageType(99).to_string(), "99");
        assert_eq!(TerminationReason(4).name(), Some("Session permanently administratively closed"));
        assert_eq!((DownReason(0).name(), DownReason(7).name()), (None, None));
        assert_eq!(PeerUpTlv::NAMED, [PeerUpTlv(0), PeerUpTlv(3), PeerUpTlv(4)]);
    }
}
