//! Leaving the terminal.

use nix::unistd::{ForkResult, Pid};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

/// What the child says when it is ready. Whatever else it says is why it is not.
const READY: &[u8] = b"\0ready";
/// Bytes of a reason that are read.
const LONGEST: u64 = 64 * 1024;

/// The process that was started: it waits, in the foreground, until this one is ready, and ends with status 0 then. When this is
/// dropped before that, or this process ends, it ends with status 1.
#[derive(Debug)]
pub struct Parent(File);

impl Parent {
    /// All that can fail at the start has not failed.
    pub fn ready(mut self) {
        let _ = self.0.write_all(READY);
    }

    /// The start has failed.
    pub fn failed(mut self, why: &str) {
        let _ = self.0.write_all(why.as_bytes());
    }
}

/// What [`daemonize`] returns, and to whom.
#[derive(Debug)]
pub enum Side {
    /// To the process in the background.
    Child(Parent),
    /// To the one in the foreground, when the other one is ready or has failed: its exit status. What kept the other one from
    /// starting was printed.
    Parent(ExitCode),
}

/// Goes on in the background: the child, in a session of its own, has its standard streams on /dev/null. The working directory
/// stays, because paths in the configuration may be relative to it. `name` begins the line that says why the start failed.
///
/// # Errors
/// When another thread runs already (it would not exist in the child), or the kernel refuses.
pub fn daemonize(name: &str) -> io::Result<Side> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(io::Error::other(format!("{threads} threads run already; only one would go on")));
    }
    let (from_child, to_parent) = io::pipe()?;
    #[expect(unsafe_code, reason = "there is no other way to have two processes")]
    // SAFETY: only one thread runs, so that the child has all that this process has, and no lock that another thread held.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => {
            drop(to_parent);
            Ok(Side::Parent(wait(name, child, File::from(OwnedFd::from(from_child)))))
        }
        ForkResult::Child => {
            drop(from_child);
            nix::unistd::setsid()?;
            let null = File::options().read(true).write(true).open("/dev/null")?;
            rustix::stdio::dup2_stdin(null.as_fd())?;
            rustix::stdio::dup2_stdout(null.as_fd())?;
            rustix::stdio::dup2_stderr(null.as_fd())?;
            Ok(Side::Child(Parent(File::from(OwnedFd::from(to_parent)))))
        }
    }
}

/// Waits until the child says that it is ready, or that it is not, or ends.
fn wait(name: &str, child: Pid, from_child: File) -> ExitCode {
    let mut said = Vec::new();
    let _ = from_child.take(LONGEST).read_to_end(&mut said);
    if said == READY {
        return ExitCode::SUCCESS;
    }
    let why = match said.is_empty() {
        false => String::from_utf8_lossy(&said).into_owned(),
        true => format!("process {child} has ended before it was ready; its log may say why"),
    };
    eprintln!("ERROR ( {name} ): {why}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_with_threads_is_not_daemonized() {
        let (release, held) = crossbeam_channel::bounded::<()>(0);
        let other = std::thread::spawn(move || assert!(held.recv().is_err()));
        assert!(super::daemonize("t").unwrap_err().to_string().contains("threads run already"));
        drop(release);
        other.join().unwrap();
    }
}
