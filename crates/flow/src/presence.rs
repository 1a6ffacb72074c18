//! Which elements a record contained, apart from their values: maps test whether there was a VLAN ID at all before they compare it.
//!
//! A row keeps the presence bits of its record as one number of 64 bits in [`Field::Presence`](crate::field::Field::Presence), in network
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
    /// Engine, source id, observation domain or sub-agent.
    SourceId,
    /// Number of a template.
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
    /// VRF on the way in.
    IngressVrf,
    /// VRF on the way out.
    EgressVrf,
    /// Pseudowire id.
    MplsPwId,
    /// Source MAC address.
    SrcMac,
    /// Destination MAC address.
    DstMac,
    /// VLAN id.
    Vlan,
    /// Customer VLAN id.
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
    /// It is a flow, not an event and not options data.
    Flow,
    /// It is a flow between IPv4 addresses.
    FlowV4,
    /// It is a flow between IPv6 addresses.
    FlowV6,
    /// It is an event.
    Event,
    /// It is options data.
    Options,
    /// It counts both ways of a connection.
    BothWays,
    /// It has a firewall event.
    FwEvent,
    /// It has a NAT event.
    NatEvent,
}

/// A set of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceSet(pub u64);

impl PresenceSet {
    /// Adds one.
    #[inline]
    pub const fn insert(&mut self, fact: Presence) {
        self.0 |= 1 << fact as u32;
    }

    /// True when it is in.
    #[inline]
    pub const fn has(self, fact: Presence) -> bool {
        self.0 >> fact as u32 & 1 == 1
    }
}
