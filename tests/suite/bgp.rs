//! What all tests of BGP share: collectors, and a reader of their message log.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use testkit::conditions::{PATIENCE, within};
use testkit::{Process, Setup};

/// The AS of collectors.
pub(crate) const AS: u16 = 64_512;

/// A pmbgpd that logs messages to `log.json` and keeps no tables.
pub(crate) fn pmbgpd(lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_pmbgpd"))
        .config(&format!(
            "bgp_daemon_ip: {{ip}}
             bgp_daemon_port: {{port}}
             bgp_daemon_as: {AS}
             bgp_daemon_id: 10.255.0.1
             bgp_daemon_msglog_file: {{dir}}/log.json"
        ))
        .more_config(lines)
}

/// Lines that make a daemon keep tables: a dump that does not come during a test.
pub(crate) const TABLES: &str =
    "bgp_table_dump_file: {dir}/dump.json\nbgp_table_dump_refresh_time: 86400\nbgp_daemon_max_peers: 100";

/// What identifies a route: session, family, route distinguisher, prefix, path identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The router that reports the peer over BMP, and the peer's RIB; empty for BGP.
    pub(crate) router: String,
    pub(crate) rib: String,
    pub(crate) peer: String,
    /// The port of the session.
    pub(crate) port: u16,
    pub(crate) afi: u16,
    pub(crate) safi: u8,
    pub(crate) rd: String,
    pub(crate) prefix: String,
    pub(crate) path: Option<u32>,
}

impl Key {
    /// The key of a route's event.
    fn of(line: &str) -> Self {
        let text = |name: &str| member(line, name).unwrap_or_default().to_owned();
        let router = text("bmp_router");
        let (peer, port) = match router.as_str() {
            "" => ("peer_ip_src", "peer_tcp_port"),
            _ => ("peer_ip", "bmp_router_port"),
        };
        Self {
            router,
            rib: text("bmp_rib_type"),
            peer: text(peer),
            port: text(port).parse().unwrap_or_default(),
            afi: text("afi").parse().unwrap_or_default(),
            safi: text("safi").parse().unwrap_or_default(),
            rd: text("rd"),
            prefix: text("ip_prefix"),
            path: member(line, "as_path_id").and_then(|id| id.parse().ok()),
        }
    }

    /// Whether both are of one session: of a peer for BGP, of a router for BMP.
    fn is_of_session(&self, other: &Self) -> bool {
        let peer = |key: &Self| if key.router.is_empty() { key.peer.clone() } else { key.router.clone() };
        (peer(self), self.port) == (peer(other), other.port)
    }
}

/// A string or number of a flat JSON object, as it is written: tests read logs of a million members.
fn member<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    let rest = rest.trim_start();
    match rest.strip_prefix('"') {
        Some(text) => text.split('"').next(),
        None => rest.split([',', '}']).next(),
    }
}

/// A message log, read as it grows.
pub(crate) struct Log {
    path: PathBuf,
    /// Octets read so far.
    read: u64,
    /// The start of a line whose end is not there yet.
    rest: String,
    /// All lines in their order.
    lines: Vec<String>,
    /// The routes that exist after these lines, each with the number of its line.
    pub(crate) routes: BTreeMap<Key, usize>,
    /// The daemon keeps tables: it logs a `delete` for each route of a session that ends.
    has_tables: bool,
}

impl Log {
    /// The log of a daemon that keeps no tables: routes vanish without an event when a session ends.
    pub(crate) fn of(process: &Process) -> Self {
        Self::new(process, "log.json", false)
    }

    /// The log of a daemon that keeps tables.
    pub(crate) fn with_tables(process: &Process) -> Self {
        Self::new(process, "log.json", true)
    }

    /// Any file of events.
    pub(crate) fn new(process: &Process, name: &str, has_tables: bool) -> Self {
        let path = process.setup().path(name);
        Self { path, read: 0, rest: String::new(), lines: Vec::new(), routes: BTreeMap::new(), has_tables }
    }

