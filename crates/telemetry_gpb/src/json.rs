//! A writer of JSON with a bound.

use crate::fault::Fault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use std::io::Write;

/// Appends JSON to a buffer. It puts the commas; callers open and close objects and lists in pairs.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// The greatest length of `out`.
    end: usize,
    limit: usize,
    /// The next value or name follows another one.
    comma: bool,
    /// What is written is part of a text.
    quoted: bool,
}

impl<'o> Writer<'o> {
    /// A writer of at most `limit` bytes behind what `out` has.
    pub(crate) fn new(out: &'o mut Vec<u8>, limit: usize) -> Self {
        let end = out.len().saturating_add(limit);
        Self { out, end, limit, comma: false, quoted: false }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.quoted { self.put_quoted(bytes) } else { self.put_plain(bytes) }
    }

    #[cold]
    fn put_quoted(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        for byte in bytes {
            if matches!(byte, b'"' | b'\\') {
                self.put_plain(b"\\")?;
            }
            self.put_plain(&[*byte])?;
        }
        Ok(())
    }

    #[inline]
    fn put_plain(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.len() > self.end - self.out.len().min(self.end) {
            return Err(Fault::TooLarge { limit: self.limit });
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn separate(&mut self) -> Result<(), Fault> {
        if std::mem::replace(&mut self.comma, true) { self.put(b",") } else { Ok(()) }
    }

    /// Begins an object or a list: `{` or `[`.
    pub(crate) fn open(&mut self, bracket: u8) -> Result<(), Fault> {
        self.separate()?;
        self.comma = false;
        self.put(&[bracket])
    }

    /// Ends it: `}` or `]`.
    pub(crate) fn close(&mut self, bracket: u8) -> Result<(), Fault> {
        self.comma = true;
        self.put(&[bracket])
    }

    /// The name of a member, from code: nothing in it is escaped.
    pub(crate) fn name(&mut self, name: &str) -> Result<(), Fault> {
        self.separate()?;
        self.put(b"\"")?;
        self.put(name.as_bytes())?;
        self.end_name()
    }

    /// The name of a member, from a message.
    pub(crate) fn text_name(&mut self, name: &[u8]) -> Result<(), Fault> {
        self.text(name)?;
        self.comma = false;
        self.put(b":")
    }

    fn end_name(&mut self) -> Result<(), Fault> {
        self.comma = false;
        self.put(b"\":")
    }

    /// A text. Octets that are not UTF-8 show as U+FFFD.
    pub(crate) fn text(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.begin_text()?;
        self.part(text)?;
        self.put(b"\"")
    }

    /// Begins a text of several parts.
    pub(crate) fn begin_text(&mut self) -> Result<(), Fault> {
        self.separate()?;
        self.put(b"\"")
    }

    /// A part of a text.
    pub(crate) fn part(&mut self, text: &[u8]) -> Result<(), Fault> {
        if let Ok(text) = std::str::from_utf8(text) {
            return self.escaped(text.as_bytes());
        }
        for chunk in text.utf8_chunks() {
            self.escaped(chunk.valid().as_bytes())?;
            if !chunk.invalid().is_empty() {
                self.put("\u{fffd}".as_bytes())?;
            }
        }
        Ok(())
    }

    /// Ends a text of several parts.
    pub(crate) fn end_text(&mut self) -> Result<(), Fault> {
        self.put(b"\"")
    }

    /// Ends a text of several parts that is the name of a member.
    pub(crate) fn end_text_name(&mut self) -> Result<(), Fault> {
        self.end_name()
    }

    fn escaped(&mut self, mut text: &[u8]) -> Result<(), Fault> {
        while let Some((plain, [octet, rest @ ..])) = special_at(text).and_then(|at| text.split_at_checked(at)) {
            self.put(plain)?;
            match octet {
                b'"' => self.put(b"\\\"")?,
                b'\\' => self.put(b"\\\\")?,
                b'\n' => self.put(b"\\n")?,
                b'\r' => self.put(b"\\r")?,
                b'\t' => self.put(b"\\t")?,
                octet => {
                    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
                    self.put(&[b'\\', b'u', b'0', b'0', digit(octet >> 4), digit(octet & 15)])?;
                }
            }
            text = rest;
        }
        self.put(text)
    }

    /// JSON as a text. What `write` writes has no control characters, like all that this writer writes.
    pub(crate) fn quoted(&mut self, write: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        self.begin_text()?;
        (self.comma, self.quoted) = (false, true);
        let result = write(self);
        (self.comma, self.quoted) = (true, false);
        result?;
        self.put(b"\"")
    }

    /// An integer.
    pub(crate) fn integer(&mut self, value: impl itoa::Integer) -> Result<(), Fault> {
        self.separate()?;
        self.put(itoa::Buffer::new().format(value).as_bytes())
    }

    /// An integer as text.
    pub(crate) fn quoted_integer(&mut self, value: impl itoa::Integer) -> Result<(), Fault> {
        self.text(itoa::Buffer::new().format(value).as_bytes())
    }

    /// The digits of a number with this many after the point.
    pub(crate) fn decimal(&mut self, digits: i64, precision: u32) -> Result<(), Fault> {
        let Ok(precision) = usize::try_from(precision) else { return self.null() };
        // YANG's decimal64 has at most 18 digits after the point (RFC 7950 section 9.3.4).
        if precision > 18 {
            self.separate()?;
            return self.formatted(format_args!("{digits}e-{precision}"));
        }
        if precision == 0 {
            return self.integer(digits);
        }
        let scale = 10u64.pow(precision as u32);
        let (sign, value) = (if digits < 0 { "-" } else { "" }, digits.unsigned_abs());
        self.separate()?;
        self.formatted(format_args!("{sign}{}.{:0precision$}", value / scale, value % scale))
    }

    /// A floating-point number; those that JSON does not have are texts, as in protobuf's JSON.
    pub(crate) fn double(&mut self, value: f64) -> Result<(), Fault> {
        match special(value) {
            Some(name) => self.text(name),
            None => {
                self.separate()?;
                self.formatted(format_args!("{value:?}"))
            }
        }
    }

    /// A number of single precision, with as many digits as tell it apart.
    pub(crate) fn float(&mut self, value: f32) -> Result<(), Fault> {
        match special(f64::from(value)) {
            Some(name) => self.text(name),
            None => {
                self.separate()?;
                self.formatted(format_args!("{value:?}"))
            }
        }
    }

    /// What has a small bounded length.
    fn formatted(&mut self, value: std::fmt::Arguments<'_>) -> Result<(), Fault> {
        let mut digits = [0; 64];
        let mut left = &mut digits[..];
        let fits = left.write_fmt(value).is_ok();
        let unused = left.len();
        let written = digits.get(..digits.len() - unused).unwrap_or_default();
        if fits { self.put(written) } else { self.put(b"null") }
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, value: bool) -> Result<(), Fault> {
        self.separate()?;
        self.put(if value { b"true" } else { b"false" })
    }

    /// No value.
    pub(crate) fn null(&mut self) -> Result<(), Fault> {
        self.separate()?;
        self.put(b"null")
    }

    /// Octets as base64, in a text.
    pub(crate) fn base64(&mut self, octets: &[u8]) -> Result<(), Fault> {
        self.begin_text()?;
        // Multiples of three octets, so that the parts follow each other without padding.
        let mut encoded = [0; 1024];
        for part in octets.chunks(768) {
            // Four bytes for three octets: it fits.
            let length = STANDARD.encode_slice(part, &mut encoded).unwrap_or_default();
            self.put(encoded.get(..length).unwrap_or_default())?;
        }
        self.put(b"\"")
    }

    /// A text that is JSON itself, as a value. Line ends between its tokens become blanks.
    pub(crate) fn embed(&mut self, text: &[u8], depth: u32) -> Result<(), Fault> {
        let text = std::str::from_utf8(text).map_err(|_| Fault::NotJson)?.trim_matches([' ', '\t', '\n', '\r']);
        depth_of(text.as_bytes(), depth)?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| Fault::NotJson)?;
        self.separate()?;
        let start = self.out.len();
        self.put(text.as_bytes())?;
        // A control character inside a string is not JSON, so that these are between tokens.
        for byte in self.out.iter_mut().skip(start) {
            if matches!(byte, b'\n' | b'\r' | b'\t') {
                *byte = b' ';
            }
        }
        Ok(())
    }

    /// A text that should be JSON: as value if it is, else as text.
    pub(crate) fn embed_or_text(&mut self, text: &[u8], depth: u32) -> Result<(), Fault> {
        let (start, comma) = (self.out.len(), self.comma);
        match self.embed(text, depth) {
            Err(Fault::NotJson | Fault::Depth { .. }) => {
                self.out.truncate(start);
                self.comma = comma;
                self.text(text)
            }
            other => other,
        }
    }
}

/// The position of the first octet that JSON escapes. Looks at eight octets at a time: most texts have none.
fn special_at(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let special = |octet: &u8| *octet < 0x20 || *octet == b'"' || *octet == b'\\';
    // Whether an octet is below the limit, of at most 128.
    let has_below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & (ONES << 7) != 0;
    let has = |word: u64, octet: u8| has_below(word ^ (ONES * u64::from(octet)), 1);
    let (words, rest) = text.as_chunks::<8>();
    for (index, octets) in words.iter().enumerate() {
        let word = u64::from_ne_bytes(*octets);
        if has_below(word, 0x20) || has(word, b'"') || has(word, b'\\') {
            return octets.iter().position(special).map(|at| index * 8 + at);
        }
    }
    rest.iter().position(special).map(|at| words.len() * 8 + at)
}

/// The name of a number that JSON cannot express.
fn special(value: f64) -> Option<&'static [u8]> {
    if value.is_finite() {
        return None;
    }
    Some(if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"Infinity"
    } else {
        b"-Infinity"
    })
}

