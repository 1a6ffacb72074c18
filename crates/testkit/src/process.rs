//! A program of the suite, its configuration, and the folder it writes to.
//!
//! A [`Setup`] is made once and can be started repeatedly: a restarted daemon finds its files. A [`Process`]
//! is running; dropping it kills it, and prints its log if the test has failed. A [`Finished`] has exited.

use crate::conditions::{self, PATIENCE, eventually};
use crate::exporter::Exporter;
use crate::output;
use crate::sockets;
use crate::statistics::Statistics;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

pub use nix::sys::signal::Signal;

/// The folders of a setup, removed with its last owner.
#[derive(Debug)]
struct Folders {
    /// The working folder of the program.
    out: TempDir,
    /// Its configuration, standard output and standard error.
    own: TempDir,
}

/// A program with its configuration, arguments and folders.
#[derive(Clone, Debug)]
pub struct Setup {
    program: PathBuf,
    config: Option<String>,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    address: SocketAddr,
    folders: Arc<Folders>,
}

impl Setup {
    /// A program without configuration, with its own folder and UDP address.
    ///
    /// # Panics
    ///
    /// If no temporary folder can be created.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let folder = || TempDir::with_prefix("pmacct-").expect("temporary folders can be made");
        Self {
            program: program.into(),
            config: None,
            arguments: Vec::new(),
            environment: vec![("TZ".to_owned(), "UTC".to_owned())],
            address: sockets::own_address(),
            folders: Arc::new(Folders { out: folder(), own: folder() }),
        }
    }

    /// Sets the configuration file, which is passed as `-f FILE`. In it, and in arguments, `{dir}` stands
    /// for the folder, `{ip}` and `{port}` for the address. Indentation is ignored.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Appends lines to the configuration.
    #[must_use]
    pub fn more_config(mut self, text: &str) -> Self {
        let config = self.config.get_or_insert_default();
        config.push('\n');
        config.push_str(text);
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn arguments<S: AsRef<str>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments: Vec<OsString> = arguments.into_iter().map(|a| self.filled(a.as_ref()).into()).collect();
        self.arguments.extend(arguments);
        self
    }

    /// Sets an environment variable; TZ is UTC by default.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Listens on the IPv6 loopback address.
    #[must_use]
    pub fn on_ipv6(mut self) -> Self {
        self.address = sockets::free_port(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));
        self
    }

    /// Listens on that address.
    #[must_use]
    pub fn on(mut self, ip: IpAddr) -> Self {
        self.address = sockets::free_port(ip);
        self
    }

    /// Writes a file in the folder.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    #[must_use]
    pub fn file(self, name: &str, octets: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        self
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folders.out.path().join(name)
    }

    /// Names of the files in the folder, sorted.
    ///
    /// # Panics
    ///
    /// If the folder is gone.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folders.out.path()).expect("the folder is still there");
        let name =
            |entry: std::io::Result<fs::DirEntry>| Some(entry.ok()?.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort();
        names
    }

    /// The address to listen on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{dir}", &self.folders.out.path().to_string_lossy())
            .replace("{ip}", &self.address.ip().to_string())
            .replace("{port}", &self.address.port().to_string())
    }

    /// The path of the configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.folders.own.path().join("daemon.conf")
    }

    fn printed(&self, name: &str) -> PathBuf {
        self.folders.own.path().join(name)
    }

    /// Starts the program without waiting for anything.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn spawn(&self) -> Process {
        let mut command = Command::new(&self.program);
        if let Some(config) = &self.config {
            let lines: Vec<&str> = config.lines().map(str::trim_start).collect();
            let text = self.filled(&lines.join("\n")) + "\n";
            fs::write(self.config_path(), text).expect("the own folder can be written");
            command.arg("-f").arg(self.config_path());
        }
        command.args(&self.arguments).envs(self.environment.iter().cloned()).current_dir(self.folders.out.path());
        let file = |name: &str| File::create(self.printed(name)).expect("the own folder can be written");
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        Process { child, setup: self.clone(), ended: false }
    }

    /// Starts the program, and waits until it listens on its UDP address.
    ///
    /// # Panics
    ///
    /// If it exits instead.
    pub fn start(&self) -> Process {
        self.start_until("the UDP port", || !sockets::bound(self.address).is_empty())
    }

    fn start_until(&self, what: &str, is_ready: impl Fn() -> bool) -> Process {
        let mut process = self.spawn();
        eventually(what, || {
            let ended = process.child.try_wait().ok().flatten();
            assert!(
                ended.is_none(),
                "{} ended at its start ({ended:?}):\n{}",
                self.program.display(),
                process.log()
            );
            is_ready().then_some(())
        });
        process
    }

    /// Starts the program, and waits until it listens on its address over TCP.
    ///
    /// # Panics
    ///
    /// If it exits instead.
    pub fn start_tcp(&self) -> Process {
        self.start_until("the TCP port", || sockets::is_listened_on(self.address))
    }

    /// Runs the program until it exits by itself.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn run(&self) -> Finished {
        self.spawn().wait()
    }
}

