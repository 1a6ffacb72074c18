//! Reading of settings and files.

use crate::host::blame;
use config::key::Key;
use config::{Config, Diagnostics, Origin};
use std::path::Path;
use std::time::Duration;

/// The keys of a batch: both or none.
pub(crate) fn batch(
    config: &Config,
    sessions: &'static Key<u32>,
    interval: &'static Key<Duration>,
    problems: &mut Diagnostics,
) -> Option<(u32, Duration)> {
    let (batch, length) = (config.core(sessions), config.core(interval));
    if (batch == 0) != length.is_zero() {
        let key = if batch == 0 { blame(config, interval) } else { blame(config, sessions) };
        let what = format!("'{}' and '{}' both set to zero.", interval.row().name(), sessions.row().name());
        problems.warn(key, what, Some("Set both to limit the sessions that begin at a time.".to_owned()));
        return None;
    }
    (batch > 0).then_some((batch, length))
}

/// The contents of a file, with its origin; a file that cannot be read is a fatal problem.
pub(crate) fn read(key: &str, path: Option<&Path>, problems: &mut Diagnostics) -> Option<(Origin, Vec<u8>)> {
    let path = path?;
    let origin = Origin::whole(&path.display().to_string());
    match config::text::read(path) {
        Ok(text) => Some((origin, text)),
        Err(error) => {
            let what = match error.kind() {
                std::io::ErrorKind::NotFound => format!("{key}: file not found."),
                _ => format!("{key}: {error}."),
            };
            problems.fatal(&origin, what, None);
            None
        }
    }
}
