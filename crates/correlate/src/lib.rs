//! Routes for flows: which peer, which route, and the fields of rows that they fill.
#![forbid(unsafe_code)]
