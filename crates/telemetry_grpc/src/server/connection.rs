//! A connection of a router: TLS, then HTTP/2, whose requests become streams.

use super::response::{self, Answer};
use super::{Shared, stream};
use crate::counters::Refusal;
use crate::event::{Event, root_cause};
use crate::frames::Budget;
use crate::service::Services;
use crate::tls;
use http::header::CONTENT_TYPE;
use http::{HeaderName, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Code, Status};

/// Octets of the headers of a request: gRPC has some ten short ones.
const MAX_HEADERS: u32 = 16 << 10;
/// Bytes that wait to be sent on a stream: a status.
const MAX_SENT: usize = 16 << 10;
/// Streams that a peer may open and reset before it looks like an attack (CVE-2023-44487).
const MAX_RESETS: usize = 20;
/// The time in which a connection ends after its streams.
const CLOSE: Duration = Duration::from_millis(500);

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Serves a connection until it ends.
pub(super) async fn run(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<tls::Server>,
    services: Services,
    shared: Arc<Shared>,
) {
    // Without it, small frames would wait for acknowledgements. The connection works without it as well.
    let _ = socket.set_nodelay(true);
    let refused = |why, text: String| {
        shared.outlet.counters().refused(why);
        shared.outlet.offer(Event::Refused { peer, why: text });
    };
    let ended = match tls {
        None => serve(TokioIo::new(socket), peer, services, &shared).await,
        Some(tls) => match timeout(shared.limits.handshake, tls.accept(socket)).await {
            Ok(Ok(socket)) => serve(TokioIo::new(socket), peer, services, &shared).await,
            Ok(Err(error)) => return refused(Refusal::Tls, format!("TLS: {error}")),
            Err(_) => return refused(Refusal::Tls, "TLS: the handshake took too long".to_owned()),
        },
    };
    match ended {
        Ended::Normally => {}
        Ended::Idle => refused(Refusal::Idle, "the connection had no stream".to_owned()),
        Ended::Failed(error) => refused(Refusal::Http, format!("HTTP/2: {}", root_cause(&error))),
    }
}

/// How a connection ended.
enum Ended {
    /// The peer closed it, or everything stops.
    Normally,
    /// It had no stream for too long.
    Idle,
    /// HTTP/2 failed.
    Failed(hyper::Error),
}

/// What the streams of a connection share.
struct Connection {
    peer: SocketAddr,
    services: Services,
    shared: Arc<Shared>,
    budget: Budget,
    streams: Arc<Streams>,
}

/// How many streams a connection has.
#[derive(Debug, Default)]
struct Streams {
    open: AtomicUsize,
    /// With those that have ended.
    all: AtomicUsize,
}

async fn serve<S>(socket: TokioIo<S>, peer: SocketAddr, services: Services, shared: &Arc<Shared>) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &shared.limits;
    // A connection takes an eighth of the budget, so that no router can keep all others waiting.
    let budget = Budget::new(&shared.receiving, (limits.receiving / 8).max(limits.message));
    let streams = Arc::new(Streams::default());
    let connection =
        Arc::new(Connection { peer, services, shared: Arc::clone(shared), budget, streams: Arc::clone(&streams) });
    let service = service_fn(move |request| {
        let answer = connection.answer(request);
        async { Ok::<_, Infallible>(answer) }
    });
    let (interval, answer) = limits.keepalive;
    let http = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_header_list_size(MAX_HEADERS)
        .max_send_buf_size(MAX_SENT)
        .initial_connection_window_size(limits.window)
        .initial_stream_window_size(limits.window)
        .keep_alive_interval(interval)
        .keep_alive_timeout(answer)
        .serve_connection(socket, service);
    let mut http = pin!(http);
    let mut stop = shared.stop.clone();
    let (mut deadline, mut before) = (Instant::now() + limits.idle, 0);
    let ended = loop {
        tokio::select! {
            result = &mut http => return match result {
                Ok(()) => Ended::Normally,
                Err(error) if is_closed(&error) => Ended::Normally,
                Err(error) => Ended::Failed(error),
            },
            _ = stop.wait_for(|stop| *stop) => break Ended::Normally,
            () = sleep_until(deadline) => {
                let all = streams.all.load(Relaxed);
                if streams.open.load(Relaxed) == 0 && all == before {
                    break Ended::Idle;
                }
                (deadline, before) = (Instant::now() + limits.idle, all);
            }
        }
    };
    http.as_mut().graceful_shutdown();
    let _ = timeout(CLOSE, http).await;
    ended
}

/// Whether the peer closed the connection without saying goodbye, as routers do.
fn is_closed(error: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                error.kind(),
                std::io::ErrorKind::ConnectionReset
                    | std::io::ErrorKind::BrokenPipe
                    | std::io::ErrorKind::UnexpectedEof
            );
        }
        cause = error.source();
    }
    false
}

impl Connection {
    /// Begins the stream of a request.
    fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        let unknown = || self.shared.outlet.counters().refused(Refusal::Unknown);
        if request.method() != Method::POST {
            unknown();
            return response::not_grpc(StatusCode::METHOD_NOT_ALLOWED);
        }
        let is_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|content_type| {
            // With or without "+proto".
            content_type.as_bytes().starts_with(b"application/grpc")
        });
        if !is_grpc {
            unknown();
            return response::not_grpc(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let Some(service) = self.services.at(request.uri().path()) else {
            unknown();
            return response::refusal(Code::Unimplemented, "the collector does not have this service");
        };
        let has_compression = match request.headers().get(ENCODING).map(|encoding| encoding.as_bytes()) {
            None | Some(b"identity") => false,
            Some(b"gzip") => true,
            Some(_) => {
                unknown();
                return response::refusal(Code::Unimplemented, "the collector decompresses gzip only");
            }
        };
        // HTTP/2 counts the streams that are open; a stream that was reset may still wait to be ended here.
        if self.streams.open.load(Relaxed) >= self.shared.limits.streams as usize {
            self.shared.outlet.counters().refused(Refusal::Streams);
            return response::refusal(Code::ResourceExhausted, "the connection has too many streams");
        }
        let (status, answer) = oneshot::channel::<Status>();
        let router = stream::Router { peer: self.peer, service, has_compression };
        let (budget, shared) = (self.budget.clone(), Arc::clone(&self.shared));
        let streams = Arc::clone(&self.streams);
        streams.open.fetch_add(1, Relaxed);
        streams.all.fetch_add(1, Relaxed);
        tokio::spawn(async move {
            let result = stream::run(request.into_body(), router, budget, shared).await;
            streams.open.fetch_sub(1, Relaxed);
            let _ = status.send(result);
        });
        response::stream(answer)
    }
}
