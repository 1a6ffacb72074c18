//! A stream of a router: its messages, from the first to the reason of its end.

use super::Shared;
use crate::event::{End, Event, Source};
use crate::frames::{Budget, Frames};
use crate::service::Service;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use tonic::Status;

/// Who sends a stream, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Router {
    pub(super) peer: SocketAddr,
    pub(super) service: Service,
    /// Messages may be compressed.
    pub(super) has_compression: bool,
}

/// Hands the messages of a stream over until it ends. Returns the status for the router.
pub(super) async fn run(body: Incoming, router: Router, budget: Budget, shared: Arc<Shared>) -> Status {
    let (peer, source) = (router.peer, Source::DialOut(router.service));
    let (outlet, limits) = (&shared.outlet, &shared.limits);
    outlet.counters().opened(&source);
    outlet.send(Event::Opened { peer, source: source.clone() }).await;
    let frames = Frames::new(body, budget, limits.message, limits.message_time);
    let mut stop = shared.stop.clone();
    let why = tokio::select! {
        why = read(frames, router, &source, &shared) => why,
        _ = stop.wait_for(|stop| *stop) => End::Stopped,
    };
    outlet.counters().ended(&why);
    let status = status(&why);
    outlet.send(Event::Closed { peer, source, why }).await;
    status
}

async fn read(mut frames: Frames<Incoming>, router: Router, source: &Source, shared: &Shared) -> End {
    let replies = shared.replies.get(router.service.index()).copied().unwrap_or_default();
    let mut messages = 0u32;
    loop {
        let frame = match frames.next().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return End::Finished,
            Err(why) => return why,
        };
        if frame.is_compressed && !router.has_compression {
            return End::Encoding;
        }
        if let Err(why) = shared.outlet.deliver(router.peer, source, frame).await {
            return why;
        }
        messages = messages.saturating_add(1);
        if messages == replies {
            return End::Replies;
        }
    }
}

fn status(why: &End) -> Status {
    match why {
        End::Finished | End::Replies => Status::ok(""),
        End::Reset(_) | End::Status(_) => Status::cancelled("the stream broke"),
        End::Flag(_) | End::Encoding | End::Compression | End::Truncated => Status::internal(why.to_string()),
        End::Size(..) => Status::out_of_range(why.to_string()),
        End::Slow => Status::resource_exhausted(why.to_string()),
        End::Stopped => Status::unavailable("the collector stops"),
    }
}
