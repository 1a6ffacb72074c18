//! The messages of a gRPC stream.
//!
//! ```text
//! compressed flag   u8   0 or 1
//! message length    u32, big-endian
//! message
//! ```
//!
//! (gRPC over HTTP/2, "Length-Prefixed-Message".) Messages may begin and end anywhere in the data of HTTP/2.
//!
//! A message takes its length out of the budget before anything of it is kept, in the order of arrival, so that one that has begun can be
//! completed. From then on it must be complete within a time: peers that stop in the middle do not hold memory. The wait for the budget
//! has no limit, since it is the consumer who makes it long.

use crate::event::{End, root_cause};
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Octets before a message.
pub(crate) const HEADER: usize = 5;
/// Bytes that a message gets before it has arrived.
const FIRST: usize = 16 << 10;

/// The budgets from which messages take their memory, in bytes: those of the connection first.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    connection: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// A share of the budget.
#[derive(Debug)]
pub(crate) struct Share {
    _connection: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of a connection, within that of all.
    pub(crate) fn new(all: &Arc<Semaphore>, bytes: usize) -> Self {
        Self { connection: Arc::new(Semaphore::new(bytes)), all: Arc::clone(all) }
    }

    async fn take(&self, bytes: u32) -> Option<Share> {
        let connection = Arc::clone(&self.connection).acquire_many_owned(bytes).await.ok()?;
        let all = Arc::clone(&self.all).acquire_many_owned(bytes).await.ok()?;
        Some(Share { _connection: connection, _all: all })
    }
}

/// A message of a stream. It holds its share of the budget.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) is_compressed: bool,
    pub(crate) octets: Bytes,
    _share: Share,
}

/// Reads the messages of a body.
#[derive(Debug)]
pub(crate) struct Frames<B> {
    body: B,
    /// What arrived and was not read.
    chunk: Bytes,
    trailers: Option<HeaderMap>,
    budget: Budget,
    /// The most octets of a message.
    limit: usize,
    time: Duration,
}

