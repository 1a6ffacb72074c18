//! Presence bits: which elements a record contained. Maps test whether a VLAN ID is present before they compare it.
//!
//! A row stores the presence bits of its record as one number of 64 bits in [`Field::Presence`](crate::field::Field::Presence), in network
//! byte order. They depend on the template or the kind of sample rather than on the record, so a row costs one copy.

macro_rules! presence {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// An element, or a property of a record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Presence { $($(#[$doc])* $name),* }

        impl Presence {
            /// All of them.
            pub const ALL: &'static [Presence] = &[$(Presence::$name),*];
        }
    };
}

presence! {
    /// Input interface.
    InIface,
    /// Output interface.
    OutIface,
    /// Type of the engine.
    EngineType,
    /// Engine, source ID, observation domain or sub-agent.
    SourceId,
    /// Template ID.
    Template,
    /// IP next hop.
    NextHop,
    /// BGP next hop.
    BgpNextHop,
    /// Direction of observation.
    Direction,
    /// Source AS.
    SrcAs,
    /// Destination AS.
    DstAs,
    /// Ingress VRF.
    IngressVrf,
    /// Egress VRF.
    EgressVrf,
    /// Pseudowire ID.
    MplsPwId,
    /// Source MAC address.
    SrcMac,
    /// Destination MAC address.
    DstMac,
    /// VLAN ID.
    Vlan,
    /// Customer VLAN ID.
    Cvlan,
    /// Source address.
    SrcHost,
    /// Destination address.
    DstHost,
    /// IP protocol.
    Proto,
    /// Source port.
    SrcPort,
    /// Destination port.
    DstPort,
    /// TCP flags.
    TcpFlags,
    /// Forwarding status.
    FwdStatus,
    /// MPLS label at the bottom of the stack.
    MplsLabelBottom,
    /// A flow, neither an event nor options data.
    Flow,
    /// A flow between IPv4 addresses.
    FlowV4,
    /// A flow between IPv6 addresses.
    FlowV6,
    /// An event.
    Event,
    /// Options data.
    Options,
    /// A bidirectional flow (biflow).
    BothWays,
    /// Firewall event.
    FwEvent,
    /// NAT event.
    NatEvent,
}

/// A set of presence bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceSet(pub u64);

impl PresenceSet {
    /// Sets a bit.
    #[inline]
    pub const fn insert(&mut self, presence: Presence) {
        self.0 |= 1 << presence as u32;
    }

    /// Returns true if the bit is set.
    #[inline]
    pub const fn has(self, presence: Presence) -> bool {
        self.0 >> presence as u32 & 1 == 1
    }
}
