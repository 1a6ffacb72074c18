//! The steps, and their order.

mod constants;
mod distinguishers;
mod geo;
mod networks;
mod outside;
mod peers;
mod sampling;
mod select;
mod sources;
mod tags;
mod values;

pub use networks::Sources;

use crate::read::Reader;
use crate::spec::{CoreSpec, PluginSpec};
use crate::step::Step;
use flow::row::{self, RowMut};

/// An entry in the order of the steps for all rows.
pub(crate) enum CommonStep {
    /// A snapshot: reads its files, if it is configured.
    Snapshot(fn(&CoreSpec, &mut Reader<'_>) -> Option<Box<dyn Step>>),
    /// The steps over live tables, in the order in which they were added.
    Live,
}

/// The steps for all rows, in order. A step sees the changes of those before it.
pub(crate) const COMMON: &[CommonStep] = &[
    // Peers' AS numbers of the record, before anything replaces those that they are copied from.
    CommonStep::Snapshot(peers::read),
    // Counters and intervals must be correct before anything reads them.
    CommonStep::Snapshot(sampling::read),
    // The route distinguisher selects the routing table of a flow.
    CommonStep::Snapshot(distinguishers::read),
    // Routes are looked up in the table of the flow's route distinguisher, and tags may depend on the routes.
    CommonStep::Live,
    // Their rules may depend on the route to the source, or leave the value to it.
    CommonStep::Snapshot(sources::read_peer_src_as),
    CommonStep::Snapshot(sources::read_src_local_pref),
    CommonStep::Snapshot(sources::read_src_med),
    // With `longest`, the file competes with what won before: the record or the route.
    CommonStep::Snapshot(networks::read),
    // Countries and coordinates depend on addresses only.
    CommonStep::Snapshot(geo::read),
    // Rules of pre_tag_map may match all other properties of a record, so they come last.
    CommonStep::Snapshot(tags::read),
];

/// Reads a step for one plugin, if it is configured.
pub(crate) type PluginStep = fn(&PluginSpec, &mut Reader<'_>) -> Option<Box<dyn Step>>;

/// The steps for the rows of one plugin, in the order of pmacct: tags first, then filters on what the exporter sent,
/// then changes to the values that are aggregated.
pub(crate) const PLUGIN: &[PluginStep] = &[
    // Filters match the tags of the plugin's own map.
    tags::read_own,
    // Filters test records as the exporter sent them, and filtered rows need no changes.
    select::read,
    // These networks are for aggregation only: maps and filters of the plugin see those of the exporter or of the steps for all rows.
    networks::read_own,
    // Whatever the networks_file does not cover becomes zero, after networks and AS numbers were looked up by the true address.
    outside::read,
    sampling::read_renormalization,
    // post_tag overrides the tags of maps; filters on tags have already seen these.
    constants::read,
    // Lists merge values that all steps before may need.
    values::read,
];

/// Writes to a field, if rows have it.
#[inline]
fn put(row: &mut [u8], at: Option<usize>, octets: &[u8]) {
    if let Some(at) = at
        && let Some(to) = row.get_mut(at..at + octets.len())
    {
        to.copy_from_slice(octets);
    }
}

/// Reads a field, if rows have it.
#[inline]
fn read_at<const N: usize>(row: &[u8], at: Option<usize>) -> Option<[u8; N]> {
    row.get(at?..)?.first_chunk().copied()
}

/// Multiplies the counters of a row.
fn multiply(row: &mut RowMut<'_>, interval: u32) {
    for word in [row::PACKETS, row::BYTES] {
        let count = row.head(word);
        *count = count.saturating_mul(u64::from(interval));
    }
}
