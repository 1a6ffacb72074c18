//! What is aggregated, filtered and tagged.

use crate::daemons::*;
use crate::key::*;
use crate::value::words;

words! {
    /// Where AS numbers come from.
    pub enum AsSource {
        /// The export protocol.
        Protocol = "netflow" | "sflow" | "false",
        /// `networks_file`.
        File = "file" | "true",
        /// Routes of the BGP or BMP peer that the exporter maps to.
        Routes = "bgp" | "bmp",
        /// Whichever has the longest prefix.
        Longest = "longest" | "fallback",
    }
}

words! {
    /// Where prefixes and their lengths come from.
    pub enum NetSource {
        /// The export protocol.
        Protocol = "netflow" | "sflow",
        /// `networks_mask`.
        Mask = "mask",
        /// `networks_file`.
        File = "file",
        /// Routes of the BGP or BMP peer that the exporter maps to.
        Routes = "bgp" | "bmp",
        /// Prefixes of BGP-LS.
        LinkState = "bgp-ls" | "igp",
        /// Whichever has the longest prefix.
        Longest = "longest" | "fallback",
    }
}

keys! {
    /// Primitives that make up the key of an aggregate, with commas between them.
    ///
    /// Order and repetition do not matter. `none` makes one total of everything. An unknown primitive keeps the
    /// daemon from starting. `src_host` when not set.
    AGGREGATE: Option<Vec<String>> = list(&["aggregate"]).lowercase().both().daemons(FLOW)
        .option('c', FLOW, "primitive, …").acts();

    /// Only what matches this tcpdump expression goes to the plugin.
    AGGREGATE_FILTER: Option<String> = text(&["aggregate_filter"]).plugin_only("aggregation filter").daemons(FLOW).acts();

    /// Counts frames whose Ethernet type is not understood by their link-layer fields.
    AGGREGATE_UNKNOWN_ETYPE: bool = boolean(&["aggregate_unknown_etype"]).default("false").daemons(FLOW)
        .acts();

    /// Only records with such a tag go to the plugin: numbers, ranges `a-b`, `-` in front negates, 0 is untagged.
    PRE_TAG_FILTER: Option<Vec<String>> = list(&["pre_tag_filter"]).plugin_only("TAG filter").daemons(FLOW).acts();

    /// Only records with such a second tag go to the plugin, written as for `pre_tag_filter`.
    PRE_TAG2_FILTER: Option<Vec<String>> = list(&["pre_tag2_filter"]).plugin_only("TAG2 filter").daemons(FLOW).acts();

    /// Only records with such a label go to the plugin; `null` is no label, `-` in front negates. Of a label that several
    /// rules put together, each part counts.
    PRE_TAG_LABEL_FILTER: Option<Vec<String>> = list(&["pre_tag_label_filter"]).plugin_only("LABEL filter")
        .daemons(FLOW).acts();

    /// Tag that the plugin gives to all of its records, over that of `pre_tag_map`.
    POST_TAG: Option<u64> = integer(&["post_tag"], 1, u64::MAX as i128).both().daemons(FLOW).acts();

    /// Second tag that the plugin gives to all of its records.
    POST_TAG2: Option<u64> = integer(&["post_tag2"], 1, u64::MAX as i128).both().daemons(FLOW).acts();

    /// Where AS numbers come from.
    ///
    /// Collectors take them from the export protocol when not set. `bgp` and `bmp` mean the same, as do `longest` and
    /// its old name `fallback`; `false` and `true` are old names of `netflow` and `file`.
    NFACCTD_AS: Option<AsSource> = words(&[
        "nfacctd_as", "sfacctd_as", "pmacctd_as", "uacctd_as", "nfacctd_as_new", "sfacctd_as_new",
    ]).default_in(COLLECTORS, "netflow").daemons(FLOW).acts();

    /// Where prefixes and their lengths come from.
    ///
    /// Collectors take them from the export protocol when not set, packet daemons from `networks_mask` and
    /// `networks_file` as far as these are set. It also decides where `peer_dst_ip` comes from.
    NFACCTD_NET: Option<NetSource> = words(&["nfacctd_net", "sfacctd_net", "pmacctd_net", "uacctd_net"])
        .default_in(COLLECTORS, "netflow").both().daemons(FLOW).acts();

    /// Fills `peer_dst_ip` from the IP next hop of the flow where no BGP next hop is known.
    USE_IP_NEXT_HOP: bool = boolean(&["use_ip_next_hop"]).default("false").daemons(FLOW).acts();

    /// AS numbers in exports are those of peers: of received ones in collectors, of sent ones in probes.
    NFACCTD_PEER_AS: bool = boolean(&["nfacctd_peer_as", "sfacctd_peer_as", "nfprobe_peer_as", "sfprobe_peer_as"])
        .default("false").both().daemons(FLOW);

    /// Mask length that is applied to addresses before `networks_file` is looked up.
    NETWORKS_MASK: Option<u8> = integer(&["networks_mask"], 1, 128).both().daemons(FLOW).acts();

    /// Zeroes addresses and prefixes that `networks_file` does not cover.
    NETWORKS_FILE_FILTER: bool = boolean(&["networks_file_filter"]).default("false").both().daemons(FLOW).acts();

    /// A match in `networks_file` wins although another source has a longer prefix.
    NETWORKS_FILE_NO_LPM: bool = boolean(&["networks_file_no_lpm"]).default("false").both().daemons(FLOW).acts();

    /// Keeps the whole address where the prefix length is unknown, instead of zeroing it.
    NETWORKS_NO_MASK_IF_ZERO: bool = boolean(&["networks_no_mask_if_zero"]).default("false").both().daemons(FLOW).acts();

    /// Buckets of a cache in front of `networks_file`.
    NETWORKS_CACHE_ENTRIES: Option<u32> = integer(&["networks_cache_entries"], 1, i32::MAX as i128).both()
        .daemons(FLOW).needless("lookups need no cache in front of them");

    /// Accounts records of options data like flows.
    NFACCTD_ACCOUNT_OPTIONS: bool = boolean(&["nfacctd_account_options"]).default("false").daemons(NFACCTD).acts();

    /// Spreads the counters of a flow over the time bins that it spans.
    ///
    /// Needs a history and the flow's own times; excludes `nfacctd_stitching`.
    NFACCTD_PRO_RATING: bool = boolean(&["nfacctd_pro_rating"]).default("false").both().daemons(NFACCTD).acts();

    /// Most time bins over which `nfacctd_pro_rating` spreads one flow; a longer flow stays whole, in the bin of its start.
    NFACCTD_PRO_RATING_MAX_BINS: u32 = integer(&["nfacctd_pro_rating_max_bins"], 1, 100_000).default("64").both()
        .daemons(NFACCTD).acts();

    /// Adds to each aggregate when it was first and last seen (`timestamp_min`, `timestamp_max`).
    ///
    /// By the flow's own times, or else by its arrival. Not in the memory plugin; excludes `nfacctd_pro_rating`.
    NFACCTD_STITCHING: bool = boolean(&[
        "nfacctd_stitching", "sfacctd_stitching", "pmacctd_stitching", "uacctd_stitching",
    ]).default("false").both().daemons(FLOW).acts();
}
