//! What systemd is told: ready, reloading, stopping, alive (sd_notify(3)).
//!
//! The protocol is lines `KEY=value` in a datagram to the socket that `NOTIFY_SOCKET` names; a name that begins with
//! `@` is in the abstract namespace. Without the variable nothing is sent. Nothing here blocks or fails: a service
//! manager that does not listen is not the daemon's concern.

use rustix::time::{ClockId, clock_gettime};
use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment says. To be called after [`daemonize`](crate::daemonize::daemonize), because the watchdog is
    /// meant for one process only.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var_os(name);
        Self::new(variable("NOTIFY_SOCKET"), variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"))
    }

    fn new(socket: Option<OsString>, watchdog_usec: Option<OsString>, watchdog_pid: Option<OsString>) -> Self {
        let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<u64>().ok());
        let is_ours = watchdog_pid.is_none_or(|pid| number(&pid) == Some(u64::from(std::process::id())));
        let usec = watchdog_usec.and_then(|usec| number(&usec)).filter(|usec| is_ours && *usec > 0);
        Self { socket: socket.and_then(|name| connect(&name)), watchdog: usec.map(Duration::from_micros) }
    }

    /// The daemon takes in data; also the end of a reload. The main process is this one.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nMAINPID={}\nSTATUS={}", std::process::id(), one_line(status)));
    }

    /// A reload begins; [`Notifier::ready`] ends it.
    pub fn reloading(&self) {
        // systemd compares this with its own clock to tell this reload from an earlier one.
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The end begins.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// A line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    /// All is well. To be called at [`Notifier::watchdog_interval`].
    pub fn watchdog(&self) {
        if self.watchdog.is_some() {
            self.send("WATCHDOG=1");
        }
    }

    /// How often the watchdog wants to hear from us, with a margin: half of what it allows. Nothing without a watchdog.
    #[must_use]
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|allowed| allowed / 2)
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(message.as_bytes());
        }
    }
}

/// A line end would begin another key.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn connect(name: &OsStr) -> Option<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        _ => SocketAddr::from_pathname(name),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(server: &UnixDatagram) -> String {
        let mut octets = [0; 512];
        let len = server.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..len]).into_owned()
    }

    #[test]
    fn the_manager_hears_of_the_life_of_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let server = UnixDatagram::bind(&path).unwrap();
        let pid = std::process::id();
        let notifier = Notifier::new(Some(path.into()), Some("3000000".into()), Some(pid.to_string().into()));
        notifier.ready("2 workers\nREADY=0");
        assert_eq!(received(&server), format!("READY=1\nMAINPID={pid}\nSTATUS=2 workers READY=0"));
        notifier.reloading();
        assert!(received(&server).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(notifier.watchdog_interval(), Some(Duration::from_millis(1500)));
        notifier.watchdog();
        assert_eq!(received(&server), "WATCHDOG=1");
        notifier.status("x");
        assert_eq!(received(&server), "STATUS=x");
        notifier.stopping();
        assert_eq!(received(&server), "STOPPING=1");
        drop(server);
        notifier.stopping();
    }

    #[test]
    fn abstract_names_are_understood() {
        let name = format!("runtime-test-{}", std::process::id());
        let server = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::new(Some(format!("@{name}").into()), None, None).stopping();
        assert_eq!(received(&server), "STOPPING=1");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let notifier = Notifier::new(None, None, None);
        notifier.ready("x");
        notifier.watchdog();
        assert_eq!(notifier.watchdog_interval(), None);
        assert!(Notifier::new(Some("/no/such/socket".into()), None, None).socket.is_none());
    }

    #[test]
    fn another_process_or_odd_number_is_no_watchdog() {
        let interval = |usec: &str, pid: Option<&str>| {
            Notifier::new(None, Some(usec.into()), pid.map(OsString::from)).watchdog_interval()
        };
        assert_eq!(interval("1000000", Some("1")), None);
        assert_eq!(interval("soon", None), None);
        assert_eq!(interval("0", None), None);
        assert_eq!(interval("1000000", None), Some(Duration::from_millis(500)));
    }
}
