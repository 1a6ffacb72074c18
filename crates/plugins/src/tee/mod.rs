//! The tee plugin: its settings, and the receivers that its file names.
//!
//! The plugin has no thread. Workers send the datagrams that they have received, each through sockets of its own ([`tee::Replicator`]), so
//! nothing is copied or queued. Only clients of brokers have threads, and the resolution of receivers' names.

mod brokers;
mod names;

use self::brokers::Brokers;
use self::names::Names;
use ::tee::balance::Balance;
use ::tee::limit::Limit;
use ::tee::pool::{Pool, Pools, Receiver};
use ::tee::{Counts, DropReason, Replicator};
use config::keys::nfprobe::{NFPROBE_IPPREC, NFPROBE_SOURCE_IP};
use config::keys::tee::{
    TEE_KAFKA_CONFIG_FILE, TEE_MAX_RECEIVER_POOLS, TEE_MAX_RECEIVERS, TEE_PIPE_SIZE, TEE_RECEIVERS,
    TEE_TRANSPARENT,
};
use config::{Diagnostics, Origin, Plugin};
use maps::load::Context;
use maps::tee_receivers::{self, Limits, Target};
use runtime::log::Identity;
use runtime::threads::Threads;
use stats::{Counter, Tally};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use udp_link::Options;

/// A pool as the file describes it.
pub use maps::tee_receivers::Pool as Rule;

/// The settings of one plugin.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plugin's name.
    pub name: String,
    /// `tee_receivers`.
    pub receivers: PathBuf,
    limits: Limits,
    options: Options,
    brokers: Arc<Brokers>,
    names: Arc<Names>,
}

impl Settings {
    /// Reads the settings of a plugin. `None` with a fatal problem.
    pub fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Option<Self> {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let Some(receivers) = plugin.get(&TEE_RECEIVERS) else {
            let what =
                format!("tee_receivers[{}] is not set: there is nowhere to send datagrams to.", plugin.name);
            let hint = "Name a file with lines such as: id=1 ip=192.0.2.1:2100".to_owned();
            problems.fatal(&plugin.origin, what, Some(hint));
            return None;
        };
        let precedence = plugin.get(&NFPROBE_IPPREC);
        Some(Self {
            name: plugin.name.clone(),
            receivers,
            limits: Limits {
                receivers: size(plugin.get(&TEE_MAX_RECEIVERS)),
                pools: size(plugin.get(&TEE_MAX_RECEIVER_POOLS)),
                transparent: plugin.get(&TEE_TRANSPARENT),
            },
            options: Options {
                source: plugin.get(&NFPROBE_SOURCE_IP),
                // The precedence is the upper three bits of the octet (RFC 791 section 3.1).
                tos: u8::try_from(precedence << 5).ok().filter(|tos| *tos != 0),
                hop_limit: None,
                send_buffer: plugin.get(&TEE_PIPE_SIZE).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            },
            brokers: Arc::new(Brokers::new(plugin.get(&TEE_KAFKA_CONFIG_FILE))),
            names: Arc::default(),
        })
    }

    /// Reads the file of receivers. Invalid lines are reported; a file without valid ones is a fatal problem.
    pub fn read_receivers(&self, context: &Context, problems: &mut Diagnostics) -> Vec<Rule> {
        let origin = Origin::whole(&self.receivers.display().to_string());
        let text = match config::text::read(&self.receivers) {
            Ok(text) => text,
            Err(error) => {
                let what = match error.kind() {
                    io::ErrorKind::NotFound => "tee_receivers: file not found.".to_owned(),
                    _ => format!("tee_receivers: {error}."),
                };
                problems.fatal(&origin, what, None);
                return Vec::new();
            }
        };
        let rules = tee_receivers::parse(&origin, &text, context, self.limits, problems);
        if rules.is_empty() {
            let hint = "A line is for instance: id=1 ip=192.0.2.1:2100".to_owned();
            problems.fatal(&origin, "tee_receivers: No valid receivers.", Some(hint));
        }
        for rule in &rules {
            if let Err(what) = self.brokers.check(&rule.target) {
                problems.fatal(&rule.origin, what, None);
            }
        }
        rules
    }

    /// Resolves the names of receivers, and prepares the clients of brokers. Returns the pools, and what is wrong with receivers, which are
    /// left out.
    pub fn resolve(&self, rules: &[Rule]) -> (Arc<Pools>, Vec<String>) {
        let is_usable = self.is_usable();
        let address = |host: &str, port| self.names.address(host, port, &is_usable);
        self.pools(rules, self.names.new_edition(), &address)
    }

    fn pools(&self, rules: &[Rule], edition: u64, address: Address<'_>) -> (Arc<Pools>, Vec<String>) {
        let mut problems = Vec::new();
        let pools = rules.iter().map(|rule| self.pool(rule, address, &mut problems)).collect();
        (Arc::new(Pools::new(pools, edition)), problems)
    }

