//! Applications: where they are known from, and how packets are classified.

use super::PluginSettings;
use crate::flows::worker::Recognition;
use crate::flows::{Applications, Row};
use classify::{IS_BUILT_IN, PacketLimits};
use config::key::State;
use config::keys::{aggregation, ndpi};
use config::{Config, Diagnostics, Plugin};
use flow::primitive::{self, Supply};
use packet::tunnel::Ports;

/// Microseconds of a millisecond.
const MILLISECOND: u64 = 1000;

/// The words of `aggregate` without the primitives of applications that are unknown here. NetFlow and IPFIX carry them; packets are
/// classified by nDPI, if it is built in.
pub(super) fn without_unknown(
    plugin: &Plugin,
    row: &Row,
    words: Vec<String>,
    problems: &mut Diagnostics,
) -> Vec<String> {
    let is_collector = row.applications == Applications::Exported;
    let supply = |word: &String| primitive::find(word).map(|primitive| primitive.supply);
    let (unknown, words): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| match supply(word) {
        Some(Supply::Application) => !is_collector && !IS_BUILT_IN,
        Some(Supply::FrameApplication) => is_collector,
        _ => false,
    });
    for word in unknown {
        let (what, instead) = if is_collector {
            ("is not known for sampled frames", "Use 'class', which exporters send as applicationId.")
        } else {
            (
                "needs nDPI to classify packets, and nDPI is not built in",
                "Build with the feature ndpi, aggregate by ports, or use nfacctd with an exporter that sends it by NetFlow or IPFIX.",
            )
        };
        problems.error(
            plugin.blame(&aggregation::AGGREGATE),
            format!("aggregate[{}]: '{word}' {what}. Ignored.", plugin.name),
            Some(instead.to_owned()),
        );
    }
    words
}

/// How packets are classified, if any plugin needs it.
pub(super) fn recognition(
    config: &Config,
    row: &Row,
    plugins: &[PluginSettings],
    inside: Option<&Ports>,
    problems: &mut Diagnostics,
) -> Option<Recognition> {
    let is_collector = row.applications == Applications::Exported;
    if is_collector {
        warn_of_keys(config, "this daemon knows applications only from exporters", problems);
    } else if !IS_BUILT_IN {
        warn_of_keys(config, "nDPI is not built in", problems);
    }
    let is_wanted =
        plugins.iter().any(|plugin| plugin.aggregation.selection.supplied_by(Supply::Application).is_some());
    if !is_wanted || is_collector {
        return None;
    }
    let limit = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let microseconds = |milliseconds: u32| u64::from(milliseconds) * MILLISECOND;
    let settings = classify::Settings {
        max_conversations: limit(config.core(&ndpi::CLASSIFIER_MAX_FLOWS)),
        guess: config.core(&ndpi::CLASSIFIER_PROTO_GUESS),
        packet_limits: PacketLimits {
            tcp: config.core(&ndpi::CLASSIFIER_GIVEUP_PROTO_TCP),
            udp: config.core(&ndpi::CLASSIFIER_GIVEUP_PROTO_UDP),
            other: config.core(&ndpi::CLASSIFIER_GIVEUP_PROTO_OTHER),
        },
        idle_us: microseconds(config.core(&ndpi::CLASSIFIER_IDLE_MAX_TIME)),
        // Not at every packet.
        search_interval_us: microseconds(config.core(&ndpi::CLASSIFIER_IDLE_SCAN_PERIOD)).max(MILLISECOND),
        max_expired: limit(config.core(&ndpi::CLASSIFIER_IDLE_SCAN_BUDGET)),
    };
    Some(Recognition { settings, inside: inside.cloned() })
}

/// Warns of keys that are set and have no effect.
fn warn_of_keys(config: &Config, why: &str, problems: &mut Diagnostics) {
    for key in ndpi::KEYS.iter().filter(|key| key.row().state == State::Acts) {
        if let Some(origin) = config.core_origin_of(*key) {
            problems.warn(origin, format!("{}: {why}. Ignored.", key.row().name()), None);
        }
    }
}
