//! Pid files: a number and a newline, for as long as the process lives.

use crate::files::{Aside, Settings};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A pid file; removed when this is dropped, unless another process has replaced it.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    content: String,
}

impl PidFile {
    /// Writes this process's number; directories are made, a file that is there is replaced. To be called after
    /// [`daemonize`](crate::daemonize::daemonize), which changes the number.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(path: &Path, settings: &Settings) -> io::Result<Self> {
        let content = format!("{}\n", std::process::id());
        let mut file = Aside::create(path, settings)?;
        file.write_all(content.as_bytes())?;
        file.commit()?;
        // Absolute, so that it is found again whatever the working directory is by then.
        Ok(Self { path: std::path::absolute(path)?, content })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let is_ours = fs::read_to_string(&self.path).is_ok_and(|content| content == self.content);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "pid file cannot be removed: {}", self.path.display());
        }
    }
}

/// The pid file of a plugin: `PATH-TYPE-NAME` by the core's path.
#[must_use]
pub fn of_plugin(core: &Path, kind: &str, name: &str) -> PathBuf {
    let mut path = core.as_os_str().to_owned();
    path.push(format!("-{kind}-{name}"));
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_pid_file_lives_as_long_as_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/nfacctd.pid");
        let settings = Settings { umask: Some(crate::privileges::Umask::DEFAULT), ..Settings::default() };
        let guard = PidFile::write(&path, &settings).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(guard);
        assert!(!path.exists());
    }

    #[test]
    fn an_old_one_is_replaced_and_another_process_keeps_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        fs::write(&path, "1\n").unwrap();
        let guard = PidFile::write(&path, &Settings::default()).unwrap();
        assert_ne!(fs::read_to_string(&path).unwrap(), "1\n");
        fs::write(&path, "1\n").unwrap();
        drop(guard);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
    }

    #[test]
    fn a_plugin_has_its_own_beside_the_core() {
        assert_eq!(of_plugin(Path::new("/run/pid"), "memory", "m"), Path::new("/run/pid-memory-m"));
    }
}
