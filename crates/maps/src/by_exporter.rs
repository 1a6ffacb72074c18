//! Maps that assign a value to each flow by its exporter: `sampling_map`, `flow_to_rd_map`, and the maps of [`crate::routes`].

use crate::key::{Key, others};
use crate::load::{self, Context, Entry, Sources};
use crate::matcher::{BatchFrames, Captured, Lazy, MatchBatch, Matcher, PacketSource, Rule, Scope, View};
use crate::review::{self, Reviewed};
use crate::usage::Usage;
use config::problem::{Diagnostics, Origin};
use filter::PacketView;
use flow::row::{FieldSet, Layout, Row, Rows};
use flow::strings::Strings;
use std::net::IpAddr;
use std::sync::Arc;
use wire::RouteDistinguisher;

/// A map whose rules each yield one value.
#[derive(Debug)]
pub struct ValueMap<T> {
    rules: Vec<Rule>,
    values: Arc<[T]>,
    reviewed: Vec<Reviewed>,
    file: Arc<str>,
    lines: Arc<[u32]>,
}

/// `sampling_map`: the sampling rate N of an exporter, which samples one packet in N.
pub type SamplingMap = ValueMap<u32>;
/// `flow_to_rd_map`: the route distinguisher of an exporter's flows (RFC 4364 section 4.2).
pub type FlowToRdMap = ValueMap<[u8; 8]>;

impl SamplingMap {
    /// Reads a sampling_map. Invalid rules are reported and ignored.
    pub fn parse(origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> Self {
        Self::read((others::SAMPLING, "id"), origin, text, context, problems, |entry, problems| {
            let rate = entry.setting("id")?.decimal(problems)?;
            u32::try_from(rate).ok()
        })
    }
}

impl FlowToRdMap {
    /// Reads a flow_to_rd_map. Invalid rules are reported and ignored.
    pub fn parse(origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> Self {
        // Routes are looked up later, in the table that this map selects: next hops are those of records.
        let context = &Context { net: Sources { bgp: false, ..context.net }, ..context.clone() };
        Self::read((others::FLOW_TO_RD, "id"), origin, text, context, problems, |entry, problems| {
            let id = entry.setting("id")?;
            match id.value.parse::<RouteDistinguisher>() {
                Ok(distinguisher) => Some(distinguisher.0),
                Err(_) => id.reject(crate::value::ValueError::value(id.key, &id.value), problems),
            }
        })
    }
}

impl<T: Copy> ValueMap<T> {
    /// Reads a map whose rules must have `id`, the key of the value, and an exporter. `value` may add conditions.
    pub(crate) fn read(
        (keys, id): (&'static [Key], &str),
        origin: &Origin,
        text: &[u8],
        context: &Context,
        problems: &mut Diagnostics,
        value: impl Fn(&mut Entry, &mut Diagnostics) -> Option<T>,
    ) -> Self {
        let rules = load::load(keys, context, origin, text, problems, |mut entry, problems| {
            if entry.setting(id).is_none() || entry.rule.exporter.is_none() {
                return entry.reject(format!("required key missing. Required keys are: '{id}', 'ip'."), problems);
            }
            if context.packets_have_no_exporter() {
                if entry.rule.exporter.is_some_and(|prefix| prefix.length() > 0) {
                    return entry.reject("packets have no exporter: 'ip' must be 0.0.0.0/0 or ::/0.", problems);
                }
                entry.rule.exporter = None;
            }
            let value = value(&mut entry, problems)?;
            Some((Reviewed::new(&entry), entry.rule, value))
        });
        let mut map = (Vec::new(), Vec::new(), Vec::new());
        for (reviewed, rule, value) in rules {
            map.0.push(rule);
            map.1.push(value);
            map.2.push(reviewed);
        }
        let (rules, values, reviewed) = map;
        let lines = reviewed.iter().map(Reviewed::line).collect();
        Self { rules, values: values.into(), reviewed, file: Arc::clone(&origin.file), lines }
    }

    /// Rules in the map.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Warns about rules that can never match.
    pub fn review(&self, problems: &mut Diagnostics) {
        review::review(&self.reviewed, problems);
    }

    /// Adds the fields that the rules read.
    pub fn require(&self, fields: &mut FieldSet) {
        self.rules.iter().for_each(|rule| rule.require(fields));
    }

    /// True if rules depend on the exporter alone.
    pub fn depends_on_exporter_only(&self) -> bool {
        self.rules.iter().all(|rule| rule.conditions.is_empty())
    }

    /// Compiles the map for rows of this layout.
    pub fn compile(&self, layout: &Layout) -> Values<T> {
        self.compile_for(layout, PacketSource::Rows)
    }

    /// As [`Self::compile`], for a map with filters.
    pub fn compile_for(&self, layout: &Layout, packets: PacketSource) -> Values<T> {
        let matcher = Matcher::compile(&self.rules, layout, packets);
        Values { matcher, values: Arc::clone(&self.values), usage: Usage::new(&self.file, &self.lines) }
    }
}

/// A map compiled for one layout; workers share it.
#[derive(Debug)]
pub struct Values<T> {
    matcher: Matcher,
    values: Arc<[T]>,
    usage: Usage,
}

impl<T: Copy> Values<T> {
    /// Which rules have matched.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Resolves the exporter; call this once per datagram.
    pub fn scope(&self, exporter: Option<IpAddr>) -> Scope {
        self.matcher.scope(exporter)
    }

