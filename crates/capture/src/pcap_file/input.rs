//! Buffered reading of a file.

use super::ReadError;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

/// Limit on the bytes of a frame, as in libpcap; a larger length is an error.
pub(super) const MAX_FRAME: usize = 262_144;
/// Bytes that can be read at once: the longest frame with its headers. A larger buffer is not faster.
pub(super) const BUFFER: usize = 2 * MAX_FRAME;

/// A file and its buffer.
pub(super) struct Input {
    file: File,
    buffer: Vec<u8>,
    /// The unread part of the buffer.
    at: usize,
    end: usize,
    /// Once it returns true, the file ends where no more input arrives.
    over: Option<Over>,
}

/// Called while no input arrives, for example from a pipe: whether to stop waiting.
pub(super) type Over = Arc<dyn Fn() -> bool + Send + Sync>;
/// Interval between these calls.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

impl Input {
    /// Opens a file; `-` is the standard input.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = match path == Path::new("-") {
            true => File::from(io::stdin().as_fd().try_clone_to_owned()?),
            false => File::open(path)?,
        };
        Ok(Self::of(file))
    }

    pub(super) fn of(file: File) -> Self {
        Self { file, buffer: vec![0; BUFFER], at: 0, end: 0, over: None }
    }

    pub(super) fn end_when(&mut self, over: Over) {
        self.over = Some(over);
    }

    /// Waits until there is something to read; false if the wait was stopped.
    fn wait(&self) -> io::Result<bool> {
        let Some(over) = &self.over else { return Ok(true) };
        loop {
            match rustix::event::poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&LOOK)) {
                Ok(0) | Err(Errno::INTR) if over() => return Ok(false),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the buffer, after reading more if it has less than `wanted` bytes, which may be up to [`BUFFER`]; it is shorter than
    /// `wanted` only at the end of the file.
    #[inline]
    pub(super) fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        if self.end - self.at < wanted {
            self.read_on(wanted)?;
        }
        Ok(self.buffer.get(self.at..self.end).unwrap_or_default())
    }

    /// Consumes bytes, and returns their range in the buffer, which is valid until the next call of a method other than
    /// [`Input::bytes`]; an error if the file ends within them.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<Range<usize>, ReadError> {
        if self.peek(count)?.len() < count {
            return Err(ReadError::EndsWithinFrame);
        }
        let start = self.at;
        self.at += count;
        Ok(start..self.at)
    }

    /// Consumed bytes.
    #[inline]
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Skips any number of bytes.
    pub(super) fn skip(&mut self, mut count: usize) -> Result<(), ReadError> {
        while count > 0 {
            let step = count.min(BUFFER);
            self.take(step)?;
            count -= step;
        }
        Ok(())
    }

    #[cold]
    fn read_on(&mut self, wanted: usize) -> io::Result<()> {
        self.buffer.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        while self.end < wanted && self.wait()? {
            match self.file.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
