//! `pre_tag_map`: tags, labels and types of service for records.
//!
//! Rules are tried in order. The first match sets its values and ends the search, unless it jumps (`jeq`): then the
//! search continues at the first later rule with that label, or for `next` at the next rule. Values that are set remain if no later rule
//! matches. If a rule with `stack` sets a tag, it is added to, or ORed with, the current one; a second label is appended
//! after a comma.
//!
//! A match overrides the tag that a record arrived with; without a match, that tag remains.

mod filters;
mod setters;
#[cfg(test)]
mod tests;

pub use filters::{LabelFilter, TagFilter};
pub(crate) use setters::{TagSetter, tag_and_label};

use crate::key::pre_tag::KEYS;
use crate::load::{self, Context, Entry};
use crate::matcher::{BatchFrames, Frames, Lazy, MatchBatch, Matcher, PacketSource, Rule, Scope, View};
use crate::review::{self, Reviewed};
use crate::usage::Usage;
use config::problem::{Diagnostics, Origin};
use flow::field::Field;
use flow::row::{FieldSet, Layout, RowMut, Rows};
use flow::strings::Strings;
use setters::{Setters, Stack};
use std::net::IpAddr;
use std::sync::Arc;
use wire::{Family, Prefix};

/// A parsed map that is not yet compiled for a layout.
#[derive(Debug)]
pub struct PreTagMap {
    rules: Vec<Rule>,
    actions: Arc<[Action]>,
    reviewed: Vec<Reviewed>,
    file: Arc<str>,
    lines: Arc<[u32]>,
}

/// The effect of a rule that matches.
#[derive(Debug)]
struct Action {
    setters: Setters,
    /// The rule at which the search continues, for exporters of each family.
    jumps: [Option<u32>; 2],
}

/// A rule whose jumps are not resolved yet.
struct Read {
    origin: Origin,
    rule: Rule,
    setters: Setters,
    label: Option<String>,
    jump: Option<String>,
    reviewed: Reviewed,
}

impl PreTagMap {
    /// Reads a map. Invalid rules are reported and ignored.
    pub fn parse(origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> Self {
        let rules =
            load::load(KEYS, context, origin, text, problems, |entry, problems| read(entry, context, problems));
        let mut actions = Vec::with_capacity(rules.len());
        let mut reviewed = Vec::with_capacity(rules.len());
        let targets = Targets::new(&rules);
        for (number, rule) in (0..).zip(&rules) {
            let jumps = Family::ALL.map(|family| {
                let word = rule.jump.as_deref().filter(|_| may_match(&rule.rule, family))?;
                let target = targets.find(word, number, family);
                if target.is_none() {
                    let what = format!("Unresolved label '{word}' in {family} namespace. Ignoring it.");
                    let hint = "A jump needs a later rule with label=NAME, or 'next'.";
                    problems.warn(&rule.origin, what, Some(hint.to_owned()));
                }
                target
            });
            let mut rule = rule.reviewed.clone();
            rule.jumps_to(jumps.iter().copied().flatten());
            reviewed.push(rule);
            actions.push(jumps);
        }
        let (rules, setters): (Vec<Rule>, Vec<Setters>) = rules.into_iter().map(|r| (r.rule, r.setters)).unzip();
        let actions = setters.into_iter().zip(actions).map(|(setters, jumps)| Action { setters, jumps }).collect();
        let lines = reviewed.iter().map(Reviewed::line).collect();
        Self { rules, actions, reviewed, file: Arc::clone(&origin.file), lines }
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

    /// Whether rules compare anything but the exporter, so that records of one datagram may differ.
    pub fn compares_records(&self) -> bool {
        self.rules.iter().any(|rule| !rule.conditions.is_empty())
    }

    /// Adds the fields that the rules read. Values that they set are stored only if rows have the field.
    pub fn require(&self, fields: &mut FieldSet) {
        self.rules.iter().for_each(|rule| rule.require(fields));
    }

    /// Compiles the map for rows of this layout.
    pub fn compile(&self, layout: &Layout, packets: PacketSource) -> Compiled {
        Compiled {
            matcher: Matcher::compile(&self.rules, layout, packets),
            actions: Arc::clone(&self.actions),
            usage: Usage::new(&self.file, &self.lines),
            offsets: Offsets {
                tag: layout.offset(Field::Tag),
                tag2: layout.offset(Field::Tag2),
                label: layout.offset(Field::Label),
                tos: layout.offset(Field::Tos),
            },
        }
    }
}

/// True if the rule may match exporters of this family.
fn may_match(rule: &Rule, family: Family) -> bool {
    rule.exporter.is_none_or(|prefix: Prefix| prefix.family() == family)
}

/// The rules of each label, in order.
struct Targets<'a> {
    rules: &'a [Read],
    labels: std::collections::HashMap<&'a str, Vec<u32>>,
}

impl<'a> Targets<'a> {
    fn new(rules: &'a [Read]) -> Self {
        let mut labels: std::collections::HashMap<&str, Vec<u32>> = std::collections::HashMap::new();
        for (number, rule) in (0..).zip(rules) {
            if let Some(label) = &rule.label {
                labels.entry(label).or_default().push(number);
            }
        }
        Self { rules, labels }
    }

