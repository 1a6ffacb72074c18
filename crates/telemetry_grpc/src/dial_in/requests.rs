//! The body of a request: the subscription, then polls. It does not end before the subscription does.

use crate::frames;
use bytes::Bytes;
use http_body::{Body, Frame};
use prost::Message;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use telemetry_gpb::messages::gnmi::SubscribeRequest;
use tokio::sync::mpsc;

/// The body.
#[derive(Debug)]
pub(super) struct Requests(mpsc::Receiver<Bytes>);

/// The end at which requests go in.
#[derive(Debug)]
pub(super) struct Sender(mpsc::Sender<Bytes>);

/// A body, and the end at which requests go in.
pub(super) fn channel() -> (Sender, Requests) {
    // A subscription, and a poll that the target has not read yet.
    let (sender, receiver) = mpsc::channel(2);
    (Sender(sender), Requests(receiver))
}

impl Sender {
    /// Sends a request. Without room the target has not read the last one yet: another poll would ask for the same.
    pub(super) fn send(&self, request: &SubscribeRequest) {
        let _ = self.0.try_send(frames::encode(&request.encode_to_vec()));
    }
}

impl Body for Requests {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(|frame| Ok(Frame::data(frame))))
    }
}
