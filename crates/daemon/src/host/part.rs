//! The contract between the process and its parts.
//!
//! A part is one thing that a daemon does, with threads of its own: the flow pipeline, the log of sFlow counters, a listener for
//! sessions. The daemon's row lists its parts ([`crate::Daemon`]); the process ([`super`]) takes all of them through the same steps and
//! knows nothing else about them. The methods of [`Part`] stand in the order in which they are called; all are called by the main
//! thread, and none waits for anything that others decide.

use super::board::Board;
use config::{Config, Daemon, Diagnostics, Names};
use crossbeam_channel::Sender;
use runtime::events::{Signal, Stop};
use runtime::log::Identity;
use runtime::threads::Threads;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A kind of parts, as the row of a daemon lists it.
pub(crate) trait Kind: Sync {
    /// Reads its settings. `None` when the configuration does not ask for this part, or together with fatal problems.
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>>;

    /// The kinds of plugins that it feeds.
    fn plugins(&self) -> &'static [&'static plugins::kinds::Kind] {
        &[]
    }
}

/// The input for reading the settings of a part.
pub(crate) struct Reading<'a> {
    /// The configuration.
    pub(crate) config: &'a Config,
    /// The names of its keys in messages.
    pub(crate) names: Names,
    /// The kinds of plugins that the daemon has.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the metrics endpoint reads it"))]
    pub(crate) plugins: &'static [&'static plugins::kinds::Kind],
    /// Problems of the configuration.
    pub(crate) problems: &'a mut Diagnostics,
    /// What earlier parts offer to later ones.
    pub(crate) offers: Offers,
    /// Number of requests to reopen output files.
    pub(crate) reopenings: Arc<AtomicU64>,
}

/// Things that one part makes and another one uses, each of a type of its own: so neither needs to know the other, and a daemon that
/// lists only one of them does not contain the other.
#[derive(Default)]
pub(crate) struct Offers(HashMap<TypeId, Box<dyn Any>>);

impl Offers {
    /// Offers something to later parts.
    pub(crate) fn put<T: Any>(&mut self, offer: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(offer));
    }

    /// A copy of what an earlier part has offered.
    pub(crate) fn see<T: Any + Clone>(&self) -> Option<T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }

    /// Takes what an earlier part has offered.
    pub(crate) fn take<T: Any>(&mut self) -> Option<T> {
        self.0.remove(&TypeId::of::<T>()).and_then(|offer| offer.downcast().ok()).map(|offer| *offer)
    }
}

/// Wakes the main thread, which then receives the messages of each part ([`Part::receive`]).
#[derive(Clone, Debug)]
pub(crate) struct Bell(pub(super) Sender<()>);

impl Bell {
    /// Never blocks: a bell that is ringing need not be rung again.
    pub(crate) fn ring(&self) {
        let _ = self.0.try_send(());
    }
}

/// What the process gives to its parts.
#[derive(Clone)]
pub(crate) struct Services {
    /// The daemon.
    pub(crate) daemon: Daemon,
    /// Where threads start.
    pub(crate) threads: Threads,
    /// The request to end.
    pub(crate) stop: Stop,
    /// The identity of core threads in the log.
    pub(crate) identity: Identity,
    pub(crate) bell: Bell,
    /// Where counters are published.
    pub(crate) board: Arc<Board>,
}

/// Applies what was reloaded. It cannot fail.
pub(crate) type Commit = Box<dyn FnOnce() + Send>;

/// Reloads, in a thread of its own, what a part can reload. Returns `None` on errors, which it has logged.
pub(crate) type Prepare = Box<dyn FnOnce() -> Option<Commit> + Send>;

/// A part of a daemon, from its settings to its end.
pub(crate) trait Part {
    /// Reports remarks for `--check`, besides errors.
    fn review(&self, _problems: &mut Diagnostics) {}

