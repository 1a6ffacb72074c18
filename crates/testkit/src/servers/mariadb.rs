//! MariaDB.

use super::{Address, Group, as_nobody, folder, hand_over, own_address, program, run};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A private MariaDB server.
#[derive(Debug)]
pub struct MariaDb {
    running: Option<Group>,
    server: PathBuf,
    listens: SocketAddr,
    folder: TempDir,
}

impl MariaDb {
    /// Starts a server; `None` if it is not installed.
    pub fn start() -> Option<Self> {
        let (install, server) = (program("mariadb-install-db", &[])?, program("mariadbd", &["/usr/sbin"])?);
        let folder = folder();
        let mut init = Self::command(&install, &folder);
        init.arg("--no-defaults").arg(format!("--datadir={}", folder.path().join("data").display()));
        init.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        run(init);
        let statements = folder.path().join("init.sql");
        // The statements run at each start.
        let text = "CREATE DATABASE IF NOT EXISTS pmacct;\n\
                    CREATE USER IF NOT EXISTS 'pmacct'@'%' IDENTIFIED BY 'secret';\n\
                    GRANT ALL ON *.* TO 'pmacct'@'%';\n";
        std::fs::write(&statements, text).unwrap_or_else(|error| panic!("{}: {error}", statements.display()));
        hand_over(&statements);
        let mut mariadb = Self { running: None, server, listens: own_address(), folder };
        mariadb.restart();
        Some(mariadb)
    }

    /// A command of the server.
    ///
    /// A server that starts removes the temporary tables of all servers in its folder of temporary files, so each has its own.
    fn command(program: &Path, folder: &TempDir) -> Command {
        let mut command = as_nobody(program);
        command.env("TMPDIR", folder.path());
        command
    }

    /// Its address; the database is `pmacct`.
    pub fn address(&self) -> Address {
        Address {
            host: self.listens.ip().to_string(),
            port: self.listens.port(),
            user: "pmacct".to_owned(),
            password: "secret".to_owned(),
            database: "pmacct".to_owned(),
        }
    }

    /// Its folder; the socket in it is `sock`.
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
        let within = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Self::command(&self.server, &self.folder);
        command.arg("--no-defaults").arg(format!("--datadir={}", within("data")));
        command.arg(format!("--socket={}", within("sock"))).arg(format!("--pid-file={}", within("pid")));
        command.arg(format!("--bind-address={}", self.listens.ip()));
        command.arg(format!("--port={}", self.listens.port())).arg(format!("--init-file={}", within("init.sql")));
        command.args(["--innodb-buffer-pool-size=64M", "--skip-name-resolve", "--skip-log-bin"]);
        self.running = Some(Group::start(command, self.folder.path().join("log"), self.listens));
    }
}
