//! Messages that wait for the next dump, within a bound of memory.

use super::record::{Payload, Serialization};
use crate::sessions::memory::Memory;

/// Messages of a node. Until they are taken, their bytes count against the bound.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Payloads and subscriptions, one after the other.
    octets: Vec<u8>,
    entries: Vec<Entry>,
}

/// What is kept of a message: the lengths of its parts.
#[derive(Clone, Copy, Debug)]
struct Entry {
    serialization: Serialization,
    payload: Option<usize>,
    subscription: Option<usize>,
}

impl Events {
    /// Keeps a message. False, and it is dropped, if there is no room.
    pub(super) fn keep(&mut self, payload: &Payload<'_>, memory: &Memory) -> bool {
        let parts = [payload.json, payload.subscription];
        let bytes = (parts.iter().flatten().map(|part| part.len()).sum::<usize>() + size_of::<Entry>()) as u64;
        if !memory.take(bytes) {
            return false;
        }
        parts.iter().flatten().for_each(|part| self.octets.extend_from_slice(part));
        self.entries.push(Entry {
            serialization: payload.serialization,
            payload: payload.json.map(<[u8]>::len),
            subscription: payload.subscription.map(<[u8]>::len),
        });
        true
    }

    /// The number of messages.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes all of them. Their memory is free for others at once.
    pub(super) fn take(&mut self, memory: &Memory) -> Self {
        let taken = std::mem::take(self);
        let bytes = (taken.octets.len() + taken.entries.len() * size_of::<Entry>()) as u64;
        memory.give_back(bytes);
        taken
    }

    /// The messages, in the order in which they arrived.
    pub(super) fn iter(&self) -> impl Iterator<Item = Payload<'_>> {
        let mut rest = self.octets.as_slice();
        self.entries.iter().map(move |entry| {
            let mut part = |length: Option<usize>| {
                let (part, after) = rest.split_at_checked(length?)?;
                rest = after;
                Some(part)
            };
            let (json, subscription) = (part(entry.payload), part(entry.subscription));
            Payload { serialization: entry.serialization, json, subscription }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_kept_up_to_the_bound_and_taken_as_they_were() {
        let of = |json: Option<&'static [u8]>, subscription| Payload {
            serialization: Serialization("json"),
            json,
            subscription,
        };
        let messages = [of(Some(b"{}"), None), of(None, Some(b"{\"id\":1}".as_slice())), of(None, None)];
        let memory = Memory::new((3 * size_of::<Entry>() + 10) as u64);
        let mut events = Events::default();
        assert!(messages.iter().all(|message| events.keep(message, &memory)));
        assert!(!events.keep(&messages[2], &memory));
        let taken = events.take(&memory);
        assert_eq!((events.len(), taken.len()), (0, 3));
        assert_eq!(taken.iter().collect::<Vec<_>>(), messages);
        assert!(events.keep(&messages[0], &memory), "the memory is free again");
    }
}
