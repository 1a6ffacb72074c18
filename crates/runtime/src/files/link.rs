//! Symbolic links to the newest file.

use super::location::{LastLink, Location};
use super::{Settings, beside, report_failure};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Points `link` to `target`, atomically. Whatever had the name is replaced.
///
/// # Errors
/// When the link or a directory above it cannot be created, or a directory has its name.
pub fn swap_link(link: &Path, target: &Path, settings: &Settings) -> io::Result<()> {
    swap(&place_of(link, settings)?, target, settings)
}

/// As [`swap_link`], but only forward: does nothing when `link` already points to this target, or to one that sorts after it.
/// Targets are compared as bytes, so names by time sort by time. Returns true when the link was changed.
///
/// # Errors
/// As [`swap_link`].
pub fn advance_link(link: &Path, target: &Path, settings: &Settings) -> io::Result<bool> {
    let location = place_of(link, settings)?;
    let is_newer = match location.read_link() {
        Ok(old) => target.as_os_str().as_bytes() > old.as_os_str().as_bytes(),
        Err(_) => true,
    };
    if is_newer {
        swap(&location, target, settings)?;
    }
    Ok(is_newer)
}

fn place_of(link: &Path, settings: &Settings) -> io::Result<Location> {
    Location::find(link, settings, LastLink::Kept, Some(report_failure))
}

fn swap(location: &Location, target: &Path, settings: &Settings) -> io::Result<()> {
    let part = beside(location.name());
    location.link_beside(&part, target, settings)?;
    location.replace_by(&part).inspect_err(|_| {
        let _ = location.remove(&part);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_link_moves_forward_only() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("dir/latest");
        let settings = Settings::default();
        let advance = |target: &str| advance_link(&link, Path::new(target), &settings).unwrap();
        assert!(advance("out-0900"));
        assert!(advance("out-1000"));
        assert!(!advance("out-1000"));
        assert!(!advance("out-0930"));
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("out-1000"));
        swap_link(&link, Path::new("any"), &settings).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("any"));
        assert_eq!(fs::read_dir(folder.path().join("dir")).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_in_its_place_is_an_error_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("latest");
        fs::create_dir(&link).unwrap();
        assert!(advance_link(&link, Path::new("x"), &Settings::default()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