    /// The target of a jump from rule `from`, for exporters of this family.
    fn find(&self, word: &str, from: u32, family: Family) -> Option<u32> {
        if word == "next" {
            return Some(from + 1);
        }
        let rules = self.labels.get(word)?;
        let later = rules.get(rules.partition_point(|rule| *rule <= from)..)?;
        later
            .iter()
            .copied()
            .find(|rule| self.rules.get(*rule as usize).is_some_and(|r| may_match(&r.rule, family)))
    }
}

fn read(entry: Entry, context: &Context, problems: &mut Diagnostics) -> Option<Read> {
    let text = |name| entry.setting(name).map(|setting| setting.value.clone());
    let (label, jump) = (text("label"), text("jeq"));
    let setters = setters::read(&entry, context, problems)?;
    let reviewed = Reviewed::new(&entry);
    let Entry { origin, mut rule, .. } = entry;
    if rule.exporter.is_none() && context.exporters_v4 {
        rule.exporter = Some(Prefix::default_route(Family::V4));
    }
    Some(Read { origin, rule, setters, label, jump, reviewed })
}

/// Offsets of the fields that rules set.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    tag: Option<usize>,
    tag2: Option<usize>,
    label: Option<usize>,
    tos: Option<usize>,
}

/// Memory of one worker for one map.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    labels: Labels,
    batch: MatchBatch,
    /// Cache of exporters, indexed by a hash of their addresses.
    scopes: Vec<Option<(IpAddr, Scope)>>,
}

/// The labels of rules, interned in the strings of rows.
#[derive(Clone, Debug, Default)]
struct Labels {
    /// By rule: the id of its label plus one; 0 if not interned yet.
    ids: Vec<u32>,
    /// Labels that are concatenated.
    text: Vec<u8>,
}

/// Exporters that a worker caches.
const CACHED_EXPORTERS: usize = 256;

impl Scratch {
    /// Resolves the exporter.
    #[inline]
    fn scope(&mut self, matcher: &Matcher, exporter: IpAddr) -> Scope {
        let hash = match exporter {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => {
                address.segments().iter().fold(0u32, |sum, part| sum.rotate_left(7) ^ u32::from(*part))
            }
        };
        self.scopes.resize(CACHED_EXPORTERS, None);
        match self.scopes.get_mut((hash ^ hash >> 8) as usize % CACHED_EXPORTERS) {
            Some(Some((cached, scope))) if *cached == exporter => *scope,
            Some(unknown) => unknown.insert((exporter, matcher.scope(Some(exporter)))).1,
            None => matcher.scope(Some(exporter)),
        }
    }

    /// Call this after the rows' strings are cleared: all interned ids are void.
    pub fn forget_strings(&mut self) {
        self.labels.ids.clear();
    }
}

impl Labels {
    /// The id of a rule's label, which is hashed only if it is not interned yet.
    #[inline]
    fn id(&mut self, rule: u32, label: &[u8], strings: &mut Strings) -> u32 {
        match self.ids.get(rule as usize) {
            Some(id) if *id > 0 => *id - 1,
            _ => self.intern(rule as usize, label, strings),
        }
    }

    #[cold]
    fn intern(&mut self, rule: usize, label: &[u8], strings: &mut Strings) -> u32 {
        let id = strings.intern(label);
        if self.ids.len() <= rule {
            self.ids.resize(rule + 1, 0);
        }
        if let Some(slot) = self.ids.get_mut(rule) {
            *slot = id.saturating_add(1);
        }
        id
    }
}

