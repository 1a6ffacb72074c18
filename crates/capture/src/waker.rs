//! Wakes a worker that waits for input.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

struct Shared {
    event: OwnedFd,
    is_pending: AtomicBool,
}

/// Ends the wait of one source, from any thread. Clones wake the same source.
#[derive(Clone)]
pub struct Waker(Arc<Shared>);

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("is_pending", &self.0.is_pending).finish()
    }
}

impl Waker {
    /// A handle for a source that is not in this crate.
    ///
    /// # Errors
    /// The errors of `eventfd`.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Shared { event, is_pending: AtomicBool::new(false) })))
    }

    /// Makes the source return `Woken` once, now or at its next call. Several calls before that count as one, and
    /// only the first of them takes a system call.
    pub fn wake(&self) {
        if !self.0.is_pending.swap(true, Ordering::AcqRel) {
            // The write can fail only if the counter is full, and then the receiver wakes anyway.
            let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
        }
    }

    /// Waits until [`Waker::wake`] is called, or has been since the last wait, or the time is over. False then, or after a signal.
    ///
    /// # Errors
    /// The errors of `poll`.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let woken = self.is_pending()
            || wait(&mut [PollFd::from_borrowed_fd(self.event(), PollFlags::IN)], Some(timeout))?;
        if woken {
            self.reset();
        }
        Ok(woken)
    }

    /// True after [`Waker::wake`]; cheap enough to check for each batch.
    pub(crate) fn is_pending(&self) -> bool {
        self.0.is_pending.load(Ordering::Acquire)
    }

    /// Resets it.
    pub(crate) fn reset(&self) {
        // The flag first: a later caller writes again, which costs one unneeded wake-up at worst.
        self.0.is_pending.store(false, Ordering::Release);
        let _ = rustix::io::read(&self.0.event, &mut [0u8; 8]);
    }

    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

/// Waits for one of these; false after a timeout or a signal.
pub(crate) fn wait(watched: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<bool> {
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match poll(watched, timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
