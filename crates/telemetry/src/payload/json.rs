//! JSON (RFC 8259): validation, blanks, strings.
//!
//! The grammar is followed to the letter: no comments, trailing commas, numbers such as `01` or `NaN`, or control characters in strings.
//! Escaped surrogates must be pairs (RFC 7493 section 2.1), since many readers refuse others. Numbers may be of any size, and members of
//! an object may have the same name: neither makes the text invalid, and it is passed on as it was sent.
//!
//! Checking and copying in one pass is faster than a check by a library that knows nothing of the output: 2.7 GB/s of YANG-Push
//! notifications, where serde_json (`IgnoredAny`) reaches 1.9 and sonic-rs 2.1 to 2.3 without a copy.

use super::{Invalid, InvalidKind, MAX_DEPTH};
use wide::u8x16;

/// Appends a document without blanks between its tokens. Blanks and NUL octets at its end are padding.
pub(super) fn append(octets: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
    let padding = |octet: &u8| is_blank(*octet) || *octet == 0;
    let len = octets.iter().rposition(|octet| !padding(octet)).map_or(0, |last| last + 1);
    let octets = octets.get(..len).unwrap_or_default();
    out.reserve(len);
    let mut parser =
        Parser { octets, at: 0, copied: 0, has_high: false, is_object: [0; MAX_DEPTH / 64], depth: 0, out };
    parser.document()?;
    // The grammar permits octets from 0x80 on in strings only, so a text without them is UTF-8.
    if parser.has_high {
        utf8(octets)?;
    }
    Ok(())
}

/// A text, if it is UTF-8.
pub(super) fn utf8(octets: &[u8]) -> Result<&str, Invalid> {
    std::str::from_utf8(octets).map_err(|error| Invalid { at: error.valid_up_to(), kind: InvalidKind::Utf8 })
}

/// Appends a text as a JSON string.
pub(super) fn append_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut left = text.as_bytes();
    loop {
        let (plain, _) = plain_len(left);
        let (head, tail) = left.split_at_checked(plain).unwrap_or((left, &[]));
        out.extend_from_slice(head);
        let Some((special, after)) = tail.split_first() else { break };
        match special {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *special]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control & 15)]);
            }
        }
        left = after;
    }
    out.push(b'"');
}

/// The number of octets before the first quote, backslash or control character, and whether one of them is beyond ASCII.
#[inline(always)]
fn plain_len(octets: &[u8]) -> (usize, bool) {
    let (blocks, rest) = octets.as_chunks::<16>();
    let (mut at, mut high) = (0, 0);
    for block in blocks {
        let block = u8x16::new(*block);
        let controls = block.saturating_sub(u8x16::splat(0x1f)).simd_eq(u8x16::splat(0));
        let special = block.simd_eq(u8x16::splat(b'"')) | block.simd_eq(u8x16::splat(b'\\')) | controls;
        let special = special.to_bitmask();
        high |= block.to_bitmask();
        if special != 0 {
            // Some of those beyond ASCII may come after it, which costs a check of the text at most.
            return (at + special.trailing_zeros() as usize, high != 0);
        }
        at += 16;
    }
    let mut is_high = high != 0;
    for octet in rest {
        if matches!(octet, b'"' | b'\\' | ..0x20) {
            break;
        }
        is_high |= *octet >= 0x80;
        at += 1;
    }
    (at, is_high)
}

const fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\n' | b'\r')
}

struct Parser<'a, 'o> {
    octets: &'a [u8],
    at: usize,
    /// Octets that were appended to `out`, or are blanks.
    copied: usize,
    /// Octets beyond ASCII were seen.
    has_high: bool,
    /// One bit for each level of nesting: set for objects.
    is_object: [u64; MAX_DEPTH / 64],
    depth: usize,
    out: &'o mut Vec<u8>,
}

