//! ClickHouse.

use super::{Address, Group, as_nobody, folder, free_ports, own_address, program};
use crate::conditions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A private ClickHouse server.
#[derive(Debug)]
pub struct ClickHouse {
    running: Option<Group>,
    server: PathBuf,
    listens: SocketAddr,
    /// The address of its native protocol, which is not used.
    tcp: SocketAddr,
    folder: TempDir,
}

const USERS: &str = "<yandex>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users><pmacct>
    <password>secret</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
  </pmacct></users>
</yandex>
";

impl ClickHouse {
    /// Starts a server; `None` if it is not installed.
    pub fn start() -> Option<Self> {
        let server = program("clickhouse-server", &[])?;
        let ip = own_address().ip();
        let [listens, tcp] = free_ports([ip, ip]);
        let mut clickhouse = Self { running: None, server, listens, tcp, folder: folder() };
        clickhouse.restart();
        Some(clickhouse)
    }

    /// Its HTTP address; the database is `default`.
    pub fn address(&self) -> Address {
        Address {
            host: self.listens.ip().to_string(),
            port: self.listens.port(),
            user: "pmacct".to_owned(),
            password: "secret".to_owned(),
            database: "default".to_owned(),
        }
    }

    /// Kills it, like a crash.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again with the same data.
    pub fn restart(&mut self) {
        self.running = None;
        let write = |name: &str, text: &str| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        };
        let (ip, port, folder) = (self.listens.ip(), self.listens.port(), self.folder.path().display());
        let tcp = self.tcp.port();
        write("users.xml", USERS);
        write(
            "config.xml",
            &format!(
                "<yandex>
  <logger><level>information</level><console>1</console></logger>
  <listen_host>{ip}</listen_host><http_port>{port}</http_port><tcp_port>{tcp}</tcp_port>
  <path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><user_files_path>{folder}/files/</user_files_path>
  <mark_cache_size>16777216</mark_cache_size>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
</yandex>
"
            ),
        );
        // The leftovers of a killed server would prevent the next start.
        let _ = std::fs::remove_file(self.folder.path().join("data/status"));
        let mut command = as_nobody(&self.server);
        command.arg(format!("--config-file={folder}/config.xml"));
        let group = Group::start(command, self.folder.path().join("log"), self.listens);
        let ready = || (ask(&self.address(), "SELECT 1").as_deref() == Ok("1\n")).then_some(());
        assert!(
            conditions::within(super::START, ready).is_some(),
            "ClickHouse does not start\n{}",
            group.output()
        );
        self.running = Some(group);
    }
}

/// Runs a statement and returns its result or the server's error.
pub fn ask(address: &Address, statement: &str) -> Result<String, String> {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(30))).build().into();
    let mut answer = agent
        .post(format!("http://{}:{}/", address.host, address.port))
        .header("X-ClickHouse-User", &address.user)
        .header("X-ClickHouse-Key", &address.password)
        .query("database", &address.database)
        .send(statement)
        .map_err(|error| error.to_string())?;
    let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    if answer.status().is_success() { Ok(text) } else { Err(text) }
}
