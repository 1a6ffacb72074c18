//! Tests that need a whole process: detaching from the terminal, dropping root, signals, an unread stderr.
//!
//! The program starts itself in several roles, so it has no test harness.
#![forbid(unsafe_code)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::confine::{self, Access, Outcome};
use runtime::daemonize::Side;
use runtime::events::{self, Event, Stop};
use runtime::log::{self, Identity, Settings};
use runtime::pid::PidFile;
use runtime::threads::Threads;
use runtime::{daemonize, files, privileges, signals};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match arguments.as_slice() {
        ["role", "daemon", pid_file] => return daemon(Path::new(pid_file), true),
        ["role", "foreground", pid_file] => return daemon(Path::new(pid_file), false),
        ["role", "nobody"] => return nobody(),
        ["role", "talk"] => return talk(),
        ["role", "panic"] => return panicking(),
        ["role", "confined", folder] => return confined(Path::new(folder)),
        // `cargo test -- --list` and filters of other tests.
        [first, ..] if *first == "--list" => return ExitCode::SUCCESS,
        _ => {}
    }
    a_daemon_leaves_the_terminal_and_ends_at_sigterm();
    an_idle_daemon_ends_at_once_and_a_second_signal_forces_it();
    root_privileges_are_dropped_for_good();
    an_unread_stderr_does_not_block_the_process();
    a_panic_is_a_line_and_a_failure();
    a_confined_process_has_no_other_access();
    ExitCode::SUCCESS
}

// The roles.

/// The life of a daemon.
fn daemon(pid_file: &Path, background: bool) -> ExitCode {
    log::init();
    if background {
        match daemonize::daemonize().expect("it can be started again") {
            Side::Parent(status) => return ExitCode::from(status),
            Side::Child => {}
        }
    }
    let (sender, mut events) = events::channel(Some(Duration::from_millis(20)));
    let stop = Stop::new();
    let threads = Threads::new(sender.clone(), stop.clone());
    let listener = signals::start(sender, stop.clone()).expect("signals");
    let guard = PidFile::write(pid_file, &files::Settings::default()).expect("pid file");
    let worker = stop.clone();
    // Ends in good order in the background, and in the foreground only by force.
    let is_done = move || background && worker.is_requested();
    let pause = stop.clone();
    let body = move || while !is_done() && !pause.pause_until_forced(Duration::from_millis(5)) {};
    threads.spawn("worker", Identity::new("default", "core"), body).expect("thread");
    daemonize::ready().expect("/dev/null");
    while !matches!(events.wait(), Event::Signal(signal) if signal.is_stop()) {}
    runtime::notice!("ending");
    stop.request();
    let left = threads.join_all(Duration::from_secs(60));
    drop((listener, guard));
    if stop.is_forced() || !left.is_empty() { ExitCode::from(3) } else { ExitCode::SUCCESS }
}

fn nobody() -> ExitCode {
    // Threads that are already running change too.
    let (go, wait) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        wait.recv().expect("a signal to continue");
        nix::unistd::getuid().as_raw()
    });
    privileges::drop_to(Some("nobody"), None).expect("root may");
    go.send(()).expect("it waits");
    let other = other.join().expect("it returns");
    let ours = nix::unistd::getuid().as_raw();
    let groups = nix::unistd::getgroups().expect("groups").len();
    println!("{ours} {other} {} {groups}", nix::unistd::getgid());
    ExitCode::SUCCESS
}

fn talk() -> ExitCode {
    log::init();
    for number in 0..20_000 {
        tracing::info!(number, "a line that nobody reads");
    }
    log::configure(Settings { stderr_time: true, ..Settings::default() });
    tracing::info!(long = "x".repeat(20_000), "and a long one");
    ExitCode::SUCCESS
}

