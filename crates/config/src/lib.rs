//! Configuration keys, files, command lines and the problems found in them.

#![forbid(unsafe_code)]

pub mod daemons;
pub mod key;
pub mod keys;
pub mod value;

pub use daemons::{Daemon, Daemons};
pub use key::{AnyKey, Key, Place};
