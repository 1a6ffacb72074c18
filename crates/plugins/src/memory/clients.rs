//! The socket, and the clients at it.

use super::CLIENT_PATIENCE;
use crossbeam_channel::{Receiver, Sender, bounded};
use query::Request;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Most clients at a time; further ones are turned away.
const MAX_CLIENTS: usize = 64;
/// Time until the next attempt when a client cannot be taken.
const REST: Duration = Duration::from_millis(100);
/// Pieces of an answer that may wait for a client.
const PIECES: usize = 4;

/// What a client asks, and where its answer goes, in pieces.
pub(super) struct Question {
    pub(super) request: Request,
    pub(super) answer: Sender<Vec<u8>>,
}

/// Opens the socket. Everybody may connect, as with the reference; who shall not must not reach the directory.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Ok(found) = fs::symlink_metadata(path) {
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program answers there"));
        }
        if !found.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is there"));
        }
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    runtime::files::set_socket_mode(path, 0o777)?;
    Ok(listener)
}

/// The thread that takes clients.
pub(super) struct Clients {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Clients {
    /// Takes clients from now on; what they ask comes through the channel.
    pub(super) fn start(listener: UnixListener, path: &Path) -> io::Result<(Self, Receiver<Question>)> {
        let (sender, questions) = bounded(MAX_CLIENTS);
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        let thread = thread::Builder::new().name("imt clients".to_owned()).spawn(move || {
            let clients = Arc::new(AtomicUsize::new(0));
            for stream in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                match stream {
                    Ok(stream) => take(stream, &clients, &sender),
                    // Without file descriptors the client stays in the queue, and asking at once would spin.
                    Err(_) => thread::park_timeout(REST),
                }
            }
        })?;
        Ok((Self { path: path.to_owned(), stop, thread }, questions))
    }

    /// Takes no more clients, and removes the socket.
    pub(super) fn end(self) {
        self.stop.store(true, Ordering::Release);
        // The thread waits for a client, so one more comes.
        if UnixStream::connect(&self.path).is_ok() {
            let _ = self.thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

fn take(stream: UnixStream, clients: &Arc<AtomicUsize>, questions: &Sender<Question>) {
    if clients.fetch_add(1, Ordering::AcqRel) >= MAX_CLIENTS {
        clients.fetch_sub(1, Ordering::AcqRel);
        return;
    }
    let (clients, questions) = (Arc::clone(clients), questions.clone());
    let count = Arc::clone(&clients);
    let started = thread::Builder::new().name("imt client".to_owned()).spawn(move || {
        // A client that breaks off has nobody else to tell.
        let _ = serve(stream, &questions);
        clients.fetch_sub(1, Ordering::AcqRel);
    });
    if started.is_err() {
        count.fetch_sub(1, Ordering::AcqRel);
    }
}

fn serve(mut stream: UnixStream, questions: &Sender<Question>) -> io::Result<()> {
    stream.set_write_timeout(Some(CLIENT_PATIENCE))?;
    let until = Instant::now() + CLIENT_PATIENCE;
    let request = match Request::read(&mut Patient { stream: &stream, until }) {
        Ok(request) => request,
        Err(error) => {
            stream.write_all(&[query::PROBLEM])?;
            return stream.write_all(error.to_string().as_bytes());
        }
    };
    let (answer, pieces) = bounded(PIECES);
    if questions.send_timeout(Question { request, answer }, CLIENT_PATIENCE).is_err() {
        return Ok(());
    }
    for piece in pieces {
        stream.write_all(&piece)?;
    }
    Ok(())
}

/// Reads until a time, however slowly the octets come.
struct Patient<'a> {
    stream: &'a UnixStream,
    until: Instant,
}

impl Read for Patient<'_> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the request took too long"));
        }
        self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut stream = self.stream;
        stream.read(octets)
    }
}
