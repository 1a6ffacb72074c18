//! Real routing daemons as peers of a collector: BIRD, FRRouting, GoBGP, ExaBGP.
//!
//! Each runs in a temporary folder as `nobody` if the tests run as root, connects from an address of its own, in a network
//! namespace if wanted, has no contact with the kernel's routing tables, and is killed when it is dropped. If a program is not installed, `start` returns
//! `None`: tests report it and pass, unless `PMACCT_TEST_SERVERS=required` is set.
//!
//! All announce the same kinds of routes:
//!
//! | routes | contents |
//! |---|---|
//! | [`numbered`](crate::bgp::update::numbered) prefixes | the community `AS:1`, the large community `AS:1:2` |
//! | [`VPN_PREFIX`] | in the VPN with the route distinguisher `0:AS:1` |
//! | [`IPV6_PREFIX`] | over the same session |
//! | [`PATHS_PREFIX`] | two paths, if [`Peering::add_path`] is set |

mod bird;
mod exabgp;
mod frr;
mod gobgp;

pub use bird::Bird;
pub use exabgp::ExaBgp;
pub use frr::Frr;
pub use gobgp::GoBgp;

use crate::bgp::update::numbered_nlri;
use crate::bgp::{Open, Speaker, Update};
use crate::conditions::{eventually, within};
use crate::namespace::Namespace;
use crate::servers::{Group, NOBODY, as_nobody, folder, missing, program, run};
use crate::sockets;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The prefix of the VPN route.
pub const VPN_PREFIX: &str = "10.77.0.0/16";
/// Its label, except from BIRD.
const VPN_LABEL: u32 = 100;
/// The IPv6 prefix.
pub const IPV6_PREFIX: &str = "2001:db8:77::/48";
/// The prefix with two paths.
pub const PATHS_PREFIX: &str = "198.51.100.0/24";
/// Timeout for a command to a router that has just been started.
const COMMAND: Duration = Duration::from_secs(60);

/// A router's side of a session.
#[derive(Clone, Debug)]
pub struct Peering {
    /// Its address, such as one of 127.0.0.0/8.
    pub local: Ipv4Addr,
    /// Its AS, below 65,536.
    pub asn: u16,
    /// The BGP address of the collector.
    pub collector: SocketAddr,
    /// The AS of the collector.
    pub collector_asn: u16,
    /// The password of the session (RFC 2385).
    pub password: Option<String>,
    /// It sends several paths of a prefix (RFC 7911).
    pub add_path: bool,
    /// Where it reports its peers over BMP. Only GoBGP and FRRouting can. Its numbered prefixes come from a peer then.
    pub bmp: Option<SocketAddr>,
    /// Where it runs, if not where the tests run.
    pub namespace: Option<Arc<Namespace>>,
}

impl Peering {
    /// A session without password and ADD-PATH, from another loopback address.
    ///
    /// # Panics
    ///
    /// If `local` is not an IPv4 address.
    pub fn new(local: &str, asn: u16, collector: SocketAddr, collector_asn: u16) -> Self {
        let local = local.parse().unwrap_or_else(|error| panic!("{local}: {error}"));
        Self { local, asn, collector, collector_asn, password: None, add_path: false, bmp: None, namespace: None }
    }

    /// The same from a namespace. The collector listens outside it.
    #[must_use]
    pub fn inside(mut self, namespace: Arc<Namespace>) -> Self {
        self.local = namespace.inside();
        self.namespace = Some(namespace);
        self
    }

    /// Reports over BMP, and has no BGP session with a collector: nothing listens at its address.
    #[must_use]
    pub fn reporting(local: &str, asn: u16, station: SocketAddr) -> Self {
        let nobody = SocketAddr::new(station.ip(), sockets::free_tcp_port(station.ip()).port());
        Self { bmp: Some(station), ..Self::new(local, asn, nobody, 64_512) }
    }

    /// The address of a peer inside the router's AS.
    pub fn feeder(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.local.octets();
        match &self.namespace {
            Some(namespace) => namespace.also_outside(),
            None => Ipv4Addr::new(a, b, c, d.wrapping_add(100)),
        }
    }

    /// The BGP identifier: the address in 10.0.0.0/8 with the same last octets.
    pub fn router_id(&self) -> Ipv4Addr {
        let [_, b, c, d] = self.local.octets();
        Ipv4Addr::new(10, b, c, d)
    }

    /// An address where the router can listen.
    fn free_port(&self) -> SocketAddr {
        match self.namespace {
            // Nothing else runs there.
            Some(_) => {
                SocketAddr::new(self.local.into(), sockets::free_tcp_port(Ipv4Addr::LOCALHOST.into()).port())
            }
            None => sockets::free_tcp_port(self.local.into()),
        }
    }

