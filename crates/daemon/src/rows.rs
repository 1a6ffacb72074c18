//! The daemons: what each is made of.
//!
//! A row is all that distinguishes one daemon from another. What none of its fields names is not linked into the program.

use crate::Daemon;
use crate::flows::input::InputRow;
use crate::flows::intake::{datagram_file, interfaces, kafka, nflog, packet_file, udp, zmq};
use crate::flows::protocols::{NetFlow, Packets, Sflow};
use crate::flows::{self, Applications};
use crate::{bgp, bmp, counter_log, http, telemetry, validation};
use config::Daemon as Id;
use plugins::kinds::KINDS;

/// The NetFlow and IPFIX collector.
pub static NFACCTD: Daemon = Daemon {
    id: Id::Nfacctd,
    parts: &[
        &validation::ROW,
        &bgp::ROW,
        &bmp::ROW,
        &telemetry::ROW,
        &flows::Row {
            input: &InputRow::<NetFlow> {
                intakes: &[kafka::choose, zmq::choose, datagram_file::choose, udp::choose],
            },
            applications: Applications::Exported,
            sinks: KINDS,
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
        &bgp::ROW,
        &bmp::ROW,
        &telemetry::ROW,
        &flows::Row {
            input: &InputRow::<Sflow> {
                intakes: &[kafka::choose, zmq::choose, datagram_file::choose, udp::choose],
            },
            applications: Applications::Recognised,
            sinks: KINDS,
        },
        &http::ROW,
    ],
};

/// The accounting of packets captured by libpcap.
pub static PMACCTD: Daemon = Daemon {
    id: Id::Pmacctd,
    parts: &[
        &validation::ROW,
        &bgp::ROW,
        &bmp::ROW,
        &telemetry::ROW,
        &flows::Row {
            input: &InputRow::<Packets> { intakes: &[packet_file::choose, interfaces::choose] },
            applications: Applications::Recognised,
            sinks: KINDS,
        },
        &http::ROW,
    ],
};

/// The accounting of packets that netfilter logs.
pub static UACCTD: Daemon = Daemon {
    id: Id::Uacctd,
    parts: &[
        &validation::ROW,
        &bgp::ROW,
        &bmp::ROW,
        &telemetry::ROW,
        &flows::Row {
            input: &InputRow::<Packets> { intakes: &[nflog::choose] },
            applications: Applications::Recognised,
            sinks: KINDS,
        },
        &http::ROW,
    ],
};

/// The BGP collector.
pub static PMBGPD: Daemon = Daemon { id: Id::Pmbgpd, parts: &[&validation::ROW, &bgp::ROW, &http::ROW] };

/// The BMP collector.
pub static PMBMPD: Daemon = Daemon { id: Id::Pmbmpd, parts: &[&validation::ROW, &bmp::ROW, &http::ROW] };

/// The collector of streaming telemetry.
pub static PMTELEMETRYD: Daemon = Daemon { id: Id::Pmtelemetryd, parts: &[&telemetry::ROW_WITH_GRPC, &http::ROW] };
