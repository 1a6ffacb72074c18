//! The contract between the part and its inputs: each receives telemetry in one way, with threads of its own.
//!
//! The row of a daemon lists the inputs that it can have ([`super::Row`]); any of them may be used at a time. An input hands messages to
//! the collector ([`Service::batch`]), many at a time where many have arrived.

use super::service::Service;
use crate::host::part::{Commit, Reading, Services};
use config::Diagnostics;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Reads the settings of an input. `None` if the configuration does not ask for it, or together with fatal problems.
pub(crate) type Choose = fn(&mut Reading<'_>) -> Option<Box<dyn Input>>;

/// Reads the files of an input again; errors are added to the problems. The result is applied if no file of the daemon has any.
pub(crate) type Reload = Box<dyn FnOnce(&mut Diagnostics) -> Commit + Send>;

/// An input.
pub(crate) trait Input {
    /// Opens its sockets.
    ///
    /// # Errors
    /// The message, with the key.
    fn open(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Starts its threads, by [`Service::spawn`].
    ///
    /// # Errors
    /// The kernel allows no more threads, or has no memory.
    fn start(&mut self, service: &Arc<Service>, services: &Services) -> io::Result<()>;

    /// Logs that it is ready.
    fn announce(&self) {}

    /// The files of its own that a reload reads again.
    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Reads them again.
    fn reload(&self) -> Option<Reload> {
        None
    }

    /// Shutdown was requested: wakes its threads, which read what has arrived and end.
    fn stop(&mut self) {}

    /// Whether it reads a file, and ends with it.
    fn is_finite(&self) -> bool {
        false
    }
}
