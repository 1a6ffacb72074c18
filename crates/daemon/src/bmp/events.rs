//! Events of routers that wait for the next dump, within a bound of memory.

use crate::sessions::memory::Memory;
use route_log::bmp::Stored;
use std::collections::VecDeque;

/// Events of a router. Until they are taken, their bytes count against the bound.
#[derive(Default)]
pub(super) struct Events {
    stored: VecDeque<Stored>,
    bytes: u64,
}

impl Events {
    /// Keeps an event. False, and it is dropped, if there is no room.
    pub(super) fn keep(&mut self, event: Stored, memory: &Memory) -> bool {
        let bytes = event.bytes() as u64 + size_of::<Stored>() as u64;
        if !memory.take(bytes) {
            return false;
        }
        self.bytes += bytes;
        self.stored.push_back(event);
        true
    }

    /// Takes all of them.
    pub(super) fn take(&mut self, memory: &Memory) -> VecDeque<Stored> {
        memory.give_back(std::mem::take(&mut self.bytes));
        std::mem::take(&mut self.stored)
    }
}
