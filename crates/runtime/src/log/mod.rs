//! Log lines: events of `tracing` in the suite's line shape.
//!
//! `tracing-subscriber` carries them: its registry, [`Threshold`] as the layer that filters, and its formatting layer with our
//! [`LineFormat`] and an output that is a file, syslog or stderr.
//!
//! A line is `LEVEL ( NAME/TYPE ): text key=value …`. NAME and TYPE identify the part of the daemon: they come from the
//! thread ([`enter`]) or, for one line, from the field `who`. [`ok!`](crate::ok) and [`notice!`](crate::notice) write lines of
//! two levels that `tracing` does not have.
//!
//! ```
//! use tracing::{info, warn};
//! warn!(exporter = "192.0.2.1", template = 256, "template withdrawn");
//! // WARN ( default/core ): template withdrawn exporter=192.0.2.1 template=256
//! info!(who = "p/print", "JSON: setting object handlers.");
//! // INFO ( p/print ): JSON: setting object handlers.
//! warn!(who = "", "[c.conf:2] Unknown key: foo. Ignored.");
//! // WARN: [c.conf:2] Unknown key: foo. Ignored.
//! runtime::ok!("waiting for data on: '{}'", "/tmp/collect.pipe");
//! // OK ( default/core ): waiting for data on: '/tmp/collect.pipe'
//! ```
//!
//! Lines go to stderr until [`configure`] says more. A sink that fails costs lines, which are counted, and never stops or
//! blocks the daemon: what cannot be written at once is dropped.

mod identity;
mod limited;
mod line;
mod secrets;
mod sinks;
mod syslog;

pub use identity::{Identity, current, enter, set_default};
pub use limited::{Limited, Pass, Summed};
pub use syslog::Facility;

use crate::files;
use line::{LineFormat, Severity};
use sinks::Sinks;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// A line of level NOTICE; arguments as for `tracing::info!`.
#[macro_export]
macro_rules! notice {
    ($($arg:tt)+) => { $crate::__tracing::info!(name: "NOTICE", $($arg)+) };
}

/// A line of level OK; arguments as for `tracing::info!`.
#[macro_export]
macro_rules! ok {
    ($($arg:tt)+) => { $crate::__tracing::info!(name: "OK", $($arg)+) };
}

/// Which lines are logged, and where.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Shows lines of level DEBUG, of all parts of the daemon. [`Identity::debug`] does it for one.
    pub debug: bool,
    /// Puts the time in front of lines on stderr.
    pub stderr_time: bool,
    /// Times are UTC, else local.
    pub utc: bool,
    /// Lines are appended to this file, with the time in front.
    pub file: Option<PathBuf>,
    /// Lines are sent to syslog. With a file or syslog, stderr gets only lines that these two cannot take.
    pub syslog: Option<Facility>,
    /// The program's name, for syslog's tag.
    pub ident: String,
    /// Owner and mode of the log file.
    pub files: files::Settings,
    /// Crates whose lines are not shown: verbose libraries. Their errors are also returned as values.
    pub quiet: &'static [&'static str],
}

static SINKS: Mutex<Sinks> = Mutex::new(Sinks::stderr());
/// Lines of level DEBUG are shown for all parts.
static DEBUG: AtomicBool = AtomicBool::new(false);
/// Some part of the daemon shows lines of level DEBUG.
static ANY_DEBUG: AtomicBool = AtomicBool::new(false);

/// Installs the log as the process's subscriber of `tracing`; first thing in `main`. A second call changes nothing.
pub fn init() {
    let lines = tracing_subscriber::fmt::layer()
        .event_format(LineFormat)
        .with_writer(Output)
        // Its own errors would go to stderr, and block there.
        .log_internal_errors(false);
    let _ = tracing::subscriber::set_global_default(Registry::default().with(lines).with(Threshold));
}

/// Sets where lines go from now on. An output that cannot be opened is reported on stderr, and retried by [`reopen`].
pub fn configure(settings: Settings) {
    DEBUG.store(settings.debug, Ordering::Relaxed);
    if settings.debug {
        ANY_DEBUG.store(true, Ordering::Relaxed);
    }
    with_sinks(|sinks| sinks.configure(settings));
    tracing::callsite::rebuild_interest_cache();
}

/// Reopens the log file and the connection to syslog, as after a rotation.
pub fn reopen() {
    with_sinks(Sinks::reopen);
}

/// Some part of the daemon logs DEBUG: from now on the setting of each thread is checked.
fn expect_debug() {
    if !ANY_DEBUG.swap(true, Ordering::Relaxed) {
        tracing::callsite::rebuild_interest_cache();
    }
}

fn with_sinks(act: impl FnOnce(&mut Sinks)) {
    act(&mut SINKS.lock().unwrap_or_else(PoisonError::into_inner));
}

/// The layer that selects the events to log: not those of quiet libraries, DEBUG only where enabled, and no spans.
struct Threshold;

impl Threshold {
    fn is_quiet(metadata: &Metadata<'_>) -> bool {
        let from = metadata.target().split("::").next().unwrap_or_default();
        SINKS.lock().unwrap_or_else(PoisonError::into_inner).quiet().contains(&from)
    }
}

