//! `bgp_daemon_xconnect_map`: BGP sessions that are forwarded to another collector.

use crate::key::others::XCONNECT;
use crate::load::{self, Context, Entry, Setting};
use crate::value::ValueError;
use config::problem::{Diagnostics, Origin};
use std::net::{IpAddr, SocketAddr};
use wire::Prefix;

/// A parsed map.
#[derive(Debug)]
pub struct XconnectMap {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    source: Source,
    destination: SocketAddr,
}

/// The peers of a rule.
#[derive(Debug)]
enum Source {
    Within(Prefix),
    Exactly(SocketAddr),
}

impl XconnectMap {
    /// Reads a map. Invalid rules are reported and ignored.
    pub fn parse(origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics) -> Self {
        Self {
            rules: load::load(XCONNECT, context, origin, text, problems, |entry, problems| rule(&entry, problems)),
        }
    }

    /// Rules in the map.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Where the first rule that matches forwards a connection from this address.
    pub fn destination(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let matches = |rule: &&Rule| match &rule.source {
            Source::Within(prefix) => prefix.contains(peer.ip()),
            Source::Exactly(address) => *address == peer,
        };
        self.rules.iter().find(matches).map(|rule| rule.destination)
    }
}

fn rule(entry: &Entry, problems: &mut Diagnostics) -> Option<Rule> {
    let (Some(source), Some(destination)) = (entry.setting("bgp_src"), entry.setting("bgp_dst")) else {
        return entry.reject("required key missing. Required keys are: 'bgp_src', 'bgp_dst'.", problems);
    };
    let source = value(source, parse_source(&source.value), problems)?;
    let destination = value(destination, destination.value.parse().ok(), problems)?;
    Some(Rule { source, destination })
}

fn parse_source(text: &str) -> Option<Source> {
    let exactly = |address: SocketAddr| Source::Exactly(address);
    let host = |address: IpAddr| Source::Within(Prefix::host(address));
    let within = || text.parse().ok().map(Source::Within);
    text.parse().ok().map(exactly).or_else(|| text.parse().ok().map(host)).or_else(within)
}

fn value<T>(setting: &Setting, value: Option<T>, problems: &mut Diagnostics) -> Option<T> {
    value.or_else(|| setting.reject(ValueError::value(setting.key, &setting.value), problems))
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;

    #[test]
    fn the_first_match_says_where_a_session_goes() {
        let text = "bgp_src=192.0.2.1:179 bgp_dst=10.0.0.1:179\nbgp_src=192.0.2.0/24 bgp_dst=[2001:db8::1]:1790\n\
                    bgp_src=2001:db8::9 bgp_dst=10.0.0.2:179\nbgp_src=x bgp_dst=10.0.0.2:179\nbgp_src=10.0.0.1 bgp_dst=10.0.0.2\nbgp_src=::1";
        let mut problems = Diagnostics::new();
        let origin = Origin::whole("m");
        let map = XconnectMap::parse(&origin, text.as_bytes(), &Context::new(Daemon::Pmbgpd), &mut problems);
        assert_eq!((map.len(), problems.iter().count()), (3, 3));
        let to = |peer: &str| map.destination(peer.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(to("192.0.2.1:179").as_deref(), Some("10.0.0.1:179"));
        assert_eq!(to("192.0.2.1:1790").as_deref(), Some("[2001:db8::1]:1790"));
        assert_eq!(to("[2001:db8::9]:5").as_deref(), Some("10.0.0.2:179"));
        assert_eq!(to("198.51.100.1:179"), None);
    }
}
