//! RESP2, the protocol of Redis (<https://redis.io/docs/latest/develop/reference/protocol-spec/>): requests encoded, replies decoded.
//!
//! ```text
//!   request   *2 CRLF $3 CRLF GET CRLF $1 CRLF k CRLF      an array of strings, each with its length in octets
//!   replies   +OK CRLF        -ERR text CRLF       :42 CRLF
//!             $2 CRLF ab CRLF    $-1 CRLF (no value)    *1 CRLF and then that many replies
//! ```
//!
//! The types that RESP3 added are not supported: servers use them only after a request that is never sent.

use std::fmt;

/// The maximum of a reply in octets. A reply holds at most the keys that one step of a scan finds.
pub const MAX_REPLY: usize = 1 << 20;
/// The maximum nesting of arrays: the reply to SCAN is an array with an array in it.
const MAX_DEPTH: usize = 3;
/// The maximum of a line in octets, without the octets of a string that follows it.
const MAX_LINE: usize = 4096;

/// A reply of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status, such as `OK`.
    Status(String),
    /// An error, such as `NOAUTH Authentication required.`
    Error(String),
    /// A number.
    Integer(i64),
    /// A value; `None` if there is none.
    Value(Option<Vec<u8>>),
    /// Several replies; `None` for the null array.
    Array(Option<Vec<Reply>>),
}

/// Why octets are not a reply, and where: the offset from the start of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Offset in octets.
    pub at: usize,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Its first octet is not that of a type.
    Type(u8),
    /// A length or a number cannot be read.
    Number,
    /// It is larger than [`MAX_REPLY`], or a line of it is too long.
    TooLong,
    /// Arrays are nested too deeply.
    TooDeep,
    /// A string or a line is not followed by CR LF.
    LineEnd,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Type(octet) => write!(f, "unknown type {octet:#04x}")?,
            What::Number => f.write_str("invalid number")?,
            What::TooLong => f.write_str("too long")?,
            What::TooDeep => f.write_str("too many nested arrays")?,
            What::LineEnd => f.write_str("no end of line")?,
        }
        write!(f, " at octet {} of a reply", self.at)
    }
}

