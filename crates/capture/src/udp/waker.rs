//! Waking a worker that waits for datagrams.

use rustix::event::{EventfdFlags, eventfd};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

struct Bell {
    event: OwnedFd,
    rung: AtomicBool,
}

/// Ends the wait of one [`Receiver`](super::Receiver), from any thread. Clones wake the same one.
#[derive(Clone)]
pub struct Waker(Arc<Bell>);

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("rung", &self.0.rung).finish()
    }
}

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Bell { event, rung: AtomicBool::new(false) })))
    }

    /// Lets the receiver return `Woken` once, now or at its next call. Several calls before that count as one, and
    /// only the first of them costs a system call.
    pub fn wake(&self) {
        if !self.0.rung.swap(true, Ordering::AcqRel) {
            // The counter could only refuse when it is full, and then the receiver wakes anyway.
            let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
        }
    }

    /// True when it was rung; cheap enough to ask for each batch.
    pub(super) fn rung(&self) -> bool {
        self.0.rung.load(Ordering::Acquire)
    }

    /// Takes the ring back.
    pub(super) fn settle(&self) {
        // First the flag: who rings after this writes again, and at worst one wake-up too many follows.
        self.0.rung.store(false, Ordering::Release);
        let _ = rustix::io::read(&self.0.event, &mut [0u8; 8]);
    }

    pub(super) fn event(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}
