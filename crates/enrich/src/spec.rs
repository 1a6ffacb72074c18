//! What the configuration requests: which files, for which plugin.

use crate::networks::Sources;
use config::Origin;
use config::keys::aggregation::NetSource;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// The steps for all rows, before plugins see them.
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
    /// `nfacctd_ext_sampling_rate`: the sampling interval of all records, overriding their own.
    pub interval: Option<u32>,
    /// `nfacctd_renormalize`.
    pub renormalize: bool,
    /// `nfacctd_peer_as`: AS numbers of records are those of peers.
    pub peer_ases: bool,
    /// Maps for the correlation with routes.
    pub routes: RouteMaps,
}

/// Maps for the correlation with routes.
#[derive(Clone, Debug, Default)]
pub struct RouteMaps {
    /// Routes are looked up.
    pub correlated: bool,
    /// `bgp_agent_map`.
    pub agent: Option<PathBuf>,
    /// `bgp_peer_dst_ip_map`.
    pub peer_dst_ip: Option<PathBuf>,
    /// `bgp_peer_src_as_map`.
    pub peer_src_as: SourceMapSpec,
    /// `bgp_src_local_pref_map`.
    pub src_local_pref: SourceMapSpec,
    /// `bgp_src_med_map`.
    pub src_med: SourceMapSpec,
}

/// A map with values about the source of traffic.
#[derive(Clone, Debug, Default)]
pub struct SourceMapSpec {
    /// Its file, whose errors are reported in any case.
    pub file: Option<PathBuf>,
    /// Its values are used: the `bgp_..._type` is `map`.
    pub is_used: bool,
}

/// The sources of networks, and the networks file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworksSpec {
    /// The sources.
    pub sources: Sources,
    /// `networks_file`.
    pub file: Option<PathBuf>,
    /// `networks_file_filter`.
    pub zero_outside: bool,
}

/// The steps for the rows of one plugin.
#[derive(Clone, Debug)]
pub struct PluginSpec {
    /// The plugin's name.
    pub name: String,
    /// `pre_tag_map` of the plugin alone.
    pub tags: Option<PathBuf>,
    /// Networks and AS numbers, if the plugin has settings of its own.
    pub networks: Option<NetworksSpec>,
    /// `networks_file_filter`, applied to the networks file that the plugin uses.
    pub zero_outside: bool,
    /// `aggregate_filter`, and its location in the configuration.
    pub expression: Option<(String, Origin)>,
    /// `pre_tag_filter`, and its location in the configuration.
    pub tag_filter: Option<(String, Origin)>,
    /// `pre_tag2_filter`, and its location in the configuration.
    pub tag2_filter: Option<(String, Origin)>,
    /// `pre_tag_label_filter`, and its location in the configuration.
    pub label_filter: Option<(String, Origin)>,
    /// `post_tag`.
    pub post_tag: Option<u64>,
    /// `post_tag2`.
    pub post_tag2: Option<u64>,
    /// `ports_file`.
    pub ports: Option<PathBuf>,
    /// `protos_file`.
    pub protos: Option<PathBuf>,
    /// Resolves the name of an IP protocol to its number.
    pub protocol: fn(&str) -> Option<u8>,
    /// `tos_file`.
    pub tos: Option<PathBuf>,
    /// `tos_encode_as_dscp`: `tos_file` contains code points.
    pub dscp: bool,
    /// `sampling_rate`: N, if one row in N is selected, at random.
    pub sampling: Option<NonZeroU32>,
    /// The counters of selected rows are multiplied by N.
    pub renormalize: bool,
}

/// The whole specification.
#[derive(Clone, Debug)]
pub struct Spec {
    /// For all rows.
    pub core: CoreSpec,
    /// For each plugin, in order.
    pub plugins: Vec<PluginSpec>,
}

impl Spec {
    /// All files, as often as they are named.
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
            &routes.peer_dst_ip,
            &routes.peer_src_as.file,
            &routes.src_local_pref.file,
            &routes.src_med.file,
        ];
        let of_plugins = self.plugins.iter().flat_map(|plugin| {
            let networks = plugin.networks.as_ref().and_then(|networks| networks.file.as_deref());
            let lists = [&plugin.tags, &plugin.ports, &plugin.protos, &plugin.tos];
            lists.into_iter().filter_map(|file| file.as_deref()).chain(networks)
        });
        of_core.into_iter().filter_map(|file| file.as_deref()).chain(of_plugins).collect()
    }

    /// True if the networks reported by exporters are used.
    pub fn uses_protocol_networks(&self) -> bool {
        let own = self.plugins.iter().filter_map(|plugin| plugin.networks.as_ref());
        std::iter::once(&self.core.networks).chain(own).any(|networks| match networks.sources.nets {
            NetSource::File | NetSource::Mask => false,
            NetSource::Routes => !self.core.routes.correlated,
            NetSource::Protocol | NetSource::LinkState | NetSource::Longest => true,
        })
    }
}
