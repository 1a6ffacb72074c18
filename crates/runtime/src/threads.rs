//! Starts and joins all threads.
//!
//! A panic in a thread is caught, logged with its message and location, and reported to the main loop, which can then let the
//! other threads write what they hold, and end with a failure. The kernel shows the first 15 bytes of a thread's name.

use crate::events::{Event, Sender, Stop};
use crate::log::{self, Identity};
use crossbeam_channel::Receiver;
use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How a thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Returned,
    /// It panicked.
    Panicked {
        /// The message.
        message: String,
        /// `file:line:column`, when known.
        location: String,
    },
}

#[derive(Debug)]
struct Running {
    name: String,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    handle: JoinHandle<()>,
}

/// The threads of the process. Clones share one list.
#[derive(Clone, Debug)]
pub struct Threads {
    running: Arc<Mutex<Vec<Running>>>,
    /// Number of running detached threads.
    aside: Arc<AtomicUsize>,
    panicked: Arc<AtomicBool>,
    events: Sender,
    stop: Stop,
}

impl Threads {
    /// An empty list. Ends of threads are sent to `events`; a forced `stop` cuts [`Threads::join_all`] short.
    #[must_use]
    pub fn new(events: Sender, stop: Stop) -> Self {
        Self { running: Arc::default(), aside: Arc::default(), panicked: Arc::default(), events, stop }
    }

    /// Starts a thread: named, with its identity in log lines.
    ///
    /// # Errors
    /// When the kernel allows no more threads or has no memory for one.
    pub fn spawn(
        &self,
        name: impl Into<String>,
        identity: Identity,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let name = name.into();
        // The sender is dropped with the closure, as the last action of the thread.
        let (alive, ended) = crossbeam_channel::bounded::<()>(0);
        let panicked = Arc::clone(&self.panicked);
        let handle = start_then(&name, identity, body, self.events.clone(), move |how| {
            if *how != End::Returned {
                panicked.store(true, Ordering::Release);
            }
            alive
        })?;
        let mut running = self.list();
        running.retain(|thread| !thread.handle.is_finished());
        running.push(Running { name, ended, handle });
        Ok(())
    }

    /// Starts a detached thread: one that an unresponsive server may block, and whose work is accounted for
    /// elsewhere.
    ///
    /// # Errors
    /// As [`Threads::spawn`].
    pub fn spawn_aside(
        &self,
        name: impl Into<String>,
        identity: Identity,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let (panicked, aside) = (Arc::clone(&self.panicked), Arc::clone(&self.aside));
        self.aside.fetch_add(1, Ordering::AcqRel);
        let started = start_then(&name.into(), identity, body, self.events.clone(), move |how| {
            panicked.fetch_or(*how != End::Returned, Ordering::AcqRel);
            aside.fetch_sub(1, Ordering::AcqRel);
        });
        if started.is_err() {
            self.aside.fetch_sub(1, Ordering::AcqRel);
        }
        started.map(drop)
    }

    /// Returns the exit status, as the last action of the process. While a server still blocks a detached thread, it exits here: the
    /// thread may be using what libraries such as OpenSSL tear down at a normal exit.
    #[must_use]
    pub fn leave(&self, status: ExitCode) -> ExitCode {
        if self.aside.load(Ordering::Acquire) > 0 {
            let _ = io::stdout().flush();
            signal_hook::low_level::exit(i32::from(status != ExitCode::SUCCESS));
        }
        status
    }

    /// Ends the daemon with an error: [`Event::Fatal`].
    pub fn fail(&self, what: String) {
        self.events.send(Event::Fatal(what));
    }

    /// Waits for all threads to end, but at most `patience`, and not after force. Returns the names of those that still run.
    #[must_use]
    pub fn join_all(&self, patience: Duration) -> Vec<String> {
        let deadline = Instant::now().checked_add(patience);
        // Threads may start others while they end, so the list is read until it is empty.
        while let Some(thread) = { self.list().pop() } {
            let timeout = deadline.map_or_else(crossbeam_channel::never, crossbeam_channel::at);
            let ended = crossbeam_channel::select_biased! {
                recv(thread.ended) -> _ => true,
                recv(self.stop.forced_receiver()) -> _ => false,
                recv(timeout) -> _ => false,
            };
            if ended {
                // The body's panic was caught, so this cannot fail.
                let _ = thread.handle.join();
            } else {
                self.list().push(thread);
                return self.running();
            }
        }
        Vec::new()
    }

