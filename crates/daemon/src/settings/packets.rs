//! Where pmacctd and uacctd get their packets from, and how they read them.

use super::blame;
use config::keys::input;
use config::{Config, Problems};
use packet::tunnel::{Kind, Ports};

/// Most layers of `tunnel_0`.
const LAYERS: usize = 4;

/// `tunnel_0`: the packet inside these tunnels is the one that counts.
pub(super) fn tunnels(config: &Config, problems: &mut Problems) -> Option<Ports> {
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
                format!("tunnel_0: '{text}' names no tunnels."),
                Some("Such as 'gtp, 2152' or 'vxlan, 4789'; up to four, with ';' between them.".to_owned()),
            );
            None
        }
    }
}
