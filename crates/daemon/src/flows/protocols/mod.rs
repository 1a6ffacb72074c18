//! How messages become rows: a decoder for each protocol, as the configuration says it.

mod netflow;
mod packets;
mod sflow;

pub(crate) use netflow::NetFlow;
pub(crate) use packets::Packets;
pub(crate) use sflow::Sflow;

use config::Config;
use config::keys::sampling;

/// Samples carry their intervals; intervals from elsewhere are applied once they are known.
fn renormalizes_at_once(config: &Config) -> bool {
    config.core(&sampling::NFACCTD_RENORMALIZE)
        && config.core(&sampling::SAMPLING_MAP).is_none()
        && config.core(&sampling::NFACCTD_EXT_SAMPLING_RATE).is_none()
}
