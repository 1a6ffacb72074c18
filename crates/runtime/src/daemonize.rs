//! Leaving the terminal.
//!
//! The program starts itself again, in a session of its own. The process that was started first waits until the second one
//! is [`ready`], and ends with status 0 then; when that ends instead, with its status. So whoever starts a daemon knows
//! whether it runs, and reads on the terminal why it does not.

use rustix::process::{getppid, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdout};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The variable that names, to the second process, the first one. To children of the second it means nothing.
const STARTED_BY: &str = "PMACCT_STARTED_BY";

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that was started. It has nothing to do but to end with that status.
    Parent(u8),
    /// The one that stays.
    Child,
}

/// True in the process that the first one has started, until it is ready: what is wrong with the configuration is on the
/// terminal already.
#[must_use]
pub fn is_child() -> bool {
    let parent = std::env::var(STARTED_BY).ok().and_then(|pid| pid.parse().ok());
    parent.is_some() && parent == getppid().map(|pid| pid.as_raw_nonzero().get())
}

/// Goes on in the background. The working directory stays, because paths in the configuration may be relative to it.
///
/// # Errors
/// When the program cannot be started again.
pub fn daemonize() -> io::Result<Side> {
    if is_child() {
        setsid()?;
        return Ok(Side::Child);
    }
    let mut arguments = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(STARTED_BY, std::process::id().to_string());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut word = [0];
    let said = child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read(&mut word))?;
    if said > 0 {
        return Ok(Side::Parent(0));
    }
    let status = child.wait()?.code();
    Ok(Side::Parent(status.and_then(|status| u8::try_from(status).ok()).unwrap_or(1)))
}

/// The daemon has begun its work: the process that started it ends, and the standard streams go to `/dev/null`. Without
/// [`daemonize`] nothing happens.
///
/// # Errors
/// When there is no `/dev/null`.
pub fn ready() -> io::Result<()> {
    if !is_child() {
        return Ok(());
    }
    let nowhere = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let mut stdout = io::stdout().lock();
    stdout.flush()?;
    let mut parent = File::from(stdout.as_fd().try_clone_to_owned()?);
    dup2_stdout(&nowhere)?;
    dup2_stderr(&nowhere)?;
    // A parent that was killed meanwhile reads no more.
    let _ = parent.write_all(b"\n");
    Ok(())
}
