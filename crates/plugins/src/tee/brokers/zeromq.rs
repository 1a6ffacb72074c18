//! A ZeroMQ socket of type PUSH, which is bound to an address: collectors connect to it with sockets of type PULL, and each message goes to
//! one of them.
//!
//! Messages wait in a queue for collectors that are away or slow, up to a bound in messages and bytes; then further ones are dropped. A
//! message counts as sent when it is in the queue, as for sockets.

use super::Client;
use ::tee::pool::Messages;
use bytes::Bytes;
use omq_proto::Message;
use omq_proto::proto::{Connection, ConnectionConfig, Role, SocketType};
use runtime::log::{Identity, Limited};
use runtime::threads::Threads;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// Messages in the queue, as in pmacct.
const MESSAGES: usize = 100_000;
/// Bytes in the queue.
const BYTES: usize = 64 << 20;
/// Collectors at a time.
const COLLECTORS: usize = 64;
/// Time for a collector to complete the handshake, and to read what it was sent.
const HANDSHAKE: Duration = Duration::from_secs(10);
const STALL: Duration = Duration::from_secs(30);
/// How long messages are still delivered after the last worker has ended.
const LAST: Duration = Duration::from_secs(2);
/// Pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// Minimum time between two log lines.
const RATE: Duration = Duration::from_secs(10);
/// Octets that are collected before they are written.
const WRITE: usize = 64 << 10;
/// Size of messages from collectors, which only handshakes have.
const MAX_COMMAND: usize = 8 << 10;

/// The workers' end.
pub(super) struct Push {
    address: String,
    queue: mpsc::Sender<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
    /// The other end, until the thread has it.
    waiting: StdMutex<Option<mpsc::Receiver<Vec<u8>>>>,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Push {
    pub(super) fn new(address: &str) -> Self {
        let (queue, waiting) = mpsc::channel(MESSAGES);
        let bytes = Arc::new(AtomicUsize::new(0));
        Self { address: address.to_owned(), queue, bytes, waiting: StdMutex::new(Some(waiting)) }
    }
}

impl Messages for Push {
    fn send(&self, message: &[u8]) -> bool {
        // The bytes are added first: if the other end subtracted those of a message before they are added, the sum would be below zero, and other
        // workers would find the queue full.
        let size = message.len();
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        let is_queued = before + size <= BYTES && self.queue.try_send(message.to_vec()).is_ok();
        if !is_queued {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        is_queued
    }
}

impl Client for Push {
    fn start(&self, threads: &Threads, identity: &Identity) -> io::Result<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_none() {
            return Ok(());
        }
        let address = &self.address;
        let named = |error: io::Error| io::Error::new(error.kind(), format!("zmq_address={address}: {error}"));
        let socket = std::net::TcpListener::bind(address).map_err(named)?;
        socket.set_nonblocking(true)?;
        let Some(queue) = waiting.take() else { return Ok(()) };
        let shared =
            Shared { queue: Mutex::new(queue), bytes: Arc::clone(&self.bytes), closed: Limited::new(RATE) };
        threads.spawn("tee/zmq", identity.clone(), move || {
            if let Err(error) = run(socket, Rc::new(shared)) {
                warn!("zmq_address: {error}");
            }
        })
    }
}

/// What connections share.
struct Shared {
    queue: Mutex<mpsc::Receiver<Vec<u8>>>,
    bytes: Arc<AtomicUsize>,
    closed: Limited,
}

/// Serves collectors until the workers have ended.
fn run(socket: std::net::TcpListener, shared: Rc<Shared>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async move {
        let socket = TcpListener::from_std(socket)?;
        let mut collectors = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = socket.accept(), if collectors.len() < COLLECTORS => match accepted {
                    Ok((stream, address)) => {
                        let _ = stream.set_nodelay(true);
                        collectors.spawn_local(serve(Rc::clone(&shared), stream, address));
                    }
                    Err(error) => {
                        if let Some(pass) = shared.closed.pass() {
                            warn!(held_back = pass.held_back, "zmq_address: cannot accept a connection: {error}");
                        }
                        sleep(PAUSE).await;
                    }
                },
                Some(_) = collectors.join_next() => {}
                () = is_closed(&shared) => break,
            }
        }
        let _ = timeout(LAST, async { while collectors.join_next().await.is_some() {} }).await;
        Ok(())
    })
}

