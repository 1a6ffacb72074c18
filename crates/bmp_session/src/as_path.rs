//! How many octets AS numbers have, judged by the AS_PATH itself.

use bgp::attribute::{Code, Flags};
use wire::{Reader, Truncated};

/// Whether AS numbers in the AS_PATH of an UPDATE have two octets and cannot have four.
///
/// A path is segments of a type, a number of ASes and the ASes (RFC 4271 section 4.3). Only one width fits, except of paths that
/// are empty, or chosen to mislead.
pub(crate) fn must_be_two_octets(update: &[u8]) -> bool {
    matches!(as_path(update), Ok(Some(path)) if !fits(path, 4) && fits(path, 2))
}

/// The value of AS_PATH in the body of an UPDATE.
fn as_path(update: &[u8]) -> Result<Option<&[u8]>, Truncated> {
    let mut r = Reader::new(update);
    let withdrawn = r.u16()?;
    r.take(withdrawn.into())?;
    let len = r.u16()?;
    let mut attributes = r.within(len.into())?;
    while !attributes.is_empty() {
        let (flags, code) = (Flags(attributes.u8()?), Code(attributes.u8()?));
        let len = if flags.has_extended_length() { attributes.u16()?.into() } else { attributes.u8()?.into() };
        let value = attributes.take(len)?;
        if code == Code::AS_PATH {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Whether a path is whole segments of ASes of `width` octets.
fn fits(path: &[u8], width: usize) -> bool {
    let mut r = Reader::new(path);
    while !r.is_empty() {
        let (Ok(1..=4), Ok(count @ 1..)) = (r.u8(), r.u8()) else { return false };
        if r.take(usize::from(count) * width).is_err() {
            return false;
        }
    }
    true
}
