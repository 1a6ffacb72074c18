//! The prefix SID attribute (RFC 8669), with SRv6 services (RFC 9252).
