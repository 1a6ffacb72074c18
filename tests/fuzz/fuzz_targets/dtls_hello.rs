//! The first datagrams of DTLS clients: the hello, what is made of it, and the list of records.
//!
//! A hello without its cookie is a hello with the same parameters, and the answer is shorter than the question.
#![no_main]

use dtls::hello::{ClientHello, epochs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    assert!(epochs(datagram).count() <= datagram.len() / 13);
    let Ok(hello) = ClientHello::read(datagram) else { return };
    let mut first = Vec::new();
    hello.write_first(&mut first);
    assert!(first.len() <= datagram.len());
    let read = ClientHello::read(&first).expect("it was written");
    assert_eq!((read.sequence, read.message, read.cookie), (0, 0, &[][..]));
    assert_eq!((read.random, read.parameters()), (hello.random, hello.parameters()));
    let mut answer = Vec::new();
    hello.write_verify_request(&[7; 32], &mut answer);
    assert_eq!(answer.len(), 13 + 12 + 3 + 32);
    assert!(ClientHello::read(&answer).is_err());
});
