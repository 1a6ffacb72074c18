//! What all daemons share: workers, outlets, flushes and shutdown.
