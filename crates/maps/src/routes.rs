//! Maps for the correlation of flows with routes.
//!
//! | map | type |
//! |---|---|
//! | `bgp_agent_map`: the peer whose routes apply to an exporter | [`AgentMap`] |
//! | `bgp_peer_src_as_map`, `bgp_src_local_pref_map`, `bgp_src_med_map`: what routes do not say about the source | [`SourceMap`] |
//! | `bgp_peer_dst_ip_map`: next hops of flows that stand for those of routes | [`NextHopMap`] |

use crate::by_exporter::ValueMap;
use crate::key::others;
use crate::load::{self, Context, Entry};
use crate::value::{self, ValueError};
use config::problem::{Diagnostics, Origin};
use std::collections::HashMap;
use std::net::IpAddr;

/// The peer that a rule of bgp_agent_map names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agent {
    /// Address of its session, or its router ID.
    pub address: IpAddr,
    /// Its TCP port, if several peers share the address.
    pub port: Option<u16>,
}

/// `bgp_agent_map`.
pub type AgentMap = ValueMap<Agent>;

/// The value of a rule of the three maps about the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceValue {
    /// This number.
    Number(u32),
    /// That of the route to the source.
    Route,
}

/// `bgp_peer_src_as_map`, `bgp_src_local_pref_map` or `bgp_src_med_map`.
pub type SourceMap = ValueMap<SourceValue>;

fn address(entry: &Entry, name: &str, problems: &mut Diagnostics) -> Option<IpAddr> {
    let setting = entry.setting(name)?;
    match setting.value.parse::<IpAddr>() {
        Ok(address) => Some(address.to_canonical()),
        Err(_) => setting.reject(ValueError::value(setting.key, &setting.value), problems),
    }
}

impl AgentMap {
    /// Reads a bgp_agent_map. Invalid rules are reported and ignored.
    pub fn parse(origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> Self {
        Self::read((others::BGP_AGENT, "bgp_ip"), origin, text, context, problems, |entry, problems| {
            let address = address(entry, "bgp_ip", problems)?;
            let port = match entry.setting("bgp_port") {
                Some(port) => Some(u16::try_from(port.decimal(problems)?).ok()?),
                None => None,
            };
            if let Some(filter) = entry.setting("filter") {
                match value::family_filter(&filter.value) {
                    Some(condition) => entry.rule.conditions.push(condition),
                    None => return filter.reject(ValueError::value(filter.key, &filter.value), problems),
                }
            }
            Some(Agent { address, port })
        })
    }
}

impl SourceMap {
    /// Reads one of the three maps. Invalid rules are reported and ignored.
    pub fn parse(origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> Self {
        Self::read((others::BGP_SOURCE, "id"), origin, text, context, problems, |entry, problems| {
            let id = entry.setting("id")?;
            match (id.value.as_str(), value::decimal(&id.value, 1, u64::from(u32::MAX))) {
                ("bgp", _) => Some(SourceValue::Route),
                (_, Some(number)) => u32::try_from(number).ok().map(SourceValue::Number),
                (_, None) => id.reject(ValueError::value(id.key, &id.value), problems),
            }
        })
    }
}

/// `bgp_peer_dst_ip_map`.
#[derive(Clone, Debug, Default)]
pub struct NextHopMap {
    /// By the next hop of the route, that of the flow.
    by_route: HashMap<IpAddr, IpAddr>,
    /// For all next hops of routes that no earlier rule has.
    others: Option<IpAddr>,
    rules: usize,
}

impl NextHopMap {
    /// Reads a bgp_peer_dst_ip_map. Invalid rules are reported and ignored.
    pub fn parse(origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> Self {
        let rules = load::load(others::BGP_PEER_DST_IP, context, origin, text, problems, |entry, problems| {
            if entry.setting("id").is_none() || entry.rule.exporter.is_none() {
                return entry.reject("required key missing. Required keys are: 'id', 'ip'.", problems);
            }
            let flow = address(&entry, "id", problems)?;
            let route = match entry.setting("bgp_nexthop") {
                Some(_) => Some(address(&entry, "bgp_nexthop", problems)?),
                None => None,
            };
            Some((route, flow))
        });
        let mut map = Self { rules: rules.len(), ..Self::default() };
        // The first rule counts.
        for (route, flow) in rules {
            match route {
                Some(route) if map.others.is_none() => _ = map.by_route.entry(route).or_insert(flow),
                Some(_) => {}
                None => _ = map.others.get_or_insert(flow),
            }
        }
        map
    }

    /// Rules in the map.
    pub fn len(&self) -> usize {
        self.rules
    }

    /// True if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules == 0
    }

