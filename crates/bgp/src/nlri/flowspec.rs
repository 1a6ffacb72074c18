//! Flow specifications (RFC 8955, RFC 8956).
