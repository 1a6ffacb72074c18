//! PostgreSQL.

use super::{Address, Group, as_nobody, folder, own_address, program, run};
use crate::conditions;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;

/// A private PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    running: Option<Group>,
    server: PathBuf,
    listens: SocketAddr,
    // The last field: the folder is removed after the processes that use it.
    folder: TempDir,
}

/// Where Debian installs the versions.
const FOLDERS: &str = "/usr/lib/postgresql";

impl Postgres {
    /// Starts a server; `None` if it is not installed.
    pub fn start() -> Option<Self> {
        let mut versions: Vec<PathBuf> = std::fs::read_dir(FOLDERS)
            .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
            .unwrap_or_default();
        versions.sort();
        let folders: Vec<&str> = versions.iter().rev().filter_map(|path| path.to_str()).collect();
        let (initdb, server) = (program("initdb", &folders)?, program("postgres", &folders)?);
        let folder = folder();
        let password = folder.path().join("password");
        std::fs::write(&password, "secret").unwrap_or_else(|error| panic!("{}: {error}", password.display()));
        let mut init = as_nobody(initdb);
        init.args(["--no-sync", "--auth=scram-sha-256", "--username=pmacct", "--encoding=UTF8", "--locale=C"]);
        init.arg(format!("--pwfile={}", password.display())).arg(folder.path().join("data"));
        run(init);
        let mut postgres = Self { running: None, server, listens: own_address(), folder };
        postgres.restart();
        Some(postgres)
    }

    /// Its address; the database is `postgres`.
    pub fn address(&self) -> Address {
        Address {
            host: self.listens.ip().to_string(),
            port: self.listens.port(),
            user: "pmacct".to_owned(),
            password: "secret".to_owned(),
            database: "postgres".to_owned(),
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Kills it, like a crash.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again with the same data.
    pub fn restart(&mut self) {
        self.running = None;
        // The leftovers of a killed server would prevent the next start.
        let _ = std::fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        let mut command = as_nobody(&self.server);
        command.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        command.args(["-h", &self.listens.ip().to_string(), "-p", &self.listens.port().to_string()]);
        let log = self.folder.path().join("log");
        let _ = std::fs::remove_file(&log);
        let group = Group::start(command, log, self.listens);
        // It listens before it accepts logins.
        let ready = || group.output().contains("ready to accept connections").then_some(());
        assert!(
            conditions::within(super::START, ready).is_some(),
            "PostgreSQL does not start\n{}",
            group.output()
        );
        self.running = Some(group);
    }
}
