//! Text files of the operator: the configuration, maps, lists, options of brokers, statements.
//!
//! All of them are read here, so that a byte order mark, line ends of either kind and a last line without an end mean
//! the same in each.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::Path;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a file: without a byte order mark, and with `\n` as its only line end.
///
/// # Errors
/// Those of reading it, and `InvalidData` for a file that is UTF-16, which editors save under the name "Unicode".
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is UTF-16; save it as UTF-8"));
    }
    Ok(match clean(&bytes) {
        Cow::Owned(clean) => clean,
        Cow::Borrowed(clean) if clean.len() < bytes.len() => clean.to_vec(),
        Cow::Borrowed(_) => bytes,
    })
}

/// As [`read`], as text: bytes that are not UTF-8 are replaced.
///
/// # Errors
/// As [`read`].
pub fn read_lossy(path: &Path) -> io::Result<String> {
    let bytes = read(path)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The same bytes without a byte order mark in front, and with `\n` as their only line end.
#[must_use]
pub fn clean(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    if !bytes.windows(2).any(|pair| pair == b"\r\n") {
        return Cow::Borrowed(bytes);
    }
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\r' || rest.peek() != Some(&b'\n') {
            clean.push(byte);
        }
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_line_ends_are_all_the_same() {
        for text in ["a\nb", "\u{feff}a\nb", "a\r\nb", "\u{feff}a\r\nb"] {
            assert_eq!(&*clean(text.as_bytes()), b"a\nb", "{text:?}");
        }
        // A mark elsewhere, and a carriage return alone, are characters like others.
        for text in ["a\u{feff}", "a\rb\r", "", "\r", "\n"] {
            assert_eq!(&*clean(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(&*clean(b"\xef\xbb\xbf"), b"");
    }

    #[test]
    fn files_are_read_and_utf_16_is_named() {
        let folder = std::env::temp_dir().join(format!("config-text-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("f");
        for (bytes, text) in [(&b"\xef\xbb\xbfa\r\n"[..], "a\n"), (b"\xff", "\u{fffd}"), (b"", "")] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(read_lossy(&path).unwrap(), text);
        }
        fs::write(&path, b"\xff\xfea\0").unwrap();
        assert_eq!(read(&path).unwrap_err().to_string(), "the file is UTF-16; save it as UTF-8");
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
