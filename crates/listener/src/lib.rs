//! Listening TCP sockets of sessions, such as BGP: their options, and the keys by which peers sign segments.
//!
//! [`open`] makes a socket. [`Keys`] are read from the operator's file, and [`InstalledKeys`] brings those of the socket to the state
//! of the file, at start and on reload.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod install;
#[expect(unsafe_code, reason = "setsockopt of TCP_MD5SIG_EXT and TCP_AO_ADD_KEY, which no library offers")]
mod kernel;
mod keys;
mod socket;

pub use install::{InstallError, InstalledKeys, sign};
pub use keys::{Algorithm, Key, Keys, MAX_KEY, Secret};
pub use socket::{OpenError, Opened, Options, open, probe};
