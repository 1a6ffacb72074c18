//! `tee_receivers`: the pools of receivers to which the tee plugin replicates datagrams.
//!
//! Names of hosts are not resolved here.

use crate::key::others::TEE;
use crate::load::{self, Context, Entry, Setting};
use crate::pre_tag::TagFilter;
use crate::value::ValueError;
use config::problem::{Diagnostics, Origin};
use std::num::NonZeroU32;

/// Limits of the file, and what decides about its rules.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `tee_max_receivers`: receivers of a pool.
    pub receivers: usize,
    /// `tee_max_receiver_pools`: pools.
    pub pools: usize,
    /// `tee_transparent`, which brokers need: messages have the exporter's address.
    pub transparent: bool,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its line.
    pub origin: Origin,
    /// Its number.
    pub id: u32,
    /// Where its receivers are.
    pub target: Target,
    /// What it takes by tag.
    pub tags: Option<TagFilter>,
    /// The word of `balance-alg`.
    pub balance: Option<&'static str>,
    /// Source port; 0 leaves the choice to the kernel.
    pub source_port: u16,
    /// `sampling_rate`.
    pub sampling: Option<NonZeroU32>,
    /// `rate_limit`.
    pub rate: Option<NonZeroU32>,
}

/// Where the receivers of a pool are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Hosts and UDP ports.
    Udp(Vec<(String, u16)>),
    /// A topic of Kafka.
    Kafka {
        /// `kafka_broker`.
        brokers: String,
        /// `kafka_topic`.
        topic: String,
    },
    /// The address to which a ZeroMQ socket is bound.
    ZeroMq(String),
}

/// Reads the file. Invalid rules are reported and ignored.
pub fn parse(
    origin: &Origin,
    text: &[u8],
    context: &Context,
    limits: Limits,
    problems: &mut Diagnostics,
) -> Vec<Pool> {
    let mut pools =
        load::load(TEE, context, origin, text, problems, |entry, problems| pool(&entry, limits, problems));
    if let Some(pool) = pools.get(limits.pools) {
        let what = format!(
            "There are {} pools, but tee_max_receiver_pools is {}. This and later lines are ignored.",
            pools.len(),
            limits.pools
        );
        problems.warn(&pool.origin, what, Some("Raise tee_max_receiver_pools.".to_owned()));
        pools.truncate(limits.pools);
    }
    pools
}

fn pool(entry: &Entry, limits: Limits, problems: &mut Diagnostics) -> Option<Pool> {
    let Some(id) = entry.setting("id") else {
        return entry.reject("required key missing. Required keys are: 'id'.", problems);
    };
    let id = u32::try_from(id.decimal(problems)?).ok()?;
    let number = |name, problems: &mut Diagnostics| match entry.setting(name) {
        Some(setting) => setting.decimal(problems).map(Some),
        None => Some(None),
    };
    let source_port = number("src_port", problems)?.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let mut limit =
        |name| Some(number(name, problems)?.and_then(|limit| NonZeroU32::new(u32::try_from(limit).ok()?)));
    let (sampling, rate) = (limit("sampling_rate")?, limit("rate_limit")?);
    let target = target(entry, limits, problems)?;
    let balance = balance(entry, problems);
    if balance.is_some() && !matches!(target, Target::Udp(_)) {
        return entry.reject("balance-alg needs receivers with 'ip'.", problems);
    }
    let tags = entry.setting("tag").map(|tag| TagFilter::parse(&tag.value, &tag.origin, problems));
    Some(Pool { origin: entry.origin.clone(), id, target, tags, balance, source_port, sampling, rate })
}

fn target(entry: &Entry, limits: Limits, problems: &mut Diagnostics) -> Option<Target> {
    let named = ["ip", "kafka_broker", "zmq_address"].map(|name| entry.setting(name));
    match named {
        [Some(hosts), None, None] => hosts_of(hosts, limits, problems).map(Target::Udp),
        [None, Some(_), None] | [None, None, Some(_)] if !limits.transparent => {
            let what = "tee_transparent must be set to 'true' when emitting to Kafka or ZeroMQ.";
            entry.reject(what, problems)
        }
        [None, Some(brokers), None] => match entry.setting("kafka_topic") {
            Some(topic) => Some(Target::Kafka { brokers: brokers.value.clone(), topic: topic.value.clone() }),
            None => entry.reject("'kafka_broker' needs 'kafka_topic'.", problems),
        },
        [None, None, Some(address)] => match host(&address.value) {
            Some(_) => Some(Target::ZeroMq(address.value.clone())),
            None => address.reject(ValueError::value(address.key, &address.value), problems),
        },
        _ => entry.reject("One of 'ip', 'kafka_broker' and 'zmq_address' must be specified.", problems),
    }
}

/// Reads a list of receivers. Invalid ones are reported and left out; at least one must be left.
fn hosts_of(setting: &Setting, limits: Limits, problems: &mut Diagnostics) -> Option<Vec<(String, u16)>> {
    let mut hosts = Vec::new();
    for word in setting.value.split(',') {
        match host(word) {
            Some(host) => hosts.push(host),
            None => problems.warn(
                &setting.origin,
                format!("Invalid receiver {word}. Ignored."),
                Some("For example 192.0.2.1:2100, [2001:db8::1]:2100 or collector.example.net:2100.".to_owned()),
            ),
        }
    }
    if hosts.len() > limits.receivers {
        let what = format!(
            "The pool has {} receivers, but tee_max_receivers is {}. The others are ignored.",
            hosts.len(),
            limits.receivers
        );
        problems.warn(&setting.origin, what, Some("Raise tee_max_receivers.".to_owned()));
        hosts.truncate(limits.receivers);
    }
    if hosts.is_empty() {
        return setting.reject(ValueError { what: "The pool has no receivers.".to_owned(), hint: None }, problems);
    }
    Some(hosts)
}

