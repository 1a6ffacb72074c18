//! Private servers: PostgreSQL, MariaDB, ClickHouse, RabbitMQ, Redis and a broker that speaks Kafka's protocol.
//!
//! Each listens on its own loopback address, keeps its data in a temporary folder, can be killed and restarted, and
//! is stopped and removed when it is dropped. If the tests run as root, servers run as `nobody`: some reject root.
//!
//! Ordinary tests share a server of each kind ([`postgres`], [`mariadb`], [`rabbitmq`], [`kafka`]), in which each test uses
//! unique names ([`name`]). If `PMACCT_TEST_PGSQL`, `PMACCT_TEST_MYSQL`, `PMACCT_TEST_CLICKHOUSE`,
//! `PMACCT_TEST_AMQP` or `PMACCT_TEST_KAFKA` names a server, that one is used. If the programs of a kind are not installed,
//! the result is `None`: tests report it and pass, unless `PMACCT_TEST_SERVERS=required` is set, as in `.ci/run`.
//! ClickHouse is never required, since not every distribution has it.

pub mod clickhouse;
mod kafka;
mod login_proxy;
mod mariadb;
mod postgres;
mod rabbitmq;
mod redis;
mod silent;
mod tls_proxy;

pub use clickhouse::ClickHouse;
pub use kafka::Kafka;
pub use login_proxy::LoginProxy;
pub use mariadb::MariaDb;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMq;
pub use redis::Redis;
pub use silent::Silent;
pub use tls_proxy::TlsProxy;

use crate::conditions::within;
use crate::sockets;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Timeout for the start of a server: RabbitMQ takes ten seconds on an idle machine.
const START: Duration = Duration::from_secs(120);
/// Timeout for the exit of processes whose server was killed.
const EXIT: Duration = Duration::from_secs(30);
/// The variable that names a ClickHouse server.
const CLICKHOUSE: &str = "PMACCT_TEST_CLICKHOUSE";
/// The user and group that servers run as when the tests run as root.
pub(crate) const NOBODY: u32 = 65_534;

/// The address of a server, and how to log in.
#[derive(Clone, Debug)]
pub struct Address {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
    /// Database or virtual host.
    pub database: String,
}

impl Address {
    /// Reads `SCHEME://USER:PASSWORD@HOST:PORT/DATABASE`; parts may be missing.
    fn parse(url: &str, port: u16) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, number) = place.rsplit_once(':').unwrap_or((place, ""));
        Self {
            host: host.to_owned(),
            port: number.parse().unwrap_or(port),
            user: user.to_owned(),
            password: password.to_owned(),
            database: database.to_owned(),
        }
    }
}

/// A running server, or one that the environment names.
#[derive(Debug)]
pub struct Shared<S> {
    /// Its address.
    pub address: Address,
    server: Option<S>,
}

impl<S> Shared<S> {
    /// The server, if it is one of this module and not one that the environment names.
    pub fn private(&self) -> Option<&S> {
        self.server.as_ref()
    }
}

/// The PostgreSQL server that tests share; `None` if there is none.
pub fn postgres() -> Option<&'static Shared<Postgres>> {
    static SHARED: OnceLock<Option<Shared<Postgres>>> = OnceLock::new();
    shared(&SHARED, "PMACCT_TEST_PGSQL", 5432, Postgres::start, Postgres::address)
}

/// The MariaDB server that tests share.
pub fn mariadb() -> Option<&'static Shared<MariaDb>> {
    static SHARED: OnceLock<Option<Shared<MariaDb>>> = OnceLock::new();
    shared(&SHARED, "PMACCT_TEST_MYSQL", 3306, MariaDb::start, MariaDb::address)
}

/// The ClickHouse server that tests share.
pub fn clickhouse() -> Option<&'static Shared<ClickHouse>> {
    static SHARED: OnceLock<Option<Shared<ClickHouse>>> = OnceLock::new();
    shared(&SHARED, CLICKHOUSE, 8123, ClickHouse::start, ClickHouse::address)
}

