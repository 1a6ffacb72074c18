//! BIRD 2: static routes in included files, and `birdc configure` after a change.

use super::{IPV6_PREFIX, PATHS_PREFIX, Peering, Router, Running, VPN_LABEL, VPN_PREFIX, client, eventually_run};
use crate::bgp::update::numbered;
use std::fmt::Write;
use std::ops::Range;

const CONFIG: &str = "
log stderr all;
router id {id};
protocol device {}
ipv4 table announced;
vpn4 table announced_vpn;
ipv6 table announced_ipv6;
protocol static bulk {
  ipv4 { table announced; };
  include \"bulk.conf\";
}
protocol static later {
  ipv4 { table announced; };
  include \"more.conf\";
}
protocol static first_path {
  ipv4 { table announced; };
  include \"first.conf\";
}
protocol static second_path {
  ipv4 { table announced; };
  include \"second.conf\";
}
protocol static in_vpn {
  vpn4 { table announced_vpn; };
  route {asn}:1 {vpn} via {id}%lo onlink mpls {label} { bgp_ext_community.add((rt, {asn}, 7)); };
}
protocol static in_ipv6 {
  ipv6 { table announced_ipv6; };
  route {ipv6} blackhole;
}
protocol bgp collector {
  local {local} port 11179 as {asn};
  neighbor {ip} port {port} as {peer};
  strict bind yes;
  multihop;
  {password}
  hold time 9;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 {
    table announced;
    import none;
    export filter {
      bgp_community.add(({asn}, 1));
      bgp_large_community.add(({asn}, 1, 2));
      accept;
    };
    next hop self;
    {paths}
  };
  ipv6 {
    table announced_ipv6;
    import none;
    export all;
    next hop address 2001:db8::1;
  };
  vpn4 mpls {
    table announced_vpn;
    import none;
    export all;
  };
}
";

/// A BIRD.
#[derive(Debug)]
pub struct Bird {
    running: Running,
    more: Vec<u32>,
}

impl Bird {
    /// Starts one that announces these numbered prefixes; `None` if it is not installed.
    pub fn start(peering: &Peering, numbers: Range<u32>) -> Option<Self> {
        let mut bird = Self { running: Running::find("bird", &["/usr/sbin"], peering)?, more: Vec::new() };
        bird.restart(numbers);
        Some(bird)
    }

    fn write_more(&self) {
        self.running.write("more.conf", &routes(self.more.iter().map(|number| numbered(*number))));
    }

    fn configure(&mut self) {
        self.write_more();
        let folder = self.running.folder.path();
        eventually_run(|| {
            let mut birdc = client("birdc", folder);
            birdc.args(["-s", "control", "configure"]);
            birdc
        });
    }
}

fn routes(prefixes: impl IntoIterator<Item = String>) -> String {
    prefixes.into_iter().fold(String::new(), |mut text, prefix| {
        let _ = writeln!(text, "route {prefix} blackhole;");
        text
    })
}

impl Router for Bird {
    fn name(&self) -> &'static str {
        "BIRD"
    }

    fn vpn_label(&self) -> u32 {
        // It is the next hop itself, so it announces the implicit null label (RFC 3032 section 2.1).
        3
    }

    fn announce(&mut self, numbers: Range<u32>) {
        self.more.extend(numbers);
        self.configure();
    }

    fn withdraw(&mut self, numbers: Range<u32>) {
        self.more.retain(|number| !numbers.contains(number));
        self.configure();
    }

    fn kill(&mut self) {
        self.running.kill();
    }

    fn restart(&mut self, numbers: Range<u32>) {
        let peering = &self.running.peering;
        let password = peering.password.as_ref().map(|password| format!("password \"{password}\";"));
        let config = peering
            .fill(CONFIG)
            .replace("{vpn}", VPN_PREFIX)
            .replace("{ipv6}", IPV6_PREFIX)
            .replace("{label}", &VPN_LABEL.to_string())
            .replace("{password}", &password.unwrap_or_default())
            .replace("{paths}", if peering.add_path { "add paths tx;" } else { "" });
        // Each protocol can have one route of a prefix.
        let path = routes(peering.add_path.then(|| PATHS_PREFIX.to_owned()));
        self.running.write("bird.conf", &config);
        self.running.write("bulk.conf", &routes(numbers.map(numbered)));
        self.running.write("first.conf", &path);
        self.running.write("second.conf", &path);
        self.more.clear();
        self.write_more();
        let mut command = self.running.command();
        command.args(["-f", "-c", "bird.conf", "-s", "control", "-P", "pid"]);
        self.running.start(command);
    }

    fn freeze(&self) {
        self.running.freeze();
    }

    fn output(&self) -> String {
        self.running.output()
    }
}
