//! CBOR (RFC 8949) of YANG data (RFC 9254) as JSON of YANG data (RFC 7951).
//!
//! | CBOR | JSON |
//! |---|---|
//! | unsigned, negative | number, of any size; which leaves of 64 bits are strings in RFC 7951 only the YANG module says |
//! | byte string | string, base64 |
//! | text string | string |
//! | array, map | array, object; also those of indefinite length |
//! | key that is a number: the difference of its SID to that of the parent; key with tag 47: its SID | name of the SID, with the module's name where RFC 7951 section 4 requires it; the SID in decimal if it has no name |
//! | tag 2, 3: integer beyond 64 bits | string, base64url, "~" before a negative one (RFC 8949 section 6.1) |
//! | tag 4: decimal fraction | string such as "2.57" (RFC 7951 section 6.1) |
//! | tag 45, 46, 47 with a SID: identity, instance, SID | string: the name |
//! | other tags | as their content |
//! | false, true | false, true |
//! | null | `[null]`: a leaf of the type empty (RFC 7951 section 6.9) |
//! | floating-point number | number; null if it is not finite (RFC 8949 section 6.1) |
//!
//! Undefined and other simple values, and keys of other types, are errors.

use super::{Invalid, InvalidKind, MAX_DEPTH, append_base64, json};
use crate::sid::Sids;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::io::Write;
use wire::Reader;

/// Appends one data item, which may not be followed by anything.
pub(super) fn append(octets: &[u8], sids: &Sids, limit: usize, out: &mut Vec<u8>) -> Result<(), Invalid> {
    let end = out.len().saturating_add(limit);
    let mut decoder = Decoder { r: Reader::new(octets), sids, end, out };
    decoder.item(0, 0)?;
    if decoder.r.is_empty() { Ok(()) } else { Err(decoder.error(InvalidKind::Trailing)) }
}

/// Initial octet of a data item: major type in the upper 3 bits, additional information in the lower 5.
#[derive(Clone, Copy)]
struct Head {
    major: u8,
    /// The argument, or `None` for the additional information 31: an indefinite length.
    argument: Option<u64>,
    /// The additional information.
    additional: u8,
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
/// The octet that ends what has an indefinite length.
const BREAK: u8 = 0xff;

const TAG_POSITIVE: u64 = 2;
const TAG_NEGATIVE: u64 = 3;
const TAG_DECIMAL: u64 = 4;
const TAG_IDENTITY: u64 = 45;
const TAG_INSTANCE: u64 = 46;
const TAG_SID: u64 = 47;

struct Decoder<'a, 'o> {
    r: Reader<'a>,
    sids: &'a Sids,
    /// The length that `out` may not exceed.
    end: usize,
    out: &'o mut Vec<u8>,
}

impl<'a> Decoder<'a, '_> {
    /// Appends a data item; `parent` is the SID of the innermost member with one, or 0.
    fn item(&mut self, parent: u64, depth: usize) -> Result<(), Invalid> {
        if self.out.len() > self.end {
            return Err(self.error(InvalidKind::TooLong));
        }
        let head = self.head()?;
        if matches!(head.major, ARRAY..=TAG) && depth >= MAX_DEPTH {
            return Err(self.error(InvalidKind::TooDeep));
        }
        match (head.major, head.argument) {
            (UNSIGNED, Some(number)) => self.print(format_args!("{number}")),
            (NEGATIVE, Some(number)) => self.print(format_args!("{}", -1 - i128::from(number))),
            (BYTES, _) => {
                let mut whole = Vec::new();
                let octets = self.string(head, &mut whole)?;
                self.out.push(b'"');
                append_base64(octets, self.out);
                self.out.push(b'"');
            }
            (TEXT, _) => self.text(head)?,
            (ARRAY, count) => self.array(count, parent, depth)?,
            (MAP, count) => self.map(count, parent, depth)?,
            (TAG, Some(tag)) => self.tagged(tag, parent, depth)?,
            (_, argument) => self.simple(head.additional, argument)?,
        }
        Ok(())
    }

