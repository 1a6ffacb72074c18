//! The stream from the router, split into messages without copying those that arrive whole.

use bmp::code::MessageType;
use bmp::frame::{Frame, FrameError, HEADER_LEN, Header, Version};

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
    /// Octets to pass over before the next message.
    skip: u64,
}

/// Where a message is.
#[derive(Clone, Copy)]
pub(crate) enum Located<'i> {
    /// In the octets that the caller holds.
    Caller(Frame<'i>),
    /// In the buffer: [`Input::buffered`].
    Buffer,
    /// Nowhere: it is too long, and is being passed over.
    Skipped { version: Version, kind: MessageType, length: u32 },
}

impl Input {
    /// Locates the next message and takes it from `octets`, or takes all of them if it is incomplete.
    ///
    /// Messages longer than `max` are errors, or passed over if `skip_long`.
    #[inline]
    pub(crate) fn locate<'i>(
        &mut self,
        octets: &mut &'i [u8],
        max: usize,
        skip_long: bool,
    ) -> Result<Option<Located<'i>>, FrameError> {
        if self.whole {
            self.release();
        }
        if self.skip > 0 {
            self.pass_over(octets);
            if self.skip > 0 {
                return Ok(None);
            }
        }
        self.position += std::mem::take(&mut self.len);
        if !self.buffer.is_empty() {
            return self.complete(octets, max, skip_long);
        }
        let frame = match Frame::first(octets, max) {
            Ok(frame) => frame,
            Err(FrameError::TooLong { length, kind }) if skip_long => {
                return Ok(Some(self.begin_to_skip(octets, length, kind)));
            }
            Err(error) => return Err(error),
        };
        let Some(frame) = frame else {
            self.buffer.extend_from_slice(octets);
            *octets = &[];
            return Ok(None);
        };
        self.len = count(frame.octets());
        *octets = octets.get(frame.octets().len()..).unwrap_or_default();
        Ok(Some(Located::Caller(frame)))
    }

    /// Moves octets to the buffer until it holds a whole message: first up to its header, then up to its length.
    fn complete<'i>(
        &mut self,
        octets: &mut &'i [u8],
        max: usize,
        skip_long: bool,
    ) -> Result<Option<Located<'i>>, FrameError> {
        loop {
            let len = match Header::first(&self.buffer, max) {
                Ok(header) => header.map(|header| header.len),
                Err(FrameError::TooLong { length, kind }) if skip_long => {
                    // The buffer has no more than the header yet.
                    let header = std::mem::take(&mut self.buffer);
                    let located = self.begin_to_skip(&mut &header[..], length, kind);
                    self.pass_over(octets);
                    return Ok(Some(located));
                }
                Err(error) => return Err(error),
            };
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

    #[cold]
    fn begin_to_skip<'i>(&mut self, octets: &mut &[u8], length: u32, kind: MessageType) -> Located<'i> {
        // The header was read, so that the first octet is a version.
        let version = if octets.first() == Some(&Version::V4.number()) { Version::V4 } else { Version::V3 };
        (self.skip, self.len) = (length.into(), length.into());
        self.pass_over(octets);
        Located::Skipped { version, kind, length }
    }

    /// Takes octets of a message that is passed over.
    fn pass_over(&mut self, octets: &mut &[u8]) {
        let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(octets.len());
        self.skip -= u64::try_from(passed).unwrap_or_default();
        *octets = octets.get(passed..).unwrap_or_default();
    }

    /// Counts octets that are no message, at the start of the stream.
    pub(crate) fn count_prefix(&mut self, octets: usize) {
        self.len = u64::try_from(octets).unwrap_or_default();
    }

    /// Takes octets that come before those of the caller, at the start of the stream.
    pub(crate) fn put_first(&mut self, octets: Vec<u8>) {
        self.buffer = octets;
    }

    /// Empties the buffer. What a long message needed is given back, so that a thousand routers do not keep a megabyte each.
    fn release(&mut self) {
        const KEPT: usize = 8192;
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        self.whole = false;
    }

    /// The message at [`Located::Buffer`].
    pub(crate) fn buffered(&self) -> Option<Frame<'_>> {
        Frame::first(&self.buffer, usize::MAX).ok().flatten()
    }

    /// Offset in the stream of the message that was located last.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Offset in the stream of the incomplete message, and how many of its octets arrived.
    pub(crate) fn incomplete(&self) -> (u64, usize) {
        let position = self.position + self.len;
        if self.skip > 0 {
            let arrived = usize::try_from(self.len - self.skip).unwrap_or(usize::MAX);
            (self.position, arrived)
        } else if self.whole {
            (position, 0)
        } else {
            (position, self.buffer.len())
        }
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
