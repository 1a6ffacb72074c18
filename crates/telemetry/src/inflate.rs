//! Compressed contents of messages: parts of a zlib stream (RFC 1950).

use flate2::{Decompress, FlushDecompress, Status};

/// The least room for what comes next.
const ROOM: usize = 4096;

/// A zlib stream that lasts over several messages.
pub(crate) struct Inflater {
    state: Decompress,
}

/// Why a message cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// It is not a part of a zlib stream.
    Invalid,
    /// Its contents exceed the limit.
    TooLong,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self { state: Decompress::new(true) }
    }

    /// Starts a new stream.
    pub(crate) fn reset(&mut self) {
        self.state.reset(true);
    }

    /// Replaces `out` by the contents of the next message, of at most `limit` octets.
    pub(crate) fn message(&mut self, octets: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), InflateError> {
        out.clear();
        let mut left = octets;
        loop {
            // One octet more than the limit, to tell a message that is too long from one that just fits.
            let most = limit.saturating_add(1);
            out.reserve(ROOM.max(out.len()).min(most - out.len()));
            let (taken, written) = (self.state.total_in(), out.len());
            let status = self.state.decompress_vec(left, out, FlushDecompress::Sync);
            let status = status.map_err(|_| InflateError::Invalid)?;
            if out.len() > limit {
                return Err(InflateError::TooLong);
            }
            let taken = usize::try_from(self.state.total_in().wrapping_sub(taken)).unwrap_or(usize::MAX);
            left = left.get(taken..).unwrap_or_default();
            match status {
                // Some routers end the stream with each message.
                Status::StreamEnd if left.is_empty() => {
                    self.reset();
                    return Ok(());
                }
                Status::StreamEnd => return Err(InflateError::Invalid),
                Status::Ok | Status::BufError if left.is_empty() && out.len() < out.capacity() => return Ok(()),
                Status::Ok | Status::BufError
                    if taken == 0 && out.len() == written && out.len() < out.capacity() =>
                {
                    return Err(InflateError::Invalid);
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    /// The parts of one stream for messages.
    pub(crate) fn deflate(messages: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut state = Compress::new(Compression::fast(), true);
        let part = |message: &&[u8]| {
            let mut out = Vec::with_capacity(message.len() + 1024);
            state.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
            out
        };
        messages.iter().map(part).collect()
    }

    #[test]
    fn a_stream_lasts_over_messages_and_can_start_anew() {
        let long = vec![b'x'; 100_000];
        let (mut inflater, mut out) = (Inflater::new(), Vec::new());
        for messages in [&[&b"{\"a\":1}"[..], b"{\"a\":2}", &long][..], &[b"{}"]] {
            for (part, message) in deflate(messages).iter().zip(messages) {
                assert_eq!(inflater.message(part, 100_000, &mut out), Ok(()));
                assert_eq!(out, *message);
            }
            inflater.reset();
        }
    }

    #[test]
    fn what_is_no_stream_or_too_long_is_an_error() {
        let mut out = Vec::new();
        assert_eq!(Inflater::new().message(b"{\"a\":1}", 100, &mut out), Err(InflateError::Invalid));
        let bomb = deflate(&[&[0; 1 << 20]]).remove(0);
        assert!(bomb.len() < 10_000);
        assert_eq!(Inflater::new().message(&bomb, 1000, &mut out), Err(InflateError::TooLong));
        assert!(out.capacity() <= 2 * ROOM);
    }
}