fn panicking() -> ExitCode {
    log::init();
    let (sender, mut events) = events::channel(None);
    let threads = Threads::new(sender, Stop::new());
    threads.spawn("sql[db]", Identity::new("db", "sqlite3"), || panic!("out of luck")).expect("thread");
    assert!(matches!(events.wait(), Event::ThreadEnded { name, .. } if name == "sql[db]"));
    assert!(threads.join_all(Duration::from_secs(60)).is_empty());
    if threads.has_panicked() { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

/// Confined to one folder.
fn confined(folder: &Path) -> ExitCode {
    log::init();
    let access = Access { written: vec![folder.join("in/file")], ..Access::default() };
    let outcome = confine::confine(&access, &files::Settings::default()).expect("one thread runs");
    if outcome == Outcome::Absent {
        println!("skipped: this kernel has no Landlock");
        return ExitCode::SUCCESS;
    }
    let inside = folder.join("in/deeper/file");
    drop(files::append(&inside, &files::Settings::default()).expect("inside"));
    std::fs::rename(&inside, inside.with_extension("1")).expect("inside");
    std::fs::read_to_string("/etc/passwd").expect("the system's own");
    // Files inside may be renamed, and threads are confined as well.
    let outside = folder.join("out");
    let tried = move || {
        let denied = |error: std::io::Error| assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        denied(std::fs::read_to_string(&outside).expect_err("read"));
        denied(files::append(&outside, &files::Settings::default()).expect_err("appended to"));
        denied(std::fs::remove_file(&outside).expect_err("removed"));
        denied(std::fs::rename(&outside, inside.with_extension("2")).expect_err("moved"));
        denied(files::append(&outside.with_extension("new"), &files::Settings::default()).expect_err("made"));
        denied(std::os::unix::fs::symlink("x", outside.with_extension("link")).expect_err("linked"));
        denied(Command::new("/bin/true").status().expect_err("run"));
    };
    std::thread::spawn(tried).join().expect("all are denied");
    println!("confined");
    ExitCode::SUCCESS
}

// The tests.

fn role(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.arg("role").args(arguments).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn ended(child: &mut Child) -> Option<i32> {
    eventually("the process ends", || child.try_wait().expect("a child")).code()
}

fn pid_in(path: &Path) -> Option<Pid> {
    let number = std::fs::read_to_string(path).ok()?;
    number.strip_suffix('\n')?.parse().ok().map(Pid::from_raw)
}

fn a_daemon_leaves_the_terminal_and_ends_at_sigterm() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("pid");
    let mut parent =
        role(&["daemon", path.to_str().expect("plain")]).stdout(Stdio::piped()).spawn().expect("role");
    assert_eq!(ended(&mut parent), Some(0));
    let pid = eventually("a pid file", || pid_in(&path));
    assert_ne!(pid.as_raw().unsigned_abs(), parent.id());
    assert_ne!(nix::unistd::getsid(Some(pid)), nix::unistd::getsid(None), "a session of its own");
    // The other end of stdout is closed: the daemon has no inherited file open.
    let mut text = String::new();
    parent.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
    assert_eq!(text, "");
    for stream in 0..3 {
        let stream = std::fs::read_link(format!("/proc/{pid}/fd/{stream}")).expect("a stream");
        assert_eq!(stream, Path::new("/dev/null"));
    }
    let folder_of = |pid| std::fs::read_link(format!("/proc/{pid}/cwd")).expect("a directory");
    assert_eq!(folder_of(pid), folder_of(nix::unistd::getpid()), "relative paths still lead to the same files");
    kill(pid, Signal::SIGTERM).expect("it runs");
    eventually("the pid file is removed", || (!path.exists()).then_some(()));
}

fn an_idle_daemon_ends_at_once_and_a_second_signal_forces_it() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("pid");
    let mut child =
        role(&["foreground", path.to_str().expect("plain")]).stderr(Stdio::piped()).spawn().expect("role");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let pid = eventually("a pid file", || pid_in(&path));
    kill(pid, Signal::SIGHUP).expect("it runs");
    kill(pid, Signal::SIGINT).expect("it runs");
    let mut line = String::new();
    stderr.read_line(&mut line).expect("a line");
    assert_eq!(line, "NOTICE ( default/core ): ending\n");
    assert_eq!(child.try_wait().expect("a child"), None, "its worker does not end when asked");
    kill(pid, Signal::SIGINT).expect("it runs");
    assert_eq!(ended(&mut child), Some(3));
    assert!(!path.exists());
}

fn root_privileges_are_dropped_for_good() {
    if !privileges::is_root() {
        println!("not root: cannot try to drop privileges");
        return;
    }
    let output = role(&["nobody"]).output().expect("role");
    let uid = privileges::uid("nobody").expect("nobody");
    let gid = nix::unistd::User::from_name("nobody").expect("users").expect("nobody").gid;
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{uid} {uid} {gid} 1\n"));
}

fn an_unread_stderr_does_not_block_the_process() {
    let mut child = role(&["talk"]).stderr(Stdio::piped()).spawn().expect("role");
    assert_eq!(ended(&mut child), Some(0));
    let mut text = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut text).expect("text");
    assert!(text.starts_with("INFO ( default/core ): a line that nobody reads number=0\n"));
    // Closed at once, there is no reader: no SIGPIPE, no panic.
    let mut child = role(&["talk"]).stderr(Stdio::piped()).spawn().expect("role");
    drop(child.stderr.take());
    assert_eq!(ended(&mut child), Some(0));
}

fn a_panic_is_a_line_and_a_failure() {
    let output = role(&["panic"]).output().expect("role");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.starts_with("ERROR ( db/sqlite3 ): thread ended by a panic: out of luck thread=sql[db] location="),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}

fn a_confined_process_has_no_other_access() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("out"), "secret").expect("a file");
    let output = role(&["confined", folder.path().to_str().expect("a name in UTF-8")]).output().expect("role");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("confined") || text.contains("skipped"), "{text}");
    assert_eq!(std::fs::read_to_string(folder.path().join("out")).expect("it is still there"), "secret");
}
