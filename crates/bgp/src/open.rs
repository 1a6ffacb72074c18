//! OPEN (RFC 4271 section 4.2).
