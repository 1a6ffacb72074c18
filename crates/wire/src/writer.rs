//! The writer.

use std::fmt;

/// The data does not fit its length field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Octets written.
    pub len: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets do not fit their length field", self.len)
    }
}

impl std::error::Error for TooLong {}

/// Octets being written, big-endian.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds octets.
    #[inline]
    pub fn put(&mut self, octets: &[u8]) -> &mut Self {
        self.octets.extend_from_slice(octets);
        self
    }

    /// Adds an octet.
    #[inline]
    pub fn u8(&mut self, number: u8) -> &mut Self {
        self.put(&[number])
    }

    /// Adds a number of two octets.
    #[inline]
    pub fn u16(&mut self, number: u16) -> &mut Self {
        self.put(&number.to_be_bytes())
    }

    /// Adds a number of four octets.
    #[inline]
    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.put(&number.to_be_bytes())
    }

    /// Adds a number of eight octets.
    #[inline]
    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.put(&number.to_be_bytes())
    }

    /// Octets so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// True if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Writes a length of two octets, which counts the octets of `body` and `extra` more, and then `body`.
    pub fn sized_u16(&mut self, extra: usize, body: impl FnOnce(&mut Self)) -> Result<&mut Self, TooLong> {
        let at = self.octets.len();
        self.u16(0);
        body(self);
        let len = self.octets.len() - at - 2 + extra;
        let number = u16::try_from(len).map_err(|_| TooLong { len })?;
        if let Some(field) = self.octets.get_mut(at..at + 2) {
            field.copy_from_slice(&number.to_be_bytes());
        }
        Ok(self)
    }

    /// Overwrites octets that were written before, if they are in range.
    #[inline]
    pub fn overwrite(&mut self, at: usize, octets: &[u8]) {
        if let Some(field) = self.octets.get_mut(at..at + octets.len()) {
            field.copy_from_slice(octets);
        }
    }

    /// The octets so far.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The octets so far, to be changed in place.
    #[inline]
    pub fn octets_mut(&mut self) -> &mut [u8] {
        &mut self.octets
    }

    /// Removes all octets, and keeps the memory.
    pub fn clear(&mut self) {
        self.octets.clear();
    }

    /// Returns the octets.
    pub fn finish(self) -> Vec<u8> {
        self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_after_the_body_and_must_fit() {
        let mut w = Writer::new();
        w.sized_u16(2, |w| {
            w.u32(7);
        })
        .unwrap();
        assert_eq!(w.finish(), [0, 6, 0, 0, 0, 7]);
        let mut w = Writer::new();
        assert!(w.sized_u16(0, |w| _ = w.put(&[0; 70_000])).is_err());
    }
}
