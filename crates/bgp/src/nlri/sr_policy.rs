//! Segment routing policies (RFC 9830).
