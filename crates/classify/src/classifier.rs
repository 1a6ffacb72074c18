//! The table of conversations.

use crate::{Application, Engine};
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry;
use std::net::IpAddr;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// If the table is full, the one of this many conversations that has been silent longest is evicted.
const CANDIDATES: usize = 8;

/// Two endpoints and their traffic in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conversation {
    ends: [(IpAddr, u16); 2],
    vlan: u16,
    protocol: u8,
}

impl Conversation {
    /// The conversation of a packet: address and port of both endpoints, VLAN id (0: none), IP protocol.
    pub fn new(source: (IpAddr, u16), destination: (IpAddr, u16), vlan: u16, protocol: u8) -> Self {
        let mut ends = [source, destination];
        ends.sort_unstable();
        Self { ends, vlan, protocol }
    }
}

/// How many packets of a conversation are inspected, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketLimits {
    /// Of TCP.
    pub tcp: u32,
    /// Of UDP.
    pub udp: u32,
    /// Of other protocols.
    pub other: u32,
}

/// Settings of a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Limit on tracked conversations.
    pub max_conversations: usize,
    /// Whether to guess the application of unrecognised conversations.
    pub guess: bool,
    /// Limits on inspected packets.
    pub packet_limits: PacketLimits,
    /// A conversation expires after this much silence, in microseconds.
    pub idle_us: u64,
    /// Interval between searches for expired conversations, in microseconds.
    pub search_interval_us: u64,
    /// Limit on the conversations that one search removes.
    pub max_expired: usize,
}

/// A tracked conversation, recognised or not.
struct Tracked<F> {
    application: Application,
    packets: u32,
    last_packet_us: u64,
    /// Set while packets are inspected.
    open: Option<F>,
}

/// The conversations of one worker. Time is that of the packets.
pub struct Classifier<E: Engine> {
    engine: E,
    settings: Settings,
    conversations: IndexMap<Conversation, Tracked<E::Flow>, RandomState>,
    /// Where the next search continues.
    next: usize,
    searched_us: u64,
    evicted: u64,
}

impl<E: Engine> Classifier<E> {
    /// Starts without conversations.
    pub fn new(engine: E, mut settings: Settings) -> Self {
        settings.max_conversations = settings.max_conversations.max(1);
        Self { engine, settings, conversations: IndexMap::default(), next: 0, searched_us: 0, evicted: 0 }
    }

    /// Returns the application of a packet, which starts at its IP header, as far as it is known by now. `now_us`: when it
    /// was captured, microseconds since 1970.
    pub fn packet(&mut self, conversation: Conversation, ip: &[u8], now_us: u64) -> Application {
        if now_us.saturating_sub(self.searched_us) >= self.settings.search_interval_us {
            self.searched_us = now_us;
            self.expire_idle(now_us);
        }
        if self.conversations.len() >= self.settings.max_conversations
            && !self.conversations.contains_key(&conversation)
        {
            self.evict_one();
        }
        let Self { engine, settings, conversations, .. } = self;
        let tracked = match conversations.entry(conversation) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let application = Application::UNKNOWN;
                entry.insert(Tracked { application, packets: 0, last_packet_us: now_us, open: engine.open() })
            }
        };
        tracked.last_packet_us = tracked.last_packet_us.max(now_us);
        if let Some(open) = &mut tracked.open {
            tracked.packets += 1;
            tracked.application = engine.packet(open, ip, now_us / 1000);
            let is_recognised = tracked.application.protocol != 0;
            if is_recognised || tracked.packets >= settings.packet_limits.of(conversation.protocol) {
                if !is_recognised && settings.guess {
                    tracked.application = engine.guess(open);
                }
                tracked.open = None;
            }
        }
        tracked.application
    }

    /// The application as displayed: the protocol that carries it, and itself.
    pub fn name(&self, application: Application) -> String {
        let Application { master, protocol } = application;
        format!("{}/{}", self.engine.name(master), self.engine.name(protocol))
    }

    /// Conversations that were evicted from a full table since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Number of tracked conversations.
    pub fn len(&self) -> usize {
        self.conversations.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty()
    }

    /// Searches the table once around, from where the last search ended.
    fn expire_idle(&mut self, now_us: u64) {
        let mut expired = 0;
        for _ in 0..self.conversations.len() {
            if expired >= self.settings.max_expired {
                return;
            }
            if self.next >= self.conversations.len() {
                self.next = 0;
            }
            let Some((_, tracked)) = self.conversations.get_index(self.next) else { return };
            if now_us.saturating_sub(tracked.last_packet_us) > self.settings.idle_us {
                // The last conversation takes this position, and is checked next.
                self.conversations.swap_remove_index(self.next);
                expired += 1;
            } else {
                self.next += 1;
            }
        }
    }

    /// Evicts the one of a few conversations that has been silent longest.
    fn evict_one(&mut self) {
        let count = self.conversations.len();
        let candidates = (0..CANDIDATES.min(count)).map(|n| (self.next + n) % count);
        let silent = candidates
            .min_by_key(|at| self.conversations.get_index(*at).map(|(_, tracked)| tracked.last_packet_us));
        if let Some(at) = silent {
            self.conversations.swap_remove_index(at);
            self.evicted += 1;
            self.next = (self.next + CANDIDATES) % count;
        }
    }
}

