//! What happens to messages: they are written to the log, and kept for the next dump. The table of nodes without connections.

use super::figures::{Ending, Figures};
use super::node::{Node, Transport};
use super::record::{Format, Mark, Marker, Payload, Record, Serialization, Tags};
use super::service::Shared;
use super::settings::{Loaded, Settings};
use crate::sessions::accept::RATE;
use crate::sessions::admission::Rejection;
use event_log::Log;
use foldhash::fast::RandomState;
use runtime::log::{Limited, Pass};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use telemetry::payload::{Form, Invalid, Writer};
use telemetry::sid::Sids;
use telemetry::subscriptions::Notice;
use telemetry::{Encoding, Message, Subscriptions};
use tracing::{info, warn};

/// Subscriptions that are known at most, and their bytes.
const SUBSCRIPTIONS: usize = 65_536;
const SUBSCRIPTION_BYTES: usize = 64 << 20;
/// Interval at which nodes that have timed out are looked for, as in pmacct.
const EXPIRY: Duration = Duration::from_secs(60);

/// Log lines that nodes can cause.
struct LogLimits {
    /// By reason, so that none hides another.
    refused: [Limited; Rejection::COMMON.len()],
    accepted: Limited,
    ended: Limited,
    invalid: Limited,
    unknown_subscription: Limited,
    no_room: Limited,
}

/// The state of all nodes.
pub(super) struct Collector {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    log: Option<Log>,
    /// The operator's files, and their generation.
    loaded: Loaded,
    generation: u64,
    reopened: u64,
    /// Nodes without connections.
    nodes: HashMap<(Transport, IpAddr), Arc<Node>, RandomState>,
    /// All nodes.
    open: usize,
    /// When nodes that have timed out are looked for next: microseconds since 1970.
    expires: u64,
    writer: Writer,
    subscriptions: Subscriptions,
    /// The payload of the message at hand.
    text: Vec<u8>,
    limits: LogLimits,
}

impl Collector {
    pub(super) fn new(settings: Arc<Settings>, shared: Arc<Shared>, log: Option<Log>) -> Self {
        let (generation, loaded) = shared.loaded();
        Self {
            log,
            writer: Writer { sids: Sids::clone(&loaded.sids), limit: settings.max_json(), ..Writer::default() },
            loaded,
            generation,
            reopened: shared.reopenings.load(Ordering::Acquire),
            nodes: HashMap::default(),
            open: 0,
            expires: 0,
            subscriptions: Subscriptions::new(SUBSCRIPTIONS, SUBSCRIPTION_BYTES),
            text: Vec::new(),
            limits: LogLimits {
                refused: Rejection::COMMON.map(|_| Limited::new(RATE)),
                accepted: Limited::new(RATE),
                ended: Limited::new(RATE),
                invalid: Limited::new(RATE),
                unknown_subscription: Limited::new(RATE),
                no_room: Limited::new(RATE),
            },
            settings,
            shared,
        }
    }

    fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// Before a batch: uses what was reloaded, and reopens files after a rotation.
    pub(super) fn refresh(&mut self) {
        if self.shared.generation() != self.generation {
            (self.generation, self.loaded) = self.shared.loaded();
            self.writer.sids = Sids::clone(&self.loaded.sids);
        }
        let wanted = self.shared.reopenings.load(Ordering::Acquire);
        if std::mem::replace(&mut self.reopened, wanted) != wanted
            && let Some(log) = &mut self.log
        {
            log.reopen();
        }
    }

    /// The node that sends datagrams or messages from an address. `None` if it is not admitted, which is counted and logged.
    pub(super) fn node(&mut self, transport: Transport, address: SocketAddr, now: u64) -> Option<Arc<Node>> {
        if let Some(node) = self.nodes.get(&(transport, address.ip())) {
            return Some(Arc::clone(node));
        }
        let node = self.connect(transport, address, now)?;
        self.nodes.insert((transport, address.ip()), Arc::clone(&node));
        Some(node)
    }

