//! Shared by the tests of MySQL and PostgreSQL: private servers, write batches, and the expected content of tables.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub(crate) mod cases;
pub(crate) mod model;
pub(crate) mod proxy;

use config::keys::sql::{LockingStyle, TableType};
use encode::Style;
use jiff::tz::TimeZone;
use sql::{Dialect, Settings};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use testkit::sockets::own_address;

pub(crate) const PASSWORD: &str = "a 'real' smart pwd";

/// A private server of a test, which is stopped and removed at the end.
pub(crate) struct Server {
    pub(crate) dialect: Dialect,
    /// A private loopback address, so that no other server or client uses its port.
    pub(crate) host: String,
    pub(crate) port: u16,
    directory: PathBuf,
    child: Option<Child>,
    /// Stops the server and removes its directory when this process ends, even by a crash.
    janitor: Option<Child>,
    arguments: Vec<String>,
}

impl Server {
    /// Starts a server with default options.
    pub(crate) fn start(dialect: Dialect) -> Self {
        Self::start_at(own_address(), dialect, |_| Vec::new(), &[])
    }

    /// Starts a server with options, which may name files in its directory.
    pub(crate) fn start_at(
        address: SocketAddr,
        dialect: Dialect,
        options: impl Fn(&Path) -> Vec<(&'static str, String)>,
        files: &[(&str, String)],
    ) -> Self {
        let directory = TempDir::with_prefix("pmacct-sql-").unwrap().keep();
        let options = options(&directory);
        let (host, port) = (address.ip().to_string(), address.port());
        let shown = |name: &str| directory.join(name).display().to_string();
        for (name, text) in files {
            let path = directory.join(name);
            fs::write(&path, text).unwrap();
            run(Command::new("chmod").arg("600").arg(&path));
        }
        let root = fs::metadata("/proc/self").unwrap();
        let root = std::os::unix::fs::MetadataExt::uid(&root) == 0;
        // PostgreSQL refuses to run as root.
        let drop: &[&str] = if root && dialect == Dialect::PgSql {
            run(Command::new("chown").args(["-R", "nobody"]).arg(&directory));
            &["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        } else {
            &[]
        };
        let mut arguments: Vec<String> = drop.iter().map(|word| (*word).to_owned()).collect();
        let mut install = arguments.clone();
        let (data, socket) = (shown("data"), shown("socket"));
        match dialect {
            Dialect::PgSql => {
                let secret = directory.join("secret");
                fs::write(&secret, PASSWORD).unwrap();
                install.extend([program("initdb"), "-D".into(), data.clone(), "-U".into(), "pmacct".into()]);
                install.extend(["--auth=scram-sha-256".into(), "--no-sync".into()]);
                install.push(format!("--pwfile={}", secret.display()));
                arguments.extend([program("postgres"), "-D".into(), data, "-p".into(), port.to_string()]);
                arguments.extend(["-k".into(), directory.display().to_string(), "-h".into(), host.clone()]);
                for (name, value) in options {
                    arguments.extend(["-c".into(), format!("{name}={value}")]);
                }
            }
            _ => {
                install.extend([
                    program("mariadb-install-db"),
                    "--no-defaults".into(),
                    format!("--datadir={data}"),
                ]);
                install.push(format!("--tmpdir={}", directory.display()));
                install.push("--auth-root-authentication-method=normal".into());
                let user = if root { vec!["--user=root".to_owned()] } else { Vec::new() };
                install.extend(user.clone());
                arguments.extend([program("mariadbd"), "--no-defaults".into(), format!("--datadir={data}")]);
                arguments.extend([format!("--socket={socket}"), format!("--port={port}")]);
                arguments.extend([format!("--bind-address={host}"), format!("--pid-file={data}/postmaster.pid")]);
                arguments.push(format!("--tmpdir={}", directory.display()));
                arguments.push("--innodb-buffer-pool-size=32M".into());
                arguments.extend(user);
                arguments.extend(options.iter().map(|(name, value)| format!("--{name}={value}")));
            }
        }
        run(command(&install).stdout(Stdio::null()));
        let janitor = "read line; kill -9 $(head -n 1 \"$1/data/postmaster.pid\"); rm -rf \"$1\"";
        let janitor = Command::new("sh")
            .args(["-c", janitor, "janitor"])
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { dialect, host, port, directory, child: None, janitor: Some(janitor), arguments };
        server.restart();
        if dialect == Dialect::MySql {
            for host in ["%", "localhost"] {
                let user = format!("'pmacct'@'{host}'");
                server.sql(
                    "",
                    &format!(
                        "CREATE USER {user} IDENTIFIED BY '{}'; GRANT ALL ON *.* TO {user}",
                        PASSWORD.replace('\'', "''")
                    ),
                );
            }
        }
        server
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Lets the server crash and recover. What it has not written to its files is lost.
    pub(crate) fn crash(&mut self) {
        if self.dialect != Dialect::PgSql {
            return self.restart();
        }
        // The server ends all of its processes at once when one of them is killed, as for lack of memory. If the server itself is
        // killed, they end in order.
        let victim = self.sql("", "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'");
        run(Command::new("kill").args(["-9", victim.trim()]));
        let query = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", victim.trim());
        testkit::conditions::eventually("the server has recovered", || {
            let output = self.client("", &query);
            (output.status.success() && output.stdout == b"0\n").then_some(())
        });
    }

    /// Starts the server with its existing data, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.kill();
        for _ in 0..20 {
            let log = fs::File::create(self.directory.join("log")).unwrap();
            let mut child =
                command(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
            let up = testkit::conditions::within(Duration::from_secs(20), || {
                let up = self.client("", "SELECT 1").status.success();
                // PostgreSQL exits while processes of the killed server are still running: retry.
                (up || child.try_wait().unwrap().is_some()).then_some(up)
            });
            if up == Some(true) {
                self.child = Some(child);
                return;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            testkit::conditions::pause(Duration::from_millis(200));
        }
        panic!("no server: {}", fs::read_to_string(self.directory.join("log")).unwrap_or_default());
    }

    /// The answer to statements: one line per row, `|` between values.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let output = self.client(database, statements);
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().replace('\t', "|")
    }

    fn client(&self, database: &str, statements: &str) -> Output {
        let mut client = match self.dialect {
            Dialect::PgSql => {
                let mut client = Command::new("psql");
                let database = if database.is_empty() { "postgres" } else { database };
                client.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "pmacct", "-d", database, "-c", statements]);
                client.args(["-h", &self.host, "-p", &self.port.to_string()]).env("PGPASSWORD", PASSWORD);
                client.env("PGTZ", "UTC");
                client
            }
            _ => {
                let mut client = Command::new("mariadb");
                client.args(["--no-defaults", "-N", "-B", "-u", "root", "--default-character-set=utf8mb4", "-S"]);
                client.arg(self.directory.join("socket"));
                client.args(["-e", &format!("SET time_zone = '+00:00'; {statements}"), database]);
                client
            }
        };
        client.stdin(Stdio::null()).output().unwrap()
    }

    /// The directory of the server, which contains its socket.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Creates a database.
    pub(crate) fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Settings of a plugin that writes to a database.
    pub(crate) fn settings(&self, database: &str) -> Settings {
        Settings {
            cleartext: false,
            follow_links: false,
            name: "test".to_owned(),
            dialect: self.dialect,
            db: database.to_owned(),
            host: self.host.clone(),
            port: Some(self.port),
            user: "pmacct".to_owned(),
            password: PASSWORD.to_owned(),
            ca_file: None,
            table_text: None,
            backup: None,
            table: None,
            create: None,
            version: 9,
            table_type: TableType::Original,
            optimize: true,
            unified: false,
            insert_only: false,
            multi_values: 0,
            copy: false,
            delimiter: ',',
            locking: LockingStyle::Table,
            num_hosts: false,
            style: Style { zone: TimeZone::UTC, ..Style::default() },
            utc: true,
            since_epoch: false,
            refresh: 60,
            history: 0,
            sampling: None,
            max_tables: 1000,
            timeout: Duration::from_secs(5),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if let Some(mut janitor) = self.janitor.take() {
            drop(janitor.stdin.take());
            let _ = janitor.wait();
        }
    }
}

/// The server that tests share; each uses its own database.
pub(crate) fn shared(dialect: Dialect) -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(dialect))
}

/// Whether the server's programs are installed.
pub(crate) fn installed(dialect: Dialect) -> bool {
    let (name, variable) = match dialect {
        Dialect::PgSql => ("initdb", "PMACCT_TEST_PGSQL"),
        _ => ("mariadb-install-db", "PMACCT_TEST_MYSQL"),
    };
    let found = find(name).is_some();
    if !found {
        testkit::servers::missing(variable);
    }
    found
}

/// The path of a server's program. Debian installs those of PostgreSQL outside of PATH.
fn find(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.push(PathBuf::from("/usr/sbin"));
    folders.into_iter().rev().map(|folder| folder.join(name)).find(|path| path.exists())
}

fn program(name: &str) -> String {
    find(name).unwrap().display().to_string()
}

fn command(words: &[String]) -> Command {
    let (program, arguments) = words.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