impl PacketLimits {
    fn of(&self, protocol: u8) -> u32 {
        match protocol {
            TCP => self.tcp,
            UDP => self.udp,
            _ => self.other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    /// Recognises a conversation by an octet that is 7, and guesses 9.
    #[derive(Default)]
    struct Sevens {
        opened: usize,
    }

    impl Engine for Sevens {
        type Flow = u32;

        fn open(&mut self) -> Option<u32> {
            self.opened += 1;
            Some(0)
        }

        fn packet(&mut self, packets: &mut u32, ip: &[u8], _: u64) -> Application {
            *packets += 1;
            Application { master: 1, protocol: if ip.contains(&7) { 7 } else { 0 } }
        }

        fn guess(&mut self, _: &mut u32) -> Application {
            Application { master: 0, protocol: 9 }
        }

        fn name(&self, protocol: u16) -> String {
            format!("p{protocol}")
        }
    }

    const SETTINGS: Settings = Settings {
        max_conversations: 4,
        guess: false,
        packet_limits: PacketLimits { tcp: 3, udp: 2, other: 1 },
        idle_us: 100,
        search_interval_us: 10,
        max_expired: 2,
    };

    fn between(a: u8, b: u8, protocol: u8) -> Conversation {
        let end = |n| (Ipv4Addr::new(10, 0, 0, n).into(), u16::from(n));
        Conversation::new(end(a), end(b), 0, protocol)
    }

    #[test]
    fn both_directions_are_one_conversation_and_recognised_ones_are_not_inspected() {
        let mut classifier = Classifier::new(Sevens::default(), SETTINGS);
        let protocols: Vec<u16> = [(1, 2, 0), (2, 1, 7), (1, 2, 0), (1, 3, 0)]
            .map(|(a, b, octet)| classifier.packet(between(a, b, TCP), &[octet], 1).protocol)
            .into();
        assert_eq!(protocols, [0, 7, 7, 0]);
        assert_eq!((classifier.engine.opened, classifier.len()), (2, 2));
        assert_eq!(classifier.name(Application { master: 1, protocol: 7 }), "p1/p7");
    }

    #[test]
    fn inspection_ends_at_the_limit_of_the_protocol_with_or_without_a_guess() {
        for (guess, last) in [(false, 0), (true, 9)] {
            for (protocol, limit) in [(TCP, 3), (UDP, 2), (1, 1)] {
                let mut classifier = Classifier::new(Sevens::default(), Settings { guess, ..SETTINGS });
                let mut ask = |octet| classifier.packet(between(1, 2, protocol), &[octet], 1).protocol;
                assert!((1..limit).all(|_| ask(0) == 0));
                assert_eq!((ask(0), ask(7)), (last, last), "protocol {protocol}");
            }
        }
    }

    #[test]
    fn silent_conversations_expire_a_few_at_a_time() {
        let mut classifier = Classifier::new(Sevens::default(), Settings { max_conversations: 9, ..SETTINGS });
        (1..6).for_each(|n| _ = classifier.packet(between(0, n, UDP), &[], 50));
        let mut lengths = Vec::new();
        for now in [150, 151, 155, 165, 175] {
            classifier.packet(between(0, 9, UDP), &[], now);
            lengths.push(classifier.len());
        }
        // At 151 they have been silent for longer than 100, but the next search is due after 10.
        assert_eq!(lengths, [6, 6, 6, 4, 2]);
        assert_eq!(classifier.take_evicted(), 0);
    }

    proptest! {
        #[test]
        fn the_table_is_bounded_and_evictions_are_counted(
            packets in proptest::collection::vec((0_u8..20, 0_u8..20, 0_u64..50), 1..300),
        ) {
            let settings = Settings { idle_us: u64::MAX, ..SETTINGS };
            let mut classifier = Classifier::new(Sevens::default(), settings);
            let mut now = 0;
            for (a, b, step) in packets {
                now += step;
                classifier.packet(between(a, b, TCP), &[a], now);
                prop_assert!(classifier.len() <= settings.max_conversations);
                prop_assert!(classifier.conversations.contains_key(&between(a, b, TCP)), "the newest stays");
            }
            let (opened, tracked) = (classifier.engine.opened as u64, classifier.len() as u64);
            prop_assert_eq!(classifier.take_evicted(), opened - tracked);
        }
    }
}