    /// Names of the running threads.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        let list = self.list();
        let running = list.iter().filter(|thread| !crate::events::is_closed(&thread.ended));
        running.map(|thread| thread.name.clone()).collect()
    }

    /// True when a thread has panicked: the process should end with a failure.
    #[must_use]
    pub fn has_panicked(&self) -> bool {
        self.panicked.load(Ordering::Acquire)
    }

    fn list(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread that is in no list.
pub(crate) fn start(
    name: &str,
    identity: Identity,
    events: Sender,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    start_then(name, identity, body, events, |_| ())
}

/// Starts a thread; `then` gets its end before it is reported to the main loop, and what `then` returns is dropped after that.
fn start_then<T>(
    name: &str,
    identity: Identity,
    body: impl FnOnce() + Send + 'static,
    events: Sender,
    then: impl FnOnce(&End) -> T + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    hook();
    // A NUL would end the name for the kernel; names come from the configuration.
    let name = name.replace('\0', "");
    Builder::new().name(name.clone()).spawn(move || {
        log::enter(identity);
        let how = run(body);
        if let End::Panicked { message, location } = &how {
            tracing::error!(thread = name, location, "thread ended by a panic: {message}");
        }
        let last = then(&how);
        events.send(Event::ThreadEnded { name, how });
        drop(last);
    })
}

thread_local! {
    /// True while the body of one of our threads runs: its panics are caught and logged there.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// The location of this thread's last panic.
    static LOCATION: RefCell<String> = const { RefCell::new(String::new()) };
}

fn run(body: impl FnOnce()) -> End {
    CAUGHT.set(true);
    // What the body shares with others is protected by locks or atomics, and the daemon ends after a panic.
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    CAUGHT.set(false);
    match result {
        Ok(()) => End::Returned,
        Err(payload) => End::Panicked { message: message(&*payload), location: LOCATION.take() },
    }
}

fn message(payload: &dyn Any) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    }
}

/// Installs the panic hook, once: only the hook knows the location of a panic.
fn hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if CAUGHT.try_with(Cell::get).unwrap_or(false) {
                let _ = LOCATION.try_with(|slot| *slot.borrow_mut() = location(info));
                let backtrace = Backtrace::capture();
                if backtrace.status() == BacktraceStatus::Captured {
                    for line in backtrace.to_string().lines() {
                        tracing::error!("{line}");
                    }
                }
            } else {
                tracing::error!(location = location(info), "panic: {}", message(info.payload()));
                previous(info);
            }
        }));
    });
}

fn location(info: &PanicHookInfo<'_>) -> String {
    info.location().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events;

    fn threads() -> (Threads, events::Events, Stop) {
        let (sender, events) = events::channel(None);
        let stop = Stop::new();
        (Threads::new(sender, stop.clone()), events, stop)
    }

    #[test]
    fn a_thread_has_its_name_and_identity_and_its_end_is_reported() {
        let (threads, mut events, _stop) = threads();
        let (sender, seen) = crossbeam_channel::bounded(1);
        threads
            .spawn("nfacctd/w0", Identity::new("default", "core"), move || {
                let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
                sender.send((comm, log::current().to_string())).unwrap();
            })
            .unwrap();
        assert_eq!(seen.recv().unwrap(), ("nfacctd/w0\n".to_owned(), "default/core".to_owned()));
        assert_eq!(events.wait(), Event::ThreadEnded { name: "nfacctd/w0".to_owned(), how: End::Returned });
        assert!(threads.join_all(Duration::from_secs(30)).is_empty());
        assert!(!threads.has_panicked());
    }

    #[test]
    fn long_names_and_odd_ones_do_no_harm() {
        let (threads, mut events, _stop) = threads();
        let name = "print[\0a name that is longer than the kernel's]";
        threads.spawn(name, Identity::new("a", "print"), || ()).unwrap();
        let Event::ThreadEnded { how, .. } = events.wait() else { unreachable!() };
        assert_eq!(how, End::Returned);
    }

    #[test]
    fn a_panic_is_caught_and_reported_with_its_location() {
        let (threads, mut events, _stop) = threads();
        threads.spawn("bad", Identity::new("p", "print"), || panic!("number {}", 7)).unwrap();
        let Event::ThreadEnded { name, how: End::Panicked { message, location } } = events.wait() else {
            unreachable!()
        };
        assert_eq!((name.as_str(), message.as_str()), ("bad", "number 7"));
        assert!(location.contains("threads.rs:"), "{location}");
        assert!(threads.has_panicked());
        assert!(threads.join_all(Duration::from_secs(30)).is_empty());
    }

    #[test]
    fn threads_that_do_not_end_in_time_are_named() {
        let (threads, _events, stop) = threads();
        let quick = stop.clone();
        let identity = Identity::new("default", "core");
        threads.spawn("quick", identity.clone(), move || assert!(quick.pause(Duration::from_secs(60)))).unwrap();
        let (release, held) = crossbeam_channel::bounded::<()>(0);
        threads.spawn("slow", identity, move || assert!(held.recv().is_err())).unwrap();
        stop.request();
        assert_eq!(threads.join_all(Duration::from_millis(200)), ["slow"]);

        stop.force();
        let start = Instant::now();
        assert_eq!(threads.join_all(Duration::from_secs(60)), ["slow"], "force does not wait");
        assert!(start.elapsed() < Duration::from_secs(30));
        drop(release);
    }

    #[test]
    fn threads_that_threads_start_are_waited_for_too() {
        let (threads, _events, _stop) = threads();
        let inner = threads.clone();
        let (sender, ended) = crossbeam_channel::bounded(1);
        threads
            .spawn("outer", Identity::new("default", "core"), move || {
                inner.spawn("inner", Identity::new("default", "core"), move || sender.send(()).unwrap()).unwrap();
            })
            .unwrap();
        assert!(threads.join_all(Duration::from_secs(30)).is_empty());
        assert_eq!(ended.try_recv(), Ok(()));
    }
}
