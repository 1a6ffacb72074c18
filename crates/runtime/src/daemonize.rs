//! Detaching from the terminal.
//!
//! The program starts itself again, in a session of its own. The first process waits until the second one is [`ready`], and then
//! exits with status 0; if the second one exits instead, with its status. So the caller knows whether the daemon runs, and
//! sees on the terminal why it does not.

use rustix::process::{getppid, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdout};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The variable that gives the second process the id of the first one. Children of the second one ignore it.
const STARTED_BY: &str = "PMACCT_STARTED_BY";

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first one. It has to exit with this status.
    Parent(u8),
    /// The second one, which stays.
    Child,
}

/// True in the second process, until it is ready: the first one has already printed the problems of the configuration.
#[must_use]
pub fn is_child() -> bool {
    let parent = std::env::var(STARTED_BY).ok().and_then(|pid| pid.parse().ok());
    parent.is_some() && parent == getppid().map(|pid| pid.as_raw_nonzero().get())
}

/// Continues in the background. The working directory stays, because paths in the configuration may be relative to it.
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
    let read = child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read(&mut word))?;
    if read > 0 {
        return Ok(Side::Parent(0));
    }
    let status = child.wait()?.code();
    Ok(Side::Parent(status.and_then(|status| u8::try_from(status).ok()).unwrap_or(1)))
}

/// The daemon is running: the first process exits, and the standard streams are redirected to `/dev/null`. Does nothing without
/// [`daemonize`].
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
    // Fails if the parent was killed in the meantime.
    let _ = parent.write_all(b"\n");
    Ok(())
}
