//! MRT files (RFC 6396, RFC 8050): routing tables and BGP messages, read and written.
#![forbid(unsafe_code)]
