//! Waiting for a condition.

use std::time::{Duration, Instant};

/// Timeout for events that usually take milliseconds. Only a failing test waits that long, and a test that
/// fails because its machine is busy is useless.
pub const PATIENCE: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Polls until `look` returns a value, and returns it.
///
/// # Panics
///
/// On a timeout of [`PATIENCE`]; the message names `what`.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    match within(PATIENCE, look) {
        Some(found) => found,
        None => panic!("timed out after {PATIENCE:?} waiting for {what}"),
    }
}

/// As [`eventually`], but returns `None` on a timeout of `patience`.
pub fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        pause(POLL_INTERVAL);
    }
}

/// The only function that sleeps: between two polls of a condition, and between two datagrams of a paced sender.
#[expect(clippy::disallowed_methods, reason = "the state of other processes can only be polled")]
pub fn pause(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_until_there_is_a_value() {
        let mut looks = 0;
        let found = eventually("the third look", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
        assert_eq!(within(Duration::ZERO, || None::<()>), None);
    }
}
