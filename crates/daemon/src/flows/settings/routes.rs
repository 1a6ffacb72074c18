//! The correlation of flows with routes: which values come from routes, and how routes are found.
//!
//! Checks that pmacct makes at the start have its texts, as users search for them.

use super::PluginSettings;
use crate::host::blame;
use ::bmp::peer::RibType;
use config::keys::aggregation::{AsSource, NetSource};
use config::keys::bgp::{FromMapOrBgp, PeerSrcAs};
use config::keys::{aggregation, bgp, bmp, encoding, maps};
use config::{Config, Daemon, Diagnostics, Key, Names, Plugin};
use correlate::Shaping;
use correlate::patterns::{MAX_PATTERNS, Patterns};
use correlate::routers::Preference;
use correlate::spec::{PeerSource, Search, Source, SourceAttribute, SourceAttributes, Spec};
use enrich::networks::Sources;
use enrich::spec::{RouteMaps, SourceMapSpec};
use flow::column::Id;
use flow::primitive::Supply;
use std::sync::Arc;
use wire::Prefix;

/// Limit on the prefixes of bgp_follow_nexthop.
const MAX_FOLLOWED: usize = 32;

/// Words of bmp_rib_preference.
const RIBS: &[(&str, RibType)] = &[
    ("pre", RibType::AdjRibInPre),
    ("post", RibType::AdjRibInPost),
    ("out_pre", RibType::AdjRibOutPre),
    ("out_post", RibType::AdjRibOutPost),
    ("loc", RibType::LocRib),
];

/// True if the daemon collects routes.
pub(super) fn has_routes(config: &Config) -> bool {
    config.core(&bgp::BGP_DAEMON) || config.core(&bmp::BMP_DAEMON)
}

/// The maps of the correlation, and which of them are used.
pub(super) fn maps(config: &Config) -> RouteMaps {
    let source = |key: &Key<_>, is_used| SourceMapSpec { file: config.core(key), is_used };
    RouteMaps {
        correlated: has_routes(config),
        agent: config.core(&maps::BGP_AGENT_MAP),
        peer_dst_ip: config.core(&maps::BGP_PEER_DST_IP_MAP),
        peer_src_as: source(
            &maps::BGP_PEER_SRC_AS_MAP,
            config.core(&bgp::BGP_PEER_SRC_AS_TYPE) == Some(PeerSrcAs::Map),
        ),
        src_local_pref: source(
            &maps::BGP_SRC_LOCAL_PREF_MAP,
            config.core(&bgp::BGP_SRC_LOCAL_PREF_TYPE) == Some(FromMapOrBgp::Map),
        ),
        src_med: source(&maps::BGP_SRC_MED_MAP, config.core(&bgp::BGP_SRC_MED_TYPE) == Some(FromMapOrBgp::Map)),
    }
}

/// The settings of the look-up; `None` if the daemon has no routes.
pub(super) fn read(
    config: &Config,
    sources: &Sources,
    plugins: &[(&Plugin, &PluginSettings)],
    problems: &mut Diagnostics,
) -> Option<Arc<Spec>> {
    check_agent_map(config, problems);
    check_maps(config, problems);
    check_source_types(config, plugins, problems);
    has_routes(config).then(|| {
        let follow_next_hop = prefixes(config, problems);
        Arc::new(Spec {
            ases: match sources.ases {
                AsSource::Routes => Source::Routes,
                AsSource::Longest => Source::Longest,
                AsSource::Protocol | AsSource::File => Source::Other,
            },
            nets: match sources.nets {
                NetSource::Routes => Source::Routes,
                NetSource::Longest => Source::Longest,
                NetSource::Protocol | NetSource::Mask | NetSource::File | NetSource::LinkState => Source::Other,
            },
            source: source_attributes(config),
            shaping: shaping(config, problems),
            search: Search {
                by_session_only: config.core(&bgp::BGP_DISABLE_ROUTER_ID_CHECK),
                follow_default: config.core(&bgp::BGP_FOLLOW_DEFAULT),
                follow_next_hop,
                follow_external: config.core(&bgp::BGP_FOLLOW_NEXTHOP_EXTERNAL),
                preference: preference(config, problems),
                has_distinguishers: is_collector(config),
            },
        })
    })
}

