//! BGP sessions as a state machine without I/O: octets and time in, messages and events out.
#![forbid(unsafe_code)]
