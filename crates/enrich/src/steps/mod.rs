//! The steps, and their order.

mod constants;
mod distinguishers;
mod geo;
mod networks;
mod outside;
mod sampling;
mod select;
mod tags;
mod values;

pub use networks::Sources;

use crate::read::Reader;
use crate::spec::{CoreSpec, PluginSpec};
use crate::step::Step;
use flow::row::{self, RowMut};

/// An entry in the order of the steps for all rows.
pub(crate) enum CommonStep {
    /// A snapshot: how it is read, where the configuration asks for it.
    Snapshot(fn(&CoreSpec, &mut Reader<'_>) -> Option<Box<dyn Step>>),
    /// The steps over live tables, in the order in which they were added.
    Live,
}

/// What is done to all rows, in order. A step sees what those before it have changed.
pub(crate) const COMMON: &[CommonStep] = &[
    // Needs nothing that other steps find; and flow_to_rd_map may ask for next hops of the networks_file.
    CommonStep::Snapshot(networks::read),
    // Counters and intervals are right before anything may look at them.
    CommonStep::Snapshot(sampling::read),
    // The route distinguisher says in which table a flow's routes are.
    CommonStep::Snapshot(distinguishers::read),
    // Routes are looked up in the table of the flow's route distinguisher, and tags may ask for what they say.
    CommonStep::Live,
    // Only addresses decide about countries and coordinates.
    CommonStep::Snapshot(geo::read),
    // The rules of pre_tag_map may ask for all that is known of a record, so they come last.
    CommonStep::Snapshot(tags::read),
];

/// How a step for one plugin is read, where the configuration asks for it.
pub(crate) type PluginStep = fn(&PluginSpec, &mut Reader<'_>) -> Option<Box<dyn Step>>;

/// What is done to the rows of one plugin, in order, which is that of pmacct: tags first, then filters on what the exporter sent,
/// then what changes the values that are aggregated.
pub(crate) const PLUGIN: &[PluginStep] = &[
    // Filters ask for the tags of the plugin's own map.
    tags::read_own,
    // Filters test records as the exporter sent them, and what they drop need not be changed.
    select::read,
    // Networks are for aggregation alone here: maps and filters of the plugin see what exporters sent, or the steps for all rows found.
    networks::read_own,
    // What the networks_file does not cover becomes zero: networks and AS numbers were looked up by the true address before.
    outside::read,
    sampling::read_renormalization,
    // post_tag overrides what maps have set; filters of tags have seen that.
    constants::read,
    // Lists merge values that all steps before may need.
    values::read,
];

/// Writes to a field that rows may not have.
#[inline]
fn put(row: &mut [u8], at: Option<usize>, octets: &[u8]) {
    if let Some(at) = at
        && let Some(to) = row.get_mut(at..at + octets.len())
    {
        to.copy_from_slice(octets);
    }
}

/// Reads a field that rows may not have.
#[inline]
fn read_at<const N: usize>(row: &[u8], at: Option<usize>) -> Option<[u8; N]> {
    row.get(at?..)?.first_chunk().copied()
}

/// Multiplies the counters of a row.
fn multiply(row: &mut RowMut<'_>, interval: u32) {
    for word in [row::PACKETS, row::OCTETS] {
        let count = row.head(word);
        *count = count.saturating_mul(u64::from(interval));
    }
}
