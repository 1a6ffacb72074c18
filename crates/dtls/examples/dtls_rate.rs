//! Measures a server of DTLS without a network: handshakes and records per CPU-second, and the memory of a session.
//!
//! ```text
//! cargo run --release -p dtls --example dtls_rate [octets of a plaintext]
//! ```
#![expect(clippy::unwrap_used, reason = "a measurement")]

use dtls::{Client, ClientContext, Ending, Handler, Identity, Peer, Server, ServerContext, ServerLimits};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::X509;
use std::net::SocketAddr;
use std::time::Instant;

#[derive(Default)]
struct Sink {
    answers: Vec<Vec<u8>>,
    records: u64,
}

impl Handler for Sink {
    fn send(&mut self, _: SocketAddr, datagram: &[u8]) {
        self.answers.push(datagram.to_vec());
    }

    fn opened(&mut self, _: SocketAddr) {}

    fn plaintext(&mut self, _: SocketAddr, _: &[u8]) {
        self.records += 1;
    }

    fn ended(&mut self, _: SocketAddr, _: bool, _: &Ending) {}
}

/// Memory of the process in bytes.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// A certificate of that key, in PEM.
fn certificate(key: &PKey<Private>) -> Vec<u8> {
    let mut builder = X509::builder().unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build().to_pem().unwrap()
}

fn main() {
    let size = std::env::args().nth(1).map_or(1400, |text| text.parse().unwrap());
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let elliptic = PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap();
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    for (name, key) in [("P-256", elliptic), ("RSA 2048", rsa)] {
        let (certificate, key) = (certificate(&key), key.private_key_to_pem_pkcs8().unwrap());
        let identity = Identity { certificates: &certificate, key: &key };
        let limits = ServerLimits { handshakes_per_address: 1 << 20, ..ServerLimits::default() };
        let mut server = Server::new(ServerContext::new(&identity, None).unwrap(), limits).unwrap();
        let context = ClientContext::new(None, None).unwrap();
        let (mut sink, mut busy, before) = (Sink::default(), std::time::Duration::ZERO, memory());
        let mut clients = Vec::new();
        for port in 1..=500 {
            let from = SocketAddr::from(([192, 0, 2, 1], port));
            let mut client = Client::new(&context, &Peer::Anyone).unwrap();
            while !client.is_open() {
                let mut datagrams = Vec::new();
                client.flush(|datagram| datagrams.push(datagram.to_vec()));
                let start = Instant::now();
                datagrams.iter().for_each(|datagram| server.receive(from, datagram, start, &mut sink));
                busy += start.elapsed();
                sink.answers.drain(..).for_each(|answer| client.receive(&answer));
            }
            clients.push(client);
        }
        println!("{name}: {:.0} handshakes/s", 500.0 / busy.as_secs_f64());
        println!("{name}: {} bytes for a session and its client", (memory() - before) / 500);
        let client = &mut clients[0];
        let from = SocketAddr::from(([192, 0, 2, 1], 1));
        let plaintext = vec![7; size];
        let mut datagrams = Vec::new();
        for _ in 0..100_000 {
            client.send(&plaintext).unwrap();
            client.flush(|datagram| datagrams.push(datagram.to_vec()));
        }
        let start = Instant::now();
        datagrams.iter().for_each(|datagram| server.receive(from, datagram, start, &mut sink));
        assert_eq!(sink.records, 100_000);
        println!("{name}: {:.0} records/s of {size} octets", 100_000.0 / start.elapsed().as_secs_f64());
        let mut hello = Vec::new();
        Client::new(&context, &Peer::Anyone).unwrap().flush(|datagram| hello.extend_from_slice(datagram));
        let start = Instant::now();
        (0..100_000).for_each(|port| {
            let from = SocketAddr::from(([192, 0, 2, 2], (port % 60_000) as u16));
            server.receive(from, &hello, start, &mut sink);
            sink.answers.clear();
        });
        println!("{name}: {:.0} hellos without a cookie/s", 100_000.0 / start.elapsed().as_secs_f64());
    }
}