    /// Reads what was added.
    pub(crate) fn update(&mut self) {
        let Ok(mut file) = File::open(&self.path) else { return };
        file.seek(SeekFrom::Start(self.read)).expect("a file can be read from any offset");
        let mut octets = Vec::new();
        self.read += file.read_to_end(&mut octets).expect("the log can be read") as u64;
        self.rest.push_str(std::str::from_utf8(&octets).expect("the log is text"));
        let lines = self.rest.rfind('\n').map(|end| self.rest.drain(..=end).collect::<String>());
        for line in lines.unwrap_or_default().lines() {
            self.apply(line);
            self.lines.push(line.to_owned());
        }
    }

    fn apply(&mut self, line: &str) {
        // What a router mirrors says nothing about the tables.
        if member(line, "bmp_msg_type") == Some("route_mirroring") {
            return;
        }
        let key = Key::of(line);
        match (member(line, "event_type"), member(line, "log_type")) {
            (Some("log"), Some("update")) => _ = self.routes.insert(key, self.lines.len()),
            (Some("log"), Some("withdraw" | "delete")) => {
                let known = self.routes.remove(&key);
                assert!(known.is_some() || !self.has_tables, "no such route: {line}\n{}", self.about(&key.prefix));
            }
            (Some("log_close"), _) if !self.has_tables => {
                self.routes.retain(|route, _| !route.is_of_session(&key));
            }
            _ if !self.has_tables && member(line, "bmp_msg_type") == Some("peer_down") => {
                self.routes.retain(|route, _| !route.is_of_session(&key) || route.peer != key.peer);
            }
            _ => {}
        }
    }

    /// The lines about a prefix.
    fn about(&self, prefix: &str) -> String {
        let lines = self.lines.iter().filter(|line| member(line, "ip_prefix") == Some(prefix));
        lines.map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Waits until `holds`.
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let found = within(PATIENCE, || {
            self.update();
            holds(self).then_some(())
        });
        let tail = self.lines.get(self.lines.len().saturating_sub(3)..).unwrap_or_default().join("\n");
        let (routes, lines) = (self.routes.len(), self.lines.len());
        assert!(
            found.is_some(),
            "timed out waiting for {what}; {routes} routes, {lines} lines, at the end:\n{tail}"
        );
    }

    /// Waits until there are that many routes.
    #[track_caller]
    pub(crate) fn wait_for_routes(&mut self, count: usize) {
        self.wait(&format!("{count} routes"), |log| log.routes.len() == count);
    }

    /// Waits until there are that many events of the type, log type, or type of BMP message.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, count: usize, kind: &str) {
        self.wait(&format!("{count} events {kind}"), |log| log.count(kind) >= count);
    }

    /// The number of events of a type, log type, or type of BMP message.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let names = ["event_type", "log_type", "bmp_msg_type"];
        let is = |line: &&String| names.iter().any(|name| member(line, name) == Some(kind));
        self.lines.iter().filter(is).count()
    }

    /// All events in their order.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.lines.iter().map(|line| parsed(line)).collect()
    }

    /// The routes of a prefix, by path identifier.
    pub(crate) fn prefix(&self, prefix: &str) -> Vec<Value> {
        let lines = self.routes.iter().filter(|(key, _)| key.prefix == prefix).map(|(_, line)| *line);
        lines.map(|line| parsed(&self.lines[line])).collect()
    }
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Events without the members that differ in each run.
pub(crate) fn stable(events: &[Value]) -> Vec<Value> {
    let strip = |event: &Value| {
        let mut event = event.clone();
        if let Some(members) = event.as_object_mut() {
            for name in ["seq", "timestamp", "timestamp_arrival", "peer_tcp_port", "bmp_router_port"] {
                members.remove(name);
            }
        }
        event
    };
    events.iter().map(strip).collect()
}

/// An address like that of the daemon, for a peer of it.
pub(crate) fn own_address() -> String {
    testkit::sockets::own_address().ip().to_string()
}
