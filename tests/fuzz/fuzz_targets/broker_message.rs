//! Messages of brokers: a datagram with the headers of its exporter.
//!
//! What is read lies inside the input, and is read again from what tee would write for it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use tee::header::Header;
use tee::message::{Fault, parse};

fuzz_target!(|octets: &[u8]| match parse(octets) {
    Ok((source, payload)) => {
        let headers = if octets[0] >> 4 == 4 { 28 } else { 48 };
        assert!(headers + payload.len() <= octets.len());
        assert!(octets.as_ptr_range().contains(&payload.as_ptr()) || payload.is_empty());
        assert!(!matches!(source.ip(), IpAddr::V6(address) if address.to_ipv4_mapped().is_some()));
        let header = Header::message(source, payload).expect("what was read fits");
        let written = [header.octets(), payload].concat();
        assert_eq!(parse(&written), Ok((source, payload)));
    }
    Err(fault) => {
        assert!(fault.index() < Fault::COUNT);
        assert!(!fault.to_string().is_empty());
    }
});
