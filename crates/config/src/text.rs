//! Files of the operator: the configuration, maps, lists, options of brokers, statements, databases of places.
//!
//! All of them are read here, so that a byte order mark, line ends of either kind and a last line without an end mean
//! the same in each, and so that none of them can hold the daemon up: only regular files are read, up to a bound.

use rustix::fs::{FileType, Mode, OFlags};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Most bytes of a text file.
pub const MOST_TEXT: u64 = 256 << 20;

/// Reads a regular file as it is, up to `most` bytes.
///
/// Opening does not wait, as it would at a named pipe without a writer.
///
/// # Errors
/// Those of reading it; `InvalidInput` for what is no regular file, `FileTooLarge` for one that is longer.
pub fn read_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let stat = rustix::fs::fstat(&file)?;
    if let Some(other) = other_than_regular(FileType::from_raw_mode(stat.st_mode)) {
        let what = format!("path is not a regular file, but {other}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let too_large = || {
        let what = format!("the file is longer than {} MiB, which is the most that is read", most >> 20);
        io::Error::new(io::ErrorKind::FileTooLarge, what)
    };
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    if length > most {
        return Err(too_large());
    }
    // Files of /proc have no length, and a file may grow while it is read.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

fn other_than_regular(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        _ => Some("something else"),
    }
}

/// Reads a file: without a byte order mark, and with `\n` as its only line end.
///
/// # Errors
/// As [`read_bytes`], with [`MOST_TEXT`]; also `InvalidData` for a file that is UTF-16, which editors save under the name "Unicode".
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = read_bytes(path, MOST_TEXT)?;
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
    use std::fs;

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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for (bytes, text) in [(&b"\xef\xbb\xbfa\r\n"[..], "a\n"), (b"\xff", "\u{fffd}"), (b"", "")] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(read_lossy(&path).unwrap(), text);
        }
        fs::write(&path, b"\xff\xfea\0").unwrap();
        assert_eq!(read(&path).unwrap_err().to_string(), "the file is UTF-16; save it as UTF-8");
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| read(path).unwrap_err().to_string();
        assert_eq!(refused(folder.path()), "path is not a regular file, but a directory");
        // Nobody writes to it, so that opening it would wait.
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(refused(&pipe), "path is not a regular file, but a named pipe");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        assert_eq!(refused(&link), "path is not a regular file, but a device");
        // Without a length, but a regular file.
        assert!(read_lossy(Path::new("/proc/self/status")).unwrap().contains("Pid:"));
    }

    #[test]
    fn longer_files_than_allowed_are_refused_before_they_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"abc").unwrap();
        assert_eq!(read_bytes(file.path(), 3).unwrap(), b"abc");
        assert_eq!(read_bytes(file.path(), 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        file.as_file().set_len(MOST_TEXT + 1).unwrap();
        let refused = read(file.path()).unwrap_err().to_string();
        assert!(refused.starts_with("the file is longer than 256 MiB"), "{refused}");
        assert_eq!(read_bytes(Path::new("/proc/self/status"), 1).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