fn is_collector(config: &Config) -> bool {
    matches!(config.daemon(), Daemon::Nfacctd | Daemon::Sfacctd)
}

/// Packets have no exporter whose routes could be looked up.
fn check_agent_map(config: &Config, problems: &mut Diagnostics) {
    if is_collector(config) || config.core(&maps::BGP_AGENT_MAP).is_some() {
        return;
    }
    for (key, map) in [(&bgp::BGP_DAEMON, "bgp"), (&bmp::BMP_DAEMON, "bmp")] {
        if config.core(key) {
            let what = format!("'{map}_daemon' configured but no '{map}_agent_map' has been specified. Exiting.");
            let hint = format!(
                "Packets have no exporter: a map with one rule, such as {map}_ip=192.0.2.1 ip=0.0.0.0/0, names the peer."
            );
            problems.fatal(blame(config, key), what, Some(hint));
            return;
        }
    }
}

/// A value that comes from a map needs the map.
fn check_maps(config: &Config, problems: &mut Diagnostics) {
    let maps = maps(config);
    for (map, key, origin) in [
        (&maps.peer_src_as, "bgp_peer_src_as", blame(config, &bgp::BGP_PEER_SRC_AS_TYPE)),
        (&maps.src_local_pref, "bgp_src_local_pref", blame(config, &bgp::BGP_SRC_LOCAL_PREF_TYPE)),
        (&maps.src_med, "bgp_src_med", blame(config, &bgp::BGP_SRC_MED_TYPE)),
    ] {
        if map.is_used && map.file.is_none() {
            let what = format!("{key}_type set to 'map' but no map defined. Exiting.");
            problems.fatal(origin, what, Some(format!("Set {key}_map.")));
        }
    }
}

/// Primitives of the source need a type that says where they come from.
fn check_source_types(config: &Config, plugins: &[(&Plugin, &PluginSettings)], problems: &mut Diagnostics) {
    let has_peer_type = config.core(&bgp::BGP_PEER_SRC_AS_TYPE).is_some() || is_collector(config);
    let types = [
        (Id::PeerAsSrc, "peer_src_as", "bgp_peer_src_as_type", has_peer_type),
        (Id::AsPathSrc, "src_as_path", "bgp_src_as_path_type", config.core(&bgp::BGP_SRC_AS_PATH_TYPE).is_some()),
        (
            Id::CommsSrc,
            "src_std_comm",
            "bgp_src_std_comm_type",
            config.core(&bgp::BGP_SRC_STD_COMM_TYPE).is_some(),
        ),
        (
            Id::EcommsSrc,
            "src_ext_comm",
            "bgp_src_ext_comm_type",
            config.core(&bgp::BGP_SRC_EXT_COMM_TYPE).is_some(),
        ),
        (
            Id::LcommsSrc,
            "src_lrg_comm",
            "bgp_src_lrg_comm_type",
            config.core(&bgp::BGP_SRC_LRG_COMM_TYPE).is_some(),
        ),
        (
            Id::LocalPrefSrc,
            "src_local_pref",
            "bgp_src_local_pref_type",
            config.core(&bgp::BGP_SRC_LOCAL_PREF_TYPE).is_some(),
        ),
        (Id::MedSrc, "src_med", "bgp_src_med_type", config.core(&bgp::BGP_SRC_MED_TYPE).is_some()),
    ];
    if !has_routes(config) {
        return;
    }
    for (plugin, settings) in plugins {
        let missing: Vec<_> = (types.iter())
            .filter(|(column, _, _, is_set)| !is_set && settings.aggregation.selection.shows(*column))
            .collect();
        if missing.is_empty() {
            continue;
        }
        let list: Vec<String> = missing.iter().map(|(_, word, key, _)| format!("{word} => {key}")).collect();
        let list = list.join(", ");
        let origin = plugin.blame(&aggregation::AGGREGATE);
        match is_collector(config) {
            true => problems.warn(
                origin,
                format!("aggregate[{}]: without a source type these stay empty: {list}.", plugin.name),
                Some("For example bgp_src_as_path_type: bgp.".to_owned()),
            ),
            false => problems.fatal(
                origin,
                format!(
                    "ERROR: At least one of the following primitives is in use but its source type is not specified: {list}."
                ),
                None,
            ),
        }
    }
}