    /// Files with a single writer, each with its key.
    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        Vec::new()
    }

    /// Opens what may need the initial privileges, such as sockets. No thread has started.
    ///
    /// # Errors
    /// The message, with the key.
    fn open(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Prepares what depends on its settings only. `--check` calls this too; nothing is open yet.
    ///
    /// # Errors
    /// The message, with the key.
    fn prepare(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Opens the rest, after the change of user.
    ///
    /// # Errors
    /// The message, with the key.
    fn set_up(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Tries the first steps of its threads, for a dry run.
    ///
    /// # Errors
    /// The message, with the key.
    fn try_out(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Starts its threads.
    ///
    /// # Errors
    /// The kernel allows no more threads, or has no memory.
    fn start(&mut self, services: &Services) -> std::io::Result<()>;

    /// Logs that it is ready.
    fn announce(&self) {}

    /// Whether the daemon must keep running for this part. When no part needs it, the daemon ends.
    fn is_working(&self) -> bool {
        false
    }

    /// Receives what its threads have sent since the bell was rung.
    fn receive(&mut self) {}

    /// Called every second.
    fn tick(&mut self) {}

    /// A signal for one of the parts: SIGRTMIN to SIGRTMIN+3. False if this part does not act on it.
    fn takes_signal(&mut self, _signal: Signal) -> bool {
        false
    }

    /// A thread has returned; with `stopping`, shutdown was requested before.
    fn thread_ended(&mut self, _name: &str, _stopping: bool) {}

    /// What it reloads on SIGUSR2, in words; `None` if nothing.
    fn rereads(&self) -> Option<&'static str> {
        None
    }

    /// The files to reload: a change of one starts a reload (`maps_watch`).
    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The first step of a reload. The second one follows for all parts, or for none if one finds an error.
    fn prepare_reload(&self) -> Option<Prepare> {
        None
    }

    /// Whether all of its threads use what was last reloaded.
    fn has_settled(&self) -> bool {
        true
    }

    /// Requests statistics from its threads.
    fn ask_for_report(&mut self) {}

    /// Whether they have answered.
    fn has_answered(&self) -> bool {
        true
    }

    /// Prints the statistics as far as they are known. `now`: seconds since 1970.
    fn report(&mut self, _now: u64) {}

    /// Shutdown was requested: wakes its threads.
    fn stop(&mut self) {}

    /// Its work has ended, or timed out: releases what waits for it. Its other threads end next.
    fn close(&mut self) {}

    /// Whether its input is a file, so that unwritten output must be reported.
    fn is_finite(&self) -> bool {
        false
    }

    /// All threads have ended: logs losses, and returns whether the daemon has failed. `finite`: some part's input is a file.
    fn has_failed(&mut self, finite: bool) -> bool;
}

/// The messages of a part's threads to itself, with the bell that wakes the main thread for them.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    sender: Sender<T>,
    bell: Bell,
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), bell: self.bell.clone() }
    }
}

impl<T> Mailbox<T> {
    /// Creates a mailbox for `bound` messages, and its receiver.
    pub(crate) fn new(bound: usize, bell: Bell) -> (Self, crossbeam_channel::Receiver<T>) {
        let (sender, receiver) = crossbeam_channel::bounded(bound);
        (Self { sender, bell }, receiver)
    }

    /// Sends, or drops the message if there is no room.
    pub(crate) fn offer(&self, message: T) {
        let _ = self.sender.try_send(message);
        self.bell.ring();
    }

    /// Sends, and waits for room.
    pub(crate) fn send(&self, message: T) {
        // The bell must have rung before this waits for room in a full mailbox.
        self.bell.ring();
        let _ = self.sender.send(message);
        self.bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_taken_once_by_its_type() {
        let mut offers = Offers::default();
        offers.put(7u32);
        assert_eq!((offers.take::<u64>(), offers.take::<u32>(), offers.take::<u32>()), (None, Some(7), None));
    }

    #[test]
    fn messages_ring_the_bell_and_those_without_room_are_dropped() {
        let (ring, bell) = crossbeam_channel::bounded(1);
        let (mailbox, messages) = Mailbox::new(1, Bell(ring));
        mailbox.offer(1);
        mailbox.offer(2);
        assert_eq!((bell.try_recv(), messages.try_recv()), (Ok(()), Ok(1)));
        assert!(messages.try_recv().is_err());
        let sender = mailbox.clone();
        let thread = std::thread::spawn(move || [3, 4].map(|message| sender.send(message)));
        // After the bell, all messages are received, however small the mailbox.
        let mut received = Vec::new();
        while received.len() < 2 {
            bell.recv().unwrap();
            received.extend(messages.try_iter());
        }
        thread.join().unwrap();
        assert_eq!(received, [3, 4]);
    }
}