    /// The next head. Major types without an indefinite length have an argument.
    fn head(&mut self) -> Result<Head, Invalid> {
        let at = self.r.at();
        let first = self.r.u8().map_err(|_| self.error(InvalidKind::Truncated))?;
        let (major, additional) = (first >> 5, first & 31);
        let argument = match additional {
            0..24 => Ok(u64::from(additional)),
            24 => self.r.u8().map(u64::from),
            25 => self.r.u16().map(u64::from),
            26 => self.r.u32().map(u64::from),
            27 => self.r.u64(),
            31 if matches!(major, BYTES..=MAP) => return Ok(Head { major, argument: None, additional }),
            _ => return Err(Invalid { at, kind: InvalidKind::Malformed }),
        };
        let argument = argument.map_err(|_| self.error(InvalidKind::Truncated))?;
        Ok(Head { major, argument: Some(argument), additional })
    }

    /// The octets of a string; those of one in chunks are joined in `whole`.
    fn string<'b>(&mut self, head: Head, whole: &'b mut Vec<u8>) -> Result<&'b [u8], Invalid>
    where
        'a: 'b,
    {
        let Some(len) = head.argument else {
            while !self.is_break()? {
                let at = self.r.at();
                let chunk = self.head()?;
                match chunk.argument {
                    Some(len) if chunk.major == head.major => {
                        let octets = self.take(len)?;
                        if head.major == TEXT {
                            self.utf8(octets)?;
                        }
                        whole.extend_from_slice(octets);
                    }
                    _ => return Err(Invalid { at, kind: InvalidKind::Malformed }),
                }
            }
            return Ok(whole);
        };
        self.take(len)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Invalid> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.r.take(len).map_err(|_| self.error(InvalidKind::Truncated))
    }

    /// Octets that were just read as text.
    fn utf8<'b>(&self, octets: &'b [u8]) -> Result<&'b str, Invalid> {
        json::utf8(octets).map_err(|error| Invalid { at: self.r.at() - octets.len() + error.at, ..error })
    }

    fn text(&mut self, head: Head) -> Result<(), Invalid> {
        let mut whole = Vec::new();
        let octets = self.string(head, &mut whole)?;
        // Chunks were checked one by one.
        let text = match head.argument {
            Some(_) => self.utf8(octets)?,
            None => json::utf8(octets)?,
        };
        json::append_string(text, self.out);
        Ok(())
    }

    /// True, and passes over it, if the next octet ends what has an indefinite length.
    fn is_break(&mut self) -> Result<bool, Invalid> {
        let mut ahead = self.r;
        match ahead.u8() {
            Ok(BREAK) => {
                self.r = ahead;
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(_) => Err(self.error(InvalidKind::Truncated)),
        }
    }

    /// True if there is another one of `count` elements, of which `done` were read.
    fn has_more(&mut self, count: Option<u64>, done: u64) -> Result<bool, Invalid> {
        match count {
            Some(count) => Ok(done < count),
            None => self.is_break().map(|is_break| !is_break),
        }
    }

    fn array(&mut self, count: Option<u64>, parent: u64, depth: usize) -> Result<(), Invalid> {
        self.out.push(b'[');
        let mut done = 0;
        while self.has_more(count, done)? {
            if done > 0 {
                self.out.push(b',');
            }
            self.item(parent, depth + 1)?;
            done += 1;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, count: Option<u64>, parent: u64, depth: usize) -> Result<(), Invalid> {
        self.out.push(b'{');
        let mut done = 0;
        while self.has_more(count, done)? {
            if done > 0 {
                self.out.push(b',');
            }
            let sid = self.key(parent)?;
            self.out.push(b':');
            self.item(sid, depth + 1)?;
            done += 1;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Appends the name of a member and returns its SID, or 0 if it has none.
    fn key(&mut self, parent: u64) -> Result<u64, Invalid> {
        let at = self.r.at();
        let head = self.head()?;
        let unsupported = Invalid { at, kind: InvalidKind::Unsupported };
        let sid = match (head.major, head.argument) {
            (TEXT, _) => {
                self.text(head)?;
                return Ok(0);
            }
            (UNSIGNED, Some(delta)) => parent.checked_add(delta),
            (NEGATIVE, Some(delta)) => parent.checked_sub(delta).and_then(|sid| sid.checked_sub(1)),
            (TAG, Some(TAG_SID)) => match self.head()? {
                Head { major: UNSIGNED, argument, .. } => argument,
                _ => None,
            },
            _ => None,
        };
        let sid = sid.ok_or(unsupported)?;
        match self.sids.member(sid, parent != 0) {
            Some(name) => json::append_string(name, self.out),
            None => self.print(format_args!("\"{sid}\"")),
        }
        Ok(sid)
    }

    fn tagged(&mut self, tag: u64, parent: u64, depth: usize) -> Result<(), Invalid> {
        let before = self.r;
        match tag {
            TAG_POSITIVE | TAG_NEGATIVE => {
                let head = self.head()?;
                if head.major == BYTES {
                    let mut whole = Vec::new();
                    let text = URL_SAFE_NO_PAD.encode(self.string(head, &mut whole)?);
                    let sign = if tag == TAG_NEGATIVE { "~" } else { "" };
                    self.print(format_args!("\"{sign}{text}\""));
                    return Ok(());
                }
            }
            TAG_DECIMAL => {
                if let Some((exponent, mantissa)) = self.decimal()? {
                    self.append_decimal(exponent, mantissa);
                    return Ok(());
                }
            }
            TAG_IDENTITY | TAG_INSTANCE | TAG_SID => {
                if let Head { major: UNSIGNED, argument: Some(sid), .. } = self.head()? {
                    match self.sids.name(sid) {
                        Some(name) => json::append_string(name, self.out),
                        None => self.print(format_args!("\"{sid}\"")),
                    }
                    return Ok(());
                }
            }
            _ => {}
        }
        self.r = before;
        self.item(parent, depth + 1)
    }

    /// The two integers of a decimal fraction, if they are what decimal64 can have.
    fn decimal(&mut self) -> Result<Option<(u32, i128)>, Invalid> {
        let head = self.head()?;
        if (head.major, head.argument) != (ARRAY, Some(2)) {
            return Ok(None);
        }
        let (exponent, mantissa) = (self.integer()?, self.integer()?);
        let digits = exponent.and_then(|exponent| u32::try_from(-exponent).ok()).filter(|digits| *digits <= 18);
        Ok(digits.zip(mantissa))
    }

    fn integer(&mut self) -> Result<Option<i128>, Invalid> {
        let head = self.head()?;
        Ok(match (head.major, head.argument) {
            (UNSIGNED, Some(number)) => Some(i128::from(number)),
            (NEGATIVE, Some(number)) => Some(-1 - i128::from(number)),
            _ => None,
        })
    }

    /// Appends a decimal64 with at least one digit after the point (RFC 7950 section 9.3.2).
    fn append_decimal(&mut self, digits: u32, mantissa: i128) {
        let sign = if mantissa < 0 { "-" } else { "" };
        let (magnitude, scale) = (mantissa.unsigned_abs(), 10_u128.pow(digits));
        let (whole, fraction, width) = (magnitude / scale, magnitude % scale, digits.max(1) as usize);
        self.print(format_args!("\"{sign}{whole}.{fraction:0width$}\""));
    }

    /// A value of the major type 7.
    fn simple(&mut self, additional: u8, argument: Option<u64>) -> Result<(), Invalid> {
        let argument = argument.unwrap_or_default();
        let float = match additional {
            20 => return self.literal("false"),
            21 => return self.literal("true"),
            22 => return self.literal("[null]"),
            25 => half(argument as u16),
            26 => f64::from(f32::from_bits(argument as u32)),
            27 => f64::from_bits(argument),
            _ => return Err(self.error(InvalidKind::Unsupported)),
        };
        if !float.is_finite() {
            return self.literal("null");
        }
        // The shortest text that is the same number; unlike `{}` with an exponent where that is long.
        self.print(format_args!("{float:?}"));
        Ok(())
    }

    fn literal(&mut self, text: &str) -> Result<(), Invalid> {
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn print(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a vector cannot fail.
        _ = self.out.write_fmt(text);
    }

    #[cold]
    fn error(&self, kind: InvalidKind) -> Invalid {
        Invalid { at: self.r.at(), kind }
    }
}

/// A number of IEEE 754 binary16 (RFC 8949 appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (bits >> 10 & 31, f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (mantissa + 1024.0) * 2_f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests;
