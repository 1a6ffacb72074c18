//! Keys of every daemon.

use crate::daemons::*;
use crate::key::*;
use crate::value::words;

words! {
    /// How far a trial run goes.
    pub enum DryRun {
        /// Stop after the configuration is checked.
        Config = "config",
        /// Also open sockets and files, then stop.
        Setup = "setup",
    }
}

keys! {
    /// Writes log lines of level debug.
    DEBUG: bool = boolean(&["debug"]).default("false").both().flag('d', ALL, "true").acts();

    /// Stops after the configuration is read, or after sockets and files are open.
    DRY_RUN: Option<DryRun> = words(&["dry_run"]).by_prefix().option('T', ALL, "config|setup").acts();
}
