//! What one plugin is to do.

use super::packets;
use crate::flows::Row;
use crate::flows::pipeline::{Aggregation, History, Spread};
use crate::flows::worker::{Bound, Limits};
use aggregate::time_bin::Roundoff;
use config::keys::{aggregation, core, encoding, maps, print, time};
use config::{Config, Diagnostics, Plugin};
use flow::column::Id;
use flow::custom::Custom;
use flow::primitive::PRIMITIVES;
use flow::schema::{Options, Selection};
use plugins::kinds::{self, Kind, Sink, max_aggregates};
use plugins::sink;

/// One plugin.
pub(crate) struct PluginSettings {
    pub(crate) name: String,
    pub(crate) debug: bool,
    pub(crate) kind: &'static Kind,
    /// Where its tables go.
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) aggregation: Aggregation,
}

/// Reads its settings. `None` when it cannot run here.
pub(super) fn read(
    plugin: &Plugin,
    config: &Config,
    row: &Row,
    customs: &[Custom],
    times: Limits,
    problems: &mut Diagnostics,
) -> Option<PluginSettings> {
    let found = kinds::find(row.sinks, plugin.kind);
    let Some((kind, read)) = found.and_then(|kind| Some((kind, kind.read?))) else {
        let (word, name, why) = (plugin.kind.word(), &plugin.name, kinds::unavailable(plugin.kind, found));
        problems.error(&plugin.origin, format!("plugin {word}[{name}] {why}. Ignored."), None);
        return None;
    };
    let history = kind.bins.then(|| history(plugin)).flatten();
    let stitching = plugin.get(&aggregation::NFACCTD_STITCHING);
    let mut options = Options {
        bins: history.is_some(),
        whole_seconds: sink::style(plugin).whole_seconds,
        // A map of code points removes the two low bits itself.
        dscp: plugin.get(&encoding::TOS_ENCODE_AS_DSCP) && plugin.get(&maps::TOS_FILE).is_none(),
        first_and_last: stitching,
        ..Options::default()
    };
    let daemon = config.daemon();
    let mut selection = selection(plugin, daemon, row, customs, problems)?;
    if row.input.is_packets() {
        packets::require_source(plugin, &config.names(), &selection, problems);
    }
    (kind.shape)(plugin, &mut selection, &mut options);
    let bound = Bound {
        aggregates: max_aggregates(plugin),
        bytes: usize::try_from(plugin.get(&core::PLUGIN_MEMORY)).unwrap_or(usize::MAX),
    };
    let spread = plugin.get(&aggregation::NFACCTD_PRO_RATING);
    if spread && (history.is_none() || stitching) {
        problems.warn(
            plugin.blame(&aggregation::NFACCTD_PRO_RATING),
            format!(
                "nfacctd_pro_rating[{}]: needs print_history and excludes nfacctd_stitching. Ignored.",
                plugin.name
            ),
            None,
        );
    }
    let aggregation = Aggregation {
        selection,
        options,
        history,
        spread: (spread && history.is_some() && !stitching)
            .then(|| Spread { max_bins: plugin.get(&aggregation::NFACCTD_PRO_RATING_MAX_BINS) as usize, times }),
        utc: plugin.get(&time::TIMESTAMPS_UTC),
        bound,
    };
    let sink = read(plugin, problems);
    Some(PluginSettings { name: plugin.name.clone(), debug: plugin.get(&core::DEBUG), kind, sink, aggregation })
}

/// The primitives of a plugin. Unknown ones are fatal; those of other daemons are reported.
fn selection(
    plugin: &Plugin,
    daemon: config::Daemon,
    row: &Row,
    customs: &[Custom],
    problems: &mut Diagnostics,
) -> Option<Selection> {
    let words = plugin.get(&aggregation::AGGREGATE).unwrap_or_else(|| {
        tracing::warn!(
            who = format!("{}/{}", plugin.name, plugin.kind.word()),
            "defaulting to SRC HOST aggregation."
        );
        vec!["src_host".to_owned()]
    });
    let origin = plugin.blame(&aggregation::AGGREGATE);
    let words = super::classes::without_unknown(plugin, row, words, problems);
    match Selection::parse(words.iter().map(String::as_str), customs) {
        Ok(selection) => {
            for primitive in selection.primitives().filter(|primitive| !primitive.daemons.contains(daemon)) {
                problems.warn(
                    origin,
                    format!("aggregate[{}]: '{}' stays empty in this daemon.", plugin.name, primitive.name),
                    None,
                );
            }
            Some(selection)
        }
        Err(unknown) => {
            let names = PRIMITIVES.iter().map(|p| p.name).chain(customs.iter().map(|c| c.name.as_str()));
            let names: Vec<&str> = names.collect();
            for word in unknown {
                if [Id::Packets, Id::Bytes].iter().any(|counter| counter.spec().json == word) {
                    let hint = "Packets and bytes are always counted; remove it. 'none' creates a single total."
                        .to_owned();
                    problems.fatal(origin, format!("Unknown primitive '{word}'"), Some(hint));
                    continue;
                }
                let hint = config::nearest(&word, names.iter().copied()).map_or_else(
                    || "-a lists the primitives".to_owned(),
                    |near| format!("did you mean '{near}'?"),
                );
                problems.fatal(origin, format!("Unknown primitive '{word}'"), Some(hint));
            }
            None
        }
    }
}

fn history(plugin: &Plugin) -> Option<History> {
    let width = sink::width(plugin.get(&print::PRINT_HISTORY))?;
    let roundoff = plugin.get(&print::PRINT_HISTORY_ROUNDOFF).unwrap_or_default();
    let offset = u32::try_from(plugin.get(&print::PRINT_HISTORY_OFFSET).as_secs()).unwrap_or(u32::MAX);
    Some(History { width, roundoff: Roundoff::parse(&roundoff), offset })
}
