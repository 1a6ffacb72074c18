//! Receivers that are message brokers: topics of Kafka, and ZeroMQ sockets.
//!
//! Workers share the client of a broker. A client that stays in the file of receivers goes on when the file is read again; one that has gone
//! ends with its last user.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "zmq")]
mod zeromq;

use ::tee::pool::{Messages, Receiver};
use maps::tee_receivers::Target;
use runtime::log::Identity;
use runtime::threads::Threads;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A client of a broker.
trait Client: Messages {
    /// Starts it, unless it runs.
    fn start(&self, threads: &Threads, identity: &Identity) -> io::Result<()>;
}

/// The clients of one plugin.
#[derive(Debug)]
pub(super) struct Brokers {
    /// `tee_kafka_config_file`.
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "only Kafka has such a file"))]
    config_file: Option<PathBuf>,
    clients: Mutex<HashMap<String, Weak<dyn Client>>>,
}

impl Brokers {
    pub(super) fn new(config_file: Option<PathBuf>) -> Self {
        Self { config_file, clients: Mutex::default() }
    }

    /// Checks the settings of a target.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check(&self, target: &Target) -> Result<(), String> {
        match target {
            Target::Udp(_) => Ok(()),
            #[cfg(feature = "kafka")]
            Target::Kafka { brokers, .. } => kafka::check(brokers, self.config_file.as_deref()),
            #[cfg(not(feature = "kafka"))]
            Target::Kafka { .. } => Err("kafka_broker: this program was built without Kafka.".to_owned()),
            Target::ZeroMq(_) if cfg!(feature = "zmq") => Ok(()),
            Target::ZeroMq(_) => Err("zmq_address: this program was built without ZeroMQ.".to_owned()),
        }
    }

    /// The receiver of a target, with the client that exists for it, or a new one. `None` for hosts, and for brokers that this program does
    /// not know.
    pub(super) fn receiver(&self, target: &Target) -> Option<Receiver> {
        let name = match target {
            Target::Udp(_) => return None,
            Target::Kafka { brokers, topic } => format!("kafka_broker={brokers} kafka_topic={topic}"),
            Target::ZeroMq(address) => format!("zmq_address={address}"),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&name).and_then(Weak::upgrade) {
            return Some(Receiver::Messages(name, client));
        }
        let client = self.client(target)?;
        clients.insert(name.clone(), Arc::downgrade(&client));
        Some(Receiver::Messages(name, client))
    }

    fn client(&self, target: &Target) -> Option<Arc<dyn Client>> {
        match target {
            #[cfg(feature = "kafka")]
            Target::Kafka { brokers, topic } => {
                Some(Arc::new(kafka::Kafka::new(brokers, topic, self.config_file.clone())))
            }
            #[cfg(feature = "zmq")]
            Target::ZeroMq(address) => Some(Arc::new(zeromq::Push::new(address))),
            _ => None,
        }
    }

    /// Starts the clients that do not run yet.
    pub(super) fn start(&self, threads: &Threads, identity: &Identity) -> io::Result<()> {
        let clients: Vec<Arc<dyn Client>> = {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.retain(|_, client| client.strong_count() > 0);
            clients.values().filter_map(Weak::upgrade).collect()
        };
        clients.iter().try_for_each(|client| client.start(threads, identity))
    }
}
