//! The way of messages to a worker from threads that receive them on their own: connections, brokers.
//!
//! A thread collects messages and hands them over by [`Feeder`]; a full channel holds it back. The worker takes them from its [`Feed`]. The
//! same waker that ends its wait for datagrams also ends its wait when there is a delivery.

use crate::flows::worker::Requests;
use capture::Messages;
use capture::allow::AllowList;
use plugins::outlet::Wake;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Deliveries that wait for a worker. One holds what was received at once, about 64 KiB.
const QUEUED: usize = 16;

/// What a thread has received.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) messages: Messages,
    /// Transport sessions that have ended, after these messages.
    pub(crate) ended: Vec<u64>,
    /// Datagrams that the kernel has dropped at the thread's socket since the last delivery.
    pub(crate) kernel_drops: u64,
}

impl Delivery {
    /// True if there is nothing in it.
    #[cfg(feature = "dtls")]
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.ended.is_empty() && self.kernel_drops == 0
    }
}

/// The end of a thread that receives. The channel is closed when all of them are gone.
#[derive(Clone)]
pub(crate) struct Feeder {
    sender: mpsc::Sender<Delivery>,
    wake: Wake,
}

/// The worker's end.
pub(crate) struct Feed {
    receiver: mpsc::Receiver<Delivery>,
    /// Called for sessions whose state the worker had to remove: their connections must be closed.
    close_session: Box<dyn Fn(u64) + Send>,
}

/// What [`Feed::take`] finds.
pub(crate) enum Taken {
    Delivery(Delivery),
    Nothing,
    /// Nothing will come any more.
    Closed,
}

/// Creates a channel to a worker, which `wake` wakes.
pub(crate) fn channel(wake: Wake, close_session: impl Fn(u64) + Send + 'static) -> (Feeder, Feed) {
    let (sender, receiver) = mpsc::channel(QUEUED);
    (Feeder { sender, wake }, Feed { receiver, close_session: Box::new(close_session) })
}

impl Feeder {
    /// Hands over a delivery, and waits for room. False if the worker has ended.
    pub(crate) async fn send(&self, delivery: Delivery) -> bool {
        let sent = self.sender.send(delivery).await.is_ok();
        (self.wake)();
        sent
    }

    /// The same, for a thread without a runtime.
    #[allow(dead_code, reason = "for threads of DTLS and of brokers")]
    pub(crate) fn blocking_send(&self, delivery: Delivery) -> bool {
        let sent = self.sender.blocking_send(delivery).is_ok();
        (self.wake)();
        sent
    }
}

impl Feed {
    /// Takes the next delivery, if there is one.
    pub(crate) fn take(&mut self) -> Taken {
        match self.receiver.try_recv() {
            Ok(delivery) => Taken::Delivery(delivery),
            Err(mpsc::error::TryRecvError::Empty) => Taken::Nothing,
            Err(mpsc::error::TryRecvError::Disconnected) => Taken::Closed,
        }
    }

    /// True if there is a delivery.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.receiver.is_empty()
    }

    /// Asks to close the connection of a session.
    pub(crate) fn close_session(&self, session: u64) {
        (self.close_session)(session);
    }
}

/// Who may connect: the allow list that is in force.
#[derive(Clone)]
pub(crate) struct Admission {
    requests: Arc<Requests>,
    /// The list of the start.
    first: Option<Arc<AllowList>>,
}

impl Admission {
    pub(crate) fn new(requests: Arc<Requests>, first: Option<Arc<AllowList>>) -> Self {
        Self { requests, first }
    }

    /// Whether the list names the address, or there is no list.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let snapshot = self.requests.snapshot.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let list = snapshot.as_ref().map_or(&self.first, |snapshot| &snapshot.allow);
        list.as_ref().is_none_or(|list| list.allows(address))
    }
}
