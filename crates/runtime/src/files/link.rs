//! Symbolic links to the newest file.

use super::place::{LastLink, Place};
use super::{Settings, beside, complain};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Makes `link` lead to `target`, in one step: there is no moment without a link. What was there is replaced.
///
/// # Errors
/// When the link or a directory above it cannot be made, or a directory has its name.
pub fn swap_link(link: &Path, target: &Path, settings: &Settings) -> io::Result<()> {
    swap(&place_of(link, settings)?, target, settings)
}

/// As [`swap_link`], but only forward: when `link` leads already to a target that sorts after this one, or to this one,
/// nothing is done. Targets are compared as octets, so names by time sort by time. True when the link was moved.
///
/// # Errors
/// As [`swap_link`].
pub fn advance_link(link: &Path, target: &Path, settings: &Settings) -> io::Result<bool> {
    let place = place_of(link, settings)?;
    let is_newer = match place.read_link() {
        Ok(old) => target.as_os_str().as_bytes() > old.as_os_str().as_bytes(),
        Err(_) => true,
    };
    if is_newer {
        swap(&place, target, settings)?;
    }
    Ok(is_newer)
}

fn place_of(link: &Path, settings: &Settings) -> io::Result<Place> {
    Place::find(link, settings, LastLink::Kept, Some(complain))
}

fn swap(place: &Place, target: &Path, settings: &Settings) -> io::Result<()> {
    let part = beside(place.name());
    place.link_beside(&part, target, settings)?;
    place.replace_by(&part).inspect_err(|_| {
        let _ = place.remove(&part);
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
