//! The lifecycle of a process, the same for all daemons.
//!
//! In the order in which a daemon meets them: [`log::init`], the configuration, [`log::configure`],
//! [`daemonize`] (no thread may run yet), [`events::channel`] and [`threads::Threads`], [`signals::start`], sockets,
//! [`privileges`], [`pid::PidFile`], [`confine`], [`notify::Notifier::ready`], then the main loop over [`events::Events::wait`]
//! until a signal ends it; at last [`threads::Threads::join_all`].
//!
//! Nothing here knows configuration keys: callers pass plain settings.
#![deny(unsafe_code)]

pub mod clock;
pub mod confine;
pub mod daemonize;
pub mod events;
pub mod files;
#[expect(unsafe_code, reason = "malloc_trim, which no library offers")]
pub mod heap;
pub mod log;
pub mod memory;
pub mod notify;
pub mod pid;
pub mod privileges;
pub mod signals;
pub mod socket;
pub mod threads;

#[doc(hidden)]
pub use tracing as __tracing;