    /// Resolves the names of these receivers again from now on: workers use `pools` until addresses change.
    pub fn follow(&self, rules: &[Rule], pools: &Arc<Pools>) {
        self.names.follow(rules, pools.edition());
    }

    /// What tells a worker that addresses have changed.
    pub fn changes(&self) -> Changes {
        Changes { settings: self.clone(), seen: 0 }
    }

    /// Whether an address can be reached from the source address.
    fn is_usable(&self) -> impl Fn(&SocketAddr) -> bool + Send + 'static {
        let source = self.options.source;
        move |address| source.is_none_or(|source| source.is_ipv4() == address.is_ipv4())
    }

    fn pool(&self, rule: &Rule, address: Address<'_>, problems: &mut Vec<String>) -> Pool {
        let receivers = match &rule.target {
            Target::Udp(hosts) => {
                let mut receivers = Vec::new();
                for (host, port) in hosts {
                    match address(host, *port) {
                        Ok(address) => receivers.push(Receiver::Udp(address)),
                        Err(what) => problems.push(format!("{}: {what}", rule.origin)),
                    }
                }
                receivers
            }
            target => self.brokers.receiver(target).into_iter().collect(),
        };
        let balance = rule
            .balance
            .and_then(|word| Balance::WORDS.iter().find(|(known, _)| *known == word).map(|(_, balance)| *balance));
        Pool {
            id: rule.id,
            receivers,
            tags: rule.tags.clone(),
            balance,
            source_port: rule.source_port,
            limit: Limit { sampling: rule.sampling, rate: rule.rate },
        }
    }

    /// Opens the sockets of one worker.
    ///
    /// # Errors
    /// The message, with the key.
    pub fn open(&self, pools: &Arc<Pools>, worker: usize) -> Result<Replicator, String> {
        Replicator::open(Arc::clone(pools), self.options, self.limits.transparent, worker).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => "; it needs the capability CAP_NET_RAW",
                _ => "",
            };
            format!("tee_transparent[{}]: cannot open a raw socket: {error}{hint}", self.name)
        })
    }

    /// Starts the clients of brokers that do not run yet, and the resolution of names, if there are any.
    ///
    /// # Errors
    /// The kernel allows no more threads.
    pub fn start(&self, rules: &[Rule], threads: &Threads, identity: &Identity) -> io::Result<()> {
        self.brokers.start(threads, identity)?;
        self.names.start(rules, threads, identity, self.is_usable())
    }
}

/// Finds the address of a host and a port, or says why there is none.
type Address<'a> = &'a dyn Fn(&str, u16) -> Result<SocketAddr, String>;

/// Tells one worker when the receivers of a plugin have other addresses.
#[derive(Clone, Debug)]
pub struct Changes {
    settings: Settings,
    seen: u64,
}

impl Changes {
    /// The pools that replace the current ones; `None` if nothing has changed since the last call.
    pub fn next(&mut self, current: &Arc<Pools>) -> Option<Arc<Pools>> {
        let Self { settings, seen } = self;
        let rules = settings.names.changed(current.edition(), seen)?;
        // Those without an address were reported.
        let known = |host: &str, port| settings.names.known(host, port).ok_or_else(String::new);
        Some(settings.pools(&rules, current.edition(), &known).0)
    }
}

/// Whether tags decide about anything.
pub fn use_tags(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.tags.is_some() || rule.balance == Some("hash-tag"))
}

/// Adds the counts of a replicator to a plugin's counters.
pub fn count(counts: &Counts, tally: &mut Tally) {
    for (counter, count) in [
        (Counter::DatagramsOffered, counts.offered),
        (Counter::DatagramsReplicated, counts.replicated),
        (Counter::DatagramsFilteredTag, counts.filtered_tag),
        (Counter::DatagramsFilteredSampling, counts.filtered_sampling),
        (Counter::DatagramsFilteredRate, counts.filtered_rate),
        (Counter::ReplicasMade, counts.replicas),
        (Counter::ReplicasRebuilt, counts.rebuilt),
        (Counter::ReplicasSent, counts.sent),
        (Counter::ReplicasSentBytes, counts.sent_bytes),
        (Counter::ReplicasRefused, counts.refused),
        (Counter::PartsUnreadable, counts.unreadable),
    ] {
        tally.add(counter, count);
    }
    for reason in DropReason::ALL {
        let counter = match reason {
            DropReason::Buffer => Counter::ReplicasDroppedBuffer,
            DropReason::TooLong => Counter::ReplicasDroppedLength,
            DropReason::Unreachable => Counter::ReplicasDroppedUnreachable,
            DropReason::Denied => Counter::ReplicasDroppedDenied,
            DropReason::Family => Counter::ReplicasDroppedFamily,
            DropReason::Queue => Counter::ReplicasDroppedQueue,
            DropReason::Failed => Counter::ReplicasDroppedError,
        };
        tally.add(counter, counts.dropped(reason));
    }
}