/// A map compiled for one layout; workers share it.
#[derive(Debug)]
pub struct Compiled {
    matcher: Matcher,
    actions: Arc<[Action]>,
    usage: Usage,
    offsets: Offsets,
}

impl Compiled {
    /// Which rules have matched.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Resolves the exporter; call this once per datagram. Daemons without exporters pass `None`.
    #[inline]
    pub fn scope(&self, exporter: Option<IpAddr>, scratch: &mut Scratch) -> Scope {
        exporter.map_or_else(|| self.matcher.scope(None), |exporter| scratch.scope(&self.matcher, exporter))
    }

    /// Applies the map to a row.
    #[inline]
    pub fn apply(
        &self,
        scope: Scope,
        row: &mut RowMut<'_>,
        strings: &mut Strings,
        frames: &mut dyn Frames,
        scratch: &mut Scratch,
    ) {
        let view = View { row: row.as_row(), strings };
        if let Some(number) = self.matcher.first(scope, 0, &view, &mut Lazy::new(frames)) {
            self.apply_rule(number, scope, row, strings, frames, &mut scratch.labels);
        }
    }

    /// Applies the map to the rows from `first` on.
    pub fn apply_all(
        &self,
        scope: Scope,
        (rows, first): (&mut Rows, usize),
        strings: &mut Strings,
        frames: &mut dyn BatchFrames,
        scratch: &mut Scratch,
    ) {
        let Scratch { batch, labels, .. } = scratch;
        self.matcher.match_batch(scope, (rows, first), strings, frames, batch);
        batch.found(|number, rule| {
            let number = first + number;
            if let Some(mut row) = rows.get_mut(number) {
                self.apply_rule(rule, scope, &mut row, strings, frames.frames(number), labels);
            }
        });
    }

    /// Applies a rule, and those that it jumps to.
    fn apply_rule(
        &self,
        mut number: u32,
        scope: Scope,
        row: &mut RowMut<'_>,
        strings: &mut Strings,
        frames: &mut dyn Frames,
        labels: &mut Labels,
    ) {
        let (mut tags, mut label) = ([None; 2], None);
        while let Some(action) = self.actions.get(number as usize) {
            self.usage.mark(number);
            self.set((number, action), row, strings, labels, &mut tags, &mut label);
            let family = usize::from(scope.family() == Family::V6);
            // Jumps only lead forward.
            let jump = action.jumps.get(family).copied().flatten().filter(|target| *target > number);
            let Some(from) = jump else { break };
            let view = View { row: row.as_row(), strings };
            let Some(next) = self.matcher.first(scope, from, &view, &mut Lazy::new(frames)) else { break };
            number = next;
        }
        for (tag, at) in tags.into_iter().zip([self.offsets.tag, self.offsets.tag2]) {
            if let Some(tag) = tag {
                put(row, at, &tag.to_be_bytes());
            }
        }
        if let Some(label) = label {
            put(row, self.offsets.label, &u32::to_be_bytes(label));
        }
    }

    #[inline]
    fn set(
        &self,
        (number, action): (u32, &Action),
        row: &mut RowMut<'_>,
        strings: &mut Strings,
        labels: &mut Labels,
        tags: &mut [Option<u64>; 2],
        label: &mut Option<u32>,
    ) {
        let setters = &action.setters;
        for (setter, tag) in setters.tags.iter().zip(tags) {
            let Some(setter) = setter else { continue };
            let value = setter.next();
            let before = tag.unwrap_or(0);
            *tag = Some(match setters.stack {
                Stack::Replace => value,
                Stack::Sum => before.wrapping_add(value),
                Stack::Or => before | value,
            });
        }
        if let (Some(new), true) = (&setters.label, self.offsets.label.is_some()) {
            *label = Some(match *label {
                None => labels.id(number, new, strings),
                Some(before) => {
                    let text = &mut labels.text;
                    text.clear();
                    text.extend_from_slice(strings.get(before));
                    text.push(filters::SEPARATOR);
                    text.extend_from_slice(new);
                    strings.intern(text)
                }
            });
        }
        if let Some(tos) = setters.tos {
            put(row, self.offsets.tos, &[tos]);
        }
    }
}

fn put(row: &mut RowMut<'_>, at: Option<usize>, octets: &[u8]) {
    if let Some(at) = at
        && let Some(to) = row.bytes().get_mut(at..at + octets.len())
    {
        to.copy_from_slice(octets);
    }
}
