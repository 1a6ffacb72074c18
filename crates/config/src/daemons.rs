//! The programs that read a configuration, and sets of them.

use std::fmt;
use std::ops::BitOr;

/// One program of the suite that reads a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Daemon {
    /// NetFlow and IPFIX collector.
    Nfacctd,
    /// sFlow collector.
    Sfacctd,
    /// Packet capture through libpcap.
    Pmacctd,
    /// Packet capture through Linux NFLOG.
    Uacctd,
    /// BGP collector.
    Pmbgpd,
    /// BMP collector.
    Pmbmpd,
    /// Streaming telemetry collector.
    Pmtelemetryd,
}

impl Daemon {
    /// Every program, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Nfacctd,
        Self::Sfacctd,
        Self::Pmacctd,
        Self::Uacctd,
        Self::Pmbgpd,
        Self::Pmbmpd,
        Self::Pmtelemetryd,
    ];

    /// Name of the executable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nfacctd => "nfacctd",
            Self::Sfacctd => "sfacctd",
            Self::Pmacctd => "pmacctd",
            Self::Uacctd => "uacctd",
            Self::Pmbgpd => "pmbgpd",
            Self::Pmbmpd => "pmbmpd",
            Self::Pmtelemetryd => "pmtelemetryd",
        }
    }

    /// What the program calls itself in its usage text and its first log line.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Nfacctd => "NetFlow Accounting Daemon",
            Self::Sfacctd => "sFlow Accounting Daemon",
            Self::Pmacctd => "Promiscuous Mode Accounting Daemon",
            Self::Uacctd => "Linux NetFilter NFLOG Accounting Daemon",
            Self::Pmbgpd => "pmacct BGP Collector Daemon",
            Self::Pmbmpd => "pmacct BMP Collector Daemon",
            Self::Pmtelemetryd => "Streaming Network Telemetry Daemon",
        }
    }

    /// Whether it accounts flows or packets through plugins, as opposed to collecting messages.
    #[must_use]
    pub const fn accounts_flows(self) -> bool {
        FLOW.contains(self)
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daemons(u8);

/// The NetFlow and IPFIX collector alone.
pub const NFACCTD: Daemons = Daemons::of(Daemon::Nfacctd);
/// The sFlow collector alone.
pub const SFACCTD: Daemons = Daemons::of(Daemon::Sfacctd);
/// The libpcap daemon alone.
pub const PMACCTD: Daemons = Daemons::of(Daemon::Pmacctd);
/// The NFLOG daemon alone.
pub const UACCTD: Daemons = Daemons::of(Daemon::Uacctd);
/// The BGP collector alone.
pub const PMBGPD: Daemons = Daemons::of(Daemon::Pmbgpd);
/// The BMP collector alone.
pub const PMBMPD: Daemons = Daemons::of(Daemon::Pmbmpd);
/// The telemetry collector alone.
pub const PMTELEMETRYD: Daemons = Daemons::of(Daemon::Pmtelemetryd);
/// The two collectors of flow exports.
pub const COLLECTORS: Daemons = NFACCTD.and(SFACCTD);
/// The two daemons that see packets.
pub const PACKETS: Daemons = PMACCTD.and(UACCTD);
/// The four daemons that account flows through plugins.
pub const FLOW: Daemons = COLLECTORS.and(PACKETS);
/// Every daemon.
pub const ALL: Daemons = FLOW.and(PMBGPD).and(PMBMPD).and(PMTELEMETRYD);

impl Daemons {
    /// No program at all.
    pub const NONE: Self = Self(0);

    const fn of(daemon: Daemon) -> Self {
        Self(1 << daemon as u8)
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the program belongs to the set.
    #[must_use]
    pub const fn contains(self, daemon: Daemon) -> bool {
        self.0 & Self::of(daemon).0 != 0
    }

    /// The programs of the set, in the order of [`Daemon::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Daemon> {
        Daemon::ALL.into_iter().filter(move |&d| self.contains(d))
    }
}

impl BitOr for Daemons {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

impl fmt::Display for Daemons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == ALL {
            return f.write_str("all");
        }
        for (i, daemon) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(daemon.name())?;
        }
        Ok(())
    }
}