impl Parser<'_, '_> {
    fn document(&mut self) -> Result<(), Invalid> {
        'value: loop {
            match self.token() {
                Some(b'{') => {
                    self.open(true)?;
                    if self.token() != Some(b'}') {
                        self.name()?;
                        continue 'value;
                    }
                    self.close();
                }
                Some(b'[') => {
                    self.open(false)?;
                    if self.token() != Some(b']') {
                        continue 'value;
                    }
                    self.close();
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                other => return Err(self.unexpected(other)),
            }
            // After a value.
            loop {
                if self.depth == 0 {
                    self.copy();
                    let is_end = self.at == self.octets.len();
                    return if is_end { Ok(()) } else { Err(self.error(InvalidKind::Trailing)) };
                }
                match (self.token(), self.in_object()) {
                    (Some(b','), true) => {
                        self.at += 1;
                        self.name()?;
                        continue 'value;
                    }
                    (Some(b','), false) => {
                        self.at += 1;
                        continue 'value;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                    (other, _) => return Err(self.unexpected(other)),
                }
            }
        }
    }

    /// The next octet that is no blank, without passing over it.
    #[inline(always)]
    fn token(&mut self) -> Option<u8> {
        let next = self.peek();
        match next {
            Some(octet) if octet > b' ' => next,
            _ => self.blanks(),
        }
    }

    /// Passes over blanks, which are not copied.
    #[inline(never)]
    fn blanks(&mut self) -> Option<u8> {
        self.copy();
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        self.copied = self.at;
        self.peek()
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    /// Copies what is not copied yet.
    fn copy(&mut self) {
        self.out.extend_from_slice(self.octets.get(self.copied..self.at).unwrap_or_default());
        self.copied = self.at;
    }

    #[inline(always)]
    fn open(&mut self, is_object: bool) -> Result<(), Invalid> {
        let Some(word) = self.is_object.get_mut(self.depth / 64) else {
            return Err(self.error(InvalidKind::TooDeep));
        };
        let bit = 1 << (self.depth % 64);
        *word = if is_object { *word | bit } else { *word & !bit };
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    #[inline(always)]
    fn close(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    #[inline(always)]
    fn in_object(&self) -> bool {
        let level = self.depth - 1;
        self.is_object.get(level / 64).is_some_and(|word| word >> (level % 64) & 1 == 1)
    }

    /// A name and the colon after it.
    #[inline(always)]
    fn name(&mut self) -> Result<(), Invalid> {
        match self.token() {
            Some(b'"') => self.string()?,
            other => return Err(self.unexpected(other)),
        }
        match self.token() {
            Some(b':') => self.at += 1,
            other => return Err(self.unexpected(other)),
        }
        Ok(())
    }

    #[inline(always)]
    fn string(&mut self) -> Result<(), Invalid> {
        self.at += 1;
        loop {
            let (plain, is_high) = plain_len(self.octets.get(self.at..).unwrap_or_default());
            self.at += plain;
            self.has_high |= is_high;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                other => return Err(self.unexpected(other)),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Invalid> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.code_unit()? {
                0xd800..0xdc00 => {
                    let low = self.octets.get(self.at..).is_some_and(|left| left.starts_with(b"\\u"));
                    self.at += usize::from(low);
                    if !low || !matches!(self.code_unit()?, 0xdc00..0xe000) {
                        return Err(self.error(InvalidKind::Malformed));
                    }
                }
                0xdc00..0xe000 => return Err(self.error(InvalidKind::Malformed)),
                _ => {}
            },
            other => return Err(self.unexpected(other)),
        }
        Ok(())
    }

    /// The four digits after `u`.
    fn code_unit(&mut self) -> Result<u32, Invalid> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let next = self.peek();
            let Some(digit) = next.and_then(|octet| char::from(octet).to_digit(16)) else {
                return Err(self.unexpected(next));
            };
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), Invalid> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    #[inline(always)]
    fn digits(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        while self.peek().is_some_and(|octet| octet.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected(self.peek())) } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Invalid> {
        let left = self.octets.get(self.at..).unwrap_or_default();
        if !left.starts_with(word) {
            let same = left.iter().zip(word).take_while(|(a, b)| a == b).count();
            self.at += same;
            return Err(self.unexpected(self.peek()));
        }
        self.at += word.len();
        Ok(())
    }

    #[cold]
    fn unexpected(&self, octet: Option<u8>) -> Invalid {
        self.error(if octet.is_some() { InvalidKind::Malformed } else { InvalidKind::Truncated })
    }

    #[cold]
    fn error(&self, kind: InvalidKind) -> Invalid {
        Invalid { at: self.at, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn read(octets: &[u8]) -> Result<Vec<u8>, Invalid> {
        let mut out = Vec::new();
        append(octets, &mut out).map(|()| out)
    }

    fn error(text: &str) -> (usize, InvalidKind) {
        let Invalid { at, kind } = read(text.as_bytes()).unwrap_err();
        (at, kind)
    }

    #[test]
    fn valid_documents_lose_their_blanks_only() {
        for (text, expected) in [
            ("{}", "{}"),
            (" [ ] \0\n", "[]"),
            ("{ \"a b\" : [ 1 , -0.5e+10,\ttrue,\r\n false , null ] }", "{\"a b\":[1,-0.5e+10,true,false,null]}"),
            (r#"{"é":"\ud83d\ude00\n\/\u0000"}"#, r#"{"é":"\ud83d\ude00\n\/\u0000"}"#),
            (r#"{"a":1e999,"a":100000000000000000000000}"#, r#"{"a":1e999,"a":100000000000000000000000}"#),
            ("0", "0"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn errors_tell_where_they_are() {
        for (text, at, kind) in [
            ("", 0, InvalidKind::Truncated),
            ("{\"a\":", 5, InvalidKind::Truncated),
            ("{\"abcdefghijklmnopqrstuvwxyz", 28, InvalidKind::Truncated),
            ("{\"a\":tru}", 8, InvalidKind::Malformed),
            ("[1,]", 3, InvalidKind::Malformed),
            ("{\"a\":1,}", 7, InvalidKind::Malformed),
            ("{'a':1}", 1, InvalidKind::Malformed),
            ("{\"a\" 1}", 5, InvalidKind::Malformed),
            ("[1}", 2, InvalidKind::Malformed),
            ("[01]", 2, InvalidKind::Malformed),
            ("[1.]", 3, InvalidKind::Malformed),
            ("[-]", 2, InvalidKind::Malformed),
            ("[1e]", 3, InvalidKind::Malformed),
            ("[NaN]", 1, InvalidKind::Malformed),
            ("[\"a\nb\"]", 3, InvalidKind::Malformed),
            (r#"["\x"]"#, 3, InvalidKind::Malformed),
            (r#"["\u12g4"]"#, 6, InvalidKind::Malformed),
            (r#"["\ud800"]"#, 8, InvalidKind::Malformed),
            (r#"["\udc00"]"#, 8, InvalidKind::Malformed),
            ("{} {}", 2, InvalidKind::Trailing),
        ] {
            assert_eq!(error(text), (at, kind), "{text}");
        }
        let text = b"{\"a\":\"\xc3\x28\"}";
        assert_eq!(read(text), Err(Invalid { at: 6, kind: InvalidKind::Utf8 }));
        assert_eq!(read(b"{}\xff").unwrap_err().kind, InvalidKind::Trailing);
        let nested = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(error(&nested(MAX_DEPTH + 1)), (MAX_DEPTH, InvalidKind::TooDeep));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e300..1e300).prop_map(|number: f64| Value::from(number)),
            "\\PC{0,40}".prop_map(Value::from),
            "[\\x00-\\x7f]{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("\\PC{0,20}", inner), 0..6)
                    .prop_map(|list| Value::Object(list.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_survives_and_no_part_of_it_does(value in value(), cut in any::<prop::sample::Index>()) {
            let (short, pretty) = (serde_json::to_vec(&value).unwrap(), serde_json::to_vec_pretty(&value).unwrap());
            prop_assert_eq!(read(&short), Ok(short.clone()));
            prop_assert_eq!(read(&pretty), Ok(short.clone()));
            let cut = cut.index(short.len());
            if matches!(short[0], b'{' | b'[' | b'"') {
                prop_assert!(read(&short[..cut]).is_err());
            }
        }

        #[test]
        fn what_is_accepted_another_reader_accepts_too(text in r#"[\[\]{}",:\\u0-9eE.+\- \ntrufalsn]{0,30}"#) {
            if read(text.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
            } else {
                // The other one has limits for numbers, and none for surrogates.
                prop_assert!(serde_json::from_str::<Value>(&text).is_err());
            }
        }

        #[test]
        fn strings_round_trip(text in "(\\PC|[\\x00-\\x7f]){0,60}") {
            let mut out = Vec::new();
            append_string(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            prop_assert_eq!(read(&out), Ok(out));
        }
    }
}