/// The RabbitMQ broker that tests share.
pub fn rabbitmq() -> Option<&'static Shared<RabbitMq>> {
    static SHARED: OnceLock<Option<Shared<RabbitMq>>> = OnceLock::new();
    shared(&SHARED, "PMACCT_TEST_AMQP", 5672, RabbitMq::start, RabbitMq::address)
}

/// The Kafka broker that tests share.
pub fn kafka() -> Option<&'static Shared<Kafka>> {
    static SHARED: OnceLock<Option<Shared<Kafka>>> = OnceLock::new();
    shared(&SHARED, "PMACCT_TEST_KAFKA", 9092, Kafka::start, Kafka::address)
}

fn shared<S>(
    place: &'static OnceLock<Option<Shared<S>>>,
    variable: &str,
    port: u16,
    start: impl FnOnce() -> Option<S>,
    address: impl FnOnce(&S) -> Address,
) -> Option<&'static Shared<S>> {
    let found = place.get_or_init(|| match std::env::var(variable) {
        Ok(url) if !url.is_empty() => Some(Shared { address: Address::parse(&url, port), server: None }),
        _ => start().map(|server| Shared { address: address(&server), server: Some(server) }),
    });
    if found.is_none() {
        missing(variable);
    }
    found.as_ref()
}

/// Reports that a server is missing.
///
/// # Panics
/// If servers are required.
pub fn missing(variable: &str) {
    let required = std::env::var("PMACCT_TEST_SERVERS").is_ok_and(|value| value == "required");
    let required = required && variable != CLICKHOUSE;
    assert!(!required, "no server for this test: install its packages, or name one in {variable}");
    eprintln!("skipped: no server for this test is installed, and {variable} is not set");
}

/// A name that no other test uses: for tables, databases, topics, queues.
pub fn name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A unique loopback address with a free TCP port.
fn own_address() -> SocketAddr {
    let [address] = free_ports([sockets::own_address().ip()]);
    address
}

/// Free TCP ports on those addresses. All are held until the last is found, so that no two conflict.
fn free_ports<const COUNT: usize>(ips: [IpAddr; COUNT]) -> [SocketAddr; COUNT] {
    let held = ips.map(|ip| sockets::free(ip, TcpListener::bind));
    held.each_ref().map(|(address, _)| *address)
}

/// A temporary folder that servers can write to.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("pmacct-server-").tempdir();
    let folder = folder.unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    hand_over(folder.path());
    folder
}

/// Changes the owner of a file or folder to the user that servers run as.
pub(crate) fn hand_over(path: &Path) {
    if is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY))
            .unwrap_or_else(|error| panic!("cannot hand over {}: {error}", path.display()));
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// A command that runs as the servers' user.
pub(crate) fn as_nobody(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.stdin(Stdio::null());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Runs a command to completion.
pub(crate) fn run(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
}

/// A program in one of these folders, or in `PATH`.
pub(crate) fn program(name: &str, folders: &[&str]) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = folders.iter().copied().chain(path.split(':'));
    folders.map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// Kills a process group and removes its folder after the tests have exited: statics are never dropped.
const WATCH: &str = "while kill -0 \"$1\" 2>/dev/null; do sleep 1; done; \
                     kill -s KILL -- \"-$2\" 2>/dev/null; sleep 1; rm -rf -- \"$3\"";

/// Starts the shell that kills that process group, and removes that folder, when process `tests` is gone.
fn watch(tests: u32, group: u32, folder: &Path) -> Child {
    let mut watch = Command::new("sh");
    watch.args(["-c", WATCH, "sh", &tests.to_string(), &group.to_string()]).arg(folder);
    watch.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    watch.spawn().unwrap_or_else(|error| panic!("sh: {error}"))
}

/// A process and its children, killed together.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    watch: Child,
    log: PathBuf,
}

