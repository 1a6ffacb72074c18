//! libpcap expressions over packets, and over rows by way of a made-up packet.
#![forbid(unsafe_code)]
