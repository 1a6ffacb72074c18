//! Capture files as a source: pcap and pcapng, by way of libpcap.
//!
//! [`Source`] gives frames; [`Payloads`] gives what the datagrams in them carry and fills the same
//! [`Batch`](crate::Batch) as a socket does. As with the programs that this suite replaces, every datagram of the file
//! counts, whatever port it went to, and it counts as received now, not when it was captured.
//!
//! libpcap's own cost is about 30 ns a frame where reading, decoding and copying a datagram of 100 octets takes about
//! 100 ns, so that a reader of our own would gain little.

mod fragments;
mod payloads;
#[cfg(test)]
mod tests;

use packet::LinkType;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use payloads::{Counters, Filled, Payload, Payloads};

/// Which file to read, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file; `-` is the standard input.
    pub path: PathBuf,
    /// Whether the daemon stays when the file has been read for the last time. The daemon acts on it.
    pub wait: bool,
    /// Time before the first reading and between readings. The daemon waits; nothing here does.
    pub delay: Duration,
    /// How many times the file is read; 0 is for ever.
    pub replay: u32,
    /// Whether the payloads of TCP segments are taken for datagrams as well: right for IPFIX over TCP where each
    /// segment holds whole messages.
    pub segments: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: PathBuf::new(), wait: false, delay: Duration::ZERO, replay: 1, segments: true }
    }
}

/// Why a file cannot be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What libpcap says.
    pub reason: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Error {}

/// One captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it starts with.
    pub link: LinkType,
    /// When it was captured: microseconds since 1970.
    pub time_us: u64,
    /// Octets that it had on the wire.
    pub wire_len: u32,
    /// Octets that were captured.
    pub octets: &'a [u8],
}

/// The frames of a file, round by round.
pub struct Source {
    path: PathBuf,
    file: pcap::Capture<pcap::Offline>,
    link: LinkType,
    /// Rounds after this one; `None` is for ever.
    rounds: Option<u32>,
    /// True after the last frame, or after a fault, beyond which nothing can be found.
    ended: bool,
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
    /// The file cannot be opened, or is no capture.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let (file, link) = open(&settings.path)?;
        let rounds = settings.replay.checked_sub(1);
        Ok(Self { path: settings.path.clone(), file, link, rounds, ended: false })
    }

    /// The next frame of this round; `None` at the end.
    ///
    /// # Errors
    /// The file is damaged. The round is over then; frames before the damage were given out.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        if self.ended {
            return Ok(None);
        }
        match self.file.next_packet() {
            Ok(packet) => Ok(Some(Frame {
                link: self.link,
                time_us: time_us(&packet.header.ts),
                wire_len: packet.header.len,
                octets: packet.data,
            })),
            Err(pcap::Error::NoMorePackets) => {
                self.ended = true;
                Ok(None)
            }
            Err(fault) => {
                self.ended = true;
                Err(error(&self.path, &fault))
            }
        }
    }

    /// Opens the file for its next round; false when there is none.
    ///
    /// # Errors
    /// The file cannot be opened any more.
    pub fn again(&mut self) -> Result<bool, Error> {
        if let Some(rounds) = &mut self.rounds {
            let Some(left) = rounds.checked_sub(1) else {
                return Ok(false);
            };
            *rounds = left;
        }
        (self.file, self.link) = open(&self.path)?;
        self.ended = false;
        Ok(true)
    }
}

fn open(path: &PathBuf) -> Result<(pcap::Capture<pcap::Offline>, LinkType), Error> {
    let file = pcap::Capture::from_file(path).map_err(|fault| error(path, &fault))?;
    let link = LinkType(u32::try_from(file.get_datalink().0).unwrap_or(u32::MAX));
    Ok((file, link))
}

fn error(path: &std::path::Path, fault: &pcap::Error) -> Error {
    let reason = match fault {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    };
    // libpcap repeats the path in some of its messages.
    let reason = reason.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&reason).to_owned();
    Error { path: path.to_owned(), reason }
}

fn time_us(time: &libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(time.tv_usec).unwrap_or(0))
}
