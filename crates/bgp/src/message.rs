//! The header of messages (RFC 4271 section 4.1), and how a stream is split into messages.
