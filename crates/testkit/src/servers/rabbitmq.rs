//! RabbitMQ.

use super::{Address, Group, as_nobody, folder, free_ports, hand_over, own_address, program};
use crate::certificates::Authority;
use crate::conditions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tempfile::TempDir;

/// A private RabbitMQ broker, with its own Erlang port mapper.
#[derive(Debug)]
pub struct RabbitMq {
    running: Option<Group>,
    server: PathBuf,
    listens: SocketAddr,
    listens_for_tls: SocketAddr,
    /// The authority of its certificate and of its clients'.
    authority: Authority,
    /// It requires client certificates over TLS.
    authenticates: bool,
    distribution: SocketAddr,
    mapper_port: u16,
    _mapper: Group,
    folder: TempDir,
}

/// Where Debian installs the programs without its wrappers, which require their own user.
const FOLDER: &str = "/usr/lib/rabbitmq/bin";

impl RabbitMq {
    /// Starts a broker; `None` if it is not installed.
    pub fn start() -> Option<Self> {
        Self::start_as(false)
    }

    /// Starts a broker that requires a certificate of its authority from clients over TLS.
    pub fn start_with_authentication() -> Option<Self> {
        Self::start_as(true)
    }

    fn start_as(authenticates: bool) -> Option<Self> {
        let (server, epmd) = (program("rabbitmq-server", &[FOLDER])?, program("epmd", &[])?);
        let folder = folder();
        let (ip, anywhere) = (own_address().ip(), Ipv4Addr::UNSPECIFIED.into());
        // By default the port mapper and the inter-node protocol listen on all addresses.
        let [listens, listens_for_tls, mapper, distribution] = free_ports([ip, ip, anywhere, anywhere]);
        // Nodes look for the port mapper at the address of the node's name.
        let mapper = SocketAddr::from((Ipv4Addr::LOCALHOST, mapper.port()));
        let mut command = as_nobody(epmd);
        command.args(["-port", &mapper.port().to_string()]);
        let mapper_group = Group::start(command, folder.path().join("epmd.log"), mapper);
        let authority = Authority::new();
        let certified = authority.certify(&listens.ip().to_string());
        let files =
            [("ca.pem", authority.pem()), ("cert.pem", &certified.certificate), ("key.pem", &certified.key)];
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            hand_over(&path);
        }
        let mut rabbit = Self {
            running: None,
            server,
            listens,
            listens_for_tls,
            authority,
            authenticates,
            distribution,
            mapper_port: mapper.port(),
            _mapper: mapper_group,
            folder,
        };
        rabbit.restart();
        Some(rabbit)
    }

    /// Its address; the virtual host is `/`.
    pub fn address(&self) -> Address {
        Address {
            host: self.listens.ip().to_string(),
            port: self.listens.port(),
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            database: "/".to_owned(),
        }
    }

    /// Its TLS port.
    pub fn port_for_tls(&self) -> u16 {
        self.listens_for_tls.port()
    }

    /// The authority of its certificate and of its clients'.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Writes its queues and bindings to disk. The broker itself delays this by up to two seconds, and a crash loses what is delayed.
    pub fn sync(&self) {
        let Some(control) = program("rabbitmqctl", &[FOLDER]) else { return };
        let mut command = as_nobody(control);
        command
            .env("HOME", self.folder.path())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .args(["-n", &self.node(), "eval", "mnesia:sync_log()."]);
        let output = command.output().unwrap_or_else(|error| panic!("rabbitmqctl: {error}"));
        assert!(output.status.success(), "rabbitmqctl: {output:?}");
    }

    fn node(&self) -> String {
        format!("pmacct{}@localhost", self.listens.port())
    }

    /// Kills it, like a crash.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again with the same data.
    pub fn restart(&mut self) {
        self.running = None;
        let within = |name: &str| self.folder.path().join(name).display().to_string();
        let config = within("rabbitmq.conf");
        let listener = format!("listeners.tcp.1 = {}:{}\n", self.listens.ip(), self.listens.port());
        let peers = if self.authenticates { "verify_peer" } else { "verify_none" };
        let tls = format!(
            "listeners.ssl.1 = {}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n\
             ssl_options.verify = {peers}\nssl_options.fail_if_no_peer_cert = {}\n",
            self.listens_for_tls,
            within("ca.pem"),
            within("cert.pem"),
            within("key.pem"),
            self.authenticates
        );
        // `guest` can log in from loopback addresses only, which to RabbitMQ not all of 127/8 are.
        let text = format!("{listener}{tls}loopback_users = none\nlog.console = true\nlog.console.level = info\n");
        std::fs::write(&config, text).unwrap_or_else(|error| panic!("{config}: {error}"));
        std::fs::write(within("enabled_plugins"), "[].\n").unwrap_or_else(|error| panic!("{error}"));
        let mut command = as_nobody(&self.server);
        command
            .env("HOME", self.folder.path())
            .env("RABBITMQ_NODENAME", self.node())
            .env("RABBITMQ_CONFIG_FILE", &config)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_DIST_PORT", self.distribution.port().to_string())
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", within("mnesia"))
            .env("RABBITMQ_LOG_BASE", within("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", within("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", within("enabled_plugins"));
        let group = Group::start(command, self.folder.path().join("server.log"), self.listens);
        // It listens before it accepts logins.
        let complete = || group.output().contains("Server startup complete").then_some(());
        assert!(
            conditions::within(super::START, complete).is_some(),
            "RabbitMQ does not start\n{}",
            group.output()
        );
        self.running = Some(group);
        let _ = std::fs::write(self.folder.path().join("server.log"), "");
    }
}
