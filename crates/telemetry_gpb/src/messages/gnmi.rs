//! `gnmi.proto` and `gnmi_ext.proto` of OpenConfig, for subscriptions.

use std::collections::BTreeMap;

/// What a client sends in `Subscribe`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SubscribeRequest {
    /// What it asks for.
    #[prost(oneof = "subscribe_request::Request", tags = "1, 3")]
    pub request: Option<subscribe_request::Request>,
}

/// The alternatives in [`SubscribeRequest`].
pub mod subscribe_request {
    /// What a client asks for.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Request {
        /// A subscription; the first request.
        #[prost(message, tag = "1")]
        Subscribe(super::SubscriptionList),
        /// The values once more, in mode `POLL`.
        #[prost(message, tag = "3")]
        Poll(super::Poll),
    }
}

/// Asks for the values.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Poll {}

/// A subscription to paths.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SubscriptionList {
    /// The start of all paths.
    #[prost(message, optional, tag = "1")]
    pub prefix: Option<Path>,
    /// The paths.
    #[prost(message, repeated, tag = "2")]
    pub subscription: Vec<Subscription>,
    /// 0 `STREAM`, 1 `ONCE`, 2 `POLL`.
    #[prost(int32, tag = "5")]
    pub mode: i32,
    /// 0 JSON, 1 bytes, 2 protobuf, 3 ASCII, 4 JSON_IETF.
    #[prost(int32, tag = "8")]
    pub encoding: i32,
    /// No initial values.
    #[prost(bool, tag = "9")]
    pub updates_only: bool,
}

/// A subscription to a path.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Subscription {
    /// The path.
    #[prost(message, optional, tag = "1")]
    pub path: Option<Path>,
    /// 0 `TARGET_DEFINED`, 1 `ON_CHANGE`, 2 `SAMPLE`.
    #[prost(int32, tag = "2")]
    pub mode: i32,
    /// Of `SAMPLE`: nanoseconds between values.
    #[prost(uint64, tag = "3")]
    pub sample_interval: u64,
}

/// What a target sends in `Subscribe`, and Juniper's and Nokia's routers when they dial out.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SubscribeResponse {
    /// The response.
    #[prost(oneof = "subscribe_response::Response", tags = "1, 3, 4")]
    pub response: Option<subscribe_response::Response>,
    /// Extensions.
    #[prost(message, repeated, tag = "5")]
    pub extension: Vec<Extension>,
}

/// The alternatives in [`SubscribeResponse`].
pub mod subscribe_response {
    /// The response.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Response {
        /// Values.
        #[prost(message, tag = "1")]
        Update(super::Notification),
        /// All values were sent once.
        #[prost(bool, tag = "3")]
        SyncResponse(bool),
        /// An error; removed from gNMI.
        #[prost(message, tag = "4")]
        Error(super::Error),
    }
}

/// An error.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Error {
    /// A code of gRPC.
    #[prost(uint32, tag = "1")]
    pub code: u32,
    /// A text.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// Values that changed or were sampled.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Notification {
    /// Nanoseconds since 1970.
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
    /// The start of all paths.
    #[prost(message, optional, tag = "2")]
    pub prefix: Option<Path>,
    /// A name for the prefix.
    #[prost(string, tag = "3")]
    pub alias: String,
    /// Values.
    #[prost(message, repeated, tag = "4")]
    pub update: Vec<Update>,
    /// Deleted paths.
    #[prost(message, repeated, tag = "5")]
    pub delete: Vec<Path>,
    /// The prefix names a container that is sent as a whole.
    #[prost(bool, tag = "6")]
    pub atomic: bool,
}

/// A path and its value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Update {
    /// The path.
    #[prost(message, optional, tag = "1")]
    pub path: Option<Path>,
    /// The value before gNMI 0.3.
    #[prost(message, optional, tag = "2")]
    pub value: Option<Value>,
    /// The value.
    #[prost(message, optional, tag = "3")]
    pub val: Option<TypedValue>,
    /// How many values this one replaces.
    #[prost(uint32, tag = "4")]
    pub duplicates: u32,
}

/// A value before gNMI 0.3.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    /// The octets.
    #[prost(bytes = "vec", tag = "1")]
    pub value: Vec<u8>,
    /// Their encoding.
    #[prost(int32, tag = "2")]
    pub r#type: i32,
}

/// A value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TypedValue {
    /// By its type.
    #[prost(oneof = "typed_value::Value", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14")]
    pub value: Option<typed_value::Value>,
}

