//! GoBGP and FRRouting report their peers over BMP.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use testkit::bmp::message::{HEADER, INITIATION, PEER_DOWN, PEER_UP, ROUTE_MONITORING};
use testkit::conditions::eventually;
use testkit::routers::{Frr, GoBgp, Peering, Router};
use testkit::sockets;

/// Counts the messages of a router by type.
struct Station {
    stream: TcpStream,
    octets: Vec<u8>,
    counts: BTreeMap<u8, usize>,
}

impl Station {
    fn accept(listener: &TcpListener) -> Self {
        let stream = listener.accept().expect("a router connects").0;
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("the time is not zero");
        Self { stream, octets: Vec::new(), counts: BTreeMap::new() }
    }

    fn wait(&mut self, kind: u8, count: usize) {
        eventually(&format!("{count} messages of type {kind}, not {:?}", self.counts), || {
            let mut buffer = [0; 65_536];
            match self.stream.read(&mut buffer) {
                Ok(count) => self.octets.extend(&buffer[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            while let [3, a, b, c, d, found, ..] = self.octets[..] {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                assert!(length >= HEADER);
                if self.octets.len() < length {
                    break;
                }
                self.octets.drain(..length);
                *self.counts.entry(found).or_default() += 1;
            }
            (self.counts.get(&kind).copied().unwrap_or_default() >= count).then_some(())
        });
    }
}

fn check<R: Router>(start: impl FnOnce(&Peering) -> Option<R>) {
    let address = sockets::own_address();
    let listener = TcpListener::bind((address.ip(), 0)).expect("a free port");
    let local = sockets::own_address().ip().to_string();
    let peering = Peering::reporting(&local, 65_001, listener.local_addr().expect("an address"));
    let Some(mut router) = start(&peering) else { return };
    let mut station = Station::accept(&listener);
    station.wait(INITIATION, 1);
    station.wait(PEER_UP, 1);
    station.wait(ROUTE_MONITORING, 2);
    drop(router.feeder().expect("a peer"));
    station.wait(PEER_DOWN, 1);
}

#[test]
fn gobgp_reports_its_peer() {
    check(|peering| GoBgp::start(peering, 0..10));
}

#[test]
fn frr_reports_its_peer() {
    check(|peering| Frr::start(peering, 0..10));
}
