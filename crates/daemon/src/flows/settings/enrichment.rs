//! From the configuration to the operator's files: maps, networks, filters, lists.

use super::routes;
use config::keys::aggregation::{AsSource, NetSource};
use config::keys::{aggregation, encoding, geoip, maps, sampling};
use config::{Config, Diagnostics, Key, Names, Origin, Plugin};
use enrich::Context;
use enrich::networks::Sources;
use enrich::spec::{CoreSpec, NetworksSpec, PluginSpec, Spec};
use std::num::NonZeroU32;

/// Reads the files and filters of the configuration. `plugins` are those that run, in their order.
pub(super) fn read(config: &Config, names: &Names, plugins: &[&Plugin], problems: &mut Diagnostics) -> Spec {
    let core = CoreSpec {
        tags: config.core(&maps::PRE_TAG_MAP),
        networks: core_networks(config, names, plugins, problems),
        sampling: config.core(&sampling::SAMPLING_MAP),
        distinguishers: config.core(&maps::FLOW_TO_RD_MAP),
        geoip: config.core(&geoip::GEOIPV2_FILE),
        interval: config.core(&sampling::NFACCTD_EXT_SAMPLING_RATE),
        renormalize: config.core(&sampling::NFACCTD_RENORMALIZE),
        peer_ases: config.core(&aggregation::NFACCTD_PEER_AS),
        routes: routes::maps(config),
    };
    let plugins = plugins.iter().map(|plugin| plugin_spec(plugin, &core)).collect();
    Spec { core, plugins }
}

fn core_networks(config: &Config, names: &Names, plugins: &[&Plugin], problems: &mut Diagnostics) -> NetworksSpec {
    let file = config.core(&maps::NETWORKS_FILE);
    let mask = config.core(&aggregation::NETWORKS_MASK);
    let nets = config.core(&aggregation::NFACCTD_NET).unwrap_or_else(|| default_nets(file.is_some(), mask));
    let ases = config.core(&aggregation::NFACCTD_AS).unwrap_or_else(|| default_ases(file.is_some()));
    let sources = Sources {
        nets,
        ases,
        mask,
        file_wins: config.core(&aggregation::NETWORKS_FILE_NO_LPM),
        keep_unmasked: config.core(&aggregation::NETWORKS_NO_MASK_IF_ZERO),
    };
    report_missing(names, plugins, nets, ases, problems);
    NetworksSpec { sources, file, zero_outside: config.core(&aggregation::NETWORKS_FILE_FILTER) }
}

/// Reports plugins that lack the file or mask for their networks or AS numbers: each may have its own.
fn report_missing(
    names: &Names,
    plugins: &[&Plugin],
    nets: NetSource,
    ases: AsSource,
    problems: &mut Diagnostics,
) {
    let source = |plugin: &Plugin| plugin.get(&aggregation::NFACCTD_NET).unwrap_or(nets);
    let without = |missing: &dyn Fn(&Plugin) -> bool| -> Option<(&Plugin, String)> {
        let found: Vec<&Plugin> = plugins.iter().copied().filter(|plugin| missing(plugin)).collect();
        let names: Vec<&str> = found.iter().map(|plugin| plugin.name.as_str()).collect();
        let whose =
            if found.len() == plugins.len() { String::new() } else { format!(" for {}", names.join(", ")) };
        Some((found.first().copied()?, whose))
    };
    let no_file = |plugin: &Plugin| {
        plugin.get(&maps::NETWORKS_FILE).is_none() && (source(plugin) == NetSource::File || ases == AsSource::File)
    };
    if let Some((plugin, whose)) = without(&no_file) {
        let origin = match source(plugin) {
            NetSource::File => plugin.blame(&aggregation::NFACCTD_NET),
            _ => plugin.blame(&aggregation::NFACCTD_AS),
        };
        let what = format!("networks are to be read from a file, but networks_file is not set{whose}.");
        problems.warn(origin, what, None);
    }
    let no_mask =
        |plugin: &Plugin| plugin.get(&aggregation::NETWORKS_MASK).is_none() && source(plugin) == NetSource::Mask;
    if let Some((plugin, whose)) = without(&no_mask) {
        problems.warn(
            plugin.blame(&aggregation::NFACCTD_NET),
            format!("{}: mask needs networks_mask, which is not set{whose}.", names.of(&aggregation::NFACCTD_NET)),
            Some("For example networks_mask: 24.".to_owned()),
        );
    }
}

