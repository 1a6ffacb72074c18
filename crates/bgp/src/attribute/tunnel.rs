//! The tunnel encapsulation attribute (RFC 9012).
