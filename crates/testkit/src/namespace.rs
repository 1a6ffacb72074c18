//! Network namespaces, each with one link to the namespace of the tests.
//!
//! The link is a pair of virtual Ethernet interfaces in a network of its own, 198.18.x.y/29 (RFC 2544). Unlike a loopback
//! interface it can be cut: then neither side hears of the end of the other.

use crate::conditions::eventually;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace. It ends when its owner drops it or dies, unless processes in it go on.
#[derive(Debug)]
pub struct Namespace {
    /// A process that does nothing in it, until its standard input is closed.
    holder: Child,
    /// The interface on the side of the tests.
    link: String,
    /// The first address of the network.
    network: Ipv4Addr,
}

impl Namespace {
    /// A new one; `None` if that takes privileges that the tests do not have.
    pub fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // 2^14 networks of 8 addresses: other runs of the tests start elsewhere.
        let network = std::process::id().wrapping_mul(61).wrapping_add(number) % (1 << 14) * 8;
        let network = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + network);
        let link = format!("pm{:x}.{number:x}", std::process::id());
        let holder = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .ok()?;
        let mut namespace = Self { holder, link, network };
        let own = std::fs::read_link("/proc/self/ns/net").ok()?;
        let path = format!("/proc/{}/ns/net", namespace.holder.id());
        let is_inside = eventually("the namespace", || {
            let has_ended = namespace.holder.try_wait().is_ok_and(|status| status.is_some());
            let inside = std::fs::read_link(&path).is_ok_and(|found| found != own);
            (has_ended || inside).then_some(inside)
        });
        (is_inside && namespace.connect()).then_some(namespace)
    }

    /// Makes the link; false if that is not permitted.
    fn connect(&self) -> bool {
        let (link, inside) = (&self.link, self.holder.id().to_string());
        let host = |number| format!("{}/29", self.host(number));
        let outer = [
            format!("link add {link} type veth peer name eth0 netns {inside}"),
            format!("addr add {} dev {link}", host(1)),
            format!("addr add {} dev {link}", host(3)),
            format!("link set {link} up"),
        ];
        let inner =
            ["link set lo up".to_owned(), format!("addr add {} dev eth0", host(2)), "link set eth0 up".to_owned()];
        outer.iter().all(|words| succeeds(Command::new("ip").args(words.split(' '))))
            && inner.iter().all(|words| succeeds(self.enter(Path::new("ip")).args(words.split(' '))))
    }

    fn host(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) + number)
    }

    /// The address of the tests.
    pub fn outside(&self) -> Ipv4Addr {
        self.host(1)
    }

    /// Another address of the tests.
    pub fn also_outside(&self) -> Ipv4Addr {
        self.host(3)
    }

    /// The address in the namespace.
    pub fn inside(&self) -> Ipv4Addr {
        self.host(2)
    }

    /// A command that runs in it, as the user of the tests.
    pub fn enter(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.holder.id().to_string()]).arg(program);
        command
    }

    /// A command that runs in it, as this user and group.
    pub(crate) fn enter_as(&self, user: u32, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        let user = user.to_string();
        command.args(["--net", "--setuid", &user, "--setgid", &user, "--target", &self.holder.id().to_string()]);
        command.arg(program);
        command
    }

    /// Cuts the link: packets are lost without an answer.
    ///
    /// # Panics
    ///
    /// If the interface is gone.
    pub fn cut(&self) {
        // Taking down the own side would be noticed on this side, as the address would go.
        let cut = succeeds(self.enter(Path::new("ip")).args(["link", "set", "eth0", "down"]));
        assert!(cut, "{} cannot be cut", self.link);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = succeeds(Command::new("ip").args(["link", "del", &self.link]));
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    #[test]
    fn a_link_leads_into_the_namespace_until_it_is_cut() {
        let Some(namespace) = Namespace::new() else { return };
        let listener = TcpListener::bind((namespace.outside(), 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connect = format!("echo > /dev/tcp/{}/{port}", namespace.outside());
        assert!(succeeds(namespace.enter(Path::new("bash")).args(["-c", &connect])));
        assert_eq!(listener.accept().unwrap().1.ip(), namespace.inside());
        namespace.cut();
        let target = (namespace.inside(), 9).into();
        assert!(TcpStream::connect_timeout(&target, Duration::from_millis(100)).is_err());
    }
}