/// Checks how deeply brackets are nested. What is not JSON may pass.
fn depth_of(text: &[u8], max: u32) -> Result<(), Fault> {
    let (mut depth, mut in_string, mut escaped) = (0u32, false, false);
    for (at, octet) in text.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > max {
                    return Err(Fault::Depth { at });
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), Fault>) -> Result<String, Fault> {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out, 1000))?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn commas_lie_between_values_and_nowhere_else() {
        let json = written(|w| {
            w.open(b'{')?;
            w.name("a")?;
            w.open(b'[')?;
            w.integer(1)?;
            w.open(b'[')?;
            w.close(b']')?;
            w.null()?;
            w.close(b']')?;
            w.text_name(b"b\"")?;
            w.boolean(true)?;
            w.begin_text()?;
            w.part(b"/x")?;
            w.part(b"/y")?;
            w.end_text_name()?;
            w.text(b"v")?;
            w.close(b'}')
        });
        assert_eq!(json.unwrap(), r#"{"a":[1,[],null],"b\"":true,"/x/y":"v"}"#);
    }

    #[test]
    fn texts_are_escaped_and_made_valid() {
        for (text, json) in [
            (&b"a\"b\\c\n\r\t\x01\x1f/\x7f"[..], "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f/\u{7f}\""),
            ("\u{fffd}é".as_bytes(), "\"\u{fffd}é\""),
            (b"a\xff\xc3", "\"a\u{fffd}\u{fffd}\""),
            (b"", "\"\""),
        ] {
            assert_eq!(written(|w| w.text(text)).unwrap(), json);
        }
    }

    #[test]
    fn octets_that_are_escaped_are_found_wherever_they_are() {
        for octet in 0..=255 {
            let is_special = octet < 0x20 || octet == b'"' || octet == b'\\';
            for length in 1..20 {
                for at in 0..length {
                    let mut text = vec![b'x'; length];
                    text[at] = octet;
                    assert_eq!(special_at(&text), is_special.then_some(at), "{octet} at {at} of {length}");
                    text.fill(0xff);
                    text[at] = octet;
                    assert_eq!(special_at(&text), is_special.then_some(at), "{octet} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn numbers_keep_their_type_and_digits() {
        for (json, expected) in [
            (written(|w| w.integer(u64::MAX)), "18446744073709551615"),
            (written(|w| w.integer(i64::MIN)), "-9223372036854775808"),
            (written(|w| w.quoted_integer(7u64)), "\"7\""),
            (written(|w| w.double(1.0)), "1.0"),
            (written(|w| w.double(1e300)), "1e300"),
            (written(|w| w.double(f64::MIN_POSITIVE)), "2.2250738585072014e-308"),
            (written(|w| w.double(f64::NAN)), "\"NaN\""),
            (written(|w| w.float(f32::NEG_INFINITY)), "\"-Infinity\""),
            (written(|w| w.float(0.1)), "0.1"),
            (written(|w| w.decimal(-1234, 2)), "-12.34"),
            (written(|w| w.decimal(5, 3)), "0.005"),
            (written(|w| w.decimal(i64::MIN, 18)), "-9.223372036854775808"),
            (written(|w| w.decimal(7, 0)), "7"),
            (written(|w| w.decimal(7, 4_000_000_000)), "7e-4000000000"),
        ] {
            assert_eq!(json.unwrap(), expected);
        }
    }

    #[test]
    fn octets_are_base64_across_parts() {
        let octets: Vec<u8> = (0..2000u32).map(|n| n as u8).collect();
        let mut out = Vec::new();
        Writer::new(&mut out, 10_000).base64(&octets).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("\"{}\"", STANDARD.encode(&octets)));
    }

    #[test]
    fn embedded_json_is_checked_and_stays_on_one_line() {
        assert_eq!(written(|w| w.embed(b" {\n\t\"a\": [1,\r\n2]} \n", 2)).unwrap(), "{  \"a\": [1,  2]}");
        assert_eq!(written(|w| w.embed(b"\"[[[\\\"[\"", 0)).unwrap(), "\"[[[\\\"[\"");
        for text in [&b""[..], b"{", b"1 2", b"\"a\nb\"", b"\"\xff\"", b"nul", b"{\"a\":}"] {
            assert_eq!(written(|w| w.embed(text, 9)), Err(Fault::NotJson), "{text:?}");
        }
        assert_eq!(written(|w| w.embed(b"[[1]]", 1)), Err(Fault::Depth { at: 1 }));
        assert_eq!(written(|w| w.embed_or_text(b"[[1]]", 1)).unwrap(), "\"[[1]]\"");
        assert_eq!(written(|w| w.embed_or_text(b"up", 1)).unwrap(), "\"up\"");
    }

    #[test]
    fn the_limit_counts_what_is_appended() {
        for limit in 0..6 {
            let mut out = b"before".to_vec();
            let result = Writer::new(&mut out, limit).text(b"abc");
            assert_eq!(result, if limit < 5 { Err(Fault::TooLarge { limit }) } else { Ok(()) });
            assert!(out.len() <= 6 + limit);
        }
    }
}
