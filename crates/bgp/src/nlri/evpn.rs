//! EVPN routes (RFC 7432).
