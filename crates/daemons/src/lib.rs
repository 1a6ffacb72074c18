//! The declaration of all daemons of the suite.
//!
//! A row gives a daemon its executable, its title and the prefixes of its keys. Sets of daemons, the configuration, the tables of
//! primitives and map keys, and the programs themselves (`daemon::Daemon`, which adds the parts that run) are derived from it.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::BitOr;

/// The declaration of a daemon.
#[derive(Debug)]
struct Row {
    name: &'static str,
    title: &'static str,
    prefixes: &'static [&'static str],
}

macro_rules! daemons {
    ($($(#[$doc:meta])* $id:ident $set:ident = $row:expr;)+) => {
        /// One program of the suite that reads a configuration file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Daemon {
            $($(#[$doc])* $id,)+
        }

        const ROWS: &[Row] = &[$($row),+];

        impl Daemon {
            /// Every program, in the order of the documentation.
            pub const ALL: [Self; ROWS.len()] = [$(Self::$id),+];
        }

        impl Daemons {
            $($(#[$doc])* pub const $set: Self = Self::of(Daemon::$id);)+
            /// Every daemon.
            pub const ALL: Self = Self(0 $(| Self::$set.0)+);
        }
    };
}

daemons! {
    /// NetFlow and IPFIX collector.
    Nfacctd NFACCTD = Row { name: "nfacctd", title: "NetFlow Accounting Daemon", prefixes: &["nfacctd_"] };
    /// sFlow collector.
    Sfacctd SFACCTD = Row { name: "sfacctd", title: "sFlow Accounting Daemon", prefixes: &["sfacctd_"] };
    /// Packet capture through libpcap.
    Pmacctd PMACCTD = Row {
        name: "pmacctd", title: "Promiscuous Mode Accounting Daemon", prefixes: &["pmacctd_"],
    };
    /// Packet capture through Linux NFLOG. It reads the keys of pmacctd that have no spelling of its own.
    Uacctd UACCTD = Row {
        name: "uacctd", title: "Linux NetFilter NFLOG Accounting Daemon", prefixes: &["uacctd_", "pmacctd_"],
    };
    /// BGP collector.
    Pmbgpd PMBGPD = Row { name: "pmbgpd", title: "pmacct BGP Collector Daemon", prefixes: &["bgp_daemon_"] };
    /// BMP collector.
    Pmbmpd PMBMPD = Row { name: "pmbmpd", title: "pmacct BMP Collector Daemon", prefixes: &["bmp_daemon_"] };
    /// Streaming telemetry collector.
    Pmtelemetryd PMTELEMETRYD = Row {
        name: "pmtelemetryd", title: "Streaming Network Telemetry Daemon", prefixes: &["telemetry_daemon_"],
    };
}

impl Daemon {
    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Name of the executable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The title of the program in its usage text and its first log line.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// The prefixes of its own keys, in order of preference.
    #[must_use]
    pub const fn prefixes(self) -> &'static [&'static str] {
        self.row().prefixes
    }

    /// Whether it aggregates flows or packets and runs plugins, as opposed to collecting messages.
    #[must_use]
    pub const fn accounts_flows(self) -> bool {
        Daemons::FLOW.contains(self)
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of programs: one bit for each, in the order of [`Daemon::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daemons(pub u8);

impl Daemons {
    /// No program.
    pub const NONE: Self = Self(0);
    /// The two collectors of flow exports.
    pub const COLLECTORS: Self = Self::NFACCTD.and(Self::SFACCTD);
    /// The two daemons that capture packets.
    pub const PACKETS: Self = Self::PMACCTD.and(Self::UACCTD);
    /// The four daemons that aggregate flows and run plugins.
    pub const FLOW: Self = Self::COLLECTORS.and(Self::PACKETS);

    /// The set of one program.
    #[must_use]
    pub const fn of(daemon: Daemon) -> Self {
        Self(1 << daemon as u8)
    }

    /// The union of both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the program belongs to the set.
    #[must_use]
    pub const fn contains(self, daemon: Daemon) -> bool {
        self.has(Self::of(daemon))
    }

    /// Whether the sets have a program in common.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The programs of the set, in the order of [`Daemon::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Daemon> {
        Daemon::ALL.into_iter().filter(move |&daemon| self.contains(daemon))
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
        if *self == Self::ALL {
            return f.write_str("all");
        }
        for (number, daemon) in self.iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            f.write_str(daemon.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_list_their_programs() {
        assert_eq!(Daemons::ALL.iter().count(), Daemon::ALL.len());
        assert_eq!(Daemons::PACKETS.to_string(), "pmacctd, uacctd");
        assert_eq!(Daemons::ALL.to_string(), "all");
        assert!(Daemons::COLLECTORS.has(Daemons::FLOW) && !Daemons::COLLECTORS.has(Daemons::PACKETS));
        assert!(!Daemon::Pmbgpd.accounts_flows());
    }
}
