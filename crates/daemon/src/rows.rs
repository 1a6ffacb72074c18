//! The daemons: what each is made of.
//!
//! A row is all that distinguishes one daemon from another. What none of its fields names is not linked into the program.

use crate::Daemon;
use crate::flows::input::InputRow;
use crate::flows::intake::{datagram_file, interfaces, ipfix, kafka, nflog, packet_file, udp, zmq};
use crate::flows::protocols::{NetFlow, Packets, Sflow};
use crate::flows::tee::TEE;
use crate::flows::{self, Applications};
use crate::{bgp, bmp, counter_log, ha, http, telemetry, validation};
use config::Daemon as Id;
use plugins::kinds::{self, Kind};

/// Plugins of the collectors, in the order of `-V`.
pub(crate) const OF_COLLECTORS: &[&Kind] = &[
    &kinds::MEMORY,
    &kinds::PRINT,
    &kinds::MYSQL,
    &kinds::PGSQL,
    &kinds::SQLITE3,
    &kinds::CLICKHOUSE,
    &kinds::AMQP,
    &kinds::KAFKA,
    &kinds::TEE,
];

/// Plugins of the daemons that account packets.
pub(crate) const OF_PACKETS: &[&Kind] = &[
    &kinds::MEMORY,
    &kinds::PRINT,
    &kinds::MYSQL,
    &kinds::PGSQL,
    &kinds::SQLITE3,
    &kinds::CLICKHOUSE,
    &kinds::AMQP,
    &kinds::KAFKA,
    &kinds::NFPROBE,
    &kinds::SFPROBE,
];

/// The NetFlow and IPFIX collector.
pub static NFACCTD: Daemon = Daemon {
    id: Id::Nfacctd,
    parts: &[
        &validation::ROW,
        &ha::ROW,
        &bgp::ROW,
        &bmp::ROW,
        &telemetry::ROW,
        &flows::Row {
            input: &InputRow::<NetFlow> {
                intakes: &[ipfix::choose, kafka::choose, zmq::choose, datagram_file::choose, udp::choose],
            },
            applications: Applications::Exported,
            tee: Some(TEE),
            sinks: OF_COLLECTORS,
        },
        &http::ROW,
    ],
};

/// The sFlow collector.
pub static SFACCTD: Daemon = Daemon {
    id: Id::Sfacctd,
    parts: &[
        &counter_log::ROW,
        &validation::ROW,
        &ha::ROW,
        &bgp::ROW,
        &bmp::ROW,
        &telemetry::ROW,
        &flows::Row {
            input: &InputRow::<Sflow> {
                intakes: &[kafka::choose, zmq::choose, datagram_file::choose, udp::choose],
            },
            applications: Applications::Recognised,
            tee: Some(TEE),
            sinks: OF_COLLECTORS,
        },
        &http::ROW,
    ],
};

/// The accounting of packets captured by libpcap.
pub static PMACCTD: Daemon = Daemon {
    id: Id::Pmacctd,
    parts: &[
        &validation::ROW,
        &ha::ROW,
        &bgp::ROW,
        &bmp::ROW,
        &telemetry::ROW,
        &flows::Row {
            input: &InputRow::<Packets> { intakes: &[packet_file::choose, interfaces::choose] },
            applications: Applications::Recognised,
            tee: None,
            sinks: OF_PACKETS,
        },
        &http::ROW,
    ],
};

/// The accounting of packets that netfilter logs.
pub static UACCTD: Daemon = Daemon {
    id: Id::Uacctd,
    parts: &[
        &validation::ROW,
        &ha::ROW,
        &bgp::ROW,
        &bmp::ROW,
        &telemetry::ROW,
        &flows::Row {
            input: &InputRow::<Packets> { intakes: &[nflog::choose] },
            applications: Applications::Recognised,
            tee: None,
            sinks: OF_PACKETS,
        },
        &http::ROW,
    ],
};

/// The BGP collector.
pub static PMBGPD: Daemon = Daemon { id: Id::Pmbgpd, parts: &[&validation::ROW, &ha::ROW, &bgp::ROW, &http::ROW] };

/// The BMP collector.
pub static PMBMPD: Daemon = Daemon { id: Id::Pmbmpd, parts: &[&validation::ROW, &ha::ROW, &bmp::ROW, &http::ROW] };

/// The collector of streaming telemetry.
pub static PMTELEMETRYD: Daemon =
    Daemon { id: Id::Pmtelemetryd, parts: &[&ha::ROW, &telemetry::ROW_WITH_GRPC, &http::ROW] };

#[cfg(test)]
mod tests {
    use super::*;
    use config::PluginKind;

    #[test]
    fn each_daemon_has_the_plugins_of_the_table() {
        for daemon in [&NFACCTD, &SFACCTD, &PMACCTD, &UACCTD, &PMBGPD, &PMBMPD, &PMTELEMETRYD] {
            let rows = daemon.plugins();
            for is in PluginKind::all() {
                let count = rows.iter().filter(|kind| kind.is == is).count();
                assert_eq!(
                    count,
                    usize::from(is.daemons().contains(daemon.id)),
                    "{}: {}",
                    daemon.id.name(),
                    is.word()
                );
            }
        }
    }
}
