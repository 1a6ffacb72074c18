//! A bound on the memory of events that wait for the next dump.

use std::sync::atomic::{AtomicU64, Ordering};

/// The memory of the events of all routers or nodes.
#[derive(Debug)]
pub(crate) struct Memory {
    max: u64,
    used: AtomicU64,
}

impl Memory {
    /// At most `max` bytes.
    pub(crate) fn new(max: u64) -> Self {
        Self { max, used: AtomicU64::new(0) }
    }

    /// Takes bytes. False if there is no room. Only one thread at a time may call this.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let fits = self.used.load(Ordering::Relaxed).saturating_add(bytes) <= self.max;
        if fits {
            self.used.fetch_add(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Returns bytes. Any thread may call this.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}
