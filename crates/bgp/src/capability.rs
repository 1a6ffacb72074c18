//! Capabilities of a speaker (RFC 5492).
