//! Countries, postal codes and coordinates of addresses.
#![forbid(unsafe_code)]
