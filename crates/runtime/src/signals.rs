//! Signals as events.
//!
//! A thread of its own waits for them, so they act at once, also when the daemon is idle. SIGPIPE is ignored, as the standard
//! library arranges before `main`: writes to a closed pipe or connection return an error instead.

use crate::events::{Event, Sender, Signal, Stop};
use crate::threads;
use libc::SIGRTMIN;
use nix::sys::signal::{SigSet, SigmaskHow, Signal as Number};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};
use std::io;
use std::thread::JoinHandle;

/// The signals' thread; it ends when this is dropped. Keep it until the threads are joined, so that a second SIGINT
/// still acts.
#[derive(Debug)]
pub struct Listener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Keeps the signals that do not end the daemon pending until [`start`]: by default they would end it, if they arrive while it opens its
/// sockets and files. To be called at the start of the process, before any thread.
pub fn hold() {
    let mut signals = realtime();
    signals.extend([Number::SIGHUP, Number::SIGUSR1, Number::SIGUSR2]);
    let _ = signals.thread_block();
}

/// The number of signals from SIGRTMIN on that are events.
const REALTIME: u8 = 4;

/// All real-time signals, for which there are no names: all signals but those with names.
fn realtime() -> SigSet {
    let mut signals = SigSet::all();
    Number::iterator().for_each(|number| signals.remove(number));
    signals
}

/// Starts to turn signals into events. The first SIGINT or SIGTERM is an event like others; any further one forces `stop`
/// and sends [`Event::Force`].
pub fn start(sender: Sender, stop: Stop) -> io::Result<Listener> {
    // A signal that arrives while its handler is being registered would be lost. A blocked one stays pending.
    let before = ours().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let named = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2];
    let registered =
        Signals::new(named.into_iter().chain((0..REALTIME).map(|offset| SIGRTMIN() + i32::from(offset))));
    before.thread_set_mask()?;
    let mut signals = registered?;
    let handle = signals.handle();
    let thread = threads::start("signals", crate::log::current(), sender.clone(), move || {
        unblock();
        let mut ending = false;
        for number in signals.forever() {
            let Some(signal) = known(number) else {
                continue;
            };
            if !signal.is_stop() {
                sender.send(Event::Signal(signal));
            } else if !ending {
                ending = true;
                sender.send(Event::Signal(signal));
            } else {
                stop.force();
                sender.send(Event::Force);
            }
        }
    })?;
    Ok(Listener { handle, thread: Some(thread) })
}

fn known(number: i32) -> Option<Signal> {
    Some(match number {
        SIGINT => Signal::Interrupt,
        SIGTERM => Signal::Terminate,
        SIGHUP => Signal::Hangup,
        SIGUSR1 => Signal::User1,
        SIGUSR2 => Signal::User2,
        number => {
            let offset = u8::try_from(number.checked_sub(SIGRTMIN())?).ok()?;
            return (offset < REALTIME).then_some(Signal::Realtime(offset));
        }
    })
}

/// Unblocks the signals, which a parent may have blocked; one thread that takes them is enough.
fn unblock() {
    let _ = ours().thread_unblock();
}

fn ours() -> SigSet {
    let mut signals = realtime();
    signals.extend([Number::SIGINT, Number::SIGTERM, Number::SIGHUP, Number::SIGUSR1, Number::SIGUSR2]);
    signals
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events;
    use std::io::Write;
    use std::time::{Duration, Instant};

    fn raise(number: Number) {
        nix::sys::signal::kill(nix::unistd::getpid(), number).unwrap();
    }

    // One test for all: signals go to the process, and tests of one program share it.
    #[test]
    fn signals_become_events_and_a_second_request_to_end_forces_it() {
        let (sender, mut events) = events::channel(None);
        let stop = Stop::new();
        let listener = start(sender, stop.clone()).unwrap();
        let mut next = || events.wait_until(Instant::now() + Duration::from_secs(30)).unwrap();

        for (number, signal) in [
            (Number::SIGHUP, Signal::Hangup),
            (Number::SIGUSR1, Signal::User1),
            (Number::SIGUSR2, Signal::User2),
            (Number::SIGTERM, Signal::Terminate),
        ] {
            raise(number);
            assert_eq!(next(), Event::Signal(signal));
        }
        assert!(!stop.is_forced(), "the first request only asks");
        for offset in 0..REALTIME {
            signal_hook::low_level::raise(SIGRTMIN() + i32::from(offset)).unwrap();
            assert_eq!(next(), Event::Signal(Signal::Realtime(offset)));
        }
        raise(Number::SIGINT);
        assert_eq!(next(), Event::Force);
        assert!(stop.is_forced());

        let start = Instant::now();
        drop(listener);
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn writing_to_a_closed_pipe_is_an_error_and_not_the_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
