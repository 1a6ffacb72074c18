//! The reader.

use std::fmt;

/// The input ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// Offset of the read.
    pub at: usize,
    /// Octets needed.
    pub wanted: usize,
    /// Octets left.
    pub left: usize,
}

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets needed at offset {}, {} left", self.wanted, self.at, self.left)
    }
}

impl std::error::Error for Truncated {}

/// A cursor over octets, big-endian.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at offset 0.
    pub fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// Offset from the start of the outermost reader.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Octets left.
    pub fn left(&self) -> usize {
        self.octets.len()
    }

    /// True if no octets are left.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The octets left, without moving.
    pub fn rest(&self) -> &'a [u8] {
        self.octets
    }

    #[cold]
    fn truncated(&self, wanted: usize) -> Truncated {
        Truncated { at: self.at, wanted, left: self.octets.len() }
    }

    /// The next `N` octets.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let Some((head, tail)) = self.octets.split_first_chunk::<N>() else {
            return Err(self.truncated(N));
        };
        self.octets = tail;
        self.at += N;
        Ok(*head)
    }

    /// The next octet.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[octet]| octet)
    }

    /// The next two octets as a number.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four octets as a number.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight octets as a number.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next `len` octets.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Truncated> {
        let Some((head, tail)) = self.octets.split_at_checked(len) else {
            return Err(self.truncated(len));
        };
        self.octets = tail;
        self.at += len;
        Ok(head)
    }

    /// A reader limited to the next `len` octets: a set, a TLV, an attribute.
    #[inline]
    pub fn within(&mut self, len: usize) -> Result<Reader<'a>, Truncated> {
        let at = self.at;
        self.take(len).map(|octets| Reader { octets, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_stays_within_its_bounds_and_knows_its_offset() {
        let mut r = Reader::new(&[0, 4, 1, 2, 3, 4, 9]);
        let len = r.u16().unwrap();
        let mut inner = r.within(usize::from(len)).unwrap();
        assert_eq!(inner.u16(), Ok(0x0102));
        assert_eq!(inner.u32(), Err(Truncated { at: 4, wanted: 4, left: 2 }));
        assert_eq!(r.u8(), Ok(9));
        assert_eq!(r.u8(), Err(Truncated { at: 7, wanted: 1, left: 0 }));
    }
}
