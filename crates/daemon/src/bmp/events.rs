//! Events of routers that wait for the next dump, within a bound of memory.

use route_log::bmp::Stored;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

/// Events of a router. Until they are taken, their bytes count against the bound.
#[derive(Default)]
pub(super) struct Events {
    stored: VecDeque<Stored>,
    bytes: u64,
}

/// The memory of the events of all routers.
#[derive(Debug)]
pub(super) struct Memory {
    max: u64,
    used: AtomicU64,
}

impl Memory {
    pub(super) fn new(max: u64) -> Self {
        Self { max, used: AtomicU64::new(0) }
    }
}

impl Events {
    /// Keeps an event. False, and it is dropped, if there is no room.
    pub(super) fn keep(&mut self, event: Stored, memory: &Memory) -> bool {
        let bytes = event.bytes() as u64 + size_of::<Stored>() as u64;
        // Only the thread of the sessions adds.
        if memory.used.load(Ordering::Relaxed).saturating_add(bytes) > memory.max {
            return false;
        }
        memory.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        self.stored.push_back(event);
        true
    }

    /// Takes all of them.
    pub(super) fn take(&mut self, memory: &Memory) -> VecDeque<Stored> {
        memory.used.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        std::mem::take(&mut self.stored)
    }
}
