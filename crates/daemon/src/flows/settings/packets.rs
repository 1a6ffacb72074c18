//! Checks of the configuration of daemons that capture packets.

use config::keys::{aggregation, maps, sampling};
use config::{Config, Diagnostics, Names, Plugin};
use flow::primitive::Supply;
use flow::schema::Selection;

/// Packets are sampled before they arrive, or here, but not both.
pub(super) fn reject_double_sampling(config: &Config, names: &Names, problems: &mut Diagnostics) {
    if let Some(origin) = config.core_origin(&sampling::NFACCTD_EXT_SAMPLING_RATE)
        && config.core(&sampling::SAMPLING_RATE).is_some()
    {
        let what = "Internal packet sampling and external packet sampling are mutual exclusive.";
        let before = names.of(&sampling::NFACCTD_EXT_SAMPLING_RATE);
        let hint = format!("Either sampling_rate (sampled here) or {before} (sampled before).");
        problems.fatal(origin, what, Some(hint));
    }
}

/// Packets carry neither AS numbers nor prefixes: a plugin that aggregates by them must configure their source.
pub(super) fn require_source(plugin: &Plugin, names: &Names, selection: &Selection, problems: &mut Diagnostics) {
    let file = plugin.get(&maps::NETWORKS_FILE).is_some();
    let ases = file || plugin.get(&aggregation::NFACCTD_AS).is_some();
    let mask = plugin.get(&aggregation::NETWORKS_MASK).is_some();
    let nets = file || mask || plugin.get(&aggregation::NFACCTD_NET).is_some();
    let as_key = names.of(&aggregation::NFACCTD_AS);
    let net_key = names.of(&aggregation::NFACCTD_NET);
    let rules = [
        (ases, Supply::Ases, "AS numbers", format!("Set networks_file, or {as_key}.")),
        (nets, Supply::Networks, "prefixes", format!("Set networks_file, networks_mask, or {net_key}.")),
    ];
    for (has_source, supply, what, hint) in rules {
        if let Some(primitive) = selection.supplied_by(supply).filter(|_| !has_source) {
            let word = primitive.name;
            let what = format!("aggregate[{}]: '{word}' has no source: packets contain no {what}.", plugin.name);
            problems.fatal(plugin.blame(&aggregation::AGGREGATE), what, Some(hint));
        }
    }
}
