//! What the configuration asks for: which files, for which plugin.

use crate::networks::Sources;
use config::Origin;
use config::keys::aggregation::NetSource;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// What is done to all rows, before plugins see them.
#[derive(Clone, Debug)]
pub struct CoreSpec {
    /// `pre_tag_map` without a plugin's name.
    pub tags: Option<PathBuf>,
    /// Networks and AS numbers.
    pub networks: NetworksSpec,
    /// `sampling_map`.
    pub sampling: Option<PathBuf>,
    /// `flow_to_rd_map`.
    pub distinguishers: Option<PathBuf>,
    /// `geoipv2_file`.
    pub geoip: Option<PathBuf>,
    /// `nfacctd_ext_sampling_rate`: the interval of all records, whatever they say themselves.
    pub interval: Option<u32>,
    /// `nfacctd_renormalize`.
    pub renormalize: bool,
    /// Maps of the correlation with routes: they are read and checked.
    pub routes: RouteMaps,
}

/// Maps of the correlation with routes.
#[derive(Clone, Debug, Default)]
pub struct RouteMaps {
    /// `bgp_agent_map`.
    pub agent: Option<PathBuf>,
    /// `bgp_peer_src_as_map`.
    pub peer_src_as: Option<PathBuf>,
    /// `bgp_src_local_pref_map`.
    pub src_local_pref: Option<PathBuf>,
    /// `bgp_src_med_map`.
    pub src_med: Option<PathBuf>,
}

/// Where networks come from, and the file of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworksSpec {
    /// The sources.
    pub sources: Sources,
    /// `networks_file`.
    pub file: Option<PathBuf>,
    /// `networks_file_filter`.
    pub zero_outside: bool,
}

/// What is done to the rows of one plugin.
#[derive(Clone, Debug)]
pub struct PluginSpec {
    /// The plugin's name.
    pub name: String,
    /// `pre_tag_map` of the plugin alone.
    pub tags: Option<PathBuf>,
    /// Networks and AS numbers, where the plugin has its own settings.
    pub networks: Option<NetworksSpec>,
    /// `networks_file_filter`, by the file that the plugin's networks come from.
    pub zero_outside: bool,
    /// `aggregate_filter`, and where it was written.
    pub expression: Option<(String, Origin)>,
    /// `pre_tag_filter`, and where it was written.
    pub tag_filter: Option<(String, Origin)>,
    /// `pre_tag2_filter`, and where it was written.
    pub tag2_filter: Option<(String, Origin)>,
    /// `pre_tag_label_filter`, and where it was written.
    pub label_filter: Option<(String, Origin)>,
    /// `post_tag`.
    pub post_tag: Option<u64>,
    /// `post_tag2`.
    pub post_tag2: Option<u64>,
    /// `ports_file`.
    pub ports: Option<PathBuf>,
    /// `protos_file`.
    pub protos: Option<PathBuf>,
    /// The number of an IP protocol by the name that it may use.
    pub protocol: fn(&str) -> Option<u8>,
    /// `tos_file`.
    pub tos: Option<PathBuf>,
    /// `tos_encode_as_dscp`: `tos_file` lists code points.
    pub dscp: bool,
    /// `sampling_rate`: one row in so many is taken, at random.
    pub sampling: Option<NonZeroU32>,
    /// What is taken is multiplied by that.
    pub renormalize: bool,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Spec {
    /// For all rows.
    pub core: CoreSpec,
    /// For each plugin, in their order.
    pub plugins: Vec<PluginSpec>,
}

impl Spec {
    /// All files, each as often as it is named.
    pub fn files(&self) -> Vec<&Path> {
        let core = &self.core;
        let routes = &core.routes;
        let of_core = [
            &core.tags,
            &core.networks.file,
            &core.sampling,
            &core.distinguishers,
            &core.geoip,
            &routes.agent,
            &routes.peer_src_as,
            &routes.src_local_pref,
            &routes.src_med,
        ];
        let of_plugins = self.plugins.iter().flat_map(|plugin| {
            let networks = plugin.networks.as_ref().and_then(|networks| networks.file.as_deref());
            let lists = [&plugin.tags, &plugin.ports, &plugin.protos, &plugin.tos];
            lists.into_iter().filter_map(|file| file.as_deref()).chain(networks)
        });
        of_core.into_iter().filter_map(|file| file.as_deref()).chain(of_plugins).collect()
    }

    /// True when the networks that exporters tell are used.
    pub fn uses_protocol_networks(&self) -> bool {
        let own = self.plugins.iter().filter_map(|plugin| plugin.networks.as_ref());
        std::iter::once(&self.core.networks)
            .chain(own)
            .any(|networks| !matches!(networks.sources.nets, NetSource::File | NetSource::Mask))
    }
}
