//! The BGP-LS attribute (RFC 9552 section 5.3).