/// A running program.
#[derive(Debug)]
pub struct Process {
    child: Child,
    setup: Setup,
    ended: bool,
}

impl Process {
    /// The setup that it was started from.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// An exporter with that source address, which sends to the program.
    ///
    /// # Panics
    ///
    /// If the address is invalid, or the machine does not have it.
    pub fn exporter(&self, source: &str) -> Exporter {
        let source = source.parse().unwrap_or_else(|error| panic!("{source}: {error}"));
        Exporter::new(source, self.setup.address)
    }

    /// Its standard error so far.
    pub fn log(&self) -> String {
        read(&self.setup.printed("stderr"))
    }

    /// Its standard output so far.
    pub fn stdout(&self) -> String {
        read(&self.setup.printed("stdout"))
    }

    /// The text of a file in its folder; empty if it does not exist.
    pub fn text(&self, name: &str) -> String {
        output::text(&self.setup.path(name))
    }

    /// Waits for a line in the log that contains `part`, and returns it.
    ///
    /// # Panics
    ///
    /// On a timeout.
    #[track_caller]
    pub fn wait_for_log(&self, part: &str) -> String {
        let found = conditions::within(PATIENCE, || {
            self.log().lines().find(|line| line.contains(part)).map(str::to_owned)
        });
        found.unwrap_or_else(|| panic!("no {part:?} in the log:\n{}", self.log()))
    }

    /// Calls `act` and waits for a new line in the log that contains `part`. Existing lines do not count, so
    /// they are counted first.
    ///
    /// # Panics
    ///
    /// On a timeout.
    #[track_caller]
    pub fn wait_for_new_log(&self, part: &str, act: impl FnOnce()) {
        let count = || self.log().lines().filter(|line| line.contains(part)).count();
        let before = count();
        act();
        let found = conditions::within(PATIENCE, || (count() > before).then_some(()));
        assert!(found.is_some(), "no more {part:?} in the log:\n{}", self.log());
    }