/// Appends a request: a command and its arguments.
pub fn request(out: &mut Vec<u8>, words: &[&[u8]]) {
    let count = |out: &mut Vec<u8>, sign: u8, count: usize| {
        out.push(sign);
        out.extend_from_slice(count.to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    count(out, b'*', words.len());
    for word in words {
        count(out, b'$', word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends a pattern of SCAN that stands for exactly this text.
pub fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
}

/// Reads the first reply, and returns it with its length in octets. `None` if more octets are needed.
///
/// # Errors
/// The octets are not a reply. What follows cannot be read either.
pub fn reply(octets: &[u8]) -> Result<Option<(Reply, usize)>, Fault> {
    let mut reader = Reader { octets, at: 0 };
    let found = reader.reply(0)?;
    match found {
        None if octets.len() >= MAX_REPLY => Err(reader.fault(What::TooLong)),
        Some(_) if reader.at > MAX_REPLY => Err(reader.fault(What::TooLong)),
        found => Ok(found.map(|reply| (reply, reader.at))),
    }
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn fault(&self, what: What) -> Fault {
        Fault { at: self.at, what }
    }

    fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    /// A line without its end.
    fn line(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        let rest = self.rest();
        let head = rest.get(..MAX_LINE).unwrap_or(rest);
        let Some(end) = head.iter().position(|octet| *octet == b'\n') else {
            return if rest.len() >= MAX_LINE { Err(self.fault(What::TooLong)) } else { Ok(None) };
        };
        let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r"));
        let line = line.ok_or(self.fault(What::LineEnd))?;
        self.at += end + 1;
        Ok(Some(line))
    }

    fn number(&self, text: &[u8]) -> Result<i64, Fault> {
        let text = std::str::from_utf8(text).ok();
        text.and_then(|text| text.parse().ok()).ok_or(self.fault(What::Number))
    }

    fn reply(&mut self, depth: usize) -> Result<Option<Reply>, Fault> {
        let start = self.at;
        let Some(line) = self.line()? else { return Ok(None) };
        let at_start = |what| Fault { at: start, what };
        let Some((kind, text)) = line.split_first() else { return Err(at_start(What::Type(b'\r'))) };
        let words = || String::from_utf8_lossy(text).into_owned();
        Ok(Some(match kind {
            b'+' => Reply::Status(words()),
            b'-' => Reply::Error(words()),
            b':' => Reply::Integer(self.number(text)?),
            b'$' => match self.length(text).map_err(at_start)? {
                None => Reply::Value(None),
                Some(length) => match self.string(length)? {
                    None => return Ok(None),
                    Some(value) => Reply::Value(Some(value.to_vec())),
                },
            },
            b'*' => match self.length(text).map_err(at_start)? {
                None => Reply::Array(None),
                Some(_) if depth >= MAX_DEPTH => return Err(at_start(What::TooDeep)),
                Some(count) => {
                    // Each of them takes several octets, of which there are MAX_REPLY at most.
                    let mut replies = Vec::new();
                    for _ in 0..count {
                        match self.reply(depth + 1)? {
                            None => return Ok(None),
                            Some(reply) => replies.push(reply),
                        }
                    }
                    Reply::Array(Some(replies))
                }
            },
            kind => return Err(at_start(What::Type(*kind))),
        }))
    }

    /// The length of a string or an array; `None` for a null value.
    fn length(&self, text: &[u8]) -> Result<Option<usize>, What> {
        match self.number(text).map_err(|fault| fault.what)? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) if length <= MAX_REPLY => Ok(Some(length)),
                Ok(_) => Err(What::TooLong),
                Err(_) => Err(What::Number),
            },
        }
    }

    fn string(&mut self, length: usize) -> Result<Option<&'a [u8]>, Fault> {
        let Some((value, rest)) = self.rest().split_at_checked(length) else { return Ok(None) };
        match rest {
            [b'\r', b'\n', ..] => {
                self.at += length + 2;
                Ok(Some(value))
            }
            [] | [b'\r'] => Ok(None),
            _ => {
                self.at += length;
                Err(self.fault(What::LineEnd))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> Reply {
        Reply::Value(Some(text.as_bytes().to_vec()))
    }

    #[test]
    fn each_type_of_reply_is_read() {
        let replies = [
            ("+OK\r\n", Reply::Status("OK".to_owned())),
            ("-ERR no\r\n", Reply::Error("ERR no".to_owned())),
            (":-42\r\n", Reply::Integer(-42)),
            ("$2\r\na\n\r\n", value("a\n")),
            ("$0\r\n\r\n", value("")),
            ("$-1\r\n", Reply::Value(None)),
            ("*-1\r\n", Reply::Array(None)),
            ("*0\r\n", Reply::Array(Some(Vec::new()))),
            (
                "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n",
                Reply::Array(Some(vec![value("0"), Reply::Array(Some(vec![value("k")]))])),
            ),
        ];
        for (text, expected) in replies {
            let octets = [text.as_bytes(), b"+next"].concat();
            assert_eq!(reply(&octets), Ok(Some((expected, text.len()))), "{text:?}");
            for end in 0..text.len() {
                assert_eq!(reply(&octets[..end]), Ok(None), "{text:?} to {end}");
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_with_its_place() {
        let long = "+".repeat(MAX_LINE);
        let deep = "*1\r\n".repeat(MAX_DEPTH + 1);
        for (text, at, what) in [
            ("!x\r\n", 0, What::Type(b'!')),
            ("\r\n", 0, What::Type(b'\r')),
            ("+OK\n", 0, What::LineEnd),
            ("$1\r\nabc", 5, What::LineEnd),
            ("$-2\r\n", 0, What::Number),
            ("*x\r\n", 0, What::Number),
            (":\r\n", 3, What::Number),
            ("$1048577\r\n", 0, What::TooLong),
            ("*99999999999999999999\r\n", 0, What::Number),
            (long.as_str(), 0, What::TooLong),
            (deep.as_str(), 12, What::TooDeep),
            ("*1\r\n?\r\n", 4, What::Type(b'?')),
        ] {
            assert_eq!(reply(text.as_bytes()), Err(Fault { at, what }), "{text:?}");
        }
        // A reply that would not end.
        let endless = [b"*1000000\r\n".as_slice(), &b"$-1\r\n".repeat(MAX_REPLY / 5)].concat();
        assert_eq!(reply(&endless).unwrap_err().what, What::TooLong);
        let text = Fault { at: 4, what: What::Type(b'?') }.to_string();
        assert_eq!(text, "unknown type 0x3f at octet 4 of a reply");
    }

    #[test]
    fn patterns_stand_for_their_text() {
        let mut pattern = String::new();
        escape(&mut pattern, "a*b?[c]\\+é");
        assert_eq!(pattern, "a\\*b\\?\\[c]\\\\+é");
    }

    fn write(reply: &Reply, out: &mut Vec<u8>) {
        let line = |text: String, out: &mut Vec<u8>| out.extend_from_slice(format!("{text}\r\n").as_bytes());
        match reply {
            Reply::Status(text) => line(format!("+{text}"), out),
            Reply::Error(text) => line(format!("-{text}"), out),
            Reply::Integer(number) => line(format!(":{number}"), out),
            Reply::Value(None) => line("$-1".to_owned(), out),
            Reply::Value(Some(value)) => {
                line(format!("${}", value.len()), out);
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
            Reply::Array(None) => line("*-1".to_owned(), out),
            Reply::Array(Some(replies)) => {
                line(format!("*{}", replies.len()), out);
                replies.iter().for_each(|reply| write(reply, out));
            }
        }
    }

    fn replies() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            "[a-z ]{0,9}".prop_map(Reply::Status),
            "[A-Z ]{0,9}".prop_map(Reply::Error),
            any::<i64>().prop_map(Reply::Integer),
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)).prop_map(Reply::Value),
            Just(Reply::Array(None)),
        ];
        leaf.prop_recursive(2, 20, 5, |inner| {
            proptest::collection::vec(inner, 0..5).prop_map(|replies| Reply::Array(Some(replies)))
        })
    }

    proptest! {
        #[test]
        fn written_replies_are_read_back_and_parts_of_them_are_incomplete(expected in replies(), cut in any::<prop::sample::Index>()) {
            let mut octets = Vec::new();
            write(&expected, &mut octets);
            prop_assert_eq!(reply(&octets), Ok(Some((expected, octets.len()))));
            prop_assert_eq!(reply(&octets[..cut.index(octets.len())]), Ok(None));
        }

        #[test]
        fn requests_are_arrays_of_strings(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..5)) {
            let mut octets = Vec::new();
            request(&mut octets, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let expected = Reply::Array(Some(words.into_iter().map(|word| Reply::Value(Some(word))).collect()));
            prop_assert_eq!(reply(&octets), Ok(Some((expected, octets.len()))));
        }

        #[test]
        fn any_octets_do_no_harm(octets in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b'*'), Just(b'$'), Just(b'1')], 0..200)) {
            if let Ok(Some((_, length))) = reply(&octets) {
                prop_assert!(length > 0 && length <= octets.len());
            }
        }
    }
}
