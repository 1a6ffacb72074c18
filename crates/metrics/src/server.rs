//! The HTTP server: one thread, bounded in connections, headers and time.
//!
//! A connection serves one request and ends within [`TOTAL`], whatever its client does. At the bound of connections the oldest one is
//! closed: a scrape takes milliseconds, so the oldest has stalled. All invalid input is answered or
//! rejected by hyper; the rest of the daemon is not affected.

use crate::address::Address;
use crate::answer::Answers;
use crate::monitor::Monitor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime::files;
use runtime::log::Limited;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// How long the headers of a request may take.
const HEADERS: Duration = Duration::from_secs(5);
/// How long a connection may take, to the end of the answer.
const TOTAL: Duration = Duration::from_secs(15);
/// The same for answers that are made while the client reads, such as routes.
const STREAMED: Duration = Duration::from_secs(600);
/// Header fields of a request.
const HEADER_FIELDS: usize = 64;
/// Bytes of the head of a request.
const HEAD_BYTES: usize = 16 * 1024;
/// How long answers may still take at shutdown.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Pause after a connection that could not be accepted, as when there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How the endpoint listens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http_listen`.
    pub address: Address,
    /// `http_listen_mode`, for a Unix socket.
    pub mode: u32,
    /// `http_listen_group`, for a Unix socket.
    pub group: Option<u32>,
    /// Which symbolic links in the path of a Unix socket are followed.
    pub files: files::Settings,
}

#[derive(Debug)]
enum Listener {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// The file of a Unix socket, removed when it is not needed any more.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    is: (u64, u64),
}

impl SocketFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        let is = Self::identity(&path)?;
        Ok(Self { path, is })
    }

    fn identity(path: &Path) -> io::Result<(u64, u64)> {
        std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another daemon may have taken the name meanwhile.
        if Self::identity(&self.path).is_ok_and(|is| is == self.is)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            // For example after a change of user: the next start replaces it.
            debug!("http_listen: {} cannot be removed: {error}", self.path.display());
        }
    }
}

/// An endpoint that is bound and does not serve yet: to be created before privileges are dropped.
#[derive(Debug)]
pub struct Endpoint {
    listener: Listener,
    address: Address,
    file: Option<SocketFile>,
}

/// Keeps an endpoint serving: it ends when this is dropped.
#[derive(Debug)]
pub struct Handle {
    _ends: oneshot::Sender<()>,
}

impl Endpoint {
    /// Binds the address.
    ///
    /// # Errors
    /// Another program listens there, or the socket cannot be created.
    pub fn bind(settings: &Settings) -> io::Result<Self> {
        match &settings.address {
            Address::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let address = Address::Tcp(listener.local_addr()?);
                Ok(Self { listener: Listener::Tcp(listener), address, file: None })
            }
            Address::Unix(path) => {
                let path = files::resolve(path, &settings.files)?;
                let listener = runtime::socket::listen(&path, settings.mode, settings.group)?;
                listener.set_nonblocking(true)?;
                let file = Some(SocketFile::new(path)?);
                Ok(Self { listener: Listener::Unix(listener), address: settings.address.clone(), file })
            }
        }
    }

    /// The address that it listens on, with the port that the kernel chose.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the function for the endpoint's thread, which runs until the handle is dropped.
    pub fn serve(self, monitor: Arc<Monitor>) -> (Handle, impl FnOnce() + Send + 'static) {
        let (ends, end) = oneshot::channel();
        (Handle { _ends: ends }, move || {
            let Self { listener, address, file } = self;
            info!("http_listen: metrics and health at {address}");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.and_then(|runtime| runtime.block_on(run(listener, Answers::new(monitor), end)));
            if let Err(error) = served {
                warn!("http_listen: {address}: {error}; metrics are not available");
            }
            drop(file);
        })
    }
}

async fn run(listener: Listener, answers: Answers, end: oneshot::Receiver<()>) -> io::Result<()> {
    let answers = Arc::new(answers);
    match listener {
        Listener::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accept(async || Ok(listener.accept().await?.0), &answers, end).await;
        }
        Listener::Unix(listener) => {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            accept(async || Ok(listener.accept().await?.0), &answers, end).await;
        }
    }
    Ok(())
}

/// Accepts connections until the end.
async fn accept<S>(next: impl AsyncFn() -> io::Result<S>, answers: &Arc<Answers>, mut end: oneshot::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    let limit = Limited::new(Duration::from_secs(60));
    loop {
        let accepted = tokio::select! {
            _ = &mut end => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = next() => accepted,
        };
        match accepted {
            Ok(stream) => {
                oldest.retain(|connection| !connection.is_finished());
                if oldest.len() >= CONNECTIONS
                    && let Some(connection) = oldest.pop_front()
                {
                    connection.abort();
                }
                oldest.push_back(connections.spawn(serve(stream, Arc::clone(answers))));
                // Before the next one is accepted: a request that has arrived is answered, however many others are waiting.
                yield_now().await;
            }
            Err(error) => {
                if let Some(pass) = limit.pass() {
                    warn!(held_back = pass.held_back, "http_listen: cannot accept a connection: {error}");
                }
                sleep(PAUSE).await;
            }
        }
    }
    let _ = timeout(LAST_ANSWERS, async { while connections.join_next().await.is_some() {} }).await;
}

/// Serves one request.
async fn serve<S>(stream: S, answers: Arc<Answers>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let is_streamed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_streamed);
    let service = service_fn(move |request| {
        let response = answers.answer(&request);
        flag.store(response.body().is_streamed(), Ordering::Relaxed);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(HEADER_FIELDS)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // An early end is the client's doing, and need not be reported.
    if timeout(TOTAL, &mut connection).await.is_err() && is_streamed.load(Ordering::Relaxed) {
        let _ = timeout(STREAMED - TOTAL, connection).await;
    }
}

#[cfg(test)]
mod tests;
