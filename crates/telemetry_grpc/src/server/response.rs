//! What a router is answered: nothing, and a status at the end.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tonic::{Code, Status};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const ACCEPTED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("grpc-accept-encoding"), HeaderValue::from_static("identity,gzip"));

/// A body without messages, which ends with a status in its trailers.
#[derive(Debug)]
pub(super) enum Answer {
    /// When the stream has ended.
    Later(oneshot::Receiver<Status>),
    /// There is no more.
    Ended,
}

/// The answer to a stream: headers at once, and the status when it is there.
pub(super) fn stream(status: oneshot::Receiver<Status>) -> Response<Answer> {
    let mut response = Response::new(Answer::Later(status));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    let (name, value) = ACCEPTED;
    response.headers_mut().insert(name, value);
    response
}

/// The answer to a stream that is refused: the status in the headers.
pub(super) fn refusal(code: Code, message: &str) -> Response<Answer> {
    let mut response = Response::new(Answer::Ended);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    let (name, value) = ACCEPTED;
    response.headers_mut().insert(name, value);
    // The messages are from this crate, so that they are valid in headers.
    let _ = Status::new(code, message).add_header(response.headers_mut());
    response
}

/// The answer to what is not gRPC.
pub(super) fn not_grpc(code: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::Ended);
    *response.status_mut() = code;
    response
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Self::Later(status) = &mut *self else { return Poll::Ready(None) };
        let Poll::Ready(status) = Pin::new(status).poll(context) else { return Poll::Pending };
        *self = Self::Ended;
        // The stream's task ended without a status only if everything stops.
        let status = status.unwrap_or_else(|_| Status::unavailable("the collector stops"));
        let mut trailers = HeaderMap::new();
        let _ = status.add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Ended)
    }
}
