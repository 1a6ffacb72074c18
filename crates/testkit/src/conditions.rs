//! Waiting for a condition.

use std::time::{Duration, Instant};

/// How long something may take that usually takes milliseconds. Only a test that fails waits that long, and a test that
/// fails because its machine is busy teaches nothing.
pub const PATIENCE: Duration = Duration::from_secs(120);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Looks again and again until there is something, and returns it.
///
/// # Panics
///
/// When there is nothing after [`PATIENCE`]; the message names `what`.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    match within(PATIENCE, look) {
        Some(found) => found,
        None => panic!("timed out after {PATIENCE:?} waiting for {what}"),
    }
}

/// As [`eventually`], but nothing after `patience` is an answer.
pub fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        pause(BETWEEN_LOOKS);
    }
}

/// The one place that sleeps: between two looks at a condition, and between two datagrams of a paced sender.
#[expect(clippy::disallowed_methods, reason = "what other processes do can only be looked at again")]
pub fn pause(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_until_there_is_something() {
        let mut looks = 0;
        let found = eventually("the third look", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
        assert_eq!(within(Duration::ZERO, || None::<()>), None);
    }
}