    /// Fills `{local}`, `{id}`, `{asn}`, `{ip}`, `{port}`, `{peer}`, `{bmp_ip}` and `{bmp_port}` of a configuration.
    fn fill(&self, text: &str) -> String {
        let values = [
            ("{local}", self.local.to_string()),
            ("{id}", self.router_id().to_string()),
            ("{asn}", self.asn.to_string()),
            ("{ip}", self.collector.ip().to_string()),
            ("{port}", self.collector.port().to_string()),
            ("{peer}", self.collector_asn.to_string()),
            ("{bmp_ip}", self.bmp.map(|station| station.ip().to_string()).unwrap_or_default()),
            ("{bmp_port}", self.bmp.map(|station| station.port().to_string()).unwrap_or_default()),
        ];
        values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// What all routers can do.
pub trait Router {
    /// Its name.
    fn name(&self) -> &'static str;
    /// The label of its VPN route.
    fn vpn_label(&self) -> u32 {
        VPN_LABEL
    }
    /// Announces numbered prefixes, in addition to what it announces already.
    fn announce(&mut self, numbers: Range<u32>);
    /// Withdraws numbered prefixes that were announced after the start.
    fn withdraw(&mut self, numbers: Range<u32>);
    /// Kills it, so that it cannot end its session.
    fn kill(&mut self);
    /// Starts it with these numbered prefixes.
    fn restart(&mut self, numbers: Range<u32>);
    /// Stops its process; the connection stays.
    fn freeze(&self);
    /// Its output so far.
    fn output(&self) -> String;
    /// The peer inside its AS, at the address [`Peering::feeder`].
    fn feeder(&mut self) -> Option<Speaker> {
        None
    }
}

/// Its process and folder.
#[derive(Debug)]
struct Running {
    peering: Peering,
    program: PathBuf,
    // Dropped before the folder.
    process: Option<Group>,
    folder: TempDir,
}

impl Running {
    /// Looks for a program; reports that it is missing.
    fn find(name: &str, folders: &[&str], peering: &Peering) -> Option<Self> {
        let Some(program) = program(name, folders) else {
            missing(name);
            return None;
        };
        Some(Self { peering: peering.clone(), program, process: None, folder: folder() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that the router reads.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    fn command(&self) -> Command {
        let mut command = match &self.peering.namespace {
            Some(namespace) => namespace.enter_as(NOBODY, &self.program),
            None => as_nobody(&self.program),
        };
        command.current_dir(self.folder.path());
        command
    }

    fn start(&mut self, command: Command) {
        self.process = Some(Group::spawn(command, self.path("log")));
    }

    fn kill(&mut self) {
        self.process = None;
    }

    fn freeze(&self) {
        if let Some(process) = &self.process {
            process.freeze();
        }
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let output = self.output();
            let tail = output.len().saturating_sub(4000);
            eprintln!("{}: {}", self.program.display(), output.get(tail..).unwrap_or(&output));
        }
    }
}

/// Runs a command until it succeeds: a router that has just been started may not take commands yet.
fn eventually_run(command: impl Fn() -> Command) {
    let done = within(COMMAND, || command().output().is_ok_and(|output| output.status.success()).then_some(()));
    if done.is_none() {
        // Panics with its output.
        run(command());
    }
}

/// A command of a router's client.
fn client(name: &str, folder: &Path) -> Command {
    let path = program(name, &["/usr/sbin", "/usr/bin"]).unwrap_or_else(|| panic!("{name} is not installed"));
    let mut command = as_nobody(path);
    command.current_dir(folder);
    command
}

/// Connects the peer inside the router's AS to the router at `address`, and sends its messages.
fn feed(peering: &Peering, address: SocketAddr, messages: &[Vec<u8>]) -> Speaker {
    let source = peering.feeder();
    let mut speaker = eventually("the router to listen", || {
        Speaker::try_connect(&source.to_string(), address, Duration::from_secs(5)).ok()
    });
    // It sends no keepalives. GoBGP cannot do without a hold time: it becomes its timeout for sending.
    speaker.open(&Open::new(peering.asn.into(), source).hold_time(3600));
    messages.iter().for_each(|message| speaker.send(message));
    speaker
}

/// The messages that announce numbered prefixes inside the router's AS.
fn own_routes(peering: &Peering, numbers: Range<u32>) -> Vec<Vec<u8>> {
    Update::route(&[], peering.router_id())
        .local_pref(100)
        .communities(&[(peering.asn, 1)])
        .large_communities(&[[peering.asn.into(), 1, 2]])
        .announcing(numbered_nlri(numbers))
}
