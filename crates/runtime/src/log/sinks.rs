//! Outputs for log lines: a file, syslog, or stderr.
//!
//! Nothing here blocks: stderr and a named pipe as log file are written only when they have room, and syslog's socket is
//! non-blocking. A line that a sink cannot take is counted, and goes to stderr when no other
//! sink has it; one that syslog is too busy for is only counted, and the count is logged when syslog has room again.

use super::Settings;
use super::line::Severity;
use super::syslog::Syslog;
use crate::files;
use jiff::Zoned;
use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Bytes that a pipe takes without blocking once it has room (POSIX: at least 512 bytes; Linux: a page).
const CHUNK: usize = 4096;

pub(super) struct Sinks {
    settings: Option<Settings>,
    zone: Option<TimeZone>,
    file: Option<LogFile>,
    syslog: Option<Syslog>,
    /// Lines that syslog did not take.
    unsent: u64,
    syslog_path: Option<PathBuf>,
    /// What was last written to stderr; kept for its memory.
    buffer: String,
}

struct LogFile {
    path: PathBuf,
    file: Option<File>,
    /// What was last written; kept for its memory.
    buffer: String,
    /// Lines that are not in the file.
    missing: u64,
}

impl Sinks {
    /// The sinks before the configuration is known.
    pub(super) const fn stderr() -> Self {
        Self {
            settings: None,
            zone: None,
            file: None,
            syslog: None,
            unsent: 0,
            syslog_path: None,
            buffer: String::new(),
        }
    }

    pub(super) fn quiet(&self) -> &'static [&'static str] {
        self.settings.as_ref().map_or(&[], |settings| settings.quiet)
    }

    pub(super) fn configure(&mut self, settings: Settings) {
        self.settings = Some(settings);
        self.reopen();
    }

    #[cfg(test)]
    pub(super) fn set_syslog_path(&mut self, path: PathBuf) {
        self.syslog_path = Some(path);
    }

    pub(super) fn reopen(&mut self) {
        let Some(settings) = &self.settings else {
            return;
        };
        self.zone = Some(if settings.utc { TimeZone::UTC } else { TimeZone::system() });
        let syslog = self.syslog_path.as_deref().unwrap_or(Path::new("/dev/log"));
        self.syslog = settings.syslog.map(|facility| Syslog::new(facility, &settings.ident, syslog));
        let old = self.file.take();
        let missing = old.as_ref().map_or(0, |file| file.missing);
        let mut problem = None;
        if let Some(path) = &settings.file {
            let file = match files::append_without_waiting(path, &settings.files) {
                Ok(file) => Some(file),
                Err(error) => {
                    // The process may no longer have the right to open it, but still has it open.
                    let old = old.filter(|old| old.path == *path).and_then(|old| old.file);
                    let end = if old.is_some() { "; lines still go to the file that is open" } else { "" };
                    problem = Some(format!("log file cannot be opened: {}: {error}{end}", path.display()));
                    old
                }
            };
            self.file = Some(LogFile { path: path.clone(), file, buffer: String::new(), missing });
        }
        if let Some(problem) = problem {
            self.report(&problem);
            let time = self.time();
            if let Some(file) = self.file.as_mut().filter(|file| file.file.is_some()) {
                let _ = file.write(&time, &format!("WARN ( {} ): {problem}", super::current()));
            }
        }
    }

    /// Writes one line to all sinks that should have it.
    pub(super) fn write(&mut self, severity: Severity, text: &str) {
        let time = self.time();
        // By a sink, or at least counted by one that is reachable.
        let mut written = false;
        if let Some(syslog) = &mut self.syslog {
            match syslog.send(severity, &time, text) {
                Ok(()) => {
                    written = true;
                    let unsent = std::mem::take(&mut self.unsent);
                    if unsent > 0 {
                        let text =
                            format!("WARN ( {} ): {unsent} log lines did not reach syslog", super::current());
                        let sent = syslog.send(Severity::Warn, &time, &text);
                        self.unsent = if sent.is_err() { unsent } else { 0 };
                    }
                }
                Err(error) => {
                    self.unsent = self.unsent.saturating_add(1);
                    written = error.kind() == ErrorKind::WouldBlock;
                }
            }
        }
        if let Some(file) = &mut self.file {
            match file.write(&time, text) {
                Ok(()) => written = true,
                Err(Some(error)) => self.report(&error),
                Err(None) => {}
            }
        }
        if !written {
            self.stderr_line(&time, text);
        }
    }

    /// Writes a line about a sink to stderr, as the sink cannot be relied on.
    fn report(&mut self, problem: &str) {
        let time = self.time();
        self.stderr_line(&time, &format!("WARN ( {} ): {problem}", super::current()));
    }

    fn time(&self) -> Zoned {
        let micros = i64::try_from(crate::clock::now()).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        time.to_zoned(self.zone.clone().unwrap_or(TimeZone::UTC))
    }

    fn stderr_line(&mut self, time: &Zoned, text: &str) {
        let with_time = self.settings.as_ref().is_some_and(|settings| settings.stderr_time);
        self.buffer.clear();
        // Writing to a string cannot fail.
        let _ = match with_time {
            true => writeln!(self.buffer, "{} {text}", timestamp(time)),
            false => writeln!(self.buffer, "{text}"),
        };
        let stderr = rustix::stdio::stderr();
        let mut left = self.buffer.as_bytes();
        while !left.is_empty() {
            let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let has_room = poll(&mut ready, Some(&now)).is_ok_and(|count| count > 0);
            if !has_room {
                return;
            }
            let (chunk, _) = left.split_at(left.len().min(CHUNK));
            match rustix::io::write(stderr, chunk) {
                Ok(written) if written > 0 => left = left.get(written..).unwrap_or_default(),
                _ => return,
            }
        }
    }
}

impl LogFile {
    /// Appends a line. The error has a text only at the first of several failures.
    fn write(&mut self, time: &Zoned, text: &str) -> Result<(), Option<String>> {
        let Some(file) = &mut self.file else {
            self.missing = self.missing.saturating_add(1);
            return Err(None);
        };
        self.buffer.clear();
        if self.missing > 0 {
            let (time, who, missing) = (timestamp(time), super::current(), self.missing);
            // Writing to a string cannot fail.
            let _ = writeln!(self.buffer, "{time} WARN ( {who} ): {missing} log lines are missing here");
        }
        let _ = writeln!(self.buffer, "{} {text}", timestamp(time));
        match file.write_all(self.buffer.as_bytes()) {
            Ok(()) => {
                self.missing = 0;
                Ok(())
            }
            Err(error) => {
                self.missing = self.missing.saturating_add(1);
                let first = self.missing == 1;
                Err(first.then(|| format!("log file cannot be written: {}: {error}", self.path.display())))
            }
        }
    }
}

fn timestamp(time: &Zoned) -> impl fmt::Display {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z")
}