impl<B: Body<Data = Bytes> + Unpin> Frames<B>
where
    B::Error: std::error::Error + 'static,
{
    pub(crate) fn new(body: B, budget: Budget, limit: usize, time: Duration) -> Self {
        Self { body, chunk: Bytes::new(), trailers: None, budget, limit, time }
    }

    /// The next message, or `None` at the end. May be dropped only when the stream is abandoned.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, End> {
        if self.chunk.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        let time = self.time;
        let (is_compressed, claimed) = timeout(time, self.header()).await.unwrap_or(Err(End::Slow))?;
        let length = usize::try_from(claimed).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(End::Size(length, self.limit));
        }
        let share = self.budget.take(claimed).await.ok_or(End::Stopped)?;
        let octets = timeout(time, self.octets(length)).await.unwrap_or(Err(End::Slow))?;
        Ok(Some(Frame { is_compressed, octets, _share: share }))
    }

    /// The trailers, after the end.
    pub(crate) fn trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// Waits for data. False at the end.
    async fn fill(&mut self) -> Result<bool, End> {
        loop {
            match poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await {
                // For hyper a stream that was cancelled, or whose connection is closed for its silence, just ends.
                None if self.trailers.is_none() && !self.body.is_end_stream() => {
                    return Err(End::Reset("cancelled".to_owned()));
                }
                None => return Ok(false),
                Some(Err(error)) => return Err(End::Reset(root_cause(&error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if chunk.is_empty() => {}
                    Ok(chunk) => {
                        self.chunk = chunk;
                        return Ok(true);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
    }

    /// As [`Frames::fill`], within a message.
    async fn fill_within(&mut self) -> Result<(), End> {
        if self.chunk.is_empty() && !self.fill().await? { Err(End::Truncated) } else { Ok(()) }
    }

    /// The compressed flag and the length of a message.
    async fn header(&mut self) -> Result<(bool, u32), End> {
        let mut header = [0; HEADER];
        for octet in &mut header {
            self.fill_within().await?;
            *octet = self.chunk.get_u8();
        }
        let [flag, length @ ..] = header;
        if flag > 1 { Err(End::Flag(flag)) } else { Ok((flag == 1, u32::from_be_bytes(length))) }
    }

    async fn octets(&mut self, length: usize) -> Result<Bytes, End> {
        // Most messages arrive in one piece, and are not copied.
        if self.chunk.len() >= length {
            return Ok(self.chunk.split_to(length));
        }
        let mut octets = Vec::with_capacity(length.min(FIRST));
        while octets.len() < length {
            self.fill_within().await?;
            let part = self.chunk.split_to(self.chunk.len().min(length - octets.len()));
            if octets.capacity() - octets.len() < part.len() {
                // Twice as much, and never more than the message has.
                octets.reserve_exact((length - octets.len()).min(part.len().max(octets.len())));
            }
            octets.extend_from_slice(&part);
        }
        Ok(octets.into())
    }
}

/// A message with its header.
pub(crate) fn encode(message: &[u8]) -> Bytes {
    // The messages that are sent are subscriptions, far below 4 GiB.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(HEADER + message.len());
    frame.push(0);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(message);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Frame as BodyFrame;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::task::{Context, Poll};

    /// A body of these chunks, which then ends or goes on for ever.
    struct Chunks {
        chunks: VecDeque<Bytes>,
        ends: bool,
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
            match self.chunks.pop_front() {
                Some(chunk) => Poll::Ready(Some(Ok(BodyFrame::data(chunk)))),
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }

        fn is_end_stream(&self) -> bool {
            self.chunks.is_empty() && self.ends
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(future)
    }

    fn frames(chunks: impl IntoIterator<Item = Vec<u8>>, ends: bool, budget: usize) -> Frames<Chunks> {
        let chunks = chunks.into_iter().map(Bytes::from).collect();
        let budget = Budget::new(&Arc::new(Semaphore::new(budget)), budget);
        Frames::new(Chunks { chunks, ends }, budget, 1000, Duration::from_secs(30))
    }

    type Read = (Vec<(bool, Vec<u8>)>, Result<(), End>);

    /// All messages, and the end.
    fn read(mut frames: Frames<Chunks>) -> Read {
        run(async {
            let mut messages = Vec::new();
            loop {
                match frames.next().await {
                    Ok(Some(frame)) => messages.push((frame.is_compressed, frame.octets.to_vec())),
                    Ok(None) => return (messages, Ok(())),
                    Err(end) => return (messages, Err(end)),
                }
            }
        })
    }

    #[test]
    fn each_way_to_be_bad_ends_the_stream_with_its_reason() {
        for (octets, end) in [
            (&[2, 0, 0, 0, 0][..], End::Flag(2)),
            (&[0, 0, 0, 3, 233], End::Size(1001, 1000)),
            (&[0, 0xff, 0xff, 0xff, 0xff], End::Size(u32::MAX as usize, 1000)),
            (&[0, 0, 0], End::Truncated),
            (&[0, 0, 0, 0, 2, 1], End::Truncated),
        ] {
            let good = encode(b"good").to_vec();
            assert_eq!(
                read(frames([good, octets.to_vec()], true, 1000)),
                (vec![(false, b"good".to_vec())], Err(end))
            );
        }
        assert_eq!(read(frames([vec![], vec![1, 0, 0, 0, 0]], true, 1000)), (vec![(true, vec![])], Ok(())));
    }

    #[test]
    fn a_message_that_is_not_completed_does_not_keep_its_memory() {
        let mut slow = frames([vec![0, 0, 0, 0, 9, 1]], false, 10);
        let all = Arc::clone(&slow.budget.all);
        run(async {
            assert!(matches!(slow.next().await, Err(End::Slow)));
        });
        assert_eq!(all.available_permits(), 10);
    }

    #[test]
    fn messages_wait_for_memory_and_give_it_back() {
        let message = encode(&[7; 600]).to_vec();
        let mut frames = frames([message.clone(), message], true, 1000);
        run(async {
            let all = Arc::clone(&frames.budget.all);
            let first = frames.next().await.unwrap().unwrap();
            assert_eq!(all.available_permits(), 400);
            // The second message does not fit beside the first.
            let mut second = std::pin::pin!(frames.next());
            assert!(timeout(Duration::from_secs(3600), &mut second).await.is_err());
            drop(first);
            assert_eq!(second.await.unwrap().unwrap().octets, [7; 600][..]);
            assert_eq!(all.available_permits(), 1000);
        });
    }

    proptest! {
        #[test]
        fn any_segmentation_gives_the_same_messages(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let octets: Vec<u8> = messages.iter().flat_map(|message| encode(message)).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
            cuts.extend([0, octets.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|pair| octets[pair[0]..pair[1]].to_vec());
            let expected = messages.into_iter().map(|message| (false, message)).collect();
            prop_assert_eq!(read(frames(chunks, true, 1000)), (expected, Ok(())));
        }

        #[test]
        fn a_cut_stream_gives_the_whole_messages_before_the_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let octets: Vec<u8> = messages.iter().flat_map(|message| encode(message)).collect();
            let cut = cut.index(octets.len());
            let (mut end, mut whole) = (0, Vec::new());
            for message in &messages {
                end += HEADER + message.len();
                if end <= cut {
                    whole.push((false, message.clone()));
                }
            }
            let (read, _) = read(frames([octets[..cut].to_vec()], true, 1000));
            prop_assert_eq!(read, whole);
        }
    }
}
