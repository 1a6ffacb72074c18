//! The part of XDR (RFC 4506) that sFlow uses: big-endian, in units of four octets.

use crate::DecodeError;
use crate::error::DecodeErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Mac, Reader, Writer};

/// A value in XDR.
pub(crate) trait Xdr<'a>: Sized {
    /// Reads it.
    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError>;
    /// Writes it.
    fn write(&self, w: &mut Writer);
}

/// Converts a length or count from the wire.
pub(crate) fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Converts a length or count for the wire. A value that exceeds 32 bits does not fit in a datagram either.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The next `len` octets, and the padding after them. Some agents omit the padding at the end of a record or
/// sample.
#[inline]
pub(crate) fn padded<'a>(r: &mut Reader<'a>, len: u32) -> Result<Reader<'a>, DecodeError> {
    let body = r.within(size(len))?;
    let padding = size(len.wrapping_neg() & 3).min(r.left());
    r.take(padding)?;
    Ok(body)
}

/// The contents of a sample, record or block of `len` octets. Lengths include the padding of the last item, which some agents
/// omit at the end of a datagram: up to three octets may be missing. If they are not padding, decoding the contents fails.
#[inline]
pub(crate) fn contents<'a>(r: &mut Reader<'a>, len: u32) -> Result<Reader<'a>, DecodeError> {
    let missing = size(len).saturating_sub(r.left());
    let missing = if missing < 4 { missing as u32 } else { 0 };
    padded(r, len - missing)
}

/// Zeros up to a multiple of four octets after `len` octets.
pub(crate) fn pad(w: &mut Writer, len: usize) {
    let padding = len.wrapping_neg() & 3;
    w.put([0; 3].get(..padding).unwrap_or_default());
}

impl Xdr<'_> for u32 {
    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(r.u32()?)
    }

    fn write(&self, w: &mut Writer) {
        w.u32(*self);
    }
}

impl Xdr<'_> for u64 {
    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(r.u64()?)
    }

    fn write(&self, w: &mut Writer) {
        w.u64(*self);
    }
}

impl Xdr<'_> for Ipv4Addr {
    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(r.array::<4>()?.into())
    }

    fn write(&self, w: &mut Writer) {
        w.put(&self.octets());
    }
}

impl Xdr<'_> for Ipv6Addr {
    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(r.array::<16>()?.into())
    }

    fn write(&self, w: &mut Writer) {
        w.put(&self.octets());
    }
}

/// An address after its type; `None` if the type is "unknown".
impl Xdr<'_> for Option<IpAddr> {
    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = r.at();
        match r.u32()? {
            0 => Ok(None),
            1 => Ok(Some(Ipv4Addr::read(r)?.into())),
            2 => Ok(Some(Ipv6Addr::read(r)?.into())),
            number => Err(DecodeError::new(at, DecodeErrorKind::AddressType(number))),
        }
    }

    fn write(&self, w: &mut Writer) {
        match self {
            None => _ = w.u32(0),
            Some(IpAddr::V4(address)) => address.write(w.u32(1)),
            Some(IpAddr::V6(address)) => address.write(w.u32(2)),
        }
    }
}

/// Six octets, padded to eight.
impl Xdr<'_> for Mac {
    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [a, b, c, d, e, f, _, _] = r.array::<8>()?;
        Ok(Mac([a, b, c, d, e, f]))
    }

    fn write(&self, w: &mut Writer) {
        w.put(&self.0).u16(0);
    }
}

/// Octets after their length: an opaque or a string.
impl<'a> Xdr<'a> for &'a [u8] {
    #[inline]
    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let len = r.u32()?;
        padded(r, len).map(|octets| octets.rest())
    }

    fn write(&self, w: &mut Writer) {
        w.u32(count(self.len())).put(self);
        pad(w, self.len());
    }
}