/// The alternatives in [`TypedValue`].
pub mod typed_value {
    /// A value by its type.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        /// A text.
        #[prost(string, tag = "1")]
        StringVal(String),
        /// An integer.
        #[prost(int64, tag = "2")]
        IntVal(i64),
        /// An integer.
        #[prost(uint64, tag = "3")]
        UintVal(u64),
        /// A boolean.
        #[prost(bool, tag = "4")]
        BoolVal(bool),
        /// Octets.
        #[prost(bytes, tag = "5")]
        BytesVal(Vec<u8>),
        /// A floating-point number of single precision.
        #[prost(float, tag = "6")]
        FloatVal(f32),
        /// A decimal number.
        #[prost(message, tag = "7")]
        DecimalVal(super::Decimal64),
        /// A leaf-list.
        #[prost(message, tag = "8")]
        LeaflistVal(super::ScalarArray),
        /// Any message.
        #[prost(message, tag = "9")]
        AnyVal(super::Any),
        /// JSON.
        #[prost(bytes, tag = "10")]
        JsonVal(Vec<u8>),
        /// JSON by RFC 7951.
        #[prost(bytes, tag = "11")]
        JsonIetfVal(Vec<u8>),
        /// A text of the target's own form.
        #[prost(string, tag = "12")]
        AsciiVal(String),
        /// A message of a known type.
        #[prost(bytes, tag = "13")]
        ProtoBytes(Vec<u8>),
        /// A floating-point number.
        #[prost(double, tag = "14")]
        DoubleVal(f64),
    }
}

/// A decimal number.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Decimal64 {
    /// All digits.
    #[prost(int64, tag = "1")]
    pub digits: i64,
    /// How many of them follow the point.
    #[prost(uint32, tag = "2")]
    pub precision: u32,
}

/// A leaf-list.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScalarArray {
    /// Its values.
    #[prost(message, repeated, tag = "1")]
    pub element: Vec<TypedValue>,
}

/// Any message.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Any {
    /// Its type.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// A path in a data tree.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Path {
    /// Its elements before gNMI 0.4.
    #[prost(string, repeated, tag = "1")]
    pub element: Vec<String>,
    /// The models that it belongs to.
    #[prost(string, tag = "2")]
    pub origin: String,
    /// Its elements.
    #[prost(message, repeated, tag = "3")]
    pub elem: Vec<PathElem>,
    /// The target behind a gateway.
    #[prost(string, tag = "4")]
    pub target: String,
}

/// An element of a path.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PathElem {
    /// The name of the node.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The keys of a list entry.
    #[prost(btree_map = "string, string", tag = "2")]
    pub key: BTreeMap<String, String>,
}

/// An extension.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Extension {
    /// A registered one.
    #[prost(message, optional, tag = "1")]
    pub registered_ext: Option<RegisteredExtension>,
}

/// An extension with a registered number.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RegisteredExtension {
    /// 1 is the header of Juniper.
    #[prost(int32, tag = "1")]
    pub id: i32,
    /// Its message.
    #[prost(bytes = "vec", tag = "2")]
    pub msg: Vec<u8>,
}

/// Where a message of Juniper's routers comes from. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct JuniperHeader {
    /// The router and the address that it sends from.
    #[prost(string, tag = "1")]
    pub system_id: String,
    /// The slot.
    #[prost(uint32, tag = "2")]
    pub component_id: u32,
    /// The packet forwarding engine.
    #[prost(uint32, tag = "3")]
    pub sub_component_id: u32,
    /// The sensor.
    #[prost(string, tag = "4")]
    pub sensor_name: String,
    /// The path of the subscription.
    #[prost(string, tag = "5")]
    pub subscribed_path: String,
    /// The path inside Junos.
    #[prost(string, tag = "6")]
    pub streamed_path: String,
    /// The process.
    #[prost(string, tag = "7")]
    pub component: String,
    /// Consecutive for each sensor.
    #[prost(uint64, tag = "8")]
    pub sequence_number: u64,
    /// When the values were read.
    #[prost(int64, tag = "9")]
    pub payload_get_timestamp: i64,
    /// When the stream began.
    #[prost(int64, tag = "10")]
    pub stream_creation_timestamp: i64,
    /// When something happened.
    #[prost(int64, tag = "11")]
    pub event_timestamp: i64,
    /// When the message was sent.
    #[prost(int64, tag = "12")]
    pub export_timestamp: i64,
    /// Consecutive within a sequence number.
    #[prost(uint64, tag = "13")]
    pub sub_sequence_number: u64,
    /// The last message of a round.
    #[prost(bool, tag = "14")]
    pub eom: bool,
}
