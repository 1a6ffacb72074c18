//! Capture files: pcap and pcapng, and with the feature `pcap`, older formats through libpcap.
//!
//! [`Source`] returns frames; [`Payloads`] returns the payloads of their datagrams and fills the same [`Batch`](crate::Batch)
//! as a socket; [`Streams`] returns what TCP connections transport. As in pmacct, every datagram of the file counts, whatever its port, and its time
//! of arrival is when it is read, not when it was captured.

mod classic;
mod fragments;
mod input;
#[cfg(feature = "pcap")]
mod library;
mod ng;
mod payloads;
mod streams;
#[cfg(test)]
mod tests;

use crate::{Frames, Meta};
use classic::Classic;
use input::{Input, Over};
use ng::Ng;
use packet::LinkType;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use ng::NgError;
pub use payloads::{Counters, Filled, Payload, Payloads};
pub use streams::{StreamEvent, StreamId, Streams};

/// Which file to read, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file; `-` is the standard input.
    pub path: PathBuf,
    /// Whether the daemon continues to run after the last round. This is up to the daemon.
    pub wait: bool,
    /// Delay before the first round and between rounds, which the daemon waits.
    pub delay: Duration,
    /// How many times the file is read; 0: endlessly.
    pub replay: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: PathBuf::new(), wait: false, delay: Duration::ZERO, replay: 1 }
    }
}

/// The error when a file cannot be read, or not completely.
#[derive(Debug)]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: ReadError,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Error {}

/// Why a file cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The system cannot open or read it.
    Io(io::Error),
    /// It ends within a frame.
    EndsWithinFrame,
    /// A frame has an impossible length, in octets.
    FrameLength(usize),
    /// A pcapng file is invalid.
    Damaged(NgError),
    /// It is not a capture file, or has a format that this build does not support.
    Format,
    /// The message of libpcap.
    Library(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::EndsWithinFrame => f.write_str("the file ends within a frame"),
            Self::FrameLength(octets) => write!(f, "damaged: a frame of {octets} octets"),
            Self::Damaged(error) => write!(f, "damaged: {error}"),
            Self::Format => f.write_str("not a capture file in pcap or pcapng format"),
            Self::Library(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its link type.
    pub link: LinkType,
    /// When it was captured: microseconds since 1970.
    pub time_us: u64,
    /// Bytes that it had on the wire.
    pub wire_len: u32,
    /// The captured bytes.
    pub octets: &'a [u8],
}

/// A link type, by its number in files, which libpcap also uses for interfaces and filters. Of the types that can be decoded, only
/// raw IP has two numbers.
fn link_of(number: u32) -> LinkType {
    match LinkType(number) {
        LinkType::RAW => LinkType::RAW_BSD,
        link => link,
    }
}

/// The reader for a file's format.
enum FileReader {
    Classic(Classic),
    Ng(Ng),
    #[cfg(feature = "pcap")]
    Library(library::Library),
}

/// The frames of a file, round by round.
pub struct Source {
    path: PathBuf,
    reader: FileReader,
    /// Rounds after this one; `None`: endlessly.
    rounds: Option<u32>,
    /// True after the last frame, or after an error, after which nothing can be read.
    ended: bool,
    /// Ends the wait for more input.
    over: Option<Over>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

impl Source {
    /// Opens the file for its first round.
    ///
    /// # Errors
    /// If the file cannot be opened, or is not a capture file.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let path = settings.path.clone();
        let rounds = settings.replay.checked_sub(1);
        match open(&path) {
            Ok(reader) => Ok(Self { path, reader, rounds, ended: false, over: None }),
            Err(reason) => Err(Error { path, reason }),
        }
    }

    /// Waiting for a pipe ends when `over` returns true; it is called regularly.
    pub fn end_when(&mut self, over: impl Fn() -> bool + Send + Sync + 'static) {
        self.over = Some(Arc::new(over));
        self.apply_end_condition();
    }

    fn apply_end_condition(&mut self) {
        if let Some(over) = &self.over {
            match &mut self.reader {
                FileReader::Classic(classic) => classic.input.end_when(Arc::clone(over)),
                FileReader::Ng(ng) => ng.input.end_when(Arc::clone(over)),
                // It reads regular files only.
                #[cfg(feature = "pcap")]
                FileReader::Library(_) => {}
            }
        }
    }

    /// The next frame of this round; `None` at the end.
    ///
    /// # Errors
    /// If the file is damaged. The round ends; the frames before the damage were returned.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let next = match &mut self.reader {
            FileReader::Classic(classic) => classic.next_frame(),
            FileReader::Ng(ng) => ng.next_frame(),
            #[cfg(feature = "pcap")]
            FileReader::Library(library) => library.next_frame(),
        };
        self.ended = !matches!(next, Ok(Some(_)));
        next.map_err(|reason| Error { path: self.path.clone(), reason })
    }

    /// Fills a batch with frames of this round; it stays empty at the end.
    ///
    /// # Errors
    /// If the file is damaged. The batch has the frames before the damage.
    pub fn fill(&mut self, frames: &mut Frames) -> Result<(), Error> {
        frames.clear();
        while frames.has_room() {
            match self.next_frame()? {
                Some(frame) => frames.push(
                    frame.octets,
                    Meta { link: frame.link, time_us: frame.time_us, length: frame.wire_len, ..Meta::default() },
                ),
                None => break,
            }
        }
        Ok(())
    }

    /// The link type of the file: the first of [`Source::links`].
    pub fn link(&self) -> LinkType {
        match &self.reader {
            FileReader::Classic(classic) => classic.link,
            FileReader::Ng(ng) => ng.link(),
            #[cfg(feature = "pcap")]
            FileReader::Library(library) => library.link,
        }
    }

    /// The link types of the file, each once: those before the first frame, and those read later. Only pcapng has more
    /// than one.
    pub fn links(&self) -> Vec<LinkType> {
        match &self.reader {
            FileReader::Ng(ng) => ng.links().to_vec(),
            _ => vec![self.link()],
        }
    }

    /// Opens the file for its next round; false if there is none.
    ///
    /// # Errors
    /// If the file can no longer be opened.
    pub fn next_round(&mut self) -> Result<bool, Error> {
        if let Some(rounds) = &mut self.rounds {
            let Some(left) = rounds.checked_sub(1) else {
                return Ok(false);
            };
            *rounds = left;
        }
        self.reader = open(&self.path).map_err(|reason| Error { path: self.path.clone(), reason })?;
        self.ended = false;
        self.apply_end_condition();
        Ok(true)
    }
}

fn open(path: &Path) -> Result<FileReader, ReadError> {
    let mut input = Input::open(path)?;
    if input.peek(ng::MAGIC.len())?.starts_with(&ng::MAGIC) {
        return Ng::open(input).map(FileReader::Ng);
    }
    if let Some(classic) = Classic::open(input)? {
        return Ok(FileReader::Classic(classic));
    }
    // Only a regular file can be opened a second time.
    #[cfg(feature = "pcap")]
    if path.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return library::Library::open(path).map(FileReader::Library);
    }
    Err(ReadError::Format)
}