    /// A node connects, or is heard of for the first time. `None` if it is not admitted, which is counted and logged.
    pub(super) fn connect(&mut self, transport: Transport, address: SocketAddr, now: u64) -> Option<Arc<Node>> {
        let is_allowed = self.loaded.allow.as_ref().is_none_or(|allow| allow.allows(address.ip()));
        let refusal = match is_allowed {
            false => Some(Rejection::NotAllowed),
            true if self.open >= self.settings.max_peers => Some(Rejection::MaxPeers),
            true => None,
        };
        if let Some(why) = refusal {
            self.refuse(address.ip(), why);
            return None;
        }
        self.open += 1;
        self.figures().accepted.add(1);
        if let Some(pass) = self.limits.accepted.pass() {
            let (ip, open, max) = (address.ip(), self.open, self.settings.max_peers);
            info!(held_back = pass.held_back, "[{ip}] telemetry peers usage: {open}/{max}");
        }
        let node = Arc::new(Node::new(transport, address, now));
        self.shared.change_nodes(|nodes| nodes.push(Arc::clone(&node)));
        self.mark(&node, Mark::LogInit, now);
        Some(node)
    }

    fn refuse(&self, ip: IpAddr, why: Rejection) {
        self.figures().refuse(why);
        let Some(pass) = self.limits.refusal(why) else { return };
        let held_back = pass.held_back;
        match why {
            Rejection::MaxPeers => warn!(
                held_back,
                "[{ip}] not accepted: telemetry_daemon_max_peers ({}) is reached", self.settings.max_peers
            ),
            _ => info!(held_back, "[{ip}] not accepted: telemetry_daemon_allow_file does not list it"),
        }
    }

    /// The node that has sent messages from an address without a connection of its own is gone.
    #[cfg(feature = "grpc")]
    pub(super) fn leave(&mut self, transport: Transport, ip: IpAddr, why: Ending, now: u64) {
        if let Some(node) = self.nodes.remove(&(transport, ip)) {
            self.disconnect(&node, why, now);
        }
    }

    /// A node is gone. At shutdown nothing is logged, as in pmacct: the node is still there.
    pub(super) fn disconnect(&mut self, node: &Arc<Node>, why: Ending, now: u64) {
        self.open = self.open.saturating_sub(1);
        self.figures().close(why);
        self.figures().undumped.add(self.shared.depart(node));
        if why == Ending::Shutdown {
            return;
        }
        self.mark(node, Mark::LogClose, now);
        if let Some(pass) = self.limits.ended.pass() {
            let what = match why {
                Ending::Disconnected | Ending::Shutdown => "connection closed",
                Ending::Incomplete => "connection closed within a message, which is lost",
                Ending::Framing => "connection closed by this daemon",
                Ending::TimedOut => "nothing received for telemetry_daemon_peer_timeout",
            };
            info!(held_back = pass.held_back, "[{}] telemetry peer removed: {what}", node.address.ip());
        }
    }

    /// Handles a message of a node. `form`: how JSON is written.
    pub(super) fn receive(&mut self, node: &Node, message: &Message<'_>, form: Form, now: u64) {
        let Self { shared, writer, text, subscriptions, settings, limits, .. } = self;
        let bytes = message.octets.len() as u64;
        shared.figures.message(node.transport, bytes);
        node.counts.messages.add(1);
        node.counts.bytes.add(bytes);
        node.counts.last.set(now);
        text.clear();
        writer.form = form;
        let serialization = match (message.encoding, form) {
            (Encoding::Json, Form::Text) => Serialization::JSON_STRING,
            (encoding, _) => Serialization(encoding.label()),
        };
        let written = match message.encoding {
            // Octets are shown as they are.
            Encoding::Cbor if !settings.decodes => {
                writer.append(&Message { encoding: Encoding::Gpb, octets: message.octets }, text)
            }
            // Of Protocol buffers, only those of Cisco can be decoded without their definitions.
            Encoding::Gpb if settings.decodes => {
                let limits = telemetry_gpb::Limits { json: writer.limit, ..telemetry_gpb::Limits::default() };
                let form = telemetry_gpb::cisco::Form::default();
                match telemetry_gpb::cisco::to_json(message.octets, form, &limits, text) {
                    Ok(_) => Ok(()),
                    Err(_) => writer.append(message, text),
                }
            }
            _ => writer.append(message, text),
        };
        let json = match written {
            Ok(()) => Some(text.as_slice()),
            Err(invalid) => {
                shared.figures.invalid(invalid.kind);
                node.counts.invalid.add(1);
                limits.log_invalid(node, message.encoding, &invalid);
                None
            }
        };
        let mut subscription = None;
        if node.transport == Transport::UdpNotif
            && let Some(json) = json
        {
            subscription = match subscriptions.observe(json) {
                Notice::None => None,
                Notice::Subscription(subscription) => Some(subscription),
                Notice::Unknown(id) => {
                    limits.log_unknown(node, id);
                    None
                }
            };
        }
        let payload = Payload { serialization, json, subscription };
        if let Some(memory) = &shared.memory
            && !node.events.lock().unwrap_or_else(PoisonError::into_inner).keep(&payload, memory)
        {
            shared.figures.undumped.add(1);
            if let Some(pass) = limits.no_room.pass() {
                let held_back = pass.held_back;
                warn!(
                    held_back,
                    "messages are missing in the next dump: those that wait exceed plugin_queue_memory"
                );
            }
        }
        if let Some(log) = &mut self.log {
            let tags = Tagging { loaded: &self.loaded, generation: self.generation, format: &settings.format };
            tags.with(node, |tags| {
                let format = &settings.format;
                log.add_at(now, &Record { format, node, tags, payload, is_dump: false });
            });
        }
    }

