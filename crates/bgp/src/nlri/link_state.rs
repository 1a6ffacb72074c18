//! Link-state NLRI (RFC 9552).
