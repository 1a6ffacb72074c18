//! The octets of a file, a large read at a time.

use super::Unreadable;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

/// Most octets of a frame, as in libpcap; a length beyond that is damage.
pub(super) const LONGEST: usize = 262_144;
/// Most octets that can be looked at as a whole: the longest frame with all that is around it. More makes nothing faster.
pub(super) const BUFFER: usize = 2 * LONGEST;

/// A file and what of it is buffered.
pub(super) struct Input {
    file: File,
    buffer: Vec<u8>,
    /// What of the buffer is still to be read.
    at: usize,
    end: usize,
    /// When it is true, the file ends where nothing more has come.
    over: Option<Over>,
}

/// Asked while nothing comes, as from a pipe: whether nobody waits any more.
pub(super) type Over = Arc<dyn Fn() -> bool + Send + Sync>;
/// How often.
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

    /// Waits until there is something to read; false when nobody waits any more.
    fn wait(&self) -> io::Result<bool> {
        let Some(over) = &self.over else { return Ok(true) };
        loop {
            match rustix::event::poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&LOOK)) {
                Ok(0) | Err(Errno::INTR) if over() => return Ok(false),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// What is buffered, after reading on if that is less than `wanted` octets, of which there may be [`BUFFER`]; shorter than
    /// that only at the end of the file.
    #[inline]
    pub(super) fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        if self.end - self.at < wanted {
            self.read_on(wanted)?;
        }
        Ok(self.buffer.get(self.at..self.end).unwrap_or_default())
    }

    /// Steps over octets, and tells where they lie until the next call of another method but [`Input::octets`]; an error when
    /// the file ends within them.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<Range<usize>, Unreadable> {
        if self.peek(count)?.len() < count {
            return Err(Unreadable::EndsWithinFrame);
        }
        let start = self.at;
        self.at += count;
        Ok(start..self.at)
    }

    /// Octets that were taken.
    #[inline]
    pub(super) fn octets(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Steps over octets, however many.
    pub(super) fn skip(&mut self, mut count: usize) -> Result<(), Unreadable> {
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
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}
