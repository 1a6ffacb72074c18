//! The life of a process: logs, signals, pid file, privileges, readiness.
