//! Packets of the traffic itself.

use crate::flows::input::{Decoder, Wanted};
use crate::flows::pipeline::Require;
use crate::flows::worker;
use crate::host::blame;
use crate::host::part::Reading;
use config::keys::aggregation;
use config::keys::input::{self, Direction};
use config::{Config, Diagnostics};
use decode::from_packet::{self, flows};
use flow::needs::Needs;
use packet::tunnel::{Kind, Ports};
use std::time::Duration;

/// Maximum number of layers of `tunnel_0`.
const LAYERS: usize = 4;
/// Default idle time after which packets of a TCP connection belong to a new flow.
const TCP_LIFETIME: Duration = Duration::from_secs(60);

/// How packets are read.
pub(crate) struct Packets(from_packet::Settings);

impl Decoder for Packets {
    type Protocol = worker::Packets;
    const IS_PACKETS: bool = true;
    const WHAT: &'static str = "packets";
    const REQUIRE: Require = from_packet::require;

    fn read(reading: &mut Reading<'_>, wanted: Wanted) -> Self {
        let config = reading.config;
        let bound = |octets: u64| usize::try_from(octets).unwrap_or(usize::MAX);
        Self(from_packet::Settings {
            unknown_etypes: config.core(&aggregation::AGGREGATE_UNKNOWN_ETYPE),
            trailer: config.core(&input::PCAP_ARISTA_TRAILER_OFFSET).map(|offset| {
                let flag = config.core(&input::PCAP_ARISTA_TRAILER_FLAG_VALUE);
                (usize::try_from(offset).unwrap_or(usize::MAX), u32::from(flag))
            }),
            inside: tunnels(config, reading.problems),
            direction: config.core(&input::PCAP_DIRECTION).map(|direction| u8::from(direction == Direction::Out)),
            fragments: bound(config.core(&input::PMACCTD_FRAG_BUFFER_SIZE)),
            force_fragments: config.core(&input::PMACCTD_FORCE_FRAG_HANDLING),
            flows: wanted.flows.then(|| flows::Settings {
                bound: bound(config.core(&input::PMACCTD_FLOW_BUFFER_SIZE)),
                lifetime: config.core(&input::PMACCTD_FLOW_TCP_LIFETIME).unwrap_or(TCP_LIFETIME),
            }),
        })
    }

    fn inside(&self) -> Option<&Ports> {
        self.0.inside.as_ref()
    }

    fn protocols(&mut self, needs: &Needs, workers: usize) -> Vec<Self::Protocol> {
        (0..workers).map(|_| worker::Packets::new(needs, self.0.clone())).collect()
    }
}

/// `tunnel_0`: for these tunnels the inner packet is counted.
pub(super) fn tunnels(config: &Config, problems: &mut Diagnostics) -> Option<Ports> {
    let text = config.core(&input::TUNNEL_0)?;
    let layer = |layer: &str| {
        let (word, port) = layer.split_once(',')?;
        let kind = match word.trim() {
            "gtp" => Kind::Gtp,
            "vxlan" => Kind::Vxlan,
            "geneve" => Kind::Geneve,
            _ => return None,
        };
        Some((port.trim().parse::<u16>().ok()?, kind))
    };
    let layers: Option<Vec<_>> = text.split(';').map(layer).collect();
    match layers {
        Some(layers) if layers.len() <= LAYERS => Some(Ports::only(layers)),
        _ => {
            problems.fatal(
                blame(config, &input::TUNNEL_0),
                format!("tunnel_0: '{text}' is not a list of tunnels."),
                Some("For example 'gtp, 2152' or 'vxlan, 4789'; up to four, separated by ';'.".to_owned()),
            );
            None
        }
    }
}
