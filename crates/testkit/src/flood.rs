//! A flood of connections.

use socket2::{Domain, SockAddr, Socket, Type};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Number of its threads.
const THREADS: usize = 4;

/// What a flood has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Connections that were tried.
    pub tried: u64,
    /// Those that the kernel established. The others found a full queue.
    pub established: u64,
}

impl Attempts {
    /// Tried ones a second.
    pub fn rate(&self, time: Duration) -> f64 {
        self.tried as f64 / time.as_secs_f64()
    }
}

#[derive(Debug, Default)]
struct State {
    ends: AtomicBool,
    tried: AtomicU64,
    established: AtomicU64,
}

/// What the connections of a flood do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Octets that each sends.
    pub octets: &'static [u8],
    /// Connections of each thread that stay open: the oldest one is reset when there are more.
    pub held: usize,
}

/// Threads that connect, send something, and reset the connection, as fast as they can. They end when this is dropped.
#[derive(Debug)]
pub struct Flood {
    state: Arc<State>,
    began: Instant,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    /// Starts one from these addresses in turn.
    pub fn start(sources: &[IpAddr], target: SocketAddr, manner: Manner) -> Self {
        let state = Arc::<State>::default();
        let sources: Vec<SockAddr> = sources.iter().map(|ip| SocketAddr::new(*ip, 0).into()).collect();
        let run = |number| {
            let (state, mut sources) = (Arc::clone(&state), sources.clone());
            let start = number * sources.len() / THREADS;
            sources.rotate_left(start);
            std::thread::spawn(move || attack(&state, &sources, target, manner))
        };
        let threads = (0..THREADS).map(run).collect();
        Self { state, began: Instant::now(), threads }
    }

    /// What it has done so far.
    pub fn attempts(&self) -> Attempts {
        Attempts {
            tried: self.state.tried.load(Ordering::Relaxed),
            established: self.state.established.load(Ordering::Relaxed),
        }
    }

    /// Ends it, and returns what it did and the time that it took.
    pub fn stop(self) -> (Attempts, Duration) {
        (self.attempts(), self.began.elapsed())
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| _ = thread.join());
    }
}

fn attack(state: &State, sources: &[SockAddr], target: SocketAddr, manner: Manner) {
    let address = SockAddr::from(target);
    let mut held = VecDeque::new();
    for source in sources.iter().cycle() {
        if state.ends.load(Ordering::Relaxed) {
            return;
        }
        let connection = attempt(source, target, &address, manner.octets);
        state.tried.fetch_add(1, Ordering::Relaxed);
        if let Ok(Some(connection)) = connection {
            state.established.fetch_add(1, Ordering::Relaxed);
            held.push_back(connection);
            if held.len() > manner.held {
                held.pop_front();
            }
        }
    }
}

/// One connection, if the kernel establishes it. Its end is a reset, so that it leaves no state in the kernel.
fn attempt(
    source: &SockAddr,
    target: SocketAddr,
    address: &SockAddr,
    octets: &[u8],
) -> io::Result<Option<Socket>> {
    let mut socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_nonblocking(true)?;
    socket.bind(source)?;
    // On a loopback interface the handshake is over when this returns, unless the queue of the listener is full.
    if socket.connect(address).is_err() && socket.peer_addr().is_err() {
        return Ok(None);
    }
    if !octets.is_empty() {
        let _ = socket.write_all(octets);
    }
    Ok(Some(socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::eventually;
    use crate::sockets;
    use std::net::TcpListener;

    #[test]
    fn a_flood_connects_until_it_is_stopped() {
        let listener = TcpListener::bind((sockets::own_address().ip(), 0)).unwrap();
        let flood = Flood::start(
            &[sockets::own_address().ip()],
            listener.local_addr().unwrap(),
            Manner { octets: b"x", held: 3 },
        );
        eventually("connections", || (flood.attempts().established > 20).then_some(()));
        let (attempts, time) = flood.stop();
        assert!(attempts.tried >= attempts.established && attempts.rate(time) > 0.0);
        assert!(listener.accept().is_ok());
    }
}