/// Values that are to come from routes need a daemon that collects them.
pub(super) fn check_sources(
    config: &Config,
    names: &Names,
    sources: &Sources,
    plugins: &[(&Plugin, &PluginSettings)],
    problems: &mut Diagnostics,
) {
    let has_routes = has_routes(config);
    let any = |of: &dyn Fn(&PluginSettings) -> bool| plugins.iter().any(|(_, settings)| of(settings));
    let shows = |settings: &PluginSettings, columns: &[Id]| {
        columns.iter().any(|column| settings.aggregation.selection.shows(*column))
    };
    let by_as = any(&|settings| settings.aggregation.selection.supplied_by(Supply::Ases).is_some());
    let by_net = any(&|settings| {
        let masks = [Id::MaskSrc, Id::MaskDst, Id::PeerIpDst];
        settings.aggregation.selection.supplied_by(Supply::Networks).is_some() || shows(settings, &masks)
    });
    for (key, origin, word, from_routes, is_used, what) in [
        (
            names.of(&aggregation::NFACCTD_AS),
            blame(config, &aggregation::NFACCTD_AS),
            sources.ases.word(),
            sources.ases == AsSource::Routes,
            by_as,
            "AS aggregation selected but 'bgp_daemon' or 'bmp_daemon' is not enabled. Exiting.",
        ),
        (
            names.of(&aggregation::NFACCTD_NET),
            blame(config, &aggregation::NFACCTD_NET),
            sources.nets.word(),
            sources.nets == NetSource::Routes,
            by_net,
            "network aggregation selected but none of 'bgp_daemon', 'bmp_daemon', 'isis_daemon', 'networks_file', 'networks_mask' is specified. Exiting.",
        ),
    ] {
        if !from_routes || has_routes {
            continue;
        }
        if !is_used {
            let text = format!(
                "{key}: {word} has no effect without bgp_daemon: true or bmp_daemon: true; the export protocol is used."
            );
            problems.warn(origin, text, None);
        } else {
            problems.fatal(origin, what, Some("Set bgp_daemon: true or bmp_daemon: true.".to_owned()));
        }
    }
    if sources.nets == NetSource::LinkState {
        let key = names.of(&aggregation::NFACCTD_NET);
        let text = format!("{key}: {} is not supported; the export protocol is used.", sources.nets.word());
        problems.warn(blame(config, &aggregation::NFACCTD_NET), text, None);
    }
    check_plugins(names, sources, plugins, has_routes, problems);
}

/// Routes fill the rows of all plugins, which cannot have different sources then.
fn check_plugins(
    names: &Names,
    sources: &Sources,
    plugins: &[(&Plugin, &PluginSettings)],
    has_routes: bool,
    problems: &mut Diagnostics,
) {
    let of_routes = |nets| matches!(nets, NetSource::Routes | NetSource::Longest);
    for (plugin, _) in plugins.iter().filter(|_| has_routes) {
        let own = plugin.get(&aggregation::NFACCTD_NET).filter(|own| *own != sources.nets);
        if let Some(own) = own.filter(|own| of_routes(*own) || sources.nets == NetSource::Routes) {
            let key = names.of(&aggregation::NFACCTD_NET);
            let (name, word, core) = (&plugin.name, own.word(), sources.nets.word());
            let what = format!(
                "{key}[{name}]: {word} cannot be combined with {core} for the whole daemon: routes fill the records of all plugins."
            );
            problems.fatal(plugin.blame(&aggregation::NFACCTD_NET), what, None);
        }
    }
}

