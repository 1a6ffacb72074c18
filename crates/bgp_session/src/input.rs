//! The stream from the peer, split into messages without copying those that arrive whole.

use bgp::message::{self, HEADER_LEN, HeaderError, Message};

/// The incomplete message at the end of what was read, and the position in the stream.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// The start of a message; or, if `whole`, the message that was located last.
    buffer: Vec<u8>,
    whole: bool,
    /// Offset in the stream of the message that was located last.
    position: u64,
    /// Its octets.
    len: u64,
}

/// Where a message is.
#[derive(Clone, Copy)]
pub(crate) enum Located<'i> {
    /// In the octets that the caller holds.
    Caller(Message<'i>),
    /// In the buffer: [`Input::buffered`].
    Buffer,
}

impl Input {
    /// Locates the next message and takes it from `octets`, or takes all of them if it is incomplete.
    #[inline]
    pub(crate) fn locate<'i>(
        &mut self,
        octets: &mut &'i [u8],
        extended: bool,
    ) -> Result<Option<Located<'i>>, HeaderError> {
        if self.whole {
            self.buffer.clear();
            self.whole = false;
        }
        self.position += std::mem::take(&mut self.len);
        if !self.buffer.is_empty() {
            return self.complete(octets, extended);
        }
        let Some(message) = Message::first(octets, extended)? else {
            self.buffer.extend_from_slice(octets);
            *octets = &[];
            return Ok(None);
        };
        self.len = count(message.octets());
        *octets = octets.get(message.octets().len()..).unwrap_or_default();
        Ok(Some(Located::Caller(message)))
    }

    /// Moves octets to the buffer until it holds a whole message: first up to its header, then up to its length.
    fn complete<'i>(&mut self, octets: &mut &'i [u8], extended: bool) -> Result<Option<Located<'i>>, HeaderError> {
        loop {
            let len = message::length(&self.buffer, extended)?;
            let missing = len.unwrap_or(HEADER_LEN).saturating_sub(self.buffer.len());
            if len.is_some() && missing == 0 {
                self.whole = true;
                self.len = count(&self.buffer);
                return Ok(Some(Located::Buffer));
            }
            if octets.is_empty() {
                return Ok(None);
            }
            let (head, tail) = octets.split_at_checked(missing).unwrap_or((*octets, &[]));
            self.buffer.extend_from_slice(head);
            *octets = tail;
        }
    }

    /// The message at [`Located::Buffer`].
    pub(crate) fn buffered(&self) -> Option<Message<'_>> {
        Message::first(&self.buffer, true).ok().flatten()
    }

    /// Lets the message in the buffer be located again.
    pub(crate) fn keep_buffered(&mut self) {
        (self.whole, self.len) = (false, 0);
    }

    /// Lets the message that the caller held be located again; the caller puts it back.
    pub(crate) fn put_back(&mut self) {
        self.len = 0;
    }

    /// Offset in the stream of the message that was located last.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Octets of the incomplete message.
    pub(crate) fn incomplete(&self) -> usize {
        if self.whole { 0 } else { self.buffer.len() }
    }

    /// Frees the buffer.
    pub(crate) fn free(&mut self) {
        self.buffer = Vec::new();
    }

    /// Bytes allocated.
    pub(crate) fn allocated(&self) -> usize {
        self.buffer.capacity()
    }
}

fn count(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}
