//! Messages to the service manager, systemd: ready, reloading, stopping, alive (sd_notify(3)).
//!
//! The `sd-notify` crate knows the messages and the watchdog's variables. The socket is ours, because `sd_notify::notify`
//! opens a socket for each message, takes a `NOTIFY_SOCKET` that begins with `@` for a file instead of a name in the abstract
//! namespace, and blocks the main thread while the queue of the service manager is full. Without `NOTIFY_SOCKET` nothing is sent, and failures are ignored: the daemon works without a service manager.

use sd_notify::NotifyState;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The connection to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Connects as set in the environment. To be called after [`daemonize`](crate::daemonize::daemonize), because the watchdog
    /// watches one process only.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::new(std::env::var_os("NOTIFY_SOCKET"), sd_notify::watchdog_enabled())
    }

    fn new(socket: Option<OsString>, watchdog: Option<Duration>) -> Self {
        Self {
            socket: socket.and_then(|name| connect(&name)),
            watchdog: watchdog.filter(|allowed| !allowed.is_zero()),
        }
    }

    /// The daemon receives data; also the end of a reload. This process is the main process.
    pub fn ready(&self, status: &str) {
        let main = NotifyState::MainPid(std::process::id());
        self.send(&[NotifyState::Ready, main, NotifyState::Status(&one_line(status))]);
    }

    /// A reload begins; [`Notifier::ready`] ends it.
    pub fn reloading(&self) {
        // systemd compares the time with its own clock to tell this reload from an earlier one, and rejects a reload without it.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.send(&[NotifyState::Reloading, now]);
        }
    }

    /// The daemon begins to shut down.
    pub fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    /// A line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&[NotifyState::Status(&one_line(status))]);
    }

    /// The daemon is alive. To be called at [`Notifier::watchdog_interval`].
    pub fn watchdog(&self) {
        if self.watchdog.is_some() {
            self.send(&[NotifyState::Watchdog]);
        }
    }

    /// How often to call [`Notifier::watchdog`]: half of the time that the service manager allows. `None` without a watchdog.
    #[must_use]
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|allowed| allowed / 2)
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        let mut message = String::new();
        for state in states {
            let separator = if message.is_empty() { "" } else { "\n" };
            let _ = write!(message, "{separator}{state}");
        }
        let _ = socket.send(message.as_bytes());
    }
}

/// Replaces line ends, each of which would begin another assignment.
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
        let mut buffer = [0; 512];
        let len = server.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    }

    #[test]
    fn the_service_manager_gets_each_change_of_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let server = UnixDatagram::bind(&path).unwrap();
        let pid = std::process::id();
        let notifier = Notifier::new(Some(path.into()), Some(Duration::from_secs(3)));
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
        Notifier::new(Some(format!("@{name}").into()), None).stopping();
        assert_eq!(received(&server), "STOPPING=1");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let notifier = Notifier::new(None, None);
        notifier.ready("x");
        notifier.watchdog();
        assert_eq!(notifier.watchdog_interval(), None);
        assert!(Notifier::new(Some("/no/such/socket".into()), None).socket.is_none());
    }

    #[test]
    fn a_watchdog_without_time_is_off() {
        let interval = |usec| Notifier::new(None, Some(Duration::from_micros(usec))).watchdog_interval();
        assert_eq!(interval(0), None);
        assert_eq!(interval(1_000_000), Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_service_manager_that_does_not_read_blocks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _server = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.into()), None);
        for _ in 0..10_000 {
            notifier.stopping();
        }
    }
}
