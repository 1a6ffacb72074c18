//! The PMSI tunnel attribute (RFC 6514 section 5).
