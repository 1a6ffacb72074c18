//! Syslog over the local socket.
//!
//! A message is `<PRIORITY>Mmm dd hh:mm:ss TAG[PID]: text` (RFC 3164 section 4.1, without the host: the local
//! server knows it), one datagram to `/dev/log`, where journald also listens.

use super::line::Severity;
use jiff::Zoned;
use std::fmt::Write;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// A facility of syslog (RFC 3164 section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

impl Facility {
    /// The facility of a name, as in the configuration.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(Self(match name {
            "kern" => 0,
            "user" => 1,
            "mail" => 2,
            "daemon" => 3,
            "auth" => 4,
            "local0" => 16,
            "local1" => 17,
            "local2" => 18,
            "local3" => 19,
            "local4" => 20,
            "local5" => 21,
            "local6" => 22,
            "local7" => 23,
            _ => return None,
        }))
    }

    fn priority(self, severity: Severity) -> u8 {
        self.0 * 8 + severity.code()
    }
}

/// The connection to the local server.
pub(super) struct Syslog {
    facility: Facility,
    ident: String,
    path: PathBuf,
    socket: Option<UnixDatagram>,
    /// The last message; kept for its memory.
    message: String,
}

impl Syslog {
    pub(super) fn new(facility: Facility, ident: &str, path: &Path) -> Self {
        Self {
            facility,
            ident: ident.to_owned(),
            path: path.to_owned(),
            socket: connect(path).ok(),
            message: String::new(),
        }
    }

    /// Sends one message. Connects again, once, when the server was restarted since the last one.
    pub(super) fn send(&mut self, severity: Severity, time: &Zoned, text: &str) -> io::Result<()> {
        let priority = self.facility.priority(severity);
        let (time, tag, pid) = (time.strftime("%b %e %H:%M:%S"), &self.ident, std::process::id());
        self.message.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.message, "<{priority}>{time} {tag}[{pid}]: {text}");
        if let Some(socket) = &self.socket {
            match socket.send(self.message.as_bytes()) {
                Ok(_) => return Ok(()),
                // The server is running but too slow.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => self.socket = None,
            }
        }
        let socket = connect(&self.path)?;
        let sent = socket.send(self.message.as_bytes()).map(drop);
        self.socket = Some(socket);
        sent
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_are_known_by_name() {
        let priority = |name, severity| Facility::parse(name).unwrap().priority(severity);
        assert_eq!(priority("kern", Severity::Error), 3);
        assert_eq!(priority("daemon", Severity::Info), 30);
        assert_eq!(priority("local7", Severity::Debug), 191);
        assert_eq!(Facility::parse("local8"), None);
        assert_eq!(Facility::parse("DAEMON"), None);
    }
}
