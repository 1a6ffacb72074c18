//! Pid files: a number and a newline, for as long as the process lives.

use crate::files::{Held, Settings, Taken};
use std::io;
use std::path::{Path, PathBuf};

/// A pid file, locked (`flock`) so that no second process takes it. It is removed when this is dropped; if the process no longer has
/// the right to, because it dropped privileges, the file is truncated.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    held: Held,
}

impl PidFile {
    /// Writes this process's id; directories are created, a file that no process holds is reused. To be called after
    /// [`daemonize`](crate::daemonize::daemonize), which changes the id.
    ///
    /// # Errors
    /// When the file cannot be written, or another process holds it.
    pub fn write(path: &Path, settings: &Settings) -> io::Result<Self> {
        let content = format!("{}\n", std::process::id());
        let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        match Held::take(path, &content, settings).map_err(about)? {
            Taken::Ours(held) => Ok(Self { path: path.to_owned(), held }),
            Taken::Others(content) => {
                Err(about(io::Error::new(io::ErrorKind::AddrInUse, format!("in use by {}", describe(&content)))))
            }
        }
    }
}

/// A process, with its name.
fn describe(content: &str) -> String {
    let Ok(pid) = content.trim().parse::<u32>() else {
        return "another process".to_owned();
    };
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim()),
        Err(_) => format!("process {pid}"),
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        match self.held.end() {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!("pid file is emptied, because this user may not remove it: {}", self.path.display())
            }
            Err(error) => tracing::warn!(%error, "pid file cannot be removed: {}", self.path.display()),
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
    use std::fs;
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
        fs::remove_file(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(guard);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
    }

    #[test]
    fn a_file_that_is_held_is_refused_and_its_holder_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let guard = PidFile::write(&path, &Settings::default()).unwrap();
        let error = PidFile::write(&path, &Settings::default()).unwrap_err().to_string();
        let own = format!("in use by process {} (", std::process::id());
        assert!(error.contains(&own) && error.contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(guard);
        drop(PidFile::write(&path, &Settings::default()).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn other_names_of_a_file_are_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("pid"), folder.path().join("victim"));
        fs::write(&victim, "a longer text").unwrap();
        fs::hard_link(&victim, &path).unwrap();
        let _guard = PidFile::write(&path, &Settings::default()).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "a longer text");
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_plugin_has_its_own_beside_the_core() {
        assert_eq!(of_plugin(Path::new("/run/pid"), "memory", "m"), Path::new("/run/pid-memory-m"));
    }
}
