//! `mdt_grpc_dialout.proto` and `telemetry.proto` of Cisco.

/// What routers send and receive in `MdtDialout`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MdtDialoutArgs {
    /// Identifies the request.
    #[prost(int64, tag = "1")]
    pub req_id: i64,
    /// A [`Telemetry`], or JSON.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    /// What went wrong at the router.
    #[prost(string, tag = "3")]
    pub errors: String,
}

/// The message of model-driven telemetry. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Telemetry {
    /// The router.
    #[prost(oneof = "telemetry::NodeId", tags = "1, 2")]
    pub node_id: Option<telemetry::NodeId>,
    /// The subscription.
    #[prost(oneof = "telemetry::Subscription", tags = "3, 4")]
    pub subscription: Option<telemetry::Subscription>,
    /// Not sent by IOS XR.
    #[prost(string, tag = "5")]
    pub sensor_path: String,
    /// The YANG path of the data.
    #[prost(string, tag = "6")]
    pub encoding_path: String,
    /// Not sent by IOS XR.
    #[prost(string, tag = "7")]
    pub model_version: String,
    /// The round of collection.
    #[prost(uint64, tag = "8")]
    pub collection_id: u64,
    /// When it began.
    #[prost(uint64, tag = "9")]
    pub collection_start_time: u64,
    /// When the data was generated.
    #[prost(uint64, tag = "10")]
    pub msg_timestamp: u64,
    /// Self-describing data.
    #[prost(message, repeated, tag = "11")]
    pub data_gpbkv: Vec<TelemetryField>,
    /// Compact data.
    #[prost(message, optional, tag = "12")]
    pub data_gpb: Option<TelemetryGpbTable>,
    /// When the round ended; in its last message.
    #[prost(uint64, tag = "13")]
    pub collection_end_time: u64,
    /// Not sent by IOS XR.
    #[prost(uint64, tag = "14")]
    pub heartbeat_sequence_number: u64,
}

/// The alternatives in [`Telemetry`].
pub mod telemetry {
    /// The router.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum NodeId {
        /// Its name.
        #[prost(string, tag = "1")]
        NodeIdStr(String),
        /// Its UUID.
        #[prost(bytes, tag = "2")]
        NodeIdUuid(Vec<u8>),
    }

    /// The subscription.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Subscription {
        /// Its name.
        #[prost(string, tag = "3")]
        SubscriptionIdStr(String),
        /// Its number.
        #[prost(uint32, tag = "4")]
        SubscriptionId(u32),
    }
}

/// A node of self-describing data: a value, or further nodes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TelemetryField {
    /// When the value was read, if that differs from the message.
    #[prost(uint64, tag = "1")]
    pub timestamp: u64,
    /// The YANG name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The value.
    #[prost(oneof = "telemetry_field::ValueByType", tags = "4, 5, 6, 7, 8, 9, 10, 11, 12")]
    pub value_by_type: Option<telemetry_field::ValueByType>,
    /// The nodes below.
    #[prost(message, repeated, tag = "15")]
    pub fields: Vec<TelemetryField>,
}

/// The alternatives in [`TelemetryField`].
pub mod telemetry_field {
    /// A value.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum ValueByType {
        /// Octets.
        #[prost(bytes, tag = "4")]
        BytesValue(Vec<u8>),
        /// A text.
        #[prost(string, tag = "5")]
        StringValue(String),
        /// A boolean.
        #[prost(bool, tag = "6")]
        BoolValue(bool),
        /// An integer.
        #[prost(uint32, tag = "7")]
        Uint32Value(u32),
        /// An integer.
        #[prost(uint64, tag = "8")]
        Uint64Value(u64),
        /// An integer.
        #[prost(sint32, tag = "9")]
        Sint32Value(i32),
        /// An integer.
        #[prost(sint64, tag = "10")]
        Sint64Value(i64),
        /// A floating-point number.
        #[prost(double, tag = "11")]
        DoubleValue(f64),
        /// A floating-point number of single precision.
        #[prost(float, tag = "12")]
        FloatValue(f32),
    }
}

/// Compact data.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TelemetryGpbTable {
    /// A subtree each.
    #[prost(message, repeated, tag = "1")]
    pub row: Vec<TelemetryRowGpb>,
}

/// A subtree in compact data.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TelemetryRowGpb {
    /// When it was read.
    #[prost(uint64, tag = "1")]
    pub timestamp: u64,
    /// The keys of the lists above it.
    #[prost(bytes = "vec", tag = "10")]
    pub keys: Vec<u8>,
    /// Its content.
    #[prost(bytes = "vec", tag = "11")]
    pub content: Vec<u8>,
}