fn source_attributes(config: &Config) -> SourceAttributes {
    let attribute = |from| match from {
        None => SourceAttribute::None,
        Some(FromMapOrBgp::Bgp) => SourceAttribute::Route,
        Some(FromMapOrBgp::Map) => SourceAttribute::Map,
    };
    SourceAttributes {
        path: config.core(&bgp::BGP_SRC_AS_PATH_TYPE).is_some(),
        communities: config.core(&bgp::BGP_SRC_STD_COMM_TYPE).is_some(),
        extended: config.core(&bgp::BGP_SRC_EXT_COMM_TYPE).is_some(),
        large: config.core(&bgp::BGP_SRC_LRG_COMM_TYPE).is_some(),
        roa: config.core(&bgp::BGP_SRC_ROA_TYPE).is_some(),
        local_pref: attribute(config.core(&bgp::BGP_SRC_LOCAL_PREF_TYPE)),
        med: attribute(config.core(&bgp::BGP_SRC_MED_TYPE)),
        peer: match config.core(&bgp::BGP_PEER_SRC_AS_TYPE) {
            None | Some(PeerSrcAs::Protocol) => PeerSource::Record,
            Some(PeerSrcAs::Bgp) => PeerSource::Route,
            Some(PeerSrcAs::Longest) => PeerSource::Longest,
            Some(PeerSrcAs::Map) => PeerSource::Map,
        },
    }
}

fn shaping(config: &Config, problems: &mut Diagnostics) -> Shaping {
    let mut patterns = |key: &Key<Option<Vec<String>>>| {
        let texts = config.core(key).unwrap_or_default();
        if texts.len() > MAX_PATTERNS {
            let what = format!("{}: only the first {MAX_PATTERNS} patterns are used.", key.row().name());
            problems.warn(blame(config, key), what, None);
        }
        Patterns::new(texts.iter().map(String::as_str))
    };
    let shaping = Shaping {
        radius: config.core(&bgp::BGP_ASPATH_RADIUS),
        communities: patterns(&bgp::BGP_STDCOMM_PATTERN),
        extended: patterns(&bgp::BGP_EXTCOMM_PATTERN),
        large: patterns(&bgp::BGP_LRGCOMM_PATTERN),
        community_to_asn: patterns(&bgp::BGP_STDCOMM_PATTERN_TO_ASN),
        large_to_asn: patterns(&bgp::BGP_LRGCOMM_PATTERN_TO_ASN),
        skip_confederations: config.core(&bgp::BGP_PEER_AS_SKIP_SUBAS),
        numbers: config.core(&encoding::BGP_COMMS_NUM),
    };
    if !shaping.community_to_asn.is_empty() && !shaping.large_to_asn.is_empty() {
        let what = "bgp_stdcomm_pattern_to_asn and bgp_lrgcomm_pattern_to_asn are mutual exclusive. Exiting.";
        problems.fatal(blame(config, &bgp::BGP_LRGCOMM_PATTERN_TO_ASN), what, None);
    }
    shaping
}

/// The RIBs of bmp_rib_preference.
fn preference(config: &Config, problems: &mut Diagnostics) -> Preference {
    let key = &bmp::BMP_RIB_PREFERENCE;
    let mut order = Vec::new();
    for text in config.core(key).unwrap_or_default() {
        match RIBS.iter().find(|(word, _)| *word == text) {
            Some((_, kind)) => order.push(*kind),
            None => {
                let words: Vec<&str> = RIBS.iter().map(|(word, _)| *word).collect();
                let what = format!("bmp_rib_preference: '{text}' is not the name of a RIB.");
                let hint = format!("Names are {}.", words.join(", "));
                problems.fatal(blame(config, key), what, Some(hint));
            }
        }
    }
    Preference::new(order)
}

/// The prefixes of bgp_follow_nexthop.
fn prefixes(config: &Config, problems: &mut Diagnostics) -> Vec<Prefix> {
    let key = &bgp::BGP_FOLLOW_NEXTHOP;
    let texts = config.core(key).unwrap_or_default();
    let mut prefixes = Vec::new();
    for text in &texts {
        match text.parse::<Prefix>() {
            Ok(prefix) => prefixes.push(prefix.to_canonical()),
            Err(_) => {
                let what = format!("bgp_follow_nexthop: invalid IP prefix '{text}'. Ignored.");
                problems.warn(blame(config, key), what, None);
            }
        }
    }
    if prefixes.len() > MAX_FOLLOWED {
        let what = format!("bgp_follow_nexthop: only the first {MAX_FOLLOWED} prefixes are used.");
        problems.warn(blame(config, key), what, None);
        prefixes.truncate(MAX_FOLLOWED);
    }
    prefixes
}