    fn mark(&mut self, node: &Node, mark: Mark, now: u64) {
        let format = &self.settings.format;
        if let Some(log) = &mut self.log {
            let tags = Tagging { loaded: &self.loaded, generation: self.generation, format };
            tags.with(node, |tags| log.add_at(now, &Marker { node, tags, mark }));
        }
    }

    /// Removes nodes without connections that have not sent anything for `telemetry_daemon_peer_timeout`.
    pub(super) fn expire(&mut self, now: u64) {
        if now < self.expires {
            return;
        }
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.expires = now.saturating_add(micros(EXPIRY));
        let timeout = micros(self.settings.peer_timeout);
        let is_silent = |node: &Arc<Node>| now.saturating_sub(node.counts.last.get()) > timeout;
        let silent: Vec<_> = self.nodes.extract_if(|_, node| is_silent(node)).map(|(_, node)| node).collect();
        silent.iter().for_each(|node| self.disconnect(node, Ending::TimedOut, now));
    }

    /// Ends a batch of messages.
    pub(super) fn flush(&mut self) {
        let (known, counts) = (self.subscriptions.len() as u64, self.subscriptions.counts());
        let values = [known, counts.unknown, counts.evicted + counts.too_long];
        self.figures().subscriptions.iter().zip(values).for_each(|(figure, value)| figure.set(value));
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// Ends the log. Returns the number of messages that were dropped.
    pub(super) fn end(self) -> u64 {
        self.log.map_or(0, Log::end)
    }
}

impl LogLimits {
    fn refusal(&self, why: Rejection) -> Option<Pass> {
        self.refused.get(why as usize)?.pass()
    }

    fn log_invalid(&self, node: &Node, encoding: Encoding, invalid: &Invalid) {
        if let Some(pass) = self.invalid.pass() {
            let (held_back, ip) = (pass.held_back, node.address.ip());
            warn!(held_back, "[{ip}] message logged without its payload: {encoding}: {invalid}");
        }
    }

    fn log_unknown(&self, node: &Node, id: u64) {
        if let Some(pass) = self.unknown_subscription.pass() {
            let (held_back, ip) = (pass.held_back, node.address.ip());
            info!(held_back, "[{ip}] message of YANG-Push subscription {id}, whose start was not received");
        }
    }
}

/// Renders tags.
pub(super) struct Tagging<'a> {
    pub(super) loaded: &'a Loaded,
    /// The generation of the operator's files.
    pub(super) generation: u64,
    pub(super) format: &'a Format,
}

impl Tagging<'_> {
    /// Calls `work` with the tags of a message of a node.
    pub(super) fn with<T>(&self, node: &Node, work: impl FnOnce(&Tags) -> T) -> T {
        let Some(map) = &self.loaded.tags else { return work(&Tags::default()) };
        let mut tagged = node.tagged.lock().unwrap_or_else(PoisonError::into_inner);
        if tagged.generation != self.generation || !self.loaded.has_constant_tags {
            tagged.generation = self.generation;
            let tags = map.tags(node.address.ip(), &[]);
            tagged.tags.set(tags.tag, tags.label, self.format);
        }
        work(&tagged.tags)
    }
}