/// Packets carry no networks: without a default, daemons use the file or mask that is set.
fn default_nets(has_file: bool, mask: Option<u8>) -> NetSource {
    match (has_file, mask) {
        (true, _) => NetSource::File,
        (false, Some(_)) => NetSource::Mask,
        (false, None) => NetSource::Protocol,
    }
}

/// As for networks.
fn default_ases(has_file: bool) -> AsSource {
    if has_file { AsSource::File } else { AsSource::Protocol }
}

/// Settings from the rest of the configuration that maps need.
pub(super) fn context(config: &Config) -> Context {
    let mut context = Context::new(config.daemon());
    let has_routes = routes::has_routes(config);
    if let Some(source) = config.core(&aggregation::NFACCTD_AS) {
        context.asn.bgp = has_routes && matches!(source, AsSource::Routes | AsSource::Longest);
        context.asn.flow = matches!(source, AsSource::Protocol | AsSource::Longest);
        context.asn.file = matches!(source, AsSource::File | AsSource::Longest);
    }
    if let Some(source) = config.core(&aggregation::NFACCTD_NET) {
        context.net.bgp = has_routes && matches!(source, NetSource::Routes | NetSource::Longest);
        context.net.flow = matches!(source, NetSource::Protocol | NetSource::Longest);
        context.net.file = matches!(source, NetSource::File | NetSource::Longest);
    }
    context.label_as_map = config.core(&encoding::PRE_TAG_LABEL_ENCODE_AS_MAP);
    context.exporters_v4 = config.core(&maps::PRE_TAG_MAP_DONT_RECIRCULATE);
    context
}

fn plugin_spec(plugin: &Plugin, core: &CoreSpec) -> PluginSpec {
    let networks = NetworksSpec {
        sources: Sources {
            nets: plugin.get(&aggregation::NFACCTD_NET).unwrap_or_else(|| {
                default_nets(plugin.get(&maps::NETWORKS_FILE).is_some(), plugin.get(&aggregation::NETWORKS_MASK))
            }),
            ases: core.networks.sources.ases,
            mask: plugin.get(&aggregation::NETWORKS_MASK),
            file_wins: plugin.get(&aggregation::NETWORKS_FILE_NO_LPM),
            keep_unmasked: plugin.get(&aggregation::NETWORKS_NO_MASK_IF_ZERO),
        },
        file: plugin.get(&maps::NETWORKS_FILE),
        zero_outside: plugin.get(&aggregation::NETWORKS_FILE_FILTER),
    };
    let zero_outside = networks.zero_outside;
    PluginSpec {
        name: plugin.name.clone(),
        // A value without a plugin's name belongs to the core, which has already applied it.
        tags: plugin.get(&maps::PRE_TAG_MAP).filter(|map| Some(map) != core.tags.as_ref()),
        networks: Some(networks).filter(|networks| *networks != core.networks),
        zero_outside,
        expression: written(plugin, &aggregation::AGGREGATE_FILTER, plugin.get(&aggregation::AGGREGATE_FILTER)),
        tag_filter: listed(plugin, &aggregation::PRE_TAG_FILTER),
        tag2_filter: listed(plugin, &aggregation::PRE_TAG2_FILTER),
        label_filter: listed(plugin, &aggregation::PRE_TAG_LABEL_FILTER),
        post_tag: plugin.get(&aggregation::POST_TAG),
        post_tag2: plugin.get(&aggregation::POST_TAG2),
        ports: plugin.get(&maps::PORTS_FILE),
        protos: plugin.get(&maps::PROTOS_FILE),
        protocol: encode::protocols::number,
        tos: plugin.get(&maps::TOS_FILE),
        dscp: plugin.get(&encoding::TOS_ENCODE_AS_DSCP),
        sampling: plugin.get(&sampling::SAMPLING_RATE).and_then(NonZeroU32::new),
        renormalize: core.renormalize,
    }
}

/// A text with its line in the configuration.
fn written<T>(plugin: &Plugin, key: &Key<T>, text: Option<String>) -> Option<(String, Origin)> {
    text.map(|text| (text, plugin.blame(key).clone()))
}

fn listed(plugin: &Plugin, key: &Key<Option<Vec<String>>>) -> Option<(String, Origin)> {
    written(plugin, key, plugin.get(key).map(|words| words.join(",")))
}