/// Host and port: `HOST:PORT` or `[IPV6]:PORT`.
fn host(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').filter(|address| address.contains(':'))?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// The balance algorithm. An unknown one is reported, and the pool sends to all of its receivers, as in pmacct.
fn balance(entry: &Entry, problems: &mut Diagnostics) -> Option<&'static str> {
    let setting = entry.setting("balance-alg")?;
    let crate::key::Value::Word(words) = setting.key.value else { return None };
    let known = words.iter().find(|word| **word == setting.value);
    if known.is_none() {
        let near = config::nearest(&setting.value, words.iter().copied());
        let hint = near.map_or_else(
            || format!("Algorithms are {}.", words.join(", ")),
            |near| format!("Did you mean '{near}'?"),
        );
        let what = format!(
            "Unknown balance algorithm '{}'. Ignored: all receivers of the pool get everything.",
            setting.value
        );
        problems.warn(&setting.origin, what, Some(hint));
    }
    known.copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;

    const LIMITS: Limits = Limits { receivers: 3, pools: 4, transparent: false };

    fn read(text: &str, limits: Limits) -> (Vec<Pool>, Vec<String>) {
        let mut problems = Diagnostics::new();
        let context = Context::new(Daemon::Nfacctd);
        let pools = parse(&Origin::whole("tr.lst"), text.as_bytes(), &context, limits, &mut problems);
        (pools, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_pool_has_receivers_and_how_to_choose_them() {
        let text = "id=1 ip=192.0.2.1:2100,[2001:db8::5]:99,host.example:1 balance-alg=hash-agent tag=10-19 src_port=4700\n\
                    id=2 ip=192.0.2.2:1 sampling_rate=10 rate_limit=5";
        let (pools, problems) = read(text, LIMITS);
        assert_eq!(problems, [""; 0]);
        let [first, second] = pools.as_slice() else { panic!("two pools") };
        let hosts = [("192.0.2.1", 2100), ("2001:db8::5", 99), ("host.example", 1)];
        let hosts = hosts.map(|(host, port)| (host.to_owned(), port)).to_vec();
        assert_eq!((first.id, &first.target, first.source_port), (1, &Target::Udp(hosts), 4700));
        assert_eq!(first.balance, Some("hash-agent"));
        assert!(first.tags.as_ref().is_some_and(|tags| tags.matches(12) && !tags.matches(9)));
        assert_eq!((second.sampling, second.rate), (NonZeroU32::new(10), NonZeroU32::new(5)));
        assert_eq!((second.tags.is_none(), second.balance), (true, None));
    }

    #[test]
    fn brokers_need_transparent_mode_and_no_balancing() {
        let text = "id=1 kafka_broker=b:9092 kafka_topic=t\nid=2 zmq_address=127.0.0.1:50000";
        let (pools, problems) = read(text, LIMITS);
        assert!(pools.is_empty());
        assert!(
            problems[0].contains("[tr.lst:1] tee_transparent must be set to 'true' when emitting to Kafka"),
            "{problems:?}"
        );
        let transparent = Limits { transparent: true, ..LIMITS };
        let (pools, problems) = read(text, transparent);
        assert_eq!((pools.len(), problems.len()), (2, 0));
        let (pools, problems) =
            read("id=1 kafka_broker=b:9092\nid=2 zmq_address=x\nid=3 zmq_address=h:1 balance-alg=rr", transparent);
        assert_eq!((pools.len(), problems.len()), (0, 3), "{problems:?}");
    }

    #[test]
    fn invalid_lines_are_reported_and_ignored() {
        let text = "id=0 ip=10.0.0.1:1\nid=x ip=10.0.0.1:1\nid=3\nid=4 ip=a:1 zmq_address=b:1\nip=10.0.0.1:1\n\
                    id=5 ip=127.0.0.1\nid=6 ip=127.0.0.1,10.0.0.1:7,::1:7,[::1]7,:7,h:0,h:65536\nid=7 ip=10.0.0.1:7 balance-alg=hash_agent\nid=8 ip=10.0.0.1:7 nope=1";
        let (pools, problems) = read(text, LIMITS);
        assert_eq!(pools.iter().map(|pool| pool.id).collect::<Vec<_>>(), [6, 7]);
        assert_eq!(pools[0].target, Target::Udp(vec![("10.0.0.1".to_owned(), 7)]));
        assert_eq!(pools[1].balance, None);
        let invalid = problems.iter().filter(|problem| problem.contains("Invalid receiver")).count();
        assert_eq!(invalid, 1 + 6);
        assert!(problems.iter().any(|problem| problem.contains("Did you mean 'hash-agent'?")), "{problems:?}");
    }

    #[test]
    fn the_numbers_of_pools_and_receivers_are_bounded() {
        let many = "id=1 ip=10.0.0.1:1,10.0.0.1:2,10.0.0.1:3,10.0.0.1:4\n".repeat(6);
        let (pools, problems) = read(&many, LIMITS);
        assert_eq!(pools.len(), 4);
        assert!(pools.iter().all(|pool| matches!(&pool.target, Target::Udp(hosts) if hosts.len() == 3)));
        assert_eq!(problems.iter().filter(|problem| problem.contains("tee_max_receiver_pools is 4")).count(), 1);
    }
}