impl<S: Subscriber> Layer<S> for Threshold {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let level = *metadata.level();
        if !metadata.is_event() || level > Level::DEBUG || Self::is_quiet(metadata) {
            Interest::never()
        } else if level <= Level::INFO {
            Interest::always()
        } else if ANY_DEBUG.load(Ordering::Relaxed) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let level = *metadata.level();
        metadata.is_event()
            && (level <= Level::INFO
                || level <= Level::DEBUG && (DEBUG.load(Ordering::Relaxed) || identity::debugs()))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let debug = ANY_DEBUG.load(Ordering::Relaxed);
        Some(if debug { LevelFilter::DEBUG } else { LevelFilter::INFO })
    }
}

/// Gives each line to the sinks.
struct Output;

struct OneLine(Severity);

impl MakeWriter<'_> for Output {
    type Writer = OneLine;

    fn make_writer(&self) -> OneLine {
        OneLine(Severity::Info)
    }

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> OneLine {
        OneLine(Severity::of(metadata))
    }
}

impl io::Write for OneLine {
    /// Takes a whole line. It never fails: the sinks count what they cannot take.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        with_sinks(|sinks| sinks.write(self.0, &String::from_utf8_lossy(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    // One test for all that is global: the settings belong to the process, and tests of one program share it.
    #[test]
    fn lines_go_where_the_settings_say_and_follow_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/log");
        init();
        let settings = Settings {
            file: Some(path.clone()),
            utc: true,
            ident: "nfacctd".to_owned(),
            quiet: &["noisy"],
            ..Settings::default()
        };
        configure(settings.clone());
        let read = |path| -> Vec<String> {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().filter(|line| line.contains("this-test")).map(str::to_owned).collect()
        };

        tracing::info!(count = 2, "this-test one");
        tracing::debug!("this-test hidden");
        tracing::info!(target: "noisy::inner", "this-test noise");
        tracing::warn!(target: "calm::inner", "this-test trouble");
        let lines = read(&path);
        assert_eq!(lines.len(), 2, "{lines:?}");
        let (time, text) = lines[0].split_once(' ').unwrap();
        assert!(time.len() == 25 && time.ends_with("+00:00") && time.as_bytes()[10] == b'T', "{time}");
        assert_eq!(text, "INFO ( default/core ): this-test one count=2");
        assert!(lines[1].ends_with("WARN ( default/core ): this-test trouble"));

        let rotated = folder.path().join("log.1");
        std::fs::rename(&path, &rotated).unwrap();
        tracing::info!("this-test before");
        reopen();
        tracing::info!("this-test after");
        assert_eq!(read(&rotated).len(), 3);
        assert_eq!(read(&path).len(), 1);

        // A file that can no longer be opened is written to while it is open.
        std::fs::rename(&path, folder.path().join("log.2")).unwrap();
        std::fs::create_dir(&path).unwrap();
        reopen();
        tracing::info!("this-test kept");
        let lines = std::fs::read_to_string(folder.path().join("log.2")).unwrap();
        let about = format!("log file cannot be opened: {}: ", path.display());
        assert!(lines.contains(&about) && lines.contains("lines still go to the file that is open"), "{lines}");
        assert!(lines.ends_with("this-test kept\n"), "{lines}");
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(folder.path().join("log.2"), &path).unwrap();
        reopen();
        assert_eq!(read(&path).len(), 2);

        // One part of the daemon shows DEBUG, the other does not.
        let debugging = |identity: Identity| {
            std::thread::spawn(move || {
                enter(identity);
                tracing::debug!("this-test debug");
            })
            .join()
            .unwrap();
        };
        debugging(Identity::new("p", "print").debug(true));
        debugging(Identity::new("q", "print"));
        let lines = read(&path);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].ends_with("DEBUG ( p/print ): this-test debug"));
        configure(Settings { debug: true, ..settings.clone() });
        debugging(Identity::new("q", "print"));
        assert_eq!(read(&path).len(), 4);

        // Syslog, and a log file that cannot be opened: neither keeps the other from its lines.
        let socket = folder.path().join("syslog");
        let server = UnixDatagram::bind(&socket).unwrap();
        server.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        with_sinks(|sinks| sinks.set_syslog_path(socket.clone()));
        configure(Settings {
            file: Some(folder.path().to_owned()),
            syslog: Facility::parse("local0"),
            ..settings.clone()
        });
        crate::notice!(peer = "a b", "this-test to syslog");
        let mut buffer = [0; 1024];
        let message = loop {
            let len = server.recv(&mut buffer).unwrap();
            let message = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if message.contains("this-test") {
                break message;
            }
        };
        // local0 is 16, notice is 5.
        assert!(message.starts_with("<133>"), "{message}");
        let tagged =
            format!(" nfacctd[{}]: NOTICE ( default/core ): this-test to syslog peer=\"a b\"", std::process::id());
        assert!(message.ends_with(&tagged), "{message}");

        // The syslog server is restarted: the next line reaches it.
        drop(server);
        std::fs::remove_file(&socket).unwrap();
        tracing::info!("this-test while nobody listens");
        let server = UnixDatagram::bind(&socket).unwrap();
        server.set_nonblocking(true).unwrap();
        tracing::info!("this-test again");
        let mut found = false;
        while let Ok(len) = server.recv(&mut buffer) {
            found |= buffer[..len].ends_with(b"this-test again");
        }
        assert!(found);

        // A server that does not read: lines are dropped, the daemon goes on.
        for _ in 0..10_000 {
            tracing::info!("this-test flood");
        }
        configure(Settings::default());
    }
}
