//! `bgp_daemon_tag_map`, `bmp_daemon_tag_map`, `telemetry_daemon_tag_map`: tags and labels of messages.
//!
//! Rules are tried in order. The first match sets its values and ends the search, unless it jumps (`jeq`): then the search
//! continues at the first later rule with that label, or for `next` at the next rule. Values that are set remain if no later rule
//! matches.

use crate::condition::{CommunityPattern, Condition};
use crate::key::Key;
use crate::key::others::{ROUTING_TAG, TELEMETRY_TAG};
use crate::load::{self, Context, Entry};
use crate::pre_tag::TagSetter;
use config::problem::{Diagnostics, Origin};
use std::net::IpAddr;
use std::sync::Arc;
use wire::{Community, Prefix};

/// A parsed map.
#[derive(Debug)]
pub struct RoutingTagMap {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    origin: Origin,
    peer: Option<Prefix>,
    /// Each list must have a pattern that matches one of the communities.
    communities: Vec<Arc<[CommunityPattern]>>,
    tag: Option<TagSetter>,
    label: Option<Box<str>>,
    /// The name of the rule as the target of jumps.
    name: Option<String>,
    jump: Option<String>,
    /// The rule of the jump's target.
    next: Option<usize>,
}

/// The values for a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags<'a> {
    /// The tag, if a rule has set one.
    pub tag: Option<u64>,
    /// The label, if a rule has set one.
    pub label: Option<&'a str>,
}

