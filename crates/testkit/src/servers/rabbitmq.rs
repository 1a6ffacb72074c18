//! RabbitMQ.

use super::{Address, Group, as_nobody, folder, free_ports, hand_over, own_address, program};
use crate::certificates::Authority;
use crate::conditions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tempfile::TempDir;

/// A private RabbitMQ, with an Erlang port mapper of its own.
#[derive(Debug)]
pub struct RabbitMq {
    running: Option<Group>,
    server: PathBuf,
    listens: SocketAddr,
    listens_for_tls: SocketAddr,
    /// Who certified it, and certifies clients.
    authority: Authority,
    /// It wants to know who comes over TLS.
    knows_clients: bool,
    distribution: SocketAddr,
    mapper_port: u16,
    _mapper: Group,
    folder: TempDir,
}

/// Where Debian puts the programs behind its wrappers, which insist on a user of their own.
const FOLDER: &str = "/usr/lib/rabbitmq/bin";

impl RabbitMq {
    /// Starts one; `None` where it is not installed.
    pub fn start() -> Option<Self> {
        Self::start_as(false)
    }

    /// Starts one that takes only clients with a certificate of its authority, when they come over TLS.
    pub fn start_for_known_clients() -> Option<Self> {
        Self::start_as(true)
    }

    fn start_as(knows_clients: bool) -> Option<Self> {
        let (server, epmd) = (program("rabbitmq-server", &[FOLDER])?, program("epmd", &[])?);
        let folder = folder();
        let (ip, anywhere) = (own_address().ip(), Ipv4Addr::UNSPECIFIED.into());
        // The port mapper and the nodes' own protocol are served on all addresses.
        let [listens, listens_for_tls, mapper, distribution] = free_ports([ip, ip, anywhere, anywhere]);
        // The port mapper is found on the address of the node's name.
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
            knows_clients,
            distribution,
            mapper_port: mapper.port(),
            _mapper: mapper_group,
            folder,
        };
        rabbit.restart();
        Some(rabbit)
    }

    /// Where it listens; the virtual host is `/`.
    pub fn address(&self) -> Address {
        Address {
            host: self.listens.ip().to_string(),
            port: self.listens.port(),
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            database: "/".to_owned(),
        }
    }

    /// The port on which it speaks TLS.
    pub fn port_for_tls(&self) -> u16 {
        self.listens_for_tls.port()
    }

    /// Who certified it, and certifies clients.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again over the same data.
    pub fn restart(&mut self) {
        self.running = None;
        let within = |name: &str| self.folder.path().join(name).display().to_string();
        let config = within("rabbitmq.conf");
        let listener = format!("listeners.tcp.1 = {}:{}\n", self.listens.ip(), self.listens.port());
        let peers = if self.knows_clients { "verify_peer" } else { "verify_none" };
        let tls = format!(
            "listeners.ssl.1 = {}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n\
             ssl_options.verify = {peers}\nssl_options.fail_if_no_peer_cert = {}\n",
            self.listens_for_tls,
            within("ca.pem"),
            within("cert.pem"),
            within("key.pem"),
            self.knows_clients
        );
        // `guest` may log in from loopback addresses alone, which all of 127/8 are not to it.
        let text = format!("{listener}{tls}loopback_users = none\nlog.console = true\nlog.console.level = info\n");
        std::fs::write(&config, text).unwrap_or_else(|error| panic!("{config}: {error}"));
        std::fs::write(within("enabled_plugins"), "[].\n").unwrap_or_else(|error| panic!("{error}"));
        let mut command = as_nobody(&self.server);
        command
            .env("HOME", self.folder.path())
            .env("RABBITMQ_NODENAME", format!("pmacct{}@localhost", self.listens.port()))
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
        // It listens before it takes logins.
        let complete = || group.said().contains("Server startup complete").then_some(());
        assert!(conditions::within(super::START, complete).is_some(), "RabbitMQ does not start\n{}", group.said());
        self.running = Some(group);
        let _ = std::fs::write(self.folder.path().join("server.log"), "");
    }
}
