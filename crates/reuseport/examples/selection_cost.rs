//! What it costs to select a socket for a datagram: a sender's time for a datagram to a port of several sockets, over loopback.
//!
//! ```text
//! clang -O2 -g -target bpf -I /usr/include/$(uname -m)-linux-gnu -DDAEMONS=8 -c etc/ebpf/by-router.c -o by-router.o
//! cargo run --release -p reuseport --features ebpf --example selection_cost -- by-router.o
//! ```
//!
//! A round sends to one socket, to eight among which the kernel selects, and to eight among which the program selects. The
//! difference of the medians is the cost of a selection; datagrams are empty and never read.

use reuseport::{Group, Transport, join};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Instant;

const SOCKETS: u32 = 8;
const SENDERS: usize = 16;
const DATAGRAMS: u32 = 20_000;
const ROUNDS: usize = 41;

/// Sockets on one port of this machine, with buffers that are soon full: then a datagram is dropped after the selection.
fn group(count: u32) -> Vec<UdpSocket> {
    let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    (0..count)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
            socket.set_reuse_port(count > 1).expect("SO_REUSEPORT");
            socket.set_recv_buffer_size(1).expect("SO_RCVBUF");
            socket.bind(&address.into()).expect("a free port");
            address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("an address");
            socket.into()
        })
        .collect()
}

/// Nanoseconds for each datagram.
fn round(senders: &[UdpSocket], to: SocketAddr) -> u128 {
    let start = Instant::now();
    for sender in senders.iter().cycle().take(DATAGRAMS as usize) {
        sender.send_to(&[], to).expect("it is sent");
    }
    start.elapsed().as_nanos() / u128::from(DATAGRAMS)
}

fn main() {
    let program = PathBuf::from(std::env::args_os().nth(1).expect("the object file, for 8 daemons"));
    let folder = Group::folder("selection-cost", "udp");
    let groups = [group(1), group(SOCKETS), group(SOCKETS)];
    let sockets: Vec<_> = groups[2].iter().map(AsFd::as_fd).collect();
    join(&Group { program, folder: folder.clone(), place: 0 }, Transport::Udp, &sockets)
        .unwrap_or_else(|error| panic!("{error}"));
    let senders: Vec<UdpSocket> = (1..=SENDERS)
        .map(|number| {
            let number = u8::try_from(number).expect("few senders");
            UdpSocket::bind((Ipv4Addr::new(127, 0, 0, number), 0)).expect("an address of this machine")
        })
        .collect();
    let ports = groups.each_ref().map(|group| group[0].local_addr().expect("it is bound"));
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (times, to) in times.iter_mut().zip(ports) {
            times.push(round(&senders, to));
        }
    }
    for (what, times) in ["one socket", "selected by the kernel", "selected by the program"].iter().zip(&mut times)
    {
        times.sort_unstable();
        let at = |part: usize| times[times.len() * part / 8];
        println!("{what}: {} ns ({} to {})", at(4), at(1), at(7));
    }
    let _ = folder.parent().map(std::fs::remove_dir_all);
}
