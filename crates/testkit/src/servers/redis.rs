//! Redis.

use super::{Address, Group, as_nobody, folder, own_address, program};
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;

/// A private Redis server, which keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    running: Option<Group>,
    server: PathBuf,
    listens: SocketAddr,
    password: Option<String>,
    folder: TempDir,
}

impl Redis {
    /// Starts a server; `None` if it is not installed.
    pub fn start() -> Option<Self> {
        Self::start_with(None)
    }

    /// Starts a server that requires a password.
    pub fn start_with_password(password: &str) -> Option<Self> {
        Self::start_with(Some(password.to_owned()))
    }

    fn start_with(password: Option<String>) -> Option<Self> {
        let server = program("redis-server", &[])?;
        let mut redis = Self { running: None, server, listens: own_address(), password, folder: folder() };
        redis.restart();
        Some(redis)
    }

    /// Its address.
    pub fn address(&self) -> Address {
        Address {
            host: self.listens.ip().to_string(),
            port: self.listens.port(),
            user: String::new(),
            password: self.password.clone().unwrap_or_default(),
            database: String::new(),
        }
    }

    /// Kills it; its keys are lost.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again, empty.
    pub fn restart(&mut self) {
        self.running = None;
        let mut command = as_nobody(&self.server);
        let (ip, port) = (self.listens.ip().to_string(), self.listens.port().to_string());
        command.args(["--bind", &ip, "--port", &port, "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.folder.path());
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        self.running = Some(Group::start(command, self.folder.path().join("log"), self.listens));
    }

    /// Makes it hang: it accepts connections and answers nothing.
    pub fn freeze(&self) {
        if let Some(running) = &self.running {
            running.freeze();
        }
    }

    /// Ends [`Redis::freeze`].
    pub fn thaw(&self) {
        if let Some(running) = &self.running {
            running.signal(Signal::SIGCONT);
        }
    }
}