    /// Returns the value for a row of that exporter, if a rule matches.
    #[inline]
    pub fn find(&self, scope: Scope, row: Row<'_>, strings: &Strings) -> Option<T> {
        let view = View { row, strings };
        // These maps have no filters, so no packet is needed.
        let number = self.matcher.first(scope, 0, &view, &mut Lazy::new(&mut Captured(PacketView::whole(&[]))))?;
        self.usage.mark(number);
        self.values.get(number as usize).copied()
    }

    /// As [`Self::find`], for all rows from `first` on, and for maps with filters: passes on each row that a rule matches, counted from
    /// `first`, with its value.
    pub fn find_all(
        &self,
        scope: Scope,
        (rows, first): (&Rows, usize),
        strings: &Strings,
        frames: &mut dyn BatchFrames,
        batch: &mut MatchBatch,
        mut each: impl FnMut(usize, T),
    ) {
        self.matcher.match_batch(scope, (rows, first), strings, frames, batch);
        batch.found(|row, number| {
            self.usage.mark(number);
            if let Some(value) = self.values.get(number as usize) {
                each(row, *value);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;
    use flow::field::Field;
    use flow::presence::{Presence, PresenceSet};
    use flow::row::Rows;

    #[test]
    fn the_first_rule_of_the_exporter_gives_the_rate() {
        let text =
            "id=1000 ip=192.0.2.1 in=1\nid=10 ip=192.0.2.0/24\nid=0 ip=10.0.0.1\nid=5\nip=10.0.0.1\nid=7 ip=::/0";
        let mut problems = Diagnostics::new();
        let context = Context::new(Daemon::Nfacctd);
        let map = SamplingMap::parse(&Origin::whole("s.map"), text.as_bytes(), &context, &mut problems);
        assert_eq!((map.len(), problems.iter().count()), (3, 3));
        let mut fields = FieldSet::default();
        map.require(&mut fields);
        let layout = Layout::new(&fields, &[]);
        let rates = map.compile(&layout);
        let rate = |exporter: &str, interface: u32| {
            let mut rows = Rows::new(&layout);
            let mut row = rows.push(&vec![0; layout.words()]);
            let mut bits = PresenceSet::default();
            bits.insert(Presence::InIface);
            for (field, octets) in
                [(Field::InIface, &interface.to_be_bytes()[..]), (Field::Presence, &bits.0.to_be_bytes())]
            {
                let at = layout.offset(field).unwrap();
                row.bytes()[at..at + octets.len()].copy_from_slice(octets);
            }
            let scope = rates.scope(Some(exporter.parse().unwrap()));
            rates.find(scope, row.as_row(), &Strings::default())
        };
        assert_eq!(rate("192.0.2.1", 1), Some(1000));
        assert_eq!(rate("192.0.2.1", 2), Some(10));
        assert_eq!(rate("192.0.2.9", 1), Some(10));
        assert_eq!(rate("10.0.0.1", 1), None);
        assert_eq!(rate("2001:db8::1", 1), Some(7));
    }

    #[test]
    fn route_distinguishers_have_three_forms() {
        let text = "id=0:65000:100 ip=10.0.0.1\nid=1:192.0.2.1:7 ip=10.0.0.2\nid=nonsense ip=10.0.0.3\nid=2:70000:1 ip=::1";
        let mut problems = Diagnostics::new();
        let context = Context::new(Daemon::Nfacctd);
        let map = FlowToRdMap::parse(&Origin::whole("r.map"), text.as_bytes(), &context, &mut problems);
        assert_eq!((map.len(), problems.iter().count()), (3, 1));
        assert_eq!(map.values[0], [0, 0, 0xfd, 0xe8, 0, 0, 0, 100]);
        assert_eq!(map.values[1], [0, 1, 192, 0, 2, 1, 0, 7]);
    }
}
