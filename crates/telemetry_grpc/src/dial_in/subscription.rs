//! A subscription to a target, from one connection to the next.

use super::connection::{self, Unreachable};
use super::requests::{self, Requests, Sender};
use super::{Dialler, Mode, Target};
use crate::counters::Failure;
use crate::event::{End, Event, Source, root_cause};
use crate::frames::{Budget, Frames};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::{Code, Status};

/// The method of gNMI.
const PATH: &str = "/gnmi.gNMI/Subscribe";
/// Octets of the headers of a response.
const MAX_HEADERS: u32 = 16 << 10;
/// Characters that are shown of what a target says about an error.
const MAX_SHOWN: usize = 200;

const USERNAME: HeaderName = HeaderName::from_static("username");
const PASSWORD: HeaderName = HeaderName::from_static("password");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Subscribes to a target again and again, until `kept` is closed or everything stops.
pub(super) async fn run(target: Arc<Target>, dialler: Arc<Dialler>, mut kept: watch::Receiver<()>) {
    let (first, longest) = dialler.limits.retry;
    let mut pause = first;
    let mut stop = dialler.stop.clone();
    loop {
        let mut session = Session { target: &target, dialler: &dialler, peer: None, received: 0 };
        let result = tokio::select! {
            result = session.run() => result,
            _ = kept.changed() => Ok(End::Stopped),
            _ = stop.wait_for(|stop| *stop) => Ok(End::Stopped),
        };
        let (peer, is_useful) = (session.peer, session.received > 0);
        let outlet = &dialler.outlet;
        let is_finished = matches!(&result, Ok(End::Finished));
        let is_stopped = matches!(&result, Ok(End::Stopped));
        match (result, peer) {
            (Ok(why), Some(peer)) => {
                outlet.counters().ended(&why);
                let source = Source::Target(Arc::clone(&target.name));
                outlet.send(Event::Closed { peer, source, why }).await;
            }
            (Ok(_), None) => {}
            (Err((failure, why)), _) => {
                outlet.counters().unreachable(failure);
                outlet.send(Event::Unreachable { target: Arc::clone(&target.name), why }).await;
            }
        }
        if is_stopped {
            return;
        }
        let wait = if target.mode == Mode::Once && is_finished {
            pause = first;
            target.interval
        } else {
            if is_useful {
                pause = first;
            }
            let wait = vary(pause);
            pause = (pause * 2).min(longest);
            wait
        };
        tokio::select! {
            () = sleep(wait) => {}
            _ = kept.changed() => return,
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// A time between half and one and a half of this one.
fn vary(time: Duration) -> Duration {
    time.mul_f64(0.5 + fastrand::f64())
}

/// One connection to a target.
struct Session<'a> {
    target: &'a Target,
    dialler: &'a Dialler,
    /// The address of the target, once it accepted the subscription.
    peer: Option<SocketAddr>,
    /// Messages that arrived.
    received: u64,
}

impl Session<'_> {
    async fn run(&mut self) -> Result<End, Unreachable> {
        let limits = &self.dialler.limits;
        let (socket, peer) = connection::connect(self.target, limits).await?;
        let (interval, answer) = limits.keepalive;
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_connection_window_size(limits.window)
            .initial_stream_window_size(limits.window)
            .max_header_list_size(MAX_HEADERS)
            .keep_alive_interval(interval)
            .keep_alive_timeout(answer)
            .handshake::<_, Requests>(TokioIo::new(socket));
        let failed = |why: String| (Failure::Http, format!("{peer}: {why}"));
        let handshake = timeout(limits.handshake, handshake).await;
        let (client, connection) = handshake
            .map_err(|_| failed("HTTP/2 took too long".to_owned()))?
            .map_err(|error| failed(format!("HTTP/2: {}", root_cause(&error))))?;
        let mut connection = pin!(connection);
        let mut subscription = pin!(self.subscribe(client, peer));
        tokio::select! {
            end = &mut subscription => end,
            // What arrived before the connection ended is read first.
            _ = &mut connection => subscription.await,
        }
    }

    async fn subscribe(
        &mut self,
        mut client: http2::SendRequest<Requests>,
        peer: SocketAddr,
    ) -> Result<End, Unreachable> {
        let rejected = |why: String| (Failure::Rejected, format!("{peer}: {why}"));
        let (sender, body) = requests::channel();
        sender.send(&self.target.subscribe());
        let request = request(self.target, body).map_err(|error| rejected(error.to_string()))?;
        // A target that has no values yet may answer late: HTTP/2's PING finds those that are gone.
        let response = client
            .send_request(request)
            .await
            .map_err(|error| (Failure::Http, format!("{peer}: HTTP/2: {}", root_cause(&error))))?;
        let has_compression = accepted(&response).map_err(rejected)?;
        self.peer = Some(peer);
        let source = Source::Target(Arc::clone(&self.target.name));
        let outlet = &self.dialler.outlet;
        outlet.counters().opened(&source);
        outlet.send(Event::Opened { peer, source: source.clone() }).await;
        let frames = frames(response.into_body(), self.dialler);
        Ok(self.read(frames, &sender, has_compression, peer, &source).await)
    }

    async fn read(
        &mut self,
        mut frames: Frames<Incoming>,
        sender: &Sender,
        has_compression: bool,
        peer: SocketAddr,
        source: &Source,
    ) -> End {
        let (interval, polls) = (self.target.interval, self.target.mode == Mode::Poll);
        let mut poll = Instant::now() + interval;
        loop {
            let frame = {
                let mut frame = pin!(frames.next());
                loop {
                    tokio::select! {
                        frame = &mut frame => break frame,
                        () = sleep_until(poll), if polls => {
                            sender.send(&Target::poll());
                            poll = Instant::now() + interval;
                        }
                    }
                }
            };
            let frame = match frame {
                Ok(Some(frame)) => frame,
                Ok(None) => return end(frames.trailers().as_ref()),
                Err(why) => return why,
            };
            if frame.is_compressed && !has_compression {
                return End::Encoding;
            }
            self.received += 1;
            if let Err(why) = self.dialler.outlet.deliver(peer, source, frame).await {
                return why;
            }
        }
    }
}

fn frames(body: Incoming, dialler: &Dialler) -> Frames<Incoming> {
    let limits = &dialler.limits;
    let budget = Budget::new(&dialler.receiving, (limits.receiving / 8).max(limits.message));
    Frames::new(body, budget, limits.message, limits.message_time)
}

fn request(target: &Target, body: Requests) -> Result<Request<Requests>, http::Error> {
    let scheme = if target.tls.is_some() { "https" } else { "http" };
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{scheme}://{}{PATH}", target.authority()))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, "pmacct")
        .header(ACCEPT, "identity,gzip");
    let Some(credentials) = &target.credentials else { return request.body(body) };
    let mut password = HeaderValue::from_str(&credentials.password)?;
    password.set_sensitive(true);
    request.header(USERNAME, &credentials.username).header(PASSWORD, password).body(body)
}

/// Whether messages may be compressed, if the target accepted the subscription.
fn accepted(response: &Response<Incoming>) -> Result<bool, String> {
    if let Some(status) = Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok) {
        return Err(shown(&status));
    }
    if !response.status().is_success() {
        return Err(format!("HTTP status {}", response.status()));
    }
    match response.headers().get(ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip") => Ok(true),
        Some(_) => Err("the target compresses with something other than gzip".to_owned()),
    }
}

/// The end that trailers describe.
fn end(trailers: Option<&HeaderMap>) -> End {
    match trailers.and_then(Status::from_header_map) {
        Some(status) if status.code() == Code::Ok => End::Finished,
        Some(status) => End::Status(shown(&status)),
        None => End::Reset("it ended without a status".to_owned()),
    }
}

fn shown(status: &Status) -> String {
    let message: String = status.message().chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if message.is_empty() { status.code().to_string() } else { format!("{}: {message}", status.code()) }
}
