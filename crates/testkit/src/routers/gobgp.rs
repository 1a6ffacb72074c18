//! GoBGP: many routes from a peer in its AS, few by its client.

use super::{
    IPV6_PREFIX, PATHS_PREFIX, Peering, Router, Running, VPN_LABEL, VPN_PREFIX, client, eventually_run, feed,
    own_routes,
};
use crate::bgp::Speaker;
use crate::bgp::update::numbered;
use std::net::SocketAddr;
use std::ops::Range;
use std::process::Command;

const CONFIG: &str = "
[global.config]
  as = {asn}
  router-id = \"{id}\"
  port = {listen}
  local-address-list = [\"{local}\"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = \"{ip}\"
    peer-as = {peer}
    {password}
  [neighbors.transport.config]
    local-address = \"{local}\"
    remote-port = {port}
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 64
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
    hold-time = 9
    keepalive-interval = 3
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = \"ipv4-unicast\"
    {paths}
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = \"l3vpn-ipv4-unicast\"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = \"ipv6-unicast\"
[[neighbors]]
  [neighbors.config]
    neighbor-address = \"{feeder}\"
    peer-as = {asn}
  [neighbors.transport.config]
    local-address = \"{local}\"
    passive-mode = true
  [neighbors.timers.config]
    hold-time = 3600
";
/// Lines for BMP.
const BMP: &str = "
[[bmp-servers]]
  [bmp-servers.config]
    address = \"{bmp_ip}\"
    port = {bmp_port}
    route-monitoring-policy = \"all\"
    statistics-timeout = 15
";

/// A GoBGP.
#[derive(Debug)]
pub struct GoBgp {
    running: Running,
    /// Where it takes commands.
    commands: SocketAddr,
    /// Where it listens.
    address: SocketAddr,
    /// The peer that announces many routes: its client takes milliseconds for each.
    feeder: Option<Speaker>,
}

impl GoBgp {
    /// Starts one that announces these numbered prefixes; `None` if it is not installed.
    pub fn start(peering: &Peering, numbers: Range<u32>) -> Option<Self> {
        let running = Running::find("gobgpd", &[], peering)?;
        let port = || peering.free_port();
        let mut gobgp = Self { running, commands: port(), address: port(), feeder: None };
        gobgp.restart(numbers);
        Some(gobgp)
    }

    /// Runs its client with these words.
    fn tell(&self, words: &str) {
        eventually_run(|| {
            let mut command: Command = client("gobgp", self.running.folder.path());
            command.args(["-u", &self.commands.ip().to_string(), "-p", &self.commands.port().to_string()]);
            command.args(words.split(' '));
            command
        });
    }

    fn attributes(&self) -> String {
        self.running.peering.fill("community {asn}:1 large-community {asn}:1:2 nexthop {id}")
    }
}

impl Router for GoBgp {
    fn name(&self) -> &'static str {
        "GoBGP"
    }

    fn announce(&mut self, numbers: Range<u32>) {
        for number in numbers {
            self.tell(&format!("global rib add {} {}", numbered(number), self.attributes()));
        }
    }

    fn withdraw(&mut self, numbers: Range<u32>) {
        for number in numbers {
            self.tell(&format!("global rib del {} {}", numbered(number), self.attributes()));
        }
    }

    fn kill(&mut self) {
        self.running.kill();
        self.feeder = None;
    }

    fn restart(&mut self, numbers: Range<u32>) {
        let peering = self.running.peering.clone();
        let password = peering.password.as_ref().map(|password| format!("auth-password = \"{password}\""));
        let paths = "[neighbors.afi-safis.add-paths.config]\n      send-max = 8";
        let bmp = if peering.bmp.is_some() { BMP } else { "" };
        let config = peering
            .fill(&(CONFIG.to_owned() + bmp))
            .replace("{listen}", &self.address.port().to_string())
            .replace("{feeder}", &peering.feeder().to_string())
            .replace("{password}", &password.unwrap_or_default())
            .replace("{paths}", if peering.add_path { paths } else { "" });
        self.running.write("gobgpd.conf", &config);
        let mut command = self.running.command();
        command.args(["-f", "gobgpd.conf", "--pprof-disable", "--api-hosts", &self.commands.to_string()]);
        self.running.start(command);
        let vpn = format!("-a vpnv4 {VPN_PREFIX} label {VPN_LABEL} rd {{asn}}:1 rt {{asn}}:7 nexthop {{id}}");
        self.tell(&format!("global rib add {}", peering.fill(&vpn)));
        self.tell(&format!("global rib add -a ipv6 {IPV6_PREFIX} nexthop 2001:db8::1"));
        if peering.add_path {
            for identifier in 1..=2 {
                let path = format!("{PATHS_PREFIX} identifier {identifier} {}", self.attributes());
                self.tell(&format!("global rib add {path}"));
            }
        }
        self.feeder = Some(feed(&peering, self.address, &own_routes(&peering, numbers)));
    }

    fn freeze(&self) {
        self.running.freeze();
    }

    fn output(&self) -> String {
        self.running.output()
    }

    fn feeder(&mut self) -> Option<Speaker> {
        self.feeder.take()
    }
}
