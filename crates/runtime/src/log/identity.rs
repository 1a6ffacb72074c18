//! The part of the daemon that a log line is from.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A part of the daemon, as lines show it: `default/core`, `p/print`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `NAME/TYPE`.
    shown: Arc<str>,
    debug: bool,
}

impl Identity {
    /// `name` is the plugin's or the core's, `kind` the plugin's type or `core`.
    #[must_use]
    pub fn new(name: &str, kind: &str) -> Self {
        Self { shown: format!("{name}/{kind}").into(), debug: false }
    }

    /// Shows this part's lines of level DEBUG, even if those of others are not shown.
    #[must_use]
    pub fn debug(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The identity of threads without one of their own: the main thread, and threads that libraries start.
static DEFAULT: Mutex<Option<Identity>> = Mutex::new(None);

thread_local! {
    static ENTERED: RefCell<Option<Identity>> = const { RefCell::new(None) };
}

/// The identity of threads that have none of their own; `default/core` before.
pub fn set_default(identity: Identity) {
    let debug = identity.debug;
    *DEFAULT.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity);
    if debug {
        super::expect_debug();
    }
}

/// This thread's identity from now on.
pub fn enter(identity: Identity) {
    let debug = identity.debug;
    // A thread that is being torn down has the default identity.
    let _ = ENTERED.try_with(|entered| *entered.borrow_mut() = Some(identity));
    if debug {
        super::expect_debug();
    }
}

/// This thread's identity.
#[must_use]
pub fn current() -> Identity {
    if let Ok(Some(entered)) = ENTERED.try_with(|entered| entered.borrow().clone()) {
        return entered;
    }
    let default = DEFAULT.lock().unwrap_or_else(PoisonError::into_inner).clone();
    default.unwrap_or_else(|| Identity::new("default", "core"))
}

/// True when this thread shows lines of level DEBUG.
pub(super) fn debugs() -> bool {
    let entered = ENTERED.try_with(|entered| entered.borrow().as_ref().map(|identity| identity.debug));
    entered.ok().flatten().unwrap_or_else(|| {
        DEFAULT.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|identity| identity.debug)
    })
}
