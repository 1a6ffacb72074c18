//! FRRouting's bgpd without zebra: `network` statements, and vtysh for changes.

use super::{
    IPV6_PREFIX, PATHS_PREFIX, Peering, Router, Running, VPN_LABEL, VPN_PREFIX, client, eventually_run, feed,
    own_routes,
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
/// Lines for BMP.
const BMP: &str = "
 bmp targets station
  bmp connect {bmp_ip} port {bmp_port} min-retry 100 max-retry 1000
  bmp monitor ipv4 unicast pre-policy
  bmp monitor ipv4 unicast post-policy
  bmp stats interval 1000
  bmp mirror
 exit
 address-family ipv4 unicast
";

/// A bgpd of FRRouting.
#[derive(Debug)]
pub struct Frr {
    running: Running,
    /// Where it listens.
    address: SocketAddr,
    /// Announces the second path, since bgpd itself has one `network` of a prefix, and what it reports over BMP.
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
        let (own, fed) = match peering.bmp {
            None => (numbers, 0..0),
            Some(_) => (0..0, numbers),
        };
        for prefix in own.map(numbered).chain(peering.add_path.then(|| PATHS_PREFIX.to_owned())) {
            let _ = writeln!(head, "  network {prefix}");
        }
        if peering.bmp.is_some() {
            // It keeps no routes before policies otherwise.
            let kept = "  neighbor {feeder} activate\n  neighbor {feeder} soft-reconfiguration inbound\n";
            head = head
                .replace(" address-family ipv4 unicast\n", BMP)
                .replace("  neighbor {feeder} activate\n", kept);
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
        if self.running.peering.bmp.is_some() {
            command.args(["-M", "bmp"]);
        }
        // Neither kernel nor zebra, no terminal over TCP.
        command.args(["-S", "-n", "-Z", "-P", "0", "-p", &self.address.port().to_string()]);
        command
            .args(["-l", &self.address.ip().to_string(), "-i", "pid", "--vty_socket"])
            .arg(self.running.folder.path());
        command.arg("-f").arg(path);
        self.running.start(command);
        let peering = &self.running.peering;
        let mut messages = Vec::new();
        if peering.add_path {
            let path = Update::route(&[], peering.router_id()).local_pref(100).announce([PATHS_PREFIX]);
            messages.push(path.finish());
        }
        messages.extend(own_routes(peering, fed));
        self.feeder = (!messages.is_empty()).then(|| feed(peering, self.address, &messages));
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
