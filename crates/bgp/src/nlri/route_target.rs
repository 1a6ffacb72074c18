//! Route target membership (RFC 4684).
