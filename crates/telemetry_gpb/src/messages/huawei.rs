//! `huawei-grpc-dialout.proto` and `huawei-telemetry.proto` of Huawei.

use super::gnmi::PathElem;

/// What routers send and receive in `dataPublish`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServiceArgs {
    /// Identifies the request.
    #[prost(int64, tag = "1")]
    pub req_id: i64,
    /// What went wrong at the router.
    #[prost(string, tag = "3")]
    pub errors: String,
    /// The data.
    #[prost(oneof = "service_args::MessageData", tags = "2, 4")]
    pub message_data: Option<service_args::MessageData>,
}

/// The alternatives in [`ServiceArgs`].
pub mod service_args {
    /// The data.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum MessageData {
        /// A [`super::Telemetry`].
        #[prost(bytes, tag = "2")]
        Data(Vec<u8>),
        /// JSON.
        #[prost(string, tag = "4")]
        DataJson(String),
    }
}

/// The message of telemetry. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Telemetry {
    /// The router.
    #[prost(string, tag = "1")]
    pub node_id_str: String,
    /// The subscription.
    #[prost(string, tag = "2")]
    pub subscription_id_str: String,
    /// The path of the subscription.
    #[prost(string, tag = "3")]
    pub sensor_path: String,
    /// The round of collection.
    #[prost(uint64, tag = "4")]
    pub collection_id: u64,
    /// When it began.
    #[prost(uint64, tag = "5")]
    pub collection_start_time: u64,
    /// When the data was generated.
    #[prost(uint64, tag = "6")]
    pub msg_timestamp: u64,
    /// Compact data.
    #[prost(message, optional, tag = "7")]
    pub data_gpb: Option<TelemetryGpbTable>,
    /// When the round ended.
    #[prost(uint64, tag = "8")]
    pub collection_end_time: u64,
    /// The interval, in milliseconds.
    #[prost(uint32, tag = "9")]
    pub current_period: u32,
    /// What went wrong.
    #[prost(string, tag = "10")]
    pub except_desc: String,
    /// The product.
    #[prost(string, tag = "11")]
    pub product_name: String,
    /// 0 GPB, 1 JSON.
    #[prost(int32, tag = "12")]
    pub encoding: i32,
    /// The message of the rows.
    #[prost(string, tag = "13")]
    pub proto_path: String,
    /// JSON.
    #[prost(string, tag = "14")]
    pub data_str: String,
    /// The network element behind a gateway.
    #[prost(string, tag = "15")]
    pub ne_id: String,
    /// The software.
    #[prost(string, tag = "16")]
    pub software_version: String,
}

/// Compact data.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TelemetryGpbTable {
    /// Samples.
    #[prost(message, repeated, tag = "1")]
    pub row: Vec<TelemetryRowGpb>,
    /// Deleted paths.
    #[prost(message, repeated, tag = "2")]
    pub delete: Vec<DataPath>,
    /// The source of the data.
    #[prost(message, optional, tag = "3")]
    pub generator: Option<Generator>,
}

/// A sample.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TelemetryRowGpb {
    /// When it was taken.
    #[prost(uint64, tag = "1")]
    pub timestamp: u64,
    /// In the message that `proto_path` names.
    #[prost(bytes = "vec", tag = "11")]
    pub content: Vec<u8>,
}

/// A deleted path.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DataPath {
    /// When it was deleted.
    #[prost(uint64, tag = "1")]
    pub timestamp: u64,
    /// The path.
    #[prost(message, optional, tag = "2")]
    pub path: Option<Path>,
}

/// A path.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Path {
    /// Its elements.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<PathElem>,
}

/// A source of data at the router.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Generator {
    /// Its number.
    #[prost(uint64, tag = "1")]
    pub generator_id: u64,
    /// Consecutive for each source.
    #[prost(uint32, tag = "2")]
    pub generator_sn: u32,
    /// All data is sent again.
    #[prost(bool, tag = "3")]
    pub generator_sync: bool,
}
