//! Figures of sessions, for metrics and statistics. The threads of sessions count; other threads read.

pub(super) use crate::routing::figures::Figure;

/// What a session runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Tls,
    Dtls,
}

impl Transport {
    /// All of them, in the order of their counters.
    pub(super) const ALL: [Self; 3] = [Self::Tcp, Self::Tls, Self::Dtls];

    /// The value of the metric's label.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Dtls => "dtls",
        }
    }
}

/// Why a connection was closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// `nfacctd_allow_file` does not list the exporter.
    NotAllowed,
    /// `nfacctd_sessions_max` is reached.
    MaxSessions,
    /// The address has its part of them.
    MaxPerAddress,
}

const REJECTIONS: [&str; 3] = ["not_allowed", "max_sessions", "max_per_address"];

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "dtls"), expect(dead_code, reason = "some reasons are of DTLS alone"))]
pub(super) enum Ending {
    /// The exporter has closed it, or it broke.
    Disconnected,
    /// The exporter has closed it within a message.
    Incomplete,
    /// What it sent is not IPFIX.
    Framing,
    /// Its handshake failed.
    Handshake,
    /// No message came in the time for the first one.
    Silent,
    /// Nothing came for `nfacctd_session_timeout`.
    TimedOut,
    /// Its place was needed for another session.
    Evicted,
    /// The exporter has begun a new session from the same address and port.
    Replaced,
    /// Its templates were removed, since `peer_state_memory` was reached.
    Memory,
    /// The daemon shuts down.
    Shutdown,
}

const ENDINGS: [&str; 10] = [
    "disconnected",
    "incomplete",
    "framing",
    "handshake",
    "silent",
    "timed_out",
    "evicted",
    "replaced",
    "memory",
    "shutdown",
];

/// What was dropped at the port of DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "dtls"), expect(dead_code, reason = "DTLS counts it"))]
pub(super) enum Dropped {
    /// From a source that is not allowed.
    NotAllowed,
    /// Of no session, and no hello.
    Stray,
    /// A hello with a cookie that is old or forged.
    Cookie,
    /// A handshake beyond those that one address may have in progress.
    Handshakes,
    /// An answer for which the socket had no room.
    Unsent,
}

const DROPPED: [&str; 5] = ["not_allowed", "stray", "cookie", "handshakes", "unsent"];

/// The figures of one transport.
#[derive(Debug, Default)]
pub(super) struct Of {
    pub(super) accepted: Figure,
    rejected: [Figure; REJECTIONS.len()],
    pub(super) open: Figure,
    closed: [Figure; ENDINGS.len()],
    pub(super) messages: Figure,
}

/// All figures.
#[derive(Debug, Default)]
pub(super) struct Figures {
    of: [Of; Transport::ALL.len()],
    dropped: [Figure; DROPPED.len()],
}

impl Of {
    pub(super) fn reject(&self, why: Rejection) {
        count(&self.rejected, why as usize, 1);
    }

    pub(super) fn close(&self, why: Ending) {
        count(&self.closed, why as usize, 1);
    }

    /// Connections closed at once, by reason.
    pub(super) fn rejected(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REJECTIONS.into_iter().zip(self.rejected.iter().map(Figure::get))
    }

    /// Sessions that have ended, by reason.
    pub(super) fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ENDINGS.into_iter().zip(self.closed.iter().map(Figure::get))
    }
}

impl Figures {
    pub(super) fn of(&self, transport: Transport) -> &Of {
        let [tcp, tls, dtls] = &self.of;
        match transport {
            Transport::Tcp => tcp,
            Transport::Tls => tls,
            Transport::Dtls => dtls,
        }
    }

    #[cfg_attr(not(feature = "dtls"), expect(dead_code, reason = "DTLS counts it"))]
    pub(super) fn drop_datagrams(&self, why: Dropped, number: u64) {
        count(&self.dropped, why as usize, number);
    }

    /// What was dropped at the port of DTLS, by reason.
    pub(super) fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DROPPED.into_iter().zip(self.dropped.iter().map(Figure::get))
    }

    /// A line of statistics: what is not zero.
    pub(super) fn line(&self) -> String {
        let mut line = String::new();
        for transport in Transport::ALL {
            let (name, of) = (transport.name(), self.of(transport));
            if of.accepted.get() == 0 {
                continue;
            }
            line += &format!(
                " {name}_sessions={} {name}_sessions_accepted={} {name}_messages={}",
                of.open.get(),
                of.accepted.get(),
                of.messages.get()
            );
            let rejected = of.rejected().map(|(reason, count)| ("rejected", reason, count));
            for (what, reason, count) in
                rejected.chain(of.closed().map(|(reason, count)| ("closed", reason, count)))
            {
                if count > 0 {
                    line += &format!(" {name}_sessions_{what}[{reason}]={count}");
                }
            }
        }
        for (reason, count) in self.dropped().filter(|(_, count)| *count > 0) {
            line += &format!(" dtls_dropped[{reason}]={count}");
        }
        format!("ipfix{}", if line.is_empty() { " sessions=0" } else { &line })
    }
}

fn count(figures: &[Figure], index: usize, number: u64) {
    if let Some(figure) = figures.get(index) {
        figure.add(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_the_names_of_their_counters() {
        let figures = Figures::default();
        assert_eq!(figures.line(), "ipfix sessions=0");
        let tls = figures.of(Transport::Tls);
        tls.accepted.add(2);
        tls.reject(Rejection::MaxPerAddress);
        tls.close(Ending::Shutdown);
        tls.close(Ending::Silent);
        figures.drop_datagrams(Dropped::Unsent, 3);
        assert_eq!(
            figures.line(),
            "ipfix tls_sessions=0 tls_sessions_accepted=2 tls_messages=0 tls_sessions_rejected[max_per_address]=1 \
             tls_sessions_closed[silent]=1 tls_sessions_closed[shutdown]=1 dtls_dropped[unsent]=3"
        );
    }
}
