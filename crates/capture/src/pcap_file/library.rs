//! Formats that libpcap reads.

use super::{Frame, ReadError};
use packet::LinkType;
use std::path::Path;

/// A file read by libpcap.
pub(super) struct Library {
    file: pcap::Capture<pcap::Offline>,
    pub(super) link: LinkType,
}

impl Library {
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let file = pcap::Capture::from_file(path).map_err(|error| read_error(&error))?;
        let link = LinkType(u32::try_from(file.get_datalink().0).unwrap_or(u32::MAX));
        Ok(Self { file, link })
    }

    /// The next frame; `None` at the end.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        match self.file.next_packet() {
            Ok(packet) => Ok(Some(Frame {
                link: self.link,
                time_us: time_us(&packet.header.ts),
                wire_len: packet.header.len,
                octets: packet.data,
            })),
            Err(pcap::Error::NoMorePackets) => Ok(None),
            Err(error) => Err(read_error(&error)),
        }
    }
}

fn read_error(error: &pcap::Error) -> ReadError {
    ReadError::Library(match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    })
}

fn time_us(time: &libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(time.tv_usec).unwrap_or(0))
}