impl RoutingTagMap {
    /// Reads the map of BGP or BMP. Invalid rules are reported and ignored.
    pub fn parse(origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> Self {
        Self::with_keys(ROUTING_TAG, origin, text, context, problems)
    }

    /// Reads the map of telemetry, whose rules have neither communities nor jumps. Invalid rules are reported and ignored.
    pub fn parse_telemetry(origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> Self {
        Self::with_keys(TELEMETRY_TAG, origin, text, context, problems)
    }

    fn with_keys(
        keys: &'static [Key],
        origin: &Origin,
        text: &[u8],
        context: &Context,
        problems: &mut Diagnostics,
    ) -> Self {
        let mut rules =
            load::load(keys, context, origin, text, problems, |entry, problems| rule(entry, context, problems));
        let names: Vec<Option<String>> = rules.iter().map(|rule| rule.name.clone()).collect();
        for (number, rule) in rules.iter_mut().enumerate() {
            let Some(word) = rule.jump.as_deref() else { continue };
            let is_target = |name: &&Option<String>| name.as_deref() == Some(word);
            rule.next = match word {
                "next" => Some(number + 1),
                _ => names.iter().skip(number + 1).position(|name| is_target(&name)).map(|at| number + 1 + at),
            };
            if rule.next.is_none() {
                let hint = "A jump needs a later rule with label=NAME, or 'next'.".to_owned();
                problems.warn(&rule.origin, format!("Unresolved label '{word}'. Ignoring it."), Some(hint));
            }
        }
        Self { rules }
    }

    /// Rules in the map.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether messages of one peer about the same communities always have the same values: no tag counts.
    pub fn is_constant(&self) -> bool {
        self.rules.iter().all(|rule| rule.tag.as_ref().is_none_or(TagSetter::is_constant))
    }

    /// The values for a message of a peer, about a route with these communities.
    pub fn tags(&self, peer: IpAddr, communities: &[Community]) -> Tags<'_> {
        let (mut tags, mut number) = (Tags::default(), 0);
        while let Some(rule) = self.rules.get(number) {
            number += 1;
            if !rule.matches(peer, communities) {
                continue;
            }
            tags.tag = rule.tag.as_ref().map(TagSetter::next).or(tags.tag);
            tags.label = rule.label.as_deref().or(tags.label);
            match rule.next {
                Some(next) => number = next,
                None => break,
            }
        }
        tags
    }
}

impl Rule {
    fn matches(&self, peer: IpAddr, communities: &[Community]) -> bool {
        let one_of = |patterns: &Arc<[CommunityPattern]>| {
            communities.iter().any(|community| patterns.iter().any(|pattern| pattern.fits_number(*community)))
        };
        self.peer.is_none_or(|prefix| prefix.contains(peer)) && self.communities.iter().all(one_of)
    }
}

fn rule(entry: Entry, context: &Context, problems: &mut Diagnostics) -> Option<Rule> {
    let text = |name| entry.setting(name).map(|setting| setting.value.clone());
    let (name, jump) = (text("label"), text("jeq"));
    let (tag, label) = crate::pre_tag::tag_and_label(&entry, context, problems)?;
    let Entry { origin, rule, .. } = entry;
    let communities = rule.conditions.iter().filter_map(|condition| match condition {
        Condition::Communities { patterns, .. } => Some(Arc::clone(patterns)),
        _ => None,
    });
    Some(Rule {
        communities: communities.collect(),
        peer: rule.exporter,
        origin,
        tag,
        label: label.map(|label| String::from_utf8_lossy(&label).into()),
        name,
        jump,
        next: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;

    fn map(text: &str) -> (RoutingTagMap, usize) {
        let mut problems = Diagnostics::new();
        let context = Context::new(Daemon::Pmbgpd);
        let map = RoutingTagMap::parse(&Origin::whole("m"), text.as_bytes(), &context, &mut problems);
        (map, problems.iter().count())
    }

    fn of<'a>(map: &'a RoutingTagMap, peer: &str, communities: &[Community]) -> (Option<u64>, Option<&'a str>) {
        let Tags { tag, label } = map.tags(peer.parse().unwrap(), communities);
        (tag, label)
    }

    #[test]
    fn the_first_match_sets_tag_and_label() {
        let (map, problems) = map("set_tag=7 ip=192.0.2.0/24\nset_label=edge ip=2001:db8::1\nset_tag=9");
        assert_eq!(problems, 0);
        assert_eq!(of(&map, "192.0.2.1", &[]), (Some(7), None));
        assert_eq!(of(&map, "2001:db8::1", &[]), (None, Some("edge")));
        assert_eq!(of(&map, "198.51.100.1", &[]), (Some(9), None));
    }

    #[test]
    fn communities_are_compared_as_numbers() {
        let (map, _) = map("set_tag=1 comms=65535:65281\nset_tag=2 comms=65000:1..,65001:1");
        assert_eq!(of(&map, "192.0.2.1", &[Community::NO_EXPORT]), (Some(1), None));
        assert_eq!(of(&map, "192.0.2.1", &[Community::new(1, 1), Community::new(65000, 123)]), (Some(2), None));
        assert_eq!(of(&map, "192.0.2.1", &[Community::new(65000, 1)]), (None, None));
    }

    #[test]
    fn jumps_go_on_after_a_match_and_keep_what_was_set() {
        let text = "set_tag=1 ip=192.0.2.1 jeq=b\nset_tag=2\nset_label=x label=b ip=192.0.2.1 jeq=next\nset_tag=5 ip=198.51.100.1";
        let (map, problems) = map(text);
        assert_eq!(problems, 0);
        assert_eq!(of(&map, "192.0.2.1", &[]), (Some(1), Some("x")));
        assert_eq!(of(&map, "198.51.100.1", &[]), (Some(2), None));
        assert_eq!(super::tests::map("set_tag=1 jeq=nowhere").1, 1);
    }

    #[test]
    fn the_map_of_telemetry_has_its_own_keys() {
        let mut problems = Diagnostics::new();
        let context = Context::new(Daemon::Pmtelemetryd);
        let text = b"set_tag=5 set_label=a ip=192.0.2.1\nset_tag=1 comms=1:1\nset_tag=6";
        let map = RoutingTagMap::parse_telemetry(&Origin::whole("m"), text, &context, &mut problems);
        assert_eq!((map.len(), problems.iter().count(), map.is_constant()), (2, 1, true));
        assert_eq!(of(&map, "192.0.2.1", &[]), (Some(5), Some("a")));
        assert_eq!(of(&map, "192.0.2.2", &[]), (Some(6), None));
    }

    #[test]
    fn counting_tags_grow_with_each_match() {
        let (map, _) = map("set_tag=10++");
        assert!(!map.is_constant());
        let tags: Vec<_> = (0..3).map(|_| of(&map, "192.0.2.1", &[]).0).collect();
        assert_eq!(tags, [Some(10), Some(11), Some(12)]);
    }
}
