//! ExaBGP: commands through a named pipe.

use super::{IPV6_PREFIX, PATHS_PREFIX, Peering, Router, Running, VPN_LABEL, VPN_PREFIX};
use crate::bgp::update::numbered;
use crate::servers::{hand_over, run};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::process::Command;

const CONFIG: &str = "
process commands {
  run /bin/cat {pipe};
  encoder text;
}
neighbor {ip} {
  router-id {id};
  local-address {local};
  local-as {asn};
  peer-as {peer};
  hold-time 9;
  connect {port};
  {password}
  capability { asn4 enable; {paths} }
  family { ipv4 unicast; ipv6 unicast; ipv4 mpls-vpn; }
  {families}
  api { processes [ commands ]; }
}
";
/// Prefixes in a command.
const TOGETHER: usize = 200;

/// An ExaBGP.
#[derive(Debug)]
pub struct ExaBgp {
    running: Running,
    commands: Option<File>,
}

impl ExaBgp {
    /// Starts one that announces these numbered prefixes; `None` if it is not installed.
    pub fn start(peering: &Peering, numbers: Range<u32>) -> Option<Self> {
        let mut exabgp = Self { running: Running::find("exabgp", &["/usr/sbin"], peering)?, commands: None };
        exabgp.restart(numbers);
        Some(exabgp)
    }

    fn tell(&mut self, command: &str) {
        let pipe = self.commands.as_mut().expect("it runs");
        writeln!(pipe, "{command}").unwrap_or_else(|error| panic!("{command}: {error}"));
    }

    fn tell_all(&mut self, verb: &str, numbers: Range<u32>) {
        let attributes =
            self.running.peering.fill("next-hop {id} community [{asn}:1] large-community [{asn}:1:2]");
        let prefixes: Vec<String> = numbers.map(numbered).collect();
        for prefixes in prefixes.chunks(TOGETHER) {
            self.tell(&format!("{verb} attributes {attributes} nlri {}", prefixes.join(" ")));
        }
    }
}

impl Router for ExaBgp {
    fn name(&self) -> &'static str {
        "ExaBGP"
    }

    fn announce(&mut self, numbers: Range<u32>) {
        self.tell_all("announce", numbers);
    }

    fn withdraw(&mut self, numbers: Range<u32>) {
        self.tell_all("withdraw", numbers);
    }

    fn kill(&mut self) {
        self.running.kill();
        self.commands = None;
    }

    fn restart(&mut self, numbers: Range<u32>) {
        let pipe = self.running.path("commands");
        let _ = std::fs::remove_file(&pipe);
        let mut mkfifo = Command::new("mkfifo");
        mkfifo.arg(&pipe);
        run(mkfifo);
        hand_over(&pipe);
        let peering = self.running.peering.clone();
        let password = peering.password.as_ref().map(|password| format!("md5-password '{password}';"));
        let config = peering
            .fill(CONFIG)
            .replace("{pipe}", &pipe.to_string_lossy())
            .replace("{password}", &password.unwrap_or_default())
            .replace("{paths}", if peering.add_path { "add-path send;" } else { "" })
            .replace("{families}", if peering.add_path { "add-path { ipv4 unicast; }" } else { "" });
        self.running.write("exabgp.conf", &config);
        let mut command = self.running.command();
        command.envs([
            ("exabgp.daemon.user", "nobody"),
            ("exabgp.api.cli", "false"),
            ("exabgp.api.ack", "false"),
            ("exabgp.log.destination", "stderr"),
            ("exabgp.log.level", "WARNING"),
            ("exabgp.tcp.bind", ""),
        ]);
        command.args(["--root", "/", "exabgp.conf"]);
        self.running.start(command);
        // Opening waits for the reader.
        let commands = File::options().write(true).open(&pipe);
        self.commands = Some(commands.unwrap_or_else(|error| panic!("{}: {error}", pipe.display())));
        let target = "extended-community [target:{asn}:7]";
        let vpn = format!("announce route {VPN_PREFIX} rd {{asn}}:1 label {VPN_LABEL} next-hop {{id}} {target}");
        self.tell(&peering.fill(&vpn));
        self.tell(&format!("announce route {IPV6_PREFIX} next-hop 2001:db8::1"));
        if peering.add_path {
            for path in 1..=2 {
                let route = format!("announce route {PATHS_PREFIX} path-information 0.0.0.{path} next-hop {{id}}");
                self.tell(&peering.fill(&route));
            }
        }
        self.announce(numbers);
    }

    fn freeze(&self) {
        self.running.freeze();
    }

    fn output(&self) -> String {
        self.running.output()
    }
}
