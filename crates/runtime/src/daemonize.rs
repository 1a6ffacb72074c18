//! Leaving the terminal.

use std::io;

/// Goes on in the background: the parent ends with status 0 at once, and the child, in a session of its own, returns
/// from here with its standard streams on /dev/null. The working directory stays, because paths in the
/// configuration may be relative to it.
///
/// # Errors
/// When another thread runs already (it would not exist in the child), or the kernel refuses.
pub fn daemonize() -> io::Result<()> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(io::Error::other(format!("{threads} threads run already; only one would go on")));
    }
    nix::unistd::daemon(true, false).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_with_threads_is_not_daemonized() {
        let (release, held) = crossbeam_channel::bounded::<()>(0);
        let other = std::thread::spawn(move || assert!(held.recv().is_err()));
        assert!(super::daemonize().unwrap_err().to_string().contains("threads run already"));
        drop(release);
        other.join().unwrap();
    }
}
