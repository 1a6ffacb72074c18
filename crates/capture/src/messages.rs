//! Messages that were received elsewhere, on their way to a worker: one behind the other in one buffer.

use crate::Datagram;
use std::net::SocketAddr;

/// One message.
#[derive(Clone, Copy, Debug)]
struct Place {
    source: SocketAddr,
    session: u64,
    end: usize,
}

/// Messages in the order they were received, with one time of arrival.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    places: Vec<Place>,
    arrival_us: u64,
}

impl Messages {
    /// No messages. `arrival_us`: microseconds since 1970.
    pub fn new(arrival_us: u64) -> Self {
        Self { bytes: Vec::new(), places: Vec::new(), arrival_us }
    }

    /// Removes the messages and keeps the memory, for messages received at another time.
    pub fn clear(&mut self, arrival_us: u64) {
        self.bytes.clear();
        self.places.clear();
        self.arrival_us = arrival_us;
    }

    /// Appends a message. `session`: number of its transport session, 0 without one.
    pub fn push(&mut self, source: SocketAddr, session: u64, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.places.push(Place { source, session, end: self.bytes.len() });
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True without messages.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of all messages.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The messages.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> + Clone {
        let starts = std::iter::once(0).chain(self.places.iter().map(|place| place.end));
        self.places.iter().zip(starts).filter_map(|(place, start)| {
            Some(Datagram {
                source: place.source,
                payload: self.bytes.get(start..place.end)?,
                truncated: false,
                arrival_us: self.arrival_us,
                session: place.session,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_order_and_bounds() {
        let source = SocketAddr::from(([192, 0, 2, 1], 4739));
        let mut messages = Messages::new(5);
        assert!(messages.is_empty());
        for (session, message) in [(1, &b"one"[..]), (2, b""), (1, b"three")] {
            messages.push(source, session, message);
        }
        assert_eq!((messages.len(), messages.bytes()), (3, 8));
        let got: Vec<_> = messages.iter().map(|message| (message.session, message.payload)).collect();
        assert_eq!(got, [(1, &b"one"[..]), (2, b""), (1, b"three")]);
        assert!(messages.iter().all(|message| message.source == source && message.arrival_us == 5));
    }
}
