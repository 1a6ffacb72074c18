//! The part of `openconfig-interfaces` that tests use: state and counters of interfaces.

/// The content of a row.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Interfaces {
    /// The interfaces.
    #[prost(message, repeated, tag = "1")]
    pub interface: Vec<Interface>,
}

/// An interface.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Interface {
    /// Its name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Its state.
    #[prost(message, optional, tag = "4")]
    pub state: Option<State>,
}

/// The state of an interface.
#[derive(Clone, PartialEq, prost::Message)]
pub struct State {
    /// 0 down, 1 testing, 2 up.
    #[prost(int32, tag = "1")]
    pub admin_status: i32,
    /// Its counters.
    #[prost(message, optional, tag = "2")]
    pub counters: Option<Counters>,
    /// Its index.
    #[prost(uint32, tag = "5")]
    pub ifindex: u32,
    /// 6 up.
    #[prost(int32, tag = "10")]
    pub oper_status: i32,
}

/// The counters of an interface.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Counters {
    /// Received octets.
    #[prost(uint64, tag = "7")]
    pub in_octets: u64,
    /// Sent octets.
    #[prost(uint64, tag = "15")]
    pub out_octets: u64,
}
