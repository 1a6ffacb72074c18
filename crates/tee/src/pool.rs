//! Pools of receivers.

use crate::balance::{self, Balance};
use crate::limit::Limit;
use maps::pre_tag::TagFilter;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Receives replicas as messages, with the headers of [`crate::header::Header::message`] before the payload.
pub trait Messages: Send + Sync + fmt::Debug {
    /// Takes a message, without waiting. False if there is no room for it.
    fn send(&self, message: &[u8]) -> bool;

    /// Messages that it took, and that did not arrive, since the last call.
    fn take_refused(&self) -> u64 {
        0
    }
}

/// A receiver.
#[derive(Clone, Debug)]
pub enum Receiver {
    /// A UDP port.
    Udp(SocketAddr),
    /// A message broker, by its name in the configuration.
    Messages(String, Arc<dyn Messages>),
}

impl Receiver {
    /// The number by which it takes part in rendezvous hashing.
    fn weight(&self) -> u64 {
        match self {
            Self::Udp(address) => balance::weight(*address),
            Self::Messages(name, _) => balance::weight_of_name(name),
        }
    }
}

/// A pool.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its number in the configuration.
    pub id: u32,
    /// Its receivers.
    pub receivers: Vec<Receiver>,
    /// What it takes by tag; `None` takes everything.
    pub tags: Option<TagFilter>,
    /// How it chooses one of its receivers; `None` sends to all.
    pub balance: Option<Balance>,
    /// Source port of its sockets; 0 leaves the choice to the kernel.
    pub source_port: u16,
    /// What it leaves out.
    pub limit: Limit,
}

/// All pools.
#[derive(Debug, Default)]
pub struct Pools {
    pools: Vec<Placed>,
    receivers: usize,
    edition: u64,
}

/// A pool, and where its receivers are among those of all pools.
#[derive(Debug)]
pub struct Placed {
    /// The pool.
    pub pool: Pool,
    /// The number of its first receiver.
    pub first: usize,
    /// The weights of its receivers.
    pub weights: Vec<u64>,
}

impl Pools {
    /// These pools. Those with the same edition differ in the addresses of their receivers only.
    pub fn new(pools: Vec<Pool>, edition: u64) -> Self {
        let mut receivers = 0;
        let place = |pool: Pool| {
            let first = receivers;
            receivers += pool.receivers.len();
            let weights = pool.receivers.iter().map(Receiver::weight).collect();
            Placed { pool, first, weights }
        };
        let pools = pools.into_iter().map(place).collect();
        Self { pools, receivers, edition }
    }

    /// The reading of the configuration that they come from.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// The pools, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Placed> {
        self.pools.iter()
    }

    /// Number of pools.
    pub fn len(&self) -> usize {
        self.pools.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    /// Number of receivers of all pools.
    pub fn receivers(&self) -> usize {
        self.receivers
    }

    /// Whether tags decide about anything.
    pub fn use_tags(&self) -> bool {
        self.iter().any(|Placed { pool, .. }| pool.tags.is_some() || pool.balance == Some(Balance::HashTag))
    }
}

impl Pool {
    /// Whether it takes what has this tag.
    #[inline]
    pub fn takes(&self, tag: u64) -> bool {
        self.tags.as_ref().is_none_or(|tags| tags.matches(tag))
    }
}
