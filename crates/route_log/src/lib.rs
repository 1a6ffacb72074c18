//! Events of routes, for logs and dumps: JSON and Avro.
#![forbid(unsafe_code)]
