//! FRRouting's bgpd without zebra: `network` statements, and vtysh for changes.

use super::{
    IPV6_PREFIX, PATHS_PREFIX, Peering, Router, Running, VPN_LABEL, VPN_PREFIX, client, eventually_run, feed,
};
use crate::bgp::update::numbered;
use crate::bgp::{Speaker, Update};
use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::Range;

const CONFIG: &str = "
frr defaults traditional
log stdout
router bgp {asn}
 bgp router-id {id}
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 neighbor {ip} remote-as {peer}
 neighbor {ip} port {port}
 neighbor {ip} update-source {local}
 neighbor {ip} ebgp-multihop
 neighbor {ip} timers 3 9
 neighbor {ip} timers connect 1
 neighbor {ip} advertisement-interval 0
 {password}
 neighbor {feeder} remote-as {asn}
 neighbor {feeder} passive
 neighbor {feeder} timers 1200 3600
 address-family ipv4 unicast
  neighbor {ip} activate
  neighbor {ip} send-community all
  neighbor {ip} route-map out out
  neighbor {feeder} activate
  {paths}
";
const VPN: &str = "
 exit-address-family
 address-family ipv6 unicast
  neighbor {ip} activate
  network {ipv6}
 exit-address-family
 address-family ipv4 vpn
  neighbor {ip} activate
  neighbor {ip} send-community all
  network {vpn} rd {asn}:1 label {label}
 exit-address-family
exit
route-map out permit 10
 set community {asn}:1 additive
 set large-community {asn}:1:2 additive
exit
";

/// A bgpd of FRRouting.
#[derive(Debug)]
pub struct Frr {
    running: Running,
    /// Where it listens.
    address: SocketAddr,
    /// Announces the second path: bgpd itself has one `network` of a prefix.
    feeder: Option<Speaker>,
}

impl Frr {
    /// Starts one that announces these numbered prefixes; `None` if it is not installed.
    pub fn start(peering: &Peering, numbers: Range<u32>) -> Option<Self> {
        let running = Running::find("bgpd", &["/usr/lib/frr", "/usr/libexec/frr"], peering)?;
        let address = peering.free_port();
        let mut frr = Self { running, address, feeder: None };
        frr.restart(numbers);
        Some(frr)
    }

    fn configure(&self, verb: &str, numbers: Range<u32>) {
        let mut text = self.running.peering.fill("router bgp {asn}\n address-family ipv4 unicast\n");
        for number in numbers {
            let _ = writeln!(text, "  {verb} {}", numbered(number));
        }
        self.running.write("change.conf", &text);
        let folder = self.running.folder.path();
        eventually_run(|| {
            let mut vtysh = client("vtysh", folder);
            vtysh.args(["--config_dir", ".", "--vty_socket", ".", "-f", "change.conf"]);
            vtysh
        });
    }
}

impl Router for Frr {
    fn name(&self) -> &'static str {
        "FRRouting"
    }

    fn announce(&mut self, numbers: Range<u32>) {
        self.configure("network", numbers);
    }

    fn withdraw(&mut self, numbers: Range<u32>) {
        self.configure("no network", numbers);
    }

    fn kill(&mut self) {
        self.running.kill();
        self.feeder = None;
    }

    fn restart(&mut self, numbers: Range<u32>) {
        let peering = &self.running.peering;
        let (mut head, tail) = (CONFIG.to_owned(), VPN.to_owned());
        for prefix in numbers.map(numbered).chain(peering.add_path.then(|| PATHS_PREFIX.to_owned())) {
            let _ = writeln!(head, "  network {prefix}");
        }
        let password = peering.password.as_ref().map(|password| format!("neighbor {{ip}} password {password}"));
        let config = (head + &tail)
            .replace("{password}", &password.unwrap_or_default())
            .replace("{paths}", if peering.add_path { "neighbor {ip} addpath-tx-all-paths" } else { "" })
            .replace("{feeder}", &peering.feeder().to_string())
            .replace("{vpn}", VPN_PREFIX)
            .replace("{ipv6}", IPV6_PREFIX)
            .replace("{label}", &VPN_LABEL.to_string());
        let config = peering.fill(&config);
        let path = self.running.write("bgpd.conf", &config);
        self.running.write("vtysh.conf", "");
        let mut command = self.running.command();
        // Neither kernel nor zebra, no terminal over TCP.
        command.args(["-S", "-n", "-Z", "-P", "0", "-p", &self.address.port().to_string()]);
        command
            .args(["-l", &self.address.ip().to_string(), "-i", "pid", "--vty_socket"])
            .arg(self.running.folder.path());
        command.arg("-f").arg(path);
        self.running.start(command);
        if self.running.peering.add_path {
            let peering = &self.running.peering;
            let path = Update::route(&[], peering.router_id()).local_pref(100).announce([PATHS_PREFIX]);
            self.feeder = Some(feed(peering, self.address, &[path.finish()]));
        }
    }

    fn freeze(&self) {
        self.running.freeze();
    }

    fn output(&self) -> String {
        self.running.output()
    }
}
