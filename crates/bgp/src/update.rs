//! UPDATE (RFC 4271 section 4.3), checked by the rules of RFC 7606.
