//! Finds the first matching rule, among any number of rules.
//!
//! All keyed maps ask the same question: *which is the lowest rule from number N on that matches this exporter and this row?* N is 0,
//! or the target of a jump.
//!
//! [`first`] tries rule after rule: it is the definition that tests compare with. A [`Matcher`] returns the same results and
//! costs about the same for ten rules as for ten thousand. It uses *tuple-space search* (V. Srinivasan, S. Suri, G. Varghese, "Packet
//! Classification Using Tuple Space Search", SIGCOMM 1999):
//!
//! * Rules are in *groups* by their exporter prefix. The groups of an exporter are found once per datagram
//!   ([`Matcher::scope`]): that of the longest prefix, and those of the prefixes that cover it.
//! * In a group, rules that test the same bits of the same fields form a *tuple*. One lookup finds all rules of a tuple that may
//!   match: the row's bits under the tuple's masks are the key of a hash table.
//! * A *Bloom filter* (B. Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors", CACM 1970) before the table
//!   rules out most keys that no rule has. Rows of a batch are tested together, several at a time ([`Matcher::match_batch`]).
//! * Source and destination networks are found by longest-prefix match, at most once per row; the node replaces the octets
//!   in the hash, and the nodes that cover it are tried too.
//! * A filter yields conditions that every matching packet fulfils ([`filter::Filter::hints`]). They determine the tuple of its rule.
//! * The rules found are candidates: each is checked completely, filters last. So an index never decides, it only excludes.
//!
//! A row is read as 64-bit words under masks, so a check reads each word once, whatever fields it contains.

mod batch;
mod compile;
mod index;
mod prefilter;
mod rule;
mod run;
#[cfg(test)]
mod tests;
mod word;

pub use batch::{BatchFrames, MatchBatch};

use crate::condition::Condition;
use crate::prefix::{Bits, Tree};
use filter::PacketView;
use flow::row::{FieldSet, Layout, Row};
use flow::strings::Strings;
use std::net::IpAddr;
use wire::{Family, Prefix};

/// The part of a rule that the matcher evaluates.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// The exporters; `None` for all.
    pub exporter: Option<Prefix>,
    /// The conditions, all of which must hold.
    pub conditions: Vec<Condition>,
}

impl Rule {
    /// Adds the fields that the rule reads.
    pub fn require(&self, fields: &mut FieldSet) {
        self.conditions.iter().for_each(|condition| condition.require(fields));
    }
}

/// A row to match, and the strings that its ids refer to.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The row.
    pub row: Row<'a>,
    /// The strings of its ids.
    pub strings: &'a Strings,
}

impl std::fmt::Debug for Lazy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lazy")
    }
}

/// Where the packets for filters come from.
pub trait Frames {
    /// Returns the packet of a row, from its link-layer header on.
    fn frame(&mut self, view: &View<'_>) -> PacketView<'_>;
}

impl Frames for filter::Synthetic {
    fn frame(&mut self, view: &View<'_>) -> PacketView<'_> {
        self.view(view.row, view.strings)
    }
}

/// The captured packet of a row.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a>(pub PacketView<'a>);

impl Frames for Captured<'_> {
    fn frame(&mut self, _view: &View<'_>) -> PacketView<'_> {
        self.0
    }
}

/// The packet of one row: created for the first filter that needs it, then kept.
pub struct Lazy<'f> {
    state: State<'f>,
}

enum State<'f> {
    Pending(&'f mut dyn Frames),
    Ready(PacketView<'f>),
}

impl<'f> Lazy<'f> {
    /// Not created yet.
    #[inline]
    pub fn new(frames: &'f mut dyn Frames) -> Self {
        Self { state: State::Pending(frames) }
    }

    /// Returns the packet.
    pub fn packet(&mut self, view: &View<'_>) -> PacketView<'f> {
        let packet = match std::mem::replace(&mut self.state, State::Ready(PacketView::whole(&[]))) {
            State::Pending(frames) => frames.frame(view),
            State::Ready(packet) => packet,
        };
        self.state = State::Ready(packet);
        packet
    }
}

/// For the compiler: where the packets for filters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketSource {
    /// They are synthesized from rows: what a filter requires can be looked up in the row first.
    Rows,
    /// They were captured, and may differ from the row (tunnels, fragments).
    Packets,
}

/// An exporter as resolved by a matcher. Valid for that matcher only.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    pub(crate) group: u32,
    pub(crate) family: Family,
}

impl Scope {
    /// The family of the exporter's address.
    pub fn family(&self) -> Family {
        self.family
    }
}

/// The definition: returns the lowest rule from `from` on whose exporters cover `exporter` and whose conditions all hold. Without
/// an exporter, only rules without `ip` match.
pub fn first(
    rules: &[Rule],
    layout: &Layout,
    exporter: Option<IpAddr>,
    from: u32,
    view: &View<'_>,
    frame: &mut Lazy<'_>,
) -> Option<u32> {
    let exporter = exporter.map(Bits::from);
    let covers = |prefix: &Prefix| exporter.is_some_and(|exporter| exporter.is_in(prefix));
    (0..).zip(rules).skip(from as usize).find_map(|(number, rule)| {
        let matches = rule.exporter.as_ref().is_none_or(covers)
            && rule.conditions.iter().all(|condition| condition.holds(layout, view, frame));
        matches.then_some(number)
    })
}

/// Rules, compiled for one layout.
#[derive(Clone, Debug)]
pub struct Matcher {
    exporters: Tree,
    index: index::Index,
    rules: rule::Rules,
}

impl Matcher {
    /// Compiles the rules for rows of this layout.
    pub fn compile(rules: &[Rule], layout: &Layout, packets: PacketSource) -> Self {
        compile::compile(rules, layout, packets)
    }

    /// Resolves the exporter; call this once per datagram. Daemons without exporters pass `None`.
    pub fn scope(&self, exporter: Option<IpAddr>) -> Scope {
        let Some(exporter) = exporter.map(Bits::from) else {
            return Scope { group: self.index.everywhere(), family: Family::V4 };
        };
        let node = self.exporters.longest(exporter);
        Scope { group: node.min(self.index.everywhere()), family: exporter.family }
    }
}