    /// Sends a signal as soon as the program has a handler for it: a daemon logs its first lines earlier, when a signal
    /// would still kill it.
    ///
    /// # Panics
    ///
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) {
        if !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP | Signal::SIGCONT) {
            conditions::within(PATIENCE, || self.handles(signal as u32).then_some(()));
        }
        let id = i32::try_from(self.child.id()).expect("the kernel's process ids are positive");
        kill(Pid::from_raw(id), signal).unwrap_or_else(|error| panic!("{signal}: {error}"));
    }

    /// Sends SIGRTMIN+`offset`, as soon as the program has a handler for it.
    ///
    /// # Panics
    ///
    /// If the process is gone.
    pub fn signal_realtime(&self, offset: u8) {
        /// SIGRTMIN with glibc.
        const FIRST: u32 = 34;
        let number = FIRST + u32::from(offset);
        conditions::within(PATIENCE, || self.handles(number).then_some(()));
        let status = Command::new("kill").arg(format!("-{number}")).arg(self.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{number}");
    }

    /// True if the process has a handler for the signal with that number, or has exited.
    fn handles(&self, number: u32) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let handled = field("SigCgt:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
        let has_ended = field("State:").is_none_or(|state| state.starts_with('Z'));
        has_ended || handled.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
    }

    /// Sends SIGUSR1 and waits for the statistics.
    ///
    /// # Panics
    ///
    /// On a timeout.
    #[track_caller]
    pub fn statistics(&self) -> Statistics {
        let before = Statistics::in_log(&self.log()).len();
        self.signal(Signal::SIGUSR1);
        eventually("statistics", || Statistics::in_log(&self.log()).into_iter().nth(before))
    }

    /// Waits until the daemon has received `count` datagrams.
    ///
    /// # Panics
    ///
    /// On a timeout.
    #[track_caller]
    pub fn wait_for_datagrams(&self, count: u64) -> Statistics {
        eventually("datagrams to be received", || {
            Some(self.statistics()).filter(|s| s.value("datagrams_received") >= count)
        });
        // Counters are those of the time at which statistics are printed; what they say of exporters is older. Now both are known.
        self.statistics()
    }

    /// Stops it with SIGINT; it must exit with status 0.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn stop(self) -> Finished {
        self.stop_with(Signal::SIGINT)
    }

    /// Stops it with that signal; it must exit with status 0.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn stop_with(self, signal: Signal) -> Finished {
        self.signal(signal);
        let finished = self.wait();
        assert!(finished.status.success(), "{:?} after {signal}:\n{}", finished.status, finished.log);
        finished
    }

    /// Waits until it has exited.
    ///
    /// # Panics
    ///
    /// On a timeout.
    #[track_caller]
    pub fn wait(mut self) -> Finished {
        let ended = conditions::within(PATIENCE, || self.child.try_wait().ok().flatten());
        let Some(status) = ended else { panic!("the process does not exit:\n{}", self.log()) };
        self.ended = true;
        Finished { status, log: self.log(), stdout: self.stdout(), setup: self.setup.clone() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("log of {}:\n{}", self.setup.program.display(), self.log());
        }
    }
}

/// The output of a process that has exited.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard error.
    pub log: String,
    /// Its standard output.
    pub stdout: String,
    setup: Setup,
}

impl Finished {
    /// The setup that it was started from.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Its exit code; `None` if a signal killed it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The text of a file in its folder; empty if it does not exist.
    pub fn text(&self, name: &str) -> String {
        output::text(&self.setup.path(name))
    }

    /// The objects of a file of JSON lines, sorted by their text.
    pub fn json(&self, name: &str) -> Vec<Value> {
        output::json_lines(&self.text(name))
    }

    /// The rows of a CSV file, sorted.
    pub fn csv(&self, name: &str) -> Vec<output::Row> {
        output::csv(&self.text(name), ',')
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_finds_its_configuration_and_folder() {
        let script = "cat \"$1\"; echo in $PWD >&2; touch \"$2/made\"; exit 3";
        let setup = Setup::new("/bin/sh").arguments(["-c", script, "sh"]);
        // The shell has no option -f FILE: the file is an ordinary argument here.
        fs::write(setup.config_path(), "a: b").unwrap();
        let path = setup.config_path().to_string_lossy().into_owned();
        let finished = setup.arguments([path.as_str(), "{dir}"]).run();
        assert_eq!((finished.code(), finished.stdout.as_str()), (Some(3), "a: b"));
        assert!(finished.log.starts_with("in /"));
        assert_eq!(finished.setup().files(), ["made"]);
    }

    #[test]
    fn waits_for_a_process_and_stops_it() {
        // Not SIGINT: a shell cannot trap a signal that was ignored at its start, as SIGINT is in background jobs.
        let script = "trap 'echo bye >&2; exit 0' TERM; trap 'echo again >&2' USR1; echo hello >&2; while :; do sleep 0.01; done";
        let process = Setup::new("/bin/sh").arguments(["-c", script]).spawn();
        assert_eq!(process.wait_for_log("hel"), "hello");
        process.wait_for_new_log("again", || process.signal(Signal::SIGUSR1));
        process.wait_for_new_log("again", || process.signal(Signal::SIGUSR1));
        assert_eq!(process.stop_with(Signal::SIGTERM).log, "hello\nagain\nagain\nbye\n");
    }
}