    /// The next hop of flows that stands for that of a route.
    pub fn find(&self, route: IpAddr) -> Option<IpAddr> {
        self.by_route.get(&route).copied().or(self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Sources;
    use config::Daemon;
    use flow::field::Field;
    use flow::row::{FieldSet, Layout, Rows};
    use flow::strings::Strings;

    fn context(daemon: Daemon) -> Context {
        let sources = Sources { bgp: true, ..Sources::default() };
        Context { asn: sources, net: sources, ..Context::new(daemon) }
    }

    #[test]
    fn an_exporter_is_mapped_to_a_peer_by_address_family_and_port() {
        let text = "bgp_ip=192.0.2.1 ip=198.51.100.1 filter='ip'\nid=fd00::1 bgp_port=50000 ip=198.51.100.1 filter='ip6'\nbmp_ip=192.0.2.9 ip=0.0.0.0/0\n\
                    bgp_ip=x ip=10.0.0.1\nbgp_ip=10.0.0.1\nbgp_ip=10.0.0.1 ip=10.0.0.1 filter='tcp'\nbgp_ip=10.0.0.1 ip=10.0.0.1 bgp_port=70000";
        let mut problems = Diagnostics::new();
        let map = AgentMap::parse(&Origin::whole("a"), text.as_bytes(), &context(Daemon::Nfacctd), &mut problems);
        assert_eq!((map.len(), problems.iter().count()), (3, 4));
        assert!(!map.depends_on_exporter_only());
        let mut fields = FieldSet::default();
        map.require(&mut fields);
        let layout = Layout::new(&fields, &[]);
        let compiled = map.compile(&layout);
        let agent = |exporter: &str, source: &str| {
            let mut rows = Rows::new(&layout);
            let mut row = rows.push(&vec![0; layout.words()]);
            let at = layout.offset(Field::SrcHost).unwrap();
            row.bytes()[at..at + 16].copy_from_slice(&flow::address::octets(source.parse().unwrap()));
            let scope = compiled.scope(Some(exporter.parse().unwrap()));
            compiled
                .find(scope, row.as_row(), &Strings::default())
                .map(|agent| (agent.address.to_string(), agent.port))
        };
        assert_eq!(agent("198.51.100.1", "10.0.0.1"), Some(("192.0.2.1".to_owned(), None)));
        assert_eq!(agent("198.51.100.1", "2001:db8::1"), Some(("fd00::1".to_owned(), Some(50000))));
        assert_eq!(agent("198.51.100.2", "10.0.0.1"), Some(("192.0.2.9".to_owned(), None)));
        assert_eq!(agent("2001:db8::9", "10.0.0.1"), None);
    }

    #[test]
    fn packets_match_rules_for_all_exporters() {
        let text = "bgp_ip=192.0.2.1 ip=0.0.0.0/0\nbgp_ip=192.0.2.2 ip=10.0.0.1\nbgp_ip=192.0.2.3 ip=::/0";
        let mut problems = Diagnostics::new();
        let map = AgentMap::parse(&Origin::whole("a"), text.as_bytes(), &context(Daemon::Pmacctd), &mut problems);
        assert_eq!((map.len(), problems.iter().count()), (2, 1));
        assert!(map.depends_on_exporter_only());
        let layout = Layout::new(&FieldSet::default(), &[]);
        let compiled = map.compile(&layout);
        let mut rows = Rows::new(&layout);
        rows.push(&vec![0; layout.words()]);
        let found = compiled.find(compiled.scope(None), rows.get(0).unwrap(), &Strings::default());
        assert_eq!(found.map(|agent| agent.address.to_string()).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn values_about_the_source_are_numbers_or_those_of_the_route() {
        let text = "id=bgp ip=192.0.2.1 in=7\nid=64500 ip=192.0.2.1 src_mac=02:00:00:00:00:05 peer_dst_as=3\nid=0 ip=10.0.0.1\nid=1\nid=7 ip=10.0.0.1 bgp_nexthop=x";
        let mut problems = Diagnostics::new();
        let map = SourceMap::parse(&Origin::whole("s"), text.as_bytes(), &context(Daemon::Nfacctd), &mut problems);
        assert_eq!((map.len(), problems.iter().count()), (2, 3));
        let mut fields = FieldSet::default();
        map.require(&mut fields);
        assert!(fields.has(Field::SrcRoutePeerAs) && !fields.has(Field::SrcRouteNextHop));
        // Without routes, the keys about them are of no use.
        let mut problems = Diagnostics::new();
        let map =
            SourceMap::parse(&Origin::whole("s"), text.as_bytes(), &Context::new(Daemon::Nfacctd), &mut problems);
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn a_next_hop_of_a_route_is_replaced_by_the_first_rule() {
        let text = "id=10.55.0.1 ip=0.0.0.0/0 bgp_nexthop=10.0.0.1\nid=10.55.0.2 ip=0.0.0.0/0 bgp_nexthop=10.0.0.1\nid=10.55.0.9 ip=0.0.0.0/0\n\
                    id=10.55.0.3 bgp_nexthop=10.0.0.3\nid=10.55.0.4 ip=::/0 bgp_nexthop=10.0.0.4";
        let mut problems = Diagnostics::new();
        let map =
            NextHopMap::parse(&Origin::whole("n"), text.as_bytes(), &context(Daemon::Nfacctd), &mut problems);
        assert_eq!((map.len(), problems.iter().count()), (4, 1));
        let find = |route: &str| map.find(route.parse().unwrap()).map(|flow| flow.to_string());
        assert_eq!(find("10.0.0.1").as_deref(), Some("10.55.0.1"));
        assert_eq!(find("10.0.0.4").as_deref(), Some("10.55.0.9"));
    }
}
