//! Receivers that are message brokers.
//!
//! Workers share the client of a broker. A client that stays in the file goes on when it is read again.

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
    fn start(&self, plugin: &str, threads: &Threads, identity: &Identity) -> io::Result<()>;

    /// Waits until it has sent its messages, but not long.
    fn close(&self);
}

/// The clients of one plugin.
#[derive(Debug)]
pub(super) struct Brokers {
    /// `tee_kafka_config_file`.
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
            Target::Kafka { .. } => Err("this program was built without Kafka.".to_owned()),
            Target::ZeroMq(_) => Err("this program was built without ZeroMQ.".to_owned()),
        }
    }

    /// The receiver of a target, with the client that exists for it, or a new one.
    pub(super) fn receiver(&self, target: &Target) -> Receiver {
        let _ = (&self.config_file, target);
        Receiver::Messages(String::new(), Arc::new(Nobody))
    }

    /// Starts the clients that do not run yet.
    pub(super) fn start(&self, plugin: &str, threads: &Threads, identity: &Identity) -> io::Result<()> {
        self.running().iter().try_for_each(|client| client.start(plugin, threads, identity))
    }

    pub(super) fn close(&self) {
        self.running().iter().for_each(|client| client.close());
    }

    fn running(&self) -> Vec<Arc<dyn Client>> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, client| client.strong_count() > 0);
        clients.values().filter_map(Weak::upgrade).collect()
    }
}

/// The client of a broker that this program does not know.
#[derive(Debug)]
struct Nobody;

impl Messages for Nobody {
    fn send(&self, _message: &[u8]) -> bool {
        false
    }
}
