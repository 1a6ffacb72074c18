//! The style of values in the output, from the configuration.

use jiff::tz::TimeZone;

/// The encoding settings of one plugin.
///
/// `tos_encode_as_dscp` is not among them: it changes keys, so it is applied where keys are built.
#[derive(Clone, Debug)]
pub struct Style {
    /// Zone in which times are shown: UTC under `timestamps_utc`, else the system's.
    pub zone: TimeZone,
    /// `timestamps_since_epoch`: times are seconds since 1970. Overrides `rfc3339`.
    pub since_epoch: bool,
    /// `timestamps_rfc3339` or `timestamps_rfc9557`: times have a `T` and an offset from UTC.
    pub rfc3339: bool,
    /// Times as the client `pmacct` shows them: as with `rfc3339`, but UTC is `Z`, and a time that was never set is
    /// the start of 1970.
    pub client_times: bool,
    /// `timestamps_secs`: times that are values of an aggregate have no fraction (those of its key lost it
    /// before keys were compared).
    pub whole_seconds: bool,
    /// `*_num_protos`: IP protocols by number.
    pub num_protos: bool,
    /// `tcpflags_encode_as_array`, JSON only.
    pub tcpflags_as_array: bool,
    /// `fwd_status_encode_as_string`, JSON only.
    pub fwd_status_as_string: bool,
    /// `mpls_label_stack_encode_as_array`, JSON only.
    pub mpls_label_stack_as_array: bool,
    /// `pre_tag_label_encode_as_map`, JSON only.
    pub label_as_map: bool,
    /// `bgp_comms_encode_as_array`, JSON only.
    pub comms_as_array: bool,
    /// `as_path_encode_as_array`, JSON only.
    pub as_path_as_array: bool,
    /// `print_output_separator`: separator of CSV.
    pub separator: char,
}

impl Default for Style {
    /// As with an empty configuration, but in UTC.
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            since_epoch: false,
            rfc3339: false,
            client_times: false,
            whole_seconds: false,
            num_protos: false,
            tcpflags_as_array: false,
            fwd_status_as_string: false,
            mpls_label_stack_as_array: false,
            label_as_map: false,
            comms_as_array: false,
            as_path_as_array: false,
            separator: ',',
        }
    }
}
