//! The programs that read a configuration, and the sets of them in the tables of keys.

pub use ::daemons::{Daemon, Daemons};

/// The NetFlow and IPFIX collector alone.
pub const NFACCTD: Daemons = Daemons::NFACCTD;
/// The sFlow collector alone.
pub const SFACCTD: Daemons = Daemons::SFACCTD;
/// The libpcap daemon alone.
pub const PMACCTD: Daemons = Daemons::PMACCTD;
/// The NFLOG daemon alone.
pub const UACCTD: Daemons = Daemons::UACCTD;
/// The BGP collector alone.
pub const PMBGPD: Daemons = Daemons::PMBGPD;
/// The BMP collector alone.
pub const PMBMPD: Daemons = Daemons::PMBMPD;
/// The telemetry collector alone.
pub const PMTELEMETRYD: Daemons = Daemons::PMTELEMETRYD;
/// The two collectors of flow exports.
pub const COLLECTORS: Daemons = Daemons::COLLECTORS;
/// The two daemons that capture packets.
pub const PACKETS: Daemons = Daemons::PACKETS;
/// The four daemons that aggregate flows and run plugins.
pub const FLOW: Daemons = Daemons::FLOW;
/// Every daemon.
pub const ALL: Daemons = Daemons::ALL;
