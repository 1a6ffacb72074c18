//! How values are shown, from the configuration.

use config::Config;
use config::keys::bgp::{
    BGP_DAEMON_MSGLOG_LABEL_FILTER, TMP_BGP_DAEMON_ORIGIN_TYPE_INT, TMP_BGP_LOOKUP_COMPARE_PORTS,
};
use config::keys::encoding::{AS_PATH_ENCODE_AS_ARRAY, BGP_COMMS_ENCODE_AS_ARRAY, PRE_TAG_LABEL_ENCODE_AS_MAP};
use config::keys::maps::BGP_DAEMON_TAG_MAP;
use config::keys::rpki::{RPKI_ROAS_FILE, RPKI_RTR_CACHE};

/// How values are shown, and which optional members there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// `as_path_encode_as_array`: AS paths are lists.
    pub as_path_as_array: bool,
    /// `bgp_comms_encode_as_array`: communities are lists.
    pub comms_as_array: bool,
    /// `pre_tag_label_encode_as_map`: labels are objects.
    pub label_as_map: bool,
    /// `tmp_bgp_daemon_origin_type_int`: the origin is a number.
    pub origin_as_number: bool,
    /// `tmp_bgp_lookup_compare_ports`: events have `peer_id`.
    pub has_peer_id: bool,
    /// RPKI is configured: Avro records have `roa`.
    pub has_roa: bool,
    /// A tag map is configured: Avro records have `tag` and `label`.
    pub has_tags: bool,
    /// Shows the attributes that pmacct does not show (PMSI tunnel, tunnel encapsulation, prefix SID) for unicast, labelled and VPN
    /// routes too; for other families they are always shown.
    pub all_attributes: bool,
}

impl Format {
    /// The format of BGP events.
    #[must_use]
    pub fn read(config: &Config) -> Self {
        Self {
            as_path_as_array: config.core(&AS_PATH_ENCODE_AS_ARRAY),
            comms_as_array: config.core(&BGP_COMMS_ENCODE_AS_ARRAY),
            label_as_map: config.core(&PRE_TAG_LABEL_ENCODE_AS_MAP),
            origin_as_number: config.core(&TMP_BGP_DAEMON_ORIGIN_TYPE_INT),
            has_peer_id: config.core(&TMP_BGP_LOOKUP_COMPARE_PORTS),
            has_roa: config.core(&RPKI_ROAS_FILE).is_some() || config.core(&RPKI_RTR_CACHE).is_some(),
            has_tags: config.core(&BGP_DAEMON_TAG_MAP).is_some(),
            all_attributes: false,
        }
    }
}

/// `bgp_daemon_msglog_label_filter`: routes are logged only if their label is one of these. Other events are always logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelFilter(Option<Vec<String>>);

impl LabelFilter {
    /// Reads the key.
    #[must_use]
    pub fn read(config: &Config) -> Self {
        Self(config.core(&BGP_DAEMON_MSGLOG_LABEL_FILTER))
    }

    /// A filter by the value of a key.
    pub(crate) fn of_labels(labels: Option<Vec<String>>) -> Self {
        Self(labels)
    }

    /// A filter that passes these labels.
    #[must_use]
    pub fn of(labels: &[&str]) -> Self {
        Self(Some(labels.iter().map(|label| (*label).to_owned()).collect()))
    }

    /// Whether a route with this label is logged.
    #[must_use]
    pub fn passes(&self, label: Option<&str>) -> bool {
        self.0.as_ref().is_none_or(|labels| labels.iter().any(|wanted| label == Some(wanted)))
    }
}
