//! Reads files of the operator: the configuration, maps, lists, broker options, SQL statements, GeoIP databases.
//!
//! All of them are read here, so that byte order marks, both kinds of line ends and a last line without an end are handled
//! in the same way, and so that no file can block the daemon: only regular files are read, up to a maximum size.

use rustix::fs::{FileType, Mode, OFlags};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Maximum size of a text file, in bytes.
pub const MAX_TEXT: u64 = 256 << 20;

/// Reads a regular file unchanged, up to `max` bytes.
///
/// # Errors
/// As [`open`]; `FileTooLarge` also if the file grows while it is read.
pub fn read_bytes(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let (file, length) = open(path, max)?;
    // Files of /proc have no length, and a file may grow while it is read.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max { Err(too_large(max)) } else { Ok(bytes) }
}

/// Opens a regular file of up to `max` bytes, and returns it with its length.
///
/// Opening does not block, as it would for a named pipe without a writer.
///
/// # Errors
/// I/O errors; `InvalidInput` if it is not a regular file, `FileTooLarge` if it is larger than `max`.
pub fn open(path: &Path, max: u64) -> io::Result<(File, u64)> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let stat = rustix::fs::fstat(&file)?;
    if let Some(other) = other_than_regular(FileType::from_raw_mode(stat.st_mode)) {
        let what = format!("path is not a regular file, but {other}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    if length > max { Err(too_large(max)) } else { Ok((file, length)) }
}

fn too_large(max: u64) -> io::Error {
    let what = format!("the file is larger than the maximum of {} MiB", max >> 20);
    io::Error::new(io::ErrorKind::FileTooLarge, what)
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

/// Reads a file, without a byte order mark and with `\n` as the only line end.
///
/// # Errors
/// As [`read_bytes`], with [`MAX_TEXT`]; also `InvalidData` for UTF-16, which some editors call "Unicode".
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = read_bytes(path, MAX_TEXT)?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is UTF-16; save it as UTF-8"));
    }
    Ok(match clean(&bytes) {
        Cow::Owned(clean) => clean,
        Cow::Borrowed(clean) if clean.len() < bytes.len() => clean.to_vec(),
        Cow::Borrowed(_) => bytes,
    })
}

/// As [`read`], but returns text: bytes that are not UTF-8 are replaced.
///
/// # Errors
/// As [`read`].
pub fn read_lossy(path: &Path) -> io::Result<String> {
    let bytes = read(path)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Removes a byte order mark at the start, and converts line ends to `\n`.
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
    fn removes_byte_order_marks_and_normalizes_line_ends() {
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
    fn reads_files_and_rejects_utf_16() {
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
    fn rejects_other_than_regular_files_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| read(path).unwrap_err().to_string();
        assert_eq!(error(folder.path()), "path is not a regular file, but a directory");
        // It has no writer, so that opening it could block.
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(error(&pipe), "path is not a regular file, but a named pipe");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        assert_eq!(error(&link), "path is not a regular file, but a device");
        // Without a length, but a regular file.
        assert!(read_lossy(Path::new("/proc/self/status")).unwrap().contains("Pid:"));
    }

    #[test]
    fn rejects_large_files_before_reading_them() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"abc").unwrap();
        assert_eq!(read_bytes(file.path(), 3).unwrap(), b"abc");
        assert_eq!(read_bytes(file.path(), 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        file.as_file().set_len(MAX_TEXT + 1).unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert!(error.starts_with("the file is larger than the maximum of 256 MiB"), "{error}");
        assert_eq!(read_bytes(Path::new("/proc/self/status"), 1).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