impl Group {
    /// Starts a server.
    pub(crate) fn spawn(mut command: Command, log: PathBuf) -> Self {
        let open = || File::options().create(true).append(true).open(&log);
        let (out, err) = (open(), open());
        let file = |file: std::io::Result<File>| file.unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        command.stdout(file(out)).stderr(file(err)).process_group(0);
        // A copy of a program is busy while another thread starts a process, which inherits the file for a moment.
        let child = within(START, || match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => None,
            spawned => Some(spawned),
        });
        let child =
            child.unwrap_or_else(|| command.spawn()).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let watch = watch(std::process::id(), child.id(), log.parent().unwrap_or(Path::new("")));
        Self { child, watch, log }
    }

    /// Starts a server, and waits until it listens.
    fn start(command: Command, log: PathBuf, address: SocketAddr) -> Self {
        let text = format!("{command:?}");
        let mut group = Self::spawn(command, log);
        let answers = within(START, || {
            if let Ok(Some(status)) = group.child.try_wait() {
                panic!("{text} exited: {status}\n{}", group.output());
            }
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
        });
        assert!(answers.is_some(), "{text} does not answer at {address}\n{}", group.output());
        group
    }

    /// The output of the server.
    fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops all processes of the group, without ending them.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }

    /// Kills all processes of the group. Returns when the children of the first one are gone, too, as a server that is started again must
    /// not meet their locks and shared memory: those of PostgreSQL have groups of their own, and end when they notice.
    fn kill(&mut self) {
        let server = self.child.id();
        // A stopped process has no further children.
        self.signal(Signal::SIGSTOP);
        let _ = within(EXIT, || matches!(state(server), None | Some('T' | 'Z')).then_some(()));
        let children = children(server);
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
        // Zombies have no memory any more; it is up to init to remove them.
        let are_gone = || children.iter().all(|child| matches!(state(*child), None | Some('Z'))).then_some(());
        if within(EXIT, are_gone).is_none() {
            eprintln!("children of process {server} still exist, and are killed");
            for child in children.iter().filter_map(|child| i32::try_from(*child).ok()) {
                let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
            }
        }
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}

/// The state of a process, as in `/proc/PID/stat`. `None` if there is no such process.
fn state(process: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The children of a process.
fn children(process: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::eventually;

    #[test]
    fn servers_are_killed_after_the_tests_that_started_them() {
        let sleep = || Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let (mut tests, mut server) = (sleep(), sleep());
        let folder = folder();
        std::fs::write(folder.path().join("data"), "data").unwrap();
        let mut watch = watch(tests.id(), server.id(), folder.path());
        assert!(server.try_wait().unwrap().is_none());
        tests.kill().unwrap();
        tests.wait().unwrap();
        eventually("the server to exit", || server.try_wait().unwrap());
        assert!(watch.wait().unwrap().success());
        assert!(!folder.path().exists());
    }

    #[test]
    fn children_in_groups_of_their_own_are_awaited() {
        let folder = folder();
        let mut command = Command::new("sh");
        command.args(["-c", "setsid sleep 2 & setsid sleep 2 & wait"]);
        let group = Group::spawn(command, folder.path().join("log"));
        let started = eventually("two children", || Some(children(group.child.id())).filter(|all| all.len() == 2));
        eventually("groups of their own", || {
            let name = |child: &u32| std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            started.iter().all(|child| name(child) == "sleep\n").then_some(())
        });
        drop(group);
        assert!(started.iter().all(|child| matches!(state(*child), None | Some('Z'))));
    }

    #[test]
    fn missing_parts_of_addresses_have_defaults() {
        let whole = Address::parse("postgresql://me:p@ss@db.example:1234/acct", 5432);
        let Address { host, port, user, password, database } = &whole;
        assert_eq!((host.as_str(), *port, user.as_str()), ("db.example", 1234, "me"));
        assert_eq!((password.as_str(), database.as_str()), ("p@ss", "acct"));
        let short = Address::parse("127.0.0.1", 9092);
        assert_eq!((short.host.as_str(), short.port, short.user.as_str()), ("127.0.0.1", 9092, ""));
    }
}
