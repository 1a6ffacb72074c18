//! What is aggregated, filtered and tagged.

use crate::daemons::*;
use crate::key::*;
use crate::value::words;

words! {
    /// Source of AS numbers.
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
    /// Source of prefixes and their lengths.
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
    /// Primitives that form the key of an aggregate, separated by commas.
    ///
    /// Order and repetition do not matter. `none` creates a single total. An unknown primitive prevents the daemon from starting.
    /// `src_host` by default.
    AGGREGATE: Option<Vec<String>> = list(&["aggregate"]).lowercase().both().daemons(FLOW)
        .option('c', FLOW, "primitive, …").acts();

    /// Only records that match this tcpdump expression reach the plugin.
    AGGREGATE_FILTER: Option<String> = text(&["aggregate_filter"]).plugin_only("aggregation filter").daemons(FLOW).acts();

    /// Accounts frames with an unknown EtherType by their link-layer fields.
    AGGREGATE_UNKNOWN_ETYPE: bool = boolean(&["aggregate_unknown_etype"]).default("false").daemons(FLOW)
        .acts();

    /// Only records with one of these tags reach the plugin: numbers, ranges `a-b`; `-` in front negates, 0 means untagged.
    PRE_TAG_FILTER: Option<Vec<String>> = list(&["pre_tag_filter"]).plugin_only("TAG filter").daemons(FLOW).acts();

    /// Only records with one of these second tags reach the plugin, written as for `pre_tag_filter`.
    PRE_TAG2_FILTER: Option<Vec<String>> = list(&["pre_tag2_filter"]).plugin_only("TAG2 filter").daemons(FLOW).acts();

    /// Only records with one of these labels reach the plugin; `null` means no label, `-` in front negates. If a label was joined
    /// from those of several rules, each part is compared.
    PRE_TAG_LABEL_FILTER: Option<Vec<String>> = list(&["pre_tag_label_filter"]).plugin_only("LABEL filter")
        .daemons(FLOW).acts();

    /// Tag that the plugin gives to all of its records; overrides `pre_tag_map`.
    POST_TAG: Option<u64> = integer(&["post_tag"], 1, u64::MAX as i128).both().daemons(FLOW).acts();

    /// Second tag that the plugin gives to all of its records.
    POST_TAG2: Option<u64> = integer(&["post_tag2"], 1, u64::MAX as i128).both().daemons(FLOW).acts();

    /// Source of AS numbers.
    ///
    /// Collectors use those of the export protocol by default. `bgp` needs `bgp_daemon`. `bgp` and `bmp` mean the same, and so do `longest` and its old name
    /// `fallback`; `false` and `true` are old names of `netflow` and `file`.
    NFACCTD_AS: Option<AsSource> = words(&[
        "nfacctd_as", "sfacctd_as", "pmacctd_as", "uacctd_as", "nfacctd_as_new", "sfacctd_as_new",
    ]).default_in(COLLECTORS, "netflow").daemons(FLOW).acts();

    /// Source of prefixes and their lengths.
    ///
    /// By default collectors use those of the export protocol, and packet daemons use `networks_mask` and `networks_file` if these are
    /// set. It also selects the source of `peer_dst_ip`.
    NFACCTD_NET: Option<NetSource> = words(&["nfacctd_net", "sfacctd_net", "pmacctd_net", "uacctd_net"])
        .default_in(COLLECTORS, "netflow").both().daemons(FLOW).acts();

    /// Fills `peer_dst_ip` from the IP next hop of the flow if no BGP next hop is known.
    USE_IP_NEXT_HOP: bool = boolean(&["use_ip_next_hop"]).default("false").daemons(FLOW).acts();

    /// AS numbers in exports are those of peers: of received ones in collectors, of sent ones in probes.
    NFACCTD_PEER_AS: bool = boolean(&["nfacctd_peer_as", "sfacctd_peer_as", "nfprobe_peer_as", "sfprobe_peer_as"])
        .default("false").both().daemons(FLOW).acts();

    /// Mask length that is applied to addresses before the lookup in `networks_file`.
    NETWORKS_MASK: Option<u8> = integer(&["networks_mask"], 1, 128).both().daemons(FLOW).acts();

    /// Sets addresses and prefixes that `networks_file` does not cover to zero.
    NETWORKS_FILE_FILTER: bool = boolean(&["networks_file_filter"]).default("false").both().daemons(FLOW).acts();

    /// A match in `networks_file` is used even if another source has a longer prefix.
    NETWORKS_FILE_NO_LPM: bool = boolean(&["networks_file_no_lpm"]).default("false").both().daemons(FLOW).acts();

    /// Keeps the whole address if the prefix length is unknown, instead of setting it to zero.
    NETWORKS_NO_MASK_IF_ZERO: bool = boolean(&["networks_no_mask_if_zero"]).default("false").both().daemons(FLOW).acts();

    /// Number of buckets of a cache for `networks_file`.
    NETWORKS_CACHE_ENTRIES: Option<u32> = integer(&["networks_cache_entries"], 1, i32::MAX as i128).both()
        .daemons(FLOW).no_op("lookups need no cache in front of them");

    /// Accounts records of options data like flows.
    NFACCTD_ACCOUNT_OPTIONS: bool = boolean(&["nfacctd_account_options"]).default("false").daemons(NFACCTD).acts();

    /// Spreads the counters of a flow over the time bins that it spans.
    ///
    /// Requires time bins and the flow's own times; cannot be combined with `nfacctd_stitching`.
    NFACCTD_PRO_RATING: bool = boolean(&["nfacctd_pro_rating"]).default("false").both().daemons(NFACCTD).acts();

    /// Maximum number of time bins over which `nfacctd_pro_rating` spreads one flow; a longer flow is not spread, and belongs to the bin
    /// of its start.
    NFACCTD_PRO_RATING_MAX_BINS: u32 = integer(&["nfacctd_pro_rating_max_bins"], 1, 100_000).default("64").both()
        .daemons(NFACCTD).acts();

    /// Adds to each aggregate the times at which it was first and last seen (`timestamp_min`, `timestamp_max`).
    ///
    /// They come from the flow's own times, or else from its arrival. Not in the memory plugin; cannot be combined with
    /// `nfacctd_pro_rating`.
    NFACCTD_STITCHING: bool = boolean(&[
        "nfacctd_stitching", "sfacctd_stitching", "pmacctd_stitching", "uacctd_stitching",
    ]).default("false").both().daemons(FLOW).acts();
}