/// Waits until all workers have ended.
async fn is_closed(shared: &Shared) {
    while Arc::strong_count(&shared.bytes) > 1 {
        sleep(PAUSE).await;
    }
}

async fn serve(shared: Rc<Shared>, stream: TcpStream, address: SocketAddr) {
    info!("[{address}] ZeroMQ: connected");
    if let Err(error) = push(&shared, stream).await
        && let Some(pass) = shared.closed.pass()
    {
        warn!(held_back = pass.held_back, "[{address}] ZeroMQ: {error}");
    }
}

/// Sends messages to one collector until one side ends.
async fn push(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let config = ConnectionConfig::new(Role::Server, SocketType::Push).max_message_size(MAX_COMMAND);
    let mut connection = Connection::new(config);
    let mut buffer = vec![0; MAX_COMMAND];
    let mut input = [0; 1024];
    write(&mut connection, &mut stream).await?;
    let handshake = async {
        while !connection.is_ready() {
            read(&mut connection, &mut stream, &mut buffer).await?;
            write(&mut connection, &mut stream).await?;
        }
        io::Result::Ok(())
    };
    timeout(HANDSHAKE, handshake).await.map_err(|_| io::Error::other("no handshake in time"))??;
    loop {
        let next = async { shared.queue.lock().await.recv().await };
        tokio::select! {
            // Anything but a heartbeat means that the collector has closed the connection.
            count = stream.read(&mut input) => {
                let octets = input.get(..count?).unwrap_or_default();
                if octets.is_empty() {
                    return Ok(());
                }
                connection.handle_input(Bytes::copy_from_slice(octets)).map_err(io::Error::other)?;
            }
            message = next => match message {
                Some(message) => {
                    send(shared, &mut connection, message)?;
                    // What else waits goes along.
                    while connection.pending_transmit_size() < WRITE {
                        let Some(message) = shared.queue.try_lock().ok().and_then(|mut queue| queue.try_recv().ok()) else { break };
                        send(shared, &mut connection, message)?;
                    }
                }
                None => return Ok(()),
            },
        }
        write(&mut connection, &mut stream).await?;
    }
}

fn send(shared: &Shared, connection: &mut Connection, message: Vec<u8>) -> io::Result<()> {
    shared.bytes.fetch_sub(message.len(), Ordering::Relaxed);
    connection.send_message(&Message::from(message)).map_err(io::Error::other)
}

async fn read(connection: &mut Connection, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let count = stream.read(buffer).await?;
    let octets = buffer.get(..count).unwrap_or_default();
    if octets.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    connection.handle_input(Bytes::copy_from_slice(octets)).map_err(io::Error::other)?;
    while connection.has_pending_input() {
        connection.resume_input().map_err(io::Error::other)?;
    }
    while connection.poll_event().is_some() {}
    Ok(())
}

async fn write(connection: &mut Connection, stream: &mut TcpStream) -> io::Result<()> {
    while connection.has_pending_transmit() {
        let octets = connection.poll_transmit();
        let written = timeout(STALL, stream.write_all(&octets)).await;
        written.map_err(|_| io::Error::other("it does not read"))??;
        connection.advance_transmit(octets.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_len(push: &Push) -> usize {
        push.queue.max_capacity() - push.queue.capacity()
    }

    #[test]
    fn several_workers_fill_a_queue_that_is_drained_without_a_drop() {
        const COUNT: usize = 50_000;
        let push = Push::new("127.0.0.1:0");
        let mut queue = push.waiting.lock().unwrap().take().unwrap();
        let full = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..COUNT {
                        // The queue is never near its bounds.
                        while queue_len(&push) > MESSAGES / 2 {
                            std::thread::yield_now();
                        }
                        full.fetch_add(usize::from(!push.send(&[7; 64])), Ordering::Relaxed);
                    }
                });
            }
            let mut received = 0;
            while received + full.load(Ordering::Relaxed) < 4 * COUNT {
                // As the thread of the connections does.
                let Ok(message) = queue.try_recv() else { continue };
                push.bytes.fetch_sub(message.len(), Ordering::Relaxed);
                received += 1;
            }
        });
        assert_eq!(full.into_inner(), 0);
        assert_eq!(push.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_queue_holds_no_more_than_its_bounds() {
        let push = Push::new("127.0.0.1:0");
        let message = vec![7; BYTES / 4];
        assert_eq!((0..6).filter(|_| push.send(&message)).count(), 4);
        assert_eq!(push.bytes.load(Ordering::Relaxed), BYTES);
    }
}
