//! The messages as types, for those that encode them: clients of dial-out services in tests, and the subscriptions of gNMI.
//!
//! They are what `prost-build` generates from the `.proto` files of the vendors, for the fields that are used, and committed, so that a
//! build needs no protobuf compiler. Decoding by them builds a tree; [`crate::cisco`] and its siblings do not.

pub mod cisco;
pub mod gnmi;
pub mod huawei;
pub mod openconfig;
